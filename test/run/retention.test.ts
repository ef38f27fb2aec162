/** What is kept of runs that have ended, and what is deleted. */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Logger,
  Option,
  Schema,
  Scope,
  TestClock
} from "effect"
import { Dag, Engine, Module, Retention, RunId, RunStore, StateWriter, StoreError, Timeline } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { numRuns } from "../numRuns.js"
import { down, engineOver, memory, type Store } from "./FaultyStore.js"
import { id, withTime } from "./Harness.js"

const minute = 60_000

const n = Module.input("n", Schema.Int)
const double = Module.make("double", { needs: { n }, output: Schema.Int, run: ({ n }) => Effect.succeed(n * 2) })
const Doubling = Dag.make("doubling", { outputs: { double } })

const held = Module.make("held", { output: Schema.Void, run: () => Effect.never })
const Holding = Dag.make("holding", { outputs: { held } })

const pause = Module.sleep("pause", { duration: "1000 days" })
const Pausing = Dag.make("pausing", { outputs: { pause } })

const engine = (store: Store, options: Partial<Engine.Options> = {}) =>
  Layer.build(engineOver(store, { engine: options }))

const runOf = (i: number) => RunId.make(`run-${String(i).padStart(4, "0")}`)

/** Runs the Dag once for each of the times, in minutes, at that time: it ends then. */
const endAt = (store: Store, times: ReadonlyArray<number>) =>
  Effect.forEach(
    times,
    (at, i) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(at * minute)
        yield* Engine.execute(Doubling, { n: i }, { runId: runOf(i), durability: "committed" })
      }),
    { discard: true }
  ).pipe(Effect.provide(engineOver(store)))

const storeEnded = (store: Store, runId: RunId, at: number) =>
  Effect.gen(function* () {
    const run = { runId, dag: "d", fingerprint: "f", total: 0, input: "{}", policy: "{}", signals: "[]", owner: "o" }
    yield* store.open({ ...run, createdAt: 0 })
    const end = { _tag: "RunTransition", seq: 1, at, status: "completed", epoch: 1 } as const
    const changes = { modules: [], items: [], shared: [], transitions: [end], status: end.status, wakeAt: null }
    yield* store.commit({ runs: [{ runId, epoch: 1, ...changes }], states: [], synced: false })
  })

const idsOf = (store: Store) =>
  Effect.map(store.list({ limit: 10_000 }), (runs) => runs.map(({ runId }) => runId).sort())

const prune = (policy: Retention.Policy, store: Store) =>
  Effect.flatMap(Retention.Retention, (retention) => retention.prune(policy)).pipe(
    Effect.provide(Retention.layer),
    Effect.provideService(RunStore.RunStore, store)
  )

const sqlite = Effect.map(Layer.build(RunStoreSqlite.layer({ filename: ":memory:" })), (context) =>
  Context.get(context, RunStore.RunStore)
)

for (const [name, make] of [
  ["memory", memory],
  ["a SQLite file", sqlite]
] as const) {
  describe(`Engine.prune over ${name}`, () => {
    it.scoped("deletes what neither keepLast nor youngerThan keeps", () =>
      Effect.gen(function* () {
        const policies = [
          [{ keepLast: 2 }, [3, 4]],
          [{ keepLast: 0 }, []],
          [{ keepLast: 5 }, [0, 1, 2, 3, 4]],
          [{ keepLast: 1_000_000 }, [0, 1, 2, 3, 4]],
          [{ youngerThan: "30 minutes" }, [2, 3, 4]],
          [{ youngerThan: "29 minutes" }, [3, 4]],
          [{ youngerThan: 0 }, [4]],
          [{ youngerThan: Duration.infinity }, [0, 1, 2, 3, 4]],
          [{ keepLast: 1, youngerThan: "30 minutes" }, [2, 3, 4]],
          [{ keepLast: 4, youngerThan: "30 minutes" }, [1, 2, 3, 4]]
        ] as const
        for (const [policy, kept] of policies) {
          const store = yield* make
          yield* endAt(store, [1, 10, 20, 40, 50])
          const context = yield* engine(store)
          const deleted = yield* Effect.provide(Engine.prune(policy), context)
          assert.deepStrictEqual(yield* idsOf(store), kept.map(runOf), JSON.stringify(policy))
          assert.strictEqual(deleted, 5 - kept.length)
          assert.strictEqual(yield* Effect.provide(Engine.prune(policy), context), 0)
        }
      })
    )

    it.scoped("leaves no trace, and the id is free again", () =>
      Effect.gen(function* () {
        const store = yield* make
        yield* endAt(store, [1, 2])
        const context = yield* engine(store)
        const before = yield* Effect.provide(Engine.storage, context)
        assert.deepInclude(before, { modules: 4, outputs: 2 })
        assert.strictEqual(before.runs.completed, 2)
        assert.strictEqual(yield* Effect.provide(Engine.prune({ keepLast: 0 }), context), 2)
        const after = yield* Effect.provide(Engine.storage, context)
        assert.deepInclude(after, { modules: 0, items: 0, transitions: 0, outputs: 0, outputBytes: 0, deadLetters: 0 })
        assert.strictEqual(after.runs.completed, 0)
        const gone = yield* Effect.flip(Effect.provide(Engine.get(runOf(0)), context))
        assert.strictEqual(gone._tag, "UnknownRun")
        // with other inputs: nothing is left that they could differ from
        const again = Engine.execute(Doubling, { n: 21 }, { runId: runOf(0) })
        assert.deepStrictEqual(yield* Effect.provide(again, context), { double: 42 })
      })
    )

    it.scoped("deletes more than one slice, and of those that have ended only", () =>
      Effect.gen(function* () {
        const store = yield* make
        const context = yield* engine(store)
        const [running, suspended] = [RunId.make("running"), RunId.make("suspended")]
        yield* Effect.gen(function* () {
          yield* Engine.start(Holding, {}, { runId: running })
          yield* withTime(Effect.flip(Engine.execute(Pausing, {}, { runId: suspended })))
          const all = Array.from({ length: 250 }, (_, i) => i)
          yield* Effect.forEach(all, (n) => Engine.execute(Doubling, { n }, { runId: runOf(n) }), {
            concurrency: "unbounded",
            discard: true
          })
          yield* TestClock.adjust("365 days")
          assert.strictEqual(yield* Engine.prune({ keepLast: 20, youngerThan: "1 day" }), 230)
          assert.strictEqual(yield* Engine.prune({ keepLast: 0 }), 20)
        }).pipe(Effect.provide(context))
        assert.deepStrictEqual(yield* idsOf(store), [running, suspended])
        assert.strictEqual((yield* Effect.provide(Engine.get(running), context)).status, "running")
      })
    )
  })
}

