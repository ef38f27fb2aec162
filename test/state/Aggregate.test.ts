import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, FastCheck, Fiber, Layer, Option, Ref, Schedule, Schema, Stream, TestClock } from "effect"
import { Aggregate, StoreError } from "heddle"
import { EventStore } from "heddle/store/EventStore"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
import { numRuns } from "../numRuns.js"

class Added extends Schema.TaggedClass<Added>()("Added", { by: Schema.Int }) {}
class Marked extends Schema.TaggedClass<Marked>()("Marked", { on: Schema.Date }) {}

const define = (options: { readonly snapshotEvery?: number; readonly name?: string } = {}) =>
  Aggregate.make(options.name ?? "sum", {
    state: Schema.Struct({ sum: Schema.Int, last: Schema.NullOr(Schema.Date) }),
    initial: { sum: 0, last: null },
    events: [Added, Marked],
    evolve: (state, event) =>
      event._tag === "Added" ? { ...state, sum: state.sum + event.by } : { ...state, last: event.on },
    snapshotEvery: options.snapshotEvery
  })

const Sum = define({ snapshotEvery: 3 })

const add = (id: string, ...by: ReadonlyArray<number>) =>
  Aggregate.execute(Sum, id, () => Effect.succeed(by.map((by) => new Added({ by }))))

const sumOf = (id: string) => Effect.map(Aggregate.load(Sum, id), ({ state, version }) => [state.sum, version])

const memory = EventStoreMemory.layer()
const newStore = Layer.fresh(memory)

/** The store, of which some methods are others. */
const altered = (change: (store: EventStore["Type"]) => Partial<EventStore["Type"]>) =>
  Layer.map(newStore, (context) => context).pipe((layer) =>
    Layer.project(layer, EventStore, EventStore, (store) => ({ ...store, ...change(store) }))
  )

describe("Aggregate.make", () => {
  const fails = (message: string, make: () => unknown) => assert.throws(make, message)

  it("refuses definitions that are wrong", () => {
    const base = { state: Schema.Int, initial: 0, evolve: (n: number) => n }
    const events = [Added]
    for (const name of ["", "a/b"]) fails("no name", () => Aggregate.make(name, { ...base, events }))
    fails('two event schemas have the tag "Added"', () => Aggregate.make("a", { ...base, events: [Added, Added] }))
    fails("no literal _tag", () => Aggregate.make("a", { ...base, events: [Schema.Struct({ by: Schema.Int })] }))
    fails("no literal _tag", () => Aggregate.make("a", { ...base, events: [Schema.String] }))
    fails("the tag of no event", () =>
      // @ts-expect-error no event has this tag
      Aggregate.make("a", { ...base, events, upcast: { Removed: [(old) => old] } })
    )
    for (const stateVersion of [0, 1.5, NaN]) {
      fails("stateVersion", () => Aggregate.make("a", { ...base, events, stateVersion }))
    }
    fails("upcastState", () => Aggregate.make("a", { ...base, events, upcastState: { 1: (old) => old } }))
    fails("upcastState", () =>
      Aggregate.make("a", { ...base, events, stateVersion: 3, upcastState: { 3: (old) => old } })
    )
    for (const snapshotEvery of [0, -1, 0.5, NaN]) {
      fails("snapshotEvery", () => Aggregate.make("a", { ...base, events, snapshotEvery }))
    }
    assert.isTrue(Object.isFrozen(Sum))
  })
})

