import { assert, describe, it } from "@effect/vitest"
import {
  type Clock,
  type Duration,
  Deferred,
  Effect,
  Exit,
  Fiber,
  FiberId,
  Option,
  Random,
  RuntimeFlags,
  RuntimeFlagsPatch,
  Supervisor,
  TestClock,
  TestContext
} from "effect"
import * as Wait from "heddle/model/Wait"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"

/** Interrupts a fiber right before the operation of this number that it would do. */
class Interrupter extends Supervisor.AbstractSupervisor<void> {
  readonly value = Effect.void
  fiber: object | undefined
  left: number
  constructor(at: number) {
    super()
    this.left = at
  }
  override onEffect<A, E>(fiber: Fiber.RuntimeFiber<A, E>) {
    if (fiber === this.fiber && --this.left === 0) fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

/** Enough for all fibers to do what they can; the interruption of a concurrent `Effect.all` takes most. */
const settle = Effect.repeatN(Effect.yieldNow(), 50)

const isEnded = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => fiber.unsafePoll() !== null

/** Counts what has begun and has not ended, since `TestClock` does not forget those who sleep when they are interrupted. */
const counted = () => {
  const count = { begun: 0, ended: 0 }
  const counting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      count.begun++
      return Effect.ensuring(
        effect,
        Effect.sync(() => count.ended++)
      )
    })
  return { count, counting }
}

/** The effect, and the timers that were set in it. */
const withTimers = () => {
  const { count, counting } = counted()
  const on = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Effect.clock, (clock) => {
      const sleep = (duration: Duration.Duration) => counting(clock.sleep(duration))
      // its methods belong to its prototype
      const counts: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, { sleep })
      return Effect.withClock(effect, counts)
    })
  return { timers: count, on }
}

/** A wait, and what belongs to it and must not go on when it has ended. */
type Waiting = () => { readonly wait: Effect.Effect<unknown, unknown>; readonly goesOn?: () => boolean }

/**
 * Interrupts the wait right before each of its operations in turn, and last when it does nothing any more. Gives what is
 * wrong thereupon, by the number of the operation.
 */
const faultsOf = (waiting: Waiting) =>
  Effect.gen(function* () {
    const faults: Array<string> = []
    for (let at = 1; ; at++) {
      const interrupter = new Interrupter(at)
      const begin = yield* Deferred.make<void>()
      const { goesOn, wait } = waiting()
      const { on, timers } = withTimers()
      const fiber = yield* Effect.zipRight(Deferred.await(begin), on(wait)).pipe(
        Effect.supervised(interrupter),
        Effect.withRuntimeFlagsPatch(RuntimeFlagsPatch.enable(RuntimeFlags.OpSupervision)),
        Effect.forkDaemon
      )
      yield* settle
      interrupter.fiber = fiber
      yield* Deferred.succeed(begin, undefined)
      yield* settle
      const isIdle = interrupter.left > 0
      if (isIdle) {
        fiber.unsafeInterruptAsFork(FiberId.none)
        yield* settle
      }
      if (!isEnded(fiber)) faults.push(`${at}: goes on`)
      if (timers.begun > timers.ended) faults.push(`${at}: a timer is left`)
      if (goesOn?.() === true) faults.push(`${at}: what it waited for goes on`)
      yield* TestClock.adjust("1 hour")
      yield* settle
      if (!isEnded(fiber)) faults.push(`${at}: hangs`)
      if (isIdle) return { faults, operations: at - 1 }
    }
  })

const closed = () => Effect.unsafeMakeLatch(false)

