/**
 * Keeps state in the files of a folder, one for each key.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StoreError } from "../model/StoreError.js"
import * as FileEntries from "./internal/FileEntries.js"
import * as StateTexts from "./internal/StateTexts.js"
import { type SetOptions, StateStore } from "./StateStore.js"

const make = (entries: FileEntries.FileEntries): StateStore["Type"] => {
  const { location } = entries
  const checked = (operation: string, key: string, value: string, options: SetOptions | undefined) =>
    Effect.zipRight(
      StateTexts.check(location, operation, key, value),
      StateTexts.checkTtl(location, operation, key, options)
    )
  return {
    get: (key) => Effect.zipRight(StateTexts.check(location, "get", key), entries.get(key)),
    set: (key, value, options) =>
      Effect.flatMap(checked("set", key, value, options), (ttl) => entries.set(key, value, ttl)),
    delete: (key) => Effect.zipRight(StateTexts.check(location, "delete", key), entries.delete(key)),
    compareAndSet: (key, expected, value, options) =>
      Effect.flatMap(checked("compareAndSet", key, value, options), (ttl) =>
        entries.compareAndSet(key, expected, value, ttl)
      ),
    getMany: (keys) => Effect.flatMap(StateTexts.checkKeys(location, "getMany", keys), entries.getMany),
    list: (page) => Effect.zipRight(StateTexts.checkPage(location, "list", page), entries.list(page)),
    changes: Option.some((prefix) =>
      Stream.unwrap(Effect.as(StateTexts.checkPrefix(location, "changes", prefix), entries.changes(prefix)))
    )
  }
}

/**
 * A store in the folder `directory` of a local disk, which is created when it does not exist; several stores need several
 * folders. The name of a file is the SHA-256 hash of its key; key, version and value are in it, with hashes of their own.
 *
 * What was written survives the crash of the process and the loss of power: a file is written beside the old one, synced
 * and renamed, and the folder is synced. What has expired does not pile up: each `set` removes up to 16 values that have.
 * The keys are held in memory, the values are not.
 *
 * The folder is for one process, and one layer, at a time, until the scope ends: another one fails with `busy`, unless
 * the process that holds it is dead. Only processes of the same machine can be known to be dead. For several processes
 * use `StateStoreSqlite`.
 *
 * Fails, and leaves the folder as it is, when it has other files (`foreign`), has lost its own (`corrupt`) or was written
 * by a later release (`newer`). A file that is damaged is `corrupt` for all that need it: its key, and `list` when its key
 * can't be read; `set` and `delete` of its key mend that. Other keys are not concerned. It tells of `changes` until its
 * scope ends; then the streams fail with `closed`.
 *
 * **Interruption**: of a method that waits for its turn ends it, and nothing has changed; one that has begun comes to its
 * end first.
 *
 * @example
 * ```ts
 * import { StateStore } from "heddle/store/StateStore"
 * import * as StateStoreFile from "heddle/store/StateStoreFile"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* StateStore
 *   yield* store.set("settings/theme", '"dark"')
 *   return yield* store.list({ prefix: "settings/", limit: 100 })
 * }).pipe(Effect.provide(StateStoreFile.layer({ directory: "state" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: { readonly directory: string }): Layer.Layer<StateStore, StoreError> =>
  Layer.scoped(StateStore, Effect.map(FileEntries.open(options.directory), make))

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as StateStoreFile from "heddle/store/StateStoreFile"
 * import { Config } from "effect"
 *
 * const Store = StateStoreFile.layerConfig({ directory: Config.nonEmptyString("HEDDLE_FOLDER") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<StateStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
