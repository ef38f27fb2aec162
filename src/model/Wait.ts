/**
 * Waits for a limited time that end at once when they are interrupted. The races of Effect, and its timeouts, do not
 * always: one that is interrupted as it begins waits for fibers that never start, or is interrupted only when its time is
 * over.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Option from "effect/Option"

/** Milliseconds: a timer of JavaScript that is to take longer fires at once. */
const longestSleep = 2 ** 31 - 1

const sleep = (millis: number): Effect.Effect<void> =>
  millis > longestSleep
    ? Effect.zipRight(
        Effect.sleep(longestSleep),
        Effect.suspend(() => sleep(millis - longestSleep))
      )
    : Effect.sleep(Math.max(0, Math.ceil(millis)))

/**
 * Waits until the latch is open, at most so many milliseconds, and gives whether it was in time. When it was not, the
 * latch is opened: it is one that its owner closes before each wait.
 *
 * **Interruption**: ends at once, and stops the timer, without waiting for it.
 *
 * @since 0.1.0
 * @category waits
 */
export const untilOpen = (latch: Effect.Latch, millis: number): Effect.Effect<boolean> =>
  Effect.uninterruptibleMask((restore) => {
    if (millis === Infinity) return Effect.as(restore(latch.await), true)
    let inTime = true
    const timer = Effect.zipRight(
      sleep(millis),
      Effect.sync(() => {
        inTime = false
        latch.unsafeOpen()
      })
    )
    // a child would be waited for when its parent is interrupted
    return Effect.flatMap(Effect.forkDaemon(Effect.interruptible(timer)), (fiber) =>
      Effect.flatMap(Effect.exit(restore(latch.await)), (exit) => {
        fiber.unsafeInterruptAsFork(FiberId.none)
        return Effect.as(exit, inTime)
      })
    )
  })

/**
 * Waits for the effect in a fiber of its own, at most so many milliseconds; none when it was not in time. The effect is
 * interrupted then, also where its caller is not to be, and what it does thereupon is not waited for.
 *
 * **Interruption**: ends at once, and interrupts the effect in the same way.
 *
 * @since 0.1.0
 * @category waits
 */
export const atMost = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  millis: number
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) => {
      const ended = Effect.unsafeMakeLatch(false)
      fiber.addObserver(() => ended.unsafeOpen())
      return Effect.flatMap(Effect.exit(restore(untilOpen(ended, millis))), (waited) => {
        const exit = fiber.unsafePoll()
        if (exit === null) fiber.unsafeInterruptAsFork(FiberId.none)
        return Effect.zipRight(waited, exit === null ? Effect.succeedNone : Effect.asSome(exit))
      })
    })
  )
