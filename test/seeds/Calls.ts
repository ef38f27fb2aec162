/** Calls of several fibers, under whatever interleaving the scheduler draws. */
import { Clock, Effect, Fiber, Option, Random } from "effect"

/** From 0 on. */
export const upTo = (max: number) => Random.nextIntBetween(0, max + 1)

/** A few turns for others. */
export const pause = Effect.flatMap(upTo(3), (times) => Effect.replicateEffect(Effect.yieldNow(), times))

/** What it gives, after a pause; none when it is interrupted, as one in six is. */
export const perhaps = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.gen(function* () {
    yield* pause
    if ((yield* upTo(5)) > 0) return Option.some(yield* effect)
    const fiber = yield* Effect.fork(effect)
    yield* pause
    yield* Fiber.interrupt(fiber)
    return Option.none()
  })

/** A fiber each, until all are done. */
export const together = <E, R>(effects: ReadonlyArray<Effect.Effect<void, E, R>>): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const fibers = yield* Effect.forEach(effects, Effect.fork)
    for (const fiber of fibers) yield* Fiber.join(fiber)
  })

/** `together`, under a clock that goes on with one more fiber: by `wait`, a few times, between the calls of the others. */
export const asTimePasses = <E, R>(
  effects: ReadonlyArray<Effect.Effect<void, E, R>>,
  wait: (millis: number, pass: Effect.Effect<undefined>) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    let now = 0
    const clock: Clock.Clock = {
      ...Clock.make(),
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => now,
      currentTimeMillis: Effect.sync(() => now)
    }
    const waiting = Effect.gen(function* () {
      for (let i = 0; i < 4; i++) {
        const millis = 1 + (yield* upTo(1))
        yield* Effect.replicateEffect(pause, yield* upTo(4))
        yield* wait(
          millis,
          Effect.sync(() => void (now += millis))
        )
      }
    })
    return Effect.withClock(together([...effects, waiting]), clock)
  })
