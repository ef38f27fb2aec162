import * as Effect from "effect/Effect"
import type * as Definition from "../../dag/Definition.js"
import { ModuleCutOff } from "../../model/ModuleError.js"
import { atLeastCommitted } from "../../model/RunPolicy.js"
import * as Attempts from "./Attempts.js"
import type { DagContext } from "./Execution.js"
import * as Failures from "./Failures.js"
import { givenNeeds } from "./RunGuard.js"

/** A module that runs an Effect, as `Module.make` gives it. */
export const start = (dag: DagContext, index: number, definition: Definition.EffectDefinition): void => {
  const { cells, loop, states, transition } = dag
  const { guard } = loop.settings
  const { execution, limit, onFailure } = definition
  const status = states.statusOf(index)
  const atMostOnce = execution === "atMostOnce"
  const isCutOff = atMostOnce && status === "running"
  const first = isCutOff ? states.attemptOf(index) : dag.nextAttempt(index)
  const until = status === "suspended" ? states.untilOf(index) : undefined
  const delay = until === undefined ? 0 : Math.max(0, until - loop.now())

  const module = dag.pathOf(index)
  const needs = dag.needsOf(index)
  const strict = atLeastCommitted(dag.durabilityOf(index))
  const begin = (attempt: number): Effect.Effect<void> =>
    atMostOnce
      ? Effect.async<void>((resume) =>
          transition(index, "running", attempt, undefined, null, strict, () => resume(Effect.void))
        )
      : Effect.sync(() => transition(index, "running", attempt))
  // what need not wait is not waited for
  const isBegun = !atMostOnce && delay === 0
  if (isBegun) transition(index, "running", first)

  const { effect, encodedError, slot } = Attempts.make({
    host: loop.host,
    cells,
    module,
    item: undefined,
    definition: isCutOff ? { ...definition, retry: undefined } : definition,
    run: isCutOff
      ? () => new ModuleCutOff({ module, attempt: first })
      : guard === undefined
        ? () => definition.run(needs)
        : () => guard.effect(module, givenNeeds(needs), () => definition.run(needs)),
    fallback: typeof onFailure === "function" ? onFailure : undefined,
    first,
    delay,
    alwaysDecode: loop.settings.alwaysDecode,
    before: isBegun || isCutOff ? undefined : begin(first),
    onAttempt: begin,
    onDelay: (millis, cause) => {
      const at = loop.now()
      const failure = Failures.failureOf(cause, undefined)
      transition(index, "suspended", states.attemptOf(index), { at, until: at + millis, failure })
    }
  })
  dag.run(
    index,
    effect,
    ({ text, value }) =>
      dag.commit(index, slot.current, (shared) =>
        dag.complete(index, states.attemptOf(index), value, {
          output: text,
          shared,
          durability: dag.durabilityOf(index)
        })
      ),
    { slot, limit, encodedError }
  )
}
