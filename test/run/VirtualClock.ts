/**
 * A clock for properties: like `TestClock` it moves only when the test says so, but it knows that everything rests as
 * soon as Node has no more to do, where `TestClock` waits a few real milliseconds for each step.
 */
import { Clock, Duration, Effect, Fiber, Option } from "effect"

export interface VirtualClock {
  readonly clock: Clock.Clock
  /** Lets everything that is due until `millis` from now happen, in order. */
  readonly advance: (millis: number) => Effect.Effect<void>
  /** Advances, at most an hour, until the effect has ended. */
  readonly until: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A whole turn of Node, in which its timers have theirs. */
export const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** Everything that does not wait for time has happened: the scheduler of Effect goes on in microtasks. */
const rest: Effect.Effect<void> = Effect.repeatN(turn, 2)

const make = (): VirtualClock => {
  let now = 0
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()

  const clock: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: () => BigInt(Math.floor(now * 1_000_000)),
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(() => BigInt(Math.floor(now * 1_000_000))),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        // no time has to pass for it, as with `TestClock`
        if (Duration.toMillis(duration) <= 0) return resume(Effect.void)
        const sleeper = { at: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
        sleepers.add(sleeper)
        return Effect.sync(() => sleepers.delete(sleeper))
      })
  }

  /** Wakes who is due first, of those until `end`. */
  const step = (end: number): boolean => {
    let first: { readonly at: number; readonly wake: () => void } | undefined
    for (const sleeper of sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper
    if (first === undefined || first.at > end) return false
    sleepers.delete(first)
    now = Math.max(now, first.at)
    first.wake()
    return true
  }

  const advance: VirtualClock["advance"] = (millis) =>
    Effect.gen(function* () {
      const end = now + millis
      do yield* rest
      while (step(end))
      now = end
    })

  return {
    clock,
    advance,
    until: (effect) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(effect)
        const end = now + 3_600_000
        for (yield* rest; Option.isNone(yield* Fiber.poll(fiber)); yield* rest) {
          if (!step(end)) return yield* Effect.dieMessage("nothing happens any more, and the effect has not ended")
        }
        return yield* Fiber.join(fiber)
      })
  }
}

/** A property's case under a clock of its own. */
export const test = <A, E, R>(f: (time: VirtualClock) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const time = make()
    return Effect.withClock(f(time), time.clock)
  })
