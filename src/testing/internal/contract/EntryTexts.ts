/**
 * Which texts are keys and values, and which are not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { maxKeyBytes, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { is, replace } from "./Entries.js"
import { equal, isTrue } from "./Expect.js"

const longest = "x".repeat(maxKeyBytes)

/** Each of them another one. */
const keys: ReadonlyArray<string> = [
  " ",
  "k",
  "k ",
  " k",
  "K",
  "k\u0000",
  "k\u0000l",
  "\u0000",
  "k/l",
  "k.l",
  "k:l",
  "k\nl",
  "%",
  "_",
  "*",
  "k*",
  "?",
  "o'k",
  'o"k',
  "\\",
  "0",
  "00",
  "0.0",
  "1e3",
  "1000",
  "é",
  "e\u0301",
  "😀",
  "\uffee",
  "\ufeff",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  longest,
  `${longest.slice(1)}y`,
  `y${longest.slice(1)}`,
  "é".repeat(maxKeyBytes / 2),
  `${"€".repeat(Math.floor(maxKeyBytes / 3))}${"x".repeat(maxKeyBytes % 3)}`,
  "😀".repeat(maxKeyBytes / 4)
]

/** 10 MB of UTF-8 each. */
const largest: ReadonlyArray<string> = ["x".repeat(10_000_000), "😀 ".repeat(2_000_000)]

const values: ReadonlyArray<string> = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ufeffa",
  "\r\n",
  "null",
  '{"__proto__":null}',
  "__proto__",
  "1",
  "1.0",
  "é",
  "e\u0301",
  "😀",
  "o'k",
  "x".repeat(1_000_000),
  "é".repeat(500_000),
  "\u0000".repeat(10_000)
]

const [highSurrogate, lowSurrogate] = ["\ud83d", "\ude00"]

/** With a part of it that the error shows. */
const badKeys: ReadonlyArray<readonly [key: string, shown: string]> = [
  ["", "empty"],
  [highSurrogate, "\\ud83d"],
  [lowSurrogate, "\\ude00"],
  [`lone${highSurrogate}key`, "lone\\ud83dkey"],
  [`turned ${lowSurrogate}${highSurrogate}`, "turned \\ude00\\ud83d"],
  [`${longest}x`, "xxxxxxxxxx"],
  [`${"é".repeat(maxKeyBytes / 2)}x`, "éééééééééé"],
  [`${"😀".repeat(maxKeyBytes / 4)}x`, "😀😀😀😀"],
  ["x".repeat(10_000), "xxxxxxxxxx"],
  ["long ".repeat(100_000), "long long"]
]

/** Fails with an error that shows what is wrong, and is no longer than can be read. */
export const refused = (operation: string, shown: string, call: Effect.Effect<unknown, StoreError>) =>
  Effect.gen(function* () {
    const error = yield* Effect.either(call)
    yield* isTrue(error._tag === "Left", `${operation} of ${shown} fails`)
    if (error._tag === "Right") return
    yield* equal([error.left.reason, error.left.operation], ["failed", operation], `${operation} of ${shown}`)
    yield* isTrue(error.left.message.includes(shown), `${shown} is in the message: ${error.left.message}`)
    yield* isTrue(error.left.message.length < 1000, "the message is short enough to be read")
  })

export const checks = Check.group("keys and values", {
  "keys of any text are kept apart": Effect.gen(function* () {
    const store = yield* StateStore
    const versions = new Map<string, number>()
    for (const key of keys) {
      yield* is(key, undefined)
      versions.set(key, yield* store.set(key, `of ${key}`))
    }
    for (const [key, version] of versions) yield* is(key, { value: `of ${key}`, version })
    for (const key of keys) {
      yield* equal(yield* store.delete(key), true)
      versions.delete(key)
      yield* is(key, undefined)
    }
    for (const key of keys) versions.set(key, yield* replace(key, 0, key))
    for (const [key, version] of versions) yield* is(key, { value: key, version })
  }),

  "values of any text and size come back as they are": Effect.gen(function* () {
    const store = yield* StateStore
    for (const value of values) {
      const version = yield* store.set("k", value)
      yield* is("k", { value, version })
    }
    yield* store.delete("k")
    for (const [i, value] of values.entries()) {
      yield* is(`k${i}`, { value, version: yield* replace(`k${i}`, 0, value) })
    }
  }),

  "values of 10 MB come back as they are": Effect.gen(function* () {
    const store = yield* StateStore
    const [first = "", second = ""] = largest
    const version = yield* store.set("k", first)
    // not compared by what shows a difference, which would be long
    const isThere = (key: string, value: string) =>
      Effect.flatMap(store.get(key), (entry) =>
        isTrue(
          Option.exists(entry, (entry) => entry.value === value),
          `the ${value.length} characters of ${key} are there`
        )
      )
    yield* isThere("k", first)
    yield* replace("k", version, second)
    yield* isThere("k", second)
    yield* isTrue((yield* store.getMany(["k"])).get("k")?.value === second, "getMany gives all of it")
    yield* isTrue((yield* store.list({ prefix: "k", limit: 1 }))[0]?.value === second, "list gives all of it")
    yield* equal(yield* store.delete("k"), true)
  }),

  "other keys are refused by all methods, and change nothing": Effect.gen(function* () {
    const store = yield* StateStore
    const version = yield* store.set("k", "a")
    for (const [key, shown] of badKeys) {
      yield* refused("get", shown, store.get(key))
      yield* refused("set", shown, store.set(key, "b"))
      yield* refused("delete", shown, store.delete(key))
      yield* refused("compareAndSet", shown, store.compareAndSet(key, 0, "b"))
      yield* refused("compareAndSet", shown, store.compareAndSet(key, version, "b"))
    }
    yield* is("k", { value: "a", version })
  }),

  "a value with a lone surrogate is refused, and what was there stays": Effect.gen(function* () {
    const store = yield* StateStore
    const version = yield* store.set("kept", "a")
    for (const value of [highSurrogate, `a${lowSurrogate}`, `${lowSurrogate}${highSurrogate}`]) {
      yield* refused("set", '"kept"', store.set("kept", value))
      yield* refused("compareAndSet", '"kept"', store.compareAndSet("kept", version, value))
      yield* refused("compareAndSet", '"kept"', store.compareAndSet("kept", version + 1, value))
      yield* refused("set", '"other"', store.set("other", value))
      yield* refused("compareAndSet", '"other"', store.compareAndSet("other", 0, value))
    }
    yield* is("kept", { value: "a", version })
    yield* is("other", undefined)
  })
})
