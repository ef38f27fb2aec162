import { assert, describe, it } from "@effect/vitest"
import {
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Schedule,
  Schema,
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, Run, RunError, RunId, RunStore, Shared, StoreError } from "heddle"
import { numRuns } from "../numRuns.js"
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
  statusOf,
  stepsOf,
  store,
  storedRun
} from "./Harness.js"
import * as VirtualClock from "./VirtualClock.js"

const bad = new Bad({ why: "bad" })

/** Counts what is inside of it at once, and keeps who came in. */
const makeGauge = () => {
  const entered: Array<string> = []
  let running = 0
  let peak = 0
  return {
    entered,
    peak: () => peak,
    within: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          entered.push(name)
          peak = Math.max(peak, ++running)
        }),
        () => effect,
        () => Effect.sync(() => void running--)
      )
  }
}

type Gauge = ReturnType<typeof makeGauge>

interface Under<E> {
  readonly gauge?: Gauge
  readonly effect?: Effect.Effect<unknown, E>
  readonly limit?: string
  readonly priority?: number
}

/** A module under the limit "one", unless another is named. */
const under = <const Name extends string, E = never>(name: Name, { effect, gauge, limit, priority }: Under<E> = {}) =>
  Module.make(name, {
    output: Schema.Void,
    limit: limit ?? "one",
    priority: priority ?? 0,
    run: () => {
      const body = Effect.asVoid(effect ?? Effect.void)
      return gauge === undefined ? body : gauge.within(name, body)
    }
  })

type Step = Module.Of<unknown, Bad>

const outputs = (modules: ReadonlyArray<Step>) => Object.fromEntries(modules.map((module) => [module.name, module]))

const dagOf = (name: string, ...modules: ReadonlyArray<Step>) => Dag.make(name, { outputs: outputs(modules) })

/** A run that has a permit of "one" until the latch is opened. */
const holds = Effect.gen(function* () {
  const gate = yield* Effect.makeLatch(false)
  const handle = yield* Engine.start(dagOf("holds", under("holder", { effect: gate.await })), {})
  yield* reaches(handle, "holder", "running")
  return { gate, handle }
})

/** As many as the limit has permits can run at once, and no more: none was lost, and none was given back twice. */
const hasAll = (permits: number, limit = "one") =>
  Effect.gen(function* () {
    const gauge = makeGauge()
    const gate = yield* Effect.makeLatch(false)
    const modules = Array.from({ length: permits + 2 }, (_, i) => under(`m${i}`, { gauge, limit, effect: gate.await }))
    const handle = yield* Engine.start(dagOf("probe", ...modules), {})
    yield* eventually(
      Effect.sync(() => gauge.entered.length >= permits),
      `${permits} permits`
    )
    yield* quiet
    assert.strictEqual(gauge.entered.length, permits)
    yield* gate.open
    yield* handle.await
    assert.strictEqual(gauge.peak(), permits)
  })

/** What is buffered is written within a second. */
const soon = <A, E, R>(check: Effect.Effect<A, E, R>) => Effect.zipRight(TestClock.adjust("1 second"), check)

