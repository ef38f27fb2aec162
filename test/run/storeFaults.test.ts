/** A store that fails, dies or hangs, once or for a while. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, LogLevel, Option, ParseResult, Schema, TestClock } from "effect"
import { Dag, Engine, Module, RunId } from "heddle"
import { down, engineOver, memory, type Store } from "./FaultyStore.js"
import { alone, engine, id, quiet, store, storedRun, withTime } from "./Harness.js"

const silent = Logger.withMinimumLogLevel(LogLevel.None)

const statusIn = (store: Store, runId = id) => Effect.map(store.run(runId), (run) => Option.getOrThrow(run).status)

/** Lets the clock run in steps of a second. */
const seconds = (n: number) => Effect.repeatN(TestClock.adjust("1 second"), n - 1)

/** A Dag that ends with "boom" behind a value that decodes until it is told otherwise. */
const failing = () => {
  const state = { decodes: true }
  const picky = Schema.transformOrFail(Schema.Int, Schema.Int, {
    strict: true,
    encode: (n) => ParseResult.succeed(n),
    decode: (n, _, ast) => (state.decodes ? ParseResult.succeed(n) : ParseResult.fail(new ParseResult.Type(ast, n)))
  }).annotations({ identifier: "Picky" })
  const a = Module.make("a", { output: picky, run: () => Effect.succeed(1) })
  const b = Module.make("b", {
    needs: { a },
    output: Schema.Int,
    error: Schema.String,
    run: () => Effect.fail("boom")
  })
  return { dag: Dag.make("failing", { outputs: { b } }), state }
}

describe("a resume of a failed run that is refused", () => {
  it.effect("leaves the run as it was, when a stored value does not decode", () =>
    Effect.gen(function* () {
      const { dag, state } = failing()
      assert.strictEqual(yield* Effect.flip(Engine.execute(dag, {}, { runId: id })), "boom")
      const before = yield* storedRun()
      state.decodes = false
      const error = yield* Effect.flip(Engine.resume(dag, id))
      assert.strictEqual(typeof error === "string" ? error : error._tag, "StoredValueInvalid")
      assert.deepStrictEqual(yield* storedRun(), before)
      state.decodes = true
      assert.strictEqual(yield* Effect.flip(Engine.execute(dag, {}, { runId: id })), "boom")
    }).pipe(Effect.provide(alone()))
  )

  for (const method of ["get", "outputs", "claim"] as const) {
    it.scoped(`leaves the run as it was, when the store fails in "${method}"`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        const { dag } = failing()
        yield* Effect.flip(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(engineOver(stored)))
        const before = Option.getOrThrow(yield* stored.get(id))
        const broken: Store = { ...stored, [method]: () => down }
        const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engineOver(broken)))
        assert.strictEqual(error, down)
        const after = Option.getOrThrow(yield* stored.get(id))
        assert.deepStrictEqual(after, before)
      })
    )
  }

  it.scoped("leaves the run as it was, when it is interrupted while the store is read", () =>
    Effect.gen(function* () {
      const stored = yield* memory
      const { dag } = failing()
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(engineOver(stored)))
      const before = Option.getOrThrow(yield* stored.get(id))
      const hangs = yield* Deferred.make<void>()
      const slow: Store = {
        ...stored,
        outputs: () => Effect.zipRight(Deferred.succeed(hangs, undefined), Effect.never)
      }
      const resuming = yield* Effect.fork(Engine.resume(dag, id).pipe(Effect.provide(engineOver(slow))))
      yield* Deferred.await(hangs)
      yield* Fiber.interrupt(resuming)
      assert.deepStrictEqual(Option.getOrThrow(yield* stored.get(id)), before)
    })
  )
})

describe("a store that fails while the result of a run that has ended is read", () => {
  it.scoped("is a StoreError, not a defect", () =>
    Effect.gen(function* () {
      const stored = yield* memory
      const dag = Dag.make("d", { outputs: { a: Module.pure("a", { output: Schema.Int, run: () => 1 }) } })
      yield* Engine.execute(dag, {}, { runId: id }).pipe(Effect.provide(engineOver(stored)))
      for (const method of ["get", "outputs"] as const) {
        const broken: Store = { ...stored, [method]: () => down }
        const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(engineOver(broken)))
        assert.deepStrictEqual(exit, Exit.fail(down), method)
      }
    })
  )
})

