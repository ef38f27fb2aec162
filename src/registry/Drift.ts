/**
 * What differs between a registered flow and a Dag.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Dag from "../dag/Dag.js"
import type { Flow, Tool, Tools } from "../model/Flow.js"
import type { FlowInvalid } from "../model/FlowError.js"
import * as Frozen from "../model/Frozen.js"
import * as Plan from "../plan/Plan.js"
import * as ToolSchema from "../plan/ToolSchema.js"
import * as SchemaChange from "./internal/SchemaChange.js"

export { plan, resolve, type Decision, type MigrationPlan, type Step } from "./DriftPlan.js"

/**
 * - `unchanged`: nothing that can be seen differs
 * - `compatible`: what was encoded with the schemas of the flow is decoded by those of the Dag
 * - `breaking`: something that was encoded is refused, or it cannot be told
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = "unchanged" | "compatible" | "breaking"

/**
 * Why something is as it is. `path` leads to what differs, from `input` or `output` through the fields; `*` stands for
 * any key or item, and an empty path for the whole.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reason {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

/**
 * A module, by its path, or a node, as `node:` and its key. `differs`: what is not as it was; a node has no fingerprint of
 * its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolDrift {
  readonly name: string
  readonly verdict: Verdict | "added" | "removed"
  readonly differs: ReadonlyArray<"fingerprint" | "input" | "output">
  readonly reasons: ReadonlyArray<Reason>
}

/**
 * What differs, frozen at every depth.
 *
 * - `verdict`: `breaking` where a module or a node is so or was removed, or where a run has to be given an input that it
 *   had not; `unchanged` where the fingerprints of the Dags are equal and nothing differs
 * - `reasons`: what concerns the Dag as a whole
 * - `modules`, `nodes`: in the order of their names
 * - `tools`: those of the Dag that the flow has too and that take or give something else, for `FlowRegistry.reportDrift`,
 *   with `name` as its `flow`
 *
 * @since 0.1.0
 * @category models
 */
export interface DriftReport {
  readonly name: string
  readonly version: string
  readonly verdict: Verdict
  readonly fingerprint: { readonly before: string; readonly now: string }
  readonly reasons: ReadonlyArray<Reason>
  readonly modules: ReadonlyArray<ToolDrift>
  readonly nodes: ReadonlyArray<ToolDrift>
  readonly tools: Tools
}

const whole = (message: string): Reason => ({ path: [], message })

const worst = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  verdicts.includes("breaking") ? "breaking" : verdicts.includes("compatible") ? "compatible" : "unchanged"

/** What is taken, or given, and was. */
const side = (
  of: "input" | "output",
  before: NonNullable<Tool["schema"]>,
  now: NonNullable<Tool["schema"]>
): SchemaChange.SchemaChange => {
  const [earlier, later] = [before[of], now[of]]
  const at = (reasons: ReadonlyArray<Reason>) => reasons.map(({ message, path }) => ({ path: [of, ...path], message }))
  if (of === "input") {
    // whoever gave nothing goes on to do so
    if (earlier === null && later !== null) {
      return { verdict: "breaking", reasons: at([whole("it took nothing, and takes something now")]) }
    }
    if (earlier !== null && later === null) {
      return { verdict: "compatible", reasons: at([whole("it takes nothing any more")]) }
    }
  }
  const { reasons, verdict } = SchemaChange.compare(earlier, later)
  const isRead = of === "output" && earlier !== null && verdict === "compatible"
  const forReaders =
    isRead && SchemaChange.compare(later, earlier).verdict === "breaking"
      ? [whole("who reads it with the earlier schema may be given what that refuses")]
      : []
  return { verdict, reasons: at([...reasons, ...forReaders]) }
}

const schemas = (before: Tool, now: Tool): SchemaChange.SchemaChange & Pick<ToolDrift, "differs"> => {
  if (before.hash === now.hash) return { verdict: "unchanged", reasons: [], differs: [] }
  if (before.schema === null || now.schema === null) {
    const reasons = [whole("it takes or gives something else; what it was cannot be told: only its hash is known")]
    return { verdict: "breaking", reasons, differs: ["input", "output"] }
  }
  const [input, output] = [side("input", before.schema, now.schema), side("output", before.schema, now.schema)]
  return {
    verdict: worst([input.verdict, output.verdict]),
    reasons: [...input.reasons, ...output.reasons],
    differs: [
      ...(input.verdict === "unchanged" ? [] : (["input"] as const)),
      ...(output.verdict === "unchanged" ? [] : (["output"] as const))
    ]
  }
}

interface Known {
  readonly tool: Tool
  readonly fingerprint: string | undefined
}

const drift = (name: string, before: Known | undefined, now: Known | undefined, isInput: boolean): ToolDrift => {
  if (before === undefined) {
    const reasons = isInput ? [whole("a run has to be given it")] : []
    return { name, verdict: "added", differs: [], reasons }
  }
  if (now === undefined) return { name, verdict: "removed", differs: [], reasons: [] }
  const { differs, reasons, verdict } = schemas(before.tool, now.tool)
  if (before.fingerprint === now.fingerprint) return { name, verdict, differs, reasons }
  const what =
    "its fingerprint differs: its schemas or errors, its kind, version, needs, join or branch, what becomes of its " +
    "failures, or its child Dag"
  const alone = differs.length === 0 ? `${what}; what it takes and gives is as it was` : what
  return {
    name,
    verdict: worst([verdict, "compatible"]),
    differs: ["fingerprint", ...differs],
    reasons: [...reasons, whole(alone)]
  }
}

type Named<A> = { readonly [name: string]: A }

