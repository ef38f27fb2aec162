import { assert, describe, it } from "@effect/vitest"
import {
  Array,
  Chunk,
  Clock,
  Duration,
  Effect,
  FastCheck,
  Fiber,
  Layer,
  Queue,
  Random,
  Stream,
  TestClock
} from "effect"
import { StoreError } from "heddle/model/StoreError"
import { EventStore, type Expected, type NewEvent, type StoredEvent } from "heddle/store/EventStore"
import { Linearizability } from "heddle/testing"
import * as PostgresAppend from "../../src/store/internal/PostgresAppend.js"
import * as PostgresEvents from "../../src/store/internal/PostgresEvents.js"
import * as PostgresPositions from "../../src/store/internal/PostgresPositions.js"
import { withPostgres } from "../services/Services.js"
import { eventContract } from "./eventContract.js"
import { inTurn } from "./inTurn.js"
import * as PostgresDatabases from "./PostgresDatabases.js"

const event = (eventId: string): NewEvent => ({ eventId, eventType: "t", schemaVersion: 1, payload: "{}", at: 0 })

const idsOf = (events: Iterable<StoredEvent>): ReadonlyArray<string> => Array.fromIterable(events).map((e) => e.eventId)

interface Input {
  readonly id: string
  readonly expected: Expected
}

/** The ids of an aggregate, in their order. */
const aggregate = Linearizability.deterministic<string, Input, string>({
  init: "",
  step: (state, { expected, id }) => {
    const ids = state === "" ? [] : state.split(" ")
    if (ids.includes(id)) return [state, `repeated ${ids.indexOf(id) + 1}`]
    if (expected !== "any" && ids.length !== (expected === "noStream" ? 0 : expected)) {
      return [state, `conflict ${ids.length}`]
    }
    return [[...ids, id].join(" "), `appended ${ids.length + 1}`]
  }
})

type Step =
  | { readonly _tag: "append"; readonly to: string; readonly count: number }
  | { readonly _tag: "hold" | "commit" | "rollback"; readonly at: number }

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  FastCheck.record({
    _tag: FastCheck.constant("append" as const),
    to: FastCheck.constantFrom("x", "y"),
    count: FastCheck.integer({ min: 1, max: 3 })
  }),
  FastCheck.record({
    _tag: FastCheck.constantFrom("hold" as const, "hold" as const, "commit" as const, "rollback" as const),
    at: FastCheck.integer({ min: 0, max: 1 })
  })
)

