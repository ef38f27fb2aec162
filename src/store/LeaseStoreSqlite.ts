/**
 * Keeps leases in a SQLite file.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect/sql/SqlConnection"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { StoreError } from "../model/StoreError.js"
import * as LeaseRequest from "./internal/LeaseRequest.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteLeases from "./internal/SqliteLeases.js"
import { LeaseStore } from "./LeaseStore.js"

/**
 * - `lockTimeout`: how long an operation waits while another connection holds the lock of the file, before it fails with
 *   the reason `busy`
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly lockTimeout: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { lockTimeout: "2 seconds" }

const make = ({ location, read, write }: SqliteDatabase.SqliteDatabase): typeof LeaseStore.Service => {
  // The time is that at which it has the connection: one that writes has the lock of the file by then.
  const using = <A>(
    access: typeof read,
    operation: string,
    request: LeaseRequest.LeaseRequest,
    body: (connection: Connection, now: number) => Effect.Effect<A, SqliteDatabase.Failure>
  ): Effect.Effect<A, StoreError> =>
    Effect.zipRight(
      LeaseRequest.check(location, operation, request),
      access(operation, (connection) => Effect.flatMap(Clock.currentTimeMillis, (now) => body(connection, now)))
    )

  return {
    acquire: (request) =>
      using(write, "acquire", request, (connection, now) => SqliteLeases.acquire(connection, request, now)),

    renew: (request) =>
      using(write, "renew", request, (connection, now) => SqliteLeases.renew(connection, request, now)),

    release: (request) =>
      using(write, "release", request, (connection, now) => SqliteLeases.release(connection, request, now)),

    get: (resource) =>
      using(read, "get", { resource }, (connection, now) =>
        Effect.map(SqliteLeases.get(connection, resource, now), Option.fromNullable)
      ),

    enqueue: (request) =>
      using(write, "enqueue", request, (connection, now) => SqliteLeases.enqueue(connection, request, now)),

    dequeue: (request) => using(write, "dequeue", request, (connection) => SqliteLeases.dequeue(connection, request))
  }
}

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. The file may be that of a `RunStore`, and several processes
 * may use it: what one holds the others do not.
 *
 * Its time is the `Clock` of who calls, once that has the lock of the file: processes need clocks that agree, as those of
 * one machine do. A token that was given is larger than all before it also after a crash of the process; the power may
 * take the latest commits with it, and then a token may come again.
 *
 * Waiting for the lock of another process does not block this one. Fails, and leaves the file as it is, when it is not a
 * database (`corrupt`), is that of another application (`foreign`) or was written by a later release (`newer`).
 *
 * **Interruption**: of a method that waits for its turn or for the lock ends it, and nothing has changed; one that has
 * begun comes to its end first.
 *
 * @example
 * ```ts
 * import { LeaseStore } from "heddle/store/LeaseStore"
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import { Effect } from "effect"
 *
 * const holderOf = (resource: string) =>
 *   Effect.flatMap(LeaseStore, (store) => store.get(resource)).pipe(
 *     Effect.provide(LeaseStoreSqlite.layer({ filename: "heddle.db" }))
 *   )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: {
    readonly filename: string
  } & { readonly [K in keyof Options]?: Options[K] | undefined }
): Layer.Layer<LeaseStore, StoreError> => {
  const { filename, lockTimeout = defaults.lockTimeout } = options
  return Layer.scoped(LeaseStore, Effect.map(SqliteDatabase.open({ filename, lockTimeout }), make))
}

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import { Config } from "effect"
 *
 * const Store = LeaseStoreSqlite.layerConfig({ filename: Config.nonEmptyString("HEDDLE_FILE") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<LeaseStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
