import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Definition from "../../dag/Definition.js"
import { StoredValueInvalid, type Fault } from "../../model/RunError.js"
import { isFinal } from "../../model/ModuleStatus.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import { Failure } from "../../model/Transition.js"
import type { Plan, PlannedModule } from "../../plan/Plan.js"
import type { ItemRow } from "../../state/Timeline.js"
import * as Inputs from "./Inputs.js"
import * as Needs from "./Needs.js"
import * as Results from "./Results.js"
import type { SharedCells } from "./SharedCells.js"
import * as Cells from "./SharedCells.js"
import * as Values from "./Values.js"

/** How an item ended, as it is stored: `cause` where its error could be decoded. */
export interface EndedItem {
  readonly exit: Exit.Exit<unknown, unknown>
  /** The number of the transition that ended it. */
  readonly seq: number
  readonly failure?: Failure
  readonly cause?: Cause.Cause<unknown> | undefined
}

/** What is known of a Dag of a run before anything runs. `items` and `children` are by path, for all Dags of the run. */
export interface Recalled {
  readonly values: Array<unknown>
  readonly causes: Results.Causes
  /** The items of maps that have ended, by index. */
  readonly items: ReadonlyMap<string, ReadonlyArray<EndedItem | undefined>>
  readonly children: ReadonlyMap<string, Recalled>
}