describe("Wait", () => {
  it.effect("a wait for a latch ends at once wherever it is interrupted, and leaves no timer behind", () =>
    Effect.gen(function* () {
      const { faults, operations } = yield* faultsOf(() => ({ wait: Wait.untilOpen(closed(), 1000) }))
      assert.deepStrictEqual(faults, [])
      assert.isAbove(operations, 10)
    })
  )

  it.effect("a wait for an effect ends at once wherever it is interrupted, and so does the effect", () =>
    Effect.gen(function* () {
      const { faults, operations } = yield* faultsOf(() => {
        const { count, counting } = counted()
        return { wait: Wait.atMost(counting(Effect.never), 1000), goesOn: () => count.begun > count.ended }
      })
      assert.deepStrictEqual(faults, [])
      assert.isAbove(operations, 10)
    })
  )

  it.effect("where Effect's own races hang, and its timeouts wait for their time to be over", () =>
    Effect.gen(function* () {
      const hang = (faults: ReadonlyArray<string>) => faults.filter((fault) => fault.endsWith("hangs")).length
      const goOn = (faults: ReadonlyArray<string>) => faults.filter((fault) => fault.endsWith("goes on")).length
      const race = yield* faultsOf(() => ({ wait: Effect.raceFirst(closed().await, Effect.sleep(1000)) }))
      assert.deepStrictEqual([goOn(race.faults), hang(race.faults)], [1, 1])
      const timeout = yield* faultsOf(() => ({ wait: Effect.timeout(closed().await, 1000) }))
      assert.deepStrictEqual([goOn(timeout.faults), hang(timeout.faults)], [1, 0])
    })
  )

  it.live("in every interleaving it ends when it is interrupted", () =>
    SeededScheduler.explore({
      seeds: 2 * numRuns,
      timeout: "5 seconds",
      effect: Effect.repeatN(
        Effect.gen(function* () {
          const hour = 3_600_000
          const waits = [Wait.untilOpen(closed(), hour), Effect.isSuccess(Wait.atMost(closed().await, hour))]
          for (const wait of waits) {
            const fiber = yield* Effect.forkDaemon(wait)
            yield* Effect.repeatN(Effect.yieldNow(), yield* Random.nextIntBetween(0, 12))
            yield* Fiber.interrupt(fiber)
          }
        }),
        10
      )
    })
  )

  it.live("in every interleaving it ends, in time or not, and touches the latch no more", () =>
    SeededScheduler.explore({
      seeds: 2 * numRuns,
      effect: Effect.gen(function* () {
        const latch = closed()
        let isOpened = false
        let isOver = false
        const over = Effect.sync(() => {
          isOver = true
          latch.unsafeClose()
        })
        const limited = Effect.map(Wait.atMost(latch.await, 1000), Option.isSome)
        const wait: Effect.Effect<boolean> = (yield* Random.nextBoolean) ? limited : Wait.untilOpen(latch, 1000)
        const waiting = yield* Effect.forkDaemon(Effect.ensuring(wait, over))
        const sometimes = (effect: Effect.Effect<unknown>) =>
          Effect.gen(function* () {
            yield* Effect.repeatN(Effect.yieldNow(), yield* Random.nextIntBetween(0, 30))
            if (yield* Random.nextBoolean) yield* effect
          })
        const open = Effect.sync(() => {
          if (isOver) return
          isOpened = true
          latch.unsafeOpen()
        })
        const others = [open, TestClock.adjust(999), TestClock.adjust(1), Fiber.interrupt(waiting)]
        const fibers = yield* Effect.forEach(others, (other) => Effect.fork(sometimes(other)))
        for (const fiber of fibers) yield* Fiber.join(fiber)
        // long enough in any case
        yield* TestClock.adjust(1000)
        const exit = yield* Fiber.await(waiting)
        if (Exit.isSuccess(exit)) assert.isTrue(isOpened || !exit.value, "nobody has opened it")
        else assert.isTrue(Exit.isInterrupted(exit))
        const touched = yield* Effect.fork(latch.await)
        yield* TestClock.adjust(10_000)
        yield* settle
        assert.isFalse(isEnded(touched), "a timer that was not stopped has opened it")
      }).pipe(Effect.provide(TestContext.TestContext))
    })
  )

  it.effect("it is in time up to its last millisecond, and its timer ends with it", () =>
    Effect.gen(function* () {
      for (const inTime of [true, false])
        for (const limited of [true, false]) {
          const { on, timers } = withTimers()
          const latch = closed()
          const wait = limited
            ? Effect.map(Wait.atMost(latch.await, 999.5), Option.isSome)
            : Wait.untilOpen(latch, 999.5)
          const fiber = yield* Effect.fork(on(wait))
          yield* TestClock.adjust(999)
          assert.isFalse(isEnded(fiber))
          if (inTime) latch.unsafeOpen()
          else yield* TestClock.adjust(1)
          assert.strictEqual(yield* Fiber.join(fiber), inTime)
          yield* settle
          assert.deepStrictEqual(timers, { begun: 1, ended: 1 })
        }
    })
  )

  it.effect("longer than a timer can count, and for ever without one", () =>
    Effect.gen(function* () {
      const { on, timers } = withTimers()
      const long = 3 * 2 ** 31
      const wait = yield* Effect.fork(on(Wait.untilOpen(closed(), long)))
      yield* TestClock.adjust(long - 1)
      assert.isFalse(isEnded(wait))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* Fiber.join(wait))
      assert.deepStrictEqual(timers, { begun: 4, ended: 4 })
      const latch = closed()
      const ever = yield* Effect.fork(on(Wait.untilOpen(latch, Infinity)))
      const everMore = yield* Effect.fork(on(Wait.atMost(latch.await, Infinity)))
      yield* settle
      assert.strictEqual(timers.begun, 4)
      latch.unsafeOpen()
      assert.isTrue(yield* Fiber.join(ever))
      assert.deepStrictEqual(yield* Fiber.join(everMore), Option.some(undefined))
    })
  )

  it.effect("an effect that fails, dies or interrupts itself is that of the wait", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.exit(Wait.atMost(Effect.fail("no"), 1000)), Exit.fail("no"))
      assert.deepStrictEqual(yield* Effect.exit(Wait.atMost(Effect.die("no"), 1000)), Exit.die("no"))
      assert.isTrue(Exit.isInterrupted(yield* Effect.exit(Wait.atMost(Effect.interrupt, 1000))))
    })
  )

  it.effect("what is not in time is interrupted and not waited for, also where nothing else is interrupted", () =>
    Effect.gen(function* () {
      const { count, counting } = counted()
      const stubborn = Effect.onInterrupt(counting(Effect.never), () => Effect.never)
      const wait = yield* Effect.fork(Effect.uninterruptible(Wait.atMost(stubborn, 1000)))
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* Fiber.join(wait), Option.none())
      yield* settle
      assert.deepStrictEqual(count, { begun: 1, ended: 1 })
    })
  )
})