describe("Engine.prune", () => {
  it.scoped.prop(
    "keeps exactly the runs that the policy keeps",
    [
      fc.array(fc.nat({ max: 20 }), { maxLength: 12 }),
      fc.option(fc.nat({ max: 12 }), { nil: undefined }),
      fc.option(fc.nat({ max: 25 }), { nil: undefined }),
      fc.nat({ max: 5 })
    ],
    ([gaps, keepLast, age, later]) =>
      Effect.gen(function* () {
        if (keepLast === undefined && age === undefined) return
        const store = yield* memory
        const ended = gaps.map((_, i) => gaps.slice(0, i + 1).reduce((sum, gap) => sum + gap, 0))
        yield* Effect.forEach(ended, (at, i) => storeEnded(store, runOf(i), at * minute))
        const now = (ended.at(-1) ?? 0) + later
        yield* TestClock.setTime(now * minute)
        const youngerThan = age === undefined ? undefined : Duration.minutes(age)
        const kept = ended.flatMap((at, i) => {
          const isLast = i >= ended.length - (keepLast ?? 0)
          return isLast || (age !== undefined && now - at <= age) ? [runOf(i)] : []
        })
        assert.strictEqual(yield* prune({ keepLast, youngerThan }, store), ended.length - kept.length)
        assert.deepStrictEqual(yield* idsOf(store), kept)
      }),
    { fastCheck: { numRuns: Math.min(numRuns, 100) } }
  )

  const policies: ReadonlyArray<readonly [Retention.Policy, string]> = [
    [{}, "without either it would keep nothing"],
    [{ keepLast: undefined, youngerThan: undefined }, "without either it would keep nothing"],
    [{ keepLast: -1 }, "keepLast is a whole number of at least 0, not -1"],
    [{ keepLast: 1.5 }, "keepLast is a whole number of at least 0, not 1.5"],
    [{ keepLast: NaN, youngerThan: "1 day" }, "keepLast is a whole number of at least 0, not NaN"],
    [{ youngerThan: -1 }, "youngerThan is a duration that is not negative, not -1"],
    [{ keepLast: 1, youngerThan: "soon" as Duration.DurationInput }, "not negative, not soon"]
  ]
  it.scoped("refuses a policy that no store can have, and deletes nothing", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* endAt(store, [1, 2])
      const context = yield* engine(store)
      for (const [policy, message] of policies) {
        const exit = yield* Effect.exit(Effect.provide(Engine.prune(policy), context))
        assert(Exit.isFailure(exit) && Cause.isDie(exit.cause), message)
        assert.include(Cause.pretty(exit.cause), message)
        // and as an option of the engine
        const built = yield* Effect.exit(engine(store, { retention: policy }))
        assert(Exit.isFailure(built) && Cause.isDie(built.cause), message)
      }
      const never = yield* Effect.exit(engine(store, { retention: { keepLast: 0, every: 0 } }))
      assert(Exit.isFailure(never))
      assert.include(Cause.pretty(never.cause), "every is a duration of more than zero, not 0")
      assert.lengthOf(yield* idsOf(store), 2)
    })
  )

  it.scoped("lets others write between its slices, and can be interrupted there", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* endAt(
        store,
        Array.from({ length: 250 }, () => 1)
      )
      const limits: Array<number> = []
      const slow: Store = {
        ...store,
        prune: (request) => {
          limits.push(request.limit)
          return Effect.delay(store.prune(request), "1 second")
        }
      }
      const pruning = yield* Effect.fork(prune({ keepLast: 0 }, slow))
      yield* TestClock.adjust("1500 millis")
      assert.isTrue(limits.length === 2 && limits.every((limit) => limit <= 100))
      const left = yield* idsOf(store)
      assert.isTrue(left.length > 0 && left.length < 250)
      yield* Fiber.interrupt(pruning)
      assert.deepStrictEqual(yield* idsOf(store), left)
    })
  )

  it.scoped("fails as the store does", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const context = yield* engine({ ...store, prune: () => down, storage: down, deadLetters: () => down })
      const asks: ReadonlyArray<Effect.Effect<unknown, StoreError, Engine.Engine>> = [
        Engine.prune({ keepLast: 0 }),
        Engine.storage,
        Engine.deadLetters()
      ]
      for (const ask of asks) assert.strictEqual(yield* Effect.flip(Effect.provide(ask, context)), down)
    })
  )
})

