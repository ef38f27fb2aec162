/**
 * Appends at the same time.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { StoreError } from "../../../model/StoreError.js"
import { EventStore, type StoredEvent } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import { append, type Checked, event, eventsOf, everything, has, idsOf, next, stateRow } from "./EventLog.js"
import { equal, isTrue, type Mismatch, sameMembers } from "./Expect.js"
import { at } from "./Moment.js"

// Who waits for a lock does so in real time, under any clock of a test.
const together = <A, E, R>(calls: ReadonlyArray<Effect.Effect<A, E, R>>): Effect.Effect<globalThis.Array<A>, E, R> =>
  at(1000)(Effect.all(calls, { concurrency: "unbounded" }))

const rowsOf = (round: number) => Array.makeBy(10, (i) => stateRow(`a${i}`, 1, { state: String(round) }))

/** Ten aggregates for states that are put together. */
const ten = Effect.forEach(rowsOf(0), ({ aggregateId }) => append(aggregateId, 0, `of ${aggregateId}`))

/** Twelve more events of one aggregate, which can be deleted; their round begins with 1. */
const twelve = (round: number) =>
  Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("b", 12 * (round - 1), ...Array.makeBy(12, (i) => `${round} ${i}`))
    yield* store.keepSnapshot({ ...stateRow("b", 12 * round), at: 0 })
  })

/** All states of a round or none, and the events of a round or none. */
const areWhole = Effect.gen(function* () {
  const store = yield* EventStore
  const states = yield* store.states({ limit: 99 })
  yield* equal(states, states.length === 0 ? [] : rowsOf(Number(states[0]?.state)), "the states of a round")
  const left = (yield* store.read("b", { limit: 99 })).map(({ sequence }) => sequence)
  const round = Math.ceil((left[0] ?? 0) / 12)
  yield* equal(left, round === 0 ? [] : Array.range(12 * round - 11, 12 * round), "the events of a round")
})

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

  "an append is seen as a whole, with its state, and who goes on reading misses none": Effect.gen(function* () {
    const store = yield* EventStore
    const ids = ["a", "b", "c"]
    let appending = ids.length
    const append = (aggregateId: string) =>
      Effect.forEach(Array.range(1, 10), (i) =>
        Effect.zipRight(
          Effect.yieldNow(),
          store.append({
            aggregateId,
            expected: "any",
            events: Array.makeBy(3, (j) => event(`${aggregateId} ${i} ${j}`)),
            state: stateRow(aggregateId, 3 * i)
          })
        )
      ).pipe(Effect.ensuring(Effect.sync(() => appending--)))
    const seen: globalThis.Array<StoredEvent> = []
    const goOn = Effect.gen(function* () {
      const page = yield* store.readAll({ after: seen[seen.length - 1]?.position ?? 0, limit: 7 })
      seen.push(...page)
      return page.length > 0
    })
    const look = Effect.gen(function* () {
      const version = yield* store.version("a")
      const state = Option.match(yield* store.state("a"), { onNone: () => 0, onSome: ({ sequence }) => sequence })
      const events = (yield* eventsOf("a")).length
      yield* isTrue(
        version % 3 === 0 && events % 3 === 0,
        `all of an append or none: ${version}, then ${events} events`
      )
      yield* isTrue(
        version <= state && state <= events,
        `version ${version}, then state ${state}, then ${events} events`
      )
    })
    const looking = Effect.zipRight(look, Effect.zipRight(goOn, Effect.yieldNow())).pipe(
      Effect.repeat({ while: () => appending > 0 })
    )
    yield* together<unknown, Mismatch | StoreError, EventStore>([...ids.map(append), looking])
    yield* Effect.repeat(goOn, { while: (more) => more })
    yield* equal(seen.length, 90)
    yield* equal(seen, yield* everything, "what was read page by page")
  }),

  "states that are put do not replace those of later appends": Effect.gen(function* () {
    const store = yield* EventStore
    const appending = Effect.forEach(Array.range(1, 20), (i) =>
      Effect.zipRight(
        Effect.yieldNow(),
        store.append({ aggregateId: "a", expected: i - 1, events: [event(`e${i}`)], state: stateRow("a", i) })
      )
    )
    let turns = 0
    const putting = Effect.gen(function* () {
      const version = yield* store.version("a")
      if (turns++ % 2 === 0) yield* Effect.yieldNow()
      if (version > 0) yield* store.putStates([stateRow("a", version)])
      const before = yield* store.version("a")
      const state = Option.match(yield* store.state("a"), { onNone: () => 0, onSome: ({ sequence }) => sequence })
      yield* isTrue(state >= before, `the version ${before}, and then the state after ${state}`)
    })
    const often = Effect.repeatN(putting, 15)
    yield* together<unknown, Mismatch | StoreError, never>([appending, often, often])
    yield* equal(yield* store.state("a"), Option.some(stateRow("a", 20)))
  }),

  "states that are put or dropped, and events that are deleted, are seen as a whole": Effect.gen(function* () {
    const store = yield* EventStore
    yield* ten
    let isOver = false
    const changing = Effect.gen(function* () {
      for (const round of Array.range(1, 12)) {
        yield* store.putStates(rowsOf(round))
        yield* twelve(round)
        yield* Effect.repeatN(Effect.yieldNow(), round % 3)
        yield* equal(yield* store.prune({ aggregateId: "b", upTo: 12 * round }), 12)
        if (round % 2 === 0) yield* equal(yield* store.dropStates("a"), 10)
        yield* Effect.yieldNow()
      }
    }).pipe(Effect.ensuring(Effect.sync(() => (isOver = true))))
    const looking = Effect.zipRight(areWhole, Effect.yieldNow()).pipe(Effect.repeat({ until: () => isOver }))
    yield* together<unknown, Mismatch | StoreError, EventStore>([changing, looking, looking])
    yield* equal(yield* store.states({ limit: 99 }), [])
    yield* equal(yield* eventsOf("b"), [])
  }),

  "an interrupted change of states, or deletion, has taken place or not": Effect.gen(function* () {
    const store = yield* EventStore
    yield* ten
    for (const round of Array.range(1, 12)) {
      yield* twelve(round)
      const prune = store.prune({ aggregateId: "b", upTo: 12 * round })
      for (const change of [store.putStates(rowsOf(round)), store.dropStates("a"), prune]) {
        const fiber = yield* Effect.fork(at(1000)(change))
        yield* Effect.repeatN(Effect.yieldNow(), round % 6)
        yield* Fiber.interrupt(fiber)
        yield* areWhole
      }
      yield* prune
      yield* equal(yield* eventsOf("b"), [])
      yield* store.putStates(rowsOf(round))
      yield* equal(yield* store.states({ limit: 99 }), rowsOf(round))
    }
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
