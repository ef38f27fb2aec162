import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CurrentModule } from "../../dag/CurrentModule.js"
import type * as Definition from "../../dag/Definition.js"
import { ModuleCutOff } from "../../model/ModuleError.js"
import * as Attempt from "./Attempt.js"
import { CurrentAttempt } from "./CurrentAttempt.js"
import type { DagContext } from "./Execution.js"

/** A module that runs an Effect, as `Module.make` gives it. */
export const start = (dag: DagContext, index: number, definition: Definition.EffectDefinition): void => {
  const { cells, loop, states, transition } = dag
  const { error, execution, limit, onFailure, output, retry, timeout } = definition
  const status = states.statusOf(index)
  const atMostOnce = execution === "atMostOnce"
  const isCutOff = atMostOnce && status === "running"
  const first = isCutOff ? states.attemptOf(index) : dag.nextAttempt(index)
  const until = status === "suspended" ? states.untilOf(index) : undefined
  const delay = until === undefined ? 0 : Math.max(0, until - loop.now())

  const module = dag.pathOf(index)
  const needs = dag.needsOf(index)
  const slot = { current: new CurrentAttempt(loop.host, cells, module, undefined, first) }
  let encoded: unknown
  let begun = false
  const begin = (number: number): Effect.Effect<void> =>
    atMostOnce
      ? Effect.async<void>((resume) =>
          transition(index, "running", number, undefined, null, "strict", () => resume(Effect.void))
        )
      : Effect.sync(() => transition(index, "running", number))
  // what need not wait is not waited for
  const isBegun = !atMostOnce && delay === 0
  if (isBegun) transition(index, "running", first)

  /** What is done after the first attempt has an attempt of its own. */
  const provided = (number: number, run: () => Effect.Effect<unknown, unknown, unknown>) => {
    slot.current.end()
    slot.current = new CurrentAttempt(loop.host, cells, module, undefined, number)
    return Effect.provideService(Effect.suspend(run), CurrentModule, slot.current)
  }
  const effect = Attempt.make({
    module,
    output,
    timeout: timeout === undefined ? undefined : Duration.decode(timeout),
    run: (number) => {
      if (isCutOff) return new ModuleCutOff({ module, attempt: number })
      if (begun) return provided(number, () => definition.run(needs))
      begun = true
      return definition.run(needs)
    },
    fallback:
      typeof onFailure === "function"
        ? (cause) => provided(states.attemptOf(index), () => onFailure(cause))
        : undefined,
    first,
    delay,
    alwaysDecode: loop.settings.alwaysDecode,
    before: isBegun || isCutOff ? undefined : begin(first),
    retry:
      retry === undefined || isCutOff
        ? undefined
        : {
            schedule: retry,
            onAttempt: (number) => {
              encoded = undefined
              return begin(number)
            },
            onDelay: (millis, cause) => {
              slot.current.end()
              transition(index, "suspended", states.attemptOf(index), {
                until: loop.now() + millis,
                failure: Attempt.failureOf(cause, undefined)
              })
            }
          },
    error:
      error === undefined
        ? undefined
        : {
            schema: error,
            onError: (error) => {
              encoded = error
            }
          }
  })
  dag.run(
    index,
    effect,
    ({ text, value }) =>
      dag.commit(index, slot.current, (shared) =>
        dag.complete(index, states.attemptOf(index), value, { output: text, shared, wait: "durable" })
      ),
    { slot, limit, encodedError: error === undefined ? undefined : () => encoded }
  )
}