describe("a limit", () => {
  it.effect("lets as many as it says run at once: modules, items and children of several runs", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const pause = Effect.sleep("1 second")
      const limit = "stripe"
      const charges = Module.map("charges", {
        over: () => Array.from({ length: 20 }, (_, i) => i),
        output: Schema.Void,
        limit,
        run: (item) => gauge.within(`item ${item}`, pause)
      })
      const inner = dagOf("inner", under("inner", { gauge, limit, effect: pause }))
      const child = Module.dag("child", { dag: inner, input: () => ({}) })
      const children = Module.map("children", { over: () => [0, 1, 2, 3], dag: inner, input: () => ({}) })
      const plain = Array.from({ length: 5 }, (_, i) => under(`plain${i}`, { gauge, limit, effect: pause }))
      const dag = Dag.make("charging", { outputs: { charges, child, children, ...outputs(plain) } })
      const runs = yield* Effect.forEach([1, 2, 3], () => Engine.start(dag, {}))
      yield* TestClock.adjust("17 seconds")
      assert.strictEqual(gauge.peak(), 5)
      assert.strictEqual(gauge.entered.length, 90)
      yield* TestClock.adjust("1 second")
      for (const { await: ended } of runs) yield* ended
    }).pipe(Effect.provide(alone({ limits: { stripe: 5 } })))
  )

  it.effect("is one of its own for each name and each engine", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const gate = yield* Effect.makeLatch(false)
      const modules = ["one", "two"].flatMap((limit) =>
        [0, 1].map((i) => under(`${limit}${i}`, { gauge, limit, effect: gate.await }))
      )
      const dag = dagOf("names", ...modules)
      const limits = { limits: { one: 1, two: 1 } }
      const start = Effect.zipLeft(Engine.start(dag, {}), quiet)
      yield* Effect.gen(function* () {
        const handle = yield* start
        assert.deepStrictEqual(gauge.entered, ["one0", "two0"])
        yield* Effect.gen(function* () {
          const other = yield* start
          assert.deepStrictEqual(gauge.entered, ["one0", "two0", "one0", "two0"])
          yield* gate.open
          yield* Effect.all([handle.await, other.await])
        }).pipe(Effect.provide(engine(limits)))
      }).pipe(Effect.provide(engine(limits)))
    }).pipe(Effect.provide(store))
  )

  it.effect("is not taken by what waits for its needs, and of what waits for it only the status says so", () =>
    Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const needed = Module.make("needed", { output: Schema.Void, run: () => gate.await })
      const later = Module.make("later", {
        needs: { needed },
        output: Schema.Void,
        limit: "one",
        run: () => Effect.void
      })
      const now = under("now", { effect: Effect.never, priority: 1 })
      const behind = under("behind")
      const handle = yield* Engine.start(dagOf("needs", later, now, behind), {})
      yield* reaches(handle, "now", "running")
      yield* reaches(handle, "behind", "scheduled")
      assert.strictEqual(statusOf(yield* handle.snapshot, "later"), "pending")
      yield* gate.open
      yield* reaches(handle, "later", "scheduled")
      yield* handle.cancel
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )

  it.effect("that is no whole number of at least 1 is a defect when the engine is built", () =>
    Effect.gen(function* () {
      for (const permits of [0, -1, NaN, 1.5]) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(engine({ limits: { one: permits } }))))
        assert.isTrue(Exit.isFailure(exit), String(permits))
      }
    }).pipe(Effect.provide(store))
  )

  it.effect("says nothing of a module that gets its permit at once", () =>
    Effect.gen(function* () {
      const [first, waits] = [under("first", { priority: 9, effect: Effect.never }), under("waits", { priority: 5 })]
      const free = under("free", { limit: "two" })
      const handle = yield* Engine.start(dagOf("announced", first, waits, free), {}, { runId: id })
      yield* reaches(handle, "free", "completed")
      assert.deepStrictEqual(yield* soon(stepsOf("free")), ["running 1", "completed 1"])
      yield* handle.cancel
    }).pipe(Effect.provide(alone({ limits: { one: 1, two: 1 } })))
  )
})

