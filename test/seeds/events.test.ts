/** Stores of events under one interleaving of those who append and follow after the other. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Chunk, Context, Data, Effect, Fiber, HashMap, Layer, Option, Schema, Schedule, Stream } from "effect"
import { Aggregate } from "heddle"
import type { StoreError } from "heddle/model/StoreError"
import { type Appended, EventStore, type Expected, type StoredEvent } from "heddle/store/EventStore"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { event } from "../../src/testing/internal/contract/EventLog.js"
import { numRuns } from "../numRuns.js"
import { pause, perhaps, together, upTo } from "./Calls.js"

type Input =
  | { readonly _tag: "append"; readonly expected: Expected; readonly ids: ReadonlyArray<string> }
  | { readonly _tag: "read" }
  | { readonly _tag: "version" }

type Output = Appended | ReadonlyArray<string> | number

/** The events of one aggregate, by their ids. */
interface State {
  readonly ids: Chunk.Chunk<string>
  readonly at: HashMap.HashMap<string, number>
}

const same = (a: Output, b: Output): boolean => JSON.stringify(a) === JSON.stringify(b)

const model: Linearizability.Model<State, Input, Output> = {
  init: Data.struct({ ids: Chunk.empty<string>(), at: HashMap.empty<string, number>() }),
  step: (before, operation) => {
    const { at, ids } = before
    const { input } = operation
    const answer = (output: Output, after: State = before): Option.Option<State> =>
      operation._tag === "Pending" || same(output, operation.output) ? Option.some(after) : Option.none()
    if (input._tag === "read") return answer(Chunk.toReadonlyArray(ids))
    if (input._tag === "version") return answer(ids.length)
    const known = input.ids.map((id) => Option.getOrElse(HashMap.get(at, id), () => 0))
    const [first = 0] = known
    const other = known.findIndex((sequence, i) => sequence !== 0 && sequence !== first + i)
    const some = known.findIndex((sequence) => sequence !== 0)
    const bad = other >= 0 ? other : known.includes(0) ? some : -1
    if (bad >= 0) return answer({ _tag: "EventIdTaken", eventId: input.ids[bad]! })
    if (some >= 0) {
      return answer({ _tag: "Appended", first, version: first + input.ids.length - 1, repeated: true })
    }
    const version = ids.length
    if (input.expected !== "any" && input.expected !== version) return answer({ _tag: "Conflict", version })
    return answer(
      { _tag: "Appended", first: version + 1, version: version + input.ids.length, repeated: false },
      Data.struct({
        ids: Chunk.appendAll(ids, Chunk.unsafeFromArray([...input.ids])),
        at: input.ids.reduce((at, id, i) => HashMap.set(at, id, version + 1 + i), at)
      })
    )
  }
}

const perform = (store: EventStore["Type"], input: Input): Effect.Effect<Output, StoreError> => {
  switch (input._tag) {
    case "append":
      return store.append({ aggregateId: "a", expected: input.expected, events: input.ids.map((id) => event(id)) })
    case "read":
      return Effect.map(store.read("a", { limit: 100 }), (events) => events.map(({ eventId }) => eventId))
    case "version":
      return store.version("a")
  }
}

/** Three fibers that append to one aggregate; some calls are interrupted, and some of those are repeated. */
const histories = (layer: Layer.Layer<EventStore, StoreError>) =>
  Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(layer), EventStore)
    const recorder = yield* Linearizability.recorder<Input, Output>()
    const using = (name: string) =>
      Effect.gen(function* () {
        let seen = 0
        let last: Input = { _tag: "version" }
        for (let i = 0; i < 5; i++) {
          const kind = yield* upTo(10)
          const ids = Array.makeBy(1 + (yield* upTo(1)), (j) => (kind > 8 ? `shared${j}` : `${name}${i}${j}`))
          const expected = kind < 6 ? seen : ("any" as const)
          const input: Input =
            kind < 1 ? { _tag: "read" } : kind < 2 ? { _tag: "version" } : { _tag: "append", expected, ids }
          const next: Input = kind === 8 ? last : input
          last = next
          const answer = yield* perhaps(recorder.record(next)(perform(store, next)))
          if (Option.isNone(answer)) continue
          const output = answer.value
          seen = typeof output === "number" ? output : "_tag" in output && "version" in output ? output.version : seen
        }
      })
    yield* together(["a", "b", "c"].map(using))
    return yield* recorder.history
  }).pipe(Effect.scoped)

const stores = [
  ["EventStoreMemory", (page: number) => EventStoreMemory.layer({ page }), numRuns],
  ["EventStoreSqlite", (page: number) => EventStoreSqlite.layer({ filename: ":memory:", page }), numRuns / 4]
] as const

