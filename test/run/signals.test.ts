import { assert, describe, it } from "@effect/vitest"
import {
  type Clock,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Either,
  FastCheck as fc,
  Fiber,
  Layer,
  Metric,
  Option,
  Ref,
  Schema,
  Stream,
  Supervisor,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, RunError, RunId, RunStore, Telemetry, Timeline } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "../state/ControlledStore.js"
import { id, statusOf, withTime } from "./Harness.js"
import * as VirtualClock from "./VirtualClock.js"

/** Days may pass: nobody beats, and nobody is taken for dead. */
const lease = { heartbeat: Duration.infinity, expiry: Duration.infinity }

/** An engine in the test's scope, over the store that the test has. */
const engine = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  Layer.build(Layer.fresh(Heddle.layer<D>({ engine: { poll: Duration.infinity, ...options }, lease })))

/** An engine that is there while the effect runs. */
const within =
  <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.flatMap(engine<D>(options), (context) => Effect.provide(effect, context)))

const stores = {
  memory: RunStoreMemory.layer(),
  "a SQLite file": Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "heddle-signals-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      ),
      (folder) => RunStoreSqlite.layer({ filename: join(folder, "runs.db") })
    )
  )
}

/** Time for everything that has nothing to wait for but a few batches. */
const settle = Effect.forEach(Array.from({ length: 5 }), () => TestClock.adjust("200 millis"), { discard: true })

const suspends = <O, I, E, R>(dag: Dag.Dag<O, I, E, R>, input: I, runId = id) =>
  Effect.gen(function* () {
    const error = yield* withTime(Effect.flip(Engine.execute<O, I, E, R>(dag, input, { runId })))
    assert.instanceOf(error, RunError.RunSuspended)
    return error
  })

const summary = Effect.map(
  Effect.flatMap(Timeline.Timeline, ({ list }) => list()),
  (runs) => runs[0]!
)

const approval = Module.signal("approval", { value: Schema.Struct({ by: Schema.String, cents: Schema.Int }) })
const decided = Module.make("decided", {
  needs: { approval },
  output: Schema.String,
  run: ({ approval }) => Effect.succeed(`${approval.by} ${approval.cents}`)
})
const Approval = Dag.make("approval", { outputs: { decided } })
const yes = { by: "ann", cents: 7 }

const pause = Module.sleep("pause", { duration: "1 hour" })
const late = Module.signal("late", { needs: { pause }, value: Schema.Date, timeout: "1 minute" })
const Early = Dag.make("early", { outputs: { late } })

const brief = Module.signal("brief", { value: Schema.String, timeout: "1 minute", onTimeout: () => "nobody" })
const strict = Module.signal("brief", { value: Schema.String, timeout: "1 minute" })
const longer = Module.sleep("pause", { duration: "2 minutes" })
const Deadline = Dag.make("deadline", { outputs: { brief, pause: longer } })
const Strict = Dag.make("strict", { outputs: { brief: strict, pause: longer } })

/** Works for a while, then waits, and notes each value that it was given. */
const counted = (used: Ref.Ref<ReadonlyArray<number>>, work: number) => {
  const before = Module.make("before", { output: Schema.Void, run: () => Effect.sleep(work) })
  const signal = Module.signal("ask", { value: Schema.Int })
  const note = Module.make("note", {
    needs: { signal, before },
    output: Schema.Int,
    run: ({ signal }) =>
      Effect.as(
        Ref.update(used, (all) => [...all, signal]),
        signal
      )
  })
  return { signal, dag: Dag.make("counted", { outputs: { note } }) }
}

/** The result of the run "run", which has ended. */
const finishes = <O, E, R>(dag: Dag.Dag<O, {}, E, R>) => Engine.execute(dag, {}, { runId: id })

/** Each module of the run "run" completed once, in a history without gaps. */
const completesOnce = Effect.gen(function* () {
  const history = yield* (yield* Timeline.Timeline).history(id)
  assert.deepStrictEqual(
    history.map(({ seq }) => seq),
    history.map((_, i) => i + 1)
  )
  const completed = history.flatMap((change) =>
    change._tag === "ModuleTransition" && change.status === "completed" ? [change.module] : []
  )
  assert.sameMembers(completed, [...new Set(completed)])
  assert.deepInclude(history.at(-1), { _tag: "RunTransition", status: "completed" })
})

