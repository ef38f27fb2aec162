import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Logger,
  Ref,
  Stream,
  TestClock
} from "effect"
import { StoreError } from "heddle"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { numRuns } from "../numRuns.js"

type Breaker = typeof CircuitBreaker.CircuitBreaker.Service

const fails = Effect.fail("no")
const failing = (breaker: Breaker, key = "a") => Effect.flip(breaker.protect(key)(fails))
const passing = (breaker: Breaker, key = "a") => breaker.protect(key)(Effect.succeed("yes"))

/** A call that is under way until it is ended. */
const begin = (breaker: Breaker, key = "a") =>
  Effect.gen(function* () {
    const began = yield* Deferred.make<void>()
    const end = yield* Deferred.make<string, string>()
    const fiber = yield* Effect.zipRight(Deferred.succeed(began, undefined), Deferred.await(end)).pipe(
      breaker.protect(key),
      Effect.fork
    )
    yield* Effect.raceFirst(Deferred.await(began), Effect.exit(Fiber.join(fiber)))
    const ends = (exit: Exit.Exit<string, string>) =>
      Effect.zipRight(Deferred.done(end, exit), Effect.asVoid(Fiber.await(fiber)))
    return { fiber, ends }
  })

describe("a breaker", () => {
  it.effect("does not call what it is open for, and says when to come back", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 2, resetAfter: "10 seconds" })
      yield* failing(breaker)
      yield* failing(breaker)
      yield* TestClock.adjust("4 seconds")
      const ran = yield* Ref.make(false)
      const error = yield* Effect.flip(breaker.protect("a")(Ref.set(ran, true)))
      assert.deepStrictEqual(error, new CircuitBreaker.CircuitOpen({ operation: "a", retryAfter: 6000 }))
      assert.strictEqual(error.message, '"a" was not called, because its circuit breaker is open: come back in 6000 ms')
      assert.isFalse(yield* Ref.get(ran))
      assert.strictEqual(yield* passing(breaker, "b"), "yes")
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* passing(breaker), "yes")
      assert.strictEqual((yield* breaker.state("a")).status, "closed")
    })
  )

  it.effect("that was opened by hand stays open until it is closed by hand", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make()
      const late = yield* begin(breaker)
      yield* breaker.open("a")
      yield* late.ends(Exit.succeed("yes"))
      yield* TestClock.adjust("1000 days")
      const error = yield* Effect.flip(passing(breaker))
      assert.deepStrictEqual(error, new CircuitBreaker.CircuitOpen({ operation: "a" }))
      assert.include(error.message, "once it is closed by hand")
      yield* breaker.close("a")
      assert.strictEqual(yield* passing(breaker), "yes")
      assert.deepInclude(yield* breaker.state("a"), { status: "closed", reason: "manual", generation: 2 })
    })
  )

  it.effect("counts as failures what it is told to, and what `isFailure` throws for, which keeps its error", () =>
    Effect.gen(function* () {
      const isFailure = (cause: Cause.Cause<unknown>) => {
        if (Cause.pretty(cause).includes("odd")) throw new Error("isFailure")
        return Cause.isDie(cause)
      }
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, isFailure })
      yield* failing(breaker)
      assert.strictEqual((yield* breaker.state("a")).status, "closed")
      yield* Effect.exit(breaker.protect("a")(Effect.die("no")))
      assert.strictEqual((yield* breaker.state("a")).status, "open")
      yield* TestClock.adjust("30 seconds")
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)}\n${Cause.pretty(cause)}`))
      const odd = breaker
        .protect("a")(Effect.fail("odd"))
        .pipe(Effect.exit, Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.deepStrictEqual(yield* odd, Exit.fail("odd"))
      assert.lengthOf(lines, 1)
      assert.match(lines[0]!, /isFailure of breaker "a" threw[^]*Error: isFailure/)
      assert.deepInclude(yield* breaker.state("a"), { status: "open", reason: "probeFailed", probes: 0 })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* passing(breaker), "yes")
    })
  )

  it.effect("opens for calls that are slow, however they end", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ slowRate: 0.5, slowAfter: "1 second", minimumCalls: 4 })
      for (const delay of ["0 millis", "2 seconds", "900 millis"] as const) {
        const fiber = yield* Effect.fork(breaker.protect("a")(Effect.sleep(delay)))
        yield* TestClock.adjust(delay)
        yield* Fiber.join(fiber)
      }
      assert.deepInclude(yield* breaker.state("a"), { status: "closed", calls: 3, slow: 1 })
      const fiber = yield* Effect.fork(breaker.protect("a")(Effect.delay(fails, "2 seconds")))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.await(fiber)
      assert.deepInclude(yield* breaker.state("a"), { status: "open", reason: "slowRate" })
    })
  )

  it.effect("lets a probe that never ends keep its place for a while only", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, probeExpiry: "40 seconds" })
      yield* failing(breaker)
      yield* TestClock.adjust("30 seconds")
      const stuck = yield* begin(breaker)
      assert.strictEqual((yield* Effect.flip(passing(breaker))).retryAfter, 30_000)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Effect.flip(passing(breaker))).retryAfter, 20_000)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* passing(breaker), "yes")
      yield* stuck.ends(Exit.fail("no"))
      assert.deepInclude(yield* breaker.state("a"), { status: "closed", failuresInARow: 0 })
    })
  )

  it.effect("tells its transitions in order; a slow consumer has the latest ones", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1 })
      const subscribed = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const all = yield* Effect.fork(Stream.runCollect(Stream.take(breaker.transitions, 4)))
      const slow = yield* breaker.transitions.pipe(
        Stream.tap(() => Effect.zipRight(Deferred.succeed(subscribed, undefined), Deferred.await(go))),
        Stream.take(1025),
        Stream.runCollect,
        Effect.fork
      )
      yield* TestClock.adjust(0)
      yield* failing(breaker)
      yield* Deferred.await(subscribed)
      yield* TestClock.adjust("30 seconds")
      yield* passing(breaker)
      yield* breaker.open("b")
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(yield* Fiber.join(all)).map(({ at, from, key, reason, to }) => [
          at,
          key,
          from,
          to,
          reason
        ]),
        [
          [0, "a", "closed", "open", "failuresInARow"],
          [30_000, "a", "open", "halfOpen", "resetAfter"],
          [30_000, "a", "halfOpen", "closed", "probesSucceeded"],
          [30_000, "b", "closed", "open", "manual"]
        ]
      )
      for (let i = 0; i < 1000; i++) yield* Effect.zipRight(breaker.close("b"), breaker.open("b"))
      yield* Deferred.succeed(go, undefined)
      const seen = Chunk.toReadonlyArray(yield* Fiber.join(slow))
      const last = (yield* breaker.state("b")).generation
      assert.deepStrictEqual(
        seen.slice(1).map(({ generation }) => generation),
        Array.from({ length: 1024 }, (_, i) => last - 1023 + i)
      )
    })
  )

  it.effect("refuses options that no breaker can have, and names all of them", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        CircuitBreaker.make({
          name: "odd",
          failureRate: 2,
          window: { calls: 0 },
          resetAfter: -1,
          halfOpenProbes: 1.5,
          capacity: 0
        })
      )
      const message = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      for (const name of ["odd", "failureRate", "window.calls", "resetAfter", "halfOpenProbes", "capacity"]) {
        assert.include(message, name)
      }
    })
  )
})

describe("memory", () => {
  it.effect("counts for a key however many others are open or have calls", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 2, capacity: 1 })
      yield* breaker.open("a")
      const call = yield* begin(breaker, "c")
      for (let i = 0; i < 50; i++) yield* failing(breaker, "b")
      assert.deepInclude(yield* breaker.state("b"), { status: "open", reason: "failuresInARow" })
      yield* call.ends(Exit.succeed("yes"))
    })
  )

  it.effect("lets go of breakers that opened, or let a probe through, and of which nobody asks any more", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, capacity: 10, resetAfter: "30 seconds" })
      yield* breaker.open("hand")
      for (let i = 0; i < 1000; i++) yield* failing(breaker, `open ${i}`)
      yield* TestClock.adjust("30 seconds")
      for (let i = 0; i < 100; i++) yield* Effect.exit(breaker.protect(`open ${i}`)(Effect.interrupt))
      const held = yield* begin(breaker, "open 100")
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* breaker.size, 1001, "another `resetAfter` is not over")
      assert.strictEqual((yield* breaker.state("open 0")).status, "halfOpen")
      yield* TestClock.adjust("1 millis")
      for (let i = 0; i < 200; i++) yield* passing(breaker, `other ${i}`)
      assert.strictEqual(yield* breaker.size, 12)
      assert.deepInclude(yield* breaker.state("open 0"), { status: "closed", generation: 0 })
      assert.strictEqual((yield* breaker.state("hand")).status, "open")
      assert.deepInclude(yield* breaker.state("open 100"), { status: "halfOpen", probes: 1 })
      for (let i = 190; i < 200; i++) yield* failing(breaker, `other ${i}`)
      assert.strictEqual(yield* breaker.size, 12)
      yield* held.ends(Exit.succeed("yes"))
      assert.strictEqual((yield* breaker.state("open 100")).status, "closed")
    })
  )

  it.effect("keeps a breaker that opened for good where there is room", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, capacity: 3 })
      yield* failing(breaker, "a")
      yield* TestClock.adjust("10 days")
      yield* passing(breaker, "b")
      yield* passing(breaker, "c")
      assert.strictEqual((yield* breaker.state("a")).status, "open")
      yield* passing(breaker, "d")
      assert.strictEqual((yield* breaker.state("a")).status, "closed")
      assert.strictEqual(yield* breaker.size, 3)
    })
  )

  it.effect("does not let go of the breaker that is asked", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 1, capacity: 1 })
      yield* failing(breaker, "a")
      const call = yield* begin(breaker, "b")
      yield* failing(breaker, "b")
      yield* passing(breaker, "c")
      yield* TestClock.adjust("10 days")
      // a late end of what is open
      yield* call.ends(Exit.succeed("yes"))
      assert.strictEqual((yield* breaker.state("b")).status, "open")
      assert.strictEqual((yield* breaker.state("a")).status, "closed")
    })
  )

  it.effect.prop(
    "has at most so many idle keys, those used last, and never loses one that is open or has calls",
    { capacity: fc.integer({ min: 1, max: 4 }), steps: fc.array(fc.tuple(fc.nat(7), fc.nat(5)), { maxLength: 20 }) },
    ({ capacity, steps }) =>
      Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make({ failureThreshold: 2, capacity })
        let idle: ReadonlyArray<string> = []
        const busy = new Map<string, "open" | Effect.Effect.Success<ReturnType<typeof begin>>>()
        const failures = new Map<string, number>()
        for (const [number, action] of steps) {
          const key = String(number)
          const present = busy.get(key)
          if (present === "open") {
            assert.strictEqual((yield* Effect.flip(passing(breaker, key)))._tag, "CircuitOpen")
            continue
          }
          if (present !== undefined) {
            yield* present.ends(Exit.succeed("yes"))
            busy.delete(key)
            failures.set(key, 0)
          } else if (action === 0) {
            busy.set(key, yield* begin(breaker, key))
          } else if (action < 3) {
            yield* failing(breaker, key)
            failures.set(key, (failures.get(key) ?? 0) + 1)
            if (failures.get(key) === 2) busy.set(key, "open")
          } else {
            yield* passing(breaker, key)
            failures.set(key, 0)
          }
          idle = [...idle.filter((other) => other !== key), ...(busy.has(key) ? [] : [key])]
          for (const forgotten of idle.slice(0, Math.max(0, idle.length - capacity))) {
            failures.delete(forgotten)
          }
          idle = idle.filter((key) => failures.has(key))
          assert.strictEqual(yield* breaker.size, idle.length + busy.size)
          for (const [key, count] of failures) {
            if (!busy.has(key)) assert.strictEqual((yield* breaker.state(key)).failuresInARow, count)
          }
        }
        for (const call of busy.values()) if (call !== "open") yield* Fiber.interrupt(call.fiber)
      }),
    { fastCheck: { numRuns } }
  )
})

/** A store of which the calls are counted, and which can be made to do something else. */
const observed = Effect.gen(function* () {
  const store = yield* StateStore
  const counts = { reads: 0, writes: 0 }
  const instead = yield* Ref.make<Effect.Effect<never, StoreError> | undefined>(undefined)
  const call = <A>(effect: Effect.Effect<A, StoreError>, name: keyof typeof counts) =>
    Effect.flatMap(Ref.get(instead), (other) => {
      counts[name]++
      return other ?? effect
    })
  return {
    counts,
    instead,
    store,
    layer: Layer.succeed(StateStore, {
      ...store,
      get: (key) => call(store.get(key), "reads"),
      compareAndSet: (...args) => call(store.compareAndSet(...args), "writes")
    })
  }
})

const away = new StoreError({
  reason: "unavailable",
  location: "here",
  operation: "get",
  message: "it is away"
})

describe("over a store", () => {
  it.effect("is open for other processes, after a restart, and for those that have looked before", () =>
    Effect.gen(function* () {
      const make = CircuitBreaker.make({ failureThreshold: 2, name: "gateway" })
      const one = yield* make
      const two = yield* make
      const other = yield* CircuitBreaker.make({ failureThreshold: 2, name: "another" })
      yield* passing(two)
      const changes = yield* Effect.fork(Stream.runCollect(Stream.take(two.transitions, 2)))
      yield* TestClock.adjust(0)
      yield* failing(one)
      yield* failing(one)
      const restarted = yield* make
      assert.strictEqual((yield* Effect.flip(passing(restarted)))._tag, "CircuitOpen")
      assert.strictEqual(yield* passing(two), "yes", "what it knows is not a second old")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Effect.flip(passing(two)), { _tag: "CircuitOpen", retryAfter: 29_000 })
      assert.strictEqual(yield* passing(other), "yes")
      // closed by one, seen by the others
      yield* one.close("a")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* passing(two), "yes")
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(yield* Fiber.join(changes)).map(({ elsewhere, reason, to }) => [to, reason, elsewhere]),
        [
          ["open", "failuresInARow", true],
          ["closed", "manual", true]
        ]
      )
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("costs a read for each refresh, and a write for each failure and what ends a row of them", () =>
    Effect.gen(function* () {
      const { counts, layer } = yield* observed
      const breaker = yield* Effect.provide(CircuitBreaker.make({ failureRate: 0.5, failureThreshold: 3 }), layer)
      for (let i = 0; i < 150; i++) yield* passing(breaker)
      assert.deepStrictEqual(counts, { reads: 1, writes: 0 })
      yield* TestClock.adjust("1 second")
      for (let i = 0; i < 50; i++) yield* passing(breaker)
      assert.deepStrictEqual(counts, { reads: 2, writes: 0 })
      yield* failing(breaker)
      yield* failing(breaker)
      assert.deepStrictEqual(counts, { reads: 2, writes: 2 })
      yield* passing(breaker)
      yield* passing(breaker)
      assert.deepStrictEqual(counts, { reads: 2, writes: 3 })
      // the successes were written with the failures
      const other = yield* Effect.provide(CircuitBreaker.make({ failureRate: 0.5, failureThreshold: 3 }), layer)
      assert.deepInclude(yield* other.state("a"), { calls: 100, failures: 2, failuresInARow: 0 })
      // what fails at the same time shares a write
      yield* Effect.forEach(Array.from({ length: 2 }), () => failing(breaker), { concurrency: "unbounded" })
      assert.isAtMost(counts.writes, 5)
      assert.strictEqual((yield* breaker.state("a")).failures, 4)
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("goes on alone while the store fails or does not answer, and shares again what it then knows", () =>
    Effect.gen(function* () {
      const { counts, instead, layer } = yield* observed
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const make = Effect.provide(CircuitBreaker.make({ failureThreshold: 2, storeTimeout: "100 millis" }), layer)
      yield* Effect.gen(function* () {
        const breaker = yield* make
        yield* Ref.set(instead, away)
        yield* failing(breaker)
        assert.lengthOf(lines, 1)
        assert.include(lines[0], 'breaker "a" goes on with what this process knows for 1000 ms')
        yield* failing(breaker)
        assert.strictEqual((yield* Effect.flip(passing(breaker)))._tag, "CircuitOpen")
        assert.deepStrictEqual(counts, { reads: 1, writes: 0 })

        // a store that hangs, also where it cannot be interrupted
        yield* Ref.set(instead, Effect.uninterruptible(Effect.never))
        yield* TestClock.adjust("1 second")
        const waiting = yield* Effect.fork(Effect.flip(passing(breaker)))
        yield* TestClock.adjust("100 millis")
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "CircuitOpen")
        assert.lengthOf(lines, 2)

        yield* Ref.set(instead, undefined)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Effect.flip(passing(breaker)))._tag, "CircuitOpen")
        assert.deepInclude(yield* (yield* make).state("a"), { status: "open", reason: "failuresInARow" })
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("does not overwrite what it cannot read, and names it", () =>
    Effect.gen(function* () {
      const store = yield* StateStore
      const key = 'breaker/["breaker","a"]'
      yield* store.set(key, '{"format":2}')
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)}\n${Cause.pretty(cause)}`))
      yield* Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make({ failureThreshold: 1 })
        yield* failing(breaker)
        assert.strictEqual((yield* Effect.flip(passing(breaker)))._tag, "CircuitOpen")
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.include(lines[0], 'the state "a" of "breaker" could not be read')
      assert.deepInclude(yield* Effect.flatten(store.get(key)), { value: '{"format":2}' })
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("frees the places of a process that is gone", () =>
    Effect.gen(function* () {
      const make = CircuitBreaker.make({ failureThreshold: 1, probeExpiry: "1 minute", refresh: 0 })
      const gone = yield* make
      yield* failing(gone)
      yield* TestClock.adjust("30 seconds")
      yield* begin(gone)
      const next = yield* make
      assert.strictEqual((yield* Effect.flip(passing(next)))._tag, "CircuitOpen")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* passing(next), "yes")
      assert.deepInclude(yield* next.state("a"), { status: "closed", reason: "probesSucceeded" })
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("forgets a closed breaker after a day, and keeps one that was opened by hand", () =>
    Effect.gen(function* () {
      const make = CircuitBreaker.make()
      const breaker = yield* make
      yield* failing(breaker)
      yield* breaker.open("b")
      yield* TestClock.adjust("25 hours")
      const next = yield* make
      assert.strictEqual((yield* next.state("a")).failuresInARow, 0)
      assert.strictEqual((yield* breaker.state("a")).failuresInARow, 0)
      assert.strictEqual((yield* next.state("b")).status, "open")
      const alone = yield* CircuitBreaker.make({ shared: false })
      assert.strictEqual((yield* alone.state("b")).status, "closed")
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )
})
