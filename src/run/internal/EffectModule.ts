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
  const { loop, nextAttempt, states, transition } = dag
  const status = states.statusOf(index)
  const until = status === "suspended" ? states.untilOf(index) : undefined
  const delay = until === undefined ? 0 : Math.max(0, until - loop.now())
  if (definition.execution === "atMostOnce") {
    if (status === "running") return attempt(dag, index, definition, states.attemptOf(index), 0, true)
    const number = nextAttempt(index)
    const unreserve = loop.reserve(definition.limit)
    return transition(index, "running", number, undefined, null, "strict", () => {
      if (!unreserve()) return
      if (states.isOpen(index)) attempt(dag, index, definition, number, delay, false)
      else if (definition.limit !== undefined) loop.settings.limits.release(definition.limit)
    })
  }
  const number = nextAttempt(index)
  if (delay === 0) transition(index, "running", number)
  attempt(dag, index, definition, number, delay, false)
}

const attempt = (
  dag: DagContext,
  index: number,
  definition: Definition.EffectDefinition,
  first: number,
  delay: number,
  cutOff: boolean
): void => {
  const { cells, loop, states, transition } = dag
  const { error, execution, limit, onFailure, output, retry, timeout } = definition
  const module = dag.pathOf(index)
  const needs = dag.needsOf(index)
  let current = new CurrentAttempt(loop.host, cells, module, undefined, first)
  let encoded: unknown
  let begun = false
  const provided = (number: number, effect: Effect.Effect<unknown, unknown, unknown>) => {
    current.end()
    current = new CurrentAttempt(loop.host, cells, module, undefined, number)
    return Effect.provideService(effect, CurrentModule, current)
  }
  const effect = Attempt.make({
    module,
    output,
    error,
    timeout: timeout === undefined ? undefined : Duration.decode(timeout),
    retry: cutOff ? undefined : retry,
    run: (number) => {
      if (cutOff) return new ModuleCutOff({ module, attempt: number })
      if (begun) {
        return provided(
          number,
          Effect.suspend(() => definition.run(needs))
        )
      }
      begun = true
      if (delay > 0 && execution !== "atMostOnce") transition(index, "running", number)
      return definition.run(needs)
    },
    fallback:
      typeof onFailure === "function"
        ? (cause) =>
            provided(
              states.attemptOf(index),
              Effect.suspend(() => onFailure(cause))
            )
        : undefined,
    first,
    delay,
    alwaysDecode: loop.settings.alwaysDecode,
    onAttempt: (number) => {
      encoded = undefined
      transition(index, "running", number)
    },
    onDelay: (millis, cause) => {
      current.end()
      transition(index, "suspended", states.attemptOf(index), {
        until: loop.now() + millis,
        failure: Attempt.failureOf(cause, undefined)
      })
    },
    onError: (error) => {
      encoded = error
    }
  })
  dag.run(
    index,
    effect,
    ({ text, value }) =>
      dag.commit(index, current, (shared) =>
        dag.complete(index, states.attemptOf(index), value, { output: text, shared, wait: "durable" })
      ),
    { current, onEnded: () => current.end(), limit, encodedError: () => encoded }
  )
}
