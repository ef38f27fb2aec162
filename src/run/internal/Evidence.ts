import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Dag from "../../dag/Dag.js"
import type * as Definition from "../../dag/Definition.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { MigrationRefused } from "../../model/MigrationError.js"
import { UnknownRun, type Fault } from "../../model/RunError.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import * as Plan from "../../plan/Plan.js"
import type { Signals } from "../../state/Signals.js"
import type { ItemRow, Timeline } from "../../state/Timeline.js"
import * as Recall from "./Recall.js"
import * as Values from "./Values.js"

/** What is stored of a module, by its path. */
interface Row {
  readonly path: string
  readonly status: ModuleStatus
  readonly attempt: number
  /** Whether an attempt has begun. */
  readonly begun: boolean
}

/** A module of the new Dag itself, and what is stored of it. */
export interface Fact {
  readonly path: string
  readonly kind: Definition.Definition["kind"]
  /** Those of the Dag itself, with the route to whose branch it belongs. */
  readonly needs: ReadonlyArray<string>
  /** Whether the run's Dag has one of this name, and whether its fingerprint is the same. */
  readonly known: boolean
  readonly same: boolean
  readonly row: Row | undefined
  readonly inside: ReadonlyArray<Row>
  /** Whether something completed in it, or inside of it. */
  readonly worked: boolean
  /** Whether an attempt began, in it or inside of it, that was, or may have been, one that is made at most once. */
  readonly once: boolean
  /** A signal was delivered, and it has yet to take it. */
  readonly delivered: boolean
  /** What is wrong with what is stored, under its new schema. */
  readonly fault: string | undefined
  /** Whether what is stored can stand as what it gave. */
  readonly keepable: boolean
}

/** A shared cell that is stored. */
export interface Cell {
  readonly path: string
  readonly known: boolean
  readonly fault: string | undefined
}

/** All that the steps of a migration follow from. */
export interface Evidence {
  readonly runId: RunId
  readonly dag: string
  readonly seq: number
  readonly from: string
  readonly to: {
    readonly fingerprint: string
    readonly total: number
    readonly signals: string
    readonly input: string
  }
  /** In the order of the plan: needs come before dependants. */
  readonly facts: ReadonlyArray<Fact>
  /** What is stored of modules that the new Dag does not have. */
  readonly orphans: ReadonlyArray<Row>
  /** The paths of the signals that were delivered or closed. */
  readonly signals: ReadonlyArray<string>
  readonly cells: ReadonlyArray<Cell>
}

interface Old {
  readonly fingerprint: string
  readonly fingerprintOf: (module: string) => string | undefined
  /** The plan, where it is known. */
  readonly plan: Plan.Plan | undefined
}

type Origin = Dag.Any | { readonly fingerprint: string; readonly modules: { readonly [path: string]: string } }

const oldOf = (from: Origin): Effect.Effect<Old, Plan.PlanInvalid> =>
  Dag.isDag(from)
    ? Effect.map(Plan.make(from), (plan) => ({
        fingerprint: plan.fingerprint,
        fingerprintOf: (module) => plan.modules[plan.index.get(module) ?? -1]?.fingerprint,
        plan
      }))
    : Effect.succeed({
        fingerprint: from.fingerprint,
        fingerprintOf: (module) => (Object.hasOwn(from.modules, module) ? from.modules[module] : undefined),
        plan: undefined
      })