/** How to get at what a run has stored. */
export interface Source {
  readonly snapshot: RunSnapshot.RunSnapshot
  readonly outputs: (modules: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, StoreError>
  readonly items: (modules: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ItemRow>, StoreError>
}

type Recalling<A> = Effect.Effect<A, StoreError | StoredValueInvalid, unknown>

/** A Dag of which nothing is known but its inputs. */
export const fresh = (plan: Plan, inputs: ReadonlyMap<number, unknown>): Recalled => {
  const values = new Array<unknown>(plan.modules.length)
  for (const [index, value] of inputs) values[index] = value
  return { values, causes: new Map(), items: new Map(), children: new Map() }
}

const decodeFailure = Schema.decodeUnknown(Schema.parseJson(Failure))

/**
 * The values of the completed modules that something unfinished needs or that the Dag gives, and of no others: what is
 * stored is read and decoded, and pure modules without an output schema are computed again. Also in child Dags that have
 * begun. With `everything`: the values of all completed modules, for who looks. What does not decode is refused before
 * anything runs, shared cells included.
 */
export const make = (
  plan: Plan,
  inputs: ReadonlyMap<number, unknown>,
  source: Source,
  everything = false
): Recalling<Recalled> => {
  const { snapshot } = source
  const { runId } = snapshot
  const items = new Map<string, ReadonlyArray<EndedItem | undefined>>()
  const children = new Map<string, Recalled>()
  const begun = new Set<string>()
  for (const path of snapshot.modules) {
    for (let at = path[0].indexOf("/"); at >= 0; at = path[0].indexOf("/", at + 1)) begun.add(path[0].slice(0, at))
  }
  const invalid = (module: string, faults: ReadonlyArray<Fault>) => new StoredValueInvalid({ runId, module, faults })
  const again = (module: string, defect: unknown) =>
    invalid(module, [{ path: [], message: `it could not be computed again: ${String(defect)}` }])

  const statusIn = (plan: Plan, path: string) => (index: number) =>
    RunSnapshot.module(snapshot, path + plan.modules[index]!.name).status

  /** Which modules of a Dag have values that are recalled. */
  const recalledIn = (plan: Plan, path: string) => {
    const statusOf = statusIn(plan, path)
    const wanted = everything ? undefined : whatIsWanted(plan, statusOf)
    return (index: number) => wanted?.[index] !== 0 && statusOf(index) === "completed"
  }

  /** The paths of those of them whose values are stored. */
  const storedIn = (plan: Plan, path: string): ReadonlyArray<string> => {
    const isRecalled = recalledIn(plan, path)
    return plan.modules.flatMap(({ definition, name }, i) =>
      isRecalled(i) && schemaOf(definition) ? [path + name] : []
    )
  }

  /** `read`: the outputs that were read already, together with those of other children. */
  const dag = (
    plan: Plan,
    path: string,
    inputs: ReadonlyMap<number, unknown>,
    parent: SharedCells | undefined,
    read?: ReadonlyMap<string, string>
  ): Recalling<Recalled> =>
    Effect.gen(function* () {
      const cells = Cells.make(plan.shared, path, snapshot.shared, parent)
      if (Either.isLeft(cells)) return yield* invalid(cells.left.cell, cells.left.faults)
      const { modules } = plan
      const stateOf = (index: number) => RunSnapshot.module(snapshot, path + modules[index]!.name)
      const statusOf = statusIn(plan, path)
      const failureOf = (index: number) => stateOf(index).failure
      const isRecalled = recalledIn(plan, path)

      const texts = read ?? (yield* source.outputs(storedIn(plan, path)))
      const values = new Array<unknown>(modules.length)
      for (const [index, value] of inputs) values[index] = value
      const causes = new Map<number, Cause.Cause<unknown>>()
      const known: Needs.Known = { path, values, causes, statusOf, failureOf }
      const recalled: Recalled = { values, causes, items, children }

      for (const [i, { child, definition, name }] of modules.entries()) {
        const module = path + name
        const cause = yield* causeOf(modules[i]!, module)
        if (cause !== undefined) causes.set(i, cause)
        const schema = schemaOf(definition)
        if (definition.kind === "input") continue
        if (schema !== undefined) {
          if (!isRecalled(i)) continue
          values[i] = yield* Effect.mapError(Values.decode(schema, texts.get(module) ?? null), (faults) =>
            invalid(module, faults)
          )
        } else if (definition.kind === "pure") {
          if (!isRecalled(i)) continue
          values[i] = yield* Effect.try({
            try: () => definition.run(Needs.of(plan, i, known)),
            catch: (defect) => again(module, defect)
          })
        } else if (definition.kind === "dag" && child !== undefined) {
          if (!isRecalled(i) && (isFinal(statusOf(i)) || !begun.has(module))) continue
          const inputs = yield* childInputs(child, module, () => definition.input(Needs.of(plan, i, known)))
          const inner = yield* dag(child, `${module}/`, inputs, cells.right)
          children.set(module, inner)
          if (isRecalled(i)) values[i] = outputsOf(child, module, inner)
        } else if (definition.kind === "map") {
          const open = !isFinal(statusOf(i)) && stateOf(i).items !== undefined
          if (!isRecalled(i) && !open) continue
          const needs = () => Needs.of(plan, i, known)
          const total = stateOf(i).items?.total ?? 0
          const ended = yield* mapItems(definition, child, module, needs, total, cells.right, isRecalled(i))
          items.set(module, ended)
          if (!isRecalled(i)) continue
          values[i] = ended.map((item) => (definition.onItemFailure === "collect" ? item?.exit : valueOf(item)))
        }
      }
      return recalled
    })

  /** Why a module failed, as it was said when it did: of a child Dag by the modules of that. */
  const causeOf = ({ child, definition }: PlannedModule, module: string): Recalling<Cause.Cause<unknown> | undefined> =>
    Effect.gen(function* () {
      const { failure, status } = RunSnapshot.module(snapshot, module)
      if (child === undefined || status !== "failed") return yield* Results.storedCause(definition, failure)
      if (definition.kind === "dag") return yield* childCause(child, module)
      const failed = (yield* source.items([module])).filter(({ status }) => status === "failed")
      if (failed.length === 0) return undefined
      const first = failed.reduce((a, b) => (b.seq < a.seq ? b : a))
      return yield* childCause(child, `${module}/${first.index}`)
    })

  const childCause = (child: Plan, module: string): Recalling<Cause.Cause<unknown> | undefined> =>
    Effect.gen(function* () {
      const causes = new Map<number, Cause.Cause<unknown>>()
      const pathOf = (index: number) => `${module}/${child.modules[index]!.name}`
      const stateOf = (index: number) => RunSnapshot.module(snapshot, pathOf(index))
      for (const [index, planned] of child.modules.entries()) {
        const cause = yield* causeOf(planned, pathOf(index))
        if (cause !== undefined) causes.set(index, cause)
      }
      // a child that could not begin has no modules that failed
      if (!child.modules.some((_, index) => stateOf(index).status === "failed")) return undefined
      return Results.childCause(module, child, {
        causes,
        states: {
          attemptOf: (index) => stateOf(index).attempt,
          failureOf: (index) => stateOf(index).failure,
          statusOf: (index) => stateOf(index).status
        }
      })
    })

  const outputsOf = (child: Plan, module: string, { values }: Recalled) =>
    Results.outputsOf(
      child,
      values,
      (index) => RunSnapshot.module(snapshot, `${module}/${child.modules[index]!.name}`).status
    )

  const childInputs = (child: Plan, module: string, given: () => unknown) =>
    Effect.try({ try: given, catch: (defect) => again(module, defect) }).pipe(
      Effect.flatMap((given) => Inputs.encode(child, given)),
      Effect.mapBoth({
        onSuccess: ({ values }) => values,
        onFailure: (error) => (error._tag === "InputInvalid" ? invalid(module, error.faults) : error)
      })
    )

  const mapItems = (
    definition: Definition.MapDefinition,
    child: Plan | undefined,
    module: string,
    needs: () => Definition.ErasedValues,
    total: number,
    cells: SharedCells,
    isRecalled: boolean
  ): Recalling<ReadonlyArray<EndedItem | undefined>> =>
    Effect.gen(function* () {
      const { each } = definition
      const items = new Array<EndedItem | undefined>(total).fill(undefined)
      const completed = new Map<number, number>()
      for (const { failure, index, output, seq, status } of yield* source.items([module])) {
        if (status === "failed") {
          const kept = yield* Effect.mapError(decodeFailure(failure), (cause) => again(module, cause.message))
          const cause =
            child === undefined
              ? yield* Results.storedCause(definition, kept)
              : yield* childCause(child, `${module}/${index}`)
          items[index] = { exit: Results.storedEnding(module, kept, cause), seq, failure: kept, cause }
        } else if (each.kind === "dag") completed.set(index, seq)
        else {
          const value = yield* Effect.mapError(Values.decode(each.output, output), (faults) =>
            invalid(
              module,
              faults.map((fault) => ({ ...fault, path: [index, ...fault.path] }))
            )
          )
          items[index] = { exit: Exit.succeed(value), seq }
        }
      }
      if (each.kind === "effect" || child === undefined) return items
      const given = needs()
      const list = yield* Effect.try({
        try: () => listOf(definition.over(given), total),
        catch: (defect) => again(module, defect)
      })
      if (isRecalled && list.length !== total) {
        return yield* again(module, `its list has another length than the ${total} items that it had`)
      }
      const pathOf = (index: number) => `${module}/${index}`
      // of all children at once: there may be as many as a map has items
      const texts = yield* source.outputs(
        list.flatMap((_, index) => (begun.has(pathOf(index)) ? storedIn(child, `${pathOf(index)}/`) : []))
      )
      for (const [index, item] of list.entries()) {
        const path = pathOf(index)
        if (!begun.has(path)) continue
        const inputs = yield* childInputs(child, path, () => each.input(item, given, index))
        const inner = yield* dag(child, `${path}/`, inputs, cells, texts)
        children.set(path, inner)
        const seq = completed.get(index)
        if (seq !== undefined) items[index] = { exit: Exit.succeed(outputsOf(child, path, inner)), seq }
      }
      return items
    })

  return dag(plan, "", inputs, undefined)
}

/** The list of a map, up to one more than it should have: what has become endless is not followed. */
const listOf = (items: Iterable<unknown>, total: number): ReadonlyArray<unknown> => {
  const list: Array<unknown> = []
  for (const item of items) {
    list.push(item)
    if (list.length > total) break
  }
  return list
}

const valueOf = (item: EndedItem | undefined) =>
  item !== undefined && Exit.isSuccess(item.exit) ? item.exit.value : undefined

/** The schema of what is stored of a module, where anything is. */
export const schemaOf = (definition: Definition.Definition): Definition.ErasedSchema | undefined => {
  switch (definition.kind) {
    case "effect":
    case "pure":
      return definition.output
    case "signal":
      return definition.value
    case "route":
      // erasure: a schema of strings, whose values are handled as unknown
      return Schema.String as unknown as Definition.ErasedSchema
    default:
      return undefined
  }
}

const whatIsWanted = (plan: Plan, statusOf: Needs.Known["statusOf"]): Uint8Array => {
  const { modules } = plan
  const wanted = new Uint8Array(modules.length)
  for (const { index } of plan.outputs) wanted[index] = 1
  // needs come before dependants, so that from the end each module is seen after all who want it
  for (let i = modules.length - 1; i >= 0; i--) {
    const { definition, needs } = modules[i]!
    // the branch that was chosen says what was skipped, and what is still to be
    if (definition.kind === "route") wanted[i] = 1
    const computed =
      definition.kind === "dag" ||
      (definition.kind === "pure" && definition.output === undefined) ||
      (definition.kind === "map" && definition.each.kind === "dag")
    if (!isFinal(statusOf(i)) || (wanted[i] === 1 && computed)) for (const need of needs) wanted[need.index] = 1
  }
  return wanted
}
