import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "node:assert"
import { Cause, Chunk, Effect, Exit, Fiber, FastCheck as fc, Layer, Option, Schema, Stream, TestClock } from "effect"
import { Aggregate, AggregateTimeline, EventStore } from "heddle"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import { numRuns } from "../numRuns.js"

class Set extends Schema.TaggedClass<Set>()("Set", { key: Schema.String, value: Schema.Int }) {}
class Dropped extends Schema.TaggedClass<Dropped>()("Dropped", { key: Schema.String }) {}

const Table = Aggregate.make("table", {
  state: Schema.Record({ key: Schema.String, value: Schema.Int }),
  initial: {},
  events: [Set, Dropped],
  evolve: (state, event) => {
    const { [event.key]: _, ...others } = state
    return event._tag === "Set" ? { ...others, [event.key]: event.value } : others
  },
  snapshotEvery: 10
})

const store = Layer.suspend(() => EventStoreMemory.layer())

const set = (key: string, value: number) =>
  Aggregate.execute(Table, "t", () => Effect.succeed([new Set({ key, value })]))

/** One event each second, from the first second on. */
const fill = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => i + 1),
    (i) => Effect.zipRight(TestClock.adjust("1 second"), set(`k${i % 3}`, i))
  )

const stateAt = (point: AggregateTimeline.Point) => AggregateTimeline.stateAt(Table, "t", point)

describe("stateAt", () => {
  it.effect.prop(
    "is the fold of the events up to there, and so are the steps of a replay",
    [fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: -1, max: 3 }), fc.nat(2)), { maxLength: 40 })],
    ([changes]) =>
      Effect.gen(function* () {
        const states: Array<{ readonly state: Readonly<Record<string, number>>; readonly at: number }> = [
          { state: {}, at: -1 }
        ]
        let at = 0
        for (const [key, value, seconds] of changes) {
          at += seconds * 1000
          yield* TestClock.setTime(at)
          const event = value < 0 ? new Dropped({ key }) : new Set({ key, value })
          yield* Aggregate.execute(Table, "t", () => Effect.succeed([event]))
          const { [key]: _, ...others } = states.at(-1)!.state
          states.push({ state: value < 0 ? others : { ...others, [key]: value }, at })
        }
        for (const [sequence, { at, state }] of states.entries()) {
          deepStrictEqual(yield* stateAt({ sequence }), { state, version: sequence })
          const version = states.filter((other) => other.at <= at).length - 1
          deepStrictEqual(yield* stateAt({ at }), { state: states[version]!.state, version })
        }
        const steps = yield* Stream.runCollect(AggregateTimeline.replay(Table, "t", { rate: Infinity }))
        deepStrictEqual(
          Chunk.toReadonlyArray(steps).map(({ state, version }) => ({ state, version })),
          states.map(({ state }, version) => ({ state, version }))
        )
      }).pipe(Effect.provide(store)),
    { fastCheck: { numRuns: Math.ceil(numRuns / 5) } }
  )

  it.effect("costs as much as the distance to the nearest snapshot, whatever the length of the history", () =>
    Effect.gen(function* () {
      const below = yield* EventStore.EventStore
      let rows = 0
      const counted = Layer.succeed(EventStore.EventStore, {
        ...below,
        read: (id, page) => Effect.tap(below.read(id, page), (events) => (rows += events.length))
      })
      const costs: Array<number> = []
      for (const count of [30, 270]) {
        for (let i = 0; i < count; i++) yield* set(`k${i % 3}`, i)
        rows = 0
        const { version } = yield* Effect.provide(stateAt({ sequence: count - 3 }), counted)
        assert.strictEqual(version, count - 3)
        costs.push(rows)
      }
      for (const cost of costs) assert.isBelow(cost, 10)
    }).pipe(Effect.provide(store))
  )

  it.effect("is refused at an event that there is not, and is the initial state before the first one", () =>
    Effect.gen(function* () {
      yield* fill(2)
      for (const sequence of [3, -1, 0.5, NaN, Infinity]) {
        const error = yield* Effect.flip(stateAt({ sequence }))
        assert(error instanceof AggregateTimeline.UnknownSequence)
        assert.deepStrictEqual([error.of, error.id, error.last], ["aggregate", "table/t", 2])
      }
      for (const at of [999, -Infinity, NaN]) {
        deepStrictEqual(yield* stateAt({ at }), { state: {}, version: 0 })
      }
      for (const at of [2000, Infinity]) {
        deepStrictEqual(yield* stateAt({ at }), { state: { k1: 1, k2: 2 }, version: 2 })
      }
      deepStrictEqual(yield* AggregateTimeline.stateAt(Table, "other", { at: 5 }), { state: {}, version: 0 })
    }).pipe(Effect.provide(store))
  )
})