withPostgres((url) => {
  const shared = PostgresDatabases.share(url)

  /** Nothing is left of the test before. */
  const emptied = Effect.suspend(() =>
    shared().execute(`WITH e AS (DELETE FROM heddle.events), a AS (DELETE FROM heddle.aggregates),
        s AS (DELETE FROM heddle.event_states), k AS (DELETE FROM heddle.event_snapshots)
      UPDATE heddle.event_positions SET last = 0`)
  )

  const stores = (options?: Partial<PostgresEvents.Options>) =>
    Effect.gen(function* () {
      yield* emptied
      const make = (i: 0 | 1) => PostgresEvents.make(shared().databases[i], { ...PostgresEvents.defaults, ...options })
      return [yield* make(0), yield* make(1)] as const
    })

  /** Appends in transactions that stay open until they are told to end. */
  const holding = Effect.map(
    Effect.suspend(() => shared().held),
    ({ database, ...transaction }) => ({
      ...transaction,
      append: (aggregateId: string, ...ids: ReadonlyArray<string>) =>
        PostgresAppend.append(database, { aggregateId, expected: "any", events: ids.map(event) })
    })
  )

  const append = (store: EventStore["Type"], aggregateId: string, ...ids: ReadonlyArray<string>) =>
    store.append({ aggregateId, expected: "any", events: ids.map(event) })

  /** What a subscription gives, one by one. */
  const subscribed = (store: EventStore["Type"]) =>
    Effect.gen(function* () {
      const arrived = yield* Queue.unbounded<StoredEvent>()
      yield* Effect.forkScoped(Stream.runForEach(store.subscribe(), (event) => Queue.offer(arrived, event)))
      return {
        take: (count: number) =>
          Queue.takeN(arrived, count).pipe(
            Effect.timeout("10 seconds"),
            Effect.withClock(Clock.make()),
            Effect.map(Chunk.toReadonlyArray)
          ),
        left: Queue.size(arrived)
      }
    })

  eventContract(
    "PostgreSQL, as two processes have it,",
    () =>
      Layer.scoped(
        EventStore,
        Effect.map(stores(), (both) => inTurn(...both))
      ),
    15
  )

  describe("EventStore on PostgreSQL", () => {
    it.scoped("a transaction that is held open delays nobody, and its events come later, once", () =>
      Effect.gen(function* () {
        const both = yield* stores()
        const subscriptions = [yield* subscribed(both[0]), yield* subscribed(both[1])]
        const held = yield* holding
        yield* held.begin
        yield* held.append("a", "held 1", "held 2")
        // the time of the test stands still: they are told, and do not poll
        yield* append(both[0], "b", "later 1")
        for (const { take } of subscriptions) assert.deepStrictEqual(idsOf(yield* take(1)), ["later 1"])
        yield* append(both[1], "b", "later 2")
        for (const { take } of subscriptions) assert.deepStrictEqual(idsOf(yield* take(1)), ["later 2"])
        assert.deepStrictEqual(idsOf(yield* both[0].readAll({ limit: 9 })), ["later 1", "later 2"])
        // who appends to the same aggregate waits, and whoever does to another one has not waited
        const waiting = yield* Effect.fork(append(both[1], "a", "after held"))

        yield* held.commit
        assert.deepStrictEqual(yield* Fiber.join(waiting), { _tag: "Appended", first: 3, version: 3, repeated: false })
        for (const { left, take } of subscriptions) {
          assert.deepStrictEqual(idsOf(yield* take(3)), ["held 1", "held 2", "after held"])
          assert.strictEqual(yield* left, 0)
        }
        const all = yield* both[1].readAll({ limit: 9 })
        assert.deepStrictEqual(idsOf(all), ["later 1", "later 2", "held 1", "held 2", "after held"])
        assert.deepStrictEqual(
          all.map(({ position }) => position),
          [1, 2, 3, 4, 5]
        )
      })
    )

    it.scoped("what nobody told of is found by those who read, and by polling", () =>
      Effect.gen(function* () {
        const both = yield* stores()
        const held = yield* holding
        yield* held.append("a", "e1", "e2")
        const [first] = yield* both[0].read("a", { limit: 1 })
        assert.deepStrictEqual([first?.eventId, first?.position], ["e1", 1])
        yield* held.append("b", "e3")
        const third = yield* both[1].event("e3")
        assert.strictEqual(
          third.pipe((event) => (event._tag === "Some" ? event.value.position : 0)),
          3
        )
        const { left, take } = yield* subscribed(both[0])
        yield* take(3)
        yield* held.append("a", "e4")
        const polls = TestClock.adjust("1 second").pipe(
          Effect.zipRight(Effect.withClock(Effect.sleep(10), Clock.make())),
          Effect.forever
        )
        assert.deepStrictEqual(idsOf(yield* Effect.race(take(1), polls)), ["e4"])
        assert.strictEqual(yield* left, 0)
      })
    )

    it.scoped("who waited for another transaction judges what is there then", () =>
      Effect.gen(function* () {
        const both = yield* stores()
        const held = yield* holding
        for (const how of ["commit", "rollback"] as const) {
          const last = yield* append(both[0], how, `${how} 1`, `${how} 2`)
          assert.deepStrictEqual(last, { _tag: "Appended", first: 1, version: 2, repeated: false })
          yield* held.begin
          yield* held.append(how, `${how} held`)
          const after = (version: number, eventId: string, aggregateId: string = how) =>
            Effect.fork(both[version % 2]!.append({ aggregateId, expected: version, events: [event(eventId)] }))
          const second = yield* after(2, `${how} after 2`)
          const third = yield* after(3, `${how} after 3`)
          yield* shared().blocked(2)
          const same = yield* after(0, `${how} held`, `${how} other`)
          yield* shared().blocked(3)
          yield* held[how]
          const answers = yield* Effect.all([Fiber.join(second), Fiber.join(third), Fiber.join(same)])
          const appended = (first: number) => ({ _tag: "Appended", first, version: first, repeated: false }) as const
          assert.deepStrictEqual(
            answers.map((answer) => (answer._tag === "Conflict" ? answer._tag : answer)),
            how === "commit"
              ? ["Conflict", appended(4), { _tag: "EventIdTaken", eventId: "commit held" }]
              : // in either order
                [appended(3), answers[1]._tag === "Conflict" ? "Conflict" : appended(4), appended(1)]
          )
        }
      })
    )

    it.scopedLive("a subscription waits while the server is not there, and fails when it is no use", () =>
      Effect.gen(function* () {
        const [store] = yield* stores()
        const state: { failures: number; reason: "unavailable" | "failed" | "none" } = {
          failures: 0,
          reason: "unavailable"
        }
        const unless = <A, R>(operation: string, effect: Effect.Effect<A, StoreError, R>) =>
          Effect.suspend(() => {
            const { reason } = state
            if (reason === "none") return effect
            return new StoreError({ reason, location: "", operation, message: `failure ${(state.failures += 1)}` })
          })
        const [database] = shared().databases
        const faulty = yield* PostgresEvents.make(
          {
            ...database,
            read: (operation, body) => unless(operation, database.read(operation, body)),
            listen: (channel, on) => unless("listen", database.listen(channel, on))
          },
          { poll: "20 millis", page: 5 }
        )
        const arrived = yield* Queue.unbounded<string>()
        const subscription = yield* Effect.fork(
          Effect.flip(Stream.runForEach(faulty.subscribe(), ({ eventId }) => Queue.offer(arrived, eventId)))
        )
        yield* append(store, "a", "e1", "e2")
        yield* Effect.repeat(Effect.sleep(5), { until: () => state.failures > 4 }).pipe(Effect.timeout("5 seconds"))
        state.reason = "none"
        const next = Effect.timeout(Queue.take(arrived), "5 seconds")
        assert.strictEqual(yield* next, "e1")
        assert.strictEqual(yield* next, "e2")
        state.reason = "failed"
        const error = yield* Effect.timeout(Fiber.join(subscription), "5 seconds")
        assert.deepStrictEqual([error._tag, error.reason], ["StoreError", "failed"])
      })
    )

    it.scopedLive("who appended tells others of it when the connection was lost right after that", () =>
      Effect.gen(function* () {
        // no other store takes part, nor a subscription: whoever reads gives positions too
        yield* emptied
        const [database, other] = shared().databases
        const failed: Array<"read" | "write"> = []
        const failingOnce = <A, E>(
          at: "read" | "write",
          operation: string,
          effect: Effect.Effect<A, E>
        ): Effect.Effect<A, E | StoreError> =>
          Effect.suspend((): Effect.Effect<A, E | StoreError> => {
            if (operation !== "positions" || failed.includes(at)) return effect
            failed.push(at)
            return new StoreError({ reason: "unavailable", location: "", operation, message: "lost" })
          })
        const store = yield* PostgresEvents.make({
          ...database,
          read: (operation, body) => failingOnce("read", operation, database.read(operation, body)),
          writeOnce: (operation, body) => failingOnce("write", operation, database.writeOnce(operation, body))
        })
        const told = yield* Queue.unbounded<string>()
        yield* other.listen(other.channel(PostgresPositions.subject), {
          notice: (payload) => void told.unsafeOffer(payload),
          lost: (error) => void told.unsafeOffer(String(error))
        })
        yield* append(store, "a", "e1", "e2")
        assert.strictEqual(yield* Effect.timeout(Queue.take(told), "10 seconds"), "2")
        assert.deepStrictEqual(failed, ["read", "write"])
        const rows = yield* shared().execute("SELECT position FROM heddle.events ORDER BY sequence")
        assert.deepStrictEqual(
          rows.map(({ position }) => Number(position)),
          [1, 2]
        )
      })
    )

    it.scoped("any transactions: each subscription gets all that are committed, once, in one order", () =>
      Effect.flatMap(Effect.all([holding, holding]), (slots) =>
        Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(FastCheck.array(step, { minLength: 4, maxLength: 20 }), (steps) =>
              Effect.gen(function* () {
                const both = yield* stores({ poll: "20 millis", page: 3 })
                const subscriptions = yield* Effect.forEach([both[0], both[1], both[0]], subscribed)
                const open: [Array<string>, Array<string>] = [[], []]
                const committed: Array<string> = []
                let count = 0
                const end = (at: number, how: "commit" | "rollback") =>
                  Effect.suspend(() => {
                    const ids = open[at]!.splice(0)
                    if (ids.length === 0) return Effect.void
                    if (how === "commit") committed.push(...ids)
                    return slots[at]![how]
                  })
                for (const step of steps) {
                  if (step._tag === "append") {
                    const ids = Array.makeBy(step.count, () => `e${(count += 1)}`)
                    yield* append(both[count % 2]!, step.to, ...ids)
                    committed.push(...ids)
                  } else if (step._tag === "hold") {
                    if (open[step.at]!.length === 0) yield* slots[step.at]!.begin
                    const id = `e${(count += 1)}`
                    open[step.at]!.push(id)
                    yield* slots[step.at]!.append(`held ${step.at}`, id)
                  } else yield* end(step.at, step._tag)
                }
                yield* end(0, "commit")
                yield* end(1, "commit")
                const all = yield* both[1].readAll({ limit: 1000 })
                assert.deepStrictEqual([...idsOf(all)].sort(), [...committed].sort())
                assert.deepStrictEqual(
                  all.map(({ position }) => position),
                  committed.map((_, i) => i + 1)
                )
                for (const [, events] of Object.entries(Array.groupBy(all, ({ aggregateId }) => aggregateId))) {
                  assert.deepStrictEqual(
                    events.map(({ sequence }) => sequence),
                    events.map((_, i) => i + 1)
                  )
                }
                for (const { left, take } of subscriptions) {
                  assert.deepStrictEqual(yield* take(committed.length), all)
                  assert.strictEqual(yield* left, 0)
                }
              }).pipe(Effect.scoped, Effect.runPromise)
            ),
            { numRuns: 6 }
          )
        )
      )
    )

    it.scoped("appends of two processes have an order", () =>
      Effect.gen(function* () {
        const both = yield* stores()
        const { history, record } = yield* Linearizability.recorder<Input, string>()
        const client = (store: EventStore["Type"]) =>
          Effect.gen(function* () {
            let version = 0
            for (let i = 0; i < 15; i++) {
              const id = `e${yield* Random.nextIntBetween(0, 40)}`
              const expected = (yield* Random.nextBoolean) ? version : "any"
              yield* record({ id, expected })(
                Effect.map(store.append({ aggregateId: "a", expected, events: [event(id)] }), (answer) => {
                  if (answer._tag === "EventIdTaken") return `taken ${answer.eventId}`
                  version = answer.version
                  if (answer._tag === "Conflict") return `conflict ${version}`
                  return `${answer.repeated ? "repeated" : "appended"} ${answer.first}`
                })
              )
            }
          })
        yield* Effect.all(
          Array.makeBy(6, (i) => client(both[i % 2]!)),
          { concurrency: "unbounded" }
        )
        yield* Linearizability.check(aggregate, yield* history)
        const events = yield* both[0].read("a", { limit: 100 })
        assert.deepStrictEqual(
          events.map(({ position }) => position),
          events.map((_, i) => i + 1)
        )
      })
    )

    it.scopedLive("a subscription goes on when its connections were lost, without gap or repetition", () =>
      Effect.gen(function* () {
        const both = yield* stores({ poll: Duration.infinity })
        const subscriptions = [yield* subscribed(both[0]), yield* subscribed(both[1])]
        for (let round = 0; round < 3; round++) {
          const ids = Array.makeBy(4, (i) => `${round}.${i}`)
          // what was done as the connection was lost may have taken place: the events have ids
          const appending = Effect.forEach(ids, (id) => Effect.retry(append(both[1], "a", id), { times: 10 }))
          yield* Effect.all([appending, shared().disconnect], { concurrency: "unbounded" })
          for (const { take } of subscriptions) assert.deepStrictEqual(idsOf(yield* take(4)), ids)
        }
        for (const { left } of subscriptions) assert.strictEqual(yield* left, 0)
      })
    )
  })
})
