/**
 * Appends at the same time.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { EventStore } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import { append, type Checked, event, eventsOf, everything, has, idsOf, next, stateRow } from "./EventLog.js"
import { equal, isTrue, sameMembers } from "./Expect.js"
import { at } from "./Moment.js"

// Who waits for a lock does so in real time, under any clock of a test.
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<globalThis.Array<A>, E, R> =>
  at(1000)(Effect.all(calls, { concurrency: "unbounded" }))

export const checks = Check.group("at the same time", {
  "one append wins of those that expect the same version": Effect.gen(function* () {
    const store = yield* EventStore
    for (const expected of [0, 2, 4]) {
      const answers = yield* together(
        Array.makeBy(15, (i) =>
          store.append({
            aggregateId: "a",
            expected,
            events: [event(`${expected} ${i}`), event(`${expected} ${i} too`)],
            state: stateRow("a", expected + 2, { state: String(i) })
          })
        )
      )
      const won = answers.flatMap(({ _tag }, i) => (_tag === "Appended" ? [i] : []))
      yield* equal(won.length, 1, "how many have won")
      for (const answer of answers) {
        if (answer._tag !== "Appended") yield* equal(answer, { _tag: "Conflict", version: expected + 2 })
      }
      const events = yield* store.read("a", { after: expected, limit: 9 })
      yield* equal(idsOf(events), [`${expected} ${won[0]}`, `${expected} ${won[0]} too`])
      const state = Option.map(yield* store.state("a"), ({ state }) => state)
      yield* equal(state, Option.some(String(won[0])), "the state of who has won")
    }
  }),

  "one append wins of those with the same event id": Effect.gen(function* () {
    const answers = yield* together(
      Array.makeBy(12, (i) => append(`a${i % 4}`, "any", event("e", { payload: String(i % 4) })))
    )
    const [first, ...others] = yield* everything
    yield* equal(others, [], "it is there once")
    const owner = Number(first?.payload)
    const expected = answers.map((_, i) => (i % 4 === owner ? "Appended" : "EventIdTaken"))
    yield* equal(
      answers.map(({ _tag }) => _tag),
      expected
    )
    const fresh = answers.filter((answer) => answer._tag === "Appended" && !answer.repeated)
    yield* equal(fresh.length, 1, "it was appended once")
  }),

  "all are appended of those that expect any version, and seen in one order": Effect.gen(function* () {
    const store = yield* EventStore
    const fiber = yield* Effect.fork(next(store.subscribe(), 90))
    const answers = yield* together(
      Array.makeBy(30, (i) => append(`a${i % 3}`, "any", ...Array.makeBy(3, (j) => `e${i} ${j}`)))
    )
    for (const [i, answer] of answers.entries()) {
      yield* equal(answer._tag, "Appended")
      if (answer._tag !== "Appended") continue
      const events = yield* store.read(`a${i % 3}`, { after: answer.first - 1, limit: 3 })
      yield* equal(
        idsOf(events),
        Array.makeBy(3, (j) => `e${i} ${j}`)
      )
    }
    for (const id of ["a0", "a1", "a2"]) yield* has(id, ...idsOf(yield* eventsOf(id)))
    const all = yield* everything
    yield* equal(all.length, 90)
    yield* equal(yield* Fiber.join(fiber), all, "what was subscribed")
    for (const id of ["a0", "a1", "a2"]) {
      const own = all.filter(({ aggregateId }) => aggregateId === id)
      yield* equal(yield* eventsOf(id), own, "the order of an aggregate is that of all")
    }
  }),

  "states that are put do not replace those of later appends": Effect.gen(function* () {
    const store = yield* EventStore
    const appending = Effect.forEach(Array.range(1, 20), (i) =>
      store.append({ aggregateId: "a", expected: i - 1, events: [event(`e${i}`)], state: stateRow("a", i) })
    )
    const putting = Effect.repeatN(
      Effect.flatMap(store.version("a"), (version) =>
        version === 0 ? Effect.void : Effect.zipRight(Effect.yieldNow(), store.putStates([stateRow("a", version)]))
      ),
      15
    )
    yield* together<unknown, unknown, never>([appending, putting, putting]).pipe(Effect.orDie)
    yield* equal(yield* store.state("a"), Option.some(stateRow("a", 20)))
  }),

  "an interrupted append has taken place or not, and can be repeated": Effect.gen(function* () {
    const store = yield* EventStore
    const ids: globalThis.Array<string> = []
    for (const i of Array.range(0, 29)) {
      const both = [event(`e${i}`), event(`e${i} too`)]
      const request = {
        aggregateId: "a",
        expected: ids.length,
        events: both,
        state: stateRow("a", ids.length + 2)
      }
      const fiber = yield* Effect.fork(at(1000)(store.append(request)))
      yield* Effect.repeatN(Effect.yieldNow(), i % 6)
      yield* Fiber.interrupt(fiber)
      const before = yield* store.version("a")
      yield* isTrue(before === ids.length || before === ids.length + 2, `all or nothing: ${before}`)
      const again = yield* store.append(request)
      const expected = { _tag: "Appended", first: ids.length + 1, version: ids.length + 2 }
      yield* equal(again, { ...expected, repeated: before > ids.length } as typeof again)
      yield* equal(yield* store.state("a"), Option.some(request.state))
      ids.push(...both.map(({ eventId }) => eventId))
    }
    yield* has("a", ...ids)
    yield* sameMembers(idsOf(yield* everything), ids)
  })
} satisfies Record<string, Checked>)
