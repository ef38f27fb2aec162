import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Option, Schema, TestClock } from "effect"
import { Dag, Engine, Module, Run, RunId } from "heddle"
import {
  alone,
  Bad,
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
  store,
  storedRun
} from "./Harness.js"

/** Effect modules that note when they begin, and do one thing. */
const noted = () => {
  const ran: Array<string> = []
  const step = <
    const Name extends string,
    E = never,
    N extends Module.Needs = {},
    const J extends Module.JoinRule = "allSucceeded"
  >(
    name: Name,
    effect: Effect.Effect<unknown, E> = Effect.void,
    needs?: N,
    join?: J
  ) =>
    Module.make(name, {
      needs: needs ?? ({} as N),
      join: join ?? ("allSucceeded" as J),
      output: Schema.Void,
      run: () =>
        Effect.zipRight(
          Effect.sync(() => ran.push(name)),
          Effect.asVoid(effect)
        )
    })
  return { ran, step }
}

const signalled = Module.signal("signalled", { value: Schema.String })

describe("cancel", () => {
  it.effect("interrupts what runs and waits for finalizers, of maps and child Dags as well", () =>
    Effect.gen(function* () {
      const finalized: Array<string> = []
      const slowly = (name: string) =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.delay(
            Effect.sync(() => finalized.push(name)),
            "1 minute"
          )
        )
      const { ran, step } = noted()
      const inner = step("inner", slowly("inner"))
      const cleans = step("cleans", Effect.void, { inner }, "always")
      const child = Module.dag("child", { dag: Dag.make("c", { outputs: { cleans } }), input: () => ({}) })
      const mapped = Module.map("mapped", {
        over: () => ["a", "b", "c"],
        concurrency: 2,
        output: Schema.Void,
        run: (item) => slowly(item)
      })
      const after = step("after", Effect.void, { child, mapped })
      const handle = yield* Engine.start(Dag.make("cancel", { outputs: { after } }), {}, { runId: id })
      yield* reaches(handle, "child/inner", "running")
      const cancelling = yield* Effect.fork(Effect.all([handle.cancel, handle.cancel], { concurrency: "unbounded" }))
      yield* TestClock.adjust("59 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(cancelling)))
      assert.strictEqual(statusOf(yield* handle.snapshot, "after"), "cancelled")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(cancelling)
      yield* handle.cancel
      assert.sameMembers(finalized, ["inner", "a", "b"])
      assert.deepStrictEqual(ran, ["inner", "cleans"])
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        after: "cancelled",
        child: "cancelled",
        "child/cleans": "completed",
        "child/inner": "cancelled",
        mapped: "cancelled"
      })
      assert.strictEqual((yield* Effect.flip(handle.await))._tag, "RunCancelled")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("interrupts the fallback of a failed module, and a module that is being tried again", () =>
    Effect.gen(function* () {
      const falls = Module.make("falls", {
        output: Schema.Void,
        run: () => Effect.fail("first"),
        onFailure: () => Effect.never
      })
      const handle = yield* Engine.start(Dag.make("falls", { outputs: { falls } }), {})
      yield* reaches(handle, "falls", "running")
      yield* quiet
      yield* handle.cancel
      assert.strictEqual(statusOf(yield* handle.snapshot, "falls"), "cancelled")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is without effect on what has ended, in whatever way, and on what ends first", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const done = Dag.make("done", { outputs: { one: step("one") } })
      const fails = Dag.make("fails", { outputs: { bad: step("bad", new Bad({ why: "bad" })) } })
      yield* Engine.execute(done, {}, { runId: RunId.make("done") })
      yield* Effect.flip(Engine.execute(fails, {}, { runId: RunId.make("fails") }))
      for (const [dag, runId, status] of [
        [done, RunId.make("done"), "completed"],
        [fails, RunId.make("fails"), "failed"]
      ] as const) {
        yield* Engine.cancel<unknown, {}, unknown, never>(dag, runId)
        assert.strictEqual((yield* storedRun(runId)).status, status)
      }
      const gate = yield* Deferred.make<void>()
      const last = Dag.make("last", { outputs: { last: step("last", Deferred.await(gate)) } })
      const handle = yield* Engine.start(last, {})
      yield* reaches(handle, "last", "running")
      yield* Deferred.succeed(gate, undefined)
      yield* reaches(handle, "last", "completed")
      yield* handle.cancel
      assert.strictEqual((yield* handle.snapshot).status, "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("by id: of a live run, an unknown one, another Dag's", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const dag = Dag.make("live", { outputs: { one: step("one", Effect.never) } })
      const other = Dag.make("live", { version: 2, outputs: { one: step("one", Effect.never) } })
      assert.strictEqual((yield* Effect.flip(Engine.cancel(dag, id)))._tag, "UnknownRun")
      const handle = yield* Engine.start(dag, {}, { runId: id })
      assert.strictEqual((yield* Effect.flip(Engine.cancel(other, id)))._tag, "DagChanged")
      yield* Engine.cancel(dag, id)
      assert.strictEqual((yield* handle.snapshot).status, "cancelled")
    }).pipe(Effect.provide(alone()))
  )

  for (const how of ["suspended", "cut off"] as const) {
    it.effect(`by id: a run that is ${how}; always modules clean up, also those of child Dags and items`, () =>
      Effect.gen(function* () {
        const { ran, step } = noted()
        const inChild = step("inChild", Effect.void, { signalled }, "always")
        const inner = Dag.make("inner", { outputs: { inChild } })
        const child = Module.dag("child", { dag: inner, input: () => ({}) })
        const items = Module.map("items", { over: () => [0, 1], dag: inner, input: () => ({}) })
        const runs = step("runs", how === "cut off" ? Effect.never : Effect.void)
        const cleans = step("cleans", Effect.void, { child, items }, "always")
        const never = step("never", Effect.void, { child })
        const dag = Dag.make("by-id", { outputs: { cleans, never, runs } })
        if (how === "suspended") {
          yield* Effect.gen(function* () {
            assert.strictEqual((yield* Effect.flip(Engine.execute(dag, {}, { runId: id })))._tag, "RunSuspended")
          }).pipe(Effect.provide(engine()))
        } else {
          yield* cutOffWhen(
            Engine.execute(dag, {}, { runId: id }),
            Effect.zipRight(TestClock.adjust("1 second"), isStored("items/1/signalled", "suspended"))
          ).pipe(Effect.provide(engine()))
        }
        ran.length = 0
        yield* Effect.provide(Engine.cancel(dag, id), engine())
        const snapshot = yield* storedRun()
        assert.strictEqual(snapshot.status, "cancelled")
        assert.deepStrictEqual(ran.sort(), ["cleans", "inChild", "inChild", "inChild"])
        for (const [path, status] of Object.entries(statusesOf(snapshot))) {
          const isDone = how === "suspended" && path === "runs"
          const cleansUp = path.endsWith("cleans") || path.endsWith("inChild")
          assert.strictEqual(status, isDone || cleansUp ? "completed" : "cancelled", path)
        }
        yield* Effect.provide(Engine.cancel(dag, id), engine())
      }).pipe(Effect.provide(store))
    )
  }

  it.effect("of a handle whose run has been suspended", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const cleans = step("cleans", Effect.void, { signalled }, "always")
      const handle = yield* Engine.start(Dag.make("suspended", { outputs: { cleans } }), {}, { runId: id })
      assert.strictEqual((yield* Effect.flip(handle.await))._tag, "RunSuspended")
      yield* handle.cancel
      assert.strictEqual((yield* storedRun()).status, "cancelled")
      assert.deepStrictEqual(ran, ["cleans"])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("leaves a run that can be resumed, from what is unfinished", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const first = step("first")
      const second = step("second", gate.await, { first })
      const third = step("third", Effect.void, { second })
      const dag = Dag.make("resumed", { outputs: { third } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "second", "running")
      yield* handle.cancel
      yield* gate.open
      yield* Engine.resume(dag, id)
      assert.deepStrictEqual(ran, ["first", "second", "second", "third"])
      assert.strictEqual(stateOf(yield* storedRun(), "second").attempt, 2)
      assert.strictEqual((yield* storedRun()).status, "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that is cut off in its middle is one after a resume as well", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const slow = step(
        "slow",
        Effect.onInterrupt(Effect.never, () => gate.await)
      )
      const after = step("after", Effect.void, { slow })
      const cleans = step("cleans", Effect.void, { slow }, "always")
      const dag = Dag.make("cut", { outputs: { after, cleans } })
      yield* Effect.gen(function* () {
        const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
        yield* eventually(Effect.sync(() => ran.includes("slow")))
        const handle = yield* Engine.start(dag, {}, { runId: id })
        yield* Effect.fork(handle.cancel)
        yield* Effect.zipRight(TestClock.adjust("1 second"), isStored("after", "cancelled"))
        const interrupting = yield* Effect.fork(Fiber.interrupt(run))
        yield* quiet
        yield* gate.open
        yield* Fiber.join(interrupting)
      }).pipe(Effect.provide(engine()))
      assert.strictEqual((yield* storedRun()).status, "running")
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert.strictEqual(error._tag, "RunCancelled")
      assert.deepStrictEqual(ran, ["slow", "cleans"])
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        after: "cancelled",
        cleans: "completed",
        slow: "cancelled"
      })
    }).pipe(Effect.provide(store))
  )
})

describe("the timeout of a run", () => {
  it.effect("names what has finished, interrupts what runs and cleans up", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const quick = Module.make("quick", { output: Schema.Number, run: () => Effect.succeed(1) })
      const finalized = yield* Deferred.make<void>()
      const slow = step(
        "slow",
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(finalized, undefined))
      )
      const cleans = step("cleans", Effect.void, { slow }, "always")
      const dag = Dag.make("slow", { outputs: { quick, slow, cleans } })
      const run = yield* Effect.fork(Effect.flip(Engine.execute(dag, {}, { runId: id, timeout: "1 minute" })))
      yield* TestClock.adjust("59 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(run)))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(run)
      assert(error._tag === "RunTimedOut")
      assert.strictEqual(error.millis, 60_000)
      assert.deepStrictEqual(error.outputs, { quick: 1, cleans: undefined })
      assert.deepStrictEqual(statusesOf(error.snapshot), { quick: "completed", slow: "cancelled", cleans: "completed" })
      assert.strictEqual(error.snapshot.status, "timedOut")
      yield* Deferred.await(finalized)
      assert.deepStrictEqual(ran.sort(), ["cleans", "slow"])
      const stored = yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert(stored._tag === "RunTimedOut")
      assert.deepStrictEqual(stored.outputs, { quick: 1, cleans: undefined })
      assert.strictEqual(stored.millis, 60_000)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("counts the time in which the run is suspended, and is when it wakes", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const inner = step("inner", Effect.void, { signalled }, "always")
      const child = Module.dag("child", { dag: Dag.make("c", { outputs: { inner } }), input: () => ({}) })
      const dag = Dag.make("suspended", { outputs: { child } })
      const error = yield* Effect.flip(Engine.execute(dag, {}, { runId: id, timeout: "1 hour" }))
      assert(error._tag === "RunSuspended")
      assert.strictEqual(error.until, Duration.toMillis("1 hour"))
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* Effect.flip(Engine.resume(dag, id)))._tag, "RunSuspended")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(Engine.resume(dag, id)))._tag, "RunTimedOut")
      assert.deepStrictEqual(ran, ["inner"])
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        child: "cancelled",
        "child/inner": "completed",
        "child/signalled": "cancelled"
      })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("counts the time in which nobody drove the run", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const dag = Dag.make("cut", { outputs: { slow: step("slow", Effect.never) } })
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id, timeout: "1 hour" }),
        isStored("slow", "running").pipe((_) => Effect.zipRight(TestClock.adjust("1 second"), _))
      ).pipe(Effect.provide(engine()))
      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert.strictEqual(error._tag, "RunTimedOut")
    }).pipe(Effect.provide(store))
  )

  it.effect("gives a resumed run its time anew", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const quick = step("quick")
      const slow = step("slow", Effect.sleep("90 minutes"), { quick })
      const dag = Dag.make("anew", { outputs: { slow } })
      const first = yield* Effect.fork(Effect.flip(Engine.execute(dag, {}, { runId: id, timeout: "1 hour" })))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(first))._tag, "RunTimedOut")
      yield* TestClock.adjust("5 hours")
      const second = yield* Effect.fork(Effect.flip(Engine.resume(dag, id)))
      yield* TestClock.adjust("59 minutes")
      assert.isTrue(Option.isNone(yield* Fiber.poll(second)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(second))._tag, "RunTimedOut")
      const third = yield* Effect.fork(Engine.resume(dag, id, { timeout: "2 hours" }))
      yield* TestClock.adjust("90 minutes")
      yield* Fiber.join(third)
      assert.deepStrictEqual(ran, ["quick", "slow", "slow", "slow"])
      assert.strictEqual(stateOf(yield* storedRun(), "slow").attempt, 3)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("is refused when it is no duration", () =>
    Effect.gen(function* () {
      const { step } = noted()
      const dag = Dag.make("none", { outputs: { one: step("one") } })
      for (const timeout of [-1, NaN]) {
        assert.strictEqual((yield* Effect.exit(Engine.execute(dag, {}, { timeout })))._tag, "Failure")
      }
      yield* Engine.execute(dag, {}, { timeout: Duration.infinity })
    }).pipe(Effect.provide(alone()))
  )
})

