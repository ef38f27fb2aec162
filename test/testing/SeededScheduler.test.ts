import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Queue,
  Random,
  Ref,
  Runtime,
  Schedule,
  Schema,
  Stream,
  STM,
  SynchronizedRef,
  TestClock,
  TestContext,
  TRef
} from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, Shared, Timeline } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { numRuns } from "../numRuns.js"
import { withTime } from "../run/Harness.js"

const seed = fc.integer()
const probability = fc.double({ min: 0, max: 1, noNaN: true })
const all = { concurrency: "unbounded", discard: true } as const

/** Five fibers that each add one in this way, and what comes of it. */
const fiveTimes = (increment: (ref: Ref.Ref<number>) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const ref = yield* Ref.make(0)
    yield* Effect.forEach([1, 2, 3, 4, 5], () => increment(ref), all)
    return yield* Ref.get(ref)
  })

const racing = fiveTimes((ref) => Effect.flatMap(Ref.get(ref), (n) => Ref.set(ref, n + 1)))
const atomic = fiveTimes((ref) => Ref.update(ref, (n) => n + 1))

const isFive = (count: Effect.Effect<number>) =>
  Effect.filterOrFail(
    count,
    (n) => n === 5,
    (n) => `only ${n} updates are left`
  )

/** The steps of three fibers, in the order in which they were made. */
const steps = Effect.gen(function* () {
  const trace: Array<string> = []
  yield* Effect.forEach(
    ["a", "b", "c"],
    (name) =>
      Effect.gen(function* () {
        for (let i = 0; i < 10; i++) yield* Effect.sync(() => trace.push(`${name}${i}`))
      }),
    all
  )
  return trace.join(" ")
})

describe("seeds", () => {
  it.live("find a read-modify-write race of five fibers, and none where the update is atomic", () =>
    Effect.gen(function* () {
      const found = yield* SeededScheduler.failures({ seeds: 200, effect: isFive(racing) })
      assert.isAtLeast(found.length, 40)
      assert.deepStrictEqual(yield* SeededScheduler.failures({ seeds: 200, effect: isFive(atomic) }), [])
    })
  )

  it.live.prop(
    "give the same steps each time",
    [seed, probability],
    ([seed, preempt]) =>
      Effect.gen(function* () {
        const first = yield* SeededScheduler.run(seed, { preempt })(steps)
        for (let i = 1; i < 20; i++) assert.strictEqual(yield* SeededScheduler.run(seed, { preempt })(steps), first)
      }),
    { fastCheck: { numRuns: numRuns / 5 } }
  )

  it.live("give different steps, each from a seed of its own", () =>
    Effect.gen(function* () {
      const traces = yield* Effect.forEach([...Array(100).keys()], (seed) => SeededScheduler.run(seed)(steps))
      assert.isAtLeast(new Set(traces).size, 50)
    })
  )

  it.live("give Random its numbers, too", () =>
    Effect.gen(function* () {
      const draw = Effect.replicateEffect(Random.next, 3)
      assert.deepStrictEqual(yield* SeededScheduler.run(1)(draw), yield* SeededScheduler.run(1)(draw))
      assert.notDeepEqual(yield* SeededScheduler.run(1)(draw), yield* SeededScheduler.run(2)(draw))
    })
  )

  it.live("order the fibers also where none is preempted", () =>
    Effect.gen(function* () {
      const traces = yield* Effect.forEach([...Array(50).keys()], (seed) =>
        SeededScheduler.run(seed, { preempt: 0 })(steps)
      )
      assert.strictEqual(new Set(traces).size, 6)
      for (const trace of traces) assert.match(trace, /^((a0[^bc]*a9|b0[^ac]*b9|c0[^ab]*c9) ?){3}$/)
    })
  )

  it.live("give a scheduler alone its steps, too", () =>
    Effect.gen(function* () {
      const traceOf = (seed: number) => Effect.withScheduler(steps, SeededScheduler.make({ seed, preempt: 0.5 }))
      const traces = yield* Effect.forEach([...Array(50).keys()], traceOf)
      assert.deepStrictEqual(yield* Effect.forEach([...Array(50).keys()], traceOf), traces)
      assert.isAtLeast(new Set(traces).size, 25)
    })
  )

  it.live("are whole numbers, and probabilities are at most 1", () =>
    Effect.gen(function* () {
      for (const run of [
        SeededScheduler.run(0.5),
        SeededScheduler.run(NaN),
        SeededScheduler.run(1, { preempt: -0.1 }),
        SeededScheduler.run(1, { preempt: 1.1 }),
        SeededScheduler.run(1, { preempt: NaN })
      ]) {
        const exit = yield* Effect.exit(run(Effect.void))
        assert(Exit.isFailure(exit))
        assert.instanceOf(Option.getOrThrow(Cause.dieOption(exit.cause)), RangeError)
      }
    })
  )
})

