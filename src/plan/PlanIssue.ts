/**
 * What can be wrong with a Dag.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Inspectable from "effect/Inspectable"

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
    readonly of: "dag" | "module" | "output" | "need" | "branch" | "shared group" | "shared cell"
    readonly name: string
    readonly reason: string
    /** The module whose need or branch it is. */
    readonly module?: string
    /** The shared group whose cell it is. */
    readonly group?: string
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
    readonly schema: "input" | "output" | "error" | "value"
    readonly path: ReadonlyArray<string>
    readonly message: string
  }
  /** What the `when` of a module names is no route; `route` is the name of the module that it is, if it is one. */
  NotARoute: { readonly module: string; readonly route: string | undefined }
  /** The `when` of a module names a branch that the route does not have. */
  UnknownBranch: {
    readonly module: string
    readonly route: string
    readonly branch: string
    readonly branches: ReadonlyArray<string>
  }
  /** A route without branches cannot choose. */
  NoBranches: { readonly module: string }
  /** A route has a branch twice. */
  DuplicateBranch: { readonly module: string; readonly branch: string }
  /** The default of a route is not one of its branches. */
  UnknownDefault: { readonly module: string; readonly branch: string; readonly branches: ReadonlyArray<string> }
  /** An option of a module has a value that it cannot have. */
  InvalidOption: {
    readonly module: string
    readonly option: string
    readonly value: unknown
    readonly reason: string
  }
  /** Two or more different shared groups have a name. */
  DuplicateGroup: { readonly name: string; readonly count: number }
  /** A shared cell cannot be stored, or its schema has a part that cannot be told from another. */
  InvalidCell: { readonly group: string; readonly cell: string; readonly message: string }
  /** The `dag` of a module is not a Dag. */
  NotADag: { readonly module: string }
  /** A child Dag cannot be run. One that several modules run is reported for the first of them. */
  ChildInvalid: {
    readonly module: string
    readonly dag: string
    readonly issues: Arr.NonEmptyReadonlyArray<PlanIssue>
  }
  /** Child Dags are nested in this module `depth` deep. */
  TooDeep: { readonly module: string; readonly depth: number; readonly max: number }
  /** So many signals, those inside of child Dags counted for each module that runs these, would be stored with each run. */
  TooManySignals: { readonly count: number; readonly max: number }
}>

/**
 * Constructors, and `$match` and `$is`.
 *
 * @example
 * ```ts
 * import { Dag, Module, Plan } from "heddle"
 * import { Effect } from "effect"
 *
 * const one = Module.pure("one", { run: () => 1 })
 * const another = Module.pure("one", { run: () => 2 })
 *
 * const doubled = Plan.make(Dag.make("ones", { outputs: { one, another } })).pipe(
 *   Effect.flip,
 *   Effect.map(({ issues }) => issues.filter(Plan.PlanIssue.$is("DuplicateName")).map(({ name }) => name))
 * )
 * // ["one"]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const PlanIssue = Data.taggedEnum<PlanIssue>()

/** A value as one would write it down. */
const shown = (value: unknown): string => {
  if (typeof value === "number") return String(value)
  if (typeof value === "bigint") return `${value}n`
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`
  return typeof value === "string" ? JSON.stringify(value) : Inspectable.toStringUnknown(value, 0)
}

const listed = (branches: ReadonlyArray<string>) =>
  branches.length === 0 ? "it has none" : `it has ${branches.map((branch) => JSON.stringify(branch)).join(", ")}`

const list = (issues: ReadonlyArray<PlanIssue>, indent: string): string =>
  issues.map((issue) => `\n${indent}- ${describe(issue, indent)}`).join("")

const describe = (issue: PlanIssue, indent: string): string =>
  PlanIssue.$match(issue, {
    DuplicateName: ({ count, name }) => `${count} modules are named ${JSON.stringify(name)}: give each its own name`,
    InvalidName: ({ group, module, name, of, reason }) => {
      const owner = module !== undefined ? ` of module "${module}"` : group !== undefined ? ` of group "${group}"` : ""
      return `the ${of} name ${JSON.stringify(name)}${owner} ${reason}: choose another`
    },
    NoOutputs: () => "it has no outputs: name at least one module",
    OutputIsInput: ({ module, output }) => `the output "${output}" is the run input "${module}": leave it out`,
    NotAModule: ({ key, of }) =>
      `${of === undefined ? `the output "${key}"` : `the need "${key}" of module "${of}"`} is not a module`,
    OpaqueSchema: ({ message, module, path, schema }) =>
      `the ${schema} schema of module "${module}"${path.length === 0 ? "" : ` at ${path.join(".")}`}: ${message}`,
    NotARoute: ({ module, route }) =>
      `the \`when\` of module "${module}" ${route === undefined ? "is not a branch of a route" : `is of module "${route}", which is no route`}: take it from a route, as in decide.is("approve")`,
    UnknownBranch: ({ branch, branches, module, route }) =>
      `module "${module}" is in the branch ${JSON.stringify(branch)} of route "${route}", which does not have it (${listed(branches)}): take one that it has, or add it`,
    NoBranches: ({ module }) => `route "${module}" has no branches: give it at least one`,
    DuplicateBranch: ({ branch, module }) =>
      `route "${module}" has the branch ${JSON.stringify(branch)} more than once: name it once`,
    UnknownDefault: ({ branch, branches, module }) =>
      `the default ${JSON.stringify(branch)} of route "${module}" is none of its branches (${listed(branches)}): take one of them, or add it`,
    InvalidOption: ({ module, option, reason, value }) =>
      `the ${option} of module "${module}" is ${shown(value)}: ${reason}`,
    DuplicateGroup: ({ count, name }) =>
      `${count} shared groups are named ${JSON.stringify(name)}: give each its own name`,
    InvalidCell: ({ cell, group, message }) => `the cell "${cell}" of shared group "${group}": ${message}`,
    NotADag: ({ module }) => `the \`dag\` of module "${module}" is not a Dag: make it with Dag.make`,
    ChildInvalid: ({ dag, issues, module }) =>
      `the Dag "${dag}" of module "${module}" cannot be run:${list(issues, `${indent}  `)}`,
    TooDeep: ({ depth, max, module }) =>
      `module "${module}" nests child Dags ${depth} deep, and at most ${max} are allowed: move modules of the inner ones up`,
    TooManySignals: ({ count, max }) =>
      `it has ${count} signals with those of its child Dags, and at most ${max} are allowed: map over a list of what is waited for`
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
    return `the Dag "${this.dag}" cannot be run:${list(this.issues, "")}`
  }
}
