import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Millis from "../../model/Millis.js"
import * as Retention from "../../state/Retention.js"
import type { RetentionOptions } from "../EngineOptions.js"
import { longestSleep } from "./Timers.js"

const sleep = (millis: number): Effect.Effect<void> =>
  millis <= longestSleep
    ? Effect.sleep(millis)
    : Effect.flatMap(Effect.sleep(longestSleep), () => sleep(millis - longestSleep))

/**
 * Deletes the runs that are not kept, and again each time that `every` has passed since. Never ends; options that no
 * engine can have are a fault of the program.
 */
export const make = (
  retention: typeof Retention.Retention.Service,
  { every = "1 hour", ...policy }: RetentionOptions
): Effect.Effect<Effect.Effect<never>> =>
  Effect.gen(function* () {
    yield* Retention.check(policy)
    const millis = Millis.of(every)
    if (millis === undefined || millis === 0) {
      return yield* Effect.die(
        new Cause.IllegalArgumentException(`every is a duration of more than zero, not ${String(every)}`)
      )
    }
    return retention.prune(policy).pipe(
      Effect.catchAllCause((cause) => Effect.logWarning("runs that have ended could not be deleted", cause)),
      Effect.zipRight(sleep(millis)),
      Effect.forever,
      Effect.annotateLogs({ package: "heddle", module: "Engine", fiber: "retention" })
    )
  })