/** Runs under the seed with a TestClock of its own, whatever clock there is. */
const underTestClock = <A, E>(effect: Effect.Effect<A, E>) => Effect.provide(effect, TestContext.TestContext)

/** What others do to a program makes no difference to what it gives. */
const programs: { readonly [name: string]: Effect.Effect<unknown, unknown> } = {
  "Deferreds and a bounded queue": Effect.gen(function* () {
    const queue = yield* Queue.bounded<number>(2)
    const done = yield* Deferred.make<ReadonlyArray<number>>()
    yield* Effect.fork(
      Effect.gen(function* () {
        const taken: Array<number> = []
        for (let i = 0; i < 20; i++) taken.push(yield* Queue.take(queue))
        yield* Deferred.succeed(done, taken)
      })
    )
    for (let i = 0; i < 20; i++) yield* Queue.offer(queue, i)
    return yield* Deferred.await(done)
  }),

  "transfers in STM that wait for their money": Effect.gen(function* () {
    const [a, b] = yield* STM.commit(STM.all([TRef.make(0), TRef.make(0)]))
    const transfer = (from: TRef.TRef<number>, to: TRef.TRef<number>) =>
      STM.gen(function* () {
        yield* STM.check(() => true)
        const there = yield* TRef.get(from)
        if (there < 1) return yield* STM.retry
        yield* TRef.set(from, there - 1)
        yield* TRef.update(to, (n) => n + 1)
      })
    const waiting = yield* Effect.fork(Effect.replicateEffect(transfer(a, b), 10, all))
    yield* Effect.replicateEffect(
      TRef.update(a, (n) => n + 1),
      10,
      all
    )
    yield* Fiber.join(waiting)
    return yield* STM.commit(STM.all([TRef.get(a), TRef.get(b)]))
  }),

  "permits of a semaphore": Effect.gen(function* () {
    const semaphore = yield* Effect.makeSemaphore(2)
    let [inside, most] = [0, 0]
    const enter = Effect.sync(() => (most = Math.max(most, ++inside)))
    const leave = Effect.sync(() => inside--)
    yield* Effect.replicateEffect(
      semaphore.withPermits(1)(Effect.ensuring(Effect.zipRight(enter, Effect.yieldNow()), leave)),
      10,
      all
    )
    return { inside, atMostTwo: most <= 2 }
  }),

  "a SynchronizedRef under interruption": Effect.gen(function* () {
    const ref = yield* SynchronizedRef.make(0)
    const increment = SynchronizedRef.updateEffect(ref, (n) => Effect.as(Effect.yieldNow(), n + 1))
    for (let i = 0; i < 5; i++) {
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(increment))
      yield* Effect.forEach(fibers, Fiber.interrupt, all)
    }
    yield* SynchronizedRef.set(ref, 0)
    yield* increment
    return yield* SynchronizedRef.get(ref)
  }),

  "scopes that close in reverse, also when they are interrupted": Effect.gen(function* () {
    const log: Array<string> = []
    const resource = (name: string) =>
      Effect.acquireRelease(
        Effect.sync(() => log.push(`+${name}`)),
        () => Effect.sync(() => log.push(`-${name}`))
      )
    const open = yield* Deferred.make<void>()
    const fiber = yield* resource("a").pipe(
      Effect.zipRight(resource("b")),
      Effect.zipRight(Deferred.succeed(open, undefined)),
      Effect.zipRight(Effect.never),
      Effect.scoped,
      Effect.fork
    )
    yield* Deferred.await(open)
    const exit = yield* Fiber.interrupt(fiber)
    return [...log, Exit.isInterrupted(exit)]
  }),

  "what fails of many, which interrupts the others": Effect.gen(function* () {
    const never = Effect.onInterrupt(Effect.never, () => Effect.yieldNow())
    return yield* Effect.exit(
      Effect.forEach([1, 2, 3, 4, 5], (n) => (n === 3 ? Effect.fail(`not ${n}`) : never), all)
    ).pipe(Effect.map(Exit.mapErrorCause((cause) => Cause.fail(Option.getOrThrow(Cause.failureOption(cause))))))
  }),

  "fibers that another runtime starts": Effect.gen(function* () {
    const runtime = yield* Effect.runtime<never>()
    const fibers = Array.from({ length: 5 }, (_, i) =>
      Runtime.runFork(runtime)(
        Effect.gen(function* () {
          yield* Effect.yieldNow()
          yield* Effect.void
          return i
        })
      )
    )
    fibers[2]!.unsafeInterruptAsFork(fibers[0]!.id())
    const exits = yield* Effect.forEach(fibers, Fiber.await)
    return exits.map((exit, i) => i === 2 || Exit.isSuccess(exit))
  }),

  "sleeps, timeouts and schedules": Effect.gen(function* () {
    const polled = yield* Ref.make(0)
    const fiber = yield* Effect.fork(
      Effect.all(
        [
          Effect.as(Effect.sleep("3 seconds"), "slept"),
          Effect.timeoutTo(Effect.never, {
            duration: "1 second",
            onSuccess: () => "in time",
            onTimeout: () => "too late"
          }),
          Effect.timeoutTo(Effect.sleep("1 second"), {
            duration: "2 seconds",
            onSuccess: () => "in time",
            onTimeout: () => "too late"
          }),
          Effect.repeat(
            Ref.updateAndGet(polled, (n) => n + 1),
            Schedule.intersect(Schedule.spaced("500 millis"), Schedule.recurs(4))
          )
        ],
        { concurrency: "unbounded" }
      )
    )
    for (let i = 0; i < 8; i++) yield* TestClock.adjust("500 millis")
    return [yield* Fiber.join(fiber), yield* Ref.get(polled)]
  }),

  "a stream that is merged and cut off": Stream.merge(
    Stream.forever(Stream.succeed(1)),
    Stream.forever(Stream.succeed(1))
  ).pipe(Stream.take(20), Stream.runSum)
}