describe("the waker", () => {
  it.effect("drives a run on that is behind hundreds which cannot be driven", () =>
    Effect.gen(function* () {
      let decodes = true
      const picky = Schema.transform(Schema.Int, Schema.Int, {
        strict: true,
        encode: (n) => n,
        decode: (n) => {
          if (!decodes && n === 0) throw new Error("it does not decode")
          return n
        }
      }).annotations({ identifier: "Picky" })
      const n = Module.input("n", picky)
      const pause = Module.sleep("pause", { duration: "1 minute" })
      const m = Module.make("m", { needs: { n, pause }, output: Schema.Int, run: ({ n }) => Effect.succeed(n) })
      const dag = Dag.make("d", { outputs: { m } })
      const good = RunId.make("good")
      const start = Effect.gen(function* () {
        for (let i = 0; i < 210; i++) yield* Engine.start(dag, { n: 0 }, { runId: RunId.make(`bad${i}`) })
        yield* TestClock.adjust("1 second")
        yield* Effect.exit(Engine.execute(dag, { n: 1 }, { runId: good })).pipe(withTime)
      })
      yield* start.pipe(Effect.provide(engine()))
      assert.strictEqual((yield* storedRun(good)).status, "suspended")
      decodes = false
      yield* Effect.scoped(
        Effect.zipRight(
          Layer.build(engine({ dags: [dag], poll: "5 seconds" })),
          Effect.repeatN(TestClock.adjust("5 seconds"), 20)
        )
      )
      assert.strictEqual((yield* storedRun(good)).status, "completed")
      assert.strictEqual((yield* storedRun(RunId.make("bad0"))).status, "suspended")
    }).pipe(Effect.provide(store), silent)
  )

  for (const method of ["due", "signals"] as const) {
    for (const [how, fault] of [
      ["fails", down],
      ["dies", Effect.die("a fault of the store")]
    ] as const) {
      it.scoped(`goes on after the store ${how} in "${method}"`, () =>
        Effect.gen(function* () {
          const stored = yield* memory
          let faults = 0
          const broken: Store = {
            ...stored,
            [method]: (given: never) => (faults++ === 0 ? fault : stored[method](given))
          }
          const hold = Module.make("hold", { output: Schema.Void, run: () => Effect.sleep("3 seconds") })
          const asked = Module.signal("asked", { value: Schema.Int })
          const pause = Module.sleep("pause", { needs: { asked }, duration: "10 seconds" })
          const dag = Dag.make("d", { outputs: { pause, hold } })
          const context = yield* Layer.build(engineOver(broken, { engine: { dags: [dag], poll: "1 second" } }))
          yield* Effect.fork(Effect.provide(Engine.execute(dag, {}, { runId: id }), context))
          yield* seconds(5)
          // a signal of another process: the waker of this one finds it
          yield* Engine.signal(id, asked, 1).pipe(Effect.provide(engineOver(stored)))
          yield* seconds(20)
          assert.isAbove(faults, 1)
          assert.strictEqual(yield* statusIn(stored), "completed")
        }).pipe(silent)
      )
    }
  }

  for (const method of ["claim", "get", "signals", "outputs"] as const) {
    it.scoped(`tries a due run again at its next look when the store failed once in "${method}"`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        let isDown = false
        let faults = 0
        const broken: Store = {
          ...stored,
          [method]: (...given: ReadonlyArray<never>) => {
            // the four methods have no signature in common
            if (!isDown) return (stored[method] as (...given: ReadonlyArray<never>) => unknown)(...given)
            isDown = false
            faults++
            return down
          }
        }
        const first = Module.make("first", { output: Schema.Int, run: () => Effect.succeed(1) })
        const pause = Module.sleep("pause", { needs: { first }, duration: "10 seconds" })
        const last = Module.make("last", { needs: { first, pause }, output: Schema.Void, run: () => Effect.void })
        const dag = Dag.make("d", { outputs: { last } })
        yield* Effect.exit(Engine.execute(dag, {}, { runId: id })).pipe(withTime, Effect.provide(engineOver(stored)))
        assert.strictEqual(yield* statusIn(stored), "suspended")
        yield* Layer.build(engineOver(broken, { engine: { dags: [dag], poll: "1 second" } }))
        yield* seconds(5)
        isDown = true
        yield* seconds(10)
        assert.strictEqual(faults, 1)
        assert.strictEqual(yield* statusIn(stored), "completed")
      }).pipe(silent)
    )
  }
})

