import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import type * as Definition from "../../dag/Definition.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import { ChildFailed, InputInvalid, StoredValueInvalid, type Fault } from "../../model/RunError.js"
import * as ModuleError from "../../model/ModuleError.js"
import type { Failure } from "../../model/Transition.js"

/** What a module gave: the value, and its encoding as canonical JSON; null for `undefined`, which JSON does not have. */
export interface Settled {
  readonly value: unknown
  readonly text: string | null
}

/** An output or an input that its schema or JSON refuses. */
export class Unencodable {
  readonly _tag = "Unencodable"
  constructor(readonly faults: ReadonlyArray<Fault>) {}
}

const faultsOf = (issue: ParseResult.ParseIssue): ReadonlyArray<Fault> =>
  ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ message, path }) => ({ path, message }))

const toText = (encoded: unknown): Either.Either<string | null, Unencodable> =>
  encoded === undefined
    ? Either.right(null)
    : Either.mapLeft(CanonicalJson.stringify(encoded), ({ message, path }) => new Unencodable([{ path, message }]))

/** An effect that has its result already, as that of a synchronous schema has. */
export const isSettled = <A, E>(effect: Effect.Effect<A, E, unknown>): effect is Either.Either<A, E> =>
  Either.isEither(effect)

/** The canonical JSON of a value through its schema; synchronous where the schema is. */
export const encode = (
  schema: Definition.ErasedSchema,
  value: unknown
): Effect.Effect<string | null, Unencodable, unknown> => {
  const encoded = ParseResult.encodeUnknown(schema, { errors: "all" })(value)
  const refused = (issue: ParseResult.ParseIssue) => new Unencodable(faultsOf(issue))
  return isSettled(encoded)
    ? Either.flatMap(Either.mapLeft(encoded, refused), toText)
    : Effect.flatMap(Effect.mapError(encoded, refused), toText)
}

/** The value of a stored text, through its schema. */
export const decode = (
  schema: Definition.ErasedSchema,
  text: string | null
): Effect.Effect<unknown, ReadonlyArray<Fault>, unknown> =>
  Effect.mapError(
    ParseResult.decodeUnknown(schema, { errors: "all" })(text === null ? undefined : JSON.parse(text)),
    faultsOf
  )

/** How a module, or an item of a map, is attempted. */
export interface Attempt extends Pick<Definition.Attempted, "output" | "timeout"> {
  /** The path of the module. */
  readonly module: string
  readonly retry: Retry | undefined
  readonly error: ErrorEncoding | undefined
  readonly run: (attempt: number) => Effect.Effect<unknown, unknown, unknown>
  /** What to do about a failure that is not tried again. */
  readonly fallback: ((cause: Cause.Cause<unknown>) => Effect.Effect<unknown, unknown, unknown>) | undefined
  /** The number of the first attempt, and how many milliseconds it has to wait. */
  readonly first: number
  readonly delay: number
  /** Whether a dependant is given the value that a resume would give it. */
  readonly alwaysDecode: boolean
  /** What comes right before the first attempt. */
  readonly before: Effect.Effect<void> | undefined
}

export interface Retry {
  readonly schedule: NonNullable<Definition.Attempted["retry"]>
  /** What comes right before a further attempt. */
  readonly onAttempt: (attempt: number) => Effect.Effect<void>
  /** A further attempt begins in so many milliseconds, because of this cause. */
  readonly onDelay: (millis: number, cause: Cause.Cause<unknown>) => void
}

export interface ErrorEncoding {
  readonly schema: Definition.ErasedSchema
  /** The failure's encoding through the schema, before the failure itself. */
  readonly onError: (encoded: unknown) => void
}

/**
 * The effect of a module: its attempts, each under the timeout, and the encoding of what it gives. Whatever the module
 * does not ask for costs nothing.
 */
export const make = (attempt: Attempt): Effect.Effect<Settled, unknown, unknown> => {
  const { delay, error, fallback, first, module, output, retry, timeout } = attempt
  let number = first
  let run: Effect.Effect<unknown, unknown, unknown> = Effect.suspend(() => attempt.run(number))
  if (timeout !== undefined) {
    run = Effect.timeoutFail(run, {
      duration: timeout,
      onTimeout: () => new ModuleTimedOut({ module, attempt: number, millis: Duration.toMillis(timeout) })
    })
  }
  if (retry !== undefined) run = retried(run, retry, first, () => retry.onAttempt(++number))
  if (attempt.before !== undefined) run = Effect.zipRight(attempt.before, run)
  if (delay > 0) run = Effect.zipRight(Effect.sleep(delay), run)
  if (fallback !== undefined) {
    run = Effect.catchAllCause(run, (cause) =>
      Effect.catchAllCause(
        Effect.suspend(() => fallback(cause)),
        // the error is the fallback's alone; the report keeps what it was to make up for
        (second) => Effect.failCause(Cause.sequential(second, Cause.flatMap(cause, Cause.die)))
      )
    )
  }
  // of the error that is left: that of the fallback, where there is one
  if (error !== undefined) run = Effect.catchAllCause(run, (cause) => encodeError(error, cause, attempt.alwaysDecode))
  return Effect.flatMap(run, (value) => settle(output, value, attempt.alwaysDecode))
}

