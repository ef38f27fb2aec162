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

/** What the options say, and otherwise the base. */
export const of = (options: RunOptions, base: RunPolicy): RunPolicy => {
  const timeout = options.timeout === undefined ? base.timeout : Millis.of(options.timeout)
  return {
    concurrency: options.concurrency ?? base.concurrency,
    onFailure: options.onFailure ?? base.onFailure,
    durability: options.durability ?? base.durability,
    ...(timeout === undefined || timeout === Infinity ? undefined : { timeout })
  }
}

/** Options that no engine can have are a fault of the program. */
export const checkEngine = ({ limits, maxItems }: Pick<EngineOptions, "limits" | "maxItems">) =>
  Effect.suspend(() => {
    for (const [what, value] of [...Object.entries(limits), ["maxItems", maxItems] as const]) {
      if (!(Number.isInteger(value) && value >= 1)) {
        return refuse(`the engine's limit "${what}" is a whole number of at least 1, not ${value}`)
      }
    }
    return Effect.void
  })

/** Options that no run can have are a fault of the program. */
export const check = ({ concurrency = 1, timeout = 0 }: RunOptions) =>
  Effect.suspend(() => {
    if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency >= 1)) {
      return refuse(`concurrency is a whole number of at least 1, not ${concurrency}`)
    }
    return Millis.of(timeout) === undefined
      ? refuse(`timeout is a duration that is not negative, not ${String(timeout)}`)
      : Effect.void
  })

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
