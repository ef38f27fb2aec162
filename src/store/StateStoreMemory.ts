/**
 * Keeps state in memory: for tests, and for state that may end with the process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Feed from "./internal/Feed.js"
import * as MemoryEntries from "./internal/MemoryEntries.js"
import * as StateTexts from "./internal/StateTexts.js"
import { type Entry, type SetOptions, StateStore } from "./StateStore.js"

const location = ":memory:"

/** Both change together: what is told has happened, and in the order in which it did. */
interface State {
  readonly entries: MemoryEntries.Entries
  readonly feed: Feed.Feed
}

/**
 * A store that is empty when it is built and gone with its scope. What has expired does not pile up: each `set`
 * removes up to 16 values that have, those that expired first.
 *
 * It tells of `changes`, and never fails to: who falls behind is told the last change of each key.
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
    Effect.map(Ref.make<State>({ entries: MemoryEntries.empty, feed: Feed.empty }), (ref) => {
      // The time is that of the change itself: read before it, an expired value could still be taken for what is there.
      const read = <A>(f: (entries: MemoryEntries.Entries, now: number) => A): Effect.Effect<A> =>
        Effect.clockWith((clock) =>
          Effect.map(Ref.get(ref), ({ entries }) => f(entries, clock.unsafeCurrentTimeMillis()))
        )
      const write = <A>(f: (state: State, now: number) => readonly [A, State]): Effect.Effect<A> =>
        Effect.clockWith((clock) => Ref.modify(ref, (state) => f(state, clock.unsafeCurrentTimeMillis())))

      const put = ({ entries, feed }: State, key: string, value: string, ttl: number, now: number): State => {
        const after = MemoryEntries.set(entries, key, value, ttl, now)
        return { entries: after, feed: Feed.note(feed, key, Option.some(after.last)) }
      }
      const checked = (operation: string, key: string, value: string, options: SetOptions | undefined) =>
        Effect.zipRight(
          StateTexts.check(location, operation, key, value),
          StateTexts.checkTtl(location, operation, key, options)
        )

      return StateStore.of({
        get: (key) =>
          Effect.zipRight(
            StateTexts.check(location, "get", key),
            read((entries, now) => MemoryEntries.get(entries, key, now))
          ),

        set: (key, value, options) =>
          Effect.flatMap(checked("set", key, value, options), (ttl) =>
            write((state, now) => {
              const after = put(state, key, value, ttl, now)
              return [after.entries.last, after]
            })
          ),

        delete: (key) =>
          Effect.zipRight(
            StateTexts.check(location, "delete", key),
            write(({ entries, feed }, now) => {
              const was = Option.isSome(MemoryEntries.get(entries, key, now))
              const after = was ? Feed.note(feed, key, Option.none()) : feed
              return [was, { entries: MemoryEntries.remove(entries, key), feed: after }]
            })
          ),

        compareAndSet: (key, expected, value, options) =>
          Effect.flatMap(checked("compareAndSet", key, value, options), (ttl) =>
            write((state, now) => {
              const present = Option.match(MemoryEntries.get(state.entries, key, now), {
                onNone: () => 0,
                onSome: ({ version }) => version
              })
              if (present !== expected) return [Option.none(), state]
              const after = put(state, key, value, ttl, now)
              return [Option.some(after.entries.last), after]
            })
          ),

        getMany: (keys) =>
          Effect.flatMap(StateTexts.checkKeys(location, "getMany", keys), (distinct) =>
            read((entries, now) => {
              const found = new Map<string, Entry>()
              for (const key of distinct) {
                const entry = MemoryEntries.get(entries, key, now)
                if (Option.isSome(entry)) found.set(key, entry.value)
              }
              return found
            })
          ),

        list: (page) =>
          Effect.zipRight(
            StateTexts.checkPage(location, "list", page),
            read((entries, now) => MemoryEntries.list(entries, page, now))
          ),

        changes: Option.some((prefix) =>
          Stream.unwrap(
            Effect.as(
              StateTexts.checkPrefix(location, "changes", prefix),
              Feed.changes(
                (f) =>
                  Ref.modify(ref, ({ entries, feed }) => {
                    const [answer, after] = f(feed)
                    return [answer, { entries, feed: after }]
                  }),
                prefix
              )
            )
          )
        )
      })
    })
  )
