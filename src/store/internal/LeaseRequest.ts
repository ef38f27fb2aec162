/**
 * Which requests a `LeaseStore` takes.
 */
import type * as Effect from "effect/Effect"
import type { StoreError } from "../../model/StoreError.js"
import { maxAbove, maxTtl } from "../LeaseStore.js"
import { type Fault, faultOfName, unless } from "./PlainText.js"

export interface LeaseRequest {
  readonly resource: string
  readonly holder?: string
  readonly ttl?: number
  readonly token?: number
  readonly above?: number | undefined
}

const faultOfNumber = (what: string, number: number, most: number): Fault =>
  Number.isInteger(number) && number >= 0 && number <= most
    ? undefined
    : `${what} is ${number}: give a whole number from 0 to ${most}`

const faultOf = ({ above, holder, resource, token, ttl }: LeaseRequest): Fault =>
  faultOfName("resource", resource) ??
  (holder === undefined ? undefined : faultOfName("holder", holder)) ??
  (ttl === undefined || (ttl > 0 && ttl <= maxTtl)
    ? undefined
    : `the ttl is ${ttl}: give milliseconds, more than 0 and at most ${maxTtl}`) ??
  (token === undefined ? undefined : faultOfNumber("the token", token, Number.MAX_SAFE_INTEGER)) ??
  (above === undefined ? undefined : faultOfNumber("above", above, maxAbove))

/** Fails unless every backend takes the request. */
export const check = (location: string, operation: string, request: LeaseRequest): Effect.Effect<void, StoreError> =>
  unless(location, operation, () => faultOf(request))
