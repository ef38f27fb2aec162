/** Registers Dags as flows. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Dag from "../../dag/Dag.js"
import type { Flow } from "../../model/Flow.js"
import { FlowDiffers, type FlowInvalid } from "../../model/FlowError.js"
import type { StoreError } from "../../model/StoreError.js"
import * as Plan from "../../plan/Plan.js"
import * as ToolSchema from "../../plan/ToolSchema.js"
import type { FlowStore } from "../../store/FlowStore.js"
import type { By } from "../FlowRegistryService.js"
import type * as FlowCodec from "./FlowCodec.js"
import * as FlowFeed from "./FlowFeed.js"
import * as FlowInput from "./FlowInput.js"
import * as FlowTransitions from "./FlowTransitions.js"
import * as FlowVersion from "./FlowVersion.js"
import type { FlowWriter, Next } from "./FlowWriter.js"

interface Request extends FlowTransitions.Notes {
  readonly definition: FlowTransitions.Definition
}

/** `at`: where the Dag and what is said of it are in what was given. */
export interface Given {
  readonly dag: unknown
  readonly said: Either.Either<typeof FlowInput.Registered.Type, ReadonlyArray<FlowCodec.Fault>>
  readonly at: string
}

const nothing: typeof FlowInput.Registered.Type = {}

const below = (at: string, path: string): string => (at === "" ? path : `${at}.${path}`)

/** What is to be registered: the Dag is looked at, the registry is not. */
const request = ({ at, dag, said }: Given): Effect.Effect<Request, Plan.PlanInvalid | FlowInvalid> =>
  Effect.gen(function* () {
    if (!Dag.isDag(dag)) {
      return yield* FlowInput.invalid(undefined, [
        { path: below(at, "dag"), message: "it is no Dag: make it by Dag.make" }
      ])
    }
    const faults: Array<FlowCodec.Fault> = []
    const { governance, lifecycle, status, version: own } = Either.getOrElse(said, () => nothing)
    if (Either.isLeft(said)) faults.push(...said.left)
    const plan = yield* Plan.make(dag)
    const name = FlowInput.nameFault(plan.dag)
    if (name !== undefined) faults.push({ path: below(at, "dag.name"), message: name })
    const version = own ?? dag.version
    const wrong = version === undefined ? "neither it nor the Dag has one" : FlowVersion.faultOf(version)
    if (wrong !== undefined && Either.isRight(said)) {
      faults.push({ path: below(at, own === undefined ? "dag.version" : "version"), message: wrong })
    }
    const schemas = Either.mapLeft(ToolSchema.of(plan), (invalid) =>
      faults.push(...invalid.faults.map((fault) => ({ ...fault, path: below(at, fault.path) })))
    )
    if (Either.isLeft(schemas) || version === undefined || faults.length > 0) {
      return yield* FlowInput.invalid(plan.dag, faults)
    }
    return {
      definition: { name: plan.dag, version, fingerprint: plan.fingerprint, ...schemas.right },
      status: status ?? "active",
      lifecycle: lifecycle ?? "",
      governance: governance ?? ""
    }
  })

const twice = (requests: ReadonlyArray<Request>): FlowInvalid | undefined => {
  const seen = new Set<string>()
  for (const { definition } of requests) {
    const { name, version } = definition
    const key = JSON.stringify([name, version])
    if (seen.has(key)) return FlowInput.invalid(name, [{ path: "version", message: `${version} is there twice` }])
    seen.add(key)
  }
  return undefined
}

export const make = (store: FlowStore["Type"], writer: FlowWriter) => {
  /** What the flow was registered with: what it takes and gives may have been changed since. */
  const registeredAs = (flow: Flow): Effect.Effect<Flow, StoreError> =>
    Stream.runFold(FlowFeed.audit(store, { name: flow.name, version: flow.version, after: 0 }), flow, (found, entry) =>
      entry.action === "register" && entry.revision <= flow.revision && entry.flow !== undefined ? entry.flow : found
    )

  const isSame = (flow: Flow, definition: FlowTransitions.Definition): Effect.Effect<void, FlowDiffers | StoreError> =>
    Effect.gen(function* () {
      const differs = FlowTransitions.differences(flow, definition)
      if (differs === undefined) return
      const { fingerprint, name, version } = flow
      if (fingerprint === definition.fingerprint) {
        const before = yield* registeredAs(flow)
        if (FlowTransitions.differences(before, definition) === undefined) return
      }
      return yield* new FlowDiffers({ name, version, differs })
    })

  /** All of them, or none. */
  return (
    given: ReadonlyArray<Given>,
    by: By
  ): Effect.Effect<ReadonlyArray<Flow>, Plan.PlanInvalid | FlowInvalid | FlowDiffers | StoreError> =>
    Effect.gen(function* () {
      const requests = yield* Effect.forEach(given, request)
      const invalid = twice(requests)
      if (invalid !== undefined) return yield* invalid
      for (;;) {
        const stamp = yield* writer.stamp(by)
        const flows: Array<Flow> = []
        const nexts: Array<Next> = []
        for (const { definition, ...notes } of requests) {
          const { flow, revision } = yield* writer.read(definition.name, definition.version)
          if (flow !== undefined) yield* isSame(flow, definition)
          else nexts.push({ flow: FlowTransitions.register(definition, notes, revision, stamp) })
          flows.push(flow ?? FlowTransitions.register(definition, notes, revision, stamp))
        }
        const outcome = yield* writer.write(nexts, "register", by, stamp)
        if (outcome._tag === "Written") {
          const written = new Map(outcome.flows.map((flow) => [JSON.stringify([flow.name, flow.version]), flow]))
          return Object.freeze(flows.map((flow) => written.get(JSON.stringify([flow.name, flow.version])) ?? flow))
        }
      }
    })
}
