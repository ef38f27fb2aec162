/**
 * What a Dag takes and gives as a whole, as schemas.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Dag from "../dag/Dag.js"
import type * as Definition from "../dag/Definition.js"
import * as Plan from "../plan/Plan.js"
import * as ValueSchema from "../plan/ValueSchema.js"

/**
 * - `name`, `fingerprint`: of the Dag
 * - `steps`: its modules by name, without its run inputs; what they need comes before them
 * - `input`, `output`: of the record of its inputs, and of that of its outputs. An output whose module has no schema has
 *   to be a JSON value
 * - `errors`: those of its modules, and of the modules of its child Dags, each once
 *
 * @since 0.1.0
 * @category models
 */
export interface DagDescription {
  readonly name: string
  readonly fingerprint: string
  readonly steps: ReadonlyMap<string, Definition.Definition>
  readonly input: Definition.ErasedSchema
  readonly output: Definition.ErasedSchema
  readonly errors: ReadonlyArray<Definition.ErasedSchema>
}

/**
 * The description of a Dag. Fails with every fault of the Dag at once.
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 * import * as DagDescription from "heddle/run/DagDescription"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, output: Schema.Number, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * Effect.map(DagDescription.make(Doubling), ({ steps }) => [...steps.keys()]) // ["double"]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (dag: Dag.Any): Effect.Effect<DagDescription, Plan.PlanInvalid> =>
  Effect.map(Plan.make(dag), (plan) => {
    const inputs = plan.modules.filter(({ definition }) => definition.kind === "input")
    const steps = plan.modules.filter(({ definition }) => definition.kind !== "input")
    return {
      name: plan.dag,
      fingerprint: plan.fingerprint,
      steps: new Map(steps.map(({ definition, name }) => [name, definition])),
      input: ValueSchema.record(inputs.map((module) => [module.name, ValueSchema.valueOf(module)])),
      output: ValueSchema.outputOf(plan),
      errors: ValueSchema.errorsOf(plan)
    }
  })
