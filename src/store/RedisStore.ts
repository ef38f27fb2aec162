/**
 * Keeps state and leases in Redis.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../model/StoreError.js"
import * as RedisEntries from "./internal/RedisEntries.js"
import * as RedisLeases from "./internal/RedisLeases.js"
import * as RedisServer from "./internal/RedisServer.js"
import { LeaseStore } from "./LeaseStore.js"
import { StateStore } from "./StateStore.js"

/**
 * - `url`: `redis://user:password@host:port/database`, or `rediss:` for TLS
 * - `prefix`: whose keys are used: all of them begin with `{prefix}:`. Stores with the same prefix in the same database
 *   are the same store; it is not empty and has no braces
 * - `timeout`: how long the server may take to answer, in real time, before an operation fails with `unavailable`
 * - `connectTimeout`: how long it may take to connect, in real time, at first and whenever the connection was lost
 * - `clock`: what says what time it is, in milliseconds, instead of the server: for tests, with `Clock.currentTimeMillis`.
 *   The server removes nothing by itself then
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly url: Redacted.Redacted<string>
  readonly prefix?: string | undefined
  readonly timeout?: Duration.DurationInput | undefined
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly clock?: Effect.Effect<number> | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: {
  readonly prefix: string
  readonly timeout: Duration.DurationInput
  readonly connectTimeout: Duration.DurationInput
} = { prefix: "heddle", timeout: "5 seconds", connectTimeout: "5 seconds" }

const open = (options: Options): Effect.Effect<RedisServer.RedisServer, StoreError, Scope.Scope> =>
  Effect.suspend(() =>
    RedisServer.open({
      url: options.url,
      prefix: options.prefix ?? defaults.prefix,
      timeout: Duration.decode(options.timeout ?? defaults.timeout),
      connectTimeout: Duration.decode(options.connectTimeout ?? defaults.connectTimeout),
      clock: options.clock
    })
  )

/**
 * A `StateStore` and a `LeaseStore` over one connection to a Redis of version 6 or later, or a server that is compatible
 * with it. The connection is the store's own and closes with the scope; another one is made when `changes` is used first.
 * Fails within `connectTimeout` when the server cannot be reached (`unavailable`, naming it, never the password), when
 * the prefix is that of another application (`foreign`) or of a later release (`newer`).
 *
 * Each method is one script, which the server runs as one step, by its own clock: those who use the store need no clocks
 * that agree. It does not remember for longer than its server: with `appendonly yes` and `appendfsync always` nothing
 * that was acknowledged is lost when the server dies; with `everysec` it may be a second of it, without `appendonly` it
 * is everything since the last snapshot. So is what a replica has not got yet when it takes the place of its primary. Set
 * `maxmemory-policy noeviction`, the default: any other one drops leases and values; a server whose memory is full refuses
 * writes, renewals of leases among them (`full`). Whatever is lost, its versions do not come again, and neither do its
 * fencing tokens (but those of who asks with `above`, which is then theirs to remember): they grow with the time of the
 * server, which therefore must not be turned back.
 *
 * A server that is gone, or hangs, makes the operations that wait for it fail with `unavailable`, after `timeout` at the
 * latest; whether those have taken place is not known, so look again before you repeat one that may not happen twice.
 * Every later operation connects again, so the store works as soon as the server does. `changes` fails then, and can be
 * listened to anew.
 *
 * What has expired does not pile up: the server removes it, and each `set` what is left of up to 16 of them. There is no
 * `RunStore` and no `EventStore` here, on purpose: histories need transactions over several keys, pages over a log that
 * only grows and a disk that is larger than the memory. Keep them in SQLite or PostgreSQL, and leases or the state of
 * some nodes here.
 *
 * **Interruption**: ends a wait for the connection, and a method that reads, at once. A method that writes and was sent
 * waits for its answer first, at most `timeout`.
 *
 * @example
 * ```ts
 * import { LeaseStore } from "heddle/store/LeaseStore"
 * import * as RedisStore from "heddle/store/RedisStore"
 * import { StateStore } from "heddle/store/StateStore"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const leases = yield* LeaseStore
 *   const acquired = yield* leases.acquire({ resource: "printer", holder: "worker-1", ttl: 30_000 })
 *   if (acquired._tag === "Acquired") yield* (yield* StateStore).set("printer/user", "worker-1", { ttl: "30 seconds" })
 * }).pipe(Effect.provide(RedisStore.layer({ url: Redacted.make("redis://127.0.0.1:6379"), prefix: "shop" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<StateStore | LeaseStore, StoreError> =>
  Layer.scopedContext(
    Effect.map(open(options), (server) =>
      Context.make(StateStore, RedisEntries.make(server)).pipe(Context.add(LeaseStore, RedisLeases.make(server)))
    )
  )

/**
 * The `StateStore` of `layer` alone: for an application whose leases are elsewhere.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStateStore = (options: Options): Layer.Layer<StateStore, StoreError> =>
  Layer.scoped(StateStore, Effect.map(open(options), RedisEntries.make))

/**
 * The `LeaseStore` of `layer` alone: for an application whose state is elsewhere.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLeaseStore = (options: Options): Layer.Layer<LeaseStore, StoreError> =>
  Layer.scoped(LeaseStore, Effect.map(open(options), RedisLeases.make))

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as RedisStore from "heddle/store/RedisStore"
 * import { Config } from "effect"
 *
 * const Stores = RedisStore.layerConfig({
 *   url: Config.redacted("REDIS_URL"),
 *   timeout: Config.duration("REDIS_TIMEOUT").pipe(Config.withDefault("2 seconds"))
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<StateStore | LeaseStore, StoreError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
