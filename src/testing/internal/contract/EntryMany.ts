/**
 * Several keys that are read at once.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { type Entry, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { refused } from "./EntryTexts.js"
import { equal, sameMembers } from "./Expect.js"
import { at } from "./Moment.js"

/** What getMany gives, which has no order. */
const are = (keys: ReadonlyArray<string>, expected: Iterable<readonly [string, Entry]>) =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const found = yield* store.getMany(keys)
    yield* sameMembers(found, expected, `what is there of ${keys.length} keys`)
  })

export const checks = Check.group("getMany", {
  "gives what is there, each in its version, and leaves out the others": Effect.gen(function* () {
    const store = yield* StateStore
    yield* are([], [])
    yield* are(["k", "l"], [])
    const k = { value: "a", version: yield* store.set("k", "a") }
    const l = { value: "", version: yield* store.set("l", "") }
    yield* store.set("m", "c")
    yield* are([], [])
    yield* are(["k"], [["k", k]])
    yield* are(
      ["never", "l", "k", "K", "k "],
      [
        ["k", k],
        ["l", l]
      ]
    )
    yield* store.delete("k")
    yield* are(["k", "l"], [["l", l]])
  }),

  "gives a key that is asked for twice once": Effect.gen(function* () {
    const store = yield* StateStore
    const k = { value: "a", version: yield* store.set("k", "a") }
    yield* are(["k", "never", "k", "k", "never"], [["k", k]])
  }),

  "gives the values of keys of any text": Effect.gen(function* () {
    const store = yield* StateStore
    const keys = [
      "%",
      "_",
      "*",
      "k\u0000l",
      "\u0000",
      "o'k",
      'o"k',
      "\\",
      "{a}",
      "a,b",
      "\u{10ffff}",
      "\uffff",
      "__proto__"
    ]
    const expected: Array<readonly [string, Entry]> = []
    for (const key of keys) expected.push([key, { value: `of ${key}`, version: yield* store.set(key, `of ${key}`) }])
    yield* are(keys, expected)
    yield* are(["k", "constructor", "%%"], [])
  }),

  "leaves out what has expired": Effect.gen(function* () {
    const store = yield* StateStore
    const kept = { value: "a", version: yield* at(1000)(store.set("kept", "a", { ttl: 101 })) }
    yield* at(1000)(store.set("gone", "b", { ttl: 100 }))
    yield* at(1100)(are(["gone", "kept"], [["kept", kept]]))
    yield* at(1101)(are(["gone", "kept"], []))
  }),

  "takes hundreds of keys": Effect.gen(function* () {
    const store = yield* StateStore
    const expected: Array<readonly [string, Entry]> = []
    for (let i = 0; i < 300; i++)
      expected.push([`k${i}`, { value: `${i}`, version: yield* store.set(`k${i}`, `${i}`) }])
    for (const count of [2, 63, 64, 65, 255, 256, 257, 300]) {
      const some = expected.slice(0, count)
      yield* are(
        some.map(([key]) => key),
        some
      )
    }
    const missing = Array.makeBy(700, (i) => `never ${i}`)
    yield* are([...missing, ...expected.map(([key]) => key), ...missing], expected)
  }),

  "refuses all when one of them is not a key": Effect.gen(function* () {
    const store = yield* StateStore
    yield* store.set("k", "a")
    for (const [key, shown] of [
      ["", "empty"],
      ["lone\ud83dkey", "lone\\ud83dkey"],
      ["x".repeat(10_000), "xxxxxxxxxx"]
    ] as const) {
      yield* refused("getMany", shown, store.getMany([key]))
      yield* refused("getMany", shown, store.getMany(["k", key, "l"]))
    }
    yield* equal((yield* store.getMany(["k"])).size, 1)
  })
})
