/**
 * A point of a history that there is not.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * The history of a run or of an aggregate has nothing with this number: it is beyond the end, negative or not a whole
 * number. It goes from 0, the beginning before all of it, to `last`.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownSequence extends Data.TaggedError("UnknownSequence")<{
  readonly of: "run" | "aggregate"
  readonly id: string
  readonly sequence: number
  readonly last: number
}> {
  override get message() {
    return `the history of ${this.of} "${this.id}" has no number ${this.sequence}: it goes from 0 to ${this.last}`
  }
}

/**
 * Whether a history that ends at `last` has this number.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isKnown = (sequence: number, last: number): boolean =>
  Number.isSafeInteger(sequence) && sequence >= 0 && sequence <= last
