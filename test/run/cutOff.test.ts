/** Runs that are cut off at an awkward moment, and what the next engine makes of them. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { Dag, Engine, Module, Run } from "heddle"
import { down, engineOver, memory } from "./FaultyStore.js"
import {
  alone,
  cutOffWhen,
  engine,
  eventually,
  id,
  isStored,
  quiet,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  stepsOf,
  store,
  storedRun,
  withTime
} from "./Harness.js"

describe("a stopped run that is cut off after its last module and before its end", () => {
  const stops = Module.make("stops", { output: Schema.Void, run: () => Run.stop })
  const after = Module.make("after", { needs: { stops }, output: Schema.Int, run: () => Effect.succeed(1) })
  const inner = Dag.make("inner", { outputs: { after } })
  const dags: { readonly [where: string]: Dag.Dag<unknown, {}, never, never> } = {
    "the run's own Dag": Dag.make("own", { outputs: { after } }),
    "a child Dag": Dag.make("parent", {
      outputs: { child: Module.dag("child", { dag: inner, input: () => ({}) }) }
    }),
    "an item of a map": Dag.make("over", {
      outputs: { mapped: Module.map("mapped", { over: () => [0], dag: inner, input: () => ({}) }) }
    })
  }

  for (const [where, dag] of Object.entries(dags)) {
    it.scoped(`is stopped when it is resumed: ${where}`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        let isUp = true
        const untilTheEnd = {
          ...stored,
          commit: (batch: Parameters<typeof stored.commit>[0]) => {
            isUp &&= batch.runs.every(({ status }) => status === "running" || status === undefined)
            return isUp ? stored.commit(batch) : down
          }
        }
        const cutOff = engineOver(untilTheEnd, { writer: { batchSize: 1 } })
        yield* Effect.exit(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(cutOff))
        const before = Option.getOrThrow(yield* stored.get(id))
        assert.strictEqual(before.run.status, "running")
        assert.isTrue(before.modules.every(({ status }) => status === "completed" || status === "skipped"))
        const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engineOver(stored)))
        assert.strictEqual(error._tag, "RunStopped")
        assert.strictEqual(Option.getOrThrow(yield* stored.get(id)).run.status, "stopped")
      })
    )
  }

  it.effect("is stopped when it is resumed: what was skipped needs nothing", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const last = Module.make("last", {
        output: Schema.Void,
        run: () =>
          Effect.uninterruptible(
            Effect.zipRight(Deferred.succeed(begun, undefined), Effect.zipRight(Effect.yieldNow(), Run.stop))
          )
      })
      const route = Module.route("route", { branches: ["a"], choose: () => "a" as const })
      const dag = Dag.make("d", { outputs: { last, route } })
      const options = { runId: id, durability: "buffered", concurrency: 1 } as const
      yield* cutOffWhen(Engine.execute(dag, {}, options), Deferred.await(begun)).pipe(Effect.provide(engine()))
      const before = yield* storedRun()
      assert.strictEqual(before.status, "running")
      assert.deepStrictEqual(statusesOf(before), { last: "completed", route: "skipped" })
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert.strictEqual(error._tag, "RunStopped")
    }).pipe(Effect.provide(store))
  )
})

describe("a map that is cut off while its items are cleaned up", () => {
  /** Of each item, `cleanup` and `last` are to run whatever happens; that of item 1 takes until the run is cut off. */
  const cleaned = (work: (n: number) => Effect.Effect<void, string>) => {
    const ran: Array<string> = []
    const state = { isHeld: true, begun: 0 }
    const n = Module.input("n", Schema.Int)
    const works = Module.make("works", {
      needs: { n },
      output: Schema.Void,
      run: ({ n }) => Effect.suspend(() => (state.begun++, work(n)))
    })
    const cleanup = Module.make("cleanup", {
      needs: { works, n },
      join: "always",
      output: Schema.Void,
      run: ({ n }) => (Exit.isSuccess(n) && n.value === 1 && state.isHeld ? Effect.never : Effect.void)
    })
    const last = Module.make("last", {
      needs: { cleanup, n },
      join: "always",
      output: Schema.Void,
      run: ({ n }) => Effect.sync(() => ran.push(`last ${Exit.isSuccess(n) ? n.value : "?"}`))
    })
    const mapped = Module.map("mapped", {
      over: () => [0, 1, 2],
      dag: Dag.make("c", { outputs: { last } }),
      input: (n) => ({ n })
    })
    return { dag: Dag.make("d", { outputs: { mapped } }), ran, state }
  }
  const hasBegun = ({ state }: { readonly state: { readonly begun: number } }) =>
    eventually(Effect.sync(() => state.begun === 3))
  const isCleaningUp = Effect.all([
    isStored("mapped/1/cleanup", "running"),
    isStored("mapped/0/last", "completed"),
    isStored("mapped/2/last", "completed")
  ])
  const hasNothingOpen = Effect.map(storedRun(), (snapshot) =>
    assert.deepStrictEqual(
      Object.entries(statusesOf(snapshot)).filter(([, status]) => /pending|running|suspended/.test(status)),
      []
    )
  )

  it.effect("cleans up the others when the cancellation is repeated", () =>
    Effect.gen(function* () {
      const given = cleaned(() => Effect.never)
      const { dag, ran, state } = given
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(engine())
          const handle = yield* Effect.provide(Engine.start(dag, {}, { runId: id }), context)
          yield* hasBegun(given)
          yield* Effect.fork(handle.cancel)
          yield* isCleaningUp
          yield* quiet
        })
      )
      state.isHeld = false
      yield* withTime(Engine.cancel(dag, id).pipe(Effect.provide(engine())))
      assert.sameMembers(ran, ["last 0", "last 1", "last 2"])
      assert.strictEqual((yield* storedRun()).status, "cancelled")
      yield* hasNothingOpen
    }).pipe(Effect.provide(store))
  )

  it.effect("cleans up the others when the run is resumed after a failure", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const given = cleaned((n) => (n === 2 ? Effect.zipRight(Deferred.await(gate), Effect.fail("two")) : Effect.never))
      const { dag, ran, state } = given
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.gen(function* () {
          yield* hasBegun(given)
          yield* Deferred.succeed(gate, undefined)
          yield* isCleaningUp
          yield* quiet
        })
      ).pipe(Effect.provide(engine()))
      state.isHeld = false
      yield* withTime(Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine())))
      assert.sameMembers(ran, ["last 0", "last 1", "last 2"])
      assert.strictEqual((yield* storedRun()).status, "failed")
      yield* hasNothingOpen
    }).pipe(Effect.provide(store))
  )

  it.effect("does not cancel the run for items that ended with a failed one", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const n = Module.input("n", Schema.Int)
      const work = Module.make("work", {
        needs: { n },
        output: Schema.Void,
        run: ({ n }) => (n === 0 ? Effect.fail("zero") : Effect.uninterruptible(Deferred.await(gate)))
      })
      const waits = Module.signal("waits", { value: Schema.Int })
      const mapped = Module.map("mapped", {
        over: () => [1, 0],
        dag: Dag.make("c", { outputs: { work, waits } }),
        input: (n) => ({ n }),
        onFailure: "skip"
      })
      const other = Module.signal("other", { value: Schema.Int })
      const dag = Dag.make("d", { outputs: { mapped, other } })
      const fiber = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }).pipe(Effect.provide(engine())))
      yield* isStored("mapped/0/waits", "cancelled")
      const closing = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* quiet
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      const error = yield* Effect.flip(Engine.resume(dag, id).pipe(Effect.provide(engine())))
      assert.strictEqual(error._tag, "RunSuspended")
      const snapshot = yield* storedRun()
      assert.strictEqual(statusOf(snapshot, "mapped"), "skipped")
      assert.strictEqual(statusOf(snapshot, "other"), "suspended")
    }).pipe(Effect.provide(store))
  )
})

