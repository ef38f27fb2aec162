/**
 * Which texts and numbers a store of leases takes, and which not.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../../model/StoreError.js"
import { LeaseStore, maxAbove, maxTtl } from "../../../store/LeaseStore.js"
import { maxKeyBytes } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import { acquired, held, is, ttl } from "./Leases.js"
import { at } from "./Moment.js"

const longest = "x".repeat(maxKeyBytes)

/** Each of them another one. */
const names: ReadonlyArray<string> = [
  " ",
  "r",
  "r ",
  "R",
  "r\u0000",
  "r\u0000s",
  "\u0000",
  "r/s",
  "r:s",
  "r\ns",
  "%",
  "_",
  "*",
  "?",
  "{r}",
  "o'k",
  'o"k',
  "\\",
  "0",
  "1e3",
  "é",
  "e\u0301",
  "😀",
  "\ufeff",
  "null",
  "__proto__",
  "constructor",
  longest,
  `${longest.slice(1)}y`,
  "é".repeat(maxKeyBytes / 2),
  "😀".repeat(maxKeyBytes / 4)
]

const [highSurrogate, lowSurrogate] = ["\ud83d", "\ude00"]

/** With a part of it that the error shows. */
const badNames: ReadonlyArray<readonly [name: string, shown: string]> = [
  ["", "empty"],
  [highSurrogate, "\\ud83d"],
  [`turned ${lowSurrogate}${highSurrogate}`, "turned \\ude00\\ud83d"],
  [`${longest}x`, "xxxxxxxxxx"],
  [`${"é".repeat(maxKeyBytes / 2)}x`, "éééééééééé"],
  ["long ".repeat(100_000), "long long"]
]

const badTtls = [0, -0, -1, NaN, Infinity, -Infinity, maxTtl + 1, Number.MAX_VALUE]

const badNumbers = [-1, 0.5, NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER + 1]

const refused = (operation: string, shown: string, call: Effect.Effect<unknown, StoreError>) =>
  Effect.gen(function* () {
    const error = yield* Effect.either(at(1010)(call))
    yield* isTrue(error._tag === "Left", `${operation} of ${shown} fails`)
    if (error._tag === "Right") return
    yield* equal([error.left.reason, error.left.operation], ["failed", operation], `${operation} of ${shown}`)
    yield* isTrue(error.left.message.includes(shown), `${shown} is in the message: ${error.left.message}`)
    yield* isTrue(error.left.message.length < 1000, "the message is short enough to be read")
  })

export const checks = Check.group("resources, holders and numbers", {
  "resources of any text are kept apart": Effect.gen(function* () {
    const store = yield* LeaseStore
    const leases = []
    for (const [i, resource] of names.entries()) {
      yield* at(1000)(is(undefined, 0, resource))
      leases.push(yield* at(1000)(acquired("one", { resource, above: i })))
    }
    for (const [i, lease] of leases.entries()) {
      yield* equal(lease.token, i + 1)
      yield* at(1000)(is(lease))
    }
    for (const lease of leases) {
      yield* isTrue((yield* at(1000)(store.enqueue({ resource: lease.resource, holder: "two", ttl }))) > 0, "a ticket")
      yield* equal(yield* at(1000)(store.release(lease)), true)
      yield* at(1000)(is(undefined, 0, lease.resource))
    }
  }),

  "holders of any text are kept apart": Effect.gen(function* () {
    const store = yield* LeaseStore
    for (const holder of names) yield* at(1000)(store.enqueue({ resource: "r", holder, ttl }))
    for (const [i, holder] of names.entries()) {
      if (i + 1 < names.length) yield* at(1000)(held(names[i + 1]!, undefined))
      const lease = yield* at(1000)(acquired(holder))
      yield* at(1000)(is(lease))
      for (const other of names) {
        if (other !== holder) yield* equal(yield* at(1000)(store.release({ ...lease, holder: other })), false)
      }
      yield* equal(yield* at(1000)(store.release(lease)), true)
    }
  }),

  "other texts are refused by all methods, and change nothing": Effect.gen(function* () {
    const store = yield* LeaseStore
    const lease = yield* at(1000)(acquired("one"))
    const { token } = lease
    for (const [name, shown] of badNames) {
      for (const names of [
        { resource: name, holder: "one" },
        { resource: "r", holder: name }
      ]) {
        yield* refused("acquire", shown, store.acquire({ ...names, ttl }))
        yield* refused("renew", shown, store.renew({ ...names, token, ttl }))
        yield* refused("release", shown, store.release({ ...names, token }))
        yield* refused("enqueue", shown, store.enqueue({ ...names, ttl }))
        yield* refused("dequeue", shown, store.dequeue(names))
      }
      yield* refused("get", shown, store.get(name))
    }
    yield* at(1010)(is(lease, 90))
  }),

  "times and numbers that are none are refused, and change nothing": Effect.gen(function* () {
    const store = yield* LeaseStore
    const lease = yield* at(1000)(acquired("one"))
    const names = { resource: "r", holder: "one" }
    for (const ttl of badTtls) {
      yield* refused("acquire", String(ttl), store.acquire({ ...names, ttl }))
      yield* refused("acquire", String(ttl), store.acquire({ ...names, resource: "s", ttl }))
      yield* refused("renew", String(ttl), store.renew({ ...lease, ttl }))
      yield* refused("enqueue", String(ttl), store.enqueue({ ...names, ttl }))
    }
    for (const number of badNumbers) {
      yield* refused("acquire", String(number), store.acquire({ ...names, ttl, above: number }))
      yield* refused("renew", String(number), store.renew({ ...lease, token: number, ttl }))
      yield* refused("release", String(number), store.release({ ...lease, token: number }))
    }
    yield* refused("acquire", String(maxAbove + 1), store.acquire({ ...names, ttl, above: maxAbove + 1 }))
    yield* at(1010)(is(lease, 90))
    yield* at(1010)(is(undefined, 0, "s"))
    yield* equal(yield* at(1010)(store.release(lease)), true)
    yield* at(1010)(acquired("two"))
  })
})
