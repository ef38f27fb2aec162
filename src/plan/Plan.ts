/**
 * A Dag compiled once to dense arrays.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Dag from "../dag/Dag.js"
import * as Module from "../dag/Module.js"
import * as CanonicalJson from "../model/CanonicalJson.js"
import * as SchemaFingerprint from "./internal/SchemaFingerprint.js"

/**
 * One module of a plan. `needs` are the positions of what it needs, `fingerprint` covers its name, its needs, its
 * schemas and its `version`, not its functions.
 *
 * @since 0.1.0
 * @category models
 */
export interface PlannedModule {
  readonly name: string
  readonly definition: Module.Definition
  readonly fingerprint: string
  readonly needs: ReadonlyArray<{ readonly key: string; readonly index: number }>
}

/**
 * A Dag as the engine runs it. A module is known by its position in `modules`, where needs come before dependants;
 * positions do not depend on the order in which the Dag was written down.
 *
 * - `inDegree[i]`: how many needs module `i` has
 * - `dependants[dependantsFrom[i]]` up to, without, `dependants[dependantsFrom[i + 1]]`: who needs module `i`
 * - `outputs`: the Dag's outputs by key
 * - `fingerprint`: of the whole Dag: its name and `version`, its outputs and the fingerprints of all its modules
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  readonly dag: string
  readonly fingerprint: string
  readonly modules: ReadonlyArray<PlannedModule>
  readonly index: ReadonlyMap<string, number>
  readonly inDegree: ArrayLike<number>
  readonly dependantsFrom: ArrayLike<number>
  readonly dependants: ArrayLike<number>
  readonly outputs: ReadonlyArray<{ readonly key: string; readonly index: number }>
}

/**
 * One thing that is wrong with a Dag.
 *
 * @since 0.1.0
 * @category models
 */
export type PlanIssue = Data.TaggedEnum<{
  /** Two or more different modules share a name. */
  DuplicateName: { readonly name: string; readonly count: number }
  /** A name, or the key of an output or a need, is empty, reserved or has characters that cannot be stored. */
  InvalidName: {
    readonly of: "dag" | "module" | "output" | "need"
    readonly name: string
    readonly reason: string
    /** The module whose need it is. */
    readonly module?: string
  }
  /** A Dag without outputs does nothing. */
  NoOutputs: {}
  /** An output is a run input, which the caller has already. */
  OutputIsInput: { readonly output: string; readonly module: string }
  /** A need or an output is not a module. `of` is the module whose need it is, or undefined for an output. */
  NotAModule: { readonly of: string | undefined; readonly key: string }
  /** A part of a schema cannot be told from another by looking at it. */
  OpaqueSchema: {
    readonly module: string
    readonly schema: "input" | "output" | "error"
    readonly path: ReadonlyArray<string>
    readonly message: string
  }
}>

const issue = Data.taggedEnum<PlanIssue>()

const describe = issue.$match({
  DuplicateName: ({ count, name }) => `${count} modules are named ${JSON.stringify(name)}: give each its own name`,
  InvalidName: ({ module, name, of, reason }) =>
    `the ${of} name ${JSON.stringify(name)}${module === undefined ? "" : ` of module "${module}"`} ${reason}: choose another`,
  NoOutputs: () => "it has no outputs: name at least one module",
  OutputIsInput: ({ module, output }) => `the output "${output}" is the run input "${module}": leave it out`,
  NotAModule: ({ key, of }) =>
    `${of === undefined ? `the output "${key}"` : `the need "${key}" of module "${of}"`} is not a module`,
  OpaqueSchema: ({ message, module, path, schema }) =>
    `the ${schema} schema of module "${module}"${path.length === 0 ? "" : ` at ${path.join(".")}`}: ${message}`
})

/**
 * A Dag that cannot be run, with everything that is wrong with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class PlanInvalid extends Data.TaggedError("PlanInvalid")<{
  readonly dag: string
  readonly issues: Arr.NonEmptyReadonlyArray<PlanIssue>
}> {
  override get message() {
    return `the Dag "${this.dag}" cannot be run:${this.issues.map((_) => `\n- ${describe(_)}`).join("")}`
  }
}

/** These would be keys with a meaning of their own in the records of inputs and outputs. */
const reserved: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