describe("Aggregate.execute", () => {
  it.effect("appends what a command decides by the state, and tells what has come of it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sumOf("a"), [0, 0])
      const first = yield* add("a", 1, 2)
      assert.deepStrictEqual(
        [first.state.sum, first.version, first.events, first.repeated],
        [3, 2, [new Added({ by: 1 }), new Added({ by: 2 })], false]
      )
      const on = yield* Schema.decode(Schema.Date)("2026-11-22T00:00:00.000Z")
      const doubled = yield* Aggregate.execute(Sum, "a", ({ sum }, version) =>
        Effect.succeed([new Added({ by: sum * version }), new Marked({ on })])
      )
      assert.deepStrictEqual([doubled.state, doubled.version], [{ sum: 9, last: on }, 4])
      assert.deepStrictEqual(yield* Aggregate.load(Sum, "a"), { state: { sum: 9, last: on }, version: 4 })
      assert.deepStrictEqual(yield* Aggregate.state(Sum, "a"), { state: { sum: 9, last: on }, version: 4 })

      const store = yield* EventStore
      const [stored] = yield* store.read("sum/a", { limit: 9 })
      assert.deepStrictEqual([stored?.eventType, stored?.schemaVersion, stored?.payload], ["Added", 1, '{"by":1}'])
    }).pipe(Effect.provide(newStore))
  )

  it.effect(
    "appends nothing for no events, nor for a command that fails, nor for an event that its schema refuses",
    () =>
      Effect.gen(function* () {
        yield* add("a", 1)
        const none = yield* Aggregate.execute(Sum, "a", () => Effect.succeed([]))
        assert.deepStrictEqual([none.version, none.events], [1, []])
        assert.strictEqual(yield* Effect.flip(Aggregate.execute(Sum, "a", () => Effect.fail("no" as const))), "no")
        const wrong = { _tag: "Added", by: 1.5 } as Added
        const exit = yield* Effect.exit(
          Aggregate.execute(Sum, "a", () => Effect.succeed([new Added({ by: 1 }), wrong]))
        )
        assert.isTrue(Exit.isFailure(exit) && exit.cause._tag === "Die")
        assert.deepStrictEqual(yield* sumOf("a"), [1, 1])
        const empty = yield* Effect.flip(add("", 1))
        assert.include(empty.message, "empty")
        assert.instanceOf(yield* Effect.flip(add("x".repeat(1000), 1)), StoreError)
      }).pipe(Effect.provide(newStore))
  )

  it.effect("decides again after a conflict, by the new state, and gives up when `retry` does", () =>
    Effect.gen(function* () {
      const rounds = yield* Ref.make(0)
      const disturbed = (times: number, retry: number) =>
        Aggregate.execute(
          Sum,
          "a",
          ({ sum }) =>
            Effect.gen(function* () {
              const round = yield* Ref.updateAndGet(rounds, (n) => n + 1)
              if (round <= times) yield* add("a", 10)
              return [new Added({ by: sum })]
            }),
          { retry: Schedule.recurs(retry) }
        )
      yield* add("a", 1)
      const done = yield* disturbed(2, 5)
      assert.deepStrictEqual([done.state.sum, done.version], [42, 4])
      assert.strictEqual(yield* Ref.get(rounds), 3)

      yield* Ref.set(rounds, 0)
      const conflict = yield* Effect.flip(disturbed(9, 2))
      assert.strictEqual(conflict._tag, "AggregateConflict")
      if (conflict._tag === "AggregateConflict") {
        assert.deepInclude({ ...conflict }, { aggregate: "sum", id: "a", version: 7, tries: 3 })
        assert.include(conflict.message, "sum/a")
      }
      assert.deepStrictEqual(yield* sumOf("a"), [72, 7])
    }).pipe(Effect.provide(newStore))
  )

  it.effect("pauses between tries by default, and tries ten times", () =>
    Effect.gen(function* () {
      const rounds = yield* Ref.make(0)
      const command = Effect.zipRight(
        Ref.update(rounds, (n) => n + 1),
        Effect.as(add("a", 1), [new Added({ by: 1 })])
      )
      const fiber = yield* Effect.fork(Effect.flip(Aggregate.execute(Sum, "a", () => command)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "AggregateConflict")
      assert.strictEqual(yield* Ref.get(rounds), 10)
    }).pipe(Effect.provide(newStore))
  )

  it.effect("a command id is executed once on each aggregate, and gives the first result again", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const command = (id: string, commandId: string) =>
        Aggregate.execute(
          Sum,
          id,
          ({ sum }) =>
            Effect.as(
              Ref.update(runs, (n) => n + 1),
              [1, 2, 3].map((by) => new Added({ by: sum + by }))
            ),
          { commandId }
        )
      const first = yield* command("a", "c")
      yield* add("a", 5)
      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(yield* command("a", "c"), { ...first, repeated: true })
      }
      assert.strictEqual(yield* Ref.get(runs), 1)
      assert.isFalse((yield* command("b", "c")).repeated)
      const second = yield* command("a", "d")
      assert.isFalse(second.repeated)
      assert.deepStrictEqual(yield* command("a", "d"), { ...second, repeated: true })
      assert.deepStrictEqual(yield* sumOf("a"), [6 + 5 + 39, 7])
      const twice = yield* Effect.all([command("c", "e"), command("c", "e")], { concurrency: 2 })
      assert.deepStrictEqual(twice.map(({ repeated }) => repeated).sort(), [false, true])
      assert.deepStrictEqual(yield* sumOf("c"), [6, 3])
    }).pipe(Effect.provide(newStore))
  )

  it.effect("an append whose answer was lost is repeated, and takes effect once", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(add("a", 1, 2))
      yield* TestClock.adjust("1 minute")
      const done = yield* Fiber.join(fiber)
      assert.deepStrictEqual([done.state.sum, done.version], [3, 2])
      assert.deepStrictEqual(yield* sumOf("a"), [3, 2])
    }).pipe(
      Effect.provide(
        altered((store) => {
          let calls = 0
          const lost = new StoreError({ reason: "unavailable", location: "x", operation: "append", message: "lost" })
          return {
            append: (request) =>
              Effect.flatMap(store.append(request), (answer) => (++calls < 3 ? lost : Effect.succeed(answer)))
          }
        })
      )
    )
  )

  it.effect("events of an aggregate never go back in time", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5000)
      yield* add("a", 1)
      yield* TestClock.setTime(1000)
      yield* add("a", 1)
      yield* TestClock.setTime(6000)
      yield* add("a", 1)
      const store = yield* EventStore
      const events = yield* store.read("sum/a", { limit: 9 })
      assert.deepStrictEqual(
        events.map(({ at }) => at),
        [5000, 5000, 6000]
      )
    }).pipe(Effect.provide(newStore))
  )
})

