import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Definition from "../../dag/Definition.js"
import { RouteUnmatched } from "../../model/ModuleError.js"
import { CurrentAttempt } from "./CurrentAttempt.js"
import type { DagContext } from "./Execution.js"
import * as Failures from "./Failures.js"
import { givenNeeds } from "./RunGuard.js"

/** A module that picks a branch: the choice is its output. */
export const start = (dag: DagContext, index: number, definition: Definition.RouteDefinition): void => {
  const { branches, choose } = definition
  const module = dag.pathOf(index)
  const attempt = dag.nextAttempt(index)
  dag.transition(index, "running", attempt)
  const slot = { current: new CurrentAttempt(dag.loop.host, dag.cells, module, undefined, attempt) }
  const { guard } = dag.loop.settings
  const effect = Effect.suspend<unknown, unknown, unknown>(() => {
    const needs = dag.needsOf(index)
    const choice = () => {
      const chosen = choose(needs)
      return Effect.isEffect(chosen) ? chosen : Effect.succeed(chosen)
    }
    return guard === undefined ? choice() : guard.effect(module, givenNeeds(needs), choice)
  })
  dag.run(
    index,
    effect,
    (chosen) => {
      const branch = branches.find((branch) => branch === chosen) ?? definition.default
      if (branch === undefined) {
        const rendered = Failures.guarded(() => JSON.stringify(chosen) ?? String(chosen), `a ${typeof chosen}`)
        return dag.fail(index, attempt, Cause.fail(new RouteUnmatched({ module, chosen: rendered, branches })))
      }
      dag.commit(index, slot.current, (shared) =>
        dag.complete(index, attempt, branch, {
          output: JSON.stringify(branch),
          shared,
          durability: dag.durabilityOf(index)
        })
      )
    },
    { slot }
  )
}
