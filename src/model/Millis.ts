/**
 * Durations as people give them.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * How many milliseconds a duration has; undefined for what is none, is negative or is not a number. (`Duration.decode`
 * makes zero of the latter two.)
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (given: unknown): number | undefined => {
  const decoded = Duration.decodeUnknown(given)
  if (Option.isNone(decoded)) return undefined
  const amount =
    typeof given === "string"
      ? Number.parseFloat(given)
      : Array.isArray(given)
        ? Number(given[0]) * 1e9 + Number(given[1])
        : typeof given === "number" || typeof given === "bigint"
          ? Number(given)
          : 0
  return amount >= 0 ? Duration.toMillis(decoded.value) : undefined
}