describe("snapshots", () => {
  it.effect("are kept every `snapshotEvery` events, and then only what is after them is read", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const snapshot = Effect.map(
        store.snapshot("sum/a", { sequence: 99 }),
        Option.map(({ sequence }) => sequence)
      )
      for (const [events, kept] of [
        [1, undefined],
        [1, undefined],
        [1, 3],
        [2, 3],
        [2, 7],
        [4, 11]
      ] as const) {
        yield* add("a", ...Array.from({ length: events }, () => 1))
        assert.deepStrictEqual(yield* snapshot, Option.fromNullable(kept))
      }
      assert.deepStrictEqual(yield* sumOf("a"), [11, 11])
      // one that says something else is believed
      yield* store.keepSnapshot({
        aggregateId: "sum/a",
        sequence: 11,
        schemaVersion: 1,
        state: '{"sum":1000,"last":null}',
        at: 0
      })
      assert.deepStrictEqual(yield* sumOf("a"), [1000, 11])
    }).pipe(Effect.provide(newStore))
  )

  it.effect("one that cannot be kept fails no command, and the next one keeps it", () => {
    let fails = true
    return Effect.gen(function* () {
      const store = yield* EventStore
      yield* add("a", 1, 2, 3)
      assert.deepStrictEqual(yield* store.snapshot("sum/a", { sequence: 9 }), Option.none())
      fails = false
      yield* add("a", 4)
      assert.strictEqual(Option.getOrThrow(yield* store.snapshot("sum/a", { sequence: 9 })).sequence, 4)
    }).pipe(
      Effect.provide(
        altered((store) => ({
          keepSnapshot: (row) =>
            fails
              ? new StoreError({ reason: "full", location: "x", operation: "keepSnapshot", message: "full" })
              : store.keepSnapshot(row)
        }))
      )
    )
  })

  it.effect("prune deletes what the last one stands for, and the state stays", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      assert.strictEqual(yield* Aggregate.prune(Sum, "a"), 0)
      for (let i = 1; i <= 7; i++) yield* add("a", i)
      assert.strictEqual(yield* Aggregate.prune(Sum, "a", { keep: 4 }), 3)
      assert.strictEqual(yield* Aggregate.prune(Sum, "a", { keep: 2 }), 2)
      assert.strictEqual(yield* Aggregate.prune(Sum, "a"), 1)
      assert.strictEqual(yield* Aggregate.prune(Sum, "a"), 0)
      assert.strictEqual((yield* store.read("sum/a", { limit: 9 })).length, 1)
      assert.deepStrictEqual(yield* sumOf("a"), [28, 7])
      yield* add("a", 8, 9)
      yield* Aggregate.prune(Sum, "a")
      assert.deepStrictEqual(yield* store.read("sum/a", { limit: 9 }), [])
      assert.deepStrictEqual(yield* sumOf("a"), [45, 9])
      assert.deepStrictEqual((yield* add("a", 1)).version, 10)
    }).pipe(Effect.provide(newStore))
  )

  it.effect("events that are missing, with no snapshot in their place that can be read, are an error", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      for (let i = 1; i <= 4; i++) yield* add("a", i)
      yield* Aggregate.prune(Sum, "a")
      const Newer = Aggregate.make("sum", {
        state: Schema.Int,
        initial: 0,
        stateVersion: 2,
        events: [Added],
        evolve: (sum, { by }) => sum + by
      })
      for (let i = 0; i < 2; i++) {
        const error = yield* Effect.flip(Aggregate.load(Newer, "a"))
        assert.strictEqual(error._tag, "AggregateUnreadable")
        if (error._tag === "AggregateUnreadable") {
          assert.deepInclude({ ...error }, { aggregate: "sum", id: "a", sequence: 1, reason: "pruned" })
        }
        // now with nothing left
        yield* store.keepSnapshot({ aggregateId: "sum/a", sequence: 4, schemaVersion: 1, state: "{}", at: 0 })
        yield* store.prune({ aggregateId: "sum/a", upTo: 4 })
      }
      const Upcasting = Aggregate.make("sum", {
        state: Schema.Struct({ total: Schema.Int }),
        initial: { total: 0 },
        stateVersion: 2,
        upcastState: { 1: () => ({ total: 10 }) },
        events: [Added],
        evolve: ({ total }, { by }) => ({ total: total + by })
      })
      assert.deepStrictEqual(yield* Aggregate.load(Upcasting, "a"), { state: { total: 10 }, version: 4 })
    }).pipe(Effect.provide(newStore))
  )

  it.effect("events that are deleted while they are loaded are replaced by the later snapshot", () => {
    let pruning = false
    return Effect.gen(function* () {
      for (let i = 1; i <= 8; i++) yield* add("a", i)
      pruning = true
      assert.deepStrictEqual(yield* sumOf("a"), [36, 8])
    }).pipe(
      Effect.provide(
        altered((store) => ({
          read: (id, page) =>
            Effect.zipRight(
              Effect.suspend(() => {
                if (!pruning) return Effect.void
                pruning = false
                return Effect.zipRight(
                  store.keepSnapshot({
                    aggregateId: "sum/a",
                    sequence: 7,
                    schemaVersion: 1,
                    state: '{"last":null,"sum":28}',
                    at: 0
                  }),
                  store.prune({ aggregateId: "sum/a", upTo: 7 })
                )
              }),
              store.read(id, page)
            )
        }))
      )
    )
  })
})

