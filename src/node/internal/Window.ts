/** How the latest calls of a breaker ended. Plain data, so that it can be stored. */
import * as Schema from "effect/Schema"

/** A tenth of the window's time, which begins at `at`. */
const Bucket = Schema.Struct({
  at: Schema.Number,
  calls: Schema.Number,
  failures: Schema.Number,
  slow: Schema.Number
})
type Bucket = typeof Bucket.Type

/**
 * By count: one digit for each call, the latest last: 1 for a failure, 2 for a slow call, 3 for both. By time: what was
 * counted in each tenth of it.
 */
export const Window = Schema.Union(
  Schema.Struct({ outcomes: Schema.String.pipe(Schema.pattern(/^[0-3]*$/)) }),
  Schema.Struct({ buckets: Schema.Array(Bucket) })
)
export type Window = typeof Window.Type

/** How far it reaches. */
export type Reach = { readonly calls: number } | { readonly millis: number }

export interface Counts {
  readonly calls: number
  readonly failures: number
  readonly slow: number
}

/** As many calls that ended alike, at the same time. */
export interface Ended {
  readonly at: number
  readonly count: number
  readonly failed: boolean
  readonly slow: boolean
}

export const empty: Window = { outcomes: "" }

const buckets = 10

/** A clock that was set back leaves buckets in the future: those that are too far off count as little as the past. */
const live = (window: Window, millis: number, now: number): ReadonlyArray<Bucket> =>
  "buckets" in window ? window.buckets.filter(({ at }) => Math.abs(now - at) < millis) : []

const beginOf = (millis: number, at: number): number => {
  const width = Math.max(1, millis / buckets)
  return Math.floor(at / width) * width
}

/** Whether it makes no difference to the window at which of these times a call ended. */
export const isSameTime = (reach: Reach, a: number, b: number): boolean =>
  "calls" in reach || beginOf(reach.millis, a) === beginOf(reach.millis, b)

export const add = (window: Window, reach: Reach, { at, count, failed, slow }: Ended): Window => {
  if ("calls" in reach) {
    const before = "outcomes" in window ? window.outcomes : ""
    const digit = String((failed ? 1 : 0) + (slow ? 2 : 0))
    return { outcomes: (before + digit.repeat(Math.min(count, reach.calls))).slice(-reach.calls) }
  }
  const start = beginOf(reach.millis, at)
  const kept = live(window, reach.millis, at)
  const present = kept.find((bucket) => bucket.at === start) ?? { at: start, calls: 0, failures: 0, slow: 0 }
  const changed = {
    at: start,
    calls: present.calls + count,
    failures: present.failures + (failed ? count : 0),
    slow: present.slow + (slow ? count : 0)
  }
  return { buckets: [...kept.filter((bucket) => bucket.at !== start), changed] }
}

export const counts = (window: Window, reach: Reach, now: number): Counts => {
  let [calls, failures, slow] = [0, 0, 0]
  if ("calls" in reach) {
    const outcomes = "outcomes" in window ? window.outcomes.slice(-reach.calls) : ""
    for (let i = 0; i < outcomes.length; i++) {
      const digit = outcomes.charCodeAt(i) - 48
      failures += digit & 1
      slow += digit >> 1
    }
    return { calls: outcomes.length, failures, slow }
  }
  for (const bucket of live(window, reach.millis, now)) {
    calls += bucket.calls
    failures += bucket.failures
    slow += bucket.slow
  }
  return { calls, failures, slow }
}
