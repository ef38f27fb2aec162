/**
 * What a Dag takes and gives as a whole, as schemas.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Dag from "../dag/Dag.js"
import type * as Definition from "../dag/Definition.js"
import { Failed } from "../model/Failed.js"
import * as Plan from "../plan/Plan.js"
import * as Results from "./internal/Results.js"

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

type Erased = Definition.ErasedSchema

// erasure: a schema is invariant, and these are only fed what the modules of their Dag gave
const erase = (schema: unknown): Erased => schema as Erased

const nothing = Schema.transform(Schema.Null, Schema.Undefined, {
  strict: true,
  decode: () => undefined,
  encode: () => null
}).annotations({ identifier: "heddle/run/Nothing" })

/** JSON has no `undefined`, and an array has no place for it. */
const inJson = (schema: Erased): Erased =>
  schema.ast._tag === "VoidKeyword" || schema.ast._tag === "UndefinedKeyword" ? erase(nothing) : schema

/** A property whose value is `undefined` is left out of what is stored. */
const property = (schema: Erased) => (Schema.is(schema)(undefined) ? Schema.optional(schema) : schema)

const struct = (fields: ReadonlyArray<readonly [string, Erased]>): Erased =>
  erase(Schema.Struct(Object.fromEntries(fields.map(([key, schema]) => [key, property(schema)]))))

const errorOf = (definition: Definition.Definition): Erased | undefined =>
  definition.kind === "effect"
    ? definition.error
    : definition.kind === "map" && definition.each.kind === "effect"
      ? definition.each.error
      : undefined

const itemsOf = (definition: Definition.MapDefinition, child: Plan.Plan | undefined): Erased => {
  const item = definition.each.kind === "effect" ? inJson(definition.each.output) : outputOf(child)
  if (definition.onItemFailure !== "collect") return erase(Schema.Array(item))
  const errors = [...(errorOf(definition) === undefined ? errorsOf(child) : [errorOf(definition)!]), erase(Failed)]
  const exit = Schema.Exit({ success: item, failure: Schema.Union(...errors), defect: Schema.Defect })
  return erase(Schema.Array(exit))
}

const valueOf = ({ child, definition }: Plan.PlannedModule): Erased => {
  switch (definition.kind) {
    case "input":
      return definition.schema
    case "effect":
      return definition.output
    case "pure":
      return definition.output ?? Schema.Unknown
    case "signal":
      return definition.value
    case "route":
      return erase(Schema.String)
    case "sleep":
      return erase(Schema.Undefined)
    case "dag":
      return outputOf(child)
    case "map":
      return itemsOf(definition, child)
  }
}

/** `undefined` is a Dag that its module does not have: there is no such plan. */
const outputOf = (plan: Plan.Plan | undefined): Erased => {
  if (plan === undefined) return Schema.Unknown
  const isOption = Results.skippable(plan)
  return struct(
    plan.outputs.map(({ index, key }) => {
      const schema = inJson(valueOf(plan.modules[index]!))
      return [key, isOption[index] === true ? erase(Schema.Option(schema)) : schema]
    })
  )
}

const errorsOf = (plan: Plan.Plan | undefined): ReadonlyArray<Erased> => {
  const errors = new Set<Erased>()
  for (const { child, definition } of plan?.modules ?? []) {
    const own = errorOf(definition)
    if (own !== undefined) errors.add(own)
    for (const error of errorsOf(child)) errors.add(error)
  }
  return Array.from(errors)
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
      input: struct(inputs.map((module) => [module.name, valueOf(module)])),
      output: outputOf(plan),
      errors: errorsOf(plan)
    }
  })
