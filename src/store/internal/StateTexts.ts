/**
 * Which keys, values, times to live and pages a `StateStore` takes: the same ones on every backend. Each check fails with
 * a `StoreError` (`failed`) that names what is wrong, and a store makes it before anything else.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { isWellFormed } from "../../model/CanonicalJson.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Page, SetOptions } from "../StateStore.js"
import { type Fault, faultOfName, faultOfPrefix, refusal, shown, unless } from "./PlainText.js"

const faultOfKey = (key: string): Fault => faultOfName("key", key)

const faultOf = (key: string, value: string | undefined): Fault => {
  const fault = faultOfKey(key)
  if (fault === undefined && value !== undefined && !isWellFormed(value)) {
    return `the value for the key ${shown(key)} has a lone surrogate: use well-formed text, such as JSON`
  }
  return fault
}

/** Fails unless every backend keeps the key, and the value if there is one, as they are. */
export const check = (
  location: string,
  operation: string,
  key: string,
  value?: string
): Effect.Effect<void, StoreError> => unless(location, operation, () => faultOf(key, value))

/**
 * The time to live in milliseconds, which may have a fraction: more than 0, and Infinity where there is none. What is
 * negative, 0, NaN or no duration is refused.
 */
export const checkTtl = (
  location: string,
  operation: string,
  key: string,
  options: SetOptions | undefined
): Effect.Effect<number, StoreError> =>
  Effect.suspend(() => {
    if (options?.ttl === undefined) return Effect.succeed(Infinity)
    const ttl = Duration.decodeUnknown(options.ttl)
    const millis = ttl._tag === "Some" ? Duration.toMillis(ttl.value) : 0
    return millis > 0
      ? Effect.succeed(millis)
      : refusal(
          location,
          operation,
          `the ttl of the key ${shown(key)} is not more than 0 milliseconds: leave it out to keep the value, or delete the key`
        )
  })

/** Fails unless each of them is a key; without those that are there twice. */
export const checkKeys = (
  location: string,
  operation: string,
  keys: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.suspend(() => {
    for (const key of keys) {
      const fault = faultOfKey(key)
      if (fault !== undefined) return refusal(location, operation, fault)
    }
    return Effect.succeed(Array.from(new Set(keys)))
  })

/** Fails unless it is empty or the beginning of a key. */
export const checkPrefix = (location: string, operation: string, prefix: string): Effect.Effect<void, StoreError> =>
  unless(location, operation, () => faultOfPrefix("prefix", prefix))

/** Fails unless `prefix` and `after` are empty or texts that a key may be, and `limit` is a whole number of at least 0. */
export const checkPage = (
  location: string,
  operation: string,
  { after, limit, prefix }: Page
): Effect.Effect<void, StoreError> =>
  unless(location, operation, () => {
    if (!Number.isSafeInteger(limit) || limit < 0) return `the limit ${limit} is not a whole number of at least 0`
    return faultOfPrefix("prefix", prefix) ?? (after === undefined ? undefined : faultOfPrefix("after", after))
  })
