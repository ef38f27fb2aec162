/**
 * The states and snapshots that are kept beside the events, and the events that are deleted for them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EventStore, type StateRow } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import {
  added,
  append,
  type Checked,
  event,
  eventsOf,
  everything,
  has,
  idsOf,
  refused,
  stateRow,
  taken
} from "./EventLog.js"
import { equal } from "./Expect.js"

const stateIs = (aggregateId: string, expected: StateRow | undefined): Checked =>
  Effect.flatMap(EventStore, (store) =>
    Effect.flatMap(store.state(aggregateId), (state) =>
      equal(state, Option.fromNullable(expected), `the state of ${aggregateId}`)
    )
  )

const snapshotRow = (aggregateId: string, sequence: number, at = sequence * 100, other: Partial<StateRow> = {}) => ({
  ...stateRow(aggregateId, sequence, other),
  at
})

/** How many events an aggregate has had, and which of its snapshots are kept. */
const snapshotsAre = (aggregateId: string, sequences: ReadonlyArray<number>): Checked =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const kept: Array<number> = []
    for (let sequence = Number.MAX_SAFE_INTEGER; sequence > 0;) {
      const snapshot = yield* store.snapshot(aggregateId, { sequence })
      if (Option.isNone(snapshot)) break
      kept.unshift(snapshot.value.sequence)
      sequence = snapshot.value.sequence - 1
    }
    yield* equal(kept, sequences, `the snapshots of ${aggregateId}`)
  })