describe("what several fibers see of one aggregate has an order", () => {
  for (const [name, layer, seeds] of stores) {
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          const seen = { appended: 0, repeated: 0, conflicts: 0, taken: 0, pending: 0 }
          yield* SeededScheduler.explore({
            seeds,
            effect: Effect.gen(function* () {
              const order = yield* Linearizability.check(model, yield* histories(layer(2)))
              for (const operation of order) {
                if (operation._tag === "Pending") seen.pending++
                else if (typeof operation.output === "object" && "_tag" in operation.output) {
                  const { output } = operation
                  if (output._tag === "Conflict") seen.conflicts++
                  else if (output._tag === "EventIdTaken") seen.taken++
                  else if (output.repeated) seen.repeated++
                  else seen.appended++
                }
              }
            })
          })
          // each of them has come about
          for (const [what, times] of Object.entries(seen)) assert.isAbove(times, seeds / 50, what)
        }),
      300_000
    )
  }
})

describe("a subscription that begins anywhere, in pages of any size, gives each event once and in order", () => {
  for (const [name, layer, seeds] of stores) {
    it.live(
      name,
      () =>
        SeededScheduler.explore({
          seeds,
          effect: Effect.gen(function* () {
            const store = Context.get(yield* Layer.build(layer(1 + (yield* upTo(5)))), EventStore)
            const appending = (name: string) =>
              Effect.gen(function* () {
                for (let i = 0; i < 5; i++) {
                  yield* pause
                  const events = Array.makeBy(1 + (yield* upTo(2)), (j) => event(`${name}${i} ${j}`))
                  yield* store.append({ aggregateId: `a${yield* upTo(2)}`, expected: "any", events })
                }
              })
            const appenders = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.fork(appending(name)))
            const following = Effect.gen(function* () {
              yield* Effect.replicateEffect(pause, yield* upTo(6))
              const seen: globalThis.Array<StoredEvent> = []
              const from = (yield* store.readAll({ limit: yield* upTo(9) })).at(-1)?.position ?? 0
              const fiber = yield* Effect.forkScoped(
                Stream.runForEach(store.subscribe(from), (one) => Effect.sync(() => void seen.push(one)))
              )
              return { from, seen, fiber }
            })
            const followers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(following))
            for (const fiber of appenders) yield* Fiber.join(fiber)
            const all = yield* store.readAll({ limit: 1000 })
            for (const follower of followers) {
              const { fiber, from, seen } = yield* Fiber.join(follower)
              const expected = all.filter(({ position }) => position > from)
              for (let turns = 0; seen.length < expected.length && turns < 5000; turns++) yield* Effect.yieldNow()
              yield* Fiber.interrupt(fiber)
              assert.deepStrictEqual(seen, expected)
            }
          }).pipe(Effect.scoped)
        }),
      300_000
    )
  }
})

describe("commands of several fibers", () => {
  class Counted extends Schema.TaggedClass<Counted>()("Counted", { by: Schema.String }) {}
  const Counter = Aggregate.make("counter", {
    state: Schema.Array(Schema.String),
    initial: [],
    events: [Counted],
    evolve: (all, { by }) => [...all, by],
    snapshotEvery: 2
  })
  it.live(
    "each take effect once, interrupted and sent again, and rows, snapshots and events say the same",
    () =>
      SeededScheduler.explore({
        seeds: numRuns,
        effect: Effect.gen(function* () {
          const sending = (name: string) =>
            Effect.forEach([0, 1, 2], (i) =>
              Effect.gen(function* () {
                const by = `${name}${i}`
                const command = Aggregate.execute(
                  Counter,
                  "c",
                  (all) => (all.includes(by) ? Effect.die(`${by} twice`) : Effect.succeed([new Counted({ by })])),
                  { commandId: by, retry: Schedule.recurs(500) }
                )
                const fiber = yield* Effect.fork(command)
                yield* Effect.replicateEffect(pause, yield* upTo(4))
                yield* Fiber.interrupt(fiber)
                yield* pause
                const { events } = yield* command
                assert.deepStrictEqual(events, [new Counted({ by })])
              })
            )
          const fibers = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.fork(sending(name)))
          const rebuilding = yield* Effect.fork(
            Effect.replicateEffect(Effect.zipLeft(Aggregate.rebuild(Counter), pause), 3)
          )
          for (const fiber of fibers) yield* Fiber.join(fiber)
          yield* Fiber.join(rebuilding)
          const { state, version } = yield* Aggregate.load(Counter, "c")
          assert.strictEqual(version, 9)
          assert.strictEqual(new Set(state).size, 9)
          assert.deepStrictEqual(yield* Aggregate.state(Counter, "c"), { state, version })
          const store = yield* EventStore
          const events = yield* store.read("counter/c", { limit: 99 })
          assert.deepStrictEqual(
            events.map(({ payload }) => payload),
            state.map((by) => JSON.stringify({ by }))
          )
          const before = yield* store.states({ limit: 9 })
          yield* Aggregate.rebuild(Counter)
          assert.deepStrictEqual(yield* store.states({ limit: 9 }), before)
        }).pipe(Effect.provide(Layer.fresh(EventStoreMemory.layer())))
      }),
    300_000
  )
})
