import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Duration, Effect, Exit, Fiber, Layer, Ref, Schedule, Schema, TestClock } from "effect"
import {
  Dag,
  Engine,
  Failed,
  Heddle,
  Module,
  ModuleError,
  ModuleTimedOut,
  Run,
  RunId,
  RunStore,
  StoreError
} from "heddle"
import {
  alone,
  Bad,
  cutOffWhen,
  engine,
  eventually,
  historyOf,
  id,
  isStored,
  quiet,
  reaches,
  stateOf,
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"

const bad = new Bad({ why: "bad" })
const breaks = Module.make("breaks", { output: Schema.String, run: () => bad })
const never = <const Name extends string>(name: Name) =>
  Module.make(name, { output: Schema.String, run: () => Effect.never })

const tagsOf = (cause: Cause.Cause<unknown>) =>
  Chunk.toArray(Cause.failures(cause)).map((error) => (error as { readonly _tag: string })._tag)

describe("onFailure", () => {
  it.effect("skip: the run goes on, though it is failFast, and keeps the error", () =>
    Effect.gen(function* () {
      const lenient = Module.make("lenient", { output: Schema.String, error: Bad, onFailure: "skip", run: () => bad })
      const below = Module.pure("below", { needs: { lenient }, run: () => 1 })
      const sees = Module.pure("sees", { needs: { lenient, below }, join: "always", run: (needs) => needs })
      const slow = Module.make("slow", { output: Schema.Number, run: () => Effect.as(Effect.sleep("1 hour"), 1) })
      const handle = yield* Engine.start(Dag.make("lenient", { outputs: { sees, below, slow } }), {}, { runId: id })
      yield* reaches(handle, "sees", "completed")
      yield* TestClock.adjust("1 hour")
      const { below: none, sees: seen, slow: one } = yield* handle.await
      assert.strictEqual(one, 1)
      assert.strictEqual(none._tag, "None")
      assert.deepStrictEqual(seen.lenient, Exit.fail(bad))
      assert.strictEqual(Exit.isFailure(seen.below), true)
      const state = stateOf(yield* storedRun(), "lenient")
      assert.strictEqual(state.status, "skipped")
      assert.strictEqual(state.attempt, 1)
      assert.deepStrictEqual(state.failure?.error, { _tag: "Bad", why: "bad" })
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("skip: of maps and child Dags, in whatever way they fail", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", {
        over: () => [1, 2, 3],
        output: Schema.Number,
        onFailure: "skip",
        run: (n) => (n === 2 ? Effect.die("boom") : Effect.never)
      })
      const child = Dag.make("child", { outputs: { breaks, other: never("other") } })
      const nested = Module.dag("nested", { dag: child, input: () => ({}), onFailure: "skip" })
      const after = Module.pure("after", { needs: { mapped, nested }, join: "noneFailed", run: (needs) => needs })
      const { after: seen } = yield* Engine.execute(Dag.make("skips", { outputs: { after } }), {}, { runId: id })
      assert.strictEqual(seen.mapped._tag, "None")
      assert.strictEqual(seen.nested._tag, "None")
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(stateOf(snapshot, "mapped").failure?.kind, "defect")
      assert.strictEqual(statusOf(snapshot, "nested/breaks"), "failed")
      assert.strictEqual(statusOf(snapshot, "nested/other"), "cancelled")
      assert.strictEqual(snapshot.status, "completed")
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("a fallback is evaluated only for a failure, once, with its cause: errors, timeouts, defects", () =>
    Effect.gen(function* () {
      const causes: Array<Cause.Cause<unknown>> = []
      const attempts: Array<number> = []
      const fallback = (cause: Cause.Cause<unknown>) =>
        Effect.map(Run.attempt, (attempt) => {
          causes.push(cause)
          attempts.push(attempt)
          return -1
        })
      const options = { output: Schema.Number, onFailure: fallback }
      const fine = Module.make("fine", { ...options, run: () => Effect.succeed(1) })
      const fails = Module.make("fails", { ...options, retry: Schedule.recurs(2), run: () => Effect.fail(bad) })
      const dies = Module.make("dies", { ...options, run: () => Effect.die("boom") })
      const slow = Module.make("slow", { ...options, timeout: "1 second", run: () => Effect.never })
      const dag = Dag.make("fallbacks", { outputs: { fine, fails, dies, slow } })
      const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(run), { fine: 1, fails: -1, dies: -1, slow: -1 })
      assert.strictEqual(causes.length, 3)
      assert.sameDeepMembers(
        causes.flatMap((cause) => [...Cause.failures(cause)]),
        [bad, new ModuleTimedOut({ module: "slow", attempt: 1, millis: 1000 })]
      )
      assert.strictEqual(causes.filter(Cause.isDie).length, 1)
      assert.sameMembers(attempts, [1, 1, 3])
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(snapshot.status, "completed")
      assert.strictEqual(stateOf(snapshot, "fails").attempt, 3)
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("a fallback's own failure is the module's, and the report keeps both causes", () =>
    Effect.gen(function* () {
      class Worse extends Schema.TaggedError<Worse>()("Worse", { also: Schema.String }) {}
      const both = Module.make("both", {
        output: Schema.Number,
        error: Worse,
        run: () => Effect.fail(bad),
        onFailure: (_: Cause.Cause<Bad | ModuleTimedOut | ModuleError.ModuleCutOff>) => new Worse({ also: "worse" })
      })
      const sees = Module.make("sees", {
        needs: { both },
        join: "always",
        output: Schema.Void,
        run: ({ both }) => Effect.sync(() => assert.deepStrictEqual(both, Exit.fail(new Worse({ also: "worse" }))))
      })
      const dies = Module.make("dies", {
        output: Schema.Number,
        run: () => Effect.fail(bad),
        onFailure: () => Effect.die(new Error("no fallback"))
      })
      const dag = Dag.make("both", { outputs: { sees, dies } })
      const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId: id, onFailure: "continue" }))
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual(
        tagsOf(exit.cause),
        ["Worse", "RunFailed"],
        "the error that was made up for is none any more"
      )
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(statusOf(snapshot, "sees"), "completed")
      const { failure } = stateOf(snapshot, "both")
      assert.deepStrictEqual(failure?.error, { _tag: "Worse", also: "worse" })
      assert.include(failure?.cause, "Worse")
      assert.include(failure?.cause, "Bad")
      const died = stateOf(snapshot, "dies").failure!
      assert.include(died.cause, "no fallback")
      assert.include(died.cause, "Bad")
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("a fallback's output is stored like any other: a resume does not compute it again", () =>
    Effect.gen(function* () {
      const evaluated = yield* Ref.make(0)
      const made = Module.make("made", {
        output: Schema.Number,
        run: () => Effect.fail(bad),
        onFailure: () => Ref.updateAndGet(evaluated, (_) => _ + 1)
      })
      const gate = yield* Effect.makeLatch(false)
      const after = Module.make("after", {
        needs: { made },
        output: Schema.Number,
        run: ({ made }) => gate.whenOpen(Effect.succeed(made * 10))
      })
      const dag = Dag.make("made", { outputs: { after } })
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), isStored("made", "completed")).pipe(
        Effect.provide(engine())
      )
      yield* gate.open
      assert.deepStrictEqual(yield* Effect.provide(Engine.resume(dag, id), engine()), { after: 10 })
      assert.strictEqual(yield* Ref.get(evaluated), 1)
    }).pipe(Effect.provide(store))
  )
})

describe("an unhandled failure", () => {
  it.effect("settles what stands behind it at once, before anything else of the run ends", () =>
    Effect.gen(function* () {
      const slow = never("slow")
      const below = Module.pure("below", { needs: { breaks, slow }, run: () => 1 })
      const further = Module.pure("further", { needs: { below }, run: () => 1 })
      const dag = Dag.make("order", { outputs: { further, slow } })
      const statusOrder = Effect.map(historyOf(), (history) =>
        history.flatMap((transition) =>
          transition._tag === "ModuleTransition" && transition.status !== "running"
            ? [`${transition.module} ${transition.status}`]
            : []
        )
      )
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.deepStrictEqual(yield* statusOrder, [
        "breaks failed",
        "below skipped",
        "further skipped",
        "slow cancelled"
      ])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("under continue lets the rest run, and settles what stands behind it while the rest still runs", () =>
    Effect.gen(function* () {
      const slow = Module.make("slow", { output: Schema.Number, run: () => Effect.as(Effect.sleep("1 hour"), 1) })
      const below = Module.pure("below", { needs: { breaks, slow }, run: () => 1 })
      const handle = yield* Engine.start(
        Dag.make("rest", { outputs: { below, slow } }),
        {},
        { runId: id, onFailure: "continue" }
      )
      yield* Effect.zipRight(TestClock.adjust("1 second"), isStored("below", "skipped"))
      assert.strictEqual(statusOf(yield* handle.snapshot, "slow"), "running")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Effect.flip(handle.await))._tag, "Bad")
      assert.strictEqual(statusOf(yield* handle.snapshot, "slow"), "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is reported with its path, its attempt and its chain of causes, also from nested child Dags", () =>
    Effect.gen(function* () {
      const deep = Module.make("deep", {
        output: Schema.Void,
        retry: Schedule.recurs(1),
        run: () =>
          Effect.flatMap(Run.attempt, (attempt) =>
            attempt === 1 ? Effect.fail(bad) : Effect.die(new Error("outer", { cause: new Error("inner") }))
          )
      })
      const inner = Module.dag("inner", { dag: Dag.make("inner", { outputs: { deep } }), input: () => ({}) })
      const each = Module.map("each", {
        over: () => ["only"],
        dag: Dag.make("middle", { outputs: { inner } }),
        input: () => ({})
      })
      const error = yield* Effect.flip(Engine.execute(Dag.make("outer", { outputs: { each } }), {}))
      assert(error._tag === "RunFailed")
      const paths = ["each", "each/0/inner", "each/0/inner/deep"]
      assert.sameMembers(
        error.failures.map(({ module }) => module),
        paths
      )
      for (const { failure } of error.failures) assert.strictEqual(failure.kind, "defect")
      const deepest = error.failures.find(({ module }) => module === paths[2])!
      assert.strictEqual(deepest.attempt, 2)
      assert.include(deepest.failure.cause, "outer")
      assert.include(deepest.failure.cause, "inner")
      for (const path of paths) assert.include(error.message, path)
      // the cause that is at hand is that of the run's own module: its chain leads down to the module that failed
      const top = error.failures.find(({ module }) => module === "each")!
      const [first] = [...Cause.failures(top.cause!)]
      assert.strictEqual((first as { readonly _tag: string })._tag, "ChildFailed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of a module's own typed error comes through child Dags and maps as it is", () =>
    Effect.gen(function* () {
      const nested = Module.dag("nested", { dag: Dag.make("child", { outputs: { breaks } }), input: () => ({}) })
      const error = yield* Effect.flip(Engine.execute(Dag.make("typed", { outputs: { nested } }), {}, { runId: id }))
      assert.strictEqual(error, bad)
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(stateOf(snapshot, "nested").failure?.kind, "error")
      assert.strictEqual(stateOf(snapshot, "nested/breaks").failure?.kind, "error")
    }).pipe(Effect.provide(alone()))
  )
})

describe("what the engine refuses", () => {
  const refusal = <O, E>(dag: Dag.Dag<O, {}, E, never>, options: Partial<Engine.Options> = {}) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert((error as { readonly _tag: string })._tag === "RunFailed")
      const { failures } = error as unknown as {
        readonly failures: ReadonlyArray<{ readonly cause: Cause.Cause<unknown> }>
      }
      const state = stateOf(yield* Engine.get(id), "refused")
      assert.strictEqual(state.failure?.kind, "refused")
      return Chunk.toArray(Cause.failures(failures[0]!.cause))
    }).pipe(Effect.provide(alone(options)))

  it.effect("a route that chooses what is no branch", () =>
    Effect.gen(function* () {
      const outside: unknown = "sideways"
      const route = Module.route("refused", { branches: ["a", "b"], choose: () => outside as "a" })
      const a = Module.pure("a", { when: route.is("a"), run: () => 1 })
      assert.deepStrictEqual(yield* refusal(Dag.make("unmatched", { outputs: { a } })), [
        new ModuleError.RouteUnmatched({ module: "refused", chosen: '"sideways"', branches: ["a", "b"] })
      ])
    })
  )

  it.effect("but a default is for that", () =>
    Effect.gen(function* () {
      const outside: unknown = { not: "a string" }
      const route = Module.route("route", { branches: ["a", "b"], default: "b", choose: () => outside as "a" })
      const b = Module.pure("b", { when: route.is("b"), run: () => "b" })
      const { b: chosen } = yield* Engine.execute(Dag.make("default", { outputs: { b } }), {})
      assert.strictEqual(chosen._tag, "Some")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("a map of too many items, of which none has run, also when the list has no end", () =>
    Effect.gen(function* () {
      let ran = 0
      const map = Module.map("refused", {
        over: function* () {
          for (let i = 0; ; i++) yield i
        },
        output: Schema.Void,
        run: () => Effect.sync(() => void ran++)
      })
      const dag = Dag.make("many", { outputs: { map } })
      assert.deepStrictEqual(yield* refusal(dag, { maxItems: 10 }), [
        new ModuleError.TooManyItems({ module: "refused", max: 10 })
      ])
      assert.strictEqual(ran, 0)
    })
  )

  it.effect("exactly as many items as there may be are fine", () =>
    Effect.gen(function* () {
      const map = Module.map("map", {
        over: () => Array.from({ length: 10 }, (_, i) => i),
        output: Schema.Number,
        run: (n) => Effect.succeed(n)
      })
      assert.strictEqual((yield* Engine.execute(Dag.make("ten", { outputs: { map } }), {})).map.length, 10)
    }).pipe(Effect.provide(alone({ maxItems: 10 })))
  )

  it.effect("a computed duration that is negative or no number", () =>
    Effect.gen(function* () {
      for (const duration of [-1, NaN]) {
        const sleep = Module.sleep("refused", { duration: () => duration })
        const [error] = yield* refusal(Dag.make("negative", { outputs: { sleep } }))
        assert(error instanceof ModuleError.DurationInvalid)
        assert.strictEqual(error.module, "refused")
      }
    })
  )
})

describe("a retry's delay", () => {
  /** Fails until its last attempt, and notes when each began, in minutes. */
  const flaky = (schedule: Schedule.Schedule<unknown>, succeedsAt = Infinity) => {
    const began: Array<readonly [attempt: number, minute: number]> = []
    const module = Module.make("flaky", {
      output: Schema.Number,
      error: Bad,
      retry: schedule,
      run: () =>
        Effect.gen(function* () {
          const attempt = yield* Run.attempt
          const clock = yield* Effect.clock
          began.push([attempt, Duration.toMinutes(yield* clock.currentTimeMillis)])
          return attempt < succeedsAt ? yield* bad : attempt
        })
    })
    return { began, dag: Dag.make("flaky", { outputs: { flaky: module } }) }
  }

  const every10 = Schedule.intersect(Schedule.spaced("10 minutes"), Schedule.recurs(3))

  it.effect("is stored, as when the module goes on", () =>
    Effect.gen(function* () {
      const { dag } = flaky(every10)
      const run = yield* Effect.fork(Effect.exit(Engine.execute(dag, {}, { runId: id })))
      yield* TestClock.adjust("1 second")
      const state = stateOf(yield* storedRun(), "flaky")
      assert.strictEqual(state.status, "suspended")
      assert.strictEqual(state.until, Duration.toMillis("10 minutes"))
      assert.strictEqual(state.failure?.kind, "error")
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(run)
      assert.deepStrictEqual(yield* stepsOf("flaky"), [
        "running 1",
        "suspended 1",
        "running 2",
        "suspended 2",
        "running 3",
        "suspended 3",
        "running 4",
        "failed 4"
      ])
    }).pipe(Effect.provide(alone()))
  )

  for (const [when, closedFor, minutes] of [
    ["before", 3, 10],
    ["after", 30, 30]
  ] as const) {
    it.effect(`is waited for after a resume ${when} it is over, and attempts go on with their numbers`, () =>
      Effect.gen(function* () {
        const { began, dag } = flaky(every10)
        yield* cutOffWhen(
          Engine.execute(dag, {}, { runId: id }),
          Effect.zipRight(TestClock.adjust("1 second"), isStored("flaky", "suspended"))
        ).pipe(Effect.provide(engine()))
        yield* TestClock.setTime(Duration.toMillis(Duration.minutes(closedFor)))
        yield* Effect.gen(function* () {
          const run = yield* Effect.fork(Effect.flip(Engine.resume(dag, id)))
          yield* quiet
          for (let i = 0; i < 3; i++) yield* TestClock.adjust("20 minutes")
          assert.strictEqual((yield* Fiber.join(run))._tag, "Bad")
        }).pipe(Effect.provide(engine()))
        assert.deepStrictEqual(began, [
          [1, 0],
          [2, minutes],
          [3, minutes + 10],
          [4, minutes + 20]
        ])
        assert.strictEqual(stateOf(yield* storedRun(), "flaky").attempt, 4)
      }).pipe(Effect.provide(store))
    )
  }

  it.effect("can be cut off again and again, and stays the same", () =>
    Effect.gen(function* () {
      const { began, dag } = flaky(every10, 2)
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("flaky", "suspended"))
      ).pipe(Effect.provide(engine()))
      for (let i = 0; i < 3; i++) {
        yield* cutOffWhen(Engine.resume(dag, id), TestClock.adjust("1 minute")).pipe(Effect.provide(engine()))
      }
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Engine.resume(dag, id))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* Fiber.join(run), { flaky: 2 })
      }).pipe(Effect.provide(engine()))
      assert.deepStrictEqual(began, [
        [1, 0],
        [2, 10]
      ])
    }).pipe(Effect.provide(store))
  )

  it.effect("grows on where it was", () =>
    Effect.gen(function* () {
      const { began, dag } = flaky(Schedule.intersect(Schedule.exponential("1 minute", 10), Schedule.recurs(2)))
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("flaky", "suspended"))
      ).pipe(Effect.provide(engine()))
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Effect.flip(Engine.resume(dag, id)))
        yield* TestClock.adjust("5 minutes")
        yield* TestClock.adjust("15 minutes")
        yield* Fiber.join(run)
      }).pipe(Effect.provide(engine()))
      assert.deepStrictEqual(began, [
        [1, 0],
        [2, 1],
        [3, 11]
      ])
    }).pipe(Effect.provide(store))
  )

  it.effect("ends with a cancellation", () =>
    Effect.gen(function* () {
      const { began, dag } = flaky(every10)
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "flaky", "suspended")
      yield* handle.cancel
      assert.strictEqual(statusOf(yield* handle.snapshot, "flaky"), "cancelled")
      assert.strictEqual(began.length, 1)
    }).pipe(Effect.provide(alone()))
  )
})