export const checks = [
  ...Check.group("current states", {
    "a state is replaced by that of the next append": Effect.gen(function* () {
      const store = yield* EventStore
      const states = [stateRow("a", 2), stateRow("a", 3, { schemaVersion: 7, state: '{ "n":null}' }), stateRow("a", 4)]
      yield* store.append({ aggregateId: "a", expected: 0, events: [event("e1"), event("e2")], state: states[0] })
      yield* stateIs("a", states[0])
      yield* store.append({ aggregateId: "a", expected: 2, events: [event("e3")], state: states[1] })
      yield* stateIs("a", states[1])
      yield* store.append({ aggregateId: "a", expected: "any", events: [event("e4")], state: states[2] })
      yield* stateIs("a", states[2])
      yield* append("a", 4, "e5")
      yield* stateIs("a", states[2])
      yield* stateIs("b", undefined)
    }),

    "a state that is not that after the last event is refused, and no event is appended": Effect.gen(function* () {
      const store = yield* EventStore
      for (const sequence of [1, 3]) {
        for (const expected of [0, "noStream", "any"] as const) {
          const events = [event("e1"), event("e2")]
          const state = stateRow("a", sequence)
          yield* refused("append", '"a"', store.append({ aggregateId: "a", expected, events, state }))
        }
      }
      yield* has("a")
      yield* stateIs("a", undefined)
      yield* append("a", 0, "e1")
      yield* refused(
        "append",
        "after the event 1",
        store.append({ aggregateId: "a", expected: 1, events: [event("e2")], state: stateRow("a", 1) })
      )
      yield* has("a", "e1")
    }),

    "they are listed in the order of UTF-8 bytes": Effect.gen(function* () {
      const store = yield* EventStore
      const ids = ["a", "a/b", "b", "\uffee", "😀"]
      for (const aggregateId of [...ids].reverse()) {
        const events = [event(`of ${aggregateId}`)]
        yield* store.append({ aggregateId, expected: 0, events, state: stateRow(aggregateId, 1) })
      }
      yield* append("ab", 0, "without a state")
      const rows = ids.map((id) => stateRow(id, 1))
      yield* equal(yield* store.states({ limit: 100 }), rows)
      yield* equal(yield* store.states({ limit: 2 }), rows.slice(0, 2))
      yield* equal(yield* store.states({ after: "a", limit: 2 }), rows.slice(1, 3))
      yield* equal(yield* store.states({ after: "ab", limit: 9 }), rows.slice(2))
      yield* equal(yield* store.states({ after: "😀", limit: 9 }), [])
      yield* equal(yield* store.states({ limit: 0 }), [])
    }),

    "putStates puts what is not older than what is there": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "a1", "a2", "a3")
      yield* append("b", 0, "b1")
      const put = (...rows: ReadonlyArray<StateRow>) => store.putStates(rows)
      yield* put()
      yield* put(stateRow("a", 2), stateRow("b", 1))
      yield* stateIs("a", stateRow("a", 2))
      yield* stateIs("b", stateRow("b", 1))
      yield* put(stateRow("a", 1, { schemaVersion: 9 }))
      yield* stateIs("a", stateRow("a", 2))
      yield* put(stateRow("a", 2, { state: "1" }))
      yield* stateIs("a", stateRow("a", 2, { state: "1" }))
      yield* put(stateRow("a", 2, { schemaVersion: 2 }))
      yield* stateIs("a", stateRow("a", 2, { schemaVersion: 2 }))
      yield* put(stateRow("a", 2))
      yield* stateIs("a", stateRow("a", 2, { schemaVersion: 2 }))
      yield* put(stateRow("a", 3), stateRow("b", 1, { state: "2" }))
      yield* stateIs("a", stateRow("a", 3))
      yield* stateIs("b", stateRow("b", 1, { state: "2" }))
      yield* put(stateRow("a", 3, { state: "1" }), stateRow("a", 3, { state: "2" }), stateRow("a", 2))
      yield* stateIs("a", stateRow("a", 3, { state: "2" }))
      const state = stateRow("a", 4)
      yield* store.append({ aggregateId: "a", expected: 3, events: [event("a4")], state })
      yield* stateIs("a", state)
    }),

    "many rows are put at once": Effect.gen(function* () {
      const store = yield* EventStore
      const ids = Array.from({ length: 300 }, (_, i) => `a${1000 + i}`)
      for (const id of ids) yield* append(id, 0, `of ${id}`)
      const rows = ids.map((id) => stateRow(id, 1))
      yield* store.putStates(rows)
      yield* equal(yield* store.states({ limit: 1000 }), rows)
    }),

    "a state that is ahead of the events is refused, with all that are put with it": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "e1")
      yield* refused("putStates", '"a"', store.putStates([stateRow("a", 2)]))
      yield* refused("putStates", '"b"', store.putStates([stateRow("a", 1), stateRow("b", 1)]))
      yield* stateIs("a", undefined)
      yield* equal(yield* store.states({ limit: 9 }), [])
      yield* equal(yield* store.aggregates({ limit: 9 }), ["a"])
    }),

    "dropStates removes those whose id begins with the prefix": Effect.gen(function* () {
      const store = yield* EventStore
      const ids = ["%", "A/1", "a", "a%b", "a/", "a/1", "a/2", "a0", "aXb", "a\\", "a_", "b", "\uffee", "😀", "😀a"]
      const all = Effect.forEach(ids, (id) => append(id, "any", `of ${id}`))
      yield* all
      const fill = store.putStates(ids.map((id) => stateRow(id, 1)))
      for (const prefix of ["a/", "a%", "a_", "a\\", "%", "_", "a", "A", "😀", "\uffee", "x", "b", ""]) {
        yield* fill
        const dropped = ids.filter((id) => id.startsWith(prefix))
        yield* equal(yield* store.dropStates(prefix), dropped.length, `how many begin with ${prefix}`)
        const left = yield* store.states({ limit: 100 })
        yield* equal(
          left.map(({ aggregateId }) => aggregateId),
          ids.filter((id) => !id.startsWith(prefix)),
          `without those that begin with ${prefix}`
        )
        yield* equal(yield* store.dropStates(prefix), 0)
      }
      yield* equal(yield* store.aggregates({ limit: 100 }), ids)
      yield* has("a/1", "of a/1")
    })
  }),

  ...Check.group("snapshots", {
    "the last one that is not after the bound is given": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, ...Array.from({ length: 9 }, (_, i) => `e${i}`))
      yield* append("b", 0, "e9")
      const [second, fifth, ninth] = [snapshotRow("a", 2), snapshotRow("a", 5, 150), snapshotRow("a", 9, 900.5)]
      for (const row of [fifth, ninth, second]) yield* store.keepSnapshot(row)
      for (const [sequence, row] of [
        [0, undefined],
        [1, undefined],
        [2, second],
        [4, second],
        [5, fifth],
        [8, fifth],
        [9, ninth],
        [Number.MAX_SAFE_INTEGER, ninth]
      ] as const) {
        yield* equal(yield* store.snapshot("a", { sequence }), Option.fromNullable(row), `up to ${sequence}`)
      }
      for (const [sequence, until, row] of [
        [9, 1000, ninth],
        [9, 900.5, ninth],
        [9, 900, fifth],
        [9, 150, fifth],
        [4, 150, undefined],
        [4, 200, second],
        [9, 149, undefined],
        [9, -1, undefined]
      ] as const) {
        const found = yield* store.snapshot("a", { sequence, until })
        yield* equal(found, Option.fromNullable(row), `up to ${sequence}, until ${until}`)
      }
      yield* equal(yield* store.snapshot("b", { sequence: 9 }), Option.none())
      yield* equal(yield* store.state("a"), Option.none())
    }),

    "one takes the place of another at its sequence, unless that has a higher version": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "e1", "e2")
      const is = (row: ReturnType<typeof snapshotRow>) =>
        Effect.flatMap(store.snapshot("a", { sequence: 9 }), (found) => equal(found, Option.some(row)))
      yield* store.keepSnapshot(snapshotRow("a", 2))
      yield* store.keepSnapshot(snapshotRow("a", 2, 7, { state: "1" }))
      yield* is(snapshotRow("a", 2, 7, { state: "1" }))
      yield* store.keepSnapshot(snapshotRow("a", 2, 8, { schemaVersion: 2 }))
      yield* store.keepSnapshot(snapshotRow("a", 2, 9))
      yield* is(snapshotRow("a", 2, 8, { schemaVersion: 2 }))
      yield* store.keepSnapshot(snapshotRow("a", 1))
      yield* snapshotsAre("a", [1, 2])
    }),

    "one that is ahead of the events is refused": Effect.gen(function* () {
      const store = yield* EventStore
      yield* refused("keepSnapshot", '"a"', store.keepSnapshot(snapshotRow("a", 1)))
      yield* append("a", 0, "e1")
      yield* refused("keepSnapshot", '"a"', store.keepSnapshot(snapshotRow("a", 2)))
      yield* snapshotsAre("a", [])
    })
  }),

  ...Check.group("events that are deleted", {
    "are those up to a sequence, of one aggregate": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "a1", "a2")
      yield* append("b", 0, "b1")
      yield* append("a", 2, "a3", "a4", "a5")
      const before = yield* everything
      for (const sequence of [1, 3, 4]) yield* store.keepSnapshot(snapshotRow("a", sequence))
      const state = stateRow("a", 5)
      yield* store.putStates([state])
      yield* equal(yield* store.prune({ aggregateId: "a", upTo: 3 }), 3)
      const left = before.filter(({ aggregateId, sequence }) => aggregateId === "b" || sequence > 3)
      yield* equal(yield* everything, left)
      yield* equal(idsOf(yield* eventsOf("a")), ["a4", "a5"])
      yield* equal(idsOf(yield* store.read("a", { after: 4, limit: 9 })), ["a5"])
      yield* equal(yield* store.event("a2"), Option.none())
      yield* snapshotsAre("a", [3, 4])
      yield* stateIs("a", state)
      yield* equal(yield* store.version("a"), 5)
      yield* equal(yield* store.prune({ aggregateId: "a", upTo: 3 }), 0)
      yield* equal(yield* store.prune({ aggregateId: "a", upTo: 4 }), 1)
      yield* equal(yield* append("a", 5, "a6"), added(6))
      yield* has("b", "b1")
    }),

    "may be all of them: the version stays, and no position comes again": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "e1", "e2")
      const last = (yield* everything)[1]?.position ?? 0
      yield* store.keepSnapshot(snapshotRow("a", 2))
      yield* equal(yield* store.prune({ aggregateId: "a", upTo: 2 }), 2)
      yield* equal(yield* everything, [])
      yield* equal(yield* store.version("a"), 2)
      yield* equal(yield* store.aggregates({ limit: 9 }), ["a"])
      yield* equal(yield* append("a", 0, "e3"), { _tag: "Conflict", version: 2 })
      yield* equal(yield* append("a", 2, "e3"), added(3))
      yield* equal(idsOf(yield* store.readAll({ after: last, limit: 9 })), ["e3"])
    }),

    "have a snapshot in their place, or are not deleted": Effect.gen(function* () {
      const store = yield* EventStore
      const prune = (aggregateId: string, upTo: number) => store.prune({ aggregateId, upTo })
      yield* equal(yield* prune("a", 0), 0)
      yield* refused("prune", '"a"', prune("a", 1))
      yield* append("a", 0, "e1", "e2", "e3")
      yield* append("b", 0, "f1", "f2", "f3")
      yield* store.keepSnapshot(snapshotRow("b", 3))
      yield* refused("prune", '"a"', prune("a", 1))
      yield* store.keepSnapshot(snapshotRow("a", 2))
      for (const upTo of [3, 4, 2 ** 40]) yield* refused("prune", String(upTo), prune("a", upTo))
      yield* equal(yield* prune("a", 0), 0)
      yield* has("a", "e1", "e2", "e3")
      yield* equal(yield* prune("a", 1), 1)
      yield* snapshotsAre("a", [2])
    }),

    "free their ids": Effect.gen(function* () {
      const store = yield* EventStore
      yield* append("a", 0, "e1", "e2")
      yield* store.keepSnapshot(snapshotRow("a", 1))
      yield* store.prune({ aggregateId: "a", upTo: 1 })
      yield* equal(yield* append("a", "any", "e1", "e2"), taken("e2"))
      yield* equal(yield* append("b", 0, event("e1", { payload: "7" })), added(1))
      yield* equal(yield* append("a", 2, "e1"), taken("e1"))
    })
  })
]
