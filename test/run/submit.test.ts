/** Runs that are submitted: stored here, and driven by whichever engine owns their Dag and has room for them. */
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
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
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, RunId, RunStore, StoreError, Timeline } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { numRuns } from "../numRuns.js"
import { temporaryFile } from "../store/SqliteFile.js"
import * as Harness from "./Harness.js"
import { eventually, id, quiet, withTime } from "./Harness.js"
import * as VirtualClock from "./VirtualClock.js"

/** A process of its own over the store, until the end of the scope. It looks at the store once a second. */
const begin = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  Effect.map(Layer.build(Harness.engine<D>({ poll: "1 second", ...options })), (context) => ({
    within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context)
  }))

const rowOf = (runId = id) =>
  Effect.flatMap(RunStore.RunStore, (store) => Effect.map(store.run(runId), Option.getOrThrow))

const statusOf = (runId = id) => Effect.map(rowOf(runId), ({ status }) => status)

const ends = (runId = id) =>
  eventually(
    Effect.map(statusOf(runId), (status) => status === "completed"),
    `"${runId}" is completed`
  )

const ids = (n: number) => Array.from({ length: n }, (_, i) => RunId.make(`run-${String(i).padStart(3, "0")}`))

const store = Layer.suspend(() => Layer.provideMerge(Timeline.layer, RunStoreMemory.layer()))

const n = Module.input("n", Schema.Int)

/** A Dag of which each run, by its number, is written down, and ends once the gate is open. */
const gated = (isOpen = false) => {
  const ran: Array<number> = []
  const gate = Effect.unsafeMakeLatch(isOpen)
  const work = Module.make("work", {
    needs: { n },
    output: Schema.Int,
    run: ({ n }) =>
      Effect.gen(function* () {
        ran.push(n)
        yield* gate.await
        return n * 2
      })
  })
  return { dag: Dag.make("gated", { outputs: { work } }), work, ran, open: gate.open }
}

type Store = RunStore.RunStore["Type"]

/** The answer to a claim of a run that somebody else drives. */
const held = (store: Store, runId: RunId) =>
  Effect.map(store.run(runId), (run): RunStore.Claim => ({ _tag: "Held", run: Option.getOrThrow(run) }))

const unavailable = new StoreError({
  reason: "unavailable",
  location: "the store",
  operation: "claim",
  message: "the store: it is not there"
})

/** Everything that no more than this time is needed for. */
const pass = (millis: number) => Effect.zipRight(TestClock.adjust(millis), quiet)