describe("atMostOnce", () => {
  /** Counts its executions, and waits in the first one. */
  const once = <const OF extends "fail" | "skip" = "fail">(onFailure?: OF) => {
    const ran: Array<number> = []
    const module = Module.make("once", {
      output: Schema.Number,
      execution: "atMostOnce",
      ...(onFailure === undefined ? undefined : { onFailure }),
      run: () =>
        Effect.flatMap(Run.attempt, (attempt) =>
          Effect.zipRight(
            Effect.sync(() => ran.push(attempt)),
            Effect.never
          )
        )
    })
    return { ran, module }
  }

  it.effect("the start is committed before the effect runs, whatever the durability", () =>
    Effect.gen(function* () {
      for (const durability of ["buffered", "committed"] as const) {
        const runId = RunId.make(durability)
        const runs = yield* RunStore.RunStore
        const module = Module.make("once", {
          output: Schema.Array(Schema.String),
          execution: "atMostOnce",
          run: () =>
            Effect.map(Effect.orDie(runs.history(runId, { after: 0, limit: 100 })), (history) =>
              history.flatMap((_) => (_._tag === "ModuleTransition" ? [`${_.module} ${_.status} ${_.attempt}`] : []))
            )
        })
        const outputs = yield* Engine.execute(Dag.make("once", { outputs: { module } }), {}, { runId, durability })
        assert.deepStrictEqual(outputs.module, ["once running 1"])
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("what was cut off is not made again: the module fails with ModuleCutOff", () =>
    Effect.gen(function* () {
      const { module, ran } = once()
      const dag = Dag.make("once", { outputs: { module } })
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), eventually(Effect.sync(() => ran.length > 0))).pipe(
        Effect.provide(engine())
      )
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert(error._tag === "RunFailed")
      assert.strictEqual(error.failures[0]!.failure.kind, "cutOff")
      assert.deepStrictEqual(
        [...Cause.failures(error.failures[0]!.cause!)],
        [new ModuleError.ModuleCutOff({ module: "once", attempt: 1 })]
      )
      assert.deepStrictEqual(ran, [1])
    }).pipe(Effect.provide(store))
  )

  it.effect("onFailure handles that: skip, and a fallback that is given it", () =>
    Effect.gen(function* () {
      const lenient = once("skip")
      const ran: Array<number> = []
      const repaired = Module.make("repaired", {
        output: Schema.Boolean,
        execution: "atMostOnce",
        retry: Schedule.recurs(5),
        run: () =>
          Effect.zipRight(
            Effect.sync(() => ran.push(1)),
            Effect.never
          ),
        onFailure: (cause) =>
          Effect.succeed([...Cause.failures(cause)].every((error) => error instanceof ModuleError.ModuleCutOff))
      })
      const sees = Module.pure("sees", { needs: { once: lenient.module }, join: "always", run: ({ once }) => once })
      const dag = Dag.make("handled", { outputs: { repaired, once: lenient.module, sees } })
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        eventually(Effect.sync(() => lenient.ran.length + ran.length === 2))
      ).pipe(Effect.provide(engine()))
      const outputs = yield* Engine.resume(dag, id).pipe(Effect.provide(engine()))
      assert.isTrue(outputs.repaired)
      assert.strictEqual(outputs.once._tag, "None")
      assert(Exit.isFailure(outputs.sees))
      assert.isTrue([...Cause.failures(outputs.sees.cause)].every((error) => error instanceof Failed))
      assert.deepStrictEqual([...lenient.ran, ...ran], [1, 1])
    }).pipe(Effect.provide(store))
  )

  it.effect("a failure in this process is tried again, each attempt with a start of its own", () =>
    Effect.gen(function* () {
      let ran = 0
      const module = Module.make("once", {
        output: Schema.Number,
        execution: "atMostOnce",
        retry: Schedule.recurs(3),
        run: () => Effect.suspend(() => (++ran < 3 ? Effect.fail(bad) : Effect.succeed(ran)))
      })
      yield* Engine.execute(Dag.make("again", { outputs: { module } }), {}, { runId: id })
      assert.deepStrictEqual(yield* stepsOf("once"), ["running 1", "running 2", "running 3", "completed 3"])
    }).pipe(Effect.provide(alone()))
  )

  /** Fails at first, and is tried again after ten minutes; then it does not end. */
  const retried = () => {
    const ran: Array<number> = []
    const module = Module.make("once", {
      output: Schema.Void,
      execution: "atMostOnce",
      retry: Schedule.spaced("10 minutes"),
      run: () =>
        Effect.flatMap(Run.attempt, (attempt) => {
          ran.push(attempt)
          return attempt === 1 ? Effect.fail(bad) : Effect.never
        })
    })
    return { ran, dag: Dag.make("retried", { outputs: { module } }) }
  }

  it.effect("nor is a further attempt made that cannot be stored: a resume makes it, once", () =>
    Effect.gen(function* () {
      const { dag, ran } = retried()
      const runs = yield* RunStore.RunStore
      const broken = new StoreError({ reason: "failed", location: "here", operation: "commit", message: "it is gone" })
      let isGone = false
      const dying = Layer.provide(
        engine(),
        Layer.succeed(RunStore.RunStore, {
          ...runs,
          commit: (batch: RunStore.Batch) => (isGone ? Effect.fail(broken) : runs.commit(batch))
        })
      )
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Effect.exit(Engine.execute(dag, {}, { runId: id })))
        yield* Effect.zipRight(TestClock.adjust("1 second"), isStored("once", "suspended"))
        isGone = true
        yield* TestClock.adjust("11 minutes")
        yield* Fiber.join(run)
      }).pipe(Effect.provide(dying))
      assert.deepStrictEqual(ran, [1], "an attempt runs once its start is stored")
      yield* Effect.provide(cutOffWhen(Engine.resume(dag, id), quiet), engine())
      assert.deepStrictEqual(ran, [1, 2])
    }).pipe(Effect.provide(store))
  )

  it.effect("a delay between attempts that is cut off again and again is no attempt that was cut off", () =>
    Effect.gen(function* () {
      const { dag, ran } = retried()
      const lives = [Effect.asVoid(Effect.exit(Engine.execute(dag, {}, { runId: id })))]
      for (let i = 0; i < 2; i++) lives.push(Effect.asVoid(Effect.exit(Engine.resume(dag, id))))
      for (const live of lives) {
        yield* Effect.provide(cutOffWhen(live, TestClock.adjust("1 minute")), engine())
        assert.strictEqual(statusOf(yield* storedRun(), "once"), "suspended")
      }
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Effect.exit(Engine.resume(dag, id)))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(ran, [1, 2])
        yield* Fiber.interrupt(run)
      }).pipe(Effect.provide(engine()))
    }).pipe(Effect.provide(store))
  )

  it.effect("a start that is never committed never runs, and the permit that it had is given back", () =>
    Effect.gen(function* () {
      const runs = yield* RunStore.RunStore
      const broken = new StoreError({ reason: "failed", location: "here", operation: "commit", message: "disk gone" })
      const layer = Layer.fresh(
        Heddle.layer({
          engine: { poll: Duration.infinity, limits: { one: 1 } },
          lease: { heartbeat: Duration.infinity }
        })
      ).pipe(
        Layer.provide(
          Layer.succeed(RunStore.RunStore, {
            ...runs,
            commit: (batch: RunStore.Batch) =>
              batch.runs.some(({ runId }) => runId === "poison") ? Effect.fail(broken) : runs.commit(batch)
          })
        )
      )
      let ran = 0
      const module = Module.make("once", {
        output: Schema.Void,
        execution: "atMostOnce",
        limit: "one",
        run: () => Effect.sync(() => void ran++)
      })
      const dag = Dag.make("never", { outputs: { module } })
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(Engine.execute(dag, {}, { runId: RunId.make("poison") }))
        assert.strictEqual(error._tag, "WriteFailed")
        assert.strictEqual(ran, 0)
        const handle = yield* Engine.start(dag, {}, { runId: RunId.make("fine") })
        yield* reaches(handle, "once", "completed")
        assert.strictEqual(ran, 1)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(store))
  )

  it.effect("a run that is cut off while the start is being committed does not run it", () =>
    Effect.gen(function* () {
      const runs = yield* RunStore.RunStore
      const gate = yield* Effect.makeLatch(false)
      const asked = yield* Effect.makeLatch(false)
      const layer = Layer.fresh(
        Heddle.layer({ engine: { poll: Duration.infinity }, lease: { heartbeat: Duration.infinity } })
      ).pipe(
        Layer.provide(
          Layer.succeed(RunStore.RunStore, {
            ...runs,
            commit: (batch: RunStore.Batch) => Effect.zipRight(asked.open, gate.whenOpen(runs.commit(batch)))
          })
        )
      )
      let ran = 0
      const module = Module.make("once", {
        output: Schema.Void,
        execution: "atMostOnce",
        run: () =>
          Effect.zipRight(
            Effect.sync(() => void ran++),
            Effect.never
          )
      })
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Engine.execute(Dag.make("once", { outputs: { module } }), {}, { runId: id }))
        yield* asked.await
        const interrupting = yield* Effect.fork(Fiber.interrupt(run))
        yield* quiet
        yield* gate.open
        yield* Fiber.join(interrupting)
        yield* quiet
        assert.strictEqual(ran, 0)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(store))
  )
})

