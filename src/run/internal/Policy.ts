import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Millis from "../../model/Millis.js"
import { UnknownLimit } from "../../model/RunError.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import type * as Plan from "../../plan/Plan.js"
import type { Options as EngineOptions } from "../EngineOptions.js"
import type { RunOptions } from "../RunOptions.js"
import type * as Limits from "./Limits.js"

/** Every limit that a module names is one of the engine's. */
export const checkLimits = ({ dag, limits: wanted }: Plan.Plan, limits: Limits.Limits) =>
  Effect.suspend(() => {
    const missing = wanted.find(({ limit }) => !limits.has(limit))
    return missing === undefined ? Effect.void : new UnknownLimit({ dag, ...missing })
  })

/** What the options say, and otherwise the base. Throws when the two together are what no run can have. */
export const of = (options: RunOptions, base: RunPolicy): RunPolicy => {
  const given: { -readonly [K in keyof RunPolicy]: RunPolicy[K] } = {
    concurrency: options.concurrency ?? base.concurrency,
    onFailure: options.onFailure ?? base.onFailure,
    durability: options.durability ?? base.durability
  }
  const timeout = options.timeout === undefined ? base.timeout : Millis.of(options.timeout)
  const interval = options.interval === undefined ? base.interval : Millis.of(options.interval)
  const onWriteFailure = options.onWriteFailure ?? base.onWriteFailure
  const batchSize = options.batchSize ?? base.batchSize
  // what is infinite JSON cannot hold; without a timeout it is that
  if (timeout !== undefined && timeout !== Infinity) given.timeout = timeout
  if (interval !== undefined) given.interval = Math.min(interval, Number.MAX_SAFE_INTEGER)
  if (onWriteFailure !== undefined) given.onWriteFailure = onWriteFailure
  if (batchSize !== undefined) given.batchSize = batchSize
  const { durability } = given
  // what waits for commits cannot go on without them
  if (onWriteFailure === "record" && (durability === "committed" || durability === "fsynced")) {
    throw new Cause.IllegalArgumentException(
      `onWriteFailure "record" is for runs of durability "buffered" or "memory", not "${durability}"`
    )
  }
  return given
}

/** Options that no engine can have are a fault of the program. */
export const checkEngine = ({
  limits,
  maxItems,
  maxRecoveries,
  maxRuns
}: Pick<EngineOptions, "limits" | "maxItems" | "maxRecoveries" | "maxRuns">) =>
  Effect.suspend(() => {
    for (const [what, value] of [...Object.entries(limits), ["maxItems", maxItems] as const]) {
      if (!(Number.isInteger(value) && value >= 1)) {
        return refuse(`the engine's limit "${what}" is a whole number of at least 1, not ${value}`)
      }
    }
    if (!(Number.isSafeInteger(maxRecoveries) && maxRecoveries >= 0)) {
      return refuse(`maxRecoveries is a whole number of at least 0, not ${maxRecoveries}`)
    }
    if (!(maxRuns === Infinity || (Number.isInteger(maxRuns) && maxRuns >= 1))) {
      return refuse(`maxRuns is a whole number of at least 1, or Infinity, not ${maxRuns}`)
    }
    return Effect.void
  })

/** A run that somebody else is to drive is stored. */
export const checkSubmitted = ({ durability }: RunPolicy) =>
  durability === "memory"
    ? refuse('a run of durability "memory" is not stored, so it cannot be submitted: give another durability')
    : Effect.void

/** Options that no run can have are a fault of the program. */
export const check = ({ batchSize = 1, concurrency = 1, interval = 0, timeout = 0 }: RunOptions) =>
  Effect.suspend(() => {
    if (!(Number.isSafeInteger(batchSize) && batchSize >= 1)) {
      return refuse(`batchSize is a whole number of at least 1, not ${batchSize}`)
    }
    if (Millis.of(interval) === undefined) {
      return refuse(`interval is a duration that is not negative, not ${String(interval)}`)
    }
    if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency >= 1)) {
      return refuse(`concurrency is a whole number of at least 1, not ${concurrency}`)
    }
    return Millis.of(timeout) === undefined
      ? refuse(`timeout is a duration that is not negative, not ${String(timeout)}`)
      : Effect.void
  })

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