const nameFault = (name: string): string | undefined => {
  if (name.trim() === "") return "is empty"
  if (reserved.has(name) || name.startsWith("heddle/")) return "is reserved"
  // eslint-disable-next-line no-control-regex -- control characters are what it refuses
  if (/[\u0000-\u001f\u007f]/.test(name)) return "has control characters"
  if (/\p{Surrogate}/u.test(name)) return "is not well-formed Unicode"
  return undefined
}

const needsOf = (module: Module.Any): Module.Needs =>
  module.definition.kind === "input" ? {} : module.definition.needs

const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Needs before dependants, without recursion: a chain may be longer than the stack is deep. */
const inOrder = (dag: Dag.Any, report: (issue: PlanIssue) => void): ReadonlyArray<Module.Any> => {
  const ordered: Array<Module.Any> = []
  const seen = new Set<Module.Any>()
  const stack: Array<{ readonly module: Module.Any; readonly needs: ReadonlyArray<Module.Any>; next: number }> = []
  const children = (of: string | undefined, record: Module.Needs) =>
    Object.keys(record)
      .sort(byName)
      .flatMap((key) => {
        const module = record[key]
        if (Module.isModule(module)) return [module]
        report(issue.NotAModule({ of, key }))
        return []
      })
  const enter = (module: Module.Any) => {
    if (seen.has(module)) return
    seen.add(module)
    stack.push({ module, needs: children(module.name, needsOf(module)), next: 0 })
  }
  for (const output of children(undefined, dag.outputs)) {
    enter(output)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = top.needs[top.next++]
      if (need !== undefined) enter(need)
      else {
        stack.pop()
        ordered.push(top.module)
      }
    }
  }
  return ordered
}

const compile = (dag: Dag.Any): Either.Either<Plan, PlanInvalid> => {
  const issues: Array<PlanIssue> = []
  const report = (found: PlanIssue) => void issues.push(found)

  const dagFault = nameFault(dag.name)
  if (dagFault !== undefined) report(issue.InvalidName({ of: "dag", name: dag.name, reason: dagFault }))
  const outputKeys = Object.keys(dag.outputs).sort(byName)
  if (outputKeys.length === 0) report(issue.NoOutputs())

  const modules = inOrder(dag, report)
  const named = new Map<string, number>()
  for (const { name } of modules) named.set(name, (named.get(name) ?? 0) + 1)
  for (const [name, count] of named) {
    if (count > 1) report(issue.DuplicateName({ name, count }))
    const reason = nameFault(name)
    if (reason !== undefined) report(issue.InvalidName({ of: "module", name, reason }))
  }
  for (const module of modules) {
    for (const name of Object.keys(needsOf(module))) {
      const reason = nameFault(name)
      if (reason !== undefined) report(issue.InvalidName({ of: "need", name, reason, module: module.name }))
    }
  }
  for (const key of outputKeys) {
    const reason = nameFault(key)
    if (reason !== undefined) report(issue.InvalidName({ of: "output", name: key, reason }))
    const module = dag.outputs[key]
    if (Module.isModule(module) && module.definition.kind === "input") {
      report(issue.OutputIsInput({ output: key, module: module.name }))
    }
  }

  // many modules share a schema: each is described once
  const described = new Map<Module.ErasedSchema, ReturnType<typeof SchemaFingerprint.describe>>()
  const schemaOf = (
    module: string,
    role: "input" | "output" | "error",
    schema: Module.ErasedSchema | undefined
  ): unknown => {
    if (schema === undefined) return null
    let description = described.get(schema)
    if (description === undefined) described.set(schema, (description = SchemaFingerprint.describe(schema)))
    if (Either.isRight(description)) return description.right
    for (const { message, path } of description.left) {
      report(issue.OpaqueSchema({ module, schema: role, path, message }))
    }
    return null
  }
  const fingerprintOf = ({ definition, name }: Module.Any): string => {
    const needs = Object.fromEntries(
      Object.entries(definition.kind === "input" ? {} : definition.needs).flatMap(([key, need]) =>
        Module.isModule(need) ? [[key, need.name]] : []
      )
    )
    return fingerprint({
      name,
      kind: definition.kind,
      needs,
      input: definition.kind === "input" ? schemaOf(name, "input", definition.schema) : null,
      output: definition.kind === "input" ? null : schemaOf(name, "output", definition.output),
      error: definition.kind === "effect" ? schemaOf(name, "error", definition.error) : null,
      version: definition.kind === "input" ? null : versionOf(definition.version)
    })
  }
  // what is not well formed cannot be hashed, and is refused anyway
  const fingerprint = (description: unknown): string =>
    issues.length > 0 ? "" : CanonicalJson.hash(Either.getOrThrow(CanonicalJson.stringify(description)))

  const index = new Map(modules.map((module, i) => [module.name, i]))
  const fingerprints = modules.map(fingerprintOf)
  if (isNonEmpty(issues)) return Either.left(new PlanInvalid({ dag: dag.name, issues }))

  const positionOf = (module: Module.Any | undefined): number => index.get(module?.name ?? "") ?? -1
  const planned = modules.map((module, i): PlannedModule => {
    const needs = needsOf(module)
    return {
      name: module.name,
      definition: module.definition,
      fingerprint: fingerprints[i]!,
      needs: Object.keys(needs).map((key) => ({ key, index: positionOf(needs[key]) }))
    }
  })
  return Either.right(
    Object.freeze({
      dag: dag.name,
      fingerprint: fingerprint({
        name: dag.name,
        version: versionOf(dag.version),
        outputs: Object.fromEntries(outputKeys.map((key) => [key, dag.outputs[key]!.name])),
        modules: Object.fromEntries(planned.map((module) => [module.name, module.fingerprint]))
      }),
      modules: planned,
      index,
      inDegree: Int32Array.from(planned, (module) => module.needs.length),
      ...dependantsOf(planned),
      outputs: outputKeys.map((key) => ({ key, index: positionOf(dag.outputs[key]) }))
    })
  )
}

