/**
 * A Dag compiled once to dense arrays.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Dag from "../dag/Dag.js"
import type * as Definition from "../dag/Definition.js"
import type * as Module from "../dag/Module.js"
import type * as Shared from "../dag/Shared.js"
import * as ModuleFingerprint from "./internal/ModuleFingerprint.js"
import * as Traversal from "./internal/Traversal.js"
import * as Validation from "./internal/Validation.js"
import { PlanInvalid, PlanIssue } from "./PlanIssue.js"

export { PlanInvalid, PlanIssue }

/**
 * How deep child Dags may be nested in each other.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDepth = 16

/**
 * How many signals a Dag may have, those inside of its child Dags counted for each module that runs these: their paths
 * are stored with each run. A map counts once, however many items it has.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxSignals = 10_000

/**
 * One module of a plan. `fingerprint` covers its name, its kind, its needs and how it joins them, its branch, its
 * schemas, what becomes of its failures, its child Dag and its `version`: neither its functions nor how fast, how often
 * or how many at a time it runs.
 *
 * - `needs`: the positions of what it needs
 * - `when`: the position of the route to whose `branch` it belongs
 * - `child`: the plan of the Dag that it runs, or that it runs for each item
 *
 * @since 0.1.0
 * @category models
 */
export interface PlannedModule {
  readonly name: string
  readonly definition: Definition.Definition
  readonly fingerprint: string
  readonly needs: ReadonlyArray<{ readonly key: string; readonly index: number }>
  readonly when: { readonly index: number; readonly branch: string } | undefined
  readonly child: Plan | undefined
}

/**
 * A Dag as the engine runs it. A module is known by its position in `modules`, where needs and routes come before
 * dependants; positions do not depend on the order in which the Dag was written down.
 *
 * - `inDegree[i]`: how many needs module `i` has, and one more when it belongs to a branch
 * - `dependants[dependantsFrom[i]]` up to, without, `dependants[dependantsFrom[i + 1]]`: who needs module `i` or belongs
 *   to a branch of it
 * - `outputs`: the Dag's outputs by key; `shared`: its groups by name, each once
 * - `signals`: the paths of all signals, also inside child Dags; `:` stands for the index of an item, as in
 *   `orders/:/approval`
 * - `limits`: the limits that modules are under, each once, with the path of the first such module
 * - `fingerprint`: of the whole Dag: its name and `version`, its outputs, the cells of its groups and the fingerprints of
 *   all its modules; `version`: the Dag's own
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  readonly dag: string
  readonly version: string | undefined
  readonly fingerprint: string
  readonly modules: ReadonlyArray<PlannedModule>
  readonly index: ReadonlyMap<string, number>
  readonly inDegree: ArrayLike<number>
  readonly dependantsFrom: ArrayLike<number>
  readonly dependants: ArrayLike<number>
  readonly outputs: ReadonlyArray<{ readonly key: string; readonly index: number }>
  readonly shared: ReadonlyArray<Shared.AnyGroup>
  readonly signals: ReadonlyArray<string>
  readonly limits: ReadonlyArray<{ readonly module: string; readonly limit: string }>
}

/** The plans of the child Dags, without those that are nested too deep. */
const childPlans = (modules: ReadonlyArray<Module.Any>, report: (issue: PlanIssue) => void) => {
  const plans = new Map<Dag.Any, Plan | undefined>()
  for (const { definition, name } of modules) {
    const child = Traversal.childOf(definition)?.dag
    if (!Dag.isDag(child)) continue
    const depth = Traversal.depth(child) + 1
    if (depth > maxDepth) report(PlanIssue.TooDeep({ module: name, depth, max: maxDepth }))
    else if (!plans.has(child)) {
      const plan = compiledOnce(child)
      if (Either.isLeft(plan))
        report(PlanIssue.ChildInvalid({ module: name, dag: child.name, issues: plan.left.issues }))
      plans.set(child, Either.getOrUndefined(plan))
    }
  }
  return plans
}

