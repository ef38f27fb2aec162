/**
 * What is kept under a key, until something else is.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { type SetOptions, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { equal, isTrue, type Mismatch, some } from "./Expect.js"

/** This value in this version, or nothing. */
export const is = (
  key: string,
  expected: { readonly value: string; readonly version: number } | undefined
): Effect.Effect<void, Mismatch | StoreError, StateStore> =>
  Effect.flatMap(StateStore, (store) =>
    Effect.flatMap(store.get(key), (entry) => equal(entry, Option.fromNullable(expected), `what is there of ${key}`))
  )

/** A compareAndSet that has to succeed, and its version. */
export const replace = (
  key: string,
  expected: number,
  value: string,
  options?: SetOptions
): Effect.Effect<number, Mismatch | StoreError, StateStore> =>
  Effect.flatMap(StateStore, (store) =>
    Effect.flatMap(store.compareAndSet(key, expected, value, options), (version) =>
      some(version, `compareAndSet of ${key}, which expects ${expected}`)
    )
  )

/** Versions that are none of what is there: other numbers, and what is no version at all. */
const otherThan = (version: number): ReadonlyArray<number> => [
  version - 1,
  version + 1,
  version + 0.5,
  -version - 1,
  NaN,
  Infinity,
  -Infinity,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_VALUE
]

export const checks = [
  ...Check.group("get, set and delete", {
    "nothing is there where nothing was put": Effect.gen(function* () {
      const store = yield* StateStore
      yield* is("k", undefined)
      yield* equal(yield* store.delete("k"), false)
      yield* is("k", undefined)
    }),

    "get gives what set has put there, in the version that it gave": Effect.gen(function* () {
      const store = yield* StateStore
      const version = yield* store.set("k", "a")
      yield* is("k", { value: "a", version })
      yield* is("k", { value: "a", version })
      yield* is("l", undefined)
    }),

    "set puts the value in the place of what is there": Effect.gen(function* () {
      const store = yield* StateStore
      const other = yield* store.set("l", "other")
      for (const value of ["a", "b", "b", "", "a"]) {
        const version = yield* store.set("k", value)
        yield* is("k", { value, version })
      }
      yield* is("l", { value: "other", version: other })
    }),

    "delete tells whether there was a value, and it is gone": Effect.gen(function* () {
      const store = yield* StateStore
      yield* store.set("k", "a")
      const other = yield* store.set("l", "b")
      yield* equal(yield* store.delete("k"), true)
      yield* is("k", undefined)
      yield* equal(yield* store.delete("k"), false)
      yield* is("l", { value: "b", version: other })
      const version = yield* store.set("k", "c")
      yield* is("k", { value: "c", version })
      yield* equal(yield* store.delete("k"), true)
    }),

    "versions are positive whole numbers, and none comes twice": Effect.gen(function* () {
      const store = yield* StateStore
      const versions: Array<number> = []
      for (const key of ["k", "l", "k", "l", "m"]) {
        versions.push(yield* store.set(key, "the same"))
        versions.push(yield* store.set(key, "the same"))
        const last = yield* store.set(key, "another")
        versions.push(last, yield* replace(key, last, "another"))
        yield* store.compareAndSet(key, last, "refused")
        yield* store.delete(key)
        versions.push(yield* replace(key, 0, "the same"))
        if (key === "l") yield* store.delete(key)
      }
      for (const key of ["k", "l", "m"]) yield* store.delete(key)
      for (const key of ["k", "n"]) versions.push(yield* store.set(key, "again"))
      yield* isTrue(
        versions.every((version) => Number.isSafeInteger(version) && version > 0),
        `positive whole numbers: ${versions.join(", ")}`
      )
      yield* equal(new Set(versions).size, versions.length, `no version twice: ${versions.join(", ")}`)
    })
  }),

  ...Check.group("compareAndSet", {
    "puts a value where nothing is, and only there, when 0 is expected": Effect.gen(function* () {
      const store = yield* StateStore
      const version = yield* replace("k", 0, "a")
      yield* is("k", { value: "a", version })
      yield* equal(yield* store.compareAndSet("k", 0, "b"), Option.none())
      yield* is("k", { value: "a", version })
    }),

    "replaces the version that is expected": Effect.gen(function* () {
      const store = yield* StateStore
      let version = yield* store.set("k", "0")
      for (const value of ["1", "1", "2"]) {
        version = yield* replace("k", version, value)
        yield* is("k", { value, version })
      }
      yield* store.set("k", "3")
      yield* equal(yield* store.compareAndSet("k", version, "4"), Option.none())
    }),

    "changes nothing when another version is there": Effect.gen(function* () {
      const store = yield* StateStore
      const first = yield* store.set("k", "a")
      const version = yield* store.set("k", "b")
      const other = yield* store.set("l", "b")
      for (const expected of [first, other, 0, ...otherThan(version)]) {
        yield* equal(yield* store.compareAndSet("k", expected, "c"), Option.none(), `${expected} is expected`)
        yield* is("k", { value: "b", version })
      }
      yield* is("l", { value: "b", version: other })
    }),

    "puts nothing where nothing is when anything is expected": Effect.gen(function* () {
      const store = yield* StateStore
      const version = yield* store.set("k", "a")
      const other = yield* store.set("l", "a")
      yield* store.delete("k")
      for (const expected of [version, other, ...otherThan(0)]) {
        for (const key of ["k", "never"]) {
          yield* equal(yield* store.compareAndSet(key, expected, "b"), Option.none(), `${expected} is expected`)
          yield* is(key, undefined)
        }
      }
      const again = yield* replace("k", 0, "c")
      yield* is("k", { value: "c", version: again })
    }),

    "sees that a value was replaced by the same one, or deleted and put there again": Effect.gen(function* () {
      const store = yield* StateStore
      const seen: Array<number> = []
      for (const again of [store.set("k", "a"), replace("k", 0, "a")]) {
        for (let i = 0; i < 3; i++) {
          const version = i === 0 ? yield* again : yield* store.set("k", "a")
          for (const expected of seen) yield* equal(yield* store.compareAndSet("k", expected, "b"), Option.none())
          yield* is("k", { value: "a", version })
          seen.push(version)
        }
        yield* store.delete("k")
      }
    })
  })
]
