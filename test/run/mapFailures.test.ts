/** What becomes of the items of a map that fail, and of the map. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option, Ref, Schedule, Schema, TestClock } from "effect"
import { Dag, Engine, Failed, Module, ModuleTimedOut, Run } from "heddle"
import {
  alone,
  Bad,
  eventually,
  historyOf,
  id,
  quiet,
  reaches,
  stateOf,
  statusesOf,
  statusOf,
  storedRun
} from "./Harness.js"

const bad = (why: string | number) => new Bad({ why: String(why) })

const number = Module.input("number", Schema.Int)

/** A child Dag of one module that does this. */
const childOf = <E>(effect: (number: number) => Effect.Effect<number, E>) =>
  Dag.make("child", {
    outputs: {
      step: Module.make("step", { needs: { number }, output: Schema.Int, run: ({ number }) => effect(number) })
    }
  })

const input = (number: number) => ({ number })

describe("an item that fails", () => {
  for (const kind of ["effects", "children"] as const) {
    it.effect(`interrupts the other ${kind} that run, awaits their finalizers, and starts no more`, () =>
      Effect.gen(function* () {
        const began: Array<number> = []
        const finalized: Array<number> = []
        const fails = yield* Deferred.make<void>()
        const does = (item: number) =>
          Effect.zipRight(
            Effect.sync(() => began.push(item)),
            item === 0
              ? Effect.succeed(0)
              : item === 2
                ? Effect.zipRight(Deferred.await(fails), bad("two"))
                : Effect.onInterrupt(Effect.never, () =>
                    Effect.delay(
                      Effect.sync(() => finalized.push(item)),
                      "1 minute"
                    )
                  )
          )
        const options = { over: () => [0, 1, 2, 3, 4, 5], concurrency: 3 }
        const mapped =
          kind === "effects"
            ? Module.map("mapped", { ...options, output: Schema.Int, run: does })
            : Module.map("mapped", { ...options, dag: childOf(does), input })
        const handle = yield* Engine.start(Dag.make("fails", { outputs: { mapped } }), {}, { runId: id })
        const ending = yield* Effect.fork(Effect.flip(handle.await))
        yield* eventually(Effect.sync(() => began.length === 4))
        yield* Deferred.succeed(fails, undefined)
        yield* TestClock.adjust("59 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(ending)))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(ending), bad("two"))
        assert.deepStrictEqual(began, [0, 1, 2, 3])
        assert.sameMembers(finalized, [1, 3])
        const snapshot = yield* storedRun()
        assert.deepStrictEqual(stateOf(snapshot, "mapped").items, { total: 6, completed: 1, failed: 1 })
        if (kind === "children") {
          assert.deepStrictEqual(statusesOf(snapshot), {
            mapped: "failed",
            "mapped/0/number": "completed",
            "mapped/0/step": "completed",
            "mapped/1/number": "completed",
            "mapped/1/step": "cancelled",
            "mapped/2/number": "completed",
            "mapped/2/step": "failed",
            "mapped/3/number": "completed",
            "mapped/3/step": "cancelled"
          })
        }
      }).pipe(Effect.provide(alone()))
    )

    it.effect(`leaves the other ${kind} alone where failures are collected, and starts the rest`, () =>
      Effect.gen(function* () {
        const interrupted = yield* Ref.make(0)
        const gate = yield* Effect.makeLatch(false)
        const does = (item: number) =>
          item % 2 === 0
            ? bad(item)
            : Effect.as(
                Effect.onInterrupt(gate.await, () => Ref.update(interrupted, (_) => _ + 1)),
                item
              )
        const options = { over: () => [0, 1, 2, 3, 4], concurrency: 2, onItemFailure: "collect" } as const
        const mapped =
          kind === "effects"
            ? Module.map("mapped", { ...options, output: Schema.Int, run: does })
            : Module.map("mapped", { ...options, dag: childOf(does), input })
        const handle = yield* Engine.start(Dag.make("collects", { outputs: { mapped } }), {}, { runId: id })
        yield* eventually(Effect.map(handle.snapshot, (_) => stateOf(_, "mapped").items?.failed === 2))
        yield* quiet
        yield* gate.open
        const outputs = yield* handle.await
        const failed = (item: number) => Exit.fail(new Failed({ module: "mapped", message: bad(item).message }))
        const done = (item: number) => Exit.succeed(kind === "effects" ? item : { step: item })
        assert.deepStrictEqual<ReadonlyArray<Exit.Exit<unknown, Failed>>>(outputs.mapped, [
          failed(0),
          done(1),
          failed(2),
          done(3),
          failed(4)
        ])
        assert.strictEqual(yield* Ref.get(interrupted), 0)
        const snapshot = yield* storedRun()
        assert.strictEqual(snapshot.status, "completed")
        assert.deepStrictEqual(stateOf(snapshot, "mapped").items, { total: 5, completed: 2, failed: 3 })
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("is collected as its own error where the module declares it, otherwise as what is stored of it", () =>
    Effect.gen(function* () {
      const kinds = ["error", "defect", "timeout", "output", "interrupted", "throws"] as const
      const notANumber: unknown = "not a number"
      const does = (kind: (typeof kinds)[number]): Effect.Effect<number, Bad> => {
        switch (kind) {
          case "error":
            return bad("typed")
          case "defect":
            return Effect.die(new Error("a defect"))
          case "timeout":
            return Effect.never
          case "output":
            return Effect.succeed(notANumber as number)
          case "interrupted":
            return Effect.interrupt
          case "throws":
            throw new Error("thrown")
        }
      }
      const options = { over: () => kinds, output: Schema.Number, timeout: "1 second", run: does } as const
      const typed = Module.map("typed", { ...options, error: Bad, onItemFailure: "collect" })
      const plain = Module.map("plain", { ...options, onItemFailure: "collect" })
      const run = yield* Effect.fork(
        Engine.execute(Dag.make("collected", { outputs: { typed, plain } }), {}, { runId: id })
      )
      yield* quiet
      yield* TestClock.adjust("1 second")
      const outputs = yield* Fiber.join(run)
      const messages = outputs.plain.map((exit) => {
        assert(Exit.isFailure(exit))
        const error = Option.getOrThrow(Cause.failureOption(exit.cause))
        assert.instanceOf(error, Failed)
        assert.strictEqual(error.module, "plain")
        return error.message
      })
      const timedOut = new ModuleTimedOut({ module: "plain", attempt: 1, millis: 1000 })
      assert.strictEqual(messages[1], "a defect")
      assert.strictEqual(messages[2], timedOut.message)
      assert.include(messages[3], "its output does not encode")
      assert.include(messages[4], "interrupted")
      assert.strictEqual(messages[5], "thrown")
      assert.deepStrictEqual(outputs.typed[0], Exit.fail(bad("typed")))
      const failures = (yield* historyOf()).flatMap((transition) =>
        transition._tag === "ItemTransition" && transition.module === "typed"
          ? [[transition.index, transition.failure?.kind]]
          : []
      )
      assert.sameDeepMembers(failures, [
        [0, "error"],
        [1, "defect"],
        [2, "timeout"],
        [3, "output"],
        [4, "interrupted"],
        [5, "defect"]
      ])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("and another that fails as it is interrupted for it: both are stored, and the first is the reason", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const mapped = Module.map("mapped", {
        over: () => [0, 1, 2],
        output: Schema.Int,
        error: Bad,
        run: (item) =>
          item === 0
            ? Effect.onInterrupt(Effect.never, () => Effect.zipRight(gate.await, Effect.die(new Error("later"))))
            : item === 1
              ? Effect.zipRight(Effect.yieldNow(), bad("first"))
              : Effect.never
      })
      const dag = Dag.make("both", { outputs: { mapped } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* eventually(Effect.map(handle.snapshot, (_) => stateOf(_, "mapped").items?.failed === 1))
      yield* quiet
      assert.strictEqual(statusOf(yield* handle.snapshot, "mapped"), "running")
      yield* gate.open
      assert.deepStrictEqual(yield* Effect.flip(handle.await), bad("first"))
      const state = stateOf(yield* storedRun(), "mapped")
      assert.deepStrictEqual(state.items, { total: 3, completed: 0, failed: 2 })
      assert.deepStrictEqual(state.failure?.error, { _tag: "Bad", why: "first" })
      assert.deepStrictEqual(yield* Effect.flip(Engine.execute(dag, {}, { runId: id })), bad("first"))
    }).pipe(Effect.provide(alone()))
  )
})

describe("each item has", () => {
  it.effect("its own attempts and its own timeout", () =>
    Effect.gen(function* () {
      const attempts: Array<string> = []
      const mapped = Module.map("mapped", {
        over: () => [1, 2, 3],
        output: Schema.Int,
        timeout: "10 seconds",
        retry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2)),
        run: (item) =>
          Effect.flatMap(Run.attempt, (attempt) => {
            attempts.push(`${item}.${attempt}`)
            if (attempt === item) return Effect.succeed(item * 10)
            return item === 3 ? Effect.never : bad(item)
          })
      })
      const run = yield* Effect.fork(Engine.execute(Dag.make("retried", { outputs: { mapped } }), {}))
      yield* quiet
      for (const [seconds, begun] of [
        [0, ["1.1", "2.1", "3.1"]],
        [1, ["2.2"]],
        [9, []],
        [1, ["3.2"]],
        [11, ["3.3"]]
      ] as const) {
        yield* TestClock.adjust(`${seconds} seconds`)
        assert.deepStrictEqual(attempts.splice(0), [...begun])
      }
      assert.deepStrictEqual((yield* Fiber.join(run)).mapped, [10, 20, 30])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("a handle for each attempt: one that is kept fails once that has ended", () =>
    Effect.gen(function* () {
      const kept: Array<Effect.Effect<string>> = []
      const mapped = Module.map("mapped", {
        over: () => [1, 2],
        output: Schema.Int,
        retry: Schedule.recurs(1),
        run: (item) =>
          Effect.gen(function* () {
            const attempt = yield* Run.attempt
            const context = yield* Effect.context<never>()
            kept.push(
              Effect.merge(Effect.provide(Effect.as(Run.emit("late"), "emitted"), context)).pipe(
                Effect.map((ended) => (typeof ended === "string" ? ended : `${ended.module} ${ended.attempt} ${item}`))
              ) as Effect.Effect<string>
            )
            return attempt === 1 ? yield* bad(item) : item
          })
      })
      yield* Engine.execute(Dag.make("handles", { outputs: { mapped } }), {})
      assert.deepStrictEqual((yield* Effect.all(kept)).sort(), ["mapped 1 1", "mapped 1 2", "mapped 2 1", "mapped 2 2"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("its number in its transitions, each once, among numbers without gaps", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", {
        over: () => [0, 1, 2, 3, 4],
        output: Schema.Int,
        onItemFailure: "collect",
        run: (item) => (item === 3 ? bad(item) : Effect.succeed(item))
      })
      yield* Engine.execute(Dag.make("events", { outputs: { mapped } }), {}, { runId: id })
      const history = yield* historyOf()
      assert.deepStrictEqual(
        history.map(({ seq }) => seq),
        history.map((_, i) => i + 1)
      )
      assert.deepStrictEqual(
        history.flatMap((_) => (_._tag === "ItemTransition" ? [`${_.module} ${_.index} ${_.status}`] : [])),
        [0, 1, 2, 3, 4].map((item) => `mapped ${item} ${item === 3 ? "failed" : "completed"}`)
      )
      const [first, last] = history.flatMap((_) => (_._tag === "ModuleTransition" ? [_] : []))
      assert.deepStrictEqual([first?.status, first?.items], ["running", 5])
      assert.strictEqual(last?.status, "completed")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a map that fails", () => {
  it.effect("and is to be skipped: behind it stands what its dependants' join rules make of it", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", {
        over: () => [1, 2],
        output: Schema.Int,
        error: Bad,
        onFailure: "skip",
        run: (item) => (item === 2 ? bad("two") : Effect.succeed(item))
      })
      const fine = Module.pure("fine", { run: () => "fine" })
      const needs = { mapped, fine }
      const all = Module.pure("all", { needs, run: () => "ran" })
      const none = Module.pure("none", { needs, join: "noneFailed", run: (given) => given })
      const output = Schema.Unknown
      const any = Module.pure("any", {
        needs,
        join: "anySucceeded",
        output,
        run: ({ mapped }) => Option.isSome(mapped)
      })
      const always = Module.pure("always", { needs, join: "always", run: ({ mapped }) => mapped })
      const outputs = yield* Engine.execute(
        Dag.make("skipped", { outputs: { all, none, any, always } }),
        {},
        { runId: id }
      )
      assert.deepStrictEqual(outputs.all, Option.none())
      assert.deepStrictEqual(outputs.none, { mapped: Option.none(), fine: Option.some("fine") })
      assert.strictEqual(outputs.any, false)
      assert.deepStrictEqual(outputs.always, Exit.fail(bad("two")))
      const snapshot = yield* storedRun()
      assert.strictEqual(statusOf(snapshot, "mapped"), "skipped")
      assert.deepStrictEqual(stateOf(snapshot, "mapped").items, { total: 2, completed: 1, failed: 1 })
      assert.strictEqual(snapshot.status, "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("because an output does not encode names itself and the fault", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", {
        over: () => [1, NaN],
        output: Schema.Struct({ deep: Schema.Number }),
        run: (deep) => Effect.succeed({ deep })
      })
      const error = yield* Effect.flip(Engine.execute(Dag.make("output", { outputs: { mapped } }), {}))
      assert(error._tag === "RunFailed")
      const { failure, module } = error.failures[0]!
      assert.strictEqual(module, "mapped")
      assert.strictEqual(failure.kind, "output")
      assert.include(failure.message, "deep: NaN")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a map that does not run to its end", () => {
  it.effect("in a branch that is not taken does not ask for its list", () =>
    Effect.gen(function* () {
      let asked = 0
      const route = Module.route("route", { branches: ["yes", "no"], choose: () => "no" as const })
      const mapped = Module.map("mapped", {
        when: route.is("yes"),
        over: () => [asked++],
        output: Schema.Int,
        run: Effect.succeed
      })
      const outputs = yield* Engine.execute(Dag.make("branch", { outputs: { mapped } }), {}, { runId: id })
      assert.deepStrictEqual(outputs.mapped, Option.none())
      assert.strictEqual(asked, 0)
      assert.strictEqual(statusOf(yield* storedRun(), "mapped"), "skipped")
    }).pipe(Effect.provide(alone()))
  )

  for (const [concurrency, expected] of [
    [2, "skipped"],
    [3, "completed"]
  ] as const) {
    it.effect(`and is stopped by an item lets ${concurrency} of 3 finish that run: it is ${expected}`, () =>
      Effect.gen(function* () {
        const finished: Array<number> = []
        const stopped = yield* Effect.makeLatch(false)
        const mapped = Module.map("mapped", {
          over: () => [0, 1, 2],
          concurrency,
          output: Schema.Int,
          run: (item) =>
            Effect.gen(function* () {
              yield* Effect.yieldNow()
              if (item === 1) {
                yield* Run.stop
                yield* stopped.open
              } else yield* stopped.await
              yield* Effect.yieldNow()
              finished.push(item)
              return item
            })
        })
        const dag = Dag.make("stopped", { outputs: { mapped } })
        const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId: id }))
        assert.sameMembers(finished, [0, 1, 2].slice(0, concurrency))
        assert.strictEqual(Exit.isSuccess(exit), expected === "completed")
        const snapshot = yield* storedRun()
        assert.strictEqual(statusOf(snapshot, "mapped"), expected)
        assert.strictEqual(stateOf(snapshot, "mapped").items?.completed, concurrency)
        assert.strictEqual(snapshot.status, expected === "completed" ? "completed" : "stopped")
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("and is cancelled leaves the items that ended as they are, and none is added", () =>
    Effect.gen(function* () {
      const mapped = Module.map("mapped", {
        over: () => [0, 1, 2, 3],
        concurrency: 2,
        output: Schema.Int,
        run: (item) => (item === 0 ? Effect.succeed(0) : Effect.never)
      })
      const handle = yield* Engine.start(Dag.make("cancelled", { outputs: { mapped } }), {}, { runId: id })
      yield* eventually(Effect.map(handle.snapshot, (_) => stateOf(_, "mapped").items?.completed === 1))
      yield* reaches(handle, "mapped", "running")
      yield* handle.cancel
      const state = stateOf(yield* storedRun(), "mapped")
      assert.strictEqual(state.status, "cancelled")
      assert.deepStrictEqual(state.items, { total: 4, completed: 1, failed: 0 })
    }).pipe(Effect.provide(alone()))
  )
})
