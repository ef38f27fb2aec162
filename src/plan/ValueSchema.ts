/**
 * The schemas of what modules and Dags give.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type * as Definition from "../dag/Definition.js"
import { Failed } from "../model/Failed.js"
import type { Plan, PlannedModule } from "./Plan.js"

type Erased = Definition.ErasedSchema

// erasure: a schema is invariant, and these are only fed what the modules of their Dag gave
const erase = (schema: unknown): Erased => schema as Erased

const nothing = Schema.transform(Schema.Null, Schema.Undefined, {
  strict: true,
  decode: () => undefined,
  encode: () => null
}).annotations({ identifier: "heddle/run/Nothing" })

/** Memos of pure functions of an immutable value: a Dag that many modules run is looked at once. */
const outputs = new WeakMap<Plan, Erased>()
const errors = new WeakMap<Plan, ReadonlyArray<Erased>>()
const skippables = new WeakMap<Plan, ReadonlyArray<boolean>>()

/** JSON has no `undefined`, and an array has no place for it. */
const inJson = (schema: Erased): Erased =>
  schema.ast._tag === "VoidKeyword" || schema.ast._tag === "UndefinedKeyword" ? erase(nothing) : schema

/** A property whose value is `undefined` is left out of what is stored. */
const property = (schema: Erased) => (Schema.is(schema)(undefined) ? Schema.optional(schema) : schema)

/**
 * Of a record with these fields. One that may be `undefined` may be missing.
 *
 * @since 0.1.0
 * @category schemas
 */
export const record = (fields: ReadonlyArray<readonly [string, Definition.ErasedSchema]>): Definition.ErasedSchema =>
  erase(Schema.Struct(Object.fromEntries(fields.map(([key, schema]) => [key, property(schema)]))))

const errorOf = (definition: Definition.Definition): Erased | undefined =>
  definition.kind === "effect"
    ? definition.error
    : definition.kind === "map" && definition.each.kind === "effect"
      ? definition.each.error
      : undefined

const itemsOf = (definition: Definition.MapDefinition, child: Plan | undefined): Erased => {
  const item = definition.each.kind === "effect" ? inJson(definition.each.output) : outputOf(child)
  if (definition.onItemFailure !== "collect") return erase(Schema.Array(item))
  const own = errorOf(definition)
  const failure = Schema.Union(...(own === undefined ? errorsOf(child) : [own]), erase(Failed))
  const exit = Schema.Exit({ success: item, failure, defect: Schema.Defect })
  return erase(Schema.Array(exit))
}

/**
 * Of what a module gives to those that need it. Of a pure module without an `output` nothing is known.
 *
 * @since 0.1.0
 * @category schemas
 */
export const valueOf = ({ child, definition }: PlannedModule): Definition.ErasedSchema => {
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

/**
 * Of the record of a Dag's outputs. `undefined` is a Dag that its module does not have: there is no such plan.
 *
 * @since 0.1.0
 * @category schemas
 */
export const outputOf = (plan: Plan | undefined): Definition.ErasedSchema => {
  if (plan === undefined) return Schema.Unknown
  let known = outputs.get(plan)
  if (known === undefined) {
    const isOption = skippable(plan)
    known = record(
      plan.outputs.map(({ index, key }) => {
        const schema = inJson(valueOf(plan.modules[index]!))
        return [key, isOption[index] === true ? erase(Schema.Option(schema)) : schema]
      })
    )
    outputs.set(plan, known)
  }
  return known
}

/**
 * Of the errors of a Dag's modules, and of the modules of its child Dags, each once.
 *
 * @since 0.1.0
 * @category schemas
 */
export const errorsOf = (plan: Plan | undefined): ReadonlyArray<Definition.ErasedSchema> => {
  if (plan === undefined) return []
  let known = errors.get(plan)
  if (known === undefined) {
    const found = new Set<Erased>()
    for (const { child, definition } of plan.modules) {
      const own = errorOf(definition)
      if (own !== undefined) found.add(own)
      for (const error of errorsOf(child)) found.add(error)
    }
    errors.set(plan, (known = Object.freeze(Array.from(found))))
  }
  return known
}

/**
 * Which modules may be skipped though nothing failed, by position, as the types of a Dag have it: these outputs are
 * Options.
 *
 * @since 0.1.0
 * @category predicates
 */
export const skippable = (plan: Plan): ReadonlyArray<boolean> => {
  let known = skippables.get(plan)
  if (known === undefined) {
    const may: Array<boolean> = []
    for (const { definition, needs, when } of plan.modules) {
      const join = definition.kind === "input" ? "always" : definition.join
      const own = when !== undefined || ("onFailure" in definition && definition.onFailure === "skip")
      may.push(
        own ||
          (join === "allSucceeded" && needs.some(({ index }) => may[index])) ||
          (join === "anySucceeded" && needs.length > 0 && needs.every(({ index }) => may[index]))
      )
    }
    skippables.set(plan, (known = may))
  }
  return known
}
