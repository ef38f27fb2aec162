import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { CurrentModule } from "../../dag/CurrentModule.js"
import type * as Definition from "../../dag/Definition.js"
import { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import { CurrentAttempt, type Host } from "./CurrentAttempt.js"
import type { SharedCells } from "./SharedCells.js"
import * as Values from "./Values.js"

type Erased = Effect.Effect<unknown, unknown, unknown>

/** What is attempted: a module, or the item of a map with this index. */
export interface Options {
  readonly host: Host
  readonly cells: SharedCells
  /** The path of the module. */
  readonly module: string
  readonly item: number | undefined
  readonly definition: Definition.Attempted
  readonly run: () => Erased
  /** What to do about a failure that is not tried again. */
  readonly fallback: ((cause: Cause.Cause<unknown>) => Erased) | undefined
  /** The number of the first attempt, and how many milliseconds it has to wait. */
  readonly first: number
  readonly delay: number
  /** Whether a dependant is given the value that a resume would give it. */
  readonly alwaysDecode: boolean
  /** What comes right before the first attempt. */
  readonly before: Effect.Effect<void> | undefined
  /** What comes right before a further attempt. */
  readonly onAttempt: (attempt: number) => Effect.Effect<void>
  /** A further attempt begins in so many milliseconds, because of this cause. */
  readonly onDelay: (millis: number, cause: Cause.Cause<unknown>) => void
}

/** The attempts of a module or an item. */
export interface Attempts {
  readonly effect: Effect.Effect<Values.Settled, unknown, unknown>
  /** The attempt that is under way; the fiber begins with the first as its `CurrentModule`. */
  readonly slot: { readonly current: CurrentAttempt }
  /** Once it has failed: its error through the module's `error` schema, where there is one. */
  readonly encodedError: (() => unknown) | undefined
}

/**
 * The attempts as one effect: each under the timeout, then the fallback, then the encoding of what it gives. Whatever the
 * module does not ask for costs nothing.
 */
export const make = (options: Options): Attempts => {
  const { alwaysDecode, before, cells, definition, delay, fallback, first, host, item, module } = options
  const { error, output, retry, timeout } = definition
  const slot = { current: new CurrentAttempt(host, cells, module, item, first) }
  let encoded: unknown
  let number = first
  let begun = false

  /** What is done after the first attempt has an attempt of its own. */
  const provided = (run: () => Erased) => {
    slot.current.end()
    slot.current = new CurrentAttempt(host, cells, module, item, number)
    return Effect.provideService(Effect.suspend(run), CurrentModule, slot.current)
  }

  let effect: Erased = Effect.suspend(() => {
    if (begun) return provided(options.run)
    begun = true
    return options.run()
  })
  if (timeout !== undefined) {
    const duration = Duration.decode(timeout)
    effect = Effect.timeoutFail(effect, {
      duration,
      onTimeout: () => new ModuleTimedOut({ module, attempt: number, millis: Duration.toMillis(duration) })
    })
  }
  if (retry !== undefined) {
    effect = retried(effect, retry, first, {
      begin: () => {
        encoded = undefined
        return options.onAttempt(++number)
      },
      onDelay: (millis, cause) => {
        slot.current.end()
        options.onDelay(millis, cause)
      }
    })
  }
  if (before !== undefined) effect = Effect.zipRight(before, effect)
  if (delay > 0) effect = Effect.zipRight(Effect.sleep(delay), effect)
  if (fallback !== undefined) {
    effect = Effect.catchAllCause(effect, (cause) =>
      Effect.catchAllCause(
        provided(() => fallback(cause)),
        // the error is the fallback's alone; the report keeps what it was to make up for
        (second) => Effect.failCause(Cause.sequential(second, Cause.flatMap(cause, Cause.die)))
      )
    )
  }
  if (error !== undefined) {
    // of the error that is left: that of the fallback, where there is one
    effect = Effect.catchAllCause(effect, (cause) =>
      encodeError(error, cause, alwaysDecode, (text) => {
        encoded = text
      })
    )
  }
  return {
    effect: Effect.flatMap(effect, (value) => Values.settle(output, value, alwaysDecode)),
    slot,
    encodedError: error === undefined ? undefined : () => encoded
  }
}

/**
 * Tries again as the schedule says. An attempt that is not the first of the module has the schedule behind it as if each
 * of those before had failed at once, so that counts and growing delays go on where they were.
 */
const retried = (
  run: Erased,
  schedule: NonNullable<Definition.Attempted["retry"]>,
  first: number,
  { begin, onDelay }: { readonly begin: () => Effect.Effect<void>; readonly onDelay: Options["onDelay"] }
): Erased =>
  Effect.suspend(() => {
    let failed: Cause.Cause<unknown> = Cause.empty
    let behind = first - 1
    const observed = Schedule.modifyDelayEffect(schedule, (_, delay) =>
      Effect.sync(() => {
        if (behind > 0) return Duration.zero
        const millis = Duration.toMillis(delay)
        if (millis > 0 && Number.isFinite(millis)) onDelay(millis, failed)
        return delay
      })
    )
    return Effect.flatMap(Schedule.driver(observed), (driver) => {
      const step = (error: unknown): Effect.Effect<unknown, Option.Option<never>, unknown> =>
        behind > 0
          ? Effect.flatMap(driver.next(error), () => {
              behind--
              return step(error)
            })
          : driver.next(error)
      const again = (error: unknown) =>
        Effect.matchEffect(step(error), {
          onFailure: () => Effect.failCause(failed),
          onSuccess: () => Effect.zipRight(Effect.suspend(begin), attempts)
        })
      const attempts: Erased = Effect.catchAll(
        Effect.tapErrorCause(run, (cause) => Effect.sync(() => void (failed = cause))),
        again
      )
      return attempts
    })
  })

/** Fails with the cause. An error that its schema refuses is kept as its message only. */
const encodeError = (
  schema: Definition.ErasedSchema,
  cause: Cause.Cause<unknown>,
  alwaysDecode: boolean,
  onError: (encoded: unknown) => void
): Effect.Effect<never, unknown, unknown> =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => Effect.failCause(cause),
    onSome: (error) =>
      Effect.flatMap(Effect.either(Values.encode(schema, error)), (text) => {
        if (Either.isLeft(text) || text.right === null) return Effect.failCause(cause)
        onError(JSON.parse(text.right))
        if (!alwaysDecode) return Effect.failCause(cause)
        return Effect.flatMap(Effect.either(Values.decode(schema, text.right)), (again) =>
          Effect.failCause(
            Either.isLeft(again) ? cause : Cause.map(cause, (other) => (other === error ? again.right : other))
          )
        )
      })
  })
