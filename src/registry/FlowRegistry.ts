/**
 * Owns the state of flows.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as CanonicalJson from "../model/CanonicalJson.js"
import type { FlowInvalid } from "../model/FlowError.js"
import type { StoreError } from "../model/StoreError.js"
import { FlowAdmission } from "../run/FlowAdmission.js"
import { FlowStore } from "../store/FlowStore.js"
import { FlowRegistry, type AuditEntry, type AuditFilter, type FlowChange } from "./FlowRegistryService.js"
import * as FlowCodec from "./internal/FlowCodec.js"
import * as Registry from "./internal/Registry.js"

export { FlowRegistry } from "./FlowRegistryService.js"
export type {
  AuditEntry,
  AuditFilter,
  By,
  FlowChange,
  FlowFilter,
  Registration,
  Revised
} from "./FlowRegistryService.js"

/**
 * - `actor`: who makes the changes that do not say so, for the audit trail
 * - `poll`: how often `changes` asks the store for what others have changed; more than 0
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly actor: string
  readonly poll: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = Object.freeze({ actor: "heddle", poll: "1 second" })

/**
 * A registry over a `FlowStore`, and what an engine asks of it before it begins a run: an engine whose Layer is built with
 * it runs only flows that are active.
 *
 * @example
 * ```ts
 * import { Dag, FlowRegistry, Module } from "heddle"
 * import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, output: Schema.Number, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double }, version: "1.0.0" })
 *
 * const FlowsLive = FlowRegistry.layer({ actor: "deploy" }).pipe(
 *   Layer.provide(FlowStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 *
 * const program = Effect.gen(function* () {
 *   const flow = yield* FlowRegistry.register(Doubling)
 *   const disabled = yield* FlowRegistry.setFlowStatus("doubling", {
 *     version: flow.version,
 *     status: "disabled",
 *     reason: "too slow"
 *   })
 *   // a flow never changes: who holds one and wants what is there now asks again
 *   return [flow.status, disabled.status] // ["active", "disabled"]
 * }).pipe(Effect.provide(FlowsLive))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<FlowRegistry | FlowAdmission, never, FlowStore> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { actor, poll } = { ...defaults, ...options }
      const millis = Duration.toMillis(poll)
      if (!(millis > 0) || typeof actor !== "string" || !CanonicalJson.isWellFormed(actor)) {
        return yield* Effect.dieMessage(
          `FlowRegistry.layer: poll is more than 0, and actor a well-formed text, not ${millis} ms, ${JSON.stringify(actor)}`
        )
      }
      const { admission, registry } = yield* Registry.make(yield* FlowStore, { actor, poll: millis })
      return Context.make(FlowRegistry, registry).pipe(Context.add(FlowAdmission, admission))
    })
  )

type Service = FlowRegistry["Type"]

/** A method of the service as a function that needs the service. */
type Needing<F> = F extends (...args: infer A) => Effect.Effect<infer B, infer E, infer R>
  ? (...args: A) => Effect.Effect<B, E, R | FlowRegistry>
  : never

/**
 * `FlowRegistry.register` of the service: registers a version of a Dag, and gives it. The same again changes nothing.
 *
 * **Interruption**: it is registered, or is not.
 *
 * @since 0.1.0
 * @category registering
 */
export const register: Needing<Service["register"]> = (dag, options) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.register(dag, options))

/**
 * `FlowRegistry.registerAll` of the service: registers several, or none of them.
 *
 * **Interruption**: all are registered, or none.
 *
 * @since 0.1.0
 * @category registering
 */
export const registerAll: Needing<Service["registerAll"]> = (flows, by) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.registerAll(flows, by))

/**
 * `FlowRegistry.remove` of the service: gives what the flow was, undefined where that could not be read.
 *
 * **Interruption**: it is removed, or is not.
 *
 * @since 0.1.0
 * @category registering
 */
export const remove: Needing<Service["remove"]> = (name, options) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.remove(name, options))

/**
 * `FlowRegistry.get` of the service: a version of a flow; without `version` the latest.
 *
 * @since 0.1.0
 * @category reading
 */
