import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Module from "../../dag/Module.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import type { Fault } from "../../model/RunError.js"
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
  schema: Module.ErasedSchema,
  value: unknown
): Effect.Effect<string | null, Unencodable, unknown> => {
  // a function of type void may return anything; none of it is wanted
  if (schema.ast._tag === "VoidKeyword") return Either.right(null)
  const encoded = ParseResult.encodeUnknown(schema, { errors: "all" })(value)
  const refused = (issue: ParseResult.ParseIssue) => new Unencodable(faultsOf(issue))
  return isSettled(encoded)
    ? Either.flatMap(Either.mapLeft(encoded, refused), toText)
    : Effect.flatMap(Effect.mapError(encoded, refused), toText)
}

/** The value of a stored text, through its schema. */
export const decode = (
  schema: Module.ErasedSchema,
  text: string | null
): Effect.Effect<unknown, ReadonlyArray<Fault>, unknown> =>
  Effect.mapError(
    ParseResult.decodeUnknown(schema, { errors: "all" })(text === null ? undefined : JSON.parse(text)),
    faultsOf
  )

export interface Attempt {
  readonly module: string
  readonly definition: Module.EffectDefinition
  readonly needs: { readonly [key: string]: unknown }
  /** The number of the first attempt. */
  readonly first: number
  /** A further attempt begins. */
  readonly onAttempt: (attempt: number) => void
  /** The failure's encoding through the module's `error` schema, before the failure itself. */
  readonly onError: (encoded: unknown) => void
}

/**
 * The effect of a module: its attempts, each under the timeout, and the encoding of what it gives. Whatever the module
 * does not ask for costs nothing.
 */
export const make = (attempt: Attempt): Effect.Effect<Settled, unknown, unknown> => {
  const { definition, module, needs } = attempt
  const { error, output, retry, timeout } = definition
  let number = attempt.first
  let run: Effect.Effect<unknown, unknown, unknown> = Effect.suspend(() => definition.run(needs))
  if (timeout !== undefined) {
    run = Effect.timeoutFail(run, {
      duration: timeout,
      onTimeout: () => new ModuleTimedOut({ module, attempt: number, millis: Duration.toMillis(timeout) })
    })
  }
  if (retry !== undefined) {
    const again = run
    let begun = false
    run = Effect.retry(
      Effect.suspend(() => {
        if (begun) attempt.onAttempt(++number)
        begun = true
        return again
      }),
      retry
    )
  }
  if (error !== undefined) run = Effect.tapErrorCause(run, (cause) => encodeError(error, cause, attempt.onError))
  return Effect.flatMap(run, (value) => Effect.map(encode(output, value), (text): Settled => ({ value, text })))
}

/** An error that its schema refuses is kept as its message only. */
const encodeError = (schema: Module.ErasedSchema, cause: Cause.Cause<unknown>, onError: (encoded: unknown) => void) =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => Effect.void,
    onSome: (error) =>
      Effect.map(Effect.either(encode(schema, error)), (text) => {
        if (Either.isRight(text) && text.right !== null) onError(JSON.parse(text.right))
      })
  })

/** An error is anybody's value: its getters, its `toJSON` and its cycles may throw while it is rendered. */
const guarded = (render: () => unknown, otherwise: string): string => {
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

/** What is kept of the cause of a failed module. */
export const failureOf = (cause: Cause.Cause<unknown>, encoded: unknown): Failure => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure) && failure.value instanceof Unencodable) {
    const { faults } = failure.value
    const message = faults.map((fault) => `${fault.path.map(String).join(".")}: ${fault.message}`).join("; ")
    return { kind: "output", message: `its output does not encode: ${message}`, cause: message }
  }
  const defect = Cause.dieOption(cause)
  const kind = Option.isSome(failure)
    ? failure.value instanceof ModuleTimedOut
      ? "timeout"
      : "error"
    : Option.isSome(defect)
      ? "defect"
      : "interrupted"
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