describe("an attempt of a module that runs at most once, cut off", () => {
  for (const where of ["the run's own Dag", "a child Dag"] as const) {
    it.effect(`is a failure of a run that is cancelled then, not a cancellation: ${where}`, () =>
      Effect.gen(function* () {
        let ran = 0
        const pay = Module.make("pay", {
          output: Schema.Void,
          execution: "atMostOnce",
          run: () => Effect.suspend(() => (++ran === 1 ? Effect.never : Effect.void))
        })
        const own = Dag.make("own", { outputs: { pay } })
        const child = Module.dag("child", { dag: own, input: () => ({}) })
        const isOwn = where === "the run's own Dag"
        const dag: Dag.Dag<unknown, {}, never, never> = isOwn ? own : Dag.make("parent", { outputs: { child } })
        const path = isOwn ? "pay" : "child/pay"
        yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => ran === 1))).pipe(
          Effect.provide(engine())
        )
        yield* Engine.cancel(dag, id).pipe(Effect.provide(engine()))
        const { failure, status } = stateOf(yield* storedRun(), path)
        assert.strictEqual(status, "failed")
        assert.strictEqual(failure?.kind, "cutOff")
        assert.strictEqual(ran, 1)
        // whoever resumes the ended run has found out what became of it
        yield* Engine.resume(dag, id).pipe(Effect.provide(engine()))
        assert.strictEqual(ran, 2)
        assert.deepStrictEqual(yield* stepsOf(path), ["running 1", "failed 1", "running 2", "completed 2"])
      }).pipe(Effect.provide(store))
    )
  }
})

