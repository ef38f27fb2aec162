/** How every constructor makes its module. */
import type { Durability } from "../../model/RunPolicy.js"
import type { AnyBranch } from "../Branch.js"
import * as Definition from "../Definition.js"

/** The types that a module has under its type id are phantoms: nothing ever reads a value there. */
export const record = (name: string, definition: Definition.Definition) => ({
  [Definition.ModuleTypeId]: Definition.ModuleTypeId,
  name,
  definition: Object.freeze(definition)
})

export const construct = <Name extends string, A, E, R, I, X>(
  name: Name,
  definition: Definition.Definition
): Definition.Module<Name, A, E, R, I, X> =>
  // the phantoms
  Object.freeze(record(name, definition)) as unknown as Definition.Module<Name, A, E, R, I, X>

/** What the options of all modules but inputs have in common. */
interface VertexOptions {
  readonly needs?: Definition.Needs
  readonly join?: Definition.JoinRule
  readonly when?: AnyBranch
  readonly version?: string | number
  readonly durability?: Durability
}

export const vertex = ({ durability, join, needs, version, when }: VertexOptions): Definition.Vertex => ({
  needs: Object.freeze({ ...needs }),
  join: join ?? "allSucceeded",
  when: when === undefined ? undefined : Object.freeze({ route: when.route, branch: when.branch }),
  version: version === undefined ? undefined : String(version),
  durability
})

export const queued = (options: { readonly limit?: string; readonly priority?: number }): Definition.Queued => ({
  limit: options.limit,
  priority: options.priority ?? 0
})

interface AttemptedOptions {
  readonly output: unknown
  readonly error?: unknown
  readonly timeout?: Definition.Attempted["timeout"]
  readonly retry?: unknown
}

export const attempted = ({ error, output, retry, timeout }: AttemptedOptions): Definition.Attempted => ({
  // erasure: a schema and a schedule are invariant or contravariant, and are only fed what their own module makes
  output: output as Definition.ErasedSchema,
  error: error as Definition.ErasedSchema | undefined,
  timeout,
  retry: retry as Definition.Attempted["retry"]
})
