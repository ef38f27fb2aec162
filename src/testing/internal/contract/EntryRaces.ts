/**
 * Methods that are called at the same time.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { is } from "./Entries.js"
import { equal, isTrue, type Mismatch } from "./Expect.js"
import { at } from "./Moment.js"

// Who waits for a lock does so in real time, under any clock of a test.
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<Array<A>, E, R> =>
  at(1000)(Effect.all(calls, { concurrency: "unbounded" }))

/** The number that the text is, by one more; again until nobody came between. */
const increment = (key: string): Effect.Effect<void, StoreError, StateStore> =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const { value, version } = Option.getOrElse(yield* store.get(key), () => ({ value: "0", version: 0 }))
    yield* Effect.yieldNow()
    const written = yield* store.compareAndSet(key, version, String(Number(value) + 1))
    if (Option.isNone(written)) yield* increment(key)
  })

const oneWins = (
  expected: Effect.Effect<number, StoreError, StateStore>
): Effect.Effect<void, Mismatch | StoreError, StateStore> =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const version = yield* expected
    const versions = yield* together(
      Array.makeBy(20, (i) =>
        Effect.map(
          store.compareAndSet("k", version, `of ${i}`),
          Option.map((won) => ({ won, value: `of ${i}` }))
        )
      )
    )
    const [winner, ...others] = Array.getSomes(versions)
    yield* equal(others.length, 0, "how many others have won too")
    yield* is("k", winner === undefined ? undefined : { value: winner.value, version: winner.won })
    yield* isTrue(winner !== undefined, "one of them has won")
  })

export const checks = Check.group("at the same time", {
  "one compareAndSet wins where nothing is": oneWins(Effect.succeed(0)),

  "one compareAndSet wins over the version that is there": oneWins(
    Effect.flatMap(StateStore, (store) => store.set("k", "a"))
  ),

  "one compareAndSet wins where a value has expired": oneWins(
    Effect.flatMap(StateStore, (store) => Effect.as(at(900)(store.set("k", "a", { ttl: 100 })), 0))
  ),

  "no increment by compareAndSet is lost": Effect.gen(function* () {
    const store = yield* StateStore
    const incrementing = Effect.repeatN(Effect.zipRight(increment("k"), increment("l")), 4)
    yield* together(Array.makeBy(10, () => incrementing))
    for (const key of ["k", "l"]) {
      yield* equal(
        Option.map(yield* store.get(key), ({ value }) => value),
        Option.some("50")
      )
    }
  }),

  "one delete finds the value": Effect.gen(function* () {
    const store = yield* StateStore
    yield* store.set("k", "a")
    const found = yield* together(Array.makeBy(20, () => store.delete("k")))
    yield* equal(found.filter((was) => was).length, 1)
  }),

  "each set has a version of its own, and what get sees is one of them": Effect.gen(function* () {
    const store = yield* StateStore
    const versions = new Map<number, string>()
    const seen: Array<{ readonly value: string; readonly version: number }> = []
    const setting = (value: string) => Effect.map(store.set("k", value), (version) => void versions.set(version, value))
    const getting = Effect.map(store.get("k"), (entry) => void seen.push(...Option.toArray(entry)))
    yield* together(Array.makeBy(30, (i) => Effect.zipRight(setting(`of ${i}`), getting)))
    yield* at(1000)(getting)
    yield* equal(versions.size, 30, "how many versions there are")
    for (const { value, version } of seen) yield* equal(value, versions.get(version), `the value of ${version}`)
  }),

  "what getMany and list give was there at one moment": Effect.gen(function* () {
    const store = yield* StateStore
    yield* store.set("a", "0")
    yield* store.set("b", "0")
    // a is ahead of b by one at most, at any moment
    const counting = Effect.forEach(Array.range(1, 30), (i) =>
      Effect.forEach(["a", "b"], (key) => Effect.zipRight(Effect.yieldNow(), store.set(key, String(i))))
    )
    const seen: Array<ReadonlyArray<number>> = []
    const reading = Effect.gen(function* () {
      const many = yield* store.getMany(["b", "a"])
      seen.push([Number(many.get("a")?.value), Number(many.get("b")?.value)])
      seen.push((yield* store.list({ prefix: "", limit: 10 })).map(({ value }) => Number(value)))
    })
    yield* together([counting, Effect.repeatN(reading, 20), Effect.repeatN(reading, 20)])
    for (const [a = NaN, b = NaN] of seen) {
      yield* isTrue(a === b || a === b + 1, `a is ${a} and b is ${b} at one moment`)
    }
  }),

  "an interrupted compareAndSet has taken place or not, and the next one works": Effect.gen(function* () {
    const store = yield* StateStore
    let version = yield* store.set("k", "0")
    for (const i of Array.range(1, 30)) {
      const before = version
      const fiber = yield* Effect.fork(at(1000)(store.compareAndSet("k", before, `of ${i}`)))
      yield* Effect.repeatN(Effect.yieldNow(), i % 6)
      yield* Fiber.interrupt(fiber)
      const entry = yield* store.get("k")
      const place = Option.match(entry, {
        onNone: () => "nothing",
        onSome: ({ value, version }) => (version === before ? "before" : value)
      })
      yield* isTrue(place === "before" || place === `of ${i}`, `${place} is there after it was interrupted`)
      version = yield* store.set("k", String(i))
      yield* is("k", { value: String(i), version })
    }
  })
})