describe("old and unknown events", () => {
  class Old extends Schema.TaggedClass<Old>()("Priced", { price: Schema.Number }) {}
  class New extends Schema.TaggedClass<New>()("Priced", { cents: Schema.Int, currency: Schema.String }) {}
  const V1 = Aggregate.make("price", {
    state: Schema.Number,
    initial: 0,
    events: [Old],
    evolve: (_, { price }) => price
  })
  const V3 = Aggregate.make("price", {
    state: Schema.String,
    initial: "",
    stateVersion: 2,
    events: [New],
    evolve: (all, { cents, currency }) => `${all}${cents}${currency} `,
    upcast: {
      Priced: [
        ({ price }) => ({ cents: Math.round(Number(price) * 100) }),
        (old) => {
          if (old.cents === 666) throw new Error("no such price")
          return { ...old, currency: "EUR" }
        }
      ]
    }
  })
  const price = (price: number) => Aggregate.execute(V1, "p", () => Effect.succeed([new Old({ price })]))
  const unreadable = (
    effect: Effect.Effect<unknown, Aggregate.AggregateUnreadable | Aggregate.AggregateConflict | StoreError, EventStore>
  ) =>
    Effect.flatMap(Effect.flip(effect), (error) =>
      error._tag === "AggregateUnreadable" ? Effect.succeed({ ...error, message: error.message }) : Effect.die(error)
    )

  it.effect("old versions are read through the upcasters, one after the other", () =>
    Effect.gen(function* () {
      yield* price(1.5)
      yield* Aggregate.execute(V3, "p", () => Effect.succeed([new New({ cents: 2, currency: "USD" })]))
      assert.deepStrictEqual(yield* Aggregate.load(V3, "p"), { state: "150EUR 2USD ", version: 2 })
      const changes = yield* Aggregate.changes(V3).pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(changes).map(({ event }) => event),
        [new New({ cents: 150, currency: "EUR" }), new New({ cents: 2, currency: "USD" })]
      )
    }).pipe(Effect.provide(newStore))
  )

  it.effect("what cannot be read is never skipped: the error names it", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const named = { aggregate: "price", id: "p", sequence: 2 }
      yield* Aggregate.execute(V3, "p", () => Effect.succeed([new New({ cents: 1, currency: "EUR" })]))
      assert.deepInclude(yield* unreadable(Aggregate.load(V1, "p")), {
        ...named,
        sequence: 1,
        type: "Priced",
        version: 3,
        reason: "newer"
      })
      const put = (aggregateId: string, eventType: string, schemaVersion: number, payload: string) =>
        store.append({
          aggregateId,
          expected: "any",
          events: [{ eventId: `${aggregateId}${payload}`, eventType, schemaVersion, payload, at: 0 }]
        })
      for (const [type, version, payload, reason, detail] of [
        ["Gone", 1, "{}", "unknownType", "no such event"],
        ["constructor", 1, "{}", "unknownType", "no such event"],
        ["Priced", 1, '{"price":6.66}', "invalid", "no such price"],
        ["Priced", 3, '{"cents":"a"}', "invalid", "cents"],
        ["Priced", 3, "[]", "invalid", "no struct"],
        ["Priced", 9, "{}", "newer", "up to version 3"]
      ] as const) {
        const id = `${type}${version}${payload}`
        yield* put(`price/${id}`, "Priced", 2, '{"cents":1}')
        yield* put(`price/${id}`, type, version, payload)
        yield* put(`price/${id}`, "Priced", 2, '{"cents":2}')
        const error = yield* unreadable(Aggregate.load(V3, id))
        assert.deepInclude(error, { ...named, id, type, version, reason })
        assert.include(error.message, `event 2 (${type}, version ${version}) of price/${id} cannot be read`)
        assert.include(error.message, detail)
        assert.deepInclude(yield* unreadable(Aggregate.execute(V3, id, () => Effect.succeed([]))), { reason })
        assert.strictEqual(yield* store.version(`price/${id}`), 3)
      }
      yield* unreadable(Aggregate.rebuild(V3))
      yield* unreadable(Stream.runDrain(Aggregate.changes(V3)))
    }).pipe(Effect.provide(newStore))
  )

  it.effect("a state of another version is made of the events again", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* price(2)
      yield* store.keepSnapshot({ aggregateId: "price/p", sequence: 1, schemaVersion: 1, state: "2", at: 0 })
      assert.deepStrictEqual(yield* Aggregate.state(V1, "p"), { state: 2, version: 1 })
      assert.deepStrictEqual(yield* Aggregate.state(V3, "p"), { state: "200EUR ", version: 1 })
      assert.strictEqual(yield* Aggregate.rebuild(V3), 1)
      assert.strictEqual(Option.getOrThrow(yield* store.state("price/p")).schemaVersion, 2)
      // rows of later code are dropped, too
      assert.strictEqual(yield* Aggregate.rebuild(V1), 1)
      assert.strictEqual(Option.getOrThrow(yield* store.state("price/p")).schemaVersion, 1)
    }).pipe(Effect.provide(newStore))
  )
})

