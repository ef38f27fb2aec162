import * as Either from "effect/Either"
import type * as Definition from "../../dag/Definition.js"
import * as Module from "../../dag/Module.js"
import type * as Shared from "../../dag/Shared.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { PlanIssue } from "../PlanIssue.js"
import * as SchemaFingerprint from "./SchemaFingerprint.js"
import { needsOf, routeOf } from "./Traversal.js"

type Described = ReturnType<typeof SchemaFingerprint.describe>

/** As JSON escapes it: a version may be any string, also one that is not well-formed Unicode. */
export const version = (version: string | undefined) => (version === undefined ? null : JSON.stringify(version))

/** The hash of a description; what is not well formed cannot be described, so only Dags without faults are. */
export const hash = (description: unknown): string =>
  CanonicalJson.hash(Either.getOrThrow(CanonicalJson.stringify(description)))

/** What is left out when it is as it mostly is. */
const unless = <A>(usual: A, value: A): A | undefined => (value === usual ? undefined : value)

const handling = (onFailure: Definition.EffectDefinition["onFailure"]) =>
  typeof onFailure === "function" ? "fallback" : unless("fail", onFailure)

/**
 * Describes the modules and shared groups of one Dag, without their functions. What a schema hides is reported.
 *
 * In a description `null` and what is missing are different, and no key means two things: what was added later is left
 * out where it has its usual value, so that a Dag without it keeps its fingerprint.
 */
export const make = (report: (issue: PlanIssue) => void) => {
  // many modules share a schema: each is described once
  const known = new Map<Definition.ErasedSchema, Described>()
  const describe = (schema: Definition.ErasedSchema): Described => {
    let description = known.get(schema)
    if (description === undefined) known.set(schema, (description = SchemaFingerprint.describe(schema)))
    return description
  }

  const schemaOf = (
    module: string,
    role: "input" | "output" | "error" | "value",
    schema: Definition.ErasedSchema | undefined
  ): SchemaFingerprint.Description | null => {
    if (schema === undefined) return null
    const description = describe(schema)
    if (Either.isRight(description)) return description.right
    for (const { message, path } of description.left) {
      report(PlanIssue.OpaqueSchema({ module, schema: role, path, message }))
    }
    return null
  }

  /** The schemas, which all kinds have or have not. */
  const schemas = (name: string, definition: Definition.Definition) => {
    const none = { input: null, output: null, error: null }
    switch (definition.kind) {
      case "input":
        return { ...none, input: schemaOf(name, "input", definition.schema) }
      case "pure":
        return { ...none, output: schemaOf(name, "output", definition.output) }
      case "effect":
        return {
          ...none,
          output: schemaOf(name, "output", definition.output),
          error: schemaOf(name, "error", definition.error)
        }
      case "map":
        return definition.each.kind === "dag"
          ? none
          : {
              ...none,
              output: schemaOf(name, "output", definition.each.output),
              error: schemaOf(name, "error", definition.each.error)
            }
      case "signal":
        return { ...none, value: schemaOf(name, "value", definition.value) }
      default:
        return none
    }
  }

  /** What only some kinds have. */
  const particulars = (definition: Definition.Definition) => {
    switch (definition.kind) {
      case "effect":
        return {
          execution: unless("atLeastOnce", definition.execution),
          onFailure: handling(definition.onFailure)
        }
      case "map":
        return {
          each: definition.each.kind,
          onItemFailure: definition.onItemFailure,
          onFailure: handling(definition.onFailure)
        }
      case "route":
        return { branches: [...definition.branches].sort(), default: definition.default }
      case "dag":
        return { onFailure: handling(definition.onFailure) }
      default:
        return {}
    }
  }

  /** A module; `child` is the fingerprint of its child Dag. */
  const module = (module: Module.Any, child: string | undefined): unknown => {
    const { definition, name } = module
    const vertex = definition.kind === "input" ? undefined : definition
    const needs = Object.entries(needsOf(module)).flatMap(([key, need]) =>
      Module.isModule(need) ? [[key, need.name]] : []
    )
    return {
      name,
      kind: definition.kind,
      needs: Object.fromEntries(needs),
      ...schemas(name, definition),
      version: version(vertex?.version),
      join: vertex === undefined ? undefined : unless("allSucceeded", vertex.join),
      when: vertex?.when === undefined ? undefined : [routeOf(module)?.name ?? null, vertex.when.branch],
      ...particulars(definition),
      child
    }
  }

  const cell = (group: string, name: string, { live, merge, schema }: Shared.AnyGroup["cells"][string]): unknown => {
    const description = describe(schema)
    if (Either.isRight(description)) return { schema: description.right, live, merge: merge !== undefined }
    for (const { message, path } of description.left) {
      const where = path.length === 0 ? "" : ` at ${path.join(".")}`
      report(PlanIssue.InvalidCell({ group, cell: name, message: `its schema${where}: ${message}` }))
    }
    return null
  }

  const shared = (groups: ReadonlyArray<Shared.AnyGroup>): unknown =>
    groups.length === 0
      ? undefined
      : Object.fromEntries(
          groups.map(({ cells, name }) => [
            name,
            Object.fromEntries(Object.entries(cells).map(([key, value]) => [key, cell(name, key, value)]))
          ])
        )

  return { module, shared }
}
