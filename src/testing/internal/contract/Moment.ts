/**
 * What happens at a moment that a check chooses.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The effect sees a clock that stands still at `millis`. What sleeps, as to wait for a lock, sleeps in real time. */
export const at =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const { sleep } = Clock.make()
    const nanos = () => BigInt(Math.floor(millis * 1_000_000))
    return Effect.withClock(effect, {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => millis,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.succeed(millis),
      currentTimeNanos: Effect.sync(nanos),
      sleep
    })
  }
