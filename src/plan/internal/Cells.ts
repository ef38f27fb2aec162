import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"

const at = (path: ReadonlyArray<PropertyKey>): string => (path.length === 0 ? "" : ` at ${path.map(String).join(".")}`)

/** What a schema gives at once, or why it does not. */
const attempt = (
  what: string,
  run: () => Either.Either<unknown, ParseResult.ParseIssue>
): Either.Either<unknown, ReadonlyArray<string>> =>
  Either.flatMap(
    Either.try({ try: run, catch: () => [`its schema throws when its first value is ${what}`] }),
    Either.mapLeft((issue) =>
      ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ _tag, message, path }) =>
        _tag === "Forbidden"
          ? "its schema must be synchronous and need no services"
          : `its first value cannot be ${what}${at(path)}: ${message}`
      )
    )
  )

/**
 * Why a cell cannot be stored: a transaction encodes its value, so that has to work at once, and what was encoded must
 * be JSON and come back.
 */
export const faults = (schema: Schema.Schema<unknown, unknown>, initial: unknown): ReadonlyArray<string> => {
  const stored = Either.flatMap(
    attempt("encoded", () => ParseResult.encodeUnknownEither(schema, { errors: "all" })(initial)),
    (encoded) =>
      // nothing at all is stored as null
      encoded === undefined
        ? Either.right(encoded)
        : Either.mapBoth(CanonicalJson.stringify(encoded), {
            onLeft: ({ message, path }) => [`its first value is not JSON${at(path)}: ${message}`],
            onRight: () => encoded
          })
  )
  const read = Either.flatMap(stored, (encoded) =>
    attempt("decoded again", () => ParseResult.decodeUnknownEither(schema, { errors: "all" })(encoded))
  )
  return Option.getOrElse(Either.getLeft(read), () => [])
}
