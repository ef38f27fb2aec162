/**
 * What holds of every generated value, as an Effect.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import { Mismatch } from "./Expect.js"

/**
 * How properties are checked. `cases`: how many values each one is checked with, 100 unless given. `seed`: from which they
 * are generated; without one it comes from Effect's `Random`. A violation tells the seed.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly seed?: number | undefined
  readonly cases?: number | undefined
}

/** What else the process has to do gets its turn, which no clock of a test gives it. */
const turn = Effect.withClock(Effect.sleep(0), Clock.make())

/**
 * Checks generated values one after the other. `index` counts the calls of `check`, those that shrink a counterexample
 * included. It ends with the first value that fails, made as small as it can be.
 */
export const property = <A, E, R>(
  options: Options,
  arbitrary: FastCheck.Arbitrary<A>,
  check: (value: A, index: number) => Effect.Effect<void, E, R>
): Effect.Effect<void, Mismatch, R> =>
  Effect.gen(function* () {
    const seed = options.seed ?? (yield* Random.nextIntBetween(0, 2 ** 31))
    const runtime = yield* Effect.runtime<R>()
    let index = 0
    let failed: Cause.Cause<E> = Cause.empty
    const details = yield* Effect.async<FastCheck.RunDetails<[A]>>((resume, signal) => {
      const holds = FastCheck.asyncProperty(arbitrary, async (value) => {
        if (signal.aborted) return true
        const exit = await Runtime.runPromiseExit(runtime, Effect.zipRight(turn, check(value, index++)), { signal })
        if (Exit.isSuccess(exit) || signal.aborted) return true
        failed = exit.cause
        return false
      })
      const checking = FastCheck.check(holds, { seed, numRuns: options.cases ?? 100 })
      checking.then(
        (details) => resume(Effect.succeed(details)),
        (defect) => resume(Effect.die(defect))
      )
      // interrupted, the case under way is over before this is
      return Effect.promise(() => checking)
    })
    if (!details.failed) return
    const error = Cause.squash(failed)
    const { actual, expected, message } =
      error instanceof Mismatch ? error : { actual: error, expected: "no failure", message: Cause.pretty(failed) }
    const origin = `seed ${details.seed}, after ${details.numRuns} cases, for ${FastCheck.stringify(details.counterexample)}`
    return yield* new Mismatch({ expected, actual, message: `${message}\n${origin}` })
  })
