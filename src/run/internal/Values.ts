import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Definition from "../../dag/Definition.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import type { Fault } from "../../model/RunError.js"

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
