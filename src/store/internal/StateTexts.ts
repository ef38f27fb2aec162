/**
 * Which keys and values a `StateStore` takes.
 */
import * as Effect from "effect/Effect"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { StoreError } from "../../model/StoreError.js"
import { maxKeyBytes } from "../StateStore.js"

// A unit of UTF-16 is at most three bytes of UTF-8.
const isTooLong = (key: string): boolean =>
  key.length > maxKeyBytes || (key.length * 3 > maxKeyBytes && new TextEncoder().encode(key).length > maxKeyBytes)

const shown = (key: string): string =>
  key.length <= 100 ? JSON.stringify(key) : `${JSON.stringify(key.slice(0, 100))}…`

const faultOf = (key: string, value: string | undefined): string | undefined => {
  if (key === "") return "the key is empty: name what is kept"
  if (!isWellFormed(key)) return `the key ${shown(key)} has a lone surrogate: use well-formed text`
  if (isTooLong(key)) return `the key ${shown(key)} is longer than ${maxKeyBytes} bytes of UTF-8: use its hash instead`
  if (value !== undefined && !isWellFormed(value)) {
    return `the value for the key ${shown(key)} has a lone surrogate: use well-formed text, such as JSON`
  }
  return undefined
}

/** Fails unless every backend keeps the key, and the value if there is one, as they are. */
export const check = (
  location: string,
  operation: string,
  key: string,
  value?: string
): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    const fault = faultOf(key, value)
    return fault === undefined
      ? Effect.void
      : new StoreError({ reason: "failed", location, operation, message: `${location}: ${fault}` })
  })