/** What a module gave, encoded and, on request, decoded again. */
export const settle = (
  output: Definition.ErasedSchema,
  value: unknown,
  alwaysDecode: boolean
): Effect.Effect<Settled, Unencodable, unknown> => {
  // what a function of type void happens to return is not handed on
  if (output.ast._tag === "VoidKeyword") return Either.right({ value: undefined, text: null })
  const encoded = encode(output, value)
  if (!alwaysDecode) {
    return isSettled(encoded)
      ? Either.map(encoded, (text) => ({ value, text }))
      : Effect.map(encoded, (text) => ({ value, text }))
  }
  return Effect.flatMap(encoded, (text) =>
    Effect.mapBoth(decode(output, text), {
      onSuccess: (value) => ({ value, text }),
      onFailure: (faults) => new Unencodable(faults)
    })
  )
}

/**
 * Tries again as the schedule says. An attempt that is not the first of the module has the schedule behind it as if each
 * of those before had failed at once, so that counts and growing delays go on where they were.
 */
const retried = (
  run: Effect.Effect<unknown, unknown, unknown>,
  { onDelay, schedule }: Retry,
  first: number,
  begin: () => Effect.Effect<void>
): Effect.Effect<unknown, unknown, unknown> =>
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
      const attempts: Effect.Effect<unknown, unknown, unknown> = Effect.catchAll(
        Effect.tapErrorCause(run, (cause) => Effect.sync(() => void (failed = cause))),
        again
      )
      return attempts
    })
  })

/** Fails with the cause. An error that its schema refuses is kept as its message only. */
const encodeError = (
  { onError, schema }: ErrorEncoding,
  cause: Cause.Cause<unknown>,
  alwaysDecode: boolean
): Effect.Effect<never, unknown, unknown> =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => Effect.failCause(cause),
    onSome: (error) =>
      Effect.flatMap(Effect.either(encode(schema, error)), (text) => {
        if (Either.isLeft(text) || text.right === null) return Effect.failCause(cause)
        onError(JSON.parse(text.right))
        if (!alwaysDecode) return Effect.failCause(cause)
        return Effect.flatMap(Effect.either(decode(schema, text.right)), (again) =>
          Effect.failCause(
            Either.isLeft(again) ? cause : Cause.map(cause, (other) => (other === error ? again.right : other))
          )
        )
      })
  })

/** A value is anybody's: its getters, its `toJSON` and its cycles may throw while it is rendered. */
export const guarded = (render: () => unknown, otherwise: string): string => {
  try {
    const text = render()
    return typeof text === "string" && text !== "" ? text : otherwise
  } catch {
    return otherwise
  }
}

const messageOf = (error: unknown): string =>
  guarded(
    () =>
      error instanceof Error
        ? error.message || error.name
        : typeof error === "string"
          ? error
          : (Cause.prettyErrors(Cause.fail(error))[0]?.message ?? String(error)),
    "an error that cannot be rendered"
  )

/** What the engine itself fails a module with is told apart from the module's own errors. */
const kindOf = (error: unknown): Failure["kind"] => {
  if (error instanceof ModuleTimedOut) return "timeout"
  if (error instanceof ModuleError.ModuleCutOff) return "cutOff"
  if (error instanceof ChildFailed) return error.kind
  const refused =
    error instanceof ModuleError.RouteUnmatched ||
    error instanceof ModuleError.TooManyItems ||
    error instanceof ModuleError.ItemsChanged ||
    error instanceof ModuleError.DurationInvalid ||
    error instanceof InputInvalid ||
    error instanceof StoredValueInvalid
  return refused ? "refused" : "error"
}

/** What is kept of the cause of a failed module. */
export const failureOf = (cause: Cause.Cause<unknown>, encoded: unknown): Failure => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure) && failure.value instanceof Unencodable) {
    const { faults } = failure.value
    const message = faults.map((fault) => `${fault.path.map(String).join(".")}: ${fault.message}`).join("; ")
    return { kind: "output", message: `its output does not encode: ${message}`, cause: message }
  }
  const defect = Cause.dieOption(cause)
  const kind = Option.isSome(failure) ? kindOf(failure.value) : Option.isSome(defect) ? "defect" : "interrupted"
  const message = Option.match(
    Option.orElse(failure, () => defect),
    {
      onNone: () => "the module interrupted itself",
      onSome: messageOf
    }
  )
  const kept = {
    kind,
    message,
    cause: guarded(() => Cause.pretty(cause, { renderErrorCause: true }), message)
  } as const
  return encoded === undefined ? kept : { ...kept, error: encoded }
}
