/**
 * Events that are appended and read.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EventStore, type NewEvent } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import { added, append, conflict, event, eventsOf, everything, has, idsOf, stateRow, taken } from "./EventLog.js"
import { equal, isTrue } from "./Expect.js"

export const checks = [
  ...Check.group("append and read", {
    "nothing is there where nothing was appended": Effect.gen(function* () {
      const store = yield* EventStore
      yield* has("a")
      yield* equal(yield* everything, [])
      yield* equal(yield* store.aggregates({ limit: 10 }), [])
      yield* equal(yield* store.states({ limit: 10 }), [])
      yield* equal(yield* store.event("e1"), Option.none())
      yield* equal(yield* store.state("a"), Option.none())
      yield* equal(yield* store.snapshot("a", { sequence: 10 }), Option.none())
    }),

    "events come back as they were, numbered within their aggregate and over all": Effect.gen(function* () {
      const store = yield* EventStore
      const first: ReadonlyArray<NewEvent> = [
        event("e1", { eventType: "Opened", payload: '{ "b": 1, "a": [null, "é😀\\u0000"] }', at: 0 }),
        event("e2", { eventType: "Closed", payload: '"text"', schemaVersion: 3, at: -1.5 })
      ]
      yield* equal(yield* append("a", "noStream", ...first), added(1, 2))
      const other = event("e3", { payload: "1e3", at: 1_700_000_000_000.25 })
      yield* equal(yield* append("b", "noStream", other), added(1))
      const last = event("e4", { payload: "null", schemaVersion: Number.MAX_SAFE_INTEGER })
      yield* equal(yield* append("a", 2, last), added(3))

      const all = yield* everything
      yield* equal(
        all.map(({ position: _, ...rest }) => rest),
        [
          { ...first[0]!, aggregateId: "a", sequence: 1 },
          { ...first[1]!, aggregateId: "a", sequence: 2 },
          { ...other, aggregateId: "b", sequence: 1 },
          { ...last, aggregateId: "a", sequence: 3 }
        ]
      )
      let before = 0
      for (const { position } of all) {
        yield* isTrue(Number.isSafeInteger(position) && position > before, `${position} comes after ${before}`)
        before = position
      }
      for (const id of ["a", "b"]) {
        yield* equal(
          yield* eventsOf(id),
          all.filter(({ aggregateId }) => aggregateId === id)
        )
      }
      for (const one of all) yield* equal(yield* store.event(one.eventId), Option.some(one))
      yield* equal(yield* store.version("a"), 3)
    }),

    "an append goes on after the version that is expected": Effect.gen(function* () {
      yield* equal(yield* append("a", 0, "e1"), added(1))
      yield* equal(yield* append("a", 1, "e2", "e3"), added(2, 3))
      yield* equal(yield* append("a", "any", "e4"), added(4))
      yield* equal(yield* append("b", "any", "e5"), added(1))
      yield* equal(yield* append("a", 4, "e6"), added(5))
      yield* has("a", "e1", "e2", "e3", "e4", "e6")
      yield* has("b", "e5")
    }),

    "another version is a conflict that tells it, and nothing changes": Effect.gen(function* () {
      const store = yield* EventStore
      for (const expected of [1, 2, Number.MAX_SAFE_INTEGER]) {
        yield* equal(yield* append("a", expected, "e1"), conflict(0), `${expected} is expected`)
      }
      yield* equal(yield* store.aggregates({ limit: 10 }), [])
      yield* append("a", "noStream", "e1", "e2")
      for (const expected of ["noStream", 0, 1, 3, 2 ** 40] as const) {
        yield* equal(yield* append("a", expected, "e3"), conflict(2), `${expected} is expected`)
        const state = stateRow("a", 3)
        yield* equal(
          yield* store.append({ aggregateId: "a", expected, events: [event("e3")], state }),
          conflict(2),
          `${expected} is expected, with a state`
        )
      }
      yield* has("a", "e1", "e2")
      yield* equal(yield* store.state("a"), Option.none())
      yield* equal(yield* store.event("e3"), Option.none())
      yield* equal(yield* append("a", 2, "e3"), added(3))
    }),

    "many events are appended at once": Effect.gen(function* () {
      const ids = Array.from({ length: 600 }, (_, i) => `e${i}`)
      yield* equal(yield* append("a", "noStream", ...ids), added(1, 600))
      yield* has("a", ...ids)
      yield* equal(idsOf(yield* everything), ids)
      yield* equal(yield* append("a", "any", ...ids), added(1, 600, true))
    }),

    "pages go on after the last event that was read, up to the end": Effect.gen(function* () {
      const store = yield* EventStore
      for (let i = 1; i <= 7; i++) yield* append(i % 3 === 0 ? "b" : "a", "any", `e${i}`)
      const pages = (limit: number) =>
        Effect.gen(function* () {
          const own: Array<string> = []
          const all: Array<string> = []
          for (let after = 0; ;) {
            const page = yield* store.read("a", { after, limit })
            yield* isTrue(page.length <= limit, "no more than were asked for")
            own.push(...idsOf(page))
            if (page.length === 0) break
            const last = page[page.length - 1]!.sequence
            yield* isTrue(last > after, `what is read after ${after} ends with ${last}`)
            after = last
          }
          for (let after = 0; ;) {
            const page = yield* store.readAll({ after, limit })
            yield* isTrue(page.length <= limit, "no more than were asked for")
            all.push(...idsOf(page))
            if (page.length === 0) break
            const last = page[page.length - 1]!.position
            yield* isTrue(last > after, `what is read of all after ${after} ends with ${last}`)
            after = last
          }
          yield* equal(own, ["e1", "e2", "e4", "e5", "e7"])
          yield* equal(all, ["e1", "e2", "e3", "e4", "e5", "e6", "e7"])
        })
      for (const limit of [1, 2, 3, 7, 100, Number.MAX_SAFE_INTEGER]) yield* pages(limit)
      yield* equal(yield* store.read("a", { limit: 0 }), [])
      yield* equal(yield* store.readAll({ limit: 0 }), [])
      for (const after of [5, 6, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
        yield* equal(yield* store.read("a", { after, limit: 10 }), [], `after ${after}`)
      }
      yield* equal(yield* store.readAll({ after: Number.MAX_SAFE_INTEGER, limit: 10 }), [])
      yield* equal(idsOf(yield* store.read("a", { after: 3, limit: 10 })), ["e5", "e7"])
    }),

    "the aggregates are listed in the order of UTF-8 bytes": Effect.gen(function* () {
      const store = yield* EventStore
      const ids = ["A", "B", "a", "a%", "a/1", "a/2", "aa", "b", "z", "é", "\uffee", "😀"]
      for (const id of [...ids].reverse()) yield* append(id, "noStream", `of ${id}`)
      yield* equal(yield* store.aggregates({ limit: 100 }), ids)
      for (const limit of [1, 5]) {
        const listed: Array<string> = []
        for (;;) {
          const page = yield* store.aggregates({ after: listed[listed.length - 1], limit })
          listed.push(...page)
          if (page.length < limit || listed.length > ids.length) break
        }
        yield* equal(listed, ids, `in pages of ${limit}`)
      }
      yield* equal(yield* store.aggregates({ after: "a", limit: 2 }), ["a%", "a/1"])
      yield* equal(yield* store.aggregates({ after: "a0", limit: 1 }), ["aa"])
      yield* equal(yield* store.aggregates({ after: "😀", limit: 1 }), [])
      yield* equal(yield* store.aggregates({ limit: 0 }), [])
    })
  }),

  ...Check.group("repeated event ids", {
    "events that were all appended are not appended again, whatever is expected": Effect.gen(function* () {
      const store = yield* EventStore
      const state = stateRow("a", 2)
      yield* store.append({ aggregateId: "a", expected: 0, events: [event("e1"), event("e2")], state })
      yield* append("a", 2, "e3")
      for (const expected of ["noStream", "any", 0, 1, 2, 3, 9] as const) {
        yield* equal(yield* append("a", expected, "e1", "e2"), added(1, 2, true), `${expected} is expected`)
        yield* equal(yield* append("a", expected, "e2", "e3"), added(2, 3, true), `${expected} is expected`)
        yield* equal(yield* append("a", expected, "e3"), added(3, 3, true), `${expected} is expected`)
        yield* equal(
          yield* store.append({
            aggregateId: "a",
            expected,
            events: [event("e3", { at: 2000 })],
            state: stateRow("a", 3)
          }),
          added(3, 3, true),
          "with another time, and a state"
        )
      }
      yield* has("a", "e1", "e2", "e3")
      yield* equal(yield* store.state("a"), Option.some(state), "the state stays")
      yield* equal(
        Option.map(yield* store.event("e3"), ({ at }) => at),
        Option.some(1000)
      )
    }),

    "the id of another event is taken, before the version is looked at": Effect.gen(function* () {
      yield* append("a", 0, "e1", "e2")
      yield* append("b", 0, "e3")
      for (const expected of [2, "noStream", "any"] as const) {
        const other = [{ eventType: "Other" }, { payload: '{"of":"e2" }' }, { payload: "{}" }, { schemaVersion: 2 }]
        for (const change of other) {
          yield* equal(yield* append("a", expected, event("e2", change)), taken("e2"), JSON.stringify(change))
          yield* equal(yield* append("a", expected, "e1", event("e2", change)), taken("e2"), JSON.stringify(change))
        }
        yield* equal(yield* append("b", expected, "e1"), taken("e1"), "of another aggregate")
        yield* equal(yield* append("c", expected, "e3"), taken("e3"), "for an aggregate without events")
        yield* equal(yield* append("a", expected, "e2", "e1"), taken("e1"), "in another order")
        yield* equal(yield* append("a", expected, "e1", "e2", "e3"), taken("e3"), "of two aggregates")
      }
      yield* has("a", "e1", "e2")
      yield* has("b", "e3")
      yield* has("c")
    }),

    "events of which only some were appended are not appended": Effect.gen(function* () {
      yield* append("a", 0, "e1", "e2")
      yield* equal(yield* append("a", 2, "e2", "e3"), taken("e2"))
      yield* equal(yield* append("a", 2, "e3", "e1"), taken("e1"))
      yield* equal(yield* append("a", "any", "e1", "e2", "e3"), taken("e1"))
      yield* append("a", 2, "e3", "e4")
      yield* equal(yield* append("a", "any", "e2", "e4"), taken("e4"), "with others between them")
      yield* equal(yield* append("a", "any", "e2", "e3"), added(2, 3, true), "of two appends, one after the other")
      yield* has("a", "e1", "e2", "e3", "e4")
    }),

    "an id is not taken twice by one request": Effect.gen(function* () {
      yield* equal(yield* append("a", 0, "e1", "e1"), taken("e1"))
      yield* equal(yield* append("a", 5, "e2", "e1", event("e1", { payload: "1" })), taken("e1"))
      yield* has("a")
      yield* append("a", 0, "e1")
      yield* equal(yield* append("a", 1, "e1", "e1"), taken("e1"))
      yield* has("a", "e1")
    }),

    "what a conflict did not append can be appended later": Effect.gen(function* () {
      yield* append("a", 0, "e1")
      yield* equal(yield* append("a", 0, "e2", "e3"), conflict(1))
      yield* equal(yield* append("a", 1, "e2", "e3"), added(2, 3))
      yield* equal(yield* append("a", 0, "e2", "e3"), added(2, 3, true))
    })
  })
]