const readable = Timeline.layer.pipe(Layer.provideMerge(ControlledStore.layer))

for (const [name, store] of Object.entries(stores)) {
  const layer = Timeline.layer.pipe(Layer.provideMerge(store))

  describe(`a run that only waits, over ${name}`, () => {
    it.scoped("is suspended: stored, driven by nobody, and its callers are told", () =>
      Effect.gen(function* () {
        const context = yield* engine()
        yield* Effect.gen(function* () {
          const handle = yield* Engine.start(Approval, {}, { runId: id })
          const changes = yield* Effect.fork(Stream.runCollect(handle.changes))
          const error = yield* withTime(Effect.flip(handle.await))
          assert(error._tag === "RunSuspended")
          assert.strictEqual(error.until, undefined)
          assert.strictEqual(error.snapshot.status, "suspended")
          assert.strictEqual(statusOf(yield* Engine.get(id), "approval"), "suspended")
          assert.strictEqual((yield* Engine.get(id)).status, "suspended")
          // the end of what is published, and of the driver
          yield* Fiber.join(changes)
          assert.strictEqual((yield* Metric.value(Telemetry.runsActive)).value, 0)
          const { owner, status, wakeAt } = yield* summary
          assert.deepStrictEqual({ owner, status, wakeAt }, { owner: "", status: "suspended", wakeAt: Option.none() })
          // who asks again is told the same, and nothing begins
          const again = Effect.flip(Engine.execute(Approval, {}, { runId: id }))
          assert.strictEqual((yield* withTime(again))._tag, "RunSuspended")
          assert.strictEqual((yield* withTime(Effect.flip(Engine.resume(Approval, id))))._tag, "RunSuspended")
          assert.strictEqual((yield* Engine.get(id)).epoch, 1)
        }).pipe(Effect.provide(context))
      }).pipe(Effect.provide(layer))
    )

    it.effect("wakes at the earliest of its deadlines, and suspends until the next", () =>
      Effect.gen(function* () {
        const woke = yield* Ref.make<ReadonlyArray<string>>([])
        const after = (name: string, hours: number) => {
          const pause = Module.sleep(`pause-${name}`, { duration: Duration.hours(hours) })
          return Module.make(name, {
            needs: { pause },
            output: Schema.Void,
            run: () => Ref.update(woke, (all) => [...all, name])
          })
        }
        const dag = Dag.make("sleeps", { outputs: { c: after("c", 3), a: after("a", 1), b: after("b", 2) } })
        yield* Effect.gen(function* () {
          assert.strictEqual((yield* suspends(dag, {})).until, Duration.toMillis("1 hour"))
          for (const [hour, names] of [
            [1, ["a"]],
            [2, ["a", "b"]],
            [3, ["a", "b", "c"]]
          ] as const) {
            yield* TestClock.setTime(hour * 3_600_000 - 1)
            assert.lengthOf(yield* Ref.get(woke), hour - 1)
            yield* TestClock.setTime(hour * 3_600_000)
            yield* settle
            assert.deepStrictEqual(yield* Ref.get(woke), names)
            assert.strictEqual((yield* Engine.get(id)).until, hour === 3 ? undefined : (hour + 1) * 3_600_000)
          }
          assert.strictEqual((yield* Engine.get(id)).status, "completed")
        }).pipe(within({ dags: [dag] }))
      }).pipe(Effect.provide(layer))
    )

    it.scoped("is woken by who owns its very version", () =>
      Effect.gen(function* () {
        const version = (version: number) => {
          const pause = Module.sleep("pause", { duration: "1 minute" })
          const result = Module.pure("result", { needs: { pause }, output: Schema.Int, run: () => version })
          return Dag.make("versions", { outputs: { result }, version })
        }
        const [first, second, third] = [version(1), version(2), version(3)]
        yield* Effect.gen(function* () {
          for (const [dag, name] of [
            [first, "1"],
            [second, "2"],
            [third, "3"]
          ] as const) {
            yield* suspends(dag, {}, RunId.make(name))
          }
        }).pipe(within())
        const both = yield* engine({ dags: [first, second] })
        yield* TestClock.adjust("2 minutes")
        yield* settle
        yield* Effect.gen(function* () {
          assert.deepStrictEqual(yield* Engine.execute(first, {}, { runId: RunId.make("1") }), { result: 1 })
          assert.deepStrictEqual(yield* Engine.execute(second, {}, { runId: RunId.make("2") }), { result: 2 })
          assert.strictEqual((yield* Engine.get(RunId.make("3"))).status, "suspended")
          // it is due: whoever asks for it carries it on
          assert.deepStrictEqual(yield* withTime(Engine.resume(third, RunId.make("3"))), { result: 3 })
        }).pipe(Effect.provide(both))
      }).pipe(Effect.provide(layer))
    )

    for (const [how, closedFor] of [
      ["before", 30],
      ["after", 90]
    ] as const) {
      it.effect(`keeps its deadline over a restart ${how} it`, () =>
        Effect.gen(function* () {
          const pause = Module.sleep("pause", { duration: "1 hour" })
          const ask = Module.signal("ask", { value: Schema.String, timeout: "1 hour", onTimeout: () => "nobody" })
          const dag = Dag.make("restart", {
            outputs: { at: Module.pure("at", { needs: { pause, ask }, output: Schema.String, run: ({ ask }) => ask }) }
          })
          yield* suspends(dag, {}).pipe(within({ dags: [dag] }))
          yield* TestClock.setTime(closedFor * 60_000)
          yield* Effect.gen(function* () {
            yield* settle
            if (how === "before") {
              assert.strictEqual((yield* Engine.get(id)).status, "suspended")
              yield* TestClock.setTime(3_600_000 - 1)
              assert.strictEqual((yield* Engine.get(id)).epoch, 1)
              yield* TestClock.setTime(3_600_000)
              yield* settle
            }
            assert.deepStrictEqual(yield* Engine.execute(dag, {}, { runId: id }), { at: "nobody" })
          }).pipe(within({ dags: [dag] }))
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("times out as a whole, also while it is suspended", () =>
      Effect.gen(function* () {
        yield* withTime(Effect.flip(Engine.execute(Approval, {}, { runId: id, timeout: "1 hour" })))
        assert.strictEqual((yield* Engine.get(id)).until, 3_600_000)
        yield* TestClock.setTime(3_600_000)
        yield* settle
        assert.strictEqual((yield* Engine.get(id)).status, "timedOut")
        const error = yield* Effect.flip(Engine.signal(id, approval, yes))
        assert(error._tag === "RunFinished")
        assert.strictEqual(error.status, "timedOut")
      }).pipe(within({ dags: [Approval] }), Effect.provide(layer))
    )
  })

  describe(`a signal, over ${name}`, () => {
    it.scoped("is committed by an engine that does not own the Dag, and seen by the owner at its next poll", () =>
      Effect.gen(function* () {
        const owner = yield* engine({ dags: [Approval], poll: "10 seconds" })
        const stranger = yield* engine()
        yield* suspends(Approval, {}).pipe(Effect.provide(stranger))
        yield* TestClock.adjust("10 seconds")
        yield* Engine.signal(id, approval, yes).pipe(Effect.provide(stranger))
        yield* settle
        assert.strictEqual((yield* summary).status, "suspended")
        assert.deepStrictEqual((yield* summary).wakeAt, Option.some(0))
        yield* TestClock.adjust("10 seconds")
        yield* settle
        assert.strictEqual((yield* summary).status, "completed")
        assert.deepStrictEqual(yield* Engine.execute(Approval, {}, { runId: id }).pipe(Effect.provide(owner)), {
          decided: "ann 7"
        })
      }).pipe(Effect.provide(layer))
    )

    it.scoped("from another engine reaches a run that is live, at its next poll", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const busy = Module.make("busy", { output: Schema.Void, run: () => Deferred.await(gate) })
        const dag = Dag.make("live", { outputs: { decided, busy } })
        const driver = yield* engine({ poll: "10 seconds" })
        const stranger = yield* engine()
        const handle = yield* Engine.start(dag, {}, { runId: id }).pipe(Effect.provide(driver))
        yield* settle
        yield* Engine.signal(id, approval, yes).pipe(Effect.provide(stranger))
        yield* TestClock.adjust("11 seconds")
        yield* settle
        assert.strictEqual(statusOf(yield* handle.snapshot, "decided"), "completed")
        assert.strictEqual(statusOf(yield* handle.snapshot, "busy"), "running")
        yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual(yield* withTime(handle.await), { decided: "ann 7", busy: undefined })
      }).pipe(Effect.provide(layer))
    )

    it.effect("that cannot be delivered says why, and stores nothing", () =>
      Effect.gen(function* () {
        const other = Module.signal("other", { value: Schema.String })
        const tag = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
        assert.strictEqual(yield* tag(Engine.signal(id, approval, yes)), "UnknownRun")
        yield* suspends(Approval, {})
        assert.strictEqual(yield* tag(Engine.signal(id, other, "x")), "UnknownSignal")
        assert.strictEqual(yield* tag(Engine.signal(id, approval, yes, { within: "orders/3" })), "UnknownSignal")
        const invalid = yield* Effect.flip(Engine.signal(id, approval, { by: "ann", cents: 0.5 }))
        assert(invalid._tag === "SignalInvalid")
        assert.strictEqual(invalid.signal, "approval")
        assert.deepStrictEqual(
          invalid.faults.map(({ path }) => path),
          [["cents"]]
        )
        const { signals } = yield* RunStore.RunStore
        assert.deepStrictEqual(yield* signals([id]), [])
        yield* settle
        assert.strictEqual((yield* Engine.get(id)).status, "suspended")

        yield* Engine.signal(id, approval, yes)
        assert.strictEqual(yield* tag(Engine.signal(id, approval, { by: "bob", cents: 1 })), "AlreadyDelivered")
        assert.deepStrictEqual(yield* withTime(Engine.resume(Approval, id)), { decided: "ann 7" })
        const finished = yield* Effect.flip(Engine.signal(id, approval, yes))
        assert(finished._tag === "RunFinished")
        assert.strictEqual(finished.status, "completed")
      }).pipe(within(), Effect.provide(layer))
    )

    it.scoped("that two deliver at once, through one engine or two, is that of one of them", () =>
      Effect.gen(function* () {
        const engines = [yield* engine(), yield* engine()] as const
        for (const [name, second] of [
          ["one", engines[0]],
          ["two", engines[1]]
        ] as const) {
          const runId = RunId.make(name)
          yield* suspends(Approval, {}, runId).pipe(Effect.provide(engines[0]))
          const deliver = (cents: number, through: (typeof engines)[number]) =>
            Engine.signal(runId, approval, { by: "ann", cents }).pipe(Effect.provide(through), Effect.either)
          const sent = [deliver(0, engines[0]), deliver(1, second)]
          const results = yield* withTime(Effect.all(sent, { concurrency: "unbounded" }))
          const refused = results.flatMap((result) => (Either.isLeft(result) ? [result.left._tag] : []))
          assert.deepStrictEqual(refused, ["AlreadyDelivered"])
          const outputs = yield* withTime(Engine.resume(Approval, runId)).pipe(Effect.provide(engines[0]))
          assert.deepStrictEqual(outputs, { decided: `ann ${results.findIndex(Either.isRight)}` })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("that comes before its module waits is kept for it", () =>
      Effect.gen(function* () {
        const date = DateTime.toDateUtc(DateTime.unsafeMake(5))
        yield* suspends(Early, {})
        yield* Engine.signal(id, late, date)
        // it wakes nobody: what it is for has not begun
        yield* settle
        assert.strictEqual((yield* Engine.get(id)).epoch, 1)
        assert.strictEqual((yield* Engine.get(id)).status, "suspended")
        yield* TestClock.setTime(3_600_000)
        yield* settle
        assert.deepStrictEqual(yield* withTime(Engine.execute(Early, {}, { runId: id })), { late: date })
      }).pipe(within({ dags: [Early] }), Effect.provide(layer))
    )

    it.effect("whose time ran out fails its module or gives the default, and is closed", () =>
      Effect.gen(function* () {
        const [byDefault, strict] = [RunId.make("default"), RunId.make("strict")]
        yield* suspends(Deadline, {}, byDefault)
        yield* withTime(Effect.flip(Engine.execute(Strict, {}, { runId: strict, onFailure: "continue" })))
        yield* TestClock.setTime(60_000)
        yield* settle
        // the other module keeps both runs from ending
        for (const runId of [byDefault, strict]) {
          const error = yield* Effect.flip(Engine.signal(runId, brief, "late"))
          assert.strictEqual(error._tag, "SignalClosed")
        }
        yield* TestClock.setTime(120_000)
        yield* settle
        assert.deepStrictEqual(yield* withTime(Engine.execute(Deadline, {}, { runId: byDefault })), {
          brief: "nobody",
          pause: undefined
        })
        const error = yield* withTime(Effect.flip(Engine.execute(Strict, {}, { runId: strict })))
        assert(error._tag === "RunFailed")
        assert.deepStrictEqual(
          error.failures.map(({ failure, module }) => [module, failure.kind]),
          [["brief", "timeout"]]
        )
      }).pipe(within({ dags: [Deadline, Strict] }), Effect.provide(layer))
    )
  })
}

describe("a sleep", () => {
  const memory = Timeline.layer.pipe(Layer.provideMerge(RunStoreMemory.layer()))
  const minutes = Module.input("minutes", Schema.Number)
  const computed = Module.sleep("pause", { needs: { minutes }, duration: ({ minutes }) => Duration.minutes(minutes) })
  const Computed = Dag.make("computed", { outputs: { computed } })
  const endless = Module.sleep("pause", { duration: () => Duration.infinity })
  const Endless = Dag.make("endless", { outputs: { endless } })

  it.effect("of many runs is one timer of the engine, and none of them has a fiber", () =>
    VirtualClock.test(({ advance }) =>
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        let sleeping = 0
        const counting: Clock.Clock = {
          ...clock,
          // the heartbeat of these tests never comes, and is no timer
          sleep: (duration) =>
            Duration.isFinite(duration)
              ? Effect.acquireUseRelease(
                  Effect.sync(() => sleeping++),
                  () => clock.sleep(duration),
                  () => Effect.sync(() => sleeping--)
                )
              : clock.sleep(duration)
        }
        const fibers = yield* Supervisor.track
        const count = Effect.map(fibers.value, (all) => all.length)
        yield* Effect.gen(function* () {
          const ids = Array.from({ length: 100 }, (_, i) => RunId.make(`run ${i + 1}`))
          const start = (runId: RunId, i: number) => Engine.start(Computed, { minutes: i + 1 }, { runId })
          yield* start(ids[0]!, 0)
          yield* advance(1000)
          const one = yield* count
          yield* Effect.forEach(ids.slice(1), (runId, i) => start(runId, i + 1))
          yield* advance(1000)
          const status = Effect.map(
            Effect.forEach(ids, (runId) => Engine.get(runId)),
            (all) => all.map(({ status }) => status)
          )
          assert.deepStrictEqual(new Set(yield* status), new Set(["suspended"]))
          assert.strictEqual(sleeping, 1)
          assert.strictEqual(yield* count, one)
          yield* advance(Duration.toMillis("50 minutes"))
          const half = (yield* status).lastIndexOf("completed") + 1
          assert.strictEqual(half, 50)
          assert.notInclude((yield* status).slice(0, half), "suspended")
          assert.strictEqual(sleeping, 1)
          assert.strictEqual(yield* count, one)
          yield* advance(Duration.toMillis("50 minutes"))
          assert.deepStrictEqual(new Set(yield* status), new Set(["completed"]))
          assert.strictEqual(sleeping, 0)
        }).pipe(within({ dags: [Computed] }), Effect.supervised(fibers), Effect.withClock(counting))
      }).pipe(Effect.provide(memory))
    )
  )

  for (const durability of ["committed", "memory"] as const) {
    it.effect(`may be longer than a timer of JavaScript can be (${durability})`, () =>
      Effect.gen(function* () {
        const days = Duration.toMillis("100 days")
        const handle = yield* Engine.start(Computed, { minutes: days / 60_000 }, { runId: id, durability })
        yield* settle
        for (const time of [25, 50, 99].map((day) => (days / 100) * day).concat(days - 2000)) {
          yield* TestClock.setTime(time)
          yield* settle
          assert.strictEqual(statusOf(yield* Engine.get(id), "pause"), "suspended")
        }
        yield* TestClock.setTime(days)
        yield* settle
        if (durability === "committed") assert.strictEqual((yield* Engine.get(id)).status, "completed")
        else assert.deepStrictEqual(yield* handle.await, { computed: undefined })
      }).pipe(within({ dags: [Computed] }), Effect.provide(memory))
    )
  }

  it.effect("without an end is ended by a cancellation, and by nothing else", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* suspends(Endless, {})).until, undefined)
      yield* TestClock.setTime(Duration.toMillis("3000 days"))
      yield* settle
      assert.strictEqual((yield* Engine.get(id)).status, "suspended")
      yield* withTime(Engine.cancel(Endless, id))
      assert.strictEqual(statusOf(yield* Engine.get(id), "pause"), "cancelled")
    }).pipe(within({ dags: [Endless] }), Effect.provide(memory))
  )

  it.effect("of no time is over at once", () =>
    Effect.gen(function* () {
      yield* Engine.start(Computed, { minutes: 0 }, { runId: id })
      yield* settle
      assert.strictEqual((yield* Engine.get(id)).status, "completed")
    }).pipe(within({ dags: [Computed] }), Effect.provide(memory))
  )

  it.effect("whose duration cannot be computed fails", () =>
    Effect.gen(function* () {
      const broken = Module.sleep("broken", {
        duration: () => {
          throw new Error("no idea")
        }
      })
      const error = yield* withTime(Effect.flip(Engine.execute(Dag.make("broken", { outputs: { broken } }), {})))
      assert(error._tag === "RunFailed")
      assert.strictEqual(error.failures[0]!.failure.kind, "defect")
      assert.include(error.failures[0]!.failure.message, "no idea")
    }).pipe(within(), Effect.provide(memory))
  )
})