describe("a run that has failed", () => {
  it.effect(
    "is resumed with what failed, was cancelled or was skipped for it; the rest stays, and attempts go on",
    () =>
      Effect.gen(function* () {
        const ran: Array<string> = []
        const mended = yield* Ref.make(false)
        const step = <const Name extends string, N extends Module.Needs, E = never>(
          name: Name,
          needs: N,
          effect: Effect.Effect<void, E> = Effect.void
        ) =>
          Module.make(name, {
            needs,
            output: Schema.String,
            run: () =>
              Effect.gen(function* () {
                ran.push(`${name} ${yield* Run.attempt}`)
                yield* effect
                return name
              })
          })
        const done = step("done", {})
        const fails = step(
          "fails",
          { done },
          Effect.flatMap(Ref.get(mended), (mended) => (mended ? Effect.void : Effect.zipRight(quiet, bad)))
        )
        const running = step(
          "running",
          { done },
          Effect.flatMap(Ref.get(mended), (mended) => (mended ? Effect.void : Effect.never))
        )
        const behind = step("behind", { fails })
        const lenient = Module.make("lenient", {
          output: Schema.Void,
          onFailure: "skip",
          run: () =>
            Effect.zipRight(
              Effect.sync(() => ran.push("lenient")),
              bad
            )
        })
        const route = Module.route("route", {
          branches: ["a", "b"],
          choose: () => Effect.sync(() => (ran.push("route"), "a" as const))
        })
        const a = Module.make("a", {
          when: route.is("a"),
          output: Schema.Void,
          run: () => Effect.sync(() => void ran.push("a"))
        })
        const b = Module.make("b", {
          when: route.is("b"),
          output: Schema.Void,
          run: () => Effect.sync(() => void ran.push("b"))
        })
        const gate = step("gate", { a, lenient: done })
        const start = { done, gate }
        const dag = Dag.make("mended", { outputs: { behind, running, lenient, b, ...start } })
        // everything that is to end well has ended when `fails` does
        const handle = yield* Engine.start(dag, {}, { runId: id, concurrency: 100 })
        assert.strictEqual((yield* Effect.flip(handle.await))._tag, "Bad")
        const before = yield* storedRun()
        const completed = ran.filter((name) => statusOf(before, name.split(" ")[0]!) === "completed")
        const attempts = ran.length
        yield* Ref.set(mended, true)
        yield* Effect.gen(function* () {
          const outputs = yield* Engine.resume(dag, id)
          assert.strictEqual(outputs.behind, "behind")
          assert.strictEqual(outputs.running, "running")
        }).pipe(Effect.provide(engine()))
        const again = ran.slice(attempts)
        for (const name of completed) assert.notInclude(again, name)
        assert.includeMembers(again, ["fails 2", "running 2", "behind 1"])
        assert.notInclude(again, "lenient")
        assert.notInclude(again, "b")
        const after = yield* storedRun()
        assert.strictEqual(after.status, "completed")
        assert.strictEqual(stateOf(after, "fails").attempt, 2)
        assert.isUndefined(stateOf(after, "fails").failure)
        assert.strictEqual(statusOf(after, "b"), "skipped")
        assert.strictEqual((yield* Effect.flip(Engine.resume(dag, id)))._tag, "RunFinished")
      }).pipe(Effect.provide(alone()))
  )

  it.effect("keeps the items of a map that completed", () =>
    Effect.gen(function* () {
      const ran: Array<number> = []
      let mended = false
      const mapped = Module.map("mapped", {
        over: () => [0, 1, 2, 3],
        output: Schema.Number,
        concurrency: 1,
        run: (item) =>
          Effect.suspend(() => (ran.push(item), item === 2 && !mended ? Effect.fail(bad) : Effect.succeed(item)))
      })
      const dag = Dag.make("items", { outputs: { mapped } })
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.deepStrictEqual(ran, [0, 1, 2])
      mended = true
      assert.deepStrictEqual(yield* Effect.provide(Engine.resume(dag, id), engine()), { mapped: [0, 1, 2, 3] })
      assert.deepStrictEqual(ran, [0, 1, 2, 2, 3])
      assert.deepStrictEqual(stateOf(yield* storedRun(), "mapped").items, { total: 4, completed: 4, failed: 0 })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("keeps what completed in a child Dag", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      let mended = false
      const first = Module.make("first", { output: Schema.Void, run: () => Effect.sync(() => void ran.push("first")) })
      const second = Module.make("second", {
        needs: { first },
        output: Schema.Void,
        run: () => Effect.suspend(() => (ran.push("second"), mended ? Effect.void : Effect.die("boom")))
      })
      const cleans = Module.make("cleans", {
        needs: { second },
        join: "always",
        output: Schema.Void,
        run: () => Effect.sync(() => void ran.push("cleans"))
      })
      const child = Module.dag("child", { dag: Dag.make("inner", { outputs: { second, cleans } }), input: () => ({}) })
      const dag = Dag.make("outer", { outputs: { child } })
      assert.strictEqual((yield* Effect.flip(Engine.execute(dag, {}, { runId: id })))._tag, "RunFailed")
      mended = true
      yield* Effect.provide(Engine.resume(dag, id), engine())
      assert.deepStrictEqual(ran, ["first", "second", "cleans", "second"])
      const snapshot = yield* storedRun()
      assert.strictEqual(stateOf(snapshot, "child").attempt, 2)
      assert.strictEqual(stateOf(snapshot, "child/second").attempt, 2)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("fails again when it fails again, with the next number", () =>
    Effect.gen(function* () {
      const dag = Dag.make("again", { outputs: { breaks } })
      yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      for (const attempt of [2, 3]) {
        assert.strictEqual(yield* Effect.flip(Engine.resume(dag, id)), bad)
        assert.strictEqual(stateOf(yield* storedRun(), "breaks").attempt, attempt)
      }
    }).pipe(Effect.provide(alone()))
  )
})

describe("failFast that is cut off in its middle", () => {
  it.effect("ends as it would have", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const gate = yield* Effect.makeLatch(false)
      const slow = Module.make("slow", {
        output: Schema.Void,
        run: () =>
          Effect.onInterrupt(
            Effect.suspend(() => (ran.push("slow"), Effect.never)),
            () => gate.await
          )
      })
      const started = Module.make("started", { needs: {}, output: Schema.Void, run: () => Effect.never })
      const fails = Module.make("fails", {
        output: Schema.Void,
        error: Bad,
        run: () => Effect.zipRight(Effect.yieldNow(), bad)
      })
      const cleans = Module.make("cleans", {
        needs: { slow },
        join: "always",
        output: Schema.Void,
        run: () => Effect.sync(() => void ran.push("cleans"))
      })
      const child = Module.dag("child", {
        dag: Dag.make("inner", { outputs: { slow, fails, cleans, started } }),
        input: () => ({})
      })
      const other = Module.make("other", {
        output: Schema.Void,
        run: () => Effect.sync(() => ran.push("other")).pipe(Effect.zipRight(Effect.never))
      })
      const dag = Dag.make("middle", { outputs: { child, other } })
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
        yield* Effect.zipRight(TestClock.adjust("1 second"), isStored("child/fails", "failed"))
        const interrupting = yield* Effect.fork(Fiber.interrupt(run))
        yield* quiet
        yield* gate.open
        yield* Fiber.join(interrupting)
      }).pipe(Effect.provide(engine()))
      ran.length = 0
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert.deepStrictEqual(error, bad)
      const snapshot = yield* storedRun()
      assert.strictEqual(snapshot.status, "failed")
      assert.deepStrictEqual(
        ["child/slow", "child/started", "child/cleans", "child", "other"].map((path) => statusOf(snapshot, path)),
        ["cancelled", "cancelled", "completed", "failed", "cancelled"]
      )
      assert.deepStrictEqual(
        ran.filter((name) => name !== "other"),
        ["cleans"]
      )
    }).pipe(Effect.provide(store))
  )
})
