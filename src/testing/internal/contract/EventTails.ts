/**
 * Subscriptions: what was appended before, and then what is.
 */
import * as Array from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { EventStore } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import { append, type Checked, everything, idsOf, next, stateRow, within } from "./EventLog.js"
import { equal } from "./Expect.js"

const ids = (from: number, to: number) => Array.range(from, to).map((i) => `e${i}`)

export const checks = Check.group("subscribe", {
  "gives the events of all aggregates after a position, as readAll does": Effect.gen(function* () {
    const store = yield* EventStore
    for (let i = 1; i <= 9; i++) yield* append(i % 2 === 0 ? "a" : "b", "any", `e${i}`)
    const all = yield* everything
    yield* equal(yield* next(store.subscribe(), 9), all)
    yield* equal(yield* next(store.subscribe(0), 3), all.slice(0, 3))
    for (const [i, { position }] of all.entries()) {
      if (i < 8) yield* equal(yield* next(store.subscribe(position), 8 - i), all.slice(i + 1), `after ${position}`)
    }
  }),

  "goes on with what is appended, without gap or repetition": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", "any", ...ids(1, 3))
    const arrived = yield* Queue.unbounded<string>()
    const fiber = yield* store.subscribe().pipe(
      Stream.runForEach(({ eventId }) => Queue.offer(arrived, eventId)),
      (subscribing) => Effect.fork(within("the end of a subscription", subscribing))
    )
    const arrive = (expected: ReadonlyArray<string>) =>
      Effect.flatMap(within(`${expected[0]}`, Queue.takeN(arrived, expected.length)), (taken) =>
        equal(Array.fromIterable(taken), expected)
      )
    yield* arrive(ids(1, 3))
    for (let i = 4; i <= 8; i++) {
      yield* append(i % 2 === 0 ? "a" : "b", "any", `e${i}`)
      yield* arrive([`e${i}`])
    }
    yield* append("c", 0, ...ids(9, 250))
    yield* append("a", 0, "refused")
    yield* append("c", 0, ...ids(9, 250))
    yield* append("d", 0, "e251")
    yield* arrive(ids(9, 251))
    const exit = yield* Fiber.interrupt(fiber)
    yield* equal(Exit.isInterrupted(exit), true, "it has not ended by itself")
    yield* equal(yield* Queue.size(arrived), 0)
  }),

  "waits after a position that is not there yet for the events after it": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", "any", "e1")
    const last = (yield* everything)[0]?.position ?? 0
    const fiber = yield* Effect.fork(next(store.subscribe(last), 2))
    const ahead = yield* Effect.fork(next(store.subscribe(last + 100), 1))
    yield* append("a", "any", "e2")
    yield* append("b", "any", "e3")
    yield* equal(idsOf(yield* Fiber.join(fiber)), ["e2", "e3"])
    yield* append("c", "any", ...ids(4, 203))
    const all = yield* everything
    yield* equal(yield* Fiber.join(ahead), all.filter(({ position }) => position > last + 100).slice(0, 1))
  }),

  "gives all of them to each of several that go on at their own pace": Effect.gen(function* () {
    const store = yield* EventStore
    const pace = (turns: number) =>
      store.subscribe().pipe(
        Stream.tap(() => Effect.repeatN(Effect.yieldNow(), turns)),
        (events) => Effect.fork(next(events, 60))
      )
    const fibers = yield* Effect.forEach([0, 1, 5], pace)
    for (let i = 0; i < 60; i += 3) yield* append(`a${i % 4}`, "any", ...ids(i, i + 2))
    const expected = yield* everything
    for (const fiber of fibers) yield* equal(yield* Fiber.join(fiber), expected)
  }),

  "who is slow holds up nobody, and misses nothing": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", "any", "e1")
    const isTaken = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const slow = yield* store.subscribe().pipe(
      Stream.tap(() => Effect.zipRight(Deferred.succeed(isTaken, void 0), Deferred.await(goOn))),
      (events) => Effect.fork(next(events, 300))
    )
    yield* within("the first event", Deferred.await(isTaken))
    const appending = Effect.forEach(ids(2, 300), (id, i) => append(`a${i % 3}`, "any", id))
    yield* within("the end of the appends", appending)
    const all = yield* everything
    yield* equal(idsOf(all), ids(1, 300))
    yield* equal(yield* next(store.subscribe(), 300), all)
    yield* Deferred.succeed(goOn, void 0)
    yield* equal(yield* Fiber.join(slow), all)
  }),

  "goes on where another one was interrupted": Effect.gen(function* () {
    const store = yield* EventStore
    const appending = yield* Effect.fork(
      Effect.forEach(ids(1, 60), (id, i) => Effect.zipRight(append(`a${i % 3}`, "any", id), Effect.yieldNow()))
    )
    const seen: globalThis.Array<string> = []
    let after = 0
    while (seen.length < 60) {
      const some = yield* next(store.subscribe(after), Math.min(7, 60 - seen.length))
      seen.push(...idsOf(some))
      after = some[some.length - 1]?.position ?? after
    }
    yield* Fiber.join(appending)
    yield* equal(seen, idsOf(yield* everything))
  }),

  "leaves out what was deleted": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", 0, ...ids(1, 3))
    yield* append("b", 0, "e4")
    yield* store.keepSnapshot({ ...stateRow("a", 2), at: 0 })
    yield* store.prune({ aggregateId: "a", upTo: 2 })
    const fiber = yield* Effect.fork(next(store.subscribe(), 3))
    yield* append("a", 3, "e5")
    yield* equal(idsOf(yield* Fiber.join(fiber)), ["e3", "e4", "e5"])
  })
} satisfies Record<string, Checked>)