describe("a run that is submitted", () => {
  it.scoped("is driven at once by an engine of the same process that owns its Dag", () =>
    Effect.gen(function* () {
      const { dag, ran } = gated(true)
      const engine = yield* begin({ dags: [dag], poll: Duration.infinity })
      yield* quiet
      assert.strictEqual(yield* engine.within(Engine.submit(dag, { n: 1 }, { runId: id })), id)
      yield* ends()
      assert.deepStrictEqual(ran, [1])
      assert.deepInclude(yield* rowOf(), { epoch: 1, recoveries: 0, quarantined: false })
      const [first] = yield* Harness.historyOf()
      assert.deepInclude(first, { _tag: "RunTransition", status: "running", epoch: 1, seq: 1 })
      assert.deepStrictEqual(yield* engine.within(Engine.execute(dag, { n: 1 }, { runId: id })), { work: 2 })
      assert.deepStrictEqual(ran, [1])
    }).pipe(Effect.provide(store))
  )

  it.scoped("is driven by an engine of another process when that looks next, and not before", () =>
    Effect.gen(function* () {
      const { dag, ran } = gated(true)
      const worker = yield* begin({ dags: [dag], poll: "1 second" })
      const submitter = yield* begin({ dags: [] })
      yield* quiet
      yield* submitter.within(Engine.submit(dag, { n: 1 }, { runId: id }))
      yield* pass(999)
      assert.deepStrictEqual(ran, [])
      assert.deepInclude(yield* rowOf(), { owner: "", epoch: 0, seq: 0, status: "running" })
      const { epoch, status } = yield* worker.within(Engine.get(id))
      assert.deepStrictEqual({ epoch, status }, { epoch: 0, status: "running" })
      // who watches waits for its driver too
      const watching = yield* Effect.fork(submitter.within(Stream.runCollect(Engine.watch(id))))
      yield* pass(1)
      yield* ends()
      assert.deepStrictEqual(ran, [1])
      yield* pass(1000)
      const events = Chunk.toReadonlyArray(yield* Fiber.join(watching))
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        events.map((_, i) => i + 1)
      )
      assert.deepInclude(events[0], { _tag: "Started", epoch: 1 })
      assert.deepInclude(events.at(-1), { _tag: "Finished", status: "completed" })
    }).pipe(Effect.provide(store))
  )

  it.scoped("survives the end of its process before anybody drove it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { dag, ran } = gated(true)
      const open = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>>) =>
        Heddle.layerSqlite<D>({ filename, engine: { poll: Duration.infinity, ...options } })
      const runIds = ids(3)
      yield* Effect.forEach(runIds, (runId, n) => Engine.submit(dag, { n }, { runId, concurrency: 7 })).pipe(
        Effect.provide(open({}))
      )
      assert.deepStrictEqual(ran, [])
      yield* Effect.gen(function* () {
        for (const runId of runIds) {
          yield* eventually(Effect.map(Engine.get(runId), ({ status }) => status === "completed"))
        }
        const runs = yield* Effect.forEach(runIds, (runId) =>
          Timeline.Timeline.pipe(Effect.flatMap((t) => t.get(runId)))
        )
        for (const run of runs) {
          const { policy, snapshot } = Option.getOrThrow(run)
          assert.strictEqual(snapshot.epoch, 1)
          assert.strictEqual(policy.concurrency, 7)
        }
        assert.isTrue((yield* Engine.list()).every(({ recoveries }) => recoveries === 0))
      }).pipe(Effect.provide(open({ dags: [dag] })))
      assert.sameMembers(ran, [0, 1, 2])
    })
  )

  it.scoped("stays as it is while no engine owns its Dag, and is driven by who starts it", () =>
    Effect.gen(function* () {
      const { ran, work } = gated(true)
      const other = gated(true)
      const engine = yield* begin({ dags: [other.dag] })
      const Mine = Dag.make("mine", { outputs: { only: work } })
      yield* engine.within(Engine.submit(Mine, { n: 4 }, { runId: id }))
      yield* pass(60_000)
      assert.deepStrictEqual([ran, other.ran], [[], []])
      assert.deepInclude(yield* rowOf(), { owner: "", epoch: 0, seq: 0, status: "running" })
      const handle = yield* engine.within(Engine.start(Mine, { n: 4 }, { runId: id }))
      assert.deepStrictEqual(yield* withTime(handle.await), { only: 8 })
      assert.deepInclude(yield* rowOf(), { epoch: 1, recoveries: 0 })
    }).pipe(Effect.provide(store))
  )

  it.scoped("twice is there once, whatever has become of it; with another Dag or other inputs it is refused", () =>
    Effect.gen(function* () {
      const { dag, open, ran, work } = gated()
      const Other = Dag.make("other", { outputs: { other: work } })
      const submitter = yield* begin()
      const again = Effect.gen(function* () {
        const before = yield* rowOf()
        assert.strictEqual(yield* submitter.within(Engine.submit(dag, { n: 1 }, { runId: id })), id)
        for (const [refused, differs] of [
          [Engine.submit(dag, { n: 2 }, { runId: id }), "input"],
          [Engine.submit(Other, { n: 1 }, { runId: id }), "dag"]
        ] as const) {
          assert.deepInclude(yield* Effect.flip(submitter.within(refused)), { _tag: "RunConflict", runId: id, differs })
        }
        assert.deepStrictEqual(yield* rowOf(), before)
      })
      const both = submitter.within(Engine.submit(dag, { n: 1 }, { runId: id }))
      assert.deepStrictEqual(yield* Effect.all([both, both], { concurrency: 2 }), [id, id])
      yield* again
      yield* begin({ dags: [dag] })
      yield* eventually(Effect.sync(() => ran.length > 0))
      yield* again
      yield* open
      yield* pass(20)
      yield* ends()
      yield* again
      assert.deepStrictEqual(ran, [1])
    }).pipe(Effect.provide(store))
  )

  it.scoped("is the same run as one that was started", () =>
    Effect.gen(function* () {
      const { dag, open, ran } = gated()
      const engine = yield* begin({ dags: [dag] })
      const handle = yield* engine.within(Engine.start(dag, { n: 1 }, { runId: id }))
      yield* engine.within(Engine.submit(dag, { n: 1 }, { runId: id }))
      yield* pass(1000)
      yield* open
      assert.deepStrictEqual(yield* withTime(handle.await), { work: 2 })
      assert.deepStrictEqual(ran, [1])
      assert.strictEqual((yield* rowOf()).epoch, 1)
    }).pipe(Effect.provide(store))
  )

  it.scoped("has an id of its own where none is given", () =>
    Effect.gen(function* () {
      const { dag } = gated(true)
      const engine = yield* begin()
      const submit = engine.within(Engine.submit(dag, { n: 1 }))
      const runIds = [yield* submit, yield* submit]
      assert.strictEqual(new Set(runIds).size, 2)
      const listed = yield* engine.within(Engine.list())
      assert.sameMembers(
        listed.map(({ runId }) => runId),
        runIds
      )
    }).pipe(Effect.provide(store))
  )

  it.scoped("is refused, and nothing is stored, where it could not be driven", () =>
    Effect.gen(function* () {
      const { dag } = gated(true)
      const engine = yield* begin()
      const forgetful = yield* begin({ durability: "memory" })
      const wrong = Engine.submit(dag, { n: 1.5 }, { runId: id })
      assert.deepInclude(yield* Effect.flip(engine.within(wrong)), { _tag: "InputInvalid", dag: "gated" })
      for (const attempt of [
        engine.within(Engine.submit(dag, { n: 1 }, { runId: id, durability: "memory" })),
        engine.within(Engine.submit(dag, { n: 1 }, { runId: id, concurrency: 0 })),
        forgetful.within(Engine.submit(dag, { n: 1 }, { runId: id }))
      ]) {
        const exit = yield* Effect.exit(attempt)
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }
      assert.isTrue(Option.isNone(yield* Effect.flatMap(RunStore.RunStore, (store) => store.run(id))))
      yield* forgetful.within(Engine.submit(dag, { n: 1 }, { runId: id, durability: "buffered" }))
      assert.strictEqual(yield* statusOf(), "running")
    }).pipe(Effect.provide(store))
  )

  it.scoped("needs neither the services of its Dag nor its limits where it is submitted", () =>
    Effect.gen(function* () {
      class Secret extends Context.Tag("test/Secret")<Secret, number>() {}
      const told = Module.make("told", { needs: { n }, output: Schema.Int, run: () => Secret, limit: "few" })
      const Told = Dag.make("told", { outputs: { told } })
      const submitter = yield* begin()
      yield* submitter.within(Engine.submit(Told, { n: 1 }, { runId: id }))
      yield* begin({ dags: [Told], limits: { few: 1 } }).pipe(Effect.provideService(Secret, 42))
      yield* ends()
      const outputs = yield* Effect.flatMap(RunStore.RunStore, (store) => store.outputs(id, ["told"]))
      assert.deepStrictEqual([...outputs], [["told", "42"]])
    }).pipe(Effect.provide(store))
  )

  it.scoped("is taken up also by an engine that leaves alone what was cut off", () =>
    Effect.gen(function* () {
      const { dag, open, ran } = gated()
      const [cutOff, submitted] = [RunId.make("a"), RunId.make("b")]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const engine = yield* begin()
          yield* engine.within(Engine.start(dag, { n: 1 }, { runId: cutOff }))
          yield* eventually(Effect.sync(() => ran.length === 1))
        })
      )
      yield* open
      const engine = yield* begin({ dags: [dag], recover: false, poll: Duration.infinity })
      yield* engine.within(Engine.submit(dag, { n: 2 }, { runId: submitted }))
      yield* ends(submitted)
      assert.deepStrictEqual(ran, [1, 2])
      assert.strictEqual(yield* statusOf(cutOff), "running")
    }).pipe(Effect.provide(store))
  )
})

