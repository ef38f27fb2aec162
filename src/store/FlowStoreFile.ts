/**
 * Keeps flows in a file that only grows.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../model/StoreError.js"
import { FlowStore } from "./FlowStore.js"
import * as FileErrors from "./internal/FileErrors.js"
import * as FlowFile from "./internal/FlowFile.js"
import * as FlowLine from "./internal/FlowLine.js"
import * as FlowLog from "./internal/FlowLog.js"
import * as FlowRequest from "./internal/FlowRequest.js"

const make = (file: FlowFile.FlowFile): Effect.Effect<FlowStore["Type"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const { location } = file
    const check = FlowRequest.make(location)
    const ref = yield* Ref.make(file.log)
    const isClosed = yield* Ref.make(false)
    const semaphore = yield* Effect.makeSemaphore(1)
    // waits for the write under way; those that come after it find the store closed
    yield* Effect.addFinalizer(() => semaphore.withPermits(1)(Ref.set(isClosed, true)))

    const present = (operation: string): Effect.Effect<FlowLog.FlowLog, StoreError> =>
      Effect.flatMap(Ref.get(isClosed), (closed) =>
        closed
          ? Effect.fail(FileErrors.make("closed", location, operation, `${location}: the store's scope has ended`))
          : Ref.get(ref)
      )

    return FlowStore.of({
      write: (changes) =>
        Effect.zipRight(
          check.write(changes),
          Effect.gen(function* () {
            const before = yield* present("write")
            const [written, after] = FlowLog.write(before, changes)
            if (written._tag === "Conflict") return written
            yield* file.append(FlowLine.encode(before.position + 1, changes))
            yield* Ref.set(ref, after)
            return written
          }).pipe(Effect.uninterruptible, semaphore.withPermits(1))
        ),

      get: (name, version) =>
        Effect.zipRight(
          check.get(name, version),
          Effect.map(present("get"), (log) => FlowLog.get(log, { name, version }))
        ),

      list: (filter) =>
        Effect.zipRight(
          check.list(filter),
          Effect.map(present("list"), (log) => FlowLog.list(log, filter))
        ),

      log: (filter) =>
        Effect.zipRight(
          check.log(filter),
          Effect.map(present("log"), (log) => FlowLog.entries(log, filter))
        ),

      position: Effect.map(present("position"), ({ position }) => position)
    })
  })

/**
 * A store in the file `flows.log` of the folder `directory` of a local disk, which is created when it does not exist;
 * several stores need several folders. Each write is a line of the file, with a hash. The file only grows, and all of it is
 * held in memory: for more than some 100 MB of changes use `FlowStoreSqlite`.
 *
 * What was written survives the crash of the process and the loss of power. A write that a crash has cut off had not
 * succeeded, and is removed, with a warning in the log, when the folder is opened again. A write that fails, as when the
 * disk is full, changes nothing; only when what it has left can't be cut off, all later ones fail until the folder is
 * opened again, which says whether it took place.
 *
 * The folder is for one process, and one layer, at a time, until the scope ends: another one fails with `busy`, unless
 * the process that holds it is dead. For several processes use `FlowStoreSqlite` or `PostgresStore`.
 *
 * Fails, and leaves the folder as it is, when it has other files (`foreign`), was written by a later release (`newer`), or
 * has a line that is damaged or was edited by hand (`corrupt`, which names it and says what to do).
 *
 * **Interruption**: of a write that waits for its turn ends it, and nothing has changed; one that has begun comes to its
 * end first.
 *
 * @example
 * ```ts
 * import { FlowStore } from "heddle/store/FlowStore"
 * import * as FlowStoreFile from "heddle/store/FlowStoreFile"
 * import { Effect } from "effect"
 *
 * const activeOnes = Effect.flatMap(FlowStore, (store) => store.list({ status: "active", limit: 100 })).pipe(
 *   Effect.provide(FlowStoreFile.layer({ directory: "flows" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: { readonly directory: string }): Layer.Layer<FlowStore, StoreError> =>
  Layer.scoped(FlowStore, Effect.flatMap(FlowFile.open(options.directory), make))

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as FlowStoreFile from "heddle/store/FlowStoreFile"
 * import { Config } from "effect"
 *
 * const Store = FlowStoreFile.layerConfig({ directory: Config.nonEmptyString("HEDDLE_FOLDER") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<FlowStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