describe("Aggregate.rebuild and changes", () => {
  const Other = define({ name: "sum2" })
  const names = ["a", "b", "é"]
  const anyStep = FastCheck.record({
    id: FastCheck.constantFrom(...names),
    by: FastCheck.array(FastCheck.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 4 }),
    prune: FastCheck.boolean()
  })

  it.effect.prop(
    "the rows are what they were before they were dropped, also where events were pruned",
    { steps: FastCheck.array(anyStep, { maxLength: 15 }) },
    ({ steps }) =>
      Effect.gen(function* () {
        const store = yield* EventStore
        yield* Aggregate.execute(Other, "a", () => Effect.succeed([new Added({ by: 100 })]))
        const sums = new Map<string, number>()
        for (const { by, id, prune } of steps) {
          yield* add(id, ...by)
          if (prune) yield* Aggregate.prune(Sum, id)
          sums.set(
            id,
            by.reduce((sum, n) => sum + n, sums.get(id) ?? 0)
          )
        }
        const rows = yield* store.states({ limit: 99 })
        assert.strictEqual(yield* Aggregate.rebuild(Sum), sums.size)
        assert.deepStrictEqual(yield* store.states({ limit: 99 }), rows)
        const ids = Chunk.toReadonlyArray(yield* Stream.runCollect(Aggregate.ids(Sum)))
        assert.deepStrictEqual([...ids], [...sums.keys()].sort())
        for (const id of ids) {
          assert.strictEqual((yield* Aggregate.state(Sum, id)).state.sum, sums.get(id))
          assert.strictEqual((yield* Aggregate.load(Sum, id)).state.sum, sums.get(id))
        }
      }).pipe(Effect.provide(newStore)),
    { fastCheck: { numRuns: numRuns / 2 } }
  )

  it.effect("replaces rows that are wrong, over several pages, while others execute commands", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const ids = Array.from({ length: 230 }, (_, i) => `id${i}`)
      for (const id of ids) yield* add(id, 1)
      const rows = yield* store.states({ limit: 999 })
      yield* store.putStates(rows.map((row) => ({ ...row, state: '{"sum":0,"last":null}' })))
      const executing = Effect.forEach(ids, (id) => add(id, 1), { concurrency: 3 })
      const [count] = yield* Effect.all([Aggregate.rebuild(Sum), executing], { concurrency: 2 })
      assert.strictEqual(count, 230)
      for (const id of ids) {
        const { state, version } = yield* Aggregate.state(Sum, id)
        assert.deepStrictEqual([state.sum, version], [2, 2])
      }
      assert.strictEqual((yield* Stream.runCollect(Aggregate.ids(Sum))).length, 230)
    }).pipe(Effect.provide(newStore))
  )

  it.effect("changes are those of the definition alone, also those that come later", () =>
    Effect.gen(function* () {
      yield* add("a", 1)
      yield* Aggregate.execute(Other, "a", () => Effect.succeed([new Added({ by: 100 })]))
      const fiber = yield* Effect.fork(Stream.runCollect(Stream.take(Aggregate.changes(Sum), 3)))
      yield* add("b", 2)
      yield* add("a", 3)
      const all = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
      assert.deepStrictEqual(
        all.map(({ event, id, sequence }) => [id, sequence, event._tag === "Added" ? event.by : undefined]),
        [
          ["a", 1, 1],
          ["b", 1, 2],
          ["a", 2, 3]
        ]
      )
      const after = yield* Stream.runCollect(Stream.take(Aggregate.changes(Sum, all[1]?.position), 1))
      assert.deepStrictEqual(Chunk.toReadonlyArray(after), all.slice(2))
    }).pipe(Effect.provide(newStore))
  )
})