describe("the option retention", () => {
  const log = () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message)))
    return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
  }

  it.scoped("deletes nothing when it is left out", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* endAt(store, [1, 2, 3])
      yield* engine({ ...store, prune: () => Effect.dieMessage("not asked") })
      yield* TestClock.adjust("365 days")
      assert.lengthOf(yield* idsOf(store), 3)
    })
  )

  it.scoped("deletes when the engine begins, and each time that `every` has passed", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* endAt(store, [0, 60, 120])
      const times = new Set<number>()
      const noted: Store = {
        ...store,
        prune: (request) =>
          Effect.zipRight(
            Effect.map(Clock.currentTimeMillis, (now) => times.add(now / minute)),
            store.prune(request)
          )
      }
      yield* engine(noted, { retention: { youngerThan: "90 minutes" } })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* idsOf(store), [runOf(1), runOf(2)])
      yield* TestClock.adjust("90 minutes")
      assert.deepStrictEqual(yield* idsOf(store), [runOf(2)])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* idsOf(store), [])
      assert.deepStrictEqual([...times], [120, 180, 240])
    })
  )

  it.scoped("has an `every` of any length", () =>
    Effect.gen(function* () {
      const store = yield* memory
      let times = 0
      const noted: Store = { ...store, prune: () => Effect.sync(() => (times++, 0)) }
      yield* engine(noted, { retention: { keepLast: 1, every: "60 days" } })
      yield* TestClock.adjust("59 days")
      assert.strictEqual(times, 1)
      yield* TestClock.adjust("62 days")
      assert.strictEqual(times, 3)
      yield* engine(noted, { retention: { keepLast: 1, every: Duration.infinity } })
      yield* TestClock.adjust("30 days")
      assert.strictEqual(times, 4)
    })
  )

  it.scoped("logs a failure, goes on, and ends with the engine", () =>
    Effect.gen(function* () {
      const store = yield* memory
      yield* endAt(store, [1, 2])
      const faults = [down, Effect.die("broken")]
      let times = 0
      const faulty: Store = { ...store, prune: (request) => faults[times++] ?? store.prune(request) }
      const { layer, lines } = log()
      const scope = yield* Scope.make()
      const options = { retention: { keepLast: 1, every: "10 minutes" } } as const
      yield* Layer.buildWithScope(engineOver(faulty, { engine: options }), scope).pipe(Effect.provide(layer))
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(
        lines,
        Array.from({ length: 2 }, () => "runs that have ended could not be deleted")
      )
      assert.lengthOf(yield* idsOf(store), 2)
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(yield* idsOf(store), 1)
      yield* Scope.close(scope, Exit.void)
      const before = times
      yield* TestClock.adjust("1 day")
      assert.strictEqual(times, before)
    })
  )
})

it.scoped("Heddle.layer gives the writer and the reader of its engine", () =>
  Effect.gen(function* () {
    const store = yield* memory
    const refusing: Store = {
      ...store,
      commit: (batch) =>
        batch.states.length > 0
          ? new StoreError({ reason: "full", location: "here", operation: "commit", message: "no space left" })
          : store.commit(batch)
    }
    const context = yield* engine(refusing)
    yield* Effect.gen(function* () {
      const writer = yield* StateWriter.StateWriter
      yield* Engine.execute(Doubling, { n: 1 }, { runId: id })
      assert.isAbove((yield* writer.stats).processed, 0)
      yield* Effect.flip(writer.updateDurable({ key: "page", set: { views: 1 } }))
      const letters = yield* Engine.deadLetters({ key: "page" })
      assert.deepStrictEqual(
        letters.map(({ count, key, kind, reason }) => ({ count, key, kind, reason })),
        [{ count: 1, key: "page", kind: "state", reason: "failed" }]
      )
      assert.deepStrictEqual(yield* Engine.deadLetters({ limit: 1 }), letters)
      assert.deepStrictEqual(yield* Engine.deadLetters({ key: id }), [])
      const timeline = yield* Timeline.Timeline
      assert.isTrue(Option.isSome(yield* timeline.get(id)))
      assert.deepStrictEqual(yield* timeline.storage, yield* Engine.storage)
      assert.strictEqual((yield* Engine.storage).deadLetters, 1)
    }).pipe(Effect.provide(context))
  })
)