it("diff names the places that differ", () => {
  deepStrictEqual(AggregateTimeline.diff(Table, { a: 1, b: 2 }, { b: 3, c: 4 }), [
    { path: ["a"], before: Option.some(1), after: Option.none() },
    { path: ["b"], before: Option.some(2), after: Option.some(3) },
    { path: ["c"], before: Option.none(), after: Option.some(4) }
  ])
  deepStrictEqual(AggregateTimeline.diff(Table, { a: 1 }, { a: 1 }), [])
})

it.effect("history gives the typed events above a number, page by page", () =>
  Effect.gen(function* () {
    yield* Aggregate.execute(Table, "t", () =>
      Effect.succeed(Array.from({ length: 600 }, (_, i) => new Set({ key: "k", value: i + 1 })))
    )
    yield* Aggregate.execute(Table, "other", () => Effect.succeed([new Dropped({ key: "k" })]))
    const collect = (options?: { readonly after: number }) =>
      Effect.map(Stream.runCollect(AggregateTimeline.history(Table, "t", options)), Chunk.toReadonlyArray)
    const all = yield* collect()
    deepStrictEqual(
      all.map(({ event, id, sequence }) => [id, sequence, event]),
      Array.from({ length: 600 }, (_, i) => ["t", i + 1, new Set({ key: "k", value: i + 1 })])
    )
    deepStrictEqual(yield* collect({ after: 256 }), all.slice(256))
    deepStrictEqual(yield* collect({ after: 600 }), [])
    const steps = yield* Stream.runCollect(AggregateTimeline.replay(Table, "t", { from: 500, to: 503, rate: Infinity }))
    deepStrictEqual(
      Chunk.toReadonlyArray(steps).map(({ state }) => state["k"]),
      [500, 501, 502, 503]
    )
  }).pipe(Effect.provide(store))
)

it.effect("a replay takes the time that it took, divided by its rate", () =>
  Effect.gen(function* () {
    yield* fill(3)
    const seen: Array<number> = []
    const fiber = yield* Effect.fork(
      Stream.runForEach(AggregateTimeline.replay(Table, "t", { rate: 0.5 }), ({ version }) =>
        Effect.sync(() => seen.push(version))
      )
    )
    for (const [millis, expected] of [
      [0, [0, 1]],
      [1999, [0, 1]],
      [1, [0, 1, 2]],
      [2000, [0, 1, 2, 3]]
    ] as const) {
      yield* TestClock.adjust(millis)
      assert.deepStrictEqual(seen, [...expected])
    }
    yield* Fiber.join(fiber)
    const exit = yield* Effect.exit(Stream.runDrain(AggregateTimeline.replay(Table, "t", { rate: 0 })))
    assert(Exit.isFailure(exit))
    assert.isTrue(Option.exists(Cause.dieOption(exit.cause), Cause.isIllegalArgumentException))
    const beyond = yield* Effect.flip(Stream.runDrain(AggregateTimeline.replay(Table, "t", { to: 4 })))
    assert.instanceOf(beyond, AggregateTimeline.UnknownSequence)
  }).pipe(Effect.provide(store))
)
