import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberRef,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema,
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, Plan, RunId, RunSnapshot, RunStore, StoreError } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { Bad, withTime } from "./Harness.js"

const id = RunId.make("run")
const unknownSymbol: unknown = Symbol("not JSON")
const n = Module.input("n", Schema.Number)

/** An engine over a store that the test can look at and other engines can share; hours pass without heartbeats. */
const overStore = Heddle.layer({ lease: { heartbeat: Duration.infinity } })
const shared = overStore.pipe(Layer.provideMerge(RunStoreMemory.layer()))

const statusOf = (snapshot: RunSnapshot.RunSnapshot, name: string) => RunSnapshot.module(snapshot, name).status

const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert.isTrue(Exit.isFailure(exit))
  return Option.getOrThrow(Exit.match(exit, { onSuccess: Option.none, onFailure: Cause.failureOption }))
}

const never = <Name extends string>(name: Name, onInterrupt: Effect.Effect<void> = Effect.void) =>
  Module.make(name, { output: Schema.Void, run: () => Effect.onInterrupt(Effect.never, () => onInterrupt) })

const at = (snapshot: RunSnapshot.RunSnapshot, status: string, name: string) => statusOf(snapshot, name) === status

/** Waits until a module has a status, by looking at what the run publishes: after its commit. */
const until = (handle: Engine.Handle<unknown, unknown>, name: string, status: string) =>
  handle.changes.pipe(
    Stream.takeUntil((change) =>
      change._tag === "RunSnapshot"
        ? at(change, status, name)
        : change._tag === "ModuleTransition" && change.module === name && change.status === status
    ),
    Stream.runDrain,
    withTime
  )

