/**
 * Keeps state in memory: for tests, and for state that may end with the process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { StoreError } from "../model/StoreError.js"
import * as MemoryEntries from "./internal/MemoryEntries.js"
import * as StateTexts from "./internal/StateTexts.js"
import { StateStore } from "./StateStore.js"

const location = ":memory:"

/**
 * A store that is empty when it is built and gone with its scope. What has expired does not pile up: each `set`
 * removes up to 16 values that have, those that expired first.
 *
 * Two calls of `layer` are two stores, also in one application.
 *
 * @example
 * ```ts
 * import { StateStore } from "heddle/store/StateStore"
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* StateStore
 *   const version = yield* store.set("cart/42", "[]", { ttl: "1 hour" })
 *   return yield* store.compareAndSet("cart/42", version, '["tea"]')
 * }).pipe(Effect.provide(StateStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (): Layer.Layer<StateStore> =>
  Layer.effect(
    StateStore,
    Effect.map(Ref.make(MemoryEntries.empty), (ref) => {
      // The time is that of the change itself: read before it, an expired value could still be taken for what is there.
      const access = <A>(
        operation: string,
        key: string,
        value: string | undefined,
        f: (entries: MemoryEntries.Entries, now: number) => readonly [A, MemoryEntries.Entries]
      ): Effect.Effect<A, StoreError> =>
        Effect.zipRight(
          StateTexts.check(location, operation, key, value),
          Effect.clockWith((clock) => Ref.modify(ref, (entries) => f(entries, clock.unsafeCurrentTimeMillis())))
        )

      return StateStore.of({
        get: (key) => access("get", key, undefined, (entries, now) => [MemoryEntries.get(entries, key, now), entries]),

        set: (key, value, options) =>
          access("set", key, value, (entries, now) => {
            const after = MemoryEntries.set(entries, key, value, options, now)
            return [after.last, after]
          }),

        delete: (key) =>
          access("delete", key, undefined, (entries, now) => [
            Option.isSome(MemoryEntries.get(entries, key, now)),
            MemoryEntries.remove(entries, key)
          ]),

        compareAndSet: (key, expected, value, options) =>
          access("compareAndSet", key, value, (entries, now) => {
            const present = Option.match(MemoryEntries.get(entries, key, now), {
              onNone: () => 0,
              onSome: ({ version }) => version
            })
            if (present !== expected) return [Option.none(), entries]
            const after = MemoryEntries.set(entries, key, value, options, now)
            return [Option.some(after.last), after]
          })
      })
    })
  )
