/**
 * Which texts and numbers an `EventStore` takes, and which not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { EventStore, type NewEvent } from "../../../store/EventStore.js"
import { maxKeyBytes } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { added, append, type Checked, event, everything, has, refused, stateRow } from "./EventLog.js"
import { equal } from "./Expect.js"

const longest = "x".repeat(maxKeyBytes)

/** Each of them another one, in the order of UTF-8 bytes. */
const texts: ReadonlyArray<string> = [
  "\u0000",
  "\u0000\u0000",
  " ",
  "%",
  "*",
  "0",
  "00",
  "K",
  "\\",
  "\\x00",
  "__proto__",
  "e\u0301",
  "k",
  "k\u0000",
  "k\u0000l",
  "k\nl",
  "k ",
  'k"l',
  "k'l",
  "k/l",
  "null",
  longest,
  "é",
  "éx",
  "\ufeff",
  "😀".repeat(maxKeyBytes / 4)
]

const [highSurrogate, lowSurrogate] = ["\ud83d", "\ude00"]

/** With a part of it that the error shows. */
const badTexts: ReadonlyArray<readonly [text: string, shown: string]> = [
  ["", "empty"],
  [`lone${highSurrogate}text`, "lone\\ud83dtext"],
  [lowSurrogate, "\\ude00"],
  [`${longest}x`, "xxxxxxxxxx"],
  [`${"é".repeat(maxKeyBytes / 2)}x`, "éééééééééé"],
  ["long ".repeat(2000), "long long"]
]

const badJson: ReadonlyArray<string> = ["", "undefined", "{", "{'a':1}", "NaN", '"a\nb"', `"${highSurrogate}"`, "1 2"]

const notWhole = [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53]

const payloads: ReadonlyArray<string> = [
  "null",
  "0",
  "-0",
  "1.0",
  "123456789012345678901234567890",
  '""',
  '"\\u0000"',
  '"\\ud83d"',
  '"é😀\u2028"',
  ' { "a" : 1, "a" : 2 } ',
  '{"__proto__":null}',
  "[]"
]

const big = JSON.stringify({ text: "é".repeat(5_000_000) })

