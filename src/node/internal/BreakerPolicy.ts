/** The options of a breaker, checked. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Millis from "../../model/Millis.js"
import { defaults, type Options } from "../BreakerOptions.js"
import type { Policy } from "./Breaker.js"

/** What the options come to. */
export interface Resolved {
  readonly policy: Policy
  readonly slowAfter: number
  readonly isFailure: Options["isFailure"]
  readonly capacity: number
  readonly shared: boolean
  readonly name: string
  readonly refresh: number
  readonly storeTimeout: number
}

/** The options with their defaults, as numbers. Options that no breaker can have are a fault of the program. */
export const resolve = (given: Partial<Options>): Effect.Effect<Resolved> =>
  Effect.suspend(() => {
    const faults: Array<string> = []
    const policies = [given.failureThreshold, given.failureRate, given.slowRate]
    const hasPolicy = policies.some((policy) => policy !== undefined)
    const options = { ...defaults, ...(hasPolicy ? { failureThreshold: undefined } : {}), ...given }

    const whole = (name: string, value: unknown, most = Number.MAX_SAFE_INTEGER): number => {
      const isWhole = Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= most
      if (!isWhole) faults.push(`${name} is a whole number from 1 to ${most}, not ${String(value)}`)
      return Number(value)
    }
    const rate = (name: string, value: number | undefined): number => {
      if (value === undefined) return Infinity
      const isRate = value > 0 && value <= 1
      if (!isRate) faults.push(`${name} is a number above 0 and up to 1, not ${value}`)
      return value
    }
    const millis = (name: string, value: Duration.DurationInput, least: number): number => {
      const amount = Millis.of(value)
      if (amount === undefined || amount < least || amount > longest) {
        faults.push(`${name} is a duration from ${least} ms to a year, not ${String(value)}`)
      }
      return amount ?? 0
    }

    const reach =
      "duration" in options.window
        ? { millis: millis("window.duration", options.window.duration, 1) }
        : { calls: whole("window.calls", options.window.calls, 10_000) }
    const minimumCalls = whole("minimumCalls", options.minimumCalls)
    const resolved: Resolved = {
      policy: {
        failureThreshold:
          hasPolicy && given.failureThreshold === undefined
            ? Infinity
            : whole("failureThreshold", options.failureThreshold),
        failureRate: rate("failureRate", options.failureRate),
        slowRate: rate("slowRate", options.slowRate),
        reach,
        minimumCalls: "calls" in reach ? Math.min(minimumCalls, reach.calls) : minimumCalls,
        resetAfter: millis("resetAfter", options.resetAfter, 1),
        halfOpenProbes: whole("halfOpenProbes", options.halfOpenProbes),
        closeAfter: whole("closeAfter", options.closeAfter),
        probeExpiry: millis("probeExpiry", options.probeExpiry, 1)
      },
      slowAfter: millis("slowAfter", options.slowAfter, 0),
      isFailure: options.isFailure,
      capacity: whole("capacity", options.capacity),
      shared: options.shared,
      name: options.name,
      refresh: millis("refresh", options.refresh, 0),
      storeTimeout: millis("storeTimeout", options.storeTimeout, 1)
    }
    return faults.length === 0
      ? Effect.succeed(resolved)
      : Effect.die(new Cause.IllegalArgumentException(`circuit breaker "${options.name}": ${faults.join("; ")}`))
  })

const longest = 366 * 24 * 60 * 60 * 1000