/** As JSON escapes it: a version may be any string, also one that is not well-formed Unicode. */
const versionOf = (version: string | undefined) => (version === undefined ? null : JSON.stringify(version))

/** Counting sort of the edges by the module that is needed. */
const dependantsOf = (modules: ReadonlyArray<PlannedModule>) => {
  const dependantsFrom = new Int32Array(modules.length + 1)
  for (const { needs } of modules) for (const need of needs) dependantsFrom[need.index + 1]!++
  for (let i = 0; i < modules.length; i++) dependantsFrom[i + 1]! += dependantsFrom[i]!
  const filled = dependantsFrom.slice()
  const dependants = new Int32Array(dependantsFrom[modules.length]!)
  modules.forEach(({ needs }, i) => {
    for (const need of needs) dependants[filled[need.index]!++] = i
  })
  return { dependants, dependantsFrom }
}

const isNonEmpty = <A>(array: ReadonlyArray<A>): array is Arr.NonEmptyReadonlyArray<A> => array.length > 0

/** A memo of a pure function of an immutable value: it changes what a call costs, never what it gives. */
const compiled = new WeakMap<Dag.Any, Either.Either<Plan, PlanInvalid>>()

/**
 * The plan of a Dag: compiled the first time, the same value ever after. Fails with every fault of the Dag at once.
 *
 * @example
 * ```ts
 * import { Dag, Module, Plan } from "heddle"
 * import { Effect } from "effect"
 *
 * const one = Module.pure("one", { run: () => 1 })
 * const plan = Plan.make(Dag.make("ones", { outputs: { one } }))
 * Effect.map(plan, (_) => _.modules.length) // 1
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (dag: Dag.Any): Effect.Effect<Plan, PlanInvalid> =>
  Effect.suspend(() => {
    let plan = compiled.get(dag)
    if (plan === undefined) compiled.set(dag, (plan = compile(dag)))
    return plan
  })
