import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { EventStore } from "heddle/store/EventStore"
import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
import { event, stateRow } from "../../src/testing/internal/contract/EventLog.js"
import { numRuns } from "../numRuns.js"
import { eventContract } from "./eventContract.js"
import { inTurn } from "./inTurn.js"
import { execute, temporaryFile } from "./SqliteFile.js"

/** A store in the scope of the test. */
const open = (filename: string, options?: Partial<EventStoreSqlite.Options>) =>
  Effect.map(Layer.build(EventStoreSqlite.layer({ filename, ...options })), Context.get(EventStore))

/** Two stores in one file, as two processes have them. */
const both = Layer.scoped(
  EventStore,
  Effect.gen(function* () {
    const filename = yield* temporaryFile
    return inTurn(
      yield* open(filename, { poll: "5 millis", page: 7 }),
      yield* open(filename, { poll: "5 millis", page: 7 })
    )
  })
)

eventContract("EventStoreSqlite, in memory", () => EventStoreSqlite.layer({ filename: ":memory:" }), numRuns / 5)
eventContract("EventStoreSqlite, as two stores in one file", () => both, numRuns / 10)

const append = (store: EventStore["Type"], aggregateId: string, ...ids: ReadonlyArray<string>) =>
  store.append({ aggregateId, expected: "any", events: ids.map((id) => event(id)) })

describe("EventStoreSqlite", () => {
  it.scoped("keeps all when it is opened again, and gives no position again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const before = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          yield* append(store, "a", "e1", "e2")
          yield* store.keepSnapshot({ ...stateRow("a", 2), at: 7 })
          yield* store.putStates([stateRow("a", 2)])
          const events = yield* store.readAll({ limit: 9 })
          yield* store.prune({ aggregateId: "a", upTo: 2 })
          return events
        })
      )
      const store = yield* open(filename)
      assert.deepStrictEqual(yield* store.readAll({ limit: 9 }), [])
      assert.deepStrictEqual(yield* store.snapshot("a", { sequence: 9 }), Option.some({ ...stateRow("a", 2), at: 7 }))
      assert.deepStrictEqual(yield* store.state("a"), Option.some(stateRow("a", 2)))
      yield* append(store, "a", "e3")
      const [next] = yield* store.readAll({ limit: 9 })
      assert.strictEqual(next?.sequence, 3)
      assert.isAbove(next?.position ?? 0, before[1]?.position ?? Infinity)
    })
  )

  it.scoped("a subscription looks for events of another process every `poll`, and hears of its own at once", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename, { poll: "1 minute" })
      const other = yield* open(filename)
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(
        Stream.runForEach(Stream.take(store.subscribe(), 4), ({ eventId }) =>
          Effect.sync(() => void seen.push(eventId))
        )
      )
      const settle = Effect.repeatN(Effect.yieldNow(), 500)
      yield* settle
      yield* append(other, "a", "e1")
      yield* TestClock.adjust("59 seconds")
      yield* settle
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(seen, ["e1"])
      yield* append(other, "a", "e2")
      yield* append(store, "a", "e3", "e4")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["e1", "e2", "e3", "e4"])
    })
  )

  it.scoped("a subscription that waits fails when its store is closed", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const fiber = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename, { poll: "1 hour" })
          const fiber = yield* Effect.forkDaemon(Stream.runDrain(store.subscribe()))
          yield* Effect.repeatN(Effect.yieldNow(), 500)
          return fiber
        })
      )
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error.reason, "closed")
    })
  )

  it.scoped("an append that fails in the middle leaves nothing, neither events nor state", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* append(store, "a", "e1")
      yield* execute(
        filename,
        "CREATE TRIGGER fails BEFORE INSERT ON event_states WHEN new.state = '666' BEGIN SELECT raise(ABORT, 'no'); END"
      )
      const request = { aggregateId: "a", expected: 1, events: [event("e2"), event("e3")] }
      const poison = stateRow("a", 3, { state: "666" })
      const error = yield* Effect.flip(store.append({ ...request, state: poison }))
      assert.include(error.message, "no")
      assert.strictEqual(yield* store.version("a"), 1)
      assert.strictEqual((yield* store.readAll({ limit: 9 })).length, 1)
      assert.deepStrictEqual((yield* store.append({ ...request, state: stateRow("a", 3) }))._tag, "Appended")
      const before = yield* store.state("a")
      yield* Effect.flip(store.putStates([stateRow("a", 3, { state: "1" }), poison]))
      assert.deepStrictEqual(yield* store.state("a"), before)
    })
  )

  it.scoped("finds what it reads by indexes", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* open(filename)
      for (const [sql, index] of [
        [
          "SELECT * FROM events WHERE aggregate_id = 'a' AND sequence > 1 ORDER BY sequence LIMIT 5",
          "events_by_aggregate"
        ],
        ["SELECT * FROM events WHERE position > 1 ORDER BY position LIMIT 5", "INTEGER PRIMARY KEY"],
        ["SELECT * FROM events WHERE event_id IN (SELECT value FROM json_each('[]'))", "(event_id=?)"],
        [
          "DELETE FROM event_states WHERE aggregate_id >= 'a' AND aggregate_id < 'b'",
          "(aggregate_id>? AND aggregate_id<?)"
        ]
      ] as const) {
        const plan = yield* execute(filename, `EXPLAIN QUERY PLAN ${sql}`)
        const details = plan.map(({ detail }) => String(detail))
        assert.isTrue(
          details.some((detail) => detail.includes(index)),
          details.join("; ")
        )
        assert.isFalse(
          details.some((detail) => /SCAN event|TEMP B-TREE/.test(detail)),
          details.join("; ")
        )
      }
    })
  )

  it.scopedLive("appends of two connections that expect the same version: one wins, and all are seen in order", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const stores = yield* Effect.replicateEffect(open(filename, { poll: "5 millis", page: 3 }), 2)
      const following = yield* Effect.fork(Stream.runCollect(Stream.take(stores[0]!.subscribe(), 40)))
      let conflicts = 0
      const appending = (store: EventStore["Type"], name: string) =>
        Effect.gen(function* () {
          for (let done = 0; done < 20;) {
            const expected = yield* store.version("a")
            yield* Effect.sleep(0)
            const answer = yield* store.append({ aggregateId: "a", expected, events: [event(`${name}${done}`)] })
            if (answer._tag === "Appended") done++
            else conflicts++
          }
        })
      yield* Effect.all(
        stores.map((store, i) => appending(store, `e${i} `)),
        { concurrency: "unbounded" }
      )
      const events = yield* stores[1]!.read("a", { limit: 100 })
      assert.strictEqual(events.length, 40)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(following)), events)
      assert.isAbove(conflicts, 0)
    })
  )
})
