/** Values as a restart would read them. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type { ValueSchema } from "../../dag/Node.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import * as Frozen from "../../model/Frozen.js"
import * as Faults from "./Faults.js"

const faultsOf = (issue: ParseResult.ParseIssue): string =>
  Faults.text(ParseResult.ArrayFormatter.formatIssueSync(issue))

/** The canonical text of a value, or what does not fit the schema. */
export const encode = <A>(schema: ValueSchema<A>, value: A): Either.Either<string, string> =>
  ParseResult.encodeUnknownEither(schema, { errors: "all" })(value).pipe(
    Either.mapLeft(faultsOf),
    Either.flatMap((encoded) =>
      Either.mapLeft(CanonicalJson.stringify(encoded), ({ message, path }) =>
        path.length === 0 ? `it is ${message}` : `at ${path.join(".")}: it is ${message}`
      )
    )
  )

/** The value of what was encoded, which nobody else has. Plain data in it is frozen. */
export const decode = <A>(schema: ValueSchema<A>, encoded: unknown): Either.Either<A, string> =>
  ParseResult.decodeUnknownEither(schema, { errors: "all" })(encoded).pipe(
    Either.mapBoth({ onLeft: faultsOf, onRight: Frozen.deep })
  )

/**
 * Gives the value out, as often as it is asked, so that nobody can change the one that is kept: itself where all of it is
 * plain data that is frozen, else a new copy each time. Left is what does not fit the schema.
 */
export const lend = <A>(schema: ValueSchema<A>, value: A): Either.Either<() => A, string> =>
  Frozen.isDeep(value)
    ? Either.right(() => value)
    : Either.flatMap(encode(schema, value), (text) => {
        const again = () => decode(schema, JSON.parse(text))
        // the first time says whether it can be read at all
        return Either.map(again(), () => () => Either.getOrThrowWith(again(), (faults) => new Error(faults)))
      })

/** One that is given out of a value that is known to fit. */
export const lent = <A>(schema: ValueSchema<A>, value: A): A =>
  Frozen.isDeep(value) ? value : Either.getOrThrowWith(copy(schema, value), (faults) => new Error(faults))

/** The value as a restart would read it: nobody else has it, and plain data in it is frozen. */
export const copy = <A>(schema: ValueSchema<A>, value: A): Either.Either<A, string> =>
  Either.flatMap(encode(schema, value), (text) => decode(schema, JSON.parse(text)))