describe("a free permit", () => {
  it.effect("goes from run to run: one with 1,000 waiting modules does not hold up one with 1", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const many = Module.map("many", {
        over: () => Array.from({ length: 1000 }, (_, i) => i),
        output: Schema.Void,
        limit: "one",
        run: (item) => gauge.within(`item ${item}`, Effect.sleep("1 second"))
      })
      const crowd = yield* Engine.start(dagOf("crowd", many), {})
      yield* reaches(crowd, "many", "running")
      yield* TestClock.adjust("3 seconds")
      assert.lengthOf(gauge.entered, 4)
      const single = yield* Engine.start(dagOf("single", under("single", { gauge })), {})
      yield* reaches(single, "single", "scheduled")
      yield* TestClock.adjust("2 seconds")
      yield* single.await
      assert.isAtMost(gauge.entered.indexOf("single"), 5)
      yield* crowd.cancel
    }).pipe(Effect.provide(alone({ limits: { one: 1 }, durability: "buffered" })))
  )

  it.effect("goes to each of the runs that wait in turn", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const { gate } = yield* holds
      const runs = yield* Effect.forEach(["a", "b", "c"], (name) =>
        Engine.start(dagOf(name, ...[0, 1, 2, 3].map((i) => under(`${name}${i}`, { gauge }))), {}).pipe(
          Effect.tap((handle) => reaches(handle, `${name}3`, "scheduled"))
        )
      )
      yield* gate.open
      for (const run of runs) yield* run.await
      assert.deepStrictEqual(
        gauge.entered,
        [0, 1, 2, 3].flatMap((i) => ["a", "b", "c"].map((name) => `${name}${i}`))
      )
    }).pipe(Effect.provide(alone({ limits: { one: 1 }, durability: "buffered" })))
  )

  it.effect("goes to the highest priority of a run, modules and items alike, then to who was ready first", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const { gate } = yield* holds
      const module = (name: string, priority: number) => under(name, { gauge, priority })
      const items = Module.map("items", {
        over: () => ["i", "j"],
        output: Schema.Void,
        limit: "one",
        priority: 2,
        run: (item) => gauge.within(item, Effect.void)
      })
      const handle = yield* Engine.start(
        Dag.make("order", {
          outputs: {
            ...outputs([module("a", -1), module("b", 0), module("c", 7), module("d", 0), module("e", 3)]),
            items
          }
        }),
        {}
      )
      yield* reaches(handle, "a", "scheduled")
      yield* gate.open
      yield* handle.await
      assert.deepStrictEqual(gauge.entered, ["c", "e", "i", "j", "b", "d", "a"])
    }).pipe(Effect.provide(alone({ limits: { one: 1 }, durability: "buffered" })))
  )

  it.effect("goes by what is ready now, whatever its run's own concurrency", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const modules = ["a", "b", "c", "d"].map((name, priority) => under(name, { gauge, priority }))
      yield* Engine.execute(dagOf("narrow", ...modules), {}, { concurrency: 1 })
      assert.deepStrictEqual(gauge.entered, ["d", "c", "b", "a"])
    }).pipe(Effect.provide(alone({ limits: { one: 3 } })))
  )

  it.effect("that finds no place to run goes on to other runs, and who had it keeps its turn in its own", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const first = yield* holds
      const second = yield* holds
      const gate = yield* Effect.makeLatch(false)
      const busy = (name: string) => Module.make(name, { output: Schema.Void, run: () => gate.await })
      const waiting = ["a", "b", "c"].map((name) => under(name, { gauge, priority: 1 }))
      const narrow = yield* Engine.start(dagOf("narrow", ...waiting, busy("x"), busy("y")), {}, { concurrency: 2 })
      yield* reaches(narrow, "y", "running")
      yield* reaches(narrow, "c", "scheduled")
      yield* first.gate.open
      yield* second.gate.open
      yield* Effect.all([first.handle.await, second.handle.await])
      yield* quiet
      assert.deepStrictEqual(gauge.entered, [])
      yield* hasAll(2)
      yield* gate.open
      yield* narrow.await
      assert.deepStrictEqual(gauge.entered, ["a", "b", "c"])
    }).pipe(Effect.provide(alone({ limits: { one: 2 }, durability: "buffered" })))
  )
})

describe("a run of concurrency 1", () => {
  it.effect("lets others run while one of its modules waits for a permit", () =>
    Effect.gen(function* () {
      const { gate, handle: holder } = yield* holds
      const [during, after] = [yield* Effect.makeLatch(false), yield* Effect.makeLatch(false)]
      const waits = under("waits", { priority: 9 })
      const runs = Module.make("runs", { output: Schema.Void, run: () => during.await })
      const next = Module.make("next", { needs: { runs }, output: Schema.Void, run: () => after.await })
      const narrow = yield* Engine.start(dagOf("narrow", waits, next), {}, { concurrency: 1 })
      yield* reaches(narrow, "runs", "running")
      assert.strictEqual(statusOf(yield* narrow.snapshot, "waits"), "scheduled")
      yield* during.open
      yield* reaches(narrow, "next", "running")
      // now there is a permit and no place: it stays free for others
      yield* gate.open
      yield* holder.await
      yield* hasAll(1)
      assert.strictEqual(statusOf(yield* narrow.snapshot, "waits"), "scheduled")
      yield* after.open
      yield* narrow.await
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )

  it.effect("keeps to it while the start of a module that runs at most once is being committed", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const once = ["a", "b", "c"].map((name) =>
        Module.make(name, {
          output: Schema.Void,
          execution: "atMostOnce",
          limit: "one",
          run: () => gauge.within(name, quiet)
        })
      )
      const others = ["x", "y"].map((name) =>
        Module.make(name, { output: Schema.Void, run: () => gauge.within(name, quiet) })
      )
      yield* Engine.execute(dagOf("narrow", ...once, ...others), {}, { concurrency: 1 })
      assert.strictEqual(gauge.peak(), 1)
      assert.sameMembers(gauge.entered, ["a", "b", "c", "x", "y"])
      yield* hasAll(2)
    }).pipe(Effect.provide(alone({ limits: { one: 2 } })))
  )
})

