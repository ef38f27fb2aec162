/**
 * Keeps flows in memory: for tests, and for programs that register their flows each time they start.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { FlowStore } from "./FlowStore.js"
import * as FlowLog from "./internal/FlowLog.js"
import * as FlowRequest from "./internal/FlowRequest.js"

/**
 * A store that is empty when it is built and gone with its scope. All of its log is held, so it grows with each change.
 *
 * Two calls of `layer` are two stores, also in one application.
 *
 * @example
 * ```ts
 * import { FlowStore } from "heddle/store/FlowStore"
 * import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* FlowStore
 *   return yield* store.list({ status: "active", limit: 100 })
 * }).pipe(Effect.provide(FlowStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (): Layer.Layer<FlowStore> =>
  Layer.effect(
    FlowStore,
    Effect.map(Ref.make(FlowLog.empty), (ref) => {
      const check = FlowRequest.make(":memory:")
      return FlowStore.of({
        write: (changes) =>
          Effect.zipRight(
            check.write(changes),
            Ref.modify(ref, (log) => FlowLog.write(log, changes))
          ),

        get: (name, version) =>
          Effect.zipRight(
            check.get(name, version),
            Effect.map(Ref.get(ref), (log) => FlowLog.get(log, { name, version }))
          ),

        list: (filter) =>
          Effect.zipRight(
            check.list(filter),
            Effect.map(Ref.get(ref), (log) => FlowLog.list(log, filter))
          ),

        log: (filter) =>
          Effect.zipRight(
            check.log(filter),
            Effect.map(Ref.get(ref), (log) => FlowLog.entries(log, filter))
          ),

        position: Effect.map(Ref.get(ref), ({ position }) => position)
      })
    })
  )