export const checks = Check.group("texts and numbers", {
  "ids and types of any text are ids and types of their own": Effect.gen(function* () {
    const store = yield* EventStore
    for (const text of texts) yield* equal(yield* append(text, 0, event(text, { eventType: text })), added(1))
    for (const text of texts) {
      yield* has(text, text)
      const found = Option.map(yield* store.event(text), ({ aggregateId, eventType }) => [aggregateId, eventType])
      yield* equal(found, Option.some([text, text]))
      yield* store.keepSnapshot({ ...stateRow(text, 1), at: 0 })
      yield* equal(yield* store.snapshot(text, { sequence: 1 }), Option.some({ ...stateRow(text, 1), at: 0 }))
    }
    yield* equal(yield* store.aggregates({ limit: 100 }), texts)
    yield* store.putStates(texts.map((text) => stateRow(text, 1)))
    yield* equal(
      (yield* store.states({ limit: 100 })).map(({ aggregateId }) => aggregateId),
      texts
    )
    yield* equal(yield* store.dropStates("k\u0000"), 2)
    yield* equal(yield* store.state("k\u0000"), Option.none())
    yield* equal(yield* store.state("k"), Option.some(stateRow("k", 1)))
    yield* equal(yield* store.prune({ aggregateId: "k\u0000", upTo: 1 }), 1)
    yield* has("k", "k")
  }),

  "payloads and states come back as the texts that they were": Effect.gen(function* () {
    const store = yield* EventStore
    for (const [i, payload] of payloads.entries()) {
      const events = [event(`e${i}`, { payload })]
      const state = stateRow("a", i + 1, { state: payload })
      yield* store.append({ aggregateId: "a", expected: i, events, state })
      yield* equal(yield* store.state("a"), Option.some(state))
      yield* store.keepSnapshot({ ...state, at: i })
      yield* equal(yield* store.snapshot("a", { sequence: i + 1 }), Option.some({ ...state, at: i }))
    }
    yield* equal(
      (yield* everything).map(({ payload }) => payload),
      payloads
    )
  }),

  "a payload may have 10 MB": Effect.gen(function* () {
    const store = yield* EventStore
    const state = stateRow("a", 1, { state: big })
    const events = [event("e1", { payload: big })]
    yield* store.append({ aggregateId: "a", expected: 0, events, state })
    const [stored] = yield* everything
    yield* equal(stored?.payload === big, true, "the payload is as it was")
    const row = yield* store.state("a")
    yield* equal(Option.isSome(row) && row.value.state === big, true, "the state is as it was")
    yield* store.keepSnapshot({ ...state, at: 0 })
    const snapshot = yield* store.snapshot("a", { sequence: 1 })
    yield* equal(Option.isSome(snapshot) && snapshot.value.state === big, true, "the snapshot is as it was")
    yield* equal(yield* store.append({ aggregateId: "a", expected: 0, events }), added(1, 1, true))
  }),

  "other texts are refused by all methods, and change nothing": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", 0, "e1")
    for (const [text, shown] of badTexts) {
      yield* refused("append", shown, store.append({ aggregateId: text, expected: 0, events: [event("e2")] }))
      for (const bad of [{ eventId: text }, { eventType: text }]) {
        const events = [event("e2"), event("e3", bad)]
        yield* refused("append", shown, store.append({ aggregateId: "a", expected: 1, events }))
      }
      yield* refused("version", shown, store.version(text))
      yield* refused("event", shown, store.event(text))
      yield* refused("read", shown, store.read(text, { limit: 1 }))
      yield* refused("state", shown, store.state(text))
      yield* refused("putStates", shown, store.putStates([stateRow("a", 1), stateRow(text, 1)]))
      yield* refused("keepSnapshot", shown, store.keepSnapshot({ ...stateRow(text, 1), at: 0 }))
      yield* refused("snapshot", shown, store.snapshot(text, { sequence: 1 }))
      yield* refused("prune", shown, store.prune({ aggregateId: text, upTo: 1 }))
      if (text === "") continue
      yield* refused("states", shown, store.states({ after: text, limit: 1 }))
      yield* refused("aggregates", shown, store.aggregates({ after: text, limit: 1 }))
      yield* refused("dropStates", shown, store.dropStates(text))
    }
    yield* has("a", "e1")
    yield* equal(yield* store.states({ after: "", limit: 9 }), [])
    yield* equal(yield* store.aggregates({ after: "", limit: 9 }), ["a"])
  }),

  "what is no JSON text is refused": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", 0, "e1")
    for (const bad of badJson) {
      const events = [event("e2"), event("e3", { payload: bad })]
      yield* refused("append", '"e3"', store.append({ aggregateId: "a", expected: 1, events }))
      const state = stateRow("a", 2, { state: bad })
      yield* refused("append", '"a"', store.append({ aggregateId: "a", expected: 1, events: [event("e2")], state }))
      yield* refused("putStates", '"a"', store.putStates([stateRow("a", 1, { state: bad })]))
      yield* refused("keepSnapshot", '"a"', store.keepSnapshot({ ...stateRow("a", 1, { state: bad }), at: 0 }))
    }
    yield* has("a", "e1")
    yield* equal(yield* store.state("a"), Option.none())
    yield* equal(yield* store.snapshot("a", { sequence: 9 }), Option.none())
  }),

  "other numbers are refused, and change nothing": Effect.gen(function* () {
    const store = yield* EventStore
    yield* append("a", 0, "e1")
    const appending = (changed: Partial<NewEvent>) =>
      store.append({ aggregateId: "a", expected: "any", events: [event("e2", changed)] })
    for (const bad of notWhole) {
      const shown = String(bad)
      yield* refused("append", shown, store.append({ aggregateId: "a", expected: bad, events: [event("e2")] }))
      yield* refused("append", shown, appending({ schemaVersion: bad }))
      for (const changed of [{ sequence: bad }, { schemaVersion: bad }]) {
        const state = { ...stateRow("a", 2), ...changed }
        const request = { aggregateId: "a", expected: 1, events: [event("e2")], state }
        yield* refused("append", shown, store.append(request))
        yield* refused("putStates", shown, store.putStates([{ ...stateRow("a", 1), ...changed }]))
        yield* refused("keepSnapshot", shown, store.keepSnapshot({ ...stateRow("a", 1), at: 0, ...changed }))
      }
      yield* refused("read", shown, store.read("a", { after: bad, limit: 1 }))
      yield* refused("read", shown, store.read("a", { limit: bad }))
      yield* refused("readAll", shown, store.readAll({ after: bad, limit: 1 }))
      yield* refused("readAll", shown, store.readAll({ limit: bad }))
      yield* refused("subscribe", shown, Stream.runDrain(store.subscribe(bad)))
      yield* refused("states", shown, store.states({ limit: bad }))
      yield* refused("aggregates", shown, store.aggregates({ limit: bad }))
      yield* refused("snapshot", shown, store.snapshot("a", { sequence: bad }))
      yield* refused("prune", shown, store.prune({ aggregateId: "a", upTo: bad }))
    }
    for (const bad of [NaN, Infinity, -Infinity]) {
      const shown = String(bad)
      yield* refused("append", shown, appending({ at: bad }))
      yield* refused("keepSnapshot", shown, store.keepSnapshot({ ...stateRow("a", 1), at: bad }))
      yield* refused("snapshot", shown, store.snapshot("a", { sequence: 1, until: bad }))
    }
    yield* refused("append", "0", appending({ schemaVersion: 0 }))
    yield* refused("putStates", "0", store.putStates([stateRow("a", 0)]))
    yield* refused("keepSnapshot", "0", store.keepSnapshot({ ...stateRow("a", 0), at: 0 }))
    yield* has("a", "e1")
    yield* equal(yield* store.state("a"), Option.none())
    yield* equal(yield* store.snapshot("a", { sequence: 9 }), Option.none())
  }),

  "no events are refused": Effect.gen(function* () {
    const store = yield* EventStore
    for (const expected of [0, "any", "noStream"] as const) {
      yield* refused("append", '"a"', store.append({ aggregateId: "a", expected, events: [] }))
    }
    yield* equal(yield* store.aggregates({ limit: 9 }), [])
  })
} satisfies Record<string, Checked>)