describe("a permit comes back", () => {
  const options = { output: Schema.Number, limit: "one" } as const

  /** Ways in which a module ends by itself. */
  const ends: { readonly [how: string]: () => Step } = {
    "it succeeds": () => Module.make("m", { ...options, run: () => Effect.succeed(1) }),
    "it succeeds later": () => Module.make("m", { ...options, run: () => Effect.delay(Effect.succeed(1), "1 second") }),
    "it fails": () => Module.make("m", { ...options, run: () => bad }),
    "it fails and is skipped": () => {
      const m = Module.make("m", { ...options, onFailure: "skip", run: () => bad })
      return Module.pure("after", { needs: { m }, join: "always", run: () => 1 })
    },
    "its fallback fails": () => Module.make("m", { ...options, onFailure: () => bad, run: () => bad }),
    "it dies": () => Module.make("m", { ...options, run: () => Effect.die("boom") }),
    "its run throws": () =>
      Module.make("m", {
        ...options,
        run: (): Effect.Effect<number> => {
          throw new Error("boom")
        }
      }),
    "it interrupts itself": () => Module.make("m", { ...options, run: () => Effect.interrupt }),
    "its output does not encode": () => Module.make("m", { ...options, run: () => Effect.succeed(NaN) }),
    "it times out": () => Module.make("m", { ...options, timeout: "1 second", run: () => Effect.never }),
    "its retries are used up": () =>
      Module.make("m", {
        ...options,
        retry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2)),
        run: () => bad
      }),
    "it has run at most once": () =>
      Module.make("m", { ...options, execution: "atMostOnce", run: () => Effect.succeed(1) }),
    "it has failed at most once": () => Module.make("m", { ...options, execution: "atMostOnce", run: () => bad }),
    "its items end": () =>
      Module.map("m", {
        ...options,
        over: () => [0, 1, 2, 3],
        onItemFailure: "collect",
        run: (item) => (item % 2 === 0 ? Effect.succeed(item) : bad)
      }),
    "an item fails and the others are interrupted": () =>
      Module.map("m", { ...options, over: () => [0, 1, 2, 3], run: (item) => (item === 1 ? bad : Effect.never) }),
    "it stops its run": () => Module.make("m", { ...options, run: () => Effect.as(Run.stop, 1) })
  }

  for (const [how, make] of Object.entries(ends)) {
    it.effect(`when ${how}`, () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.exit(Engine.execute(dagOf("ends", make()), {})))
        yield* quiet
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(fiber)
        yield* hasAll(2)
      }).pipe(Effect.provide(alone({ limits: { one: 2 } })))
    )
  }

  it.effect("when an update of its shared cells throws", () =>
    Effect.gen(function* () {
      const cells = Shared.make("cells", { count: Shared.cell(Schema.Int, 0) })
      const throws = Module.make("throws", {
        output: Schema.Void,
        limit: "one",
        run: () =>
          Shared.update(cells, () => {
            throw new Error("boom")
          })
      })
      yield* Effect.flip(Engine.execute(Dag.make("throws", { outputs: { throws }, shared: [cells] }), {}))
      yield* hasAll(1)
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )

  /** A run whose modules have both permits, and others that wait for one. */
  const full = () => {
    const modules = ["a", "b", "c", "d"].map((name) => under(name, { effect: Effect.never }))
    const fails = Module.make("fails", { output: Schema.Void, run: () => Effect.delay(bad, "1 second") })
    return { dag: dagOf("full", ...modules), failing: dagOf("failing", ...modules, fails) }
  }

  /** A permit is gone for as long as its module's finalizers take. */
  for (const [how, end] of [
    ["is cancelled", (handle: Engine.Handle<unknown, unknown>) => handle.cancel],
    ["fails fast", () => TestClock.adjust("1 second")],
    ["times out", () => TestClock.adjust("2 seconds")]
  ] as const) {
    it.effect(`when its run ${how}, also from modules that still waited for one`, () =>
      Effect.gen(function* () {
        const { dag, failing } = full()
        const handle: Engine.Handle<unknown, unknown> = yield* Engine.start(
          how === "fails fast" ? failing : dag,
          {},
          how === "times out" ? { timeout: "2 seconds" } : {}
        )
        yield* reaches(handle, "d", "scheduled")
        yield* end(handle)
        yield* Effect.exit(handle.await)
        yield* hasAll(2)
      }).pipe(Effect.provide(alone({ limits: { one: 2 } })))
    )
  }

  it.effect("when its run is cut off, and a resume takes it again", () =>
    Effect.gen(function* () {
      const { dag } = full()
      const first = Effect.asVoid(Effect.exit(Engine.execute(dag, {}, { runId: id })))
      const again = Effect.asVoid(Effect.exit(Engine.resume(dag, id)))
      for (const run of [first, again, again]) {
        yield* cutOffWhen(run, soon(isStored("d", "scheduled")))
        yield* hasAll(2)
      }
    }).pipe(Effect.provide(alone({ limits: { one: 2 } })))
  )

  it.effect("when its run is lost to another driver or cannot be written", () =>
    Effect.gen(function* () {
      const runs = yield* RunStore.RunStore
      const broken = new StoreError({ reason: "failed", location: "here", operation: "commit", message: "disk gone" })
      let isBroken = false
      const layer = Layer.fresh(
        Heddle.layer({
          engine: { poll: Duration.infinity, limits: { one: 2 } },
          lease: { heartbeat: Duration.infinity }
        })
      ).pipe(
        Layer.provide(
          Layer.succeed(RunStore.RunStore, {
            ...runs,
            commit: (batch: RunStore.Batch) => (isBroken ? Effect.fail(broken) : runs.commit(batch))
          })
        )
      )
      yield* Effect.gen(function* () {
        for (const how of ["write", "lost"] as const) {
          const { dag } = full()
          const gate = yield* Effect.makeLatch(false)
          const runId = RunId.make(how)
          const writes = Module.make("writes", { output: Schema.Void, run: () => gate.await })
          const handle = yield* Engine.start(Dag.make(how, { outputs: { ...dag.outputs, writes } }), {}, { runId })
          yield* reaches(handle, "d", "scheduled")
          if (how === "lost") {
            yield* runs.claim({ runId, owner: "other", now: 1, expiredBefore: Infinity, reopen: false })
          } else isBroken = true
          yield* gate.open
          const error = yield* Effect.flip(handle.await)
          assert.strictEqual((error as { readonly _tag: string })._tag, how === "lost" ? "RunLost" : "WriteFailed")
          isBroken = false
          yield* hasAll(2)
        }
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(store))
  )

  it.effect("from a run that has stopped waiting, whatever made it stop", () =>
    Effect.gen(function* () {
      const waits = dagOf("waits", under("waits"))
      const { gate, handle: holder } = yield* holds
      const cancelled = yield* Engine.start(waits, {})
      const timed = yield* Engine.start(waits, {}, { timeout: "1 minute" })
      yield* reaches(timed, "waits", "scheduled")
      yield* cutOffWhen(Engine.execute(waits, {}, { runId: id }), soon(isStored("waits", "scheduled")))
      yield* cancelled.cancel
      yield* TestClock.adjust("1 minute")
      yield* Effect.flip(timed.await)
      yield* gate.open
      yield* holder.await
      yield* hasAll(1)
      yield* Engine.resume(waits, id)
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )

  it.effect("only once finalizers have run", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const slow = under("slow", { gauge, effect: Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute")) })
      const handle = yield* Engine.start(dagOf("slow", slow), {})
      yield* reaches(handle, "slow", "running")
      const next = yield* Engine.start(dagOf("next", under("next", { gauge })), {})
      const cancelling = yield* Effect.fork(handle.cancel)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(gauge.entered, ["slow"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(cancelling)
      yield* next.await
      assert.strictEqual(gauge.peak(), 1)
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )

  it.effect("or its engine closes, which does not wait for those that wait", () =>
    Effect.gen(function* () {
      const finalized = yield* Deferred.make<void>()
      const runs = dagOf(
        "runs",
        under("runs", { effect: Effect.onInterrupt(Effect.never, () => Deferred.succeed(finalized, undefined)) })
      )
      const waits = dagOf("waits", under("waits"))
      yield* Effect.gen(function* () {
        yield* Engine.start(runs, {}, { runId: RunId.make("runs") })
        const handle = yield* Engine.start(waits, {}, { runId: id })
        yield* reaches(handle, "waits", "scheduled")
      }).pipe(Effect.provide(engine({ limits: { one: 1 } })))
      yield* Deferred.await(finalized)
      assert.strictEqual((yield* storedRun()).status, "running")
      yield* Effect.provide(Engine.resume(waits, id), engine({ limits: { one: 1 } }))
      assert.deepStrictEqual(yield* stepsOf("waits"), ["scheduled 1", "running 1", "completed 1"])
    }).pipe(Effect.provide(store))
  )
})

describe("the delay between two attempts", () => {
  /** Fails at first, and is tried again after ten minutes. */
  const flaky = (gauge: Gauge, execution: "atLeastOnce" | "atMostOnce") =>
    Module.make("flaky", {
      output: Schema.Void,
      limit: "one",
      execution,
      retry: Schedule.spaced("10 minutes"),
      run: () =>
        gauge.within(
          "flaky",
          Effect.flatMap(Run.attempt, (attempt) => (attempt === 1 ? bad : Effect.void))
        )
    })

  for (const execution of ["atLeastOnce", "atMostOnce"] as const) {
    it.effect(`keeps the permit (${execution})`, () =>
      Effect.gen(function* () {
        const gauge = makeGauge()
        const handle = yield* Engine.start(dagOf("flaky", flaky(gauge, execution)), {})
        yield* reaches(handle, "flaky", "suspended")
        const next = yield* Engine.start(dagOf("next", under("next", { gauge })), {})
        yield* TestClock.adjust("9 minutes")
        assert.strictEqual(statusOf(yield* next.snapshot, "next"), "scheduled")
        yield* TestClock.adjust("1 minute")
        yield* Effect.all([handle.await, next.await])
        assert.deepStrictEqual(gauge.entered, ["flaky", "flaky", "next"])
      }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
    )
  }

  it.effect("takes one again after a resume, for what is left of it", () =>
    Effect.gen(function* () {
      const gauge = makeGauge()
      const dag = dagOf("flaky", flaky(gauge, "atLeastOnce"))
      yield* cutOffWhen(Engine.execute(dag, {}, { runId: id }), soon(isStored("flaky", "suspended")))
      yield* TestClock.setTime(Duration.toMillis("5 minutes"))
      yield* hasAll(1)
      const resumed = yield* Effect.fork(Engine.resume(dag, id))
      yield* quiet
      const next = yield* Engine.start(dagOf("next", under("next", { gauge })), {})
      yield* TestClock.setTime(Duration.toMillis("9 minutes"))
      assert.strictEqual(statusOf(yield* next.snapshot, "next"), "scheduled")
      yield* TestClock.setTime(Duration.toMillis("10 minutes"))
      yield* Effect.all([Fiber.join(resumed), next.await])
      assert.deepStrictEqual(gauge.entered, ["flaky", "flaky", "next"])
    }).pipe(Effect.provide(alone({ limits: { one: 1 } })))
  )
})

describe("a limit that the engine does not have", () => {
  let ran = 0
  const module = under("charge", { limit: "stripe", effect: Effect.sync(() => void ran++) })
  const first = Module.make("first", { output: Schema.Void, run: () => Effect.sync(() => void ran++) })
  const child = Module.dag("child", { needs: { first }, dag: dagOf("inner", module), input: () => ({}) })
  const dag = Dag.make("charging", { outputs: { child } })

  it.effect("is an error that names the Dag and the module, before anything has run or is stored", () =>
    Effect.gen(function* () {
      const has = engine({ limits: { stripe: 1 } })
      yield* Effect.provide(Engine.execute(dag, {}, { runId: id }), has)
      ran = 0
      yield* Effect.gen(function* () {
        const refused: ReadonlyArray<Effect.Effect<unknown, unknown, Engine.Engine>> = [
          Engine.execute(dag, {}),
          Engine.start(dag, {}),
          Stream.runDrain(Engine.stream(dag, {})),
          Engine.resume(dag, id),
          Engine.rerun(dag, id, { from: [first] })
        ]
        for (const effect of refused) {
          const error = yield* Effect.flip(effect)
          assert(error instanceof RunError.UnknownLimit)
          const { dag, limit, module } = error
          assert.deepStrictEqual({ dag, limit, module }, { dag: "charging", limit: "stripe", module: "child/charge" })
        }
        assert.strictEqual(ran, 0)
        assert.lengthOf(yield* Engine.list(), 1)
      }).pipe(Effect.provide(engine({ limits: { other: 1 } })))
    }).pipe(Effect.provide(store))
  )

  it.effect("is an error of cancel as well", () =>
    Effect.gen(function* () {
      const ask = Module.signal("ask", { value: Schema.String })
      const cleans = Module.make("cleans", {
        needs: { ask },
        join: "always",
        limit: "stripe",
        output: Schema.Void,
        run: () => Effect.void
      })
      const dag = Dag.make("cleans", { outputs: { cleans } })
      const execute = Engine.execute(dag, {}, { runId: id })
      yield* Effect.provide(Effect.flip(execute), engine({ limits: { stripe: 1 } }))
      const error: unknown = yield* Effect.provide(Effect.flip(Engine.cancel(dag, id)), engine())
      assert(error instanceof RunError.UnknownLimit)
      assert.strictEqual((yield* storedRun()).status, "suspended")
    }).pipe(Effect.provide(store))
  )

  it.effect("is a defect of an engine that owns such a Dag", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(engine({ dags: [dag] }))))
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "stripe")
    }).pipe(Effect.provide(store))
  )
})

describe("over random runs", () => {
  const task = fc.record({
    limit: fc.constantFrom("one", "two", "five", undefined),
    kind: fc.constantFrom("effect", "effect", "once", "map"),
    priority: fc.integer({ min: -1, max: 1 }),
    millis: fc.constantFrom(0, 10, 20),
    fails: fc.nat(2)
  })
  type Task = typeof task extends fc.Arbitrary<infer A> ? A : never
  const limits = { one: 1, two: 2, five: 5 }

  const aRun = fc.record({
    tasks: fc.array(task, { minLength: 1, maxLength: 6 }),
    concurrency: fc.constantFrom(1, 2, "unbounded" as const),
    durability: fc.constantFrom("committed" as const, "buffered" as const, "memory" as const),
    at: fc.constantFrom(0, 5, 20),
    cutOff: fc.option(fc.constantFrom(0, 10, 15, 40), { nil: undefined })
  })

  const moduleOf = (gauges: ReadonlyMap<string | undefined, Gauge>, task: Task, i: number): Step => {
    const { fails, kind, limit, millis, priority } = task
    const attempt = gauges.get(limit)!.within(
      "it",
      Effect.flatMap(Run.attempt, (attempt) => Effect.delay(attempt <= fails ? Effect.fail(bad) : Effect.void, millis))
    )
    const options = {
      output: Schema.Void,
      priority,
      retry: Schedule.intersect(Schedule.spaced(millis), Schedule.recurs(20)),
      ...(limit === undefined ? undefined : { limit })
    }
    const repaired = () => Effect.void
    return kind === "map"
      ? Module.map(`m${i}`, { ...options, over: () => [0, 1, 2], concurrency: 2, run: () => attempt })
      : Module.make(`m${i}`, {
          ...options,
          execution: kind === "once" ? "atMostOnce" : "atLeastOnce",
          run: () => attempt,
          onFailure: repaired
        })
  }

  it.effect.prop(
    "never more run at once than the limit says, and all of them complete",
    [fc.array(aRun, { minLength: 1, maxLength: 5 })],
    ([runs]) =>
      VirtualClock.test(({ until }) =>
        Effect.gen(function* () {
          const gauges = new Map([...Object.keys(limits), undefined].map((name) => [name, makeGauge()] as const))
          const one = ({ at, concurrency, cutOff, durability, tasks }: (typeof runs)[number], i: number) =>
            Effect.gen(function* () {
              const dag = dagOf(`run${i}`, ...tasks.map((task, j) => moduleOf(gauges, task, j)))
              const runId = RunId.make(`run${i}`)
              const execute = Engine.execute(dag, {}, { runId, concurrency, durability })
              yield* Effect.sleep(at)
              if (cutOff !== undefined) {
                const fiber = yield* Effect.fork(execute)
                yield* Effect.sleep(cutOff)
                yield* Fiber.interrupt(fiber)
              }
              assert.lengthOf(Object.keys(yield* execute), tasks.length)
            })
          yield* until(Effect.forEach(runs, one, { concurrency: "unbounded", discard: true }))
          for (const [name, permits] of Object.entries(limits)) {
            assert.isAtMost(gauges.get(name)!.peak(), permits)
            yield* hasAll(permits, name)
          }
        }).pipe(Effect.provide(Layer.fresh(alone({ limits }))))
      ),
    { fastCheck: { numRuns: Math.ceil(numRuns / 4) } }
  )
})