const compile = (dag: Dag.Any): Either.Either<Plan, PlanInvalid> => {
  const issues: Array<PlanIssue> = []
  const report = (found: PlanIssue) => void issues.push(found)

  Validation.checkHead(dag, report)
  const { issues: notModules, modules } = Traversal.make(dag)
  notModules.forEach(report)
  Validation.check(dag, modules, report)
  const plans = childPlans(modules, report)
  const childOf = (definition: Definition.Definition) => {
    const child = Traversal.childOf(definition)
    return child === undefined ? undefined : plans.get(child.dag)
  }
  const signals = modules.reduce(
    (count, { definition }) => count + (definition.kind === "signal" ? 1 : (childOf(definition)?.signals.length ?? 0)),
    0
  )
  if (signals > maxSignals) report(PlanIssue.TooManySignals({ count: signals, max: maxSignals }))
  const groups = Validation.groupsOf(dag)
  const describe = ModuleFingerprint.make(report)
  const descriptions = modules.map((module) => describe.module(module, childOf(module.definition)?.fingerprint))
  const shared = describe.shared(groups)
  if (isNonEmpty(issues)) return Either.left(new PlanInvalid({ dag: dag.name, issues }))

  const index = new Map(modules.map(({ name }, i) => [name, i]))
  const positionOf = (module: Module.Any | undefined): number => index.get(module?.name ?? "") ?? -1
  const planned = modules.map((module, i): PlannedModule => {
    const { definition, name } = module
    const needs = Traversal.needsOf(module)
    const when = definition.kind === "input" ? undefined : definition.when
    return {
      name,
      definition,
      fingerprint: ModuleFingerprint.hash(descriptions[i]),
      needs: Object.keys(needs).map((key) => ({ key, index: positionOf(needs[key]) })),
      when: when && { index: positionOf(when.route), branch: when.branch },
      child: childOf(definition)
    }
  })
  const outputKeys = Object.keys(dag.outputs).sort(Traversal.byName)
  return Either.right(
    Object.freeze({
      dag: dag.name,
      version: dag.version,
      fingerprint: ModuleFingerprint.hash({
        name: dag.name,
        version: ModuleFingerprint.version(dag.version),
        outputs: Object.fromEntries(outputKeys.map((key) => [key, dag.outputs[key]!.name])),
        modules: Object.fromEntries(planned.map((module) => [module.name, module.fingerprint])),
        shared
      }),
      modules: planned,
      index,
      inDegree: Int32Array.from(planned, (module) => before(module).length),
      ...dependantsOf(planned),
      outputs: outputKeys.map((key) => ({ key, index: positionOf(dag.outputs[key]) })),
      shared: groups,
      signals: planned.flatMap((module) => [
        ...(module.definition.kind === "signal" ? [module.name] : []),
        ...inside(module, (child) => child.signals).map(({ of, path }) => path(of))
      ]),
      limits: eachOnce(
        planned.flatMap((module) => [
          ...limitOf(module),
          ...inside(module, (child) => child.limits).map(({ of, path }) => ({ ...of, module: path(of.module) }))
        ])
      )
    })
  )
}

/** What has to end before a module may run. */
const before = ({ needs, when }: PlannedModule): ReadonlyArray<{ readonly index: number }> =>
  when === undefined ? needs : [...needs, when]

/** What the child Dag of a module has, with the way from there to its path here. */
const inside = <A>({ child, definition, name }: PlannedModule, list: (child: Plan) => ReadonlyArray<A>) => {
  const prefix = definition.kind === "map" ? `${name}/:/` : `${name}/`
  return child === undefined ? [] : list(child).map((of) => ({ of, path: (path: string) => prefix + path }))
}

const limitOf = ({ definition, name }: PlannedModule) =>
  (definition.kind === "effect" || definition.kind === "map") && definition.limit !== undefined
    ? [{ module: name, limit: definition.limit }]
    : []

/** A Dag that many modules run would otherwise be counted for each of them, and for each of their parents'. */
const eachOnce = (limits: Plan["limits"]): Plan["limits"] => {
  const first = new Map<string, Plan["limits"][number]>()
  for (const named of limits) if (!first.has(named.limit)) first.set(named.limit, named)
  return Array.from(first.values())
}

/** Counting sort of the edges by the module that is needed. */
const dependantsOf = (modules: ReadonlyArray<PlannedModule>) => {
  const dependantsFrom = new Int32Array(modules.length + 1)
  for (const module of modules) for (const { index } of before(module)) dependantsFrom[index + 1]!++
  for (let i = 0; i < modules.length; i++) dependantsFrom[i + 1]! += dependantsFrom[i]!
  const filled = dependantsFrom.slice()
  const dependants = new Int32Array(dependantsFrom[modules.length]!)
  modules.forEach((module, i) => {
    for (const { index } of before(module)) dependants[filled[index]!++] = i
  })
  return { dependants, dependantsFrom }
}

const isNonEmpty = <A>(array: ReadonlyArray<A>): array is Arr.NonEmptyReadonlyArray<A> => array.length > 0

/** A memo of a pure function of an immutable value: it changes what a call costs, never what it gives. */
const compiled = new WeakMap<Dag.Any, Either.Either<Plan, PlanInvalid>>()

/** Recursive over child Dags, whose nesting is limited. */
const compiledOnce = (dag: Dag.Any): Either.Either<Plan, PlanInvalid> => {
  let plan = compiled.get(dag)
  if (plan === undefined) compiled.set(dag, (plan = compile(dag)))
  return plan
}

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
export const make = (dag: Dag.Any): Effect.Effect<Plan, PlanInvalid> => Effect.suspend(() => compiledOnce(dag))
