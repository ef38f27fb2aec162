/**
 * Keeps flows in a SQLite file.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { StoreError } from "../model/StoreError.js"
import { FlowStore } from "./FlowStore.js"
import * as FlowRequest from "./internal/FlowRequest.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteFlows from "./internal/SqliteFlows.js"

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

const make = ({ location, read, write }: SqliteDatabase.SqliteDatabase): FlowStore["Type"] => {
  const check = FlowRequest.make(location)
  return FlowStore.of({
    write: (changes) =>
      Effect.zipRight(
        check.write(changes),
        write("write", (connection) => SqliteFlows.write(connection, changes), { synced: true })
      ),

    get: (name, version) =>
      Effect.zipRight(
        check.get(name, version),
        Effect.map(
          read("get", (connection) => SqliteFlows.get(connection, name, version)),
          Option.fromNullable
        )
      ),

    list: (filter) =>
      Effect.zipRight(
        check.list(filter),
        read("list", (connection) => SqliteFlows.list(connection, filter))
      ),

    log: (filter) =>
      Effect.zipRight(
        check.log(filter),
        read("log", (connection) => SqliteFlows.log(connection, filter))
      ),

    position: read("position", SqliteFlows.position)
  })
}

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. The file may be that of a `RunStore`, and several processes
 * may use it: each sees at once what another has written.
 *
 * What was written survives the crash of the process and the loss of power: each write is synced.
 *
 * Waiting for the lock of another process does not block this one. Fails, and leaves the file as it is, when it is not a
 * database (`corrupt`), is that of another application (`foreign`) or was written by a later release (`newer`).
 *
 * **Interruption**: of a method that waits for its turn or for the lock ends it, and nothing has changed; one that has
 * begun comes to its end first.
 *
 * @example
 * ```ts
 * import { FlowStore } from "heddle/store/FlowStore"
 * import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
 * import { Effect } from "effect"
 *
 * const activeOnes = Effect.flatMap(FlowStore, (store) => store.list({ status: "active", limit: 100 })).pipe(
 *   Effect.provide(FlowStoreSqlite.layer({ filename: "heddle.db" }))
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
): Layer.Layer<FlowStore, StoreError> => {
  const { filename, lockTimeout = defaults.lockTimeout } = options
  return Layer.scoped(FlowStore, Effect.map(SqliteDatabase.open({ filename, lockTimeout }), make))
}

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
 * import { Config } from "effect"
 *
 * const Store = FlowStoreSqlite.layerConfig({ filename: Config.nonEmptyString("HEDDLE_FILE") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<FlowStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
