/**
 * Comparisons as Effects.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AssertionError, deepStrictEqual } from "node:assert"
import { inspect, isDeepStrictEqual } from "node:util"

/** What was found is not what was expected. */
export class Mismatch extends Data.TaggedError("Mismatch")<{
  readonly message: string
  readonly expected: unknown
  readonly actual: unknown
}> {}

const mismatch = (actual: unknown, expected: unknown, message: string, about: string | undefined) =>
  new Mismatch({ message: about === undefined ? message : `${about}: ${message}`, expected, actual })

/** Of the same structure, and of the same types. `about` is told with the difference. */
export const equal = <A>(actual: A, expected: A, about?: string): Effect.Effect<void, Mismatch> =>
  Effect.suspend(() => {
    try {
      deepStrictEqual(actual, expected)
      return Effect.void
    } catch (error) {
      if (error instanceof AssertionError) return mismatch(actual, expected, error.message, about)
      throw error
    }
  })

/** The same members, in any order. */
export const sameMembers = <A>(
  actual: Iterable<A>,
  expected: Iterable<A>,
  about?: string
): Effect.Effect<void, Mismatch> =>
  Effect.suspend(() => {
    const [left, right] = [[...actual], [...expected]]
    const unexpected = left.filter((member) => {
      const index = right.findIndex((other) => isDeepStrictEqual(member, other))
      if (index >= 0) right.splice(index, 1)
      return index < 0
    })
    return unexpected.length === 0 && right.length === 0
      ? Effect.void
      : mismatch(
          [...actual],
          [...expected],
          `Not the same members. Unexpected: ${inspect(unexpected)}, missing: ${inspect(right)}`,
          about
        )
  })

export const isTrue = (actual: boolean, about: string): Effect.Effect<void, Mismatch> =>
  actual ? Effect.void : mismatch(actual, true, "Expected it to be true", about)

/** What is there; nothing is a mismatch. */
export const some = <A>(actual: Option.Option<A>, about?: string): Effect.Effect<A, Mismatch> =>
  Option.match(actual, {
    onNone: () => mismatch(actual, "Some", "Expected a value, there is none", about),
    onSome: Effect.succeed
  })