const textOf = (faults: ReadonlyArray<Fault>): string =>
  faults
    .map(({ message, path }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
    .join("; ")

/** What is wrong with a stored text. */
const faultOf = (
  schema: Definition.ErasedSchema,
  text: string | null
): Effect.Effect<string | undefined, never, unknown> =>
  Effect.match(Values.decode(schema, text), { onSuccess: () => undefined, onFailure: textOf })

/** Whether a Dag makes some attempt at most once, inside of its child Dags too. */
const hasOnce = ({ modules }: Plan.Plan): boolean =>
  modules.some(
    ({ child, definition }) =>
      (definition.kind === "effect" && definition.execution === "atMostOnce") || (child !== undefined && hasOnce(child))
  )

/** What is stored of a run, and what it is to the new Dag. Reads only. */
export const gather = (
  { signals, timeline }: { readonly timeline: typeof Timeline.Service; readonly signals: typeof Signals.Service },
  dag: Dag.Any,
  runId: RunId,
  from: Origin
): Effect.Effect<Evidence, UnknownRun | Plan.PlanInvalid | MigrationRefused | StoreError, unknown> =>
  Effect.gen(function* () {
    const plan = yield* Plan.make(dag)
    const found = yield* timeline.get(runId)
    if (Option.isNone(found)) return yield* new UnknownRun({ runId })
    const { input, snapshot } = found.value
    if (snapshot.dag !== plan.dag) return yield* new MigrationRefused({ runId, reason: "otherDag", paths: [] })
    const old = yield* oldOf(from)
    if (old.fingerprint !== snapshot.fingerprint) {
      return yield* new MigrationRefused({ runId, reason: "otherOrigin", paths: [] })
    }
    const settled = (yield* signals.of([runId])).map(({ closed, module, value }) => ({ closed, module, value }))
    const rows = new Map<string, Array<Row>>()
    for (const [path, { attempt, startedAt, status }] of snapshot.modules) {
      const outer = RunSnapshot.outermost(path)
      const list = rows.get(outer) ?? []
      rows.set(outer, list)
      list.push({ path, status, attempt, begun: startedAt !== undefined || attempt > 1 })
    }
    const names = plan.modules.map(({ name }) => name)
    const outputs = yield* timeline.outputs(runId, names)
    const items = new Map<string, Array<ItemRow>>()
    const maps = plan.modules.flatMap(({ definition, name }) => (definition.kind === "map" ? [name] : []))
    for (const item of maps.length === 0 ? [] : yield* timeline.items(runId, maps)) {
      const list = items.get(item.module) ?? []
      items.set(item.module, list)
      list.push(item)
    }
    // written by `Inputs.encode`
    const given = JSON.parse(input) as { readonly [name: string]: string | null }
    const inputOf = (name: string) => (Object.hasOwn(given, name) ? (given[name] ?? null) : null)

    const fact = ({ child, definition, fingerprint, name, needs, when }: Plan.PlannedModule) =>
      Effect.gen(function* () {
        const before = old.fingerprintOf(name)
        const same = before === fingerprint
        const own = rows.get(name)?.find(({ path }) => path === name)
        const inside = (rows.get(name) ?? []).filter(({ path }) => path !== name)
        const ended = items.get(name) ?? []
        const isDone = own?.status === "completed"
        const signal = settled.find(({ module }) => module === name)
        const isDelivered = signal !== undefined && !signal.closed && !isDone
        const schema = Recall.schemaOf(definition)
        const formerly = same ? { definition, child } : old.plan?.modules[old.plan.index.get(name) ?? -1]
        const mayBeOnce =
          formerly === undefined ||
          (formerly.definition.kind === "effect" && formerly.definition.execution === "atMostOnce") ||
          (formerly.child !== undefined && hasOnce(formerly.child))
        const all = own === undefined ? inside : [own, ...inside]

        let fault: string | undefined
        let keepable = isDone && same
        if (definition.kind === "input") {
          fault = yield* faultOf(definition.schema, inputOf(name))
          keepable = fault === undefined
        } else if (definition.kind === "map" && definition.each.kind === "effect") {
          for (const { index, output, status } of ended) {
            const found = status === "completed" ? yield* faultOf(definition.each.output, output) : undefined
            fault ??= found === undefined ? undefined : `item ${index}: ${found}`
          }
          const total = RunSnapshot.module(snapshot, name).items?.total
          keepable = isDone && total === ended.length
        } else if (schema !== undefined && isDone) {
          fault = yield* faultOf(schema, outputs.get(name) ?? null)
          // erasure: what a route gives is the name of a branch
          const branch = definition.kind === "route" ? (JSON.parse(outputs.get(name) ?? '""') as string) : undefined
          if (definition.kind === "route" && branch !== undefined && !definition.branches.includes(branch)) {
            fault ??= `it has no branch "${branch}"`
          }
          keepable = true
        } else if (definition.kind === "signal" && isDelivered) {
          fault = yield* faultOf(definition.value, signal.value)
          keepable = true
        } else if (definition.kind === "sleep") keepable = isDone
        // what has no schema is computed again, by the function that there is now
        else if (definition.kind === "pure") keepable = false
        return {
          path: name,
          kind: definition.kind,
          needs: [...needs, ...(when === undefined ? [] : [when])].map(({ index }) => plan.modules[index]!.name),
          known: before !== undefined,
          same,
          row: own,
          inside,
          worked:
            all.some(({ status }) => status === "completed") || ended.some(({ status }) => status === "completed"),
          once: mayBeOnce && all.some(({ begun, status }) => begun && status !== "pending"),
          delivered: isDelivered,
          fault,
          keepable: keepable && fault === undefined
        } satisfies Fact
      })

    const cells: Array<Cell> = []
    for (const [path, value] of snapshot.shared) {
      const [group = "", key = "", ...rest] = path.split("/")
      // that of a child Dag goes with it
      const cell = rest.length > 0 ? undefined : plan.shared.find(({ name }) => name === group)?.cells[key]
      const decoded =
        cell === undefined
          ? Either.right(undefined)
          : ParseResult.decodeUnknownEither(cell.schema, { errors: "all" })(value)
      const fault = Either.isLeft(decoded)
        ? textOf(
            ParseResult.ArrayFormatter.formatIssueSync(decoded.left).map(({ message, path }) => ({ message, path }))
          )
        : undefined
      cells.push({ path, known: rest.length > 0 || cell !== undefined, fault })
    }

    const known = new Set(names)
    return {
      runId,
      dag: plan.dag,
      seq: snapshot.seq,
      from: snapshot.fingerprint,
      to: {
        fingerprint: plan.fingerprint,
        total: plan.modules.length,
        signals: JSON.stringify(plan.signals),
        // names and texts
        input: Either.getOrThrow(
          CanonicalJson.stringify(
            Object.fromEntries(
              plan.modules.flatMap(({ definition, name }) =>
                definition.kind === "input" ? [[name, inputOf(name)] as const] : []
              )
            )
          )
        )
      },
      facts: yield* Effect.forEach(plan.modules, fact),
      orphans: Array.from(rows).flatMap(([name, list]) => (known.has(name) ? [] : list)),
      signals: settled.map(({ module }) => module).sort(),
      cells
    }
  })
