/**
 * What a circuit breaker may be told.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"

/**
 * When a breaker opens; each of these that is given opens it. With none it is `defaults.failureThreshold`.
 *
 * - `failureThreshold`: after so many failures in a row
 * - `failureRate`: when at least this share of the calls in the window has failed; above 0, up to 1
 * - `slowRate`: when at least this share of them took longer than `slowAfter`, however they ended
 *
 * The rates are looked at when a call fails or is slow, and only when the window has `minimumCalls` (of a window by
 * count, never more than it can hold).
 *
 * - `slowAfter`: from when on a call is slow. With a `slowRate` a slow probe counts as one that failed
 * - `window`: the latest calls, by number (at most 10,000) or by time, which moves on by tenths
 *
 * And when it closes:
 *
 * - `resetAfter`: how long after it opened the next call is let through as a probe
 * - `halfOpenProbes`: how many probes may be under way at a time
 * - `closeAfter`: after so many probes that succeeded it closes. The first that fails opens it again
 * - `probeExpiry`: for how long a probe keeps its place; one that takes longer is not waited for, and does not count.
 *   It should be more than a call may take: it is for calls that never end, and processes that are gone
 *
 * And besides:
 *
 * - `isFailure`: which causes count as failures; what is none counts as a success. It is not asked about a call that was
 *   merely interrupted, which counts as neither. Where it throws, the call counts as a failure, and ends as it did;
 *   the log has what was thrown
 * - `capacity`: of how many keys that are closed and have no calls under way the state is kept in memory
 * - `shared`: whether the state is kept in the `StateStore`, where there is one when the breaker is made
 * - `name`: breakers of one name that have the same store have the same state
 * - `refresh`: how old what is known of the store may be when a call is let through or refused
 * - `storeTimeout`: how long a call waits for the store, at most; then the breaker goes on without, for ten times as long
 *
 * What is out of range is a defect of who makes the breaker.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly failureThreshold: number | undefined
  readonly failureRate: number | undefined
  readonly slowRate: number | undefined
  readonly slowAfter: Duration.DurationInput
  readonly window: { readonly calls: number } | { readonly duration: Duration.DurationInput }
  readonly minimumCalls: number
  readonly resetAfter: Duration.DurationInput
  readonly halfOpenProbes: number
  readonly closeAfter: number
  readonly probeExpiry: Duration.DurationInput
  readonly isFailure: (cause: Cause.Cause<unknown>) => boolean
  readonly capacity: number
  readonly shared: boolean
  readonly name: string
  readonly refresh: Duration.DurationInput
  readonly storeTimeout: Duration.DurationInput
}

/**
 * `failureThreshold` and `resetAfter` are those of Envoy (`consecutive_5xx`, `base_ejection_time`; opossum's
 * `resetTimeout` is 30 seconds, too), the window, `minimumCalls` and `slowAfter` those of resilience4j, one probe is that
 * of gobreaker. The tenths of a window by time are opossum's `rollingCountBuckets`. Every failure and defect counts.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  failureThreshold: 5,
  failureRate: undefined,
  slowRate: undefined,
  slowAfter: "1 minute",
  window: { calls: 100 },
  minimumCalls: 100,
  resetAfter: "30 seconds",
  halfOpenProbes: 1,
  closeAfter: 1,
  probeExpiry: "5 minutes",
  isFailure: () => true,
  capacity: 10_000,
  shared: true,
  name: "breaker",
  refresh: "1 second",
  storeTimeout: "500 millis"
}