export const get: Needing<Service["get"]> = (name, version) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.get(name, version))

/**
 * `FlowRegistry.list` of the service: flows as they are at one moment, by name, and by version, the highest first.
 *
 * @since 0.1.0
 * @category reading
 */
export const list: Needing<Service["list"]> = (filter) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.list(filter))

/**
 * `FlowRegistry.versions` of the service: the versions of a flow, the highest first.
 *
 * @since 0.1.0
 * @category reading
 */
export const versions: Needing<Service["versions"]> = (name) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.versions(name))

/**
 * `FlowRegistry.setFlowStatus` of the service: gives the flow with this status.
 *
 * **Interruption**: the change took place, or did not.
 *
 * @since 0.1.0
 * @category changing
 */
export const setFlowStatus: Needing<Service["setFlowStatus"]> = (name, update) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.setFlowStatus(name, update))

/**
 * `FlowRegistry.updateFlowState` of the service: sets the status, and the hashes of tools.
 *
 * **Interruption**: the change took place, or did not.
 *
 * @example
 * ```ts
 * import { FlowRegistry } from "heddle"
 * import { Effect } from "effect"
 *
 * declare const hash: string
 *
 * const program = Effect.flatMap(FlowRegistry.get("orders", "1.0.0"), ({ revision, version }) =>
 *   FlowRegistry.updateFlowState("orders", {
 *     version,
 *     status: "active",
 *     toolSchemaHashes: { charge: hash },
 *     // refused when somebody else has changed it since
 *     revision
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category changing
 */
export const updateFlowState: Needing<Service["updateFlowState"]> = (name, update) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.updateFlowState(name, update))

/**
 * `FlowRegistry.acceptDrift` of the service: what tools were found to take and give is what they should.
 *
 * **Interruption**: the change took place, or did not.
 *
 * @since 0.1.0
 * @category changing
 */
export const acceptDrift: Needing<Service["acceptDrift"]> = (name, options) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.acceptDrift(name, options))

/**
 * `FlowRegistry.reportDrift` of the service: says what nodes, and modules of one flow, take and give now, and gives the
 * flows that have changed.
 *
 * **Interruption**: all of them have changed, or none.
 *
 * @since 0.1.0
 * @category changing
 */
export const reportDrift: Needing<Service["reportDrift"]> = (tools, options) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.reportDrift(tools, options))

/**
 * `FlowRegistry.annotate` of the service: sets notes.
 *
 * **Interruption**: the change took place, or did not.
 *
 * @since 0.1.0
 * @category changing
 */
export const annotate: Needing<Service["annotate"]> = (name, notes) =>
  Effect.flatMap(FlowRegistry, (registry) => registry.annotate(name, notes))

/**
 * `FlowRegistry.changes` of the service: all flows as they are, then every change by anyone.
 *
 * @since 0.1.0
 * @category reading
 */
export const changes: Stream.Stream<FlowChange, StoreError, FlowRegistry> = Stream.unwrap(
  Effect.map(FlowRegistry, ({ changes }) => changes)
)

/**
 * `FlowRegistry.audit` of the service: every change that was made, in order.
 *
 * @since 0.1.0
 * @category auditing
 */
export const audit = (filter?: AuditFilter): Stream.Stream<AuditEntry, FlowInvalid | StoreError, FlowRegistry> =>
  Stream.unwrap(Effect.map(FlowRegistry, (registry) => registry.audit(filter)))

/**
 * The audit trail as lines of JSON, one for each change, each with its end of line: its position, flow, version, revision,
 * time, actor, reason and action, and what the flow became, null when it was removed.
 *
 * @example
 * ```ts
 * import { FlowRegistry } from "heddle"
 * import { Effect, Stream } from "effect"
 *
 * declare const write: (line: string) => Effect.Effect<void>
 *
 * const program = Stream.runForEach(FlowRegistry.exportAudit({ name: "orders" }), write)
 * ```
 *
 * @since 0.1.0
 * @category auditing
 */
export const exportAudit = (filter?: AuditFilter): Stream.Stream<string, FlowInvalid | StoreError, FlowRegistry> =>
  Stream.map(audit(filter), FlowCodec.line)