describe("engines that share runs", () => {
  it.scoped("drive no more of them at once than they have room for, and each run once", () =>
    Effect.gen(function* () {
      const [here, there] = [gated(), gated()]
      // two processes with the same Dag
      const a = yield* begin({ dags: [here.dag], maxRuns: 3 })
      yield* begin({ dags: [there.dag], maxRuns: 4 })
      const runIds = ids(20)
      yield* quiet
      yield* a.within(Effect.forEach(runIds, (runId, n) => Engine.submit(here.dag, { n }, { runId })))
      yield* quiet
      // the one that was not told has yet to look
      assert.deepStrictEqual([here.ran.length, there.ran.length], [3, 0])
      yield* pass(1000)
      assert.deepStrictEqual([here.ran.length, there.ran.length], [3, 4])
      yield* pass(10_000)
      assert.deepStrictEqual([here.ran.length, there.ran.length], [3, 4])
      yield* Effect.zipRight(here.open, there.open)
      // no poll is needed any more: the end of one makes room for the next
      yield* withTime(Effect.forEach(runIds, (runId) => ends(runId)))
      assert.sameMembers(
        [...here.ran, ...there.ran],
        runIds.map((_, n) => n)
      )
      assert.isAbove(there.ran.length, 4)
      for (const runId of runIds) assert.deepInclude(yield* rowOf(runId), { epoch: 1, recoveries: 0 })
    }).pipe(Effect.provide(store))
  )

  it.effect.prop(
    "whatever their number, their room, and how long the runs take: no run is driven twice, and none is left",
    {
      rooms: fc.array(fc.option(fc.integer({ min: 1, max: 4 }), { nil: Infinity }), { minLength: 1, maxLength: 3 }),
      works: fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 6 }),
      submitters: fc.integer({ min: 0, max: 2 })
    },
    ({ rooms, submitters, works }) =>
      VirtualClock.test((time) =>
        Effect.gen(function* () {
          const begun: Array<number> = []
          const engines = yield* Effect.forEach(
            [...rooms, ...Array.from({ length: submitters }, () => 0)],
            (maxRuns) => {
              const state = { now: 0, most: 0 }
              const work = Module.make("work", {
                needs: { n },
                output: Schema.Int,
                run: ({ n }) =>
                  Effect.gen(function* () {
                    begun.push(n)
                    state.most = Math.max(state.most, ++state.now)
                    yield* Effect.sleep(works[n]!)
                    state.now--
                    return n
                  })
              })
              const dag = Dag.make("work", { outputs: { work } })
              const process = maxRuns === 0 ? begin() : begin({ dags: [dag], maxRuns })
              return Effect.map(process, ({ within }) => ({ dag, maxRuns, state, within }))
            }
          )
          const runIds = ids(works.length)
          yield* Effect.forEach(
            runIds,
            (runId, n) => {
              const { dag, within } = engines[n % engines.length]!
              return within(Engine.submit(dag, { n }, { runId }))
            },
            { concurrency: 3 }
          )
          yield* time.advance(7_000)
          assert.sameMembers(
            begun,
            works.map((_, n) => n)
          )
          for (const { maxRuns, state } of engines) assert.isAtMost(state.most, maxRuns)
          for (const runId of runIds) assert.deepInclude(yield* rowOf(runId), { status: "completed", epoch: 1 })
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(store)))
      ),
    { fastCheck: { numRuns } }
  )

  it.scoped("have room again for each run that is suspended, and none is taken by runs that were begun by hand", () =>
    Effect.gen(function* () {
      const pause = Module.sleep("pause", { duration: "20 seconds" })
      const Pausing = Dag.make("pausing", { outputs: { pause } })
      const { dag, open, ran } = gated()
      const engine = yield* begin({ dags: [Pausing, dag], maxRuns: 1 })
      yield* engine.within(
        Effect.gen(function* () {
          const runIds = ids(5)
          yield* Effect.forEach(runIds, (runId) => Engine.submit(Pausing, {}, { runId }))
          for (const runId of runIds) {
            yield* eventually(Effect.map(statusOf(runId), (status) => status === "suspended"))
          }
          const byHand = yield* Effect.forEach([7, 8], (n) => Engine.start(dag, { n }))
          yield* Engine.submit(dag, { n: 9 }, { runId: id })
          yield* eventually(Effect.sync(() => ran.length === 3))
          // it is full now: what is due waits, unless somebody asks for it
          yield* pass(20_000)
          for (const runId of runIds) assert.strictEqual(yield* statusOf(runId), "suspended")
          yield* Effect.forEach(runIds.slice(0, 2), (runId) => Engine.resume(Pausing, runId))
          yield* open
          yield* withTime(Effect.forEach(byHand, (handle) => handle.await))
          yield* withTime(Effect.forEach(runIds, (runId) => ends(runId)))
        })
      )
    }).pipe(Effect.provide(store))
  )

  for (const [what, answer] of [
    ["another was faster", (store: Store, runId: RunId) => held(store, runId)],
    ["the store fails", () => unavailable]
  ] as const) {
    it.scoped(`have room for the next run where ${what}`, () =>
      Effect.gen(function* () {
        const { dag, ran } = gated(true)
        const [first, ...others] = ids(4)
        const submitter = yield* begin()
        yield* submitter.within(Effect.forEach([first!, ...others], (runId, n) => Engine.submit(dag, { n }, { runId })))
        const faulty = Layer.effect(
          RunStore.RunStore,
          Effect.map(RunStore.RunStore, (store) => ({
            ...store,
            claim: (request) => (request.runId === first ? answer(store, request.runId) : store.claim(request))
          }))
        )
        yield* Layer.build(
          Layer.provide(Harness.engine({ dags: [dag], maxRuns: 1, poll: Duration.infinity }), Layer.fresh(faulty))
        )
        yield* Effect.forEach(others, (runId) => ends(runId))
        assert.deepStrictEqual(ran, [1, 2, 3])
      }).pipe(Effect.provide(store), Effect.provide(Logger.remove(Logger.defaultLogger)))
    )
  }

  it.scoped("take what Engine.recover asks for, however full they are", () =>
    Effect.gen(function* () {
      const { dag, ran } = gated()
      const submitter = yield* begin()
      const runIds = ids(6)
      yield* submitter.within(Effect.forEach(runIds, (runId, n) => Engine.submit(dag, { n }, { runId })))
      const engine = yield* begin({ dags: [dag], maxRuns: 2 })
      yield* eventually(Effect.sync(() => ran.length === 2))
      const { recovered } = yield* engine.within(Engine.recover)
      assert.sameMembers([...recovered], runIds.slice(2))
      yield* eventually(Effect.sync(() => ran.length === 6))
    }).pipe(Effect.provide(store))
  )

  for (const maxRuns of [0, -1, 1.5, NaN]) {
    it.scoped(`cannot have room for ${maxRuns}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(begin({ maxRuns }))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause) && /maxRuns/.test(Cause.pretty(exit.cause)))
      }).pipe(Effect.provide(store))
    )
  }
})
