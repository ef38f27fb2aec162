/**
 * Ready-made compositions: an engine with its writer over a store.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { StoreError } from "./model/StoreError.js"
import * as DebugGuard from "./run/DebugGuard.js"
import * as Engine from "./run/Engine.js"
import type * as Dag from "./dag/Dag.js"
import * as Retention from "./state/Retention.js"
import * as RunLease from "./state/RunLease.js"
import * as Signals from "./state/Signals.js"
import * as StateWriter from "./state/StateWriter.js"
import * as Timeline from "./state/Timeline.js"
import type { LeaseStore } from "./store/LeaseStore.js"
import type { RunStore } from "./store/RunStore.js"
import * as RunStoreMemory from "./store/RunStoreMemory.js"
import * as RunStoreSqlite from "./store/RunStoreSqlite.js"

/**
 * The options of the parts; what is left out has the part's own `defaults`.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<D extends ReadonlyArray<Dag.Any> = readonly []> {
  readonly engine?: Partial<Engine.Options<D>>
  readonly writer?: Partial<StateWriter.Options>
  readonly lease?: Partial<RunLease.Options>
}

/**
 * What a composition gives: the engine, its writer, and what reads and signals runs.
 *
 * @since 0.1.0
 * @category models
 */
export type Services = Engine.Engine | StateWriter.StateWriter | Timeline.Timeline | Signals.Signals

const over = <R, const D extends ReadonlyArray<Dag.Any>>(
  lease: Layer.Layer<RunLease.RunLease, never, R>,
  options: Options<D>
) =>
  Engine.layer(options.engine).pipe(
    Layer.provide(Layer.merge(lease, Retention.layer)),
    Layer.provideMerge(Layer.mergeAll(StateWriter.layer(options.writer), Timeline.layer, Signals.layer))
  )

/**
 * An engine over any store, with the writer and the reader that it has: `StateWriter` also keeps state of your own, and
 * has statistics. When its scope closes, runs are cut off first, then the writer writes what is queued, then
 * the store is closed.
 *
 * @example
 * ```ts
 * import { Dag, Heddle, Module } from "heddle"
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { Layer } from "effect"
 *
 * const Reminder = Dag.make("reminder", { outputs: { pause: Module.sleep("pause", { duration: "3 days" }) } })
 *
 * const HeddleLive = Heddle.layer({ engine: { dags: [Reminder] } }).pipe(Layer.provide(RunStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: Options<D> = {}
): Layer.Layer<Services, never, RunStore | Engine.Requirements<D>> => over(RunLease.layer(options.lease), options)

/**
 * An engine over any store that drives a run only while it has the run's lease in a `LeaseStore`, wherever that keeps it:
 * see `RunLease.layerLeased`. All processes over one `RunStore` use the same `LeaseStore`.
 *
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Layer } from "effect"
 *
 * const HeddleLive = Heddle.layerLeased({ lease: { owner: "worker-1", expiry: "10 seconds" } }).pipe(
 *   Layer.provide(LeaseStoreSqlite.layer({ filename: "leases.db" })),
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLeased = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: Options<D> = {}
): Layer.Layer<Services, never, RunStore | LeaseStore | Engine.Requirements<D>> =>
  over(RunLease.layerLeased(options.lease), options)

/**
 * An engine over a store in memory: the same behaviour as with a file, gone with the process. Runs are `buffered` unless
 * they say otherwise, since there is no crash that a commit would survive, and nobody else could take one over, so there
 * are no heartbeats.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Services> = Layer.suspend(() =>
  layer({
    engine: { durability: "buffered", poll: Duration.infinity },
    lease: { heartbeat: Duration.infinity, expiry: Duration.infinity }
  }).pipe(Layer.provide(RunStoreMemory.layer()))
)

/**
 * An engine over a SQLite file, which is created when it does not exist. Fails when the file is not a database of
 * Heddle's, is damaged, or was written by a later release; it is then left as it was. `store`: the options of the file.
 *
 * @example
 * ```ts
 * import { Engine, Heddle } from "heddle"
 * import { Effect } from "effect"
 *
 * const program = Engine.list().pipe(Effect.provide(Heddle.layerSqlite({ filename: "heddle.db" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSqlite = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: Options<D> & { readonly filename: string; readonly store?: Partial<RunStoreSqlite.Options> }
): Layer.Layer<Services, StoreError, Engine.Requirements<D>> =>
  layer(options).pipe(Layer.provide(RunStoreSqlite.layer({ ...options.store, filename: options.filename })))

/**
 * Turns the debug guard on, for tests and development: values that modules, shared cells and caches are given are
 * deep-frozen or compared, and who changes one in place dies with `StateViolation`, as does who uses `Run`, `Shared` or a
 * node where it does not belong. Violations are logged as errors, too. `HEDDLE_DEBUG=1` does the same.
 *
 * Engines and nodes look at it when their Layers are built: provide it last, around all of them. Off, it costs nothing.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Heddle, Module } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const cart = Module.input("cart", Schema.Struct({ cents: Schema.mutable(Schema.Array(Schema.Int)) }))
 * const total = Module.pure("total", {
 *   needs: { cart },
 *   output: Schema.Int,
 *   // changes what it is given: the module fails with StateViolation, which names it and "cart.cents.0"
 *   run: ({ cart }) => (cart.cents as Array<number>).sort()[0] ?? 0
 * })
 * const Totals = Dag.make("totals", { outputs: { total } })
 *
 * const program = Engine.execute(Totals, { cart: { cents: [2, 1] } }).pipe(
 *   Effect.provide(Heddle.layerMemory),
 *   Effect.provide(Heddle.layerDebug)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDebug: Layer.Layer<DebugGuard.DebugGuard> = DebugGuard.layer()