describe("a run that is let go of", () => {
  it.scoped("is let go of when its driver is interrupted meanwhile", () =>
    Effect.gen(function* () {
      const stored = yield* memory
      const suspended = yield* Deferred.make<void>()
      const observed = {
        ...stored,
        commit: (batch: Parameters<typeof stored.commit>[0]) =>
          Effect.tap(stored.commit(batch), () =>
            batch.runs.some(({ status }) => status === "suspended")
              ? Deferred.succeed(suspended, undefined)
              : Effect.void
          )
      }
      const signal = Module.signal("signal", { value: Schema.Int })
      const dag = Dag.make("waits", { outputs: { signal } })
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
        yield* Deferred.await(suspended)
        yield* Fiber.interrupt(fiber)
        yield* Engine.signal(id, signal, 1)
        assert.deepStrictEqual(yield* Engine.resume(dag, id), { signal: 1 })
      }).pipe(Effect.provide(engineOver(observed)))
    })
  )
})

describe("a run that was cancelled and is resumed", () => {
  it.effect("takes up all that a stop had skipped, also what needs it", () =>
    Effect.gen(function* () {
      let ran = 0
      const stops = Module.make("stops", {
        output: Schema.Void,
        run: () => Effect.suspend(() => (++ran === 1 ? Effect.zipRight(Run.stop, Effect.never) : Effect.void))
      })
      const waits = Module.signal("waits", { value: Schema.Int })
      const after = Module.make("after", {
        needs: { waits },
        output: Schema.Int,
        run: ({ waits }) => Effect.succeed(waits + 1)
      })
      const dag = Dag.make("d", { outputs: { stops, after } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "after", "skipped")
      yield* handle.cancel
      const before = yield* storedRun()
      assert.strictEqual(before.status, "cancelled")
      assert.strictEqual(stateOf(before, "waits").because, "stop")
      assert.strictEqual(stateOf(before, "after").because, "stop")
      yield* Effect.flip(Engine.resume(dag, id))
      yield* Engine.signal(id, waits, 1)
      assert.strictEqual((yield* Engine.resume(dag, id)).after, 2)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("leaves alone what a branch had skipped inside of a child that completed", () =>
    Effect.gen(function* () {
      const route = Module.route("route", { branches: ["left", "right"], choose: () => "left" as const })
      const right = Module.pure("right", { when: route.is("right"), run: () => 1 })
      const inner = Dag.make("c", { outputs: { right } })
      const child = Module.dag("child", { dag: inner, input: () => ({}) })
      const mapped = Module.map("mapped", { over: () => [0], dag: inner, input: () => ({}) })
      const later = Module.signal("later", { value: Schema.Int, needs: { child, mapped } })
      const dag = Dag.make("d", { outputs: { later } })
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      yield* Engine.cancel(dag, id)
      yield* Effect.flip(Engine.resume(dag, id))
      const snapshot = yield* storedRun()
      assert.strictEqual(statusOf(snapshot, "child/right"), "skipped")
      assert.strictEqual(statusOf(snapshot, "mapped/0/right"), "skipped")
      assert.strictEqual(statusOf(snapshot, "later"), "suspended")
    }).pipe(Effect.provide(alone()))
  )
})
