/**
 * Keeps runs, state, leases, events and flows in PostgreSQL.
 *
 * @since 0.1.0
 */
import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../model/StoreError.js"
import { EventStore } from "./EventStore.js"
import { FlowStore } from "./FlowStore.js"
import * as PostgresDatabase from "./internal/PostgresDatabase.js"
import * as PostgresEntries from "./internal/PostgresEntries.js"
import * as PostgresEvents from "./internal/PostgresEvents.js"
import * as PostgresFlows from "./internal/PostgresFlows.js"
import * as PostgresLeases from "./internal/PostgresLeases.js"
import * as PostgresRunStore from "./internal/PostgresRunStore.js"
import { LeaseStore } from "./LeaseStore.js"
import { RunStore } from "./RunStore.js"
import { StateStore } from "./StateStore.js"

/**
 * Where the database is: by `url`, as `postgres://user:password@host:port/database`, or by its parts; what neither says
 * is as `PGHOST` and the like say.
 *
 * - `schema`: whose tables are used, created when it does not exist. Stores with the same schema in the same database are
 *   the same store. Any name of at most 63 bytes that does not begin with `pg_`
 * - `maxConnections`: at most so many connections, at least 3: one writes, one listens, the others read. They are made
 *   when they are needed first, and kept
 * - `connectTimeout`: how long it may take to connect, at first and whenever a connection was lost
 * - `timeout`: how long a statement may take, and a wait for a connection that is free, before the operation fails
 *   with `unavailable` or `busy`
 * - `lockTimeout`: how long an operation waits for the locks of others before it fails with `busy`, and how long a
 *   process that hangs between two statements holds its own
 * - `applicationName`: under which the connections are seen in `pg_stat_activity`
 * - `asynchronousCommit`: commits return before they are on the disk of the server, but for those that are `synced`: for
 *   tests, and for those whom the latest commits may be lost when the server dies
 * - `clock`: what says what time it is, in milliseconds, instead of the database: for tests, with `Clock.currentTimeMillis`
 *
 * All times are real ones, whatever the `Clock` of the program says.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly url?: Redacted.Redacted | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  readonly ssl?: PgClientConfig["ssl"]
  readonly schema?: string | undefined
  readonly maxConnections?: number | undefined
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly lockTimeout?: Duration.DurationInput | undefined
  readonly applicationName?: string | undefined
  readonly asynchronousCommit?: boolean | undefined
  readonly clock?: Effect.Effect<number> | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: {
  readonly schema: string
  readonly maxConnections: number
  readonly connectTimeout: Duration.DurationInput
  readonly timeout: Duration.DurationInput
  readonly lockTimeout: Duration.DurationInput
  readonly applicationName: string
  readonly asynchronousCommit: boolean
} = {
  schema: "heddle",
  maxConnections: 8,
  connectTimeout: "5 seconds",
  timeout: "10 seconds",
  lockTimeout: "2 seconds",
  applicationName: "heddle",
  asynchronousCommit: false
}

const open = (options: Options): Effect.Effect<PostgresDatabase.PostgresDatabase, StoreError, Scope.Scope> =>
  PostgresDatabase.open({
    ...options,
    schema: options.schema ?? defaults.schema,
    maxConnections: options.maxConnections ?? defaults.maxConnections,
    connectTimeout: options.connectTimeout ?? defaults.connectTimeout,
    timeout: options.timeout ?? defaults.timeout,
    lockTimeout: options.lockTimeout ?? defaults.lockTimeout,
    applicationName: options.applicationName ?? defaults.applicationName,
    asynchronousCommit: options.asynchronousCommit ?? defaults.asynchronousCommit
  })

const runStore = (database: PostgresDatabase.PostgresDatabase, { clock }: Options): RunStore["Type"] =>
  PostgresRunStore.make(database, { isClockGiven: clock !== undefined })

/**
 * All five stores over the connections of one schema, whose tables are created when they do not exist: several processes
 * may do so at once. The connections are the store's own, never those of a transaction that the caller is in, and close
 * with the scope.
 *
 * Fails within `connectTimeout` when the server cannot be reached (`unavailable`, naming it, never the password), and
 * leaves the schema as it is when it is that of another application (`foreign`) or was written by a later release
 * (`newer`). Nothing is ever dropped.
 *
 * Who drives a run, what a lease is worth and what has expired is judged by the clock of the database: those who use the
 * store need no clocks that agree. The heartbeat of a `RunRow` is by that clock too, but in the answer to a claim.
 *
 * A commit that was acknowledged is as safe as `synchronous_commit` of the server makes it; one that is `synced` is on
 * its disk, with all that was committed before it. When the server is gone or hangs, operations fail with `unavailable`,
 * after `timeout` at the latest, and each later one connects again: the store works as soon as the server does. An
 * operation whose connection was lost before its commit was sent is done again by itself, on another connection; whether
 * one that was committing has taken place is not known then. A `StateWriter` tries it again for as long as its option
 * `retry` says.
 *
 * The tables are named with their schema in each statement, so `search_path` does not matter. Statements are prepared and
 * settings are made for a session: behind a pooler such as PgBouncer, use one that keeps sessions, not transactions.
 *
 * **Interruption**: ends a wait for a connection, and whatever only reads, at once (the statement goes on to its end). A
 * method that writes is waited for, as long as `timeout` lets it take.
 *
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as PostgresStore from "heddle/store/PostgresStore"
 * import { Layer, Redacted } from "effect"
 *
 * const StoresLive = PostgresStore.layer({ url: Redacted.make("postgres://shop@127.0.0.1/shop"), schema: "heddle" })
 *
 * // an engine, its runs, and state, leases, events and flows of your own, in one schema
 * const HeddleLive = Heddle.layer().pipe(Layer.provideMerge(StoresLive))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<RunStore | StateStore | LeaseStore | EventStore | FlowStore, StoreError> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const database = yield* open(options)
      return Context.make(RunStore, runStore(database, options)).pipe(
        Context.add(StateStore, PostgresEntries.make(database)),
        Context.add(LeaseStore, PostgresLeases.make(database)),
        Context.add(EventStore, yield* PostgresEvents.make(database)),
        Context.add(FlowStore, PostgresFlows.make(database))
      )
    })
  )

/**
 * The `RunStore` of `layer` alone.
 *
 * @example
 * ```ts
 * import { Engine, Heddle } from "heddle"
 * import * as PostgresStore from "heddle/store/PostgresStore"
 * import { Effect, Layer } from "effect"
 *
 * const HeddleLive = Heddle.layer().pipe(
 *   Layer.provide(PostgresStore.layerRunStore({ host: "127.0.0.1", database: "shop", username: "shop" }))
 * )
 * const program = Engine.list().pipe(Effect.provide(HeddleLive))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRunStore = (options: Options): Layer.Layer<RunStore, StoreError> =>
  Layer.scoped(
    RunStore,
    Effect.map(open(options), (database) => runStore(database, options))
  )

/**
 * The `StateStore` of `layer` alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStateStore = (options: Options): Layer.Layer<StateStore, StoreError> =>
  Layer.scoped(StateStore, Effect.map(open(options), PostgresEntries.make))

/**
 * The `LeaseStore` of `layer` alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLeaseStore = (options: Options): Layer.Layer<LeaseStore, StoreError> =>
  Layer.scoped(LeaseStore, Effect.map(open(options), PostgresLeases.make))

/**
 * The `EventStore` of `layer` alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEventStore = (options: Options): Layer.Layer<EventStore, StoreError> =>
  Layer.scoped(
    EventStore,
    Effect.flatMap(open(options), (database) => PostgresEvents.make(database))
  )

/**
 * The `FlowStore` of `layer` alone. Writes of flows take place one after the other, in the whole schema, and are on the
 * disk of the server when they return, whatever `asynchronousCommit` says. One whose connection was lost while it
 * committed fails with `unavailable`, and may have taken place: `get` says so.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFlowStore = (options: Options): Layer.Layer<FlowStore, StoreError> =>
  Layer.scoped(FlowStore, Effect.map(open(options), PostgresFlows.make))

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as PostgresStore from "heddle/store/PostgresStore"
 * import { Config } from "effect"
 *
 * const Stores = PostgresStore.layerConfig({
 *   url: Config.redacted("POSTGRES_URL"),
 *   schema: Config.withDefault(Config.string("HEDDLE_SCHEMA"), "heddle")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: Config.Config.Wrap<Omit<Options, "clock" | "ssl">>
): Layer.Layer<RunStore | StateStore | LeaseStore | EventStore | FlowStore, ConfigError.ConfigError | StoreError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), layer))