describe("programs give under a seed what they give under Effect's own scheduler:", () => {
  for (const [name, program] of Object.entries(programs)) {
    it.live.prop(
      name,
      [seed, fc.constantFrom(0, 0.05, 0.3, 0.7, 1)],
      ([seed, preempt]) =>
        Effect.gen(function* () {
          const expected = yield* Effect.exit(underTestClock(program))
          const exit = yield* Effect.exit(SeededScheduler.run(seed, { preempt })(underTestClock(program)))
          assert.deepStrictEqual(exit, expected)
        }),
      { fastCheck: { numRuns: numRuns / 5 } }
    )
  }

  it.live.prop(
    "a latch that is opened, and closed after a yield, wakes who waited before and nobody else",
    [seed],
    ([seed]) =>
      Effect.gen(function* () {
        const latch = yield* Effect.makeLatch(false)
        const before = yield* Effect.fork(latch.await)
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        yield* latch.open
        yield* Effect.yieldNow()
        yield* latch.close
        const after = yield* Effect.fork(latch.await)
        yield* Fiber.join(before)
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        assert.isNull(after.unsafePoll())
      }).pipe(SeededScheduler.run(seed)),
    { fastCheck: { numRuns } }
  )

  it.live("who spins does not keep time from passing", () =>
    Effect.gen(function* () {
      const slept = yield* Effect.fork(Effect.sleep("1 millis"))
      while (slept.unsafePoll() === null) yield* Effect.yieldNow()
    }).pipe(SeededScheduler.run(1))
  )

  it.live("promises are awaited", () =>
    Effect.gen(function* () {
      const values = yield* Effect.forEach([1, 2, 3], (n) => Effect.promise(() => Promise.resolve(n)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(values, [1, 2, 3])
    }).pipe(SeededScheduler.run(1))
  )
})

describe("explore", () => {
  it.live("fails with the first seed that does, and says how to run it again", () =>
    Effect.gen(function* () {
      const [first] = yield* SeededScheduler.failures({ seeds: 200, effect: isFive(racing) })
      const failed = yield* Effect.flip(SeededScheduler.explore({ seeds: 200, effect: isFive(racing) }))
      assert.strictEqual(failed.seed, first!.seed)
      assert.include(failed.message, `seed ${failed.seed} fails; again: SeededScheduler.run(${failed.seed})(effect)`)
      assert.match(failed.message, /only \d updates are left/)
      const again = yield* Effect.exit(SeededScheduler.run(failed.seed)(isFive(racing)))
      assert.deepStrictEqual<unknown>(again, Exit.failCause(failed.cause))
    })
  )

  it.live("tries the seeds in their order, with the given probability, and no more after the first failure", () =>
    Effect.gen(function* () {
      let times = 0
      const effect = Effect.suspend(() => (++times === 3 ? Effect.die("the third") : Effect.void))
      const failed = yield* Effect.flip(SeededScheduler.explore({ seeds: [7, 3, 11, 2], effect, preempt: 0.5 }))
      assert.strictEqual(times, 3)
      assert.strictEqual(failed.seed, 11)
      assert.include(failed.message, "SeededScheduler.run(11, { preempt: 0.5 })(effect)")
    })
  )

  it.live("gives up on a seed that is deadlocked or turns in circles, and on what cannot be interrupted", () =>
    Effect.gen(function* () {
      const circle = Effect.repeat(Effect.yieldNow(), { until: () => false })
      for (const effect of [Effect.never, Effect.uninterruptible(Effect.never), circle]) {
        const failed = yield* Effect.flip(SeededScheduler.explore({ seeds: [5], effect, timeout: "20 millis" }))
        assert.strictEqual(failed.seed, 5)
        assert.strictEqual(Option.getOrThrow(Cause.failureOption(failed.cause)) instanceof Cause.TimeoutException, true)
        assert.include(failed.message, "it has not ended within 20ms")
      }
    })
  )

  it.effect("measures that time by the real clock", () =>
    Effect.gen(function* () {
      const failed = yield* SeededScheduler.failures({ seeds: 2, effect: Effect.never, timeout: "20 millis" })
      assert.deepStrictEqual(
        failed.map(({ seed }) => seed),
        [0, 1]
      )
    })
  )

  it.live("awaits the finalizers of what it runs when it is interrupted", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const ended = yield* Ref.make(false)
      const effect = Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Effect.zipRight(Effect.yieldNow(), Ref.set(ended, true)))
      )
      const fiber = yield* Effect.fork(SeededScheduler.explore({ seeds: 10, effect }))
      yield* Deferred.await(started)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.isTrue(yield* Ref.get(ended))
    })
  )

  it.live("succeeds where every seed does", () => SeededScheduler.explore({ seeds: numRuns, effect: isFive(atomic) }))
})

