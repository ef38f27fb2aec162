/**
 * Keeps state in a SQLite file.
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
import { StoreError } from "../model/StoreError.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteEntries from "./internal/SqliteEntries.js"
import * as StateTexts from "./internal/StateTexts.js"
import { type SetOptions, StateStore } from "./StateStore.js"

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

type Body<A> = (connection: Connection, now: number) => Effect.Effect<A, SqliteDatabase.Failure>

const make = ({ location, read, readTogether, write }: SqliteDatabase.SqliteDatabase): StateStore["Type"] => {
  // The time is that at which it has the connection: one that writes has the lock of the file by then.
  const using = <A>(access: typeof read, operation: string, body: Body<A>): Effect.Effect<A, StoreError> =>
    access(operation, (connection) => Effect.flatMap(Clock.currentTimeMillis, (now) => body(connection, now)))

  const putting = <A>(
    operation: string,
    key: string,
    value: string,
    options: SetOptions | undefined,
    body: (put: Body<number>) => Body<A>
  ): Effect.Effect<A, StoreError> =>
    Effect.gen(function* () {
      yield* StateTexts.check(location, operation, key, value)
      const ttl = yield* StateTexts.checkTtl(location, operation, key, options)
      const put: Body<number> = (connection, now) =>
        Effect.gen(function* () {
          const version = yield* SqliteEntries.nextVersion(connection)
          if (version === undefined) {
            return yield* new StoreError({
              reason: "corrupt",
              location,
              operation,
              message: `${location}: entry_versions has no row: restore the database from a backup`
            })
          }
          yield* SqliteEntries.set(connection, key, { value, version }, ttl, now)
          return version
        })
      return yield* using(write, operation, body(put))
    })

  return {
    get: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "get", key),
        using(read, "get", (connection, now) =>
          Effect.map(SqliteEntries.get(connection, key, now), Option.fromNullable)
        )
      ),

    set: (key, value, options) => putting("set", key, value, options, (put) => put),

    delete: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "delete", key),
        using(write, "delete", (connection, now) => SqliteEntries.remove(connection, key, now))
      ),

    compareAndSet: (key, expected, value, options) =>
      putting(
        "compareAndSet",
        key,
        value,
        options,
        (put) => (connection, now) =>
          Effect.flatMap(SqliteEntries.versionOf(connection, key, now), (version) =>
            version === expected ? Effect.asSome(put(connection, now)) : Effect.succeedNone
          )
      ),

    getMany: (keys) =>
      Effect.flatMap(StateTexts.checkKeys(location, "getMany", keys), (distinct) =>
        using(readTogether, "getMany", (connection, now) => SqliteEntries.getMany(connection, distinct, now))
      ),

    list: (page) =>
      Effect.zipRight(
        StateTexts.checkPage(location, "list", page),
        using(read, "list", (connection, now) => SqliteEntries.list(connection, page, now))
      ),

    changes: Option.none()
  }
}

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. The file may be that of a `RunStore`, and several processes
 * may use it: what one has written the others see.
 *
 * What was written survives the crash of the process; the latest of it may be lost with the power. What has expired does
 * not pile up: each `set` removes up to 16 values that have, those that expired first. Processes that use a TTL need
 * clocks that agree: each one compares the end of a value's time with its own.
 *
 * It does not tell of `changes`: SQLite does not say what another process has written.
 *
 * Waiting for the lock of another process does not block this one. Fails, and leaves the file as it is, when it is not a
 * database (`corrupt`), is that of another application (`foreign`) or was written by a later release (`newer`).
 *
 * **Interruption**: of a method that waits for its turn or for the lock ends it, and nothing has changed; one that has
 * begun comes to its end first.
 *
 * @example
 * ```ts
 * import { StateStore } from "heddle/store/StateStore"
 * import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
 * import { Effect, Option } from "effect"
 *
 * const count = Effect.gen(function* () {
 *   const store = yield* StateStore
 *   const present = yield* store.get("visits")
 *   const { value, version } = Option.getOrElse(present, () => ({ value: "0", version: 0 }))
 *   return yield* store.compareAndSet("visits", version, String(Number(value) + 1))
 * }).pipe(
 *   Effect.repeat({ until: Option.isSome }),
 *   Effect.provide(StateStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: {
    readonly filename: string
  } & { readonly [K in keyof Options]?: Options[K] | undefined }
): Layer.Layer<StateStore, StoreError> => {
  const { filename, lockTimeout = defaults.lockTimeout } = options
  return Layer.scoped(StateStore, Effect.map(SqliteDatabase.open({ filename, lockTimeout }), make))
}

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
 * import { Config } from "effect"
 *
 * const Store = StateStoreSqlite.layerConfig({ filename: Config.nonEmptyString("HEDDLE_FILE") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<StateStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