describe("a signal whose time runs out while the store is broken", () => {
  for (const [how, fault] of [
    ["fails", down],
    ["dies", Effect.die("a fault of the store")]
  ] as const) {
    it.scoped(`cuts the run off and fails no module: it ${how}`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        const asked = Module.signal("asked", { value: Schema.Int, timeout: "1 second", onTimeout: () => 1 })
        const hold = Module.make("hold", { output: Schema.Void, run: () => Effect.sleep("5 seconds") })
        const dag = Dag.make("d", { outputs: { asked, hold } })
        const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId: id })).pipe(
          withTime,
          Effect.provide(engineOver({ ...stored, signal: () => fault }))
        )
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(yield* statusIn(stored), "running")
        const outputs = yield* Engine.resume(dag, id).pipe(withTime, Effect.provide(engineOver(stored)))
        assert.deepStrictEqual(outputs, { asked: 1, hold: undefined })
      }).pipe(silent)
    )
  }
})

describe('a store that hangs in "get"', () => {
  /** Hangs in the n-th call. */
  const hanging = (stored: Store, n: number) =>
    Effect.gen(function* () {
      const hangs = yield* Deferred.make<void>()
      let calls = 0
      const store: Store = {
        ...stored,
        get: (runId) =>
          Effect.suspend(() =>
            ++calls === n ? Effect.zipRight(Deferred.succeed(hangs, undefined), Effect.never) : stored.get(runId)
          )
      }
      return { hangs, store }
    })

  /** A run that was cut off while `hold` ran. */
  const cutOff = (stored: Store) =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      let ran = 0
      const hold = Module.make("hold", {
        output: Schema.Int,
        run: () =>
          Effect.suspend(() =>
            ++ran === 1 ? Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never) : Effect.succeed(1)
          )
      })
      const dag = Dag.make("d", { outputs: { hold } })
      const fiber = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }).pipe(Effect.provide(engineOver(stored))))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      return dag
    })

  for (const [what, n] of [
    ["resume", 1],
    ["resume", 2],
    ["execute", 1],
    ["cancel", 1],
    ["cancel", 2]
  ] as const) {
    it.scoped(`can be waited for no longer, and holds no run: ${what}, in call ${n}`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        const dag = yield* cutOff(stored)
        const { hangs, store } = yield* hanging(stored, n)
        const context = yield* Layer.build(engineOver(store))
        const program: Effect.Effect<unknown, unknown, Engine.Engine> =
          what === "resume"
            ? Engine.resume(dag, id)
            : what === "execute"
              ? Engine.execute(dag, {}, { runId: id })
              : Engine.cancel(dag, id)
        const fiber = yield* Effect.forkDaemon(Effect.provide(program, context))
        yield* Deferred.await(hangs)
        const interrupting = yield* Effect.forkDaemon(Fiber.interrupt(fiber))
        yield* quiet
        yield* seconds(20)
        const exit = yield* Effect.map(Fiber.poll(interrupting), Option.getOrUndefined)
        assert.isDefined(exit)
        assert.deepStrictEqual(yield* Engine.resume(dag, id).pipe(Effect.provide(engineOver(stored))), { hold: 1 })
      }).pipe(silent)
    )
  }

  it.scoped("does not keep an engine whose waker waits for it from being closed", () =>
    Effect.gen(function* () {
      const stored = yield* memory
      const dag = yield* cutOff(stored)
      const { hangs, store } = yield* hanging(stored, 1)
      const fiber = yield* Effect.forkDaemon(
        Effect.scoped(
          Effect.zipRight(
            Layer.build(engineOver(store, { engine: { dags: [dag], poll: "1 second" } })),
            Deferred.await(hangs)
          )
        )
      )
      yield* Deferred.await(hangs)
      yield* quiet
      yield* seconds(20)
      assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)))
      assert.deepStrictEqual(yield* Engine.resume(dag, id).pipe(Effect.provide(engineOver(stored))), { hold: 1 })
    }).pipe(silent)
  )
})
