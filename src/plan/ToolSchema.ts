/**
 * What the modules and nodes of a Dag take and give, as documents that can be kept, hashed and compared.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Definition from "../dag/Definition.js"
import type { Tool, Tools } from "../model/Flow.js"
import { FlowInvalid } from "../model/FlowError.js"
import * as Frozen from "../model/Frozen.js"
import type { SchemaDocument } from "../model/SchemaDocument.js"
import * as ModuleFingerprint from "./internal/ModuleFingerprint.js"
import * as SchemaFingerprint from "./internal/SchemaFingerprint.js"
import type { Plan, PlannedModule } from "./Plan.js"
import * as ValueSchema from "./ValueSchema.js"

/**
 * How many modules a flow may have, those of child Dags counted for each module that runs these. A map counts its child
 * Dag once, however many items it has.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxModules = 10_000

/**
 * - `modules`: the fingerprints of a Dag's modules, also of those inside of child Dags, by path
 * - `tools`: what they, and the nodes that they call, take and give
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolSchema {
  readonly modules: { readonly [path: string]: string }
  readonly tools: Tools
}

type Fault = FlowInvalid["faults"][number]

interface Entry {
  /** Within the Dag of its plan. */
  readonly path: string
  readonly fingerprint: string
  readonly tool: Tool
}

/** What a node is in `tools`. */
const nodePrefix = "node:"

/**
 * Whether a tool is a node. Any other is a module, whose path means something only inside its own flow.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNode = (tool: string): boolean => tool.startsWith(nodePrefix)

/**
 * The hash of what a tool takes and gives: the SHA-256 of its canonical JSON, as 64 hexadecimal digits.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hash = (schema: NonNullable<Tool["schema"]>): string => ModuleFingerprint.hash(schema)

const count = (plan: Plan, counts: Map<Plan, number>): number => {
  let modules = counts.get(plan)
  if (modules === undefined) {
    modules = plan.modules.reduce((sum, { child }) => sum + 1 + (child === undefined ? 0 : count(child, counts)), 0)
    counts.set(plan, modules)
  }
  return modules
}

/** What is made once for each schema and each Dag, however often it occurs. */
const make = (report: (path: ReadonlyArray<string>, message: string) => void) => {
  const documents = new Map<Definition.ErasedSchema, ReturnType<typeof SchemaFingerprint.describe>>()
  const entries = new Map<Plan, ReadonlyArray<Entry>>()
  const nodes = new Map<string, Tool>()

  const document = (schema: Definition.ErasedSchema | undefined, at: ReadonlyArray<string>): SchemaDocument | null => {
    if (schema === undefined) return null
    let made = documents.get(schema)
    if (made === undefined) documents.set(schema, (made = SchemaFingerprint.describe(schema)))
    if (Either.isRight(made)) return made.right
    for (const { message, path } of made.left) report([...at, ...path], message)
    return null
  }

  const tool = (
    name: string,
    input: Definition.ErasedSchema | undefined,
    output: Definition.ErasedSchema | undefined
  ): Tool => {
    const schema = { input: document(input, [name, "input"]), output: document(output, [name, "output"]) }
    return { hash: hash(schema), schema }
  }

  const node = (module: string, { node, output }: Definition.EffectDefinition) => {
    if (node === undefined) return
    const called = tool(nodePrefix + node.key, node.input, output)
    const known = nodes.get(node.key)
    if (known === undefined) nodes.set(node.key, called)
    else if (known.hash !== called.hash) {
      report([module], `it calls a node "${node.key}", and another module calls another node with this key`)
    }
  }

  const module = (plan: Plan, planned: PlannedModule, path: string): Tool => {
    const { definition, needs } = planned
    if (definition.kind === "effect") node(path, definition)
    const taken = needs.map(({ index, key }) => [key, ValueSchema.valueOf(plan.modules[index]!)] as const)
    return tool(
      path,
      taken.length === 0 ? undefined : ValueSchema.record(taken),
      definition.kind === "pure" ? definition.output : ValueSchema.valueOf(planned)
    )
  }

  /** Recursive over child Dags, whose nesting is limited; `prefix` is that of the place where it was found first. */
  const of = (plan: Plan, prefix: string): ReadonlyArray<Entry> => {
    let known = entries.get(plan)
    if (known === undefined) {
      known = plan.modules.flatMap((planned) => {
        const { child, definition, fingerprint, name } = planned
        const own = { path: name, fingerprint, tool: module(plan, planned, prefix + name) }
        if (child === undefined) return [own]
        const inside = definition.kind === "map" ? `${name}/:/` : `${name}/`
        return [own, ...of(child, prefix + inside).map((entry) => ({ ...entry, path: inside + entry.path }))]
      })
      entries.set(plan, known)
    }
    return known
  }

  return { nodes, of }
}

/**
 * The modules and tools of a Dag. All of it is frozen, at every depth.
 *
 * A tool's input and output are what its schemas are, not what its functions do with them. Of a module that needs others
 * the input is the record of what these give, by the names under which it needs them.
 *
 * Left is every fault at once: more than `maxModules` modules, a module whose path begins with `node:`, the input of a
 * node with a function that has no `identifier`, two nodes with one key.
 *
 * @example
 * ```ts
 * import { Dag, Module, Plan } from "heddle"
 * import * as ToolSchema from "heddle/plan/ToolSchema"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, output: Schema.Number, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const program = Effect.gen(function* () {
 *   const { tools } = yield* ToolSchema.of(yield* Plan.make(Doubling))
 *   return tools["double"]?.schema?.input
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (plan: Plan): Either.Either<ToolSchema, FlowInvalid> => {
  const modules = count(plan, new Map())
  const faults = new Map<string, Fault>()
  const report = (path: ReadonlyArray<string>, message: string) => {
    const at = path.join(".")
    faults.set(JSON.stringify([at, message]), { path: at, message })
  }
  const refused = () =>
    Either.left(new FlowInvalid({ name: plan.dag, faults: Frozen.deep(Array.from(faults.values())) }))

  if (modules > maxModules) {
    report(["modules"], `there are ${modules}, those of child Dags included: at most ${maxModules} can be registered`)
    return refused()
  }
  for (const { name } of plan.modules) {
    if (isNode(name)) report([name], `a module whose name begins with "${nodePrefix}" looks like a node`)
  }
  const made = make(report)
  const entries = made.of(plan, "")
  if (faults.size > 0) return refused()
  return Either.right(
    Frozen.deep({
      modules: Object.fromEntries(entries.map(({ fingerprint, path }) => [path, fingerprint])),
      tools: Object.fromEntries([
        ...entries.map(({ path, tool }) => [path, tool] as const),
        ...Array.from(made.nodes, ([key, tool]) => [nodePrefix + key, tool] as const)
      ])
    })
  )
}