const own = <A>(record: Named<A>, name: string): A | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

const report = (flow: Flow, plan: Plan.Plan, { modules, tools }: ToolSchema.ToolSchema): DriftReport => {
  const inputs = new Set(plan.modules.flatMap(({ definition, name }) => (definition.kind === "input" ? [name] : [])))
  const knownOf = (tools: Tools, modules: Named<string>, name: string): Known | undefined => {
    const tool = own(tools, name)
    return tool && { tool, fingerprint: own(modules, name) }
  }
  const names = Array.from(new Set([...Object.keys(flow.tools), ...Object.keys(tools)])).sort()
  const drifts = names.map((name) =>
    drift(name, knownOf(flow.tools, flow.modules, name), knownOf(tools, modules, name), inputs.has(name))
  )
  const changed = names.filter((name) => {
    const [before, now] = [own(flow.tools, name), own(tools, name)]
    return before !== undefined && now !== undefined && before.hash !== now.hash
  })
  const isSame = flow.fingerprint === plan.fingerprint
  const isKnown = drifts.every(({ verdict }) => verdict === "unchanged")
  const reasons = [
    ...(flow.name === plan.dag ? [] : [whole(`the Dag is "${plan.dag}", which is another one`)]),
    ...(isSame || !isKnown
      ? []
      : [whole("its modules are as they were; the Dag's name, version, outputs or shared state is another")])
  ]
  const verdicts = drifts.map(({ name, verdict }): Verdict => {
    if (verdict === "added") return inputs.has(name) ? "breaking" : "compatible"
    return verdict === "removed" ? "breaking" : verdict
  })
  return Frozen.deep({
    name: flow.name,
    version: flow.version,
    verdict: worst([
      ...verdicts,
      isSame ? "unchanged" : "compatible",
      flow.name === plan.dag ? "unchanged" : "breaking"
    ]),
    fingerprint: { before: flow.fingerprint, now: plan.fingerprint },
    reasons,
    modules: drifts.filter(({ name }) => !ToolSchema.isNode(name)),
    nodes: drifts.filter(({ name }) => ToolSchema.isNode(name)),
    tools: Object.fromEntries(changed.map((name) => [name, tools[name]!]))
  })
}

/**
 * What differs between a flow as it was accepted and a Dag: module by module and node by node. Changes nothing; give the
 * report's `tools` to `FlowRegistry.reportDrift`, with its `name` as `flow`, to have the registry know.
 *
 * Schemas are compared by their structure, for values that were encoded with those of the flow: results that are stored,
 * and what is given by those who know the flow as it was. An output that is `compatible` may nevertheless be one that they
 * cannot read; its reasons say so. Where a module's own fingerprint differs it is at best `compatible`.
 *
 * **What is not seen**: a changed function: the body of `run`, `choose`, `over` or `merge`, of a node, or behind the
 * `identifier` of a schema. Neither are times, retries, limits or priorities. Give a module, a node or the Dag another
 * `version` when its functions do something else: that is part of its fingerprint.
 *
 * Fails with every fault of the Dag at once.
 *
 * @example
 * ```ts
 * import { Dag, Drift, FlowRegistry, Module } from "heddle"
 * import type { Flow } from "heddle/model/Flow"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const Doubling = Dag.make("doubling", {
 *   outputs: { twice: Module.pure("twice", { needs: { n }, output: Schema.Number, run: ({ n }) => n * 2 }) }
 * })
 *
 * const whatChanged = (registered: Flow) =>
 *   Effect.gen(function* () {
 *     const report = yield* Drift.detect(registered, Doubling)
 *     if (report.verdict !== "unchanged") yield* Effect.log(Drift.render(report))
 *     return yield* FlowRegistry.reportDrift(report.tools, { flow: report.name })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const detect = (flow: Flow, current: Dag.Any): Effect.Effect<DriftReport, Plan.PlanInvalid | FlowInvalid> =>
  Effect.flatMap(Plan.make(current), (plan) => Effect.map(ToolSchema.of(plan), (tools) => report(flow, plan, tools)))

/** What would move the cursor, break the line, change the direction of text, or is half of a surrogate pair. */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const printable = (text: string): string => text.replace(unprintable, "?")

const marks: { readonly [V in ToolDrift["verdict"]]: string } = {
  unchanged: "=",
  compatible: "~",
  breaking: "!",
  added: "+",
  removed: "-"
}

const line = ({ message, path }: Reason): string =>
  printable(path.length === 0 ? message : `${path.join(".")}: ${message}`)

/**
 * A report as text for people, the same for equal reports: what is unchanged is only counted.
 *
 * ```text
 * orders 1.2.0: breaking
 * ~ price: compatible
 *     output.discount: it was added, and is optional
 * ! node:shop/Ship: breaking
 *     input.weight: it was added, and is required
 * + stock: added
 * = 4 unchanged
 * ```
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (report: DriftReport): string => {
  const all = [...report.modules, ...report.nodes]
  const changed = all.filter(({ verdict }) => verdict !== "unchanged")
  const lines = [
    `${printable(report.name)} ${printable(report.version)}: ${report.verdict}`,
    ...report.reasons.map((reason) => `    ${line(reason)}`),
    ...changed.flatMap(({ name, reasons, verdict }) => [
      `${marks[verdict]} ${printable(name)}: ${verdict}`,
      ...reasons.map((reason) => `    ${line(reason)}`)
    ]),
    ...(changed.length === all.length ? [] : [`${marks.unchanged} ${all.length - changed.length} unchanged`])
  ]
  return lines.join("\n") + "\n"
}