const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0), ticks: Shared.live(Schema.Int, 0) })
const count = Effect.zipRight(
  Shared.update(stats, ({ seen }) => ({ seen: seen + 1 })),
  Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))
)
const sleepy = Module.make("sleepy", {
  output: Schema.Int,
  run: () => Effect.zipRight(count, Effect.as(Effect.sleep("30 millis"), 1))
})
const flaky = Module.make("flaky", {
  output: Schema.Int,
  retry: Schedule.recurs(3),
  run: () =>
    Effect.gen(function* () {
      yield* count
      return (yield* Run.attempt) < 3 ? yield* Effect.fail("not yet") : 2
    })
})
const items = Module.map("items", {
  over: () => [1, 2, 3, 4],
  output: Schema.Int,
  concurrency: 3,
  run: (n) => Effect.as(count, n)
})
const sum = Module.make("sum", {
  needs: { sleepy, flaky, items },
  output: Schema.Int,
  run: ({ flaky, items, sleepy }) =>
    Effect.as(
      count,
      items.reduce((a, b) => a + b, sleepy + flaky)
    )
})
const Small = Dag.make("small", { outputs: { sum }, shared: [stats] })

const runId = RunId.make("seeded")

/** The history of a run in a store of its own, as it is stored. */
const historyIn = <E>(store: Layer.Layer<Layer.Layer.Success<ReturnType<typeof RunStoreMemory.layer>>, E>) => {
  const engine = Heddle.layer({
    engine: { poll: Duration.infinity },
    lease: { heartbeat: Duration.infinity, expiry: Duration.infinity }
  })
  return Effect.gen(function* () {
    assert.deepStrictEqual(yield* withTime(Engine.execute(Small, {}, { runId })), { sum: 13 })
    return yield* (yield* Timeline.Timeline).history(runId, { limit: 1000 })
  }).pipe(
    Effect.provide(Layer.provideMerge(Layer.merge(engine, Timeline.layer), Layer.fresh(store))),
    Effect.provide(TestContext.TestContext)
  )
}

const inFile = Effect.acquireUseRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-seeded-"))),
  (folder) => historyIn(RunStoreSqlite.layer({ filename: Path.join(folder, "heddle.db") })),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true }))
)

describe("runs of an engine have the same stored history with the same seed", () => {
  const stores = {
    "in memory": historyIn(RunStoreMemory.layer()),
    "in SQLite's memory": historyIn(RunStoreSqlite.layer({ filename: ":memory:" })),
    "in a file of SQLite": inFile
  }
  for (const [name, history] of Object.entries(stores)) {
    it.live.prop(
      name,
      [seed],
      ([seed]) =>
        Effect.gen(function* () {
          const first = yield* SeededScheduler.run(seed)(history)
          assert.deepStrictEqual(yield* SeededScheduler.run(seed)(history), first)
        }),
      { fastCheck: { numRuns: numRuns / 10 } }
    )
  }

  it.live("and others with other seeds", () =>
    Effect.gen(function* () {
      const histories = yield* Effect.forEach([...Array(20).keys()], (seed) =>
        SeededScheduler.run(seed)(stores["in memory"])
      )
      assert.isAbove(new Set(histories.map((history) => JSON.stringify(history))).size, 15)
    })
  )
})