describe("a signal", () => {
  const both = ControlledStore.layer
  const memory = Timeline.layer.pipe(Layer.provideMerge(RunStoreMemory.layer()))

  it.effect("reaches a run that is live for another reason", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const busy = Module.make("busy", { output: Schema.Void, run: () => Deferred.await(gate) })
      const handle = yield* Engine.start(Dag.make("live", { outputs: { decided, busy } }), {}, { runId: id })
      yield* settle
      yield* Engine.signal(id, approval, yes)
      yield* settle
      assert.strictEqual(statusOf(yield* handle.snapshot, "decided"), "completed")
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* withTime(handle.await), { decided: "ann 7", busy: undefined })
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("that comes between the decision to suspend and its commit, or right after it, is not lost", () =>
    Effect.gen(function* () {
      const control = yield* ControlledStore.ControlledStore
      for (const when of ["before", "after"]) {
        const runId = RunId.make(when)
        let delivered = false
        yield* Effect.gen(function* () {
          const deliver = Effect.suspend(() => {
            delivered = true
            return Effect.orDie(Engine.signal(runId, approval, yes))
          })
          const context = yield* Effect.context<Engine.Engine>()
          control.commit = (batch, commit) => {
            if (delivered || !batch.some(({ status }) => status === "suspended")) return commit
            const signal = Effect.provide(deliver, context)
            return when === "before" ? Effect.zipRight(signal, commit) : Effect.zipLeft(commit, signal)
          }
          const handle = yield* Engine.start(Approval, {}, { runId })
          assert.strictEqual((yield* withTime(Effect.flip(handle.await)))._tag, "RunSuspended")
          assert.isTrue(delivered)
          yield* settle
          assert.strictEqual((yield* Engine.get(runId)).status, "completed")
          assert.strictEqual((yield* Engine.get(runId)).epoch, 2)
        }).pipe(within({ dags: [Approval] }))
      }
    }).pipe(Effect.provide(both))
  )

  it.effect.prop(
    "is used once, whenever it comes and whoever wakes the run",
    [
      fc.array(fc.record({ at: fc.nat(400), engine: fc.nat(2), cents: fc.nat(9) }), { minLength: 1, maxLength: 4 }),
      fc.record({ work: fc.nat(300), poll: fc.integer({ min: 20, max: 200 }), seeds: fc.infiniteStream(fc.nat(30)) })
    ],
    ([deliveries, { poll, seeds, work }]) =>
      VirtualClock.test(({ advance }) =>
        Effect.gen(function* () {
          const used = yield* Ref.make<ReadonlyArray<number>>([])
          const { dag, signal } = counted(used, work)
          const control = yield* ControlledStore.ControlledStore
          // commits take their time, so that everything else comes between
          control.commit = (_, commit) => Effect.delay(commit, seeds.next().value ?? 0)
          const engines = yield* Effect.all([
            engine({ dags: [dag], poll }),
            engine({ dags: [dag], poll: poll * 1.5 }),
            engine({ poll })
          ])
          const run = yield* Effect.fork(
            Effect.exit(Engine.execute(dag, {}, { runId: id })).pipe(Effect.provide(engines[2]))
          )
          const sent = yield* Effect.forEach(deliveries, ({ at, cents, engine }) =>
            Engine.signal(id, signal, cents).pipe(
              Effect.provide(engines[engine]!),
              Effect.delay(at),
              Effect.either,
              Effect.map((result) => ({ cents, result })),
              Effect.fork
            )
          )
          yield* advance(1500)
          yield* Fiber.join(run)
          const results = yield* Effect.forEach(sent, Fiber.join)
          const accepted = results.flatMap(({ cents, result }) => (Either.isRight(result) ? [cents] : []))
          assert.lengthOf(accepted, 1)
          for (const { result } of results) {
            if (Either.isLeft(result)) assert.include(["AlreadyDelivered", "RunFinished"], result.left._tag)
          }
          assert.deepStrictEqual(yield* Ref.get(used), accepted)
          yield* finishes(dag).pipe(Effect.provide(engines[0]))
          yield* completesOnce
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(readable)))
      ),
    { fastCheck: { numRuns } }
  )

  it.effect.prop(
    "that races the timeout is used, or its sender is told",
    [
      fc.array(fc.record({ at: fc.integer({ min: 60, max: 140 }), engine: fc.nat(1) }), { minLength: 1, maxLength: 3 }),
      fc.record({ isStored: fc.boolean(), isBusy: fc.boolean(), seeds: fc.infiniteStream(fc.nat(30)) })
    ],
    ([deliveries, { isBusy, isStored, seeds }]) =>
      VirtualClock.test(({ advance, until }) =>
        Effect.gen(function* () {
          const ask = Module.signal("ask", { value: Schema.Int, timeout: "100 millis", onTimeout: () => -1 })
          const busy = Module.make("busy", { output: Schema.Void, run: () => Effect.sleep(isBusy ? "1 second" : 0) })
          const used = Module.make("used", {
            needs: { ask },
            output: Schema.Int,
            run: ({ ask }) => Effect.succeed(ask)
          })
          const dag = Dag.make("race", { outputs: { used, busy } })
          const control = yield* ControlledStore.ControlledStore
          control.commit = (_, commit) => Effect.delay(commit, seeds.next().value ?? 0)
          const engines = yield* Effect.all([engine({ dags: [dag], poll: 20 }), engine({ dags: [dag], poll: 30 })])
          const execute = Engine.execute(dag, {}, { runId: id, durability: isStored ? "committed" : "memory" })
          const run = yield* Effect.fork(Effect.exit(execute).pipe(Effect.provide(engines[0])))
          const sent = yield* Effect.forEach(deliveries, ({ at, engine }, i) =>
            Engine.signal(id, ask, i).pipe(
              Effect.provide(engines[isStored ? engine : 0]!),
              Effect.delay(at),
              Effect.either,
              Effect.fork
            )
          )
          yield* advance(2000)
          const exit = yield* Fiber.join(run)
          const results = yield* Effect.forEach(sent, Fiber.join)
          const accepted = results.flatMap((result, i) => (Either.isRight(result) ? [i] : []))
          assert.isAtMost(accepted.length, 1)
          for (const result of results) {
            if (Either.isRight(result)) continue
            assert.include(["AlreadyDelivered", "SignalClosed", "RunFinished", "UnknownRun"], result.left._tag)
          }
          const outputs = isStored
            ? yield* until(Engine.execute(dag, {}, { runId: id }).pipe(Effect.provide(engines[0])))
            : yield* exit
          assert.deepStrictEqual(outputs, { used: accepted[0] ?? -1, busy: undefined })
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(readable)))
      ),
    { fastCheck: { numRuns } }
  )

  it.effect("inside of child Dags and of items is named by its path", () =>
    Effect.gen(function* () {
      const ids = Module.input("ids", Schema.Array(Schema.String))
      const name = Module.input("name", Schema.String)
      const approval = Module.signal("approval", { needs: { name }, value: Schema.Boolean })
      const order = Module.make("order", {
        needs: { name, approval },
        output: Schema.String,
        run: ({ approval, name }) => Effect.succeed(`${name} ${approval}`)
      })
      const Order = Dag.make("order", { outputs: { order } })
      const orders = Module.map("orders", {
        needs: { ids },
        over: ({ ids }) => ids,
        dag: Order,
        input: (name) => ({ name })
      })
      const Batch = Dag.make("batch", { outputs: { orders } })
      const batch = Module.dag("batch", { dag: Batch, needs: { ids }, input: ({ ids }) => ({ ids }) })
      const dag = Dag.make("shop", { outputs: { batch, orders } })
      yield* Effect.gen(function* () {
        yield* suspends(dag, { ids: ["a", "b", "c"] })
        const paths = ["orders/2", "batch/orders/1", "orders/0", "batch/orders/0", "batch/orders/2", "orders/1"]
        for (const [i, path] of paths.entries()) {
          assert.strictEqual((yield* Engine.get(id)).status, "suspended")
          yield* Engine.signal(id, approval, i % 2 === 0, { within: path })
          yield* settle
          const snapshot = yield* Engine.get(id)
          assert.strictEqual(statusOf(snapshot, `${path}/order`), "completed")
          const again = yield* Effect.flip(Engine.signal(id, approval, true, { within: path }))
          assert.strictEqual(again._tag, i === 5 ? "RunFinished" : "AlreadyDelivered")
        }
        for (const path of [undefined, "orders", "orders/x", "orders/0/1", "batch/0"]) {
          const error = yield* Effect.flip(
            Engine.signal(id, approval, true, path === undefined ? {} : { within: path })
          )
          assert.include(["UnknownSignal", "RunFinished"], error._tag)
        }
        assert.deepStrictEqual(yield* Engine.execute(dag, { ids: ["a", "b", "c"] }, { runId: id }), {
          orders: [{ order: "a true" }, { order: "b false" }, { order: "c true" }],
          batch: { orders: [{ order: "a false" }, { order: "b false" }, { order: "c true" }] }
        })
      }).pipe(within({ dags: [dag] }))
    }).pipe(Effect.provide(memory))
  )

  it.effect("of a run that is not stored is waited for in place, and time as well", () =>
    Effect.gen(function* () {
      const pause = Module.sleep("pause", { duration: "1 hour" })
      const dag = Dag.make("here", { outputs: { decided, pause, brief } })
      const handle = yield* Engine.start(dag, {}, { runId: id, durability: "memory" })
      yield* settle
      const snapshot = yield* Engine.get(id)
      assert.strictEqual(snapshot.status, "running")
      for (const module of ["approval", "pause", "brief"]) assert.strictEqual(statusOf(snapshot, module), "suspended")
      const tag = <E extends { readonly _tag: string }>(effect: Effect.Effect<void, E, Engine.Engine>) =>
        Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left._tag : "delivered"))
      assert.strictEqual(yield* tag(Engine.signal(id, approval, { by: "x", cents: 0.5 })), "SignalInvalid")
      assert.strictEqual(yield* tag(Engine.signal(id, Module.signal("x", { value: Schema.Int }), 1)), "UnknownSignal")
      assert.strictEqual(yield* tag(Engine.signal(id, approval, yes)), "delivered")
      assert.strictEqual(yield* tag(Engine.signal(id, approval, yes)), "AlreadyDelivered")
      yield* TestClock.setTime(60_000)
      assert.strictEqual(yield* tag(Engine.signal(id, brief, "late")), "SignalClosed")
      yield* TestClock.setTime(3_600_000)
      assert.deepStrictEqual(yield* handle.await, { decided: "ann 7", pause: undefined, brief: "nobody" })
      assert.deepStrictEqual(yield* Engine.list(), [])
      assert.strictEqual(yield* tag(Engine.signal(id, approval, yes)), "UnknownRun")
    }).pipe(within(), Effect.provide(memory))
  )

  it.effect("whose stored value does not decode any more fails its module, which is named", () =>
    Effect.gen(function* () {
      let isStrict = false
      const Checked = Schema.String.pipe(Schema.filter(() => !isStrict, { identifier: "Checked" }))
      const word = Module.signal("word", { value: Checked })
      const said = Module.make("said", {
        needs: { word },
        output: Schema.String,
        run: ({ word }) => Effect.succeed(word)
      })
      const dag = Dag.make("strict", { outputs: { said } })
      yield* suspends(dag, {})
      yield* Engine.signal(id, word, "hello")
      isStrict = true
      const error = yield* withTime(Effect.flip(Engine.resume(dag, id)))
      assert(error._tag === "RunFailed")
      assert.deepStrictEqual(
        error.failures.map(({ failure, module }) => [module, failure.kind]),
        [["word", "refused"]]
      )
      assert.include(error.failures[0]!.failure.message, '"word"')
    }).pipe(within(), Effect.provide(memory))
  )
})
