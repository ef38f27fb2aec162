/** Breakers, in one interleaving of their callers after the other: in one process, and in two that share a store. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Clock, Deferred, Effect, Exit, Fiber, Random, Ref } from "effect"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"

type Breaker = typeof CircuitBreaker.CircuitBreaker.Service
type Options = NonNullable<Parameters<typeof CircuitBreaker.make>[0]>
interface Time {
  now: number
}

const fork = <A, E, R>(effects: Iterable<Effect.Effect<A, E, R>>) =>
  Effect.forEach(effects, (effect) => Effect.fork(effect))

/** Interrupts about a third of the fibers, whatever they are doing. */
const disturb = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) =>
  Effect.forEach(fibers, (fiber) =>
    Effect.flatMap(Random.nextIntBetween(0, 3), (n) => (n === 0 ? Fiber.interruptFork(fiber) : Effect.void))
  )

const failedItself = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Chunk.some(Cause.failures(exit.cause), (error) => error === "no")

/** So many failures of one key, some of which are interrupted: those that were not are counted. */
const exactCounts = (breakers: ReadonlyArray<Breaker>) =>
  Effect.gen(function* () {
    const fail = Effect.zipRight(Effect.yieldNow(), Effect.fail("no"))
    const fibers = yield* fork(Array.from({ length: 5 }, (_, i) => breakers[i % breakers.length]!.protect("key")(fail)))
    yield* disturb(fibers)
    const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
    const counted = exits.filter(failedItself).length
    for (const breaker of breakers) {
      const state = yield* breaker.state("key")
      assert.strictEqual(state.status, "closed")
      assert.strictEqual(state.failuresInARow, counted)
      assert.deepInclude(state, { calls: counted, failures: counted })
    }
  })

const probes = 2

/** Opens it, lets its time pass, and has many call at once: no more of them are there at a time than there may be probes. */
const exactProbes = (breakers: ReadonlyArray<Breaker>, time: Time) =>
  Effect.gen(function* () {
    const [first] = breakers
    yield* Effect.exit(first!.protect("key")(Effect.fail("no")))
    assert.strictEqual((yield* first!.state("key")).status, "open")
    for (const breaker of breakers) yield* breaker.state("key")
    time.now += 1000
    const out = yield* Ref.make(0)
    const began = yield* Ref.make(0)
    const probe = Effect.acquireUseRelease(
      Effect.zipRight(
        Ref.update(began, (n) => n + 1),
        Effect.map(
          Ref.updateAndGet(out, (n) => n + 1),
          (n) => assert.isAtMost(n, probes)
        )
      ),
      () => Effect.yieldNow(),
      () => Ref.update(out, (n) => n - 1)
    )
    const fibers = yield* fork(
      Array.from({ length: 5 }, (_, i) => breakers[i % breakers.length]!.protect("key")(probe))
    )
    yield* disturb(fibers)
    const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
    for (const exit of exits) assert.isTrue(Exit.isSuccess(exit) || !Cause.isDie(exit.cause), "not more at a time")
    assert.isAtLeast(yield* Ref.get(began), exits.some(Exit.isSuccess) ? 1 : 0)

    // every place is free again, however its probe ended; and there are not more of them
    const state = yield* first!.state("key")
    assert.strictEqual(state.probes, 0)
    if (state.status === "open") time.now += 1000
    const end = yield* Deferred.make<void>()
    const admitted = yield* Ref.make(0)
    const held = Effect.zipRight(
      Ref.update(admitted, (n) => n + 1),
      Deferred.await(end)
    )
    const holding = yield* fork(
      Array.from({ length: 4 }, (_, i) => breakers[i % breakers.length]!.protect("key")(held))
    )
    // the others are told at once
    yield* Effect.forEach(holding, (fiber) => Fiber.await(fiber).pipe(Effect.raceFirst(settled(admitted, holding))))
    assert.strictEqual(yield* Ref.get(admitted), probes)
    yield* Deferred.succeed(end, undefined)
    const ends = yield* Effect.forEach(holding, (fiber) => Fiber.await(fiber))
    assert.strictEqual(ends.filter(Exit.isSuccess).length, probes)
  })

/** Everyone who may be let through is, and everyone else has been told. */
const settled = (
  admitted: Ref.Ref<number>,
  fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown, unknown>>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const polled = yield* Effect.forEach(fibers, (fiber) => Fiber.poll(fiber))
    const left = polled.filter(({ _tag }) => _tag === "None").length
    if (left === (yield* Ref.get(admitted)) && left <= probes) return
    yield* Effect.yieldNow()
    yield* settled(admitted, fibers)
  })

const explore = (
  options: Options,
  processes: number,
  scenario: (breakers: ReadonlyArray<Breaker>, time: Time) => Effect.Effect<void>
) =>
  SeededScheduler.explore({
    seeds: numRuns,
    effect: Effect.suspend(() => {
      const time = { now: 0 }
      const clock: Clock.Clock = {
        ...Clock.make(),
        unsafeCurrentTimeMillis: () => time.now,
        unsafeCurrentTimeNanos: () => BigInt(time.now) * 1_000_000n,
        sleep: () => Effect.never
      }
      return Effect.replicateEffect(
        CircuitBreaker.make({ ...options, refresh: 0, shared: processes > 1 }),
        processes
      ).pipe(
        Effect.flatMap((breakers) => scenario(breakers, time)),
        Effect.provide(StateStoreMemory.layer()),
        Effect.withClock(clock)
      )
    })
  })

describe.each([
  ["in one process", 1],
  ["in two processes over one store", 2]
] as const)("%s", (_, processes) => {
  it.live(
    "every failure of a key is counted once, whoever asks for it first",
    () => explore({ failureThreshold: 100, failureRate: 1 }, processes, exactCounts),
    300_000
  )

  it.live(
    "there are exactly as many probes as there may be",
    () =>
      explore(
        { failureThreshold: 1, halfOpenProbes: probes, closeAfter: 1000, resetAfter: 1000 },
        processes,
        exactProbes
      ),
    300_000
  )
})