describe("Engine", () => {
  describe("concurrency", () => {
    /** Modules that all wait for each other: they meet only if all of them run at the same time. */
    const meeting = (size: number) =>
      Effect.gen(function* () {
        const met = yield* Deferred.make<void>()
        const there = yield* Ref.make(0)
        const arrive = Effect.gen(function* () {
          if ((yield* Ref.updateAndGet(there, (_) => _ + 1)) === size) yield* Deferred.succeed(met, undefined)
          yield* Deferred.await(met)
        })
        return Dag.make("meeting", {
          outputs: Object.fromEntries(
            Array.from({ length: size }, (_, i) => [
              `m${i}`,
              Module.make(`m${i}`, { output: Schema.Void, run: () => arrive, timeout: "1 minute" })
            ])
          )
        })
      })

    for (const size of [1, 2, 3, 8]) {
      it.effect(`${size} modules that wait for each other meet at limit ${size}`, () =>
        Effect.gen(function* () {
          yield* Engine.execute(yield* meeting(size), {}, { concurrency: size })
        }).pipe(Effect.provide(Heddle.layerMemory))
      )

      if (size > 1) {
        it.effect(`${size} modules that wait for each other time out at limit ${size - 1}`, () =>
          Effect.gen(function* () {
            const run = yield* Effect.fork(
              Effect.exit(Engine.execute(yield* meeting(size), {}, { concurrency: size - 1 }))
            )
            yield* TestClock.adjust("1 minute")
            const error = failureOf(yield* Fiber.join(run))
            assert(error._tag === "RunFailed")
            assert.strictEqual(error.failures[0]!.failure.kind, "timeout")
          }).pipe(Effect.provide(Heddle.layerMemory))
        )
      }
    }

    it.effect("a module whose needs are done starts while a slow level-mate still runs", () =>
      Effect.gen(function* () {
        const slow = never("slow")
        const quick = Module.make("quick", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n) })
        const next = Module.make("next", {
          needs: { quick },
          output: Schema.Number,
          run: ({ quick }) => Effect.succeed(quick)
        })
        const handle = yield* Engine.start(Dag.make("levels", { outputs: { slow, next } }), { n: 1 })
        yield* until(handle, "next", "completed")
        assert.strictEqual(statusOf(yield* handle.snapshot, "slow"), "running")
        yield* handle.cancel
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("a module that waits for a permit is scheduled, and pure modules need none", () =>
      Effect.gen(function* () {
        const first = never("a-first")
        const second = never("b-second")
        const pure = Module.pure("pure", { run: () => 1 })
        const dag = Dag.make("permits", { outputs: { first, second, pure } })
        const handle = yield* Engine.start(dag, {}, { concurrency: 1 })
        yield* until(handle, "pure", "completed")
        const snapshot = yield* handle.snapshot
        assert.deepStrictEqual(["a-first", "b-second"].map((name) => statusOf(snapshot, name)).sort(), [
          "running",
          "scheduled"
        ])
        yield* handle.cancel
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("long chains and wide layers end, without a stack overflow", () =>
      Effect.gen(function* () {
        let pure: Module.Of<number> = Module.pure("p", { run: () => 0 })
        for (let i = 0; i < 20_000; i++) pure = Module.pure(`p${i}`, { needs: { pure }, run: ({ pure }) => pure + 1 })
        let effect: Module.Of<number> = pure
        for (let i = 0; i < 3000; i++) {
          effect = Module.make(`e${i}`, {
            needs: { effect },
            output: Schema.Number,
            run: ({ effect }) => Effect.succeed(effect + 1)
          })
        }
        const wide = Object.fromEntries(
          Array.from({ length: 5000 }, (_, i) => [
            `w${i}`,
            Module.make(`w${i}`, { output: Schema.Number, run: () => Effect.as(Effect.yieldNow(), 1) })
          ])
        )
        const sum = Module.pure("sum", {
          needs: { ...wide, effect },
          run: (values: { readonly [key: string]: number }) => Object.values(values).reduce((a, b) => a + b, 0)
        })
        const { total } = yield* Engine.execute(Dag.make("large", { outputs: { total: sum } }), {}, { concurrency: 64 })
        assert.strictEqual(total, 28_000)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.live("a run of many short modules lets timers have their turn", () =>
      Effect.gen(function* () {
        const modules = Array.from({ length: 30_000 }, (_, i) =>
          Module.make(`m${i}`, { output: Schema.Number, run: () => Effect.succeed(i) })
        )
        const dag = Dag.make("busy", { outputs: Object.fromEntries(modules.map((module) => [module.name, module])) })
        const ticks = yield* Ref.make(0)
        yield* Plan.make(dag)
        const ticking = yield* Effect.fork(
          Effect.forever(
            Effect.delay(
              Ref.update(ticks, (_) => _ + 1),
              "1 millis"
            )
          )
        )
        yield* Engine.execute(dag, {}, { durability: "memory" })
        yield* Fiber.interrupt(ticking)
        assert.isAtLeast(yield* Ref.get(ticks), 2)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.live("many short runs, of which each waits for the writer, let timers have their turn", () =>
      Effect.gen(function* () {
        const one = Module.make("one", { output: Schema.Number, run: () => Effect.succeed(1) })
        const dag = Dag.make("short", { outputs: { one } })
        const runs = yield* Effect.fork(Effect.forever(Engine.execute(dag, {}, { durability: "committed" })))
        // it does not end where they have none
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(runs)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("a limit that is no positive whole number is refused", () =>
      Effect.gen(function* () {
        const dag = Dag.make("one", { outputs: { one: Module.pure("one", { run: () => 1 }) } })
        for (const concurrency of [0, -1, 1.5, NaN]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(Engine.execute(dag, {}, { concurrency }))))
        }
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("a module's surroundings", () => {
    class Greeting extends Context.Tag("test/Greeting")<Greeting, string>() {}

    it.effect("are those of who started the run: services, FiberRefs, clock", () =>
      Effect.gen(function* () {
        const ref = FiberRef.unsafeMake("outside")
        const greet = Module.make("greet", {
          output: Schema.String,
          run: () =>
            Effect.gen(function* () {
              const inherited = yield* FiberRef.get(ref)
              yield* FiberRef.set(ref, "changed inside")
              yield* Effect.sleep("1 hour")
              return `${yield* Greeting} ${inherited}`
            })
        })
        const again = Module.make("again", { needs: { greet }, output: Schema.String, run: () => FiberRef.get(ref) })
        const run = yield* Engine.execute(Dag.make("surroundings", { outputs: { greet, again } }), {}).pipe(
          Effect.locally(ref, "inherited"),
          Effect.provideService(Greeting, "hello"),
          Effect.fork
        )
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* Fiber.join(run), { greet: "hello inherited", again: "inherited" })
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("end with it: fibers that it forked are interrupted", () =>
      Effect.gen(function* () {
        const ended = yield* Deferred.make<void>()
        const parent = Module.make("parent", {
          output: Schema.Void,
          run: () =>
            Effect.asVoid(
              Effect.zipLeft(
                Effect.fork(Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined))),
                Effect.yieldNow()
              )
            )
        })
        yield* Engine.execute(Dag.make("children", { outputs: { parent } }), {})
        yield* Deferred.await(ended)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("stay interruptible in an uninterruptible region", () =>
      Effect.gen(function* () {
        const stuck = Module.make("stuck", { output: Schema.Void, run: () => Effect.never, timeout: "1 second" })
        const run = yield* Effect.fork(
          Effect.uninterruptible(Effect.exit(Engine.execute(Dag.make("region", { outputs: { stuck } }), {})))
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(failureOf(yield* Fiber.join(run))._tag, "RunFailed")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("failure", () => {
    const fails = Module.make("fails", {
      output: Schema.Void,
      run: () => Effect.zipRight(Effect.yieldNow(), new Bad({ why: "because" }))
    })

    it.effect("failFast interrupts what runs, awaits its finalizers and accounts for every module", () =>
      Effect.gen(function* () {
        const finalized = yield* Ref.make(0)
        const running = never(
          "running",
          Effect.zipRight(
            Effect.yieldNow(),
            Ref.update(finalized, (_) => _ + 1)
          )
        )
        const waiting = Module.make("waiting", { needs: { running }, output: Schema.Void, run: () => Effect.void })
        const below = Module.make("below", { needs: { fails }, output: Schema.Void, run: () => Effect.void })
        const further = Module.pure("further", { needs: { below, running }, run: () => 1 })
        const dag = Dag.make("failFast", { outputs: { waiting, further } })
        const handle = yield* Engine.start(dag, {})
        const error = failureOf(yield* Effect.exit(handle.await))
        assert(error._tag === "Bad")
        assert.strictEqual(error.why, "because")
        assert.strictEqual(yield* Ref.get(finalized), 1)
        const snapshot = yield* handle.snapshot
        assert.strictEqual(snapshot.status, "failed")
        assert.deepStrictEqual(
          ["fails", "running", "waiting", "below", "further"].map((name) => statusOf(snapshot, name)),
          ["failed", "cancelled", "cancelled", "skipped", "skipped"]
        )
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("continue runs what does not depend on it, and reports every failure", () =>
      Effect.gen(function* () {
        const other = Module.make("other", { output: Schema.Void, run: () => Effect.fail("other" as const) })
        const fine = Module.make("fine", { output: Schema.Number, run: () => Effect.as(Effect.sleep("1 hour"), 1) })
        const below = Module.pure("below", { needs: { fails, fine }, run: () => 1 })
        const run = yield* Engine.start(
          Dag.make("continue", { outputs: { below, other } }),
          {},
          { onFailure: "continue" }
        )
        yield* TestClock.adjust("1 hour")
        const exit = yield* Effect.exit(run.await)
        assert(Exit.isFailure(exit))
        assert.deepStrictEqual(
          Chunk.toArray(Cause.failures(exit.cause)).map((error) => (typeof error === "string" ? error : error._tag)),
          ["Bad", "other"]
        )
        const snapshot = yield* run.snapshot
        assert.deepStrictEqual(
          ["fails", "other", "fine", "below"].map((name) => statusOf(snapshot, name)),
          ["failed", "failed", "completed", "skipped"]
        )
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("a defect is a RunFailed that names the module and keeps the cause", () =>
      Effect.gen(function* () {
        for (const broken of [
          Module.make("broken", { output: Schema.Void, run: () => Effect.die(new Error("boom")) }),
          Module.make("broken", {
            output: Schema.Void,
            run: (): Effect.Effect<void> => {
              throw new Error("boom")
            }
          }),
          Module.pure("broken", {
            run: () => {
              throw new Error("boom")
            }
          })
        ]) {
          const error = yield* Effect.flip(Engine.execute(Dag.make("defect", { outputs: { broken } }), {}))
          assert(error._tag === "RunFailed")
          const [failure] = error.failures
          assert.strictEqual(failure!.module, "broken")
          assert.strictEqual(failure!.failure.kind, "defect")
          assert.strictEqual(failure!.failure.message, "boom")
          assert.isTrue(Cause.isDie(failure!.cause!))
          assert.match(error.message, /module|broken/)
          assert.strictEqual(error.snapshot.status, "failed")
        }
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("an error that cannot be rendered fails its module like any other, and finalizers are awaited", () =>
      Effect.gen(function* () {
        const circular = new Error("circular")
        circular.cause = circular
        const finalized = yield* Ref.make(0)
        const other = never(
          "other",
          Effect.zipRight(
            Effect.yieldNow(),
            Ref.update(finalized, (_) => _ + 1)
          )
        )
        let count = 0
        for (const thrown of [
          circular,
          10n,
          { balance: 1n },
          Object.defineProperty(new Error(), "message", {
            get: () => {
              throw new Error("no")
            }
          }),
          Object.assign(new Error(), { message: { code: 1 } }),
          { toJSON: () => unknownSymbol },
          Object.create(null),
          null,
          undefined
        ]) {
          const throws = Module.make("throws", {
            output: Schema.Void,
            run: () => Effect.zipRight(Effect.yieldNow(), Effect.fail(thrown))
          })
          const runId = RunId.make(`rendered-${count++}`)
          const dag = Dag.make("rendered", { outputs: { throws, other } })
          const exit = yield* Effect.exit(Engine.execute(dag, {}, { runId }))
          assert.strictEqual(failureOf(exit), thrown)
          assert.strictEqual(yield* Ref.get(finalized), count)
          const snapshot = yield* Engine.get(runId)
          assert.strictEqual(snapshot.status, "failed")
          assert.isString(RunSnapshot.module(snapshot, "throws").failure!.message)
        }
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("a module that interrupts itself has failed", () =>
      Effect.gen(function* () {
        const self = Module.make("self", { output: Schema.Void, run: () => Effect.interrupt })
        const error = yield* Effect.flip(Engine.execute(Dag.make("self", { outputs: { self } }), {}))
        assert(error._tag === "RunFailed")
        assert.strictEqual(error.failures[0]!.failure.kind, "interrupted")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("an output that does not encode fails its module, by name and path", () =>
      Effect.gen(function* () {
        const Point = Schema.Struct({ x: Schema.Number, at: Schema.Struct({ y: Schema.Positive }) })
        for (const [output, path] of [
          [{ x: 1, at: { y: -1 } }, "at.y"],
          [{ x: NaN, at: { y: 1 } }, "x"]
        ] as const) {
          for (const point of [
            Module.make("point", { output: Point, run: () => Effect.succeed(output) }),
            Module.pure("point", { output: Point, run: () => output })
          ]) {
            const error = yield* Effect.flip(Engine.execute(Dag.make("encode", { outputs: { point } }), {}))
            assert(error._tag === "RunFailed")
            assert.strictEqual(error.failures[0]!.module, "point")
            assert.strictEqual(error.failures[0]!.failure.kind, "output")
            assert.include(error.failures[0]!.failure.message, path)
          }
        }
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("timeout and retry", () => {
    it.effect("a timeout interrupts the attempt and awaits its finalizers", () =>
      Effect.gen(function* () {
        const interrupted = yield* Ref.make(false)
        const slow = Module.make("slow", {
          output: Schema.Void,
          run: () => Effect.onInterrupt(Effect.never, () => Ref.set(interrupted, true)),
          timeout: "5 seconds"
        })
        const run = yield* Effect.fork(Effect.flip(Engine.execute(Dag.make("slow", { outputs: { slow } }), {})))
        yield* TestClock.adjust("5 seconds")
        const error = yield* Fiber.join(run)
        assert(error._tag === "RunFailed")
        assert.strictEqual(error.failures[0]!.failure.kind, "timeout")
        assert.include(error.message, "5000 ms")
        assert.isTrue(yield* Ref.get(interrupted))
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("each attempt is a transition, under its own timeout, and a defect is not tried again", () =>
      Effect.gen(function* () {
        const attempts = yield* Ref.make(0)
        const flaky = Module.make("flaky", {
          output: Schema.Number,
          run: () =>
            Effect.flatMap(
              Ref.updateAndGet(attempts, (_) => _ + 1),
              (attempt): Effect.Effect<number, Bad> =>
                attempt === 1
                  ? Effect.fail(new Bad({ why: "first" }))
                  : attempt === 2
                    ? Effect.never
                    : Effect.succeed(attempt)
            ),
          timeout: "1 second",
          retry: Schedule.spaced("1 minute")
        })
        const handle = yield* Engine.start(Dag.make("flaky", { outputs: { flaky } }), {}, { runId: id })
        const seen = yield* Effect.fork(Stream.runCollect(handle.changes))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(yield* handle.await, { flaky: 3 })
        const attemptsSeen = Chunk.toArray(yield* Fiber.join(seen)).flatMap((change) =>
          change._tag === "ModuleTransition" ? [`${change.status} ${change.attempt}`] : []
        )
        assert.deepStrictEqual(attemptsSeen.slice(-5), [
          "suspended 1",
          "running 2",
          "suspended 2",
          "running 3",
          "completed 3"
        ])

        const dies = Module.make("dies", {
          output: Schema.Void,
          run: () =>
            Effect.zipRight(
              Ref.update(attempts, (_) => _ + 1),
              Effect.die("no")
            ),
          retry: Schedule.forever
        })
        yield* Effect.flip(Engine.execute(Dag.make("dies", { outputs: { dies } }), {}))
        assert.strictEqual(yield* Ref.get(attempts), 4)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("inputs", () => {
    it.effect("that do not fit are one error with the path to every fault, and nothing has run", () =>
      Effect.gen(function* () {
        const ran = yield* Ref.make(false)
        const order = Module.input(
          "order",
          Schema.Struct({ lines: Schema.Array(Schema.Struct({ count: Schema.Int })) })
        )
        const ship = Module.make("ship", { needs: { order, n }, output: Schema.Void, run: () => Ref.set(ran, true) })
        const dag = Dag.make("order", { outputs: { ship } })
        const given = { order: { lines: [{ count: 1 }, { count: 1.5 }] }, extra: 1 }
        const error = yield* Effect.flip(Engine.execute(dag, given as never, { runId: id }))
        assert(error._tag === "InputInvalid")
        assert.deepStrictEqual(
          error.faults.map(({ path }) => path.join(".")),
          ["n", "order.lines.1.count", "extra"]
        )
        assert.isFalse(yield* Ref.get(ran))
        assert.strictEqual((yield* Effect.flip(Engine.get(id)))._tag, "UnknownRun")
        assert.strictEqual((yield* Effect.flip(Engine.execute(dag, null as never)))._tag, "InputInvalid")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("and outputs go through schemas that need services and time", () =>
      Effect.gen(function* () {
        class Secret extends Context.Tag("test/Secret")<Secret, string>() {}
        const Sealed = Schema.transformOrFail(Schema.String, Schema.String, {
          strict: true,
          decode: (text) => Effect.map(Secret, (secret) => text.slice(secret.length)),
          encode: (text) => Effect.flatMap(Secret, (secret) => Effect.as(Effect.yieldNow(), secret + text))
        }).annotations({ identifier: "Sealed" })
        const letter = Module.input("letter", Sealed)
        const read = Module.make("read", {
          needs: { letter },
          output: Sealed,
          run: ({ letter }) => Effect.succeed(letter)
        })
        const copy = Module.pure("copy", { needs: { read }, output: Sealed, run: ({ read }) => `${read}!` })
        const dag = Dag.make("letters", { outputs: { copy } })
        const program = Engine.execute(dag, { letter: "dear" }, { runId: id }).pipe(
          Effect.provideService(Secret, "s3cret:")
        )
        assert.deepStrictEqual(yield* program, { copy: "dear!" })
        assert.deepStrictEqual(yield* program, { copy: "dear!" }, "as it is stored")
        const store = yield* RunStore.RunStore
        assert.deepStrictEqual(Object.fromEntries(yield* store.outputs(id, ["read", "copy"])), {
          read: '"s3cret:dear"',
          copy: '"s3cret:dear!"'
        })
      }).pipe(Effect.provide(shared))
    )
  })

  describe("an id that exists", () => {
    const slow = Module.make("slow", {
      needs: { n },
      output: Schema.Number,
      run: ({ n }) => Effect.as(Effect.sleep("1 hour"), n)
    })
    const Slow = Dag.make("slow", { outputs: { slow } })

    it.effect("two simultaneous starts run it once, also when one of them fails to", () =>
      Effect.gen(function* () {
        const ran = yield* Ref.make(0)
        const once = Module.make("once", {
          needs: { n },
          output: Schema.Number,
          run: ({ n }) =>
            Effect.zipRight(
              Ref.update(ran, (_) => _ + 1),
              Effect.as(Effect.sleep("1 hour"), n)
            )
        })
        const dag = Dag.make("once", { outputs: { once } })
        const runs = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 10 }, () => Engine.execute(dag, { n: 7 }, { runId: id })),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(
          yield* Fiber.join(runs),
          Array.from({ length: 10 }, () => ({ once: 7 }))
        )
        assert.strictEqual(yield* Ref.get(ran), 1)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("with another Dag or other inputs is a conflict, live and ended", () =>
      Effect.gen(function* () {
        const other = Dag.make("other", { outputs: { slow } })
        const conflicts = Effect.gen(function* () {
          const dag = yield* Effect.flip(Engine.start(other, { n: 1 }, { runId: id }))
          const input = yield* Effect.flip(Engine.start(Slow, { n: 2 }, { runId: id }))
          return [dag, input].map((error) => (error._tag === "RunConflict" ? error.differs : error._tag))
        })
        const handle = yield* Engine.start(Slow, { n: 1 }, { runId: id })
        assert.deepStrictEqual(yield* conflicts, ["dag", "input"])
        yield* TestClock.adjust("1 hour")
        yield* handle.await
        assert.deepStrictEqual(yield* conflicts, ["dag", "input"])
        assert.deepStrictEqual(yield* Engine.execute(Slow, { n: 1 }, { runId: id }), { slow: 1 })
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("an attached caller's interruption does not stop the run, the starter's does", () =>
      Effect.gen(function* () {
        const starter = yield* Effect.fork(Engine.execute(Slow, { n: 1 }, { runId: id }))
        yield* Effect.yieldNow()
        const attached = yield* Effect.fork(Engine.execute(Slow, { n: 1 }, { runId: id }))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(attached)
        assert.strictEqual(statusOf(yield* Engine.get(id), "slow"), "running")
        const second = yield* Effect.fork(Effect.exit(Engine.execute(Slow, { n: 1 }, { runId: id })))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(starter)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.join(second)))
        assert.strictEqual((yield* Engine.get(id)).status, "running")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect(
      "gives the stored result of a run that has ended: outputs, typed errors, what failed without a schema",
      () =>
        Effect.gen(function* () {
          const typed = Module.make("typed", { output: Schema.Void, error: Bad, run: () => new Bad({ why: "typed" }) })
          const untyped = Module.make("untyped", { output: Schema.Void, run: () => new Bad({ why: "untyped" }) })
          const Typed = Dag.make("typed", { outputs: { typed } })
          const Untyped = Dag.make("untyped", { outputs: { untyped } })
          for (const _ of ["driven", "stored"]) {
            const error = yield* Effect.flip(Engine.execute(Typed, {}, { runId: RunId.make("typed") }))
            assert(error._tag === "Bad")
            assert.strictEqual(error.why, "typed")
          }
          const driven = yield* Effect.flip(Engine.execute(Untyped, {}, { runId: RunId.make("untyped") }))
          assert.strictEqual(driven._tag, "Bad")
          const stored = yield* Effect.flip(Engine.execute(Untyped, {}, { runId: RunId.make("untyped") }))
          assert(stored._tag === "RunFailed")
          assert.strictEqual(stored.failures[0]!.module, "untyped")
          assert.include(stored.failures[0]!.failure.cause, "Bad")
        }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("of a memory run is free again when it has ended", () =>
      Effect.gen(function* () {
        const dag = Dag.make("memory", { outputs: { one: Module.pure("one", { needs: { n }, run: ({ n }) => n }) } })
        const options = { runId: id, durability: "memory" } as const
        assert.deepStrictEqual(yield* Engine.execute(dag, { n: 1 }, options), { one: 1 })
        assert.deepStrictEqual(yield* Engine.execute(dag, { n: 2 }, options), { one: 2 })
        assert.deepStrictEqual(yield* Engine.list(), [])
        assert.strictEqual((yield* Effect.flip(Engine.get(id)))._tag, "UnknownRun")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("resume", () => {
    const ran: Array<string> = []
    const first = Module.make("first", {
      needs: { n },
      output: Schema.Number,
      run: ({ n }) => Effect.sync(() => (ran.push("first"), n + 1))
    })
    const derived = Module.pure("derived", { needs: { first }, run: ({ first }) => (ran.push("derived"), first * 10) })
    const second = Module.make("second", {
      needs: { derived },
      output: Schema.Number,
      run: ({ derived }) =>
        Effect.sync(() => ran.push("second")).pipe(Effect.zipRight(Effect.sleep("1 hour")), Effect.as(derived))
    })
    const Steps = Dag.make("steps", { outputs: { second } })
    const engine = Layer.fresh(overStore)

    /** Starts the run in an engine of its own and closes that while `second` runs. */
    const cutOff = Effect.gen(function* () {
      ran.length = 0
      const handle = yield* Engine.start(Steps, { n: 1 }, { runId: id })
      yield* until(handle, "first", "completed")
      yield* Effect.yieldNow()
    }).pipe(Effect.provide(engine))

    it.effect("runs what is unfinished and nothing that was acknowledged, with its next attempt", () =>
      Effect.gen(function* () {
        yield* cutOff
        assert.deepStrictEqual(ran, ["first", "derived", "second"])
        const run = yield* Effect.fork(
          Effect.gen(function* () {
            const outputs = yield* Engine.resume(Steps, id)
            return { outputs, snapshot: yield* Engine.get(id) }
          }).pipe(Effect.provide(engine))
        )
        yield* TestClock.adjust("1 hour")
        const { outputs, snapshot } = yield* Fiber.join(run)
        assert.deepStrictEqual(outputs, { second: 20 })
        assert.deepStrictEqual(ran, ["first", "derived", "second", "derived", "second"])
        assert.strictEqual(RunSnapshot.module(snapshot, "first").attempt, 1)
        assert.strictEqual(RunSnapshot.module(snapshot, "second").attempt, 2)
        assert.strictEqual(snapshot.epoch, 2)
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect(
      "goes on with the policy of the start, and keeps the typed error of a module that had failed before",
      () =>
        Effect.gen(function* () {
          const fails = Module.make("fails", { output: Schema.Void, error: Bad, run: () => new Bad({ why: "before" }) })
          const slow = Module.make("slow", { output: Schema.Void, run: () => Effect.sleep("1 hour") })
          const after = Module.make("after", { needs: { slow }, output: Schema.Number, run: () => Effect.succeed(1) })
          const dag = Dag.make("policy", { outputs: { fails, after } })
          yield* Effect.gen(function* () {
            const handle = yield* Engine.start(dag, {}, { runId: id, onFailure: "continue" })
            yield* until(handle, "fails", "failed")
          }).pipe(Effect.provide(engine))
          const run = yield* Effect.fork(
            Effect.gen(function* () {
              const error = yield* Effect.flip(Engine.resume(dag, id))
              return { error, snapshot: yield* Engine.get(id) }
            }).pipe(Effect.provide(engine))
          )
          yield* TestClock.adjust("1 hour")
          const { error, snapshot } = yield* Fiber.join(run)
          assert(error._tag === "Bad")
          assert.strictEqual(error.why, "before")
          assert.strictEqual(statusOf(snapshot, "after"), "completed")
        }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("two simultaneous resumes run it once", () =>
      Effect.gen(function* () {
        yield* cutOff
        ran.length = 0
        const runs = yield* Effect.fork(
          Effect.all([Engine.resume(Steps, id), Engine.resume(Steps, id)], { concurrency: "unbounded" }).pipe(
            Effect.provide(engine)
          )
        )
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* Fiber.join(runs), [{ second: 20 }, { second: 20 }])
        assert.deepStrictEqual(ran, ["derived", "second"])
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("an unknown run, a finished one, one that is driven, another Dag: four errors, and nothing has run", () =>
      Effect.gen(function* () {
        const Changed = Dag.make("steps", { version: 2, outputs: { second } })
        const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
        yield* cutOff
        ran.length = 0
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* tagOf(Engine.resume(Steps, RunId.make("nobody"))), "UnknownRun")
          assert.strictEqual(yield* tagOf(Engine.resume(Changed, id)), "DagChanged")
          assert.deepStrictEqual(ran, [])
          // another engine drives it
          yield* Effect.scoped(
            Effect.gen(function* () {
              const other = yield* Layer.build(engine)
              yield* Effect.fork(Effect.provide(Engine.resume(Steps, id), other))
              yield* Effect.yieldNow()
              ran.length = 0
              const held = yield* Effect.flip(Engine.resume(Steps, id))
              assert(held._tag === "RunHeld")
              assert.strictEqual(held.retryAfter, 5001)
              assert.strictEqual(yield* tagOf(Engine.start(Steps, { n: 1 }, { runId: id })), "RunHeld")
              assert.deepStrictEqual(ran, [])
            })
          )
          const run = yield* Effect.fork(Engine.resume(Steps, id))
          yield* TestClock.adjust("1 hour")
          yield* Fiber.join(run)
          ran.length = 0
          assert.strictEqual(yield* tagOf(Engine.resume(Steps, id)), "RunFinished")
          assert.deepStrictEqual(ran, [])
        }).pipe(Effect.provide(engine))
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect(
      "a stored output that does not decode is refused by name, the run is let go of, and nothing has run",
      () =>
        Effect.gen(function* () {
          yield* cutOff
          ran.length = 0
          const store = yield* RunStore.RunStore
          const tampered = Layer.succeed(
            RunStore.RunStore,
            RunStore.RunStore.of({ ...store, outputs: () => Effect.succeed(new Map([["first", '{"no":"number"}']])) })
          )
          const error = yield* Engine.resume(Steps, id).pipe(
            Effect.flip,
            Effect.provide(Layer.provide(engine, tampered))
          )
          assert(error._tag === "StoredValueInvalid")
          assert.strictEqual(error.module, "first")
          assert.deepStrictEqual(ran, [])
          const run = yield* Effect.fork(Effect.provide(Engine.resume(Steps, id), engine))
          yield* TestClock.adjust("1 hour")
          assert.deepStrictEqual(yield* Fiber.join(run), { second: 20 })
        }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("an interrupted execute leaves a run that can be resumed at once", () =>
      Effect.gen(function* () {
        ran.length = 0
        const run = yield* Effect.fork(Engine.execute(Steps, { n: 1 }, { runId: id }))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.interrupt(run)
        assert.strictEqual((yield* Engine.get(id)).status, "running")
        const resumed = yield* Effect.fork(Engine.resume(Steps, id))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* Fiber.join(resumed), { second: 20 })
        assert.deepStrictEqual(
          ran.filter((name) => name === "first"),
          ["first"]
        )
      }).pipe(Effect.provide(shared))
    )
  })

  it.effect("a run that is being started while its engine closes is cut off and let go of", () =>
    Effect.gen(function* () {
      const dag = Dag.make("closing", { outputs: { waits: never("waits") } })
      const engine = Layer.fresh(overStore)
      const store = yield* RunStore.RunStore
      const starting = yield* Effect.scoped(
        Effect.gen(function* () {
          const closing = yield* Layer.build(engine)
          const fiber = yield* Effect.fork(Effect.provide(Engine.start(dag, {}, { runId: id }), closing))
          while (Option.isNone(yield* store.run(id))) yield* Effect.yieldNow()
          return fiber
        })
      )
      const handle = yield* Fiber.join(starting)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(handle.await)))
      yield* Effect.provide(Engine.start(dag, {}, { runId: id }), engine)
      assert.strictEqual(Option.getOrThrow(yield* store.run(id)).epoch, 2)
    }).pipe(Effect.provide(RunStoreMemory.layer()))
  )

  it.effect("a run that is lost while its engine closes and waits for a finalizer does not keep it from closing", () =>
    Effect.gen(function* () {
      const dag = Dag.make("closing", { outputs: { waits: never("waits", Effect.sleep("10 minutes")) } })
      const store = yield* RunStore.RunStore
      const using = yield* Effect.fork(
        Effect.zipRight(Engine.start(dag, {}, { runId: id }), Effect.yieldNow()).pipe(
          Effect.provide(Layer.fresh(Heddle.layer()))
        )
      )
      while (Option.isNone(yield* store.run(id))) yield* Effect.yieldNow()
      yield* TestClock.adjust("100 millis")
      yield* store.claim({ runId: id, owner: "thief", now: 0, expiredBefore: 1, reopen: false })
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(using)))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(using)
    }).pipe(Effect.provide(RunStoreMemory.layer()))
  )

  describe("a store that misbehaves", () => {
    const one = Module.make("one", { output: Schema.Number, run: () => Effect.succeed(1) })
    const dag = Dag.make("misbehaving", { outputs: { one } })
    const over = (change: (store: typeof RunStore.RunStore.Service) => Partial<typeof RunStore.RunStore.Service>) =>
      Effect.map(RunStore.RunStore, (store) =>
        Layer.fresh(Heddle.layer({ writer: { batchSize: 1 } })).pipe(
          Layer.provide(Layer.succeed(RunStore.RunStore, { ...store, ...change(store) }))
        )
      )

    it.effect("in release costs neither the result nor the end of the changes", () =>
      Effect.gen(function* () {
        const layer = yield* over(() => ({ release: () => Effect.die("boom") }))
        yield* Effect.gen(function* () {
          for (let i = 0; i < 2; i++) {
            const handle = yield* Engine.start(dag, {}, { runId: id })
            yield* withTime(Stream.runDrain(handle.changes))
            assert.deepStrictEqual(yield* handle.await, { one: 1 })
          }
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("in a commit that hangs does not keep a run that nobody drives", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const layer = yield* over(() => ({ commit: () => Effect.never }))
        const resumed = Effect.gen(function* () {
          const run = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
          while (Option.isNone(yield* store.run(id))) yield* Effect.yieldNow()
          yield* Fiber.interrupt(run)
          yield* Effect.sleep("6 seconds")
          return yield* Effect.provide(Engine.resume(dag, id), Layer.fresh(overStore))
        }).pipe(Effect.provide(layer))
        assert.deepStrictEqual(yield* withTime(resumed), { one: 1 })
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("in the commit of a cancellation: cancel says so, and a resume still ends the run as cancelled", () =>
      Effect.gen(function* () {
        const { commit } = yield* RunStore.RunStore
        const layer = yield* over(() => ({
          commit: (batch) =>
            batch.runs.some(({ status }) => status === "cancelled")
              ? Effect.fail(new StoreError({ reason: "full", location: "here", operation: "commit", message: "full" }))
              : commit(batch)
        }))
        const waits = Dag.make("waits", { outputs: { one, waits: never("waits") } })
        yield* Effect.gen(function* () {
          const handle = yield* Engine.start(waits, {}, { runId: id })
          yield* until(handle, "one", "completed")
          assert.strictEqual((yield* Effect.flip(handle.cancel))._tag, "WriteFailed")
        }).pipe(Effect.provide(layer))
        const error = yield* Engine.resume(waits, id).pipe(Effect.flip, Effect.provide(Layer.fresh(overStore)))
        assert.strictEqual(error._tag, "RunCancelled")
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )
  })

  it.effect("who starts a run while its driver is being interrupted waits for that, and takes it over", () =>
    Effect.gen(function* () {
      let first = true
      const slow = Module.make("slow", {
        output: Schema.Number,
        run: () =>
          Effect.suspend(() => {
            if (!first) return Effect.succeed(1)
            first = false
            return Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
          })
      })
      const dag = Dag.make("again", { outputs: { slow } })
      const starter = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.fork(Fiber.interrupt(starter))
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(yield* Fiber.join(second), { slow: 1 })
    }).pipe(Effect.provide(shared))
  )

  describe("cancel", () => {
    it.effect("interrupts what runs, awaits its finalizers, and is idempotent", () =>
      Effect.gen(function* () {
        const finalized = yield* Ref.make(0)
        const running = never(
          "running",
          Effect.zipRight(
            Effect.sleep("1 second"),
            Ref.update(finalized, (_) => _ + 1)
          )
        )
        const waiting = Module.make("waiting", { needs: { running }, output: Schema.Void, run: () => Effect.void })
        const dag = Dag.make("cancel", { outputs: { waiting } })
        const handle = yield* Engine.start(dag, {}, { runId: id })
        yield* until(handle, "running", "running")
        const cancelling = yield* Effect.fork(Effect.all([handle.cancel, handle.cancel], { concurrency: 2 }))
        yield* Effect.yieldNow()
        assert.isTrue(Option.isNone(yield* Fiber.poll(cancelling)))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(cancelling)
        assert.strictEqual(yield* Ref.get(finalized), 1)
        const error = yield* Effect.flip(handle.await)
        assert(error._tag === "RunCancelled")
        assert.strictEqual(statusOf(error.snapshot, "running"), "cancelled")
        assert.strictEqual(statusOf(error.snapshot, "waiting"), "cancelled")
        yield* handle.cancel
        assert.strictEqual((yield* Effect.flip(Engine.execute(dag, {}, { runId: id })))._tag, "RunCancelled")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("loses to a completion that came first", () =>
      Effect.gen(function* () {
        const one = Module.pure("one", { run: () => 1 })
        const handle = yield* Engine.start(Dag.make("done", { outputs: { one } }), {}, { runId: id })
        assert.deepStrictEqual(yield* handle.await, { one: 1 })
        yield* handle.cancel
        assert.deepStrictEqual(yield* handle.await, { one: 1 })
        assert.strictEqual((yield* Engine.get(id)).status, "completed")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("by a module of the run itself is a cancellation like any other", () =>
      Effect.gen(function* () {
        const handles = yield* Deferred.make<Engine.Handle<unknown, unknown>>()
        const suicidal = Module.make("suicidal", {
          output: Schema.Void,
          run: () => Effect.flatMap(Deferred.await(handles), (handle) => handle.cancel)
        })
        const handle = yield* Engine.start(Dag.make("suicidal", { outputs: { suicidal } }), {})
        yield* Deferred.succeed(handles, handle)
        assert.strictEqual((yield* Effect.flip(handle.await))._tag, "RunCancelled")
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })

  describe("durability", () => {
    const first = Module.make("first", { output: Schema.Number, run: () => Effect.succeed(1) })
    const ran: Array<string> = []
    const second = Module.make("second", {
      needs: { first },
      output: Schema.Number,
      run: ({ first }) => Effect.sync(() => (ran.push("second"), first + 1))
    })
    const dag = Dag.make("durable", { outputs: { second } })

    /** A store that commits nothing before the gate is open. */
    const gated = Effect.gen(function* () {
      const gate = yield* Effect.makeLatch(false)
      const store = yield* RunStore.RunStore
      return {
        gate,
        layer: Layer.fresh(Heddle.layer()).pipe(
          Layer.provide(
            Layer.succeed(RunStore.RunStore, {
              ...store,
              commit: (batch: RunStore.Batch) => gate.whenOpen(store.commit(batch))
            })
          )
        )
      }
    })

    for (const durability of ["memory", "buffered", "committed"] as const) {
      it.effect(`${durability}: a dependant starts ${durability === "committed" ? "after" : "before"} the commit`, () =>
        Effect.gen(function* () {
          ran.length = 0
          const { gate, layer } = yield* gated
          yield* Effect.gen(function* () {
            const handle = yield* Engine.start(dag, {}, { runId: id, durability })
            yield* TestClock.adjust("1 second")
            assert.deepStrictEqual(ran, durability === "committed" ? [] : ["second"])
            if (durability === "committed") assert.strictEqual(statusOf(yield* handle.snapshot, "second"), "pending")
            yield* gate.open
            assert.deepStrictEqual(yield* handle.await, { second: 2 })
          }).pipe(Effect.provide(layer))
        }).pipe(Effect.provide(RunStoreMemory.layer()))
      )
    }

    it.effect("the end of a run is committed before it is reported", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        for (const durability of ["buffered", "committed"] as const) {
          const runId = RunId.make(durability)
          yield* Engine.execute(dag, {}, { runId, durability })
          assert.strictEqual(Option.getOrThrow(yield* store.run(runId)).status, "completed")
        }
      }).pipe(Effect.provide(shared))
    )

    it.effect("a write that cannot be made fails the run, and only that run", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const broken = new StoreError({
          reason: "full",
          location: "here",
          operation: "commit",
          message: "no space left"
        })
        const layer = Layer.fresh(Heddle.layer()).pipe(
          Layer.provide(
            Layer.succeed(RunStore.RunStore, {
              ...store,
              commit: (batch: RunStore.Batch) =>
                batch.runs.some(({ runId }) => runId === "poison") ? Effect.fail(broken) : store.commit(batch)
            })
          )
        )
        const interrupted = yield* Ref.make(false)
        const waits = Dag.make("waits", { outputs: { second, waits: never("waits", Ref.set(interrupted, true)) } })
        yield* Effect.gen(function* () {
          const [poisoned, fine] = yield* Effect.all(
            [
              Effect.exit(Engine.execute(waits, {}, { runId: RunId.make("poison") })),
              Effect.exit(Engine.execute(dag, {}, { runId: RunId.make("fine") }))
            ],
            { concurrency: "unbounded" }
          )
          const error = failureOf(poisoned)
          assert(error._tag === "WriteFailed")
          assert.strictEqual(error.cause, broken)
          assert.isTrue(yield* Ref.get(interrupted))
          assert.deepStrictEqual(fine, Exit.succeed({ second: 2 }))
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("a driver that lost its run stops, and writes nothing more", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const waits = Dag.make("lost", { outputs: { second, waits: never("waits") } })
        const handle = yield* Engine.start(waits, {}, { runId: id })
        yield* until(handle, "second", "completed")
        const claim = yield* store.claim({ runId: id, owner: "thief", now: 0, expiredBefore: 1, reopen: false })
        assert.strictEqual(claim._tag, "Claimed")
        const before = yield* store.history(id, { after: 0, limit: 100 })
        yield* TestClock.adjust(Duration.seconds(1))
        const error = yield* Effect.flip(handle.await)
        assert(error._tag === "RunLost")
        assert.strictEqual(error.epoch, 1)
        assert.deepStrictEqual(yield* store.history(id, { after: 0, limit: 100 }), before)
      }).pipe(Effect.provide(Heddle.layer().pipe(Layer.provideMerge(RunStoreMemory.layer()))))
    )
  })

  describe("changes", () => {
    it.effect("begin with the run as it is, and end with it", () =>
      Effect.gen(function* () {
        const quick = Module.make("quick", { output: Schema.Number, run: () => Effect.succeed(1) })
        const slow = Module.make("slow", { output: Schema.Void, run: () => Effect.sleep("1 hour") })
        const handle = yield* Engine.start(Dag.make("late", { outputs: { quick, slow } }), {})
        yield* until(handle, "quick", "completed")
        const late = yield* Effect.fork(Stream.runCollect(handle.changes))
        yield* TestClock.adjust("1 hour")
        const [first, ...rest] = Chunk.toArray(yield* Fiber.join(late))
        assert(first?._tag === "RunSnapshot")
        assert.strictEqual(statusOf(first, "quick"), "completed")
        assert.deepStrictEqual(
          rest.map((change) => ("status" in change && change._tag !== "RunSnapshot" ? change.status : change._tag)),
          ["completed", "completed"],
          "the module, and the run"
        )
        const after = Chunk.toArray(yield* Stream.runCollect(handle.changes))
        assert.deepStrictEqual(
          after.map(({ _tag }) => _tag),
          ["RunSnapshot"]
        )
      }).pipe(Effect.provide(Heddle.layerMemory))
    )

    it.effect("never show what was not committed, also when it never will be", () =>
      Effect.gen(function* () {
        const store = yield* RunStore.RunStore
        const broken = new StoreError({ reason: "failed", location: "here", operation: "commit", message: "disk gone" })
        const layer = Layer.fresh(overStore).pipe(
          Layer.provide(
            Layer.succeed(RunStore.RunStore, { ...store, commit: () => Effect.delay(Effect.fail(broken), "50 millis") })
          )
        )
        const quick = Module.make("quick", { output: Schema.Number, run: () => Effect.succeed(1) })
        const waits = Module.make("waits", { needs: { quick }, output: Schema.Void, run: () => Effect.never })
        yield* Effect.gen(function* () {
          const handle = yield* Engine.start(Dag.make("gone", { outputs: { waits } }), {})
          while (statusOf(yield* handle.snapshot, "quick") !== "completed") yield* Effect.yieldNow()
          const viewer = yield* Effect.fork(Stream.runCollect(handle.changes))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(Chunk.toArray(yield* Fiber.join(viewer)), [])
          assert.strictEqual((yield* Effect.flip(handle.await))._tag, "WriteFailed")
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.provide(RunStoreMemory.layer()))
    )

    it.effect("a viewer that falls behind is given a snapshot in place of what it missed", () =>
      Effect.gen(function* () {
        const gate = Module.make("gate", { output: Schema.Void, run: () => Effect.sleep("1 hour") })
        const many = Object.fromEntries(
          Array.from({ length: 2000 }, (_, i) => [`m${i}`, Module.pure(`m${i}`, { needs: { gate }, run: () => i })])
        )
        const handle = yield* Engine.start(Dag.make("many", { outputs: many }), {})
        const busy = yield* Deferred.make<void>()
        const viewer = yield* handle.changes.pipe(
          Stream.tap(() => Deferred.await(busy)),
          Stream.runCollect,
          Effect.fork
        )
        yield* TestClock.adjust("1 hour")
        yield* handle.await
        yield* Deferred.succeed(busy, undefined)
        const seen = Chunk.toArray(yield* Fiber.join(viewer))
        assert.isBelow(seen.length, 2000)
        assert.isAtLeast(seen.filter(({ _tag }) => _tag === "RunSnapshot").length, 2)
        const [first] = seen
        assert(first?._tag === "RunSnapshot")
        const folded = seen.reduce<RunSnapshot.RunSnapshot>(
          (snapshot, change) => (change._tag === "RunSnapshot" ? change : RunSnapshot.evolve(snapshot, change)),
          first
        )
        assert.strictEqual(RunSnapshot.counts(folded).completed, 2001)
      }).pipe(Effect.provide(Heddle.layerMemory))
    )
  })
})
