import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Millis from "../../model/Millis.js"

/** How fast what is recorded is played. */
export interface Rate {
  readonly rate?: number | undefined
  readonly maxGap?: Duration.DurationInput | undefined
}

/** Milliseconds that a timer can count at once. */
const longestSleep = 2 ** 31 - 1

const sleep = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(Effect.sleep(Math.min(Math.ceil(millis), longestSleep)), () =>
    millis > longestSleep ? sleep(millis - longestSleep) : Effect.void
  )

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))

const check = ({ maxGap = Duration.infinity, rate = 1 }: Rate) =>
  Effect.suspend(() => {
    const millis = Millis.of(maxGap)
    if (!(rate > 0)) return refuse(`the rate of a replay is a number above 0, not ${rate}`)
    return millis === undefined
      ? refuse(`the maxGap of a replay is a duration that is not negative, not ${String(maxGap)}`)
      : Effect.succeed({ rate, maxGap: millis })
  })

/**
 * Gives each element when its time has come: after the one before it by as much as it was recorded after it, at most
 * `maxGap`, divided by `rate`. What was recorded earlier than the one before it, since a clock was set back, comes at once.
 * A consumer that is slower than that is given what it is behind with at once.
 */
export const paced = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  rate: Rate,
  recordedAt: (element: A) => Option.Option<number>
): Stream.Stream<A, E, R> =>
  Stream.unwrap(
    Effect.map(Effect.zip(check(rate), Clock.currentTimeMillis), ([{ maxGap, rate }, begun]) =>
      Stream.mapAccumEffect(
        // else the first of a chunk would wait for the last
        Stream.rechunk(self, 1),
        { dueAt: begun, last: Option.none<number>() },
        ({ dueAt, last }, element) => {
          const at = recordedAt(element)
          const gap = Option.isSome(at) && Option.isSome(last) ? Math.max(0, at.value - last.value) : 0
          // not the product of infinite and 0
          const due = gap === 0 || rate === Infinity ? dueAt : dueAt + Math.min(gap, maxGap) / rate
          const wait = Effect.flatMap(Clock.currentTimeMillis, (now) => (due > now ? sleep(due - now) : Effect.void))
          return Effect.as(wait, [{ dueAt: due, last: Option.orElse(at, () => last) }, element] as const)
        }
      )
    )
  )