describe("Run.stop", () => {
  const stops = <const Name extends string>(name: Name, ran: Array<string>) =>
    Module.make(name, {
      output: Schema.String,
      run: () => Effect.sync(() => ran.push(name)).pipe(Effect.zipRight(Run.stop), Effect.as(name))
    })

  it.effect("nothing new starts, what runs finishes, the rest is skipped, and always modules clean up", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const begun = yield* Effect.makeLatch(false)
      const running = step("running", Effect.zipRight(begun.open, gate.await))
      const waits = Module.make("waits", { output: Schema.String, run: () => Effect.as(begun.await, "waits") })
      const stopAfter = Module.make("stopAfter", {
        needs: { waits },
        output: Schema.String,
        run: () => Effect.as(Run.stop, "stopped")
      })
      const behind = step("behind", Effect.void, { running })
      const cleans = step("cleans", Effect.void, { behind }, "always")
      const dag = Dag.make("stop", { outputs: { running, stopAfter, behind, cleans } })
      const handle = yield* Engine.start(dag, {}, { runId: id })
      yield* reaches(handle, "stopAfter", "completed")
      const meanwhile = yield* handle.snapshot
      assert.strictEqual(statusOf(meanwhile, "running"), "running")
      assert.strictEqual(statusOf(meanwhile, "behind"), "skipped")
      yield* gate.open
      const error = yield* Effect.flip(handle.await)
      assert(error._tag === "RunStopped")
      assert.deepStrictEqual(error.outputs, { running: undefined, stopAfter: "stopped", cleans: undefined })
      assert.deepStrictEqual(ran, ["running", "cleans"])
      assert.strictEqual(error.snapshot.status, "stopped")
      const stored = yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert.strictEqual(stored._tag, "RunStopped")
      const finished = yield* Effect.flip(Engine.resume(dag, id))
      assert(finished._tag === "RunFinished")
      assert.strictEqual(finished.status, "stopped")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("completes when all outputs are there all the same", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const handle = yield* Engine.start(
        Dag.make("whole", { outputs: { only: stops("only", ran) } }),
        {},
        { runId: id }
      )
      assert.deepStrictEqual(yield* handle.await, { only: "only" })
      assert.strictEqual((yield* storedRun()).status, "completed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("loses to a failure and to a cancellation", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const fails = step("fails", Effect.zipRight(gate.await, new Bad({ why: "late" })))
      const never = step("never", Effect.never)
      const stop = stops("stop", ran)
      for (const how of ["failed", "cancelled"] as const) {
        const dag = Dag.make(how, { outputs: { fails, never, stop } })
        const handle = yield* Engine.start(dag, {})
        yield* reaches(handle, "stop", "completed")
        if (how === "failed") yield* gate.open
        else yield* handle.cancel
        yield* Effect.exit(handle.await)
        const snapshot = yield* handle.snapshot
        assert.strictEqual(snapshot.status, how)
        assert.strictEqual(statusOf(snapshot, "never"), "cancelled")
        yield* gate.close
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("from inside of a child Dag and of an item of a map", () =>
    Effect.gen(function* () {
      for (const where of ["child", "item"] as const) {
        const { ran, step } = noted()
        const inner = stops("inner", ran)
        const rest = step("rest", Effect.void, { inner })
        const child =
          where === "child"
            ? Module.dag("child", { dag: Dag.make("c", { outputs: { rest } }), input: () => ({}) })
            : Module.map("child", {
                over: () => [0, 1, 2, 3],
                concurrency: 1,
                output: Schema.Void,
                run: (item) =>
                  Effect.zipRight(
                    Effect.sync(() => ran.push(`item ${item}`)),
                    item === 1 ? Run.stop : Effect.void
                  )
              })
        const after = step("after", Effect.void, { child })
        const handle = yield* Engine.start(Dag.make(where, { outputs: { after } }), {})
        const error = yield* Effect.flip(handle.await)
        assert.strictEqual(error._tag, "RunStopped")
        assert.deepStrictEqual(ran, where === "child" ? ["inner"] : ["item 0", "item 1"])
        const snapshot = yield* handle.snapshot
        assert.strictEqual(statusOf(snapshot, "child"), "skipped")
        assert.strictEqual(statusOf(snapshot, "after"), "skipped")
        if (where === "child") assert.strictEqual(statusOf(snapshot, "child/rest"), "skipped")
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that is cut off in its middle: what had begun is finished after a resume, and nothing else starts", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const running = step("running", gate.await)
      const behind = step("behind", Effect.void, { running })
      const stop = stops("stop", ran)
      // with all outputs there the run completes, as it would have
      for (const whole of [false, true]) {
        ran.length = 0
        const runId = RunId.make(String(whole))
        const optional = Module.make("optional", {
          needs: { running, behind },
          join: "always",
          output: Schema.Void,
          run: () => Effect.void
        })
        const last: Module.Of<void> = whole ? optional : behind
        const dag = Dag.make("cut", { outputs: { running, stop, last } })
        yield* gate.close
        yield* cutOffWhen(
          Engine.execute(dag, {}, { runId }),
          Effect.zipRight(TestClock.adjust("1 second"), isStored("behind", "skipped", runId))
        ).pipe(Effect.provide(engine()))
        yield* gate.open
        const exit = yield* Effect.exit(Engine.resume(dag, runId)).pipe(Effect.provide(engine()))
        const snapshot = yield* storedRun(runId)
        assert.strictEqual(statusOf(snapshot, "running"), "completed")
        assert.strictEqual(statusOf(snapshot, "behind"), "skipped")
        assert.strictEqual(snapshot.status, whole ? "completed" : "stopped")
        assert.strictEqual(exit._tag, whole ? "Success" : "Failure")
        assert.sameMembers(ran, ["running", "stop", "running"])
      }
    }).pipe(Effect.provide(store))
  )

  it.effect("that is cut off in its middle, from inside of a child Dag, is a stop after a resume as well", () =>
    Effect.gen(function* () {
      const { ran, step } = noted()
      const gate = yield* Effect.makeLatch(false)
      const running = step("running", gate.await)
      const stop = stops("stop", ran)
      const behind = step("behind", Effect.void, { running, stop })
      const child = Module.dag("child", { dag: Dag.make("c", { outputs: { running, behind } }), input: () => ({}) })
      const dag = Dag.make("cut", { outputs: { child } })
      yield* cutOffWhen(
        Engine.execute(dag, {}, { runId: id }),
        Effect.zipRight(TestClock.adjust("1 second"), isStored("child/behind", "skipped"))
      ).pipe(Effect.provide(engine()))
      yield* gate.open
      const error = yield* Effect.flip(Engine.resume(dag, id)).pipe(Effect.provide(engine()))
      assert.strictEqual(error._tag, "RunStopped")
      assert.deepStrictEqual(statusesOf(yield* storedRun()), {
        child: "skipped",
        "child/behind": "skipped",
        "child/running": "completed",
        "child/stop": "completed"
      })
    }).pipe(Effect.provide(store))
  )

  it.effect("of a run that waits for a signal ends the waiting", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const dag = Dag.make("waits", { outputs: { signalled, stop: stops("stop", ran) } })
      const error = yield* Effect.flip(Engine.execute(dag, {}, { runId: id }))
      assert(error._tag === "RunStopped")
      assert.deepStrictEqual(error.outputs, { stop: "stop" })
      assert.strictEqual(statusOf(error.snapshot, "signalled"), "skipped")
      assert.strictEqual((yield* Effect.flip(Engine.signal(id, signalled, "late")))._tag, "RunFinished")
    }).pipe(Effect.provide(alone()))
  )
})