describe("a bank", () => {
  const Account = Aggregate.make("account", {
    state: Schema.Int,
    initial: 10,
    events: [Added],
    evolve: (balance, { by }) => balance + by,
    snapshotEvery: 2
  })
  const transfer = (from: string, to: string, amount: number, commandId: string) =>
    Effect.gen(function* () {
      const options = (commandId: string) => ({ commandId, retry: Schedule.recurs(200) })
      yield* Aggregate.execute(
        Account,
        from,
        (balance) => (balance < amount ? Effect.fail("poor" as const) : Effect.succeed([new Added({ by: -amount })])),
        options(`${commandId} from`)
      )
      yield* Aggregate.execute(
        Account,
        to,
        () => Effect.succeed([new Added({ by: amount })]),
        options(`${commandId} to`)
      )
    }).pipe(
      Effect.catchIf(
        (error) => error === "poor",
        () => Effect.void
      )
    )

  const name = FastCheck.constantFrom("a", "b", "c")
  const anyTransfer = FastCheck.record({ from: name, to: name, amount: FastCheck.integer({ min: 1, max: 9 }) })
  for (const [store, layer, runs] of [
    ["memory", newStore, numRuns / 2],
    ["SQLite", EventStoreSqlite.layer({ filename: ":memory:" }), numRuns / 20]
  ] as const) {
    it.live.prop(
      `concurrent transfers, each sent twice, lose no money and make none, in ${store}`,
      { transfers: FastCheck.array(anyTransfer, { maxLength: 10 }) },
      ({ transfers }) =>
        Effect.gen(function* () {
          yield* Effect.forEach(
            [...transfers, ...transfers],
            ({ amount, from, to }, i) => transfer(from, to, amount, `t${i % transfers.length}`),
            { concurrency: "unbounded" }
          )
          let total = 0
          for (const id of ["a", "b", "c"]) {
            const { state } = yield* Aggregate.load(Account, id)
            assert.isAtLeast(state, 0)
            total += state
          }
          assert.strictEqual(total, 30)
        }).pipe(Effect.provide(Layer.fresh(layer))),
      { fastCheck: { numRuns: Math.ceil(runs) } }
    )
  }
})
