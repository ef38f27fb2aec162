/**
 * What a store tells of changes, where it can.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../../model/StoreError.js"
import { type Change, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { replace } from "./Entries.js"
import { refused } from "./EntryTexts.js"
import { equal, isTrue, Mismatch } from "./Expect.js"
import { at } from "./Moment.js"

/** What somebody who listens is told until something is, that included. */
interface Listener {
  readonly until: (
    is: (change: Change) => boolean,
    what: string
  ) => Effect.Effect<ReadonlyArray<Change>, Mismatch | StoreError>
}

type Listen = (prefix: string) => Effect.Effect<Listener, Mismatch | StoreError, StateStore | Scope.Scope>

/** It listens when this returns: that is known by a change of a key of this name behind the prefix. */
const probe = "probe"

const listen =
  (changes: (prefix: string) => Stream.Stream<Change, StoreError>): Listen =>
  (prefix) =>
    Effect.gen(function* () {
      const store = yield* StateStore
      const told = yield* Queue.unbounded<Change>()
      const listening = yield* Effect.forkScoped(
        Stream.runForEach(changes(prefix), (change) => Queue.offer(told, change))
      )
      const next = Effect.raceFirst(
        Queue.take(told),
        Effect.flatMap(Fiber.join(listening), () =>
          Effect.fail(new Mismatch({ message: "The stream has ended", expected: "a change", actual: "its end" }))
        )
      )
      const until: Listener["until"] = (is, what) =>
        Effect.gen(function* () {
          const seen: Array<Change> = []
          for (;;) {
            const change = yield* next
            if (change.key !== `${prefix}${probe}`) seen.push(change)
            if (is(change)) return seen
          }
        }).pipe(
          Effect.timeoutFail({
            duration: "10 seconds",
            onTimeout: () => new Mismatch({ message: "It was not told", expected: what, actual: "nothing" })
          }),
          at(1000)
        )
      const isProbe = ({ key }: Change) => key === `${prefix}${probe}`
      const probing = Effect.forever(Effect.zipRight(store.set(`${prefix}${probe}`, ""), Effect.sleep("10 millis")))
      yield* Effect.raceFirst(until(isProbe, "the first change"), at(1000)(probing))
      return { until }
    })

/** A store that cannot tell has nothing to keep. */
const where = (
  body: (
    listen: Listen,
    store: StateStore["Type"]
  ) => Effect.Effect<void, Mismatch | StoreError, StateStore | Scope.Scope>
): Effect.Effect<void, Mismatch | StoreError, StateStore> =>
  Effect.flatMap(StateStore, (store) =>
    Option.match(store.changes, {
      onNone: () => Effect.void,
      onSome: (changes) => Effect.scoped(body(listen(changes), store))
    })
  )

const isOf = (key: string, version: Option.Option<number>) => (change: Change) =>
  change.key === key && Option.getOrUndefined(change.version) === Option.getOrUndefined(version)

export const checks = Check.group("changes", {
  "tells what is set, replaced and deleted": where((listen, store) =>
    Effect.gen(function* () {
      const { until } = yield* listen("k")
      const key = "k/\u0000 \u{10ffff}'"
      const set = yield* store.set(key, "a")
      yield* until(isOf(key, Option.some(set)), "what was set")
      const replaced = yield* replace(key, set, "b", { ttl: "1 hour" })
      yield* until(isOf(key, Option.some(replaced)), "what was replaced")
      yield* store.delete(key)
      yield* until(isOf(key, Option.none()), "what was deleted")
    })
  ),

  "tells of the keys with the prefix, whatever its characters": where((listen, store) =>
    Effect.gen(function* () {
      for (const prefix of ["k%", "k_", "k*", "k?", "[k]", "k\\", "k\u{10ffff}", ""]) {
        const { until } = yield* listen(prefix)
        for (const key of ["kab", "k", "K%", "k\u{10fffe}", "j"]) yield* store.set(key, "a")
        const version = yield* store.set(`${prefix}0`, "a")
        const seen = yield* until(
          isOf(`${prefix}0`, Option.some(version)),
          `what was set, by ${JSON.stringify(prefix)}`
        )
        yield* equal(
          seen.filter(({ key }) => !key.startsWith(prefix)),
          [],
          `other keys than those that begin with ${JSON.stringify(prefix)}`
        )
        if (prefix === "")
          yield* isTrue(
            seen.some(({ key }) => key === "j"),
            "an empty prefix is that of all keys"
          )
      }
    })
  ),

  "does not tell of what changes nothing": where((listen, store) =>
    Effect.gen(function* () {
      const version = yield* store.set("k", "a")
      const { until } = yield* listen("k")
      yield* store.compareAndSet("k", version + 1, "b")
      yield* store.compareAndSet("k", 0, "b")
      yield* store.delete("k0")
      yield* store.get("k")
      yield* store.list({ prefix: "k", limit: 10 })
      const last = yield* store.set("k9", "a")
      const seen = yield* until(isOf("k9", Option.some(last)), "what was set in the end")
      yield* equal(
        seen.map(({ key }) => key),
        ["k9"],
        "what has changed"
      )
    })
  ),

  "tells each one who listens, of changes at the same time too, the last of each key": where((listen, store) =>
    Effect.gen(function* () {
      const listeners = [yield* listen("k"), yield* listen("k"), yield* listen("k1")]
      const changing = (key: string) =>
        Effect.gen(function* () {
          for (let i = 0; i < 10; i++) yield* store.set(key, String(i))
          return [key, yield* store.set(key, "last")] as const
        })
      const last = new Map(
        yield* Effect.all(["k1", "k2", "k3"].map(changing), { concurrency: "unbounded" }).pipe(at(1000))
      )
      for (const [i, { until }] of listeners.entries()) {
        const missing = new Map(i < 2 ? last : [["k1", last.get("k1")!]])
        const all = (change: Change) => {
          const version = Option.getOrUndefined(change.version)
          if (version !== undefined && missing.get(change.key) === version) missing.delete(change.key)
          return missing.size === 0
        }
        const seen = yield* until(all, "the last change of each key")
        for (const { key, version } of seen) {
          const end = last.get(key)
          if (end === undefined) continue
          yield* isTrue(
            Option.exists(version, (version) => version <= end),
            "no version after the last"
          )
        }
      }
    })
  ),

  "refuses a prefix that no key can have": where((_, store) =>
    Effect.gen(function* () {
      for (const [prefix, shown] of [
        ["lone\ud83dtext", "lone\\ud83dtext"],
        ["long ".repeat(2000), "long long"]
      ] as const) {
        for (const changes of Option.toArray(store.changes)) {
          yield* refused("changes", shown, Stream.runHead(changes(prefix))).pipe(
            Effect.timeoutFail({
              duration: "5 seconds",
              onTimeout: () => new Mismatch({ message: "It listens", expected: "an error", actual: "nothing" })
            }),
            at(1000)
          )
        }
      }
    })
  )
})
