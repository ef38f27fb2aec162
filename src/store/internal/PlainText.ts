/**
 * Which texts every backend keeps as they are, and the error of a store for what it does not take. A fault is what is
 * wrong and what to do about it.
 */
import * as Effect from "effect/Effect"
import { isWellFormed } from "../../model/CanonicalJson.js"
import { StoreError } from "../../model/StoreError.js"
import { maxKeyBytes } from "../StateStore.js"

export type Fault = string | undefined

// A unit of UTF-16 is at most three bytes of UTF-8.
const isTooLong = (text: string): boolean =>
  text.length > maxKeyBytes || (text.length * 3 > maxKeyBytes && new TextEncoder().encode(text).length > maxKeyBytes)

/** For messages: the text in quotes, or its beginning. */
export const shown = (text: string): string =>
  text.length <= 100 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 100))}…`

/** Of a text that is empty, or that a name may be or begin with. */
export const faultOfPrefix = (what: string, text: string): Fault => {
  if (!isWellFormed(text)) return `the ${what} ${shown(text)} has a lone surrogate: use well-formed text`
  if (isTooLong(text)) {
    return `the ${what} ${shown(text)} is longer than ${maxKeyBytes} bytes of UTF-8: use its hash instead`
  }
  return undefined
}

/** Of a key, an id or the name of a resource. */
export const faultOfName = (what: string, text: string): Fault =>
  text === "" ? `the ${what} is empty: name it` : faultOfPrefix(what, text)

export const refusal = (location: string, operation: string, fault: string): StoreError =>
  new StoreError({ reason: "failed", location, operation, message: `${location}: ${fault}` })

/** Fails when there is a fault. */
export const unless = (location: string, operation: string, faultOf: () => Fault): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    const fault = faultOf()
    return fault === undefined ? Effect.void : refusal(location, operation, fault)
  })
