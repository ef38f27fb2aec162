/** The fields that contracts of several kinds have. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Millis from "../../model/Millis.js"
import { Shape } from "../Shape.js"

export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

export const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: A) =>
  Schema.optionalWith(schema, { exact: true, default: () => value })

export const Name = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z][A-Za-z0-9_-]{0,99}$/, {
    identifier: "Name",
    description: "a letter, then up to 99 letters, digits, - and _"
  })
)

export const Version = Schema.Union(Schema.String, Schema.Int).annotations({
  description: "a text or a whole number; change it when the implementations behind the contract change"
})

export const Fields = Schema.Record({ key: Name, value: Shape })

/** How long a timer of Node can be: `2^31 - 1` milliseconds, about 24 days. */
const maxTimer = 2 ** 31 - 1

/** A text such as `5 seconds`, or a number of milliseconds; decoded it is milliseconds. */
const duration = (least: number, most: number) =>
  Schema.transformOrFail(Schema.Union(Schema.String, Schema.Number), Schema.Number, {
    strict: true,
    decode: (given, _, ast) => {
      const millis = Millis.of(given)
      if (millis === undefined)
        return Either.left(new ParseResult.Type(ast, given, "write a duration, such as 5 seconds, or milliseconds"))
      return millis < least || millis > most
        ? Either.left(new ParseResult.Type(ast, millis, `a duration of ${least} to ${most} milliseconds is allowed`))
        : Either.right(millis)
    },
    encode: Either.right
  })

export const Timeout = duration(1, maxTimer).annotations({
  identifier: "Timeout",
  description: "a duration, such as 5 seconds, or milliseconds; at least 1, at most 2147483647"
})

export const Delay = duration(0, maxTimer).annotations({
  identifier: "Delay",
  description: "a duration, such as 200 millis, or milliseconds; at most 2147483647"
})

export const Priority = Schema.Int.pipe(Schema.between(-1_000_000, 1_000_000))

/** Attempts after the first: how many, and how long to wait before each. */
export const Retry = Schema.Struct({
  times: Schema.Int.pipe(Schema.between(1, 1000)),
  delay: withDefault(Delay, 0),
  factor: withDefault(Schema.JsonNumber.pipe(Schema.between(1, 100)), 1),
  max_delay: withDefault(Delay, maxTimer)
})

export const scheduleOf = ({
  delay,
  factor,
  max_delay,
  times
}: Schema.Schema.Type<typeof Retry>): Schedule.Schedule<unknown> =>
  Schedule.exponential(delay, factor).pipe(
    Schedule.either(Schedule.spaced(max_delay)),
    Schedule.intersect(Schedule.recurs(times))
  )
