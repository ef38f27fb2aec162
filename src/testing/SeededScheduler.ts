/**
 * Interleavings of fibers, each from a seed: what goes wrong under a seed goes wrong under it again.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import type * as Scheduler from "effect/Scheduler"
import * as Interleaving from "./internal/Interleaving.js"

/**
 * - `preempt`: the probability, from 0 to 1, with which a fiber is preempted before each of its operations
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly preempt: number
}

/**
 * - `seeds`: those to try, in order; a number stands for so many of them, from 0
 * - `effect`: runs once per seed. It makes all its state itself: what outlives it is not the same for the next seed
 * - `timeout`: how much real time a seed has: what is deadlocked or turns in circles has no other end
 *
 * @since 0.1.0
 * @category options
 */
export interface Exploration<A, E, R> extends Partial<Options> {
  readonly seeds: number | Iterable<number>
  readonly effect: Effect.Effect<A, E, R>
  readonly timeout?: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options & { readonly timeout: Duration.DurationInput } = {
  preempt: 0.3,
  timeout: "10 seconds"
}

/**
 * The effect failed, died, was interrupted or took too long (`TimeoutException`) under this seed.
 *
 * @since 0.1.0
 * @category errors
 */
export class SeedFailed extends Data.TaggedError("SeedFailed")<{
  readonly seed: number
  readonly preempt: number
  readonly cause: Cause.Cause<unknown>
}> {
  override get message() {
    const options = this.preempt === defaults.preempt ? "" : `, { preempt: ${this.preempt} }`
    return `seed ${this.seed} fails; again: SeededScheduler.run(${this.seed}${options})(effect)\n${Cause.pretty(this.cause)}`
  }
}

/**
 * A scheduler that preempts fibers before operations that it picks at random, and lets a random one go on of those that
 * can. A seed is a whole number, of which the low 32 bits count. A scheduler is made for one execution.
 *
 * `run` is what a test wants. Under a scheduler alone a fiber may also be preempted between an operation and the arrival
 * of its result, and a fiber that is interrupted there while it takes a permit of a `Semaphore` of Effect 3 loses it for
 * all: `TestClock` and `SynchronizedRef` then wait forever.
 *
 * @example
 * ```ts
 * import { SeededScheduler } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.log("hello").pipe(Effect.withScheduler(SeededScheduler.make({ seed: 42, preempt: 0.1 })))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Partial<Options> & { readonly seed: number }): Scheduler.Scheduler =>
  Interleaving.make(options.seed, options.preempt ?? defaults.preempt).scheduler

/**
 * Runs the effect, and all that it forks, in the interleaving of the seed, which is one that Effect allows: between any
 * two of its operations a fiber may have to wait for any of the others, and may be interrupted. `Random` draws from the
 * seed as well.
 *
 * The seed gives exactly the same steps again, as long as the effect waits for nothing but itself, `TestClock` and stores
 * in memory or in SQLite. Layers that fork fibers belong inside of the effect: a fiber has the scheduler of who forks it.
 *
 * **Interruption**: that of the effect.
 *
 * @example
 * ```ts
 * import { SeededScheduler } from "heddle/testing"
 * import { Effect, Ref } from "effect"
 *
 * // two increments that may lose one another
 * const count = Effect.gen(function* () {
 *   const ref = yield* Ref.make(0)
 *   const increment = Effect.flatMap(Ref.get(ref), (n) => Ref.set(ref, n + 1))
 *   yield* Effect.all([increment, increment], { concurrency: "unbounded" })
 *   return yield* Ref.get(ref)
 * })
 * const program = SeededScheduler.run(42)(count)
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const run =
  (seed: number, options: Partial<Options> = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const { scheduler, supervisor } = Interleaving.make(seed, options.preempt ?? defaults.preempt)
      return effect.pipe(
        Effect.withRandom(Random.make(seed)),
        Effect.withScheduler(scheduler),
        Effect.supervised(supervisor),
        Effect.withRuntimeFlagsPatch(RuntimeFlagsPatch.enable(RuntimeFlags.OpSupervision))
      )
    })

/**
 * Runs the effect under one seed after the other, and fails with the first under which it does not succeed.
 *
 * **Interruption**: the effect is interrupted under its present seed, and its finalizers are awaited.
 *
 * @example
 * ```ts
 * import { SeededScheduler } from "heddle/testing"
 * import { Effect, Ref } from "effect"
 *
 * const program = SeededScheduler.explore({
 *   seeds: 1000,
 *   effect: Effect.gen(function* () {
 *     const ref = yield* Ref.make(0)
 *     yield* Effect.replicateEffect(Ref.update(ref, (n) => n + 1), 5, { concurrency: "unbounded" })
 *     if ((yield* Ref.get(ref)) !== 5) return yield* Effect.fail("an update is lost")
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const explore = <A, E, R>(exploration: Exploration<A, E, R>): Effect.Effect<void, SeedFailed, R> =>
  Effect.forEach(seedsOf(exploration), (seed) => attempt(seed, exploration), { discard: true })

/**
 * Runs the effect under every seed, and gives those under which it does not succeed: how often a fault shows itself.
 *
 * **Interruption**: as for `explore`.
 *
 * @example
 * ```ts
 * import { SeededScheduler } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const rateOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
 *   Effect.map(SeededScheduler.failures({ seeds: 1000, effect }), ({ length }) => length / 1000)
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const failures = <A, E, R>(
  exploration: Exploration<A, E, R>
): Effect.Effect<ReadonlyArray<SeedFailed>, never, R> =>
  Effect.map(
    Effect.forEach(seedsOf(exploration), (seed) => Effect.either(attempt(seed, exploration))),
    (results) => results.filter(Either.isLeft).map(({ left }) => left)
  )

const seedsOf = ({ seeds }: { readonly seeds: number | Iterable<number> }) =>
  typeof seeds === "number" ? Array.from({ length: seeds }, (_, seed) => seed) : seeds

/** Not the clock of the effect, which may be one that stands still. */
const realTime = Clock.make()

const attempt = <A, E, R>(
  seed: number,
  { effect, preempt = defaults.preempt, timeout = defaults.timeout }: Exploration<A, E, R>
): Effect.Effect<void, SeedFailed, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // a daemon: what cannot be interrupted is left behind and holds up nobody
      const fiber = yield* Effect.forkDaemon(restore(run(seed, { preempt })(effect)))
      const ended = yield* Effect.asSome(Fiber.await(fiber)).pipe(
        Effect.raceFirst(Effect.as(realTime.sleep(Duration.decode(timeout)), Option.none())),
        restore,
        Effect.onInterrupt(() => Fiber.interrupt(fiber))
      )
      if (Option.isNone(ended)) {
        yield* Fiber.interruptFork(fiber)
        const tooLong = new Cause.TimeoutException(`it has not ended within ${Duration.format(timeout)}`)
        return yield* new SeedFailed({ seed, preempt, cause: Cause.fail(tooLong) })
      }
      if (Exit.isFailure(ended.value)) return yield* new SeedFailed({ seed, preempt, cause: ended.value.cause })
    })
  )
