/**
 * Values whose time runs out.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { is, replace } from "./Entries.js"
import { refused } from "./EntryTexts.js"
import { equal, isTrue } from "./Expect.js"
import { at } from "./Moment.js"

const century = 100 * 365 * 86_400_000

/** The time to live, and the first moment at which what was set at 1000 is not there. */
const durations: ReadonlyArray<readonly [ttl: Duration.DurationInput, end: number]> = [
  [1, 1001],
  ["1 second", 2000],
  [Duration.millis(250.5), 1250.5],
  [Duration.micros(500n), 1000.5],
  ["365 days", 1000 + 365 * 86_400_000]
]

export const checks = Check.group("time to live", {
  "a value is there until its time has run out, and not at its end": Effect.gen(function* () {
    const store = yield* StateStore
    for (const [ttl, end] of durations) {
      const version = yield* at(1000)(store.set("k", "a", { ttl }))
      for (const moment of [1000, end - 0.25]) yield* at(moment)(is("k", { value: "a", version }))
      for (const moment of [end, end + 1, end + century]) yield* at(moment)(is("k", undefined))
    }
  }),

  "its time begins when it is set, by the Clock of who sets it": Effect.gen(function* () {
    const store = yield* StateStore
    for (const moment of [0, 1000, 1000.5, century]) {
      const version = yield* at(moment)(store.set("k", "a", { ttl: 100 }))
      yield* at(moment + 99.5)(is("k", { value: "a", version }))
      yield* at(moment + 100)(is("k", undefined))
    }
  }),

  "without one it is there forever": Effect.gen(function* () {
    const store = yield* StateStore
    const kept = yield* at(1000)(store.set("k", "a"))
    const infinite = yield* at(1000)(store.set("l", "a", { ttl: Duration.infinity }))
    const compared = yield* at(1000)(replace("m", 0, "a", { ttl: undefined }))
    yield* at(century)(is("k", { value: "a", version: kept }))
    yield* at(century)(is("l", { value: "a", version: infinite }))
    yield* at(century)(is("m", { value: "a", version: compared }))
  }),

  "one that is not more than 0 is refused, and what was there stays": Effect.gen(function* () {
    const store = yield* StateStore
    const version = yield* at(1000)(store.set("kept", "a"))
    for (const ttl of [0, -1, -0.5, NaN, -Infinity, "0 millis", "-5 seconds", Duration.zero, 0n, -5n] as const) {
      yield* refused("set", '"kept"', at(1000)(store.set("kept", "b", { ttl })))
      yield* refused("set", '"other"', at(1000)(store.set("other", "b", { ttl })))
      yield* refused("compareAndSet", '"kept"', at(1000)(store.compareAndSet("kept", version, "b", { ttl })))
      yield* refused("compareAndSet", '"kept"', at(1000)(store.compareAndSet("kept", version + 1, "b", { ttl })))
      yield* refused("compareAndSet", '"other"', at(1000)(store.compareAndSet("other", 0, "b", { ttl })))
    }
    yield* at(1000)(is("kept", { value: "a", version }))
    yield* at(1000)(is("other", undefined))
  }),

  "one without end is none": Effect.gen(function* () {
    const store = yield* StateStore
    for (const ttl of [Infinity, Duration.infinity] as const) {
      const version = yield* at(1000)(store.set("k", "a", { ttl }))
      yield* at(century)(is("k", { value: "a", version }))
    }
  }),

  "a value that has expired is not there for any method": Effect.gen(function* () {
    const store = yield* StateStore
    const put = (key: string) => at(1000)(store.set(key, "a", { ttl: 100 }))
    yield* put("deleted")
    yield* equal(yield* at(1100)(store.delete("deleted")), false)
    yield* at(1100)(is("deleted", undefined))
    const version = yield* put("compared")
    yield* equal(yield* at(1100)(store.compareAndSet("compared", version, "b")), Option.none())
    const compared = yield* at(1100)(replace("compared", 0, "c"))
    yield* at(1100)(is("compared", { value: "c", version: compared }))
    yield* put("set")
    const set = yield* at(1100)(store.set("set", "d"))
    yield* at(1100)(is("set", { value: "d", version: set }))
  }),

  "until then it is there for all of them": Effect.gen(function* () {
    const store = yield* StateStore
    const put = (key: string) => at(1000)(store.set(key, "a", { ttl: 100 }))
    yield* put("deleted")
    yield* equal(yield* at(1099)(store.delete("deleted")), true)
    const version = yield* put("compared")
    yield* equal(yield* at(1099)(store.compareAndSet("compared", 0, "b")), Option.none())
    yield* at(1099)(replace("compared", version, "b"))
  }),

  "the latest value says for how long": Effect.gen(function* () {
    const store = yield* StateStore
    let version = yield* at(1000)(store.set("k", "a", { ttl: 100 }))
    version = yield* at(1050)(store.set("k", "b", { ttl: 100 }))
    yield* at(1149)(is("k", { value: "b", version }))
    version = yield* at(1149)(replace("k", version, "c", { ttl: 10 }))
    yield* at(1158)(is("k", { value: "c", version }))
    yield* at(1159)(is("k", undefined))
    version = yield* at(1158)(store.set("k", "d", { ttl: 10 }))
    version = yield* at(1160)(replace("k", version, "e"))
    yield* at(century)(is("k", { value: "e", version }))
    version = yield* at(1160)(store.set("k", "f", { ttl: 10 }))
    version = yield* at(1161)(store.set("k", "g"))
    yield* at(century)(is("k", { value: "g", version }))
  }),

  "a compareAndSet that changes nothing does not change it either": Effect.gen(function* () {
    const store = yield* StateStore
    const version = yield* at(1000)(store.set("k", "a", { ttl: 100 }))
    yield* equal(yield* at(1050)(store.compareAndSet("k", version + 1, "b", { ttl: 100 })), Option.none())
    yield* equal(yield* at(1050)(store.compareAndSet("k", 0, "b")), Option.none())
    yield* at(1099)(is("k", { value: "a", version }))
    yield* at(1100)(is("k", undefined))
  }),

  "what has not expired stays, whatever is written beside it": Effect.gen(function* () {
    const store = yield* StateStore
    const versions = new Map<string, number>()
    for (let i = 0; i < 60; i++) {
      versions.set(`kept ${i}`, yield* at(1000)(store.set(`kept ${i}`, "a", i % 2 === 0 ? {} : { ttl: 10_000 + i })))
      yield* at(1000)(store.set(`gone ${i}`, "a", { ttl: 100 + i }))
    }
    for (let i = 0; i < 100; i++) yield* at(2000)(store.set(`later ${i}`, "a", { ttl: i + 1 }))
    for (let i = 0; i < 60; i++) yield* at(2000)(is(`gone ${i}`, undefined))
    for (const [key, version] of versions) yield* at(10_999)(is(key, { value: "a", version }))
  }),

  "the version of what has expired does not come again": Effect.gen(function* () {
    const store = yield* StateStore
    const versions: Array<number> = []
    for (let i = 0; i < 40; i++) {
      versions.push(yield* at(1000 + i * 100)(store.set("k", "a", { ttl: 100 })))
      versions.push(yield* at(1000 + i * 100)(store.set(`k${i}`, "a", { ttl: 50 })))
    }
    yield* at(9000)(store.delete("k"))
    versions.push(yield* at(9000)(store.set("k", "a")), yield* at(9000)(replace("l", 0, "a")))
    yield* isTrue(new Set(versions).size === versions.length, `no version twice: ${versions.join(", ")}`)
  })
})
