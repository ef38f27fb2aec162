import * as Cause from "effect/Cause"
import type * as Definition from "../../dag/Definition.js"
import { ItemsChanged, TooManyItems } from "../../model/ModuleError.js"
import type { Plan } from "../../plan/Plan.js"
import * as ChildModule from "./ChildModule.js"
import type { DagContext } from "./Execution.js"
import * as MapItems from "./MapItems.js"

/** A module that does something with each item of a list; `child` when that is a Dag. */
export const start = (
  dag: DagContext,
  index: number,
  definition: Definition.MapDefinition,
  child: Plan | undefined
): void => {
  const { cells, loop, recalled, states } = dag
  const { maxItems } = loop.settings
  const module = dag.pathOf(index)
  const attempt = dag.sameAttempt(index)
  const refuse = (error: TooManyItems | ItemsChanged) => dag.fail(index, attempt, Cause.fail(error))
  let isTooLong = false
  const needs = dag.needsOf(index)
  const items: Array<unknown> = []
  try {
    dag.call(index, (needs) => {
      for (const item of definition.over(needs)) {
        isTooLong = items.length === maxItems
        if (isTooLong) break
        items.push(item)
      }
    })
  } catch (defect) {
    return dag.fail(index, attempt, Cause.die(defect))
  }
  if (isTooLong) return refuse(new TooManyItems({ module, max: maxItems }))
  const before = states.itemsOf(index)?.total
  if (before !== undefined && before !== items.length) {
    return refuse(new ItemsChanged({ module, before, now: items.length }))
  }
  if (states.statusOf(index) !== "running") dag.transition(index, "running", attempt, { items: items.length })
  const map = MapItems.make(loop, {
    module,
    definition,
    items,
    needs,
    cells,
    known: recalled.items.get(module) ?? [],
    emit: (item, status, detail, output) =>
      loop.emit(states.item(index, item, status, loop.now(), detail), output, dag.durabilityOf(index)),
    child:
      child === undefined
        ? undefined
        : {
            plan: child,
            hasBegun: (item) => recalled.children.has(`${module}/${item}`),
            execute: (item, inputs, events) => ChildModule.execute(dag, child, `${module}/${item}`, inputs, events)
          },
    onEnd: (end) => {
      dag.ended(index)
      if (end._tag === "Completed") dag.complete(index, attempt, end.results, { durability: dag.durabilityOf(index) })
      else if (end._tag === "Failed") dag.fail(index, attempt, end.cause, end.encoded, end.failure)
      else dag.endStopped(index, end.reason)
    }
  })
  dag.begun(index, { stop: map.stop }, map.begin)
}
