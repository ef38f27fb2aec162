/**
 * The texts that a `SchemaStore` keeps: a value with the version of its schema, a text that was put aside, or the mark that
 * one was thrown away.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"

const format = 1

const Value = Schema.Struct({
  heddle: Schema.Literal("state"),
  format: Schema.Literal(format),
  version: Schema.Int.pipe(Schema.positive()),
  until: Schema.NullOr(Schema.Finite),
  value: Schema.Unknown
})

const Quarantined = Schema.Struct({
  heddle: Schema.Literal("quarantined"),
  format: Schema.Literal(format),
  version: Schema.NullOr(Schema.Int),
  reason: Schema.String,
  at: Schema.Finite,
  until: Schema.NullOr(Schema.Finite),
  text: Schema.String
})

const Gone = Schema.Struct({ heddle: Schema.Literal("gone"), format: Schema.Literal(format) })

/** `until`: when its time runs out, in milliseconds since the epoch; null: never. */
export type Value = typeof Value.Type

/** `text`: what was there, as it was. */
export type Quarantined = typeof Quarantined.Type

export type Envelope = Value | Quarantined | typeof Gone.Type

const decode = Schema.decodeUnknownEither(Schema.Union(Value, Quarantined, Gone))

const Later = Schema.Struct({ heddle: Schema.String, format: Schema.Int.pipe(Schema.greaterThan(format)) })
const isLater = Schema.is(Later)

/** A text that is none of these, why, and as far as it can be known, what version it has. */
export interface Unknown {
  readonly heddle: "unknown"
  readonly reason: string
  readonly cause: unknown
}

/** What a later release has written, in a way that this one does not know. */
export interface Newer {
  readonly heddle: "newer"
  readonly format: number
}

export const read = (text: string): Envelope | Unknown | Newer => {
  const json = Either.try({
    try: (): unknown => JSON.parse(text),
    catch: (cause) => cause
  })
  if (Either.isLeft(json)) return { heddle: "unknown", reason: "it is no JSON", cause: json.left }
  if (isLater(json.right)) return { heddle: "newer", format: json.right.format }
  return Either.match(decode(json.right), {
    onLeft: (cause) => ({ heddle: "unknown", reason: "it was not written by a SchemaStore", cause }),
    onRight: (envelope) => envelope
  })
}

/** `value` may be nothing that JSON can hold. */
export const value = (
  version: number,
  until: number | null,
  value: unknown
): Either.Either<string, CanonicalJson.NotJson> =>
  CanonicalJson.stringify({ heddle: "state", format, version, until, value })

export const quarantined = (found: Omit<Quarantined, "heddle" | "format">): string =>
  // a reason may be cut off in the middle of a pair of surrogates, which JSON.stringify escapes
  JSON.stringify({ heddle: "quarantined", format, ...found })

export const gone: string = JSON.stringify({ heddle: "gone", format })
