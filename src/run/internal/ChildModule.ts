import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Definition from "../../dag/Definition.js"
import { StoredValueInvalid } from "../../model/RunError.js"
import type { Plan } from "../../plan/Plan.js"
import type { ChildEvents, DagContext, Execution } from "./Execution.js"
import * as Inputs from "./Inputs.js"
import * as Results from "./Results.js"
import * as Cells from "./SharedCells.js"

/** A module that is a child Dag. */
export const start = (dag: DagContext, index: number, definition: Definition.DagDefinition, child: Plan): void => {
  const { recalled, states } = dag
  const module = dag.pathOf(index)
  const attempt = dag.sameAttempt(index)
  if (states.statusOf(index) !== "running") dag.transition(index, "running", attempt)
  const begin = (inputs: ReadonlyMap<number, unknown>) =>
    execute(dag, child, module, inputs, {
      begun: (activity, begin) => dag.begun(index, activity, begin),
      onEnd: (execution) => {
        dag.ended(index)
        end(dag, index, attempt, child, execution)
      },
      onInvalid: (cause) => dag.fail(index, attempt, cause)
    })
  // what had begun has its inputs, and is ended by its own modules even when the run is being stopped
  if (recalled.children.has(module)) return begin(new Map())
  dag.run(
    index,
    Effect.suspend(() => Inputs.encode(child, dag.call(index, definition.input))),
    ({ values }) => begin(values)
  )
}

const end = (dag: DagContext, index: number, attempt: number, child: Plan, execution: Execution) => {
  const ending = execution.ending()
  if (ending === "completed")
    return dag.complete(index, attempt, execution.outputs(), { durability: dag.durabilityOf(index) })
  if (ending === "failed") return dag.fail(index, attempt, Results.childCause(dag.pathOf(index), child, execution))
  dag.endStopped(index, ending)
}

/** Begins a child Dag of a module, or of an item of one, where it was. */
export const execute = (
  { cells, execute, loop, recalled: { children }, state }: DagContext,
  plan: Plan,
  module: string,
  inputs: ReadonlyMap<number, unknown>,
  { begun, onEnd, onInvalid }: ChildEvents
): void => {
  const path = `${module}/`
  const own = Cells.make(plan.shared, path, state.cells(), cells, loop.settings.alwaysDecode)
  if (Either.isLeft(own)) {
    const { cell, faults } = own.left
    return onInvalid(Cause.fail(new StoredValueInvalid({ runId: loop.settings.runId, module: cell, faults })))
  }
  const known = children.get(module)
  const values = known?.values ?? new Array<unknown>(plan.modules.length)
  for (const [index, value] of inputs) values[index] = value
  const execution = execute({
    plan,
    state,
    path,
    recalled: { causes: new Map(), items: new Map(), children, ...known, values },
    cells: own.right,
    onEnd: () => onEnd(execution)
  })
  begun({ stop: execution.stop }, execution.begin)
}
