/** The Dag that a workflow contract declares. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Dag from "../../dag/Dag.js"
import * as Module from "../../dag/Module.js"
import type * as Node from "../../dag/Node.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { NodeValueInvalid } from "../../model/NodeError.js"
import * as Condition from "../Condition.js"
import { isJson, Json } from "../Json.js"
import * as Shape from "../Shape.js"
import * as Template from "../Template.js"
import type { Step, WorkflowContract } from "../WorkflowContract.js"
import * as ContractFields from "./ContractFields.js"

type Modules = { readonly [name: string]: Module.Any }

/** A step and, where the mode says more than `depends_on`, the steps that must have ended before it as well. */
interface Placed {
  readonly step: Step
  readonly after: ReadonlyArray<string>
}

/** Waves of at most `size` enabled steps, none of which depends on one of its own or a later wave. */
const waves = (steps: ReadonlyArray<Step>, size: number): ReadonlyArray<ReadonlyArray<Step>> => {
  const waiting = new Set(steps.filter(({ enabled }) => enabled))
  const ended = new Set(steps.filter(({ enabled }) => !enabled).map(({ name }) => name))
  const found: Array<ReadonlyArray<Step>> = []
  while (waiting.size > 0) {
    const ready = [...waiting].filter(({ depends_on }) => depends_on.every((name) => ended.has(name)))
    // those of one priority stay as they are declared
    const wave = ready.sort((a, b) => b.priority - a.priority).slice(0, size)
    // no sound contract has a cycle
    if (wave.length === 0) break
    for (const step of wave) {
      waiting.delete(step)
      ended.add(step.name)
    }
    found.push(wave)
  }
  return found
}

/** The steps in an order in which each comes after what it depends on. */
const place = ({ batch_size, mode, steps }: WorkflowContract): ReadonlyArray<Placed> => {
  const disabled = steps.filter(({ enabled }) => !enabled).map((step) => ({ step, after: [] }))
  const size = mode === "parallel" ? Infinity : mode === "sequential" ? 1 : (batch_size ?? 1)
  const placed = waves(steps, size).flatMap((wave, at, all) => {
    const before = mode === "parallel" || at === 0 ? [] : all[at - 1]!.map(({ name }) => name)
    return wave.map((step) => ({ step, after: before }))
  })
  return [...disabled, ...placed]
}

/** What expressions see: the steps that completed, of those that a step depends on. */
const rootsOf = (names: ReadonlyArray<string>, values: { readonly [name: string]: Option.Option<unknown> }) => {
  const json = (name: string): ReadonlyArray<readonly [string, Json]> =>
    Option.match(values[name] ?? Option.none(), {
      onNone: () => [],
      // every module of a workflow gives JSON
      onSome: (value) => [[name, value as Json] as const]
    })
  const [input] = json("input")
  return { input: input?.[1] ?? null, needs: Object.fromEntries(names.flatMap(json)) }
}

const invalid = (node: Node.Any, value: "input" | "output") => (issue: ParseResult.ParseError) =>
  new NodeValueInvalid({ node: node.key, value, faults: ParseResult.TreeFormatter.formatErrorSync(issue) })

/** One call, from JSON to JSON by the schemas of the node. */
const called = (node: Node.Any, input: Json): Effect.Effect<Json, unknown, unknown> =>
  Schema.decodeUnknown(node.description.input)(input).pipe(
    Effect.mapError(invalid(node, "input")),
    // erasure: this is what its schema decoded
    Effect.flatMap((decoded) => node.call(decoded as never)),
    Effect.flatMap((output) =>
      Effect.mapError(Schema.encodeUnknown(node.description.output)(output), invalid(node, "output"))
    ),
    Effect.filterOrFail(isJson, () => {
      const faults = "it is not encoded as JSON: give the node an output schema that is"
      return new NodeValueInvalid({ node: node.key, value: "output", faults })
    })
  )

/** The branch of a step that may be skipped before it starts; undefined for one that may not. */
const enabledBranch = (step: Step, needs: Modules, version: string) => {
  const { depends_on, enabled, name, when } = step
  if (enabled && when === undefined) return undefined
  // a route is skipped with what it needs, so what it needs is a module that never is
  const asked = Module.pure(`when.${name}`, {
    needs: enabled ? needs : {},
    join: "noneFailed",
    output: Schema.Boolean,
    version,
    run: (values) => enabled && when !== undefined && Condition.evaluate(when, rootsOf(depends_on, values))
  })
  const route = Module.route(`enabled.${name}`, {
    needs: { asked },
    branches: ["yes", "no"],
    choose: ({ asked }) => (asked ? "yes" : "no")
  })
  return route.is("yes")
}

const moduleOf = ({ after, step }: Placed, node: Node.Any, modules: Modules): Module.Any => {
  const { depends_on, fallback, input, name, on_error, priority, retry, timeout } = step
  const version = CanonicalJson.hash(JSON.stringify([node.key, node.description.version, step]))
  const names = new Set(["input", ...depends_on, ...after])
  const needs = Object.fromEntries([...names].map((name) => [name, modules[name]!]))
  const when = enabledBranch(step, needs, version)
  const run = (values: { readonly [name: string]: Option.Option<unknown> }) => {
    const roots = rootsOf(depends_on, values)
    return called(node, input === undefined ? roots.input : (Template.valueOf(input, roots) ?? null))
  }
  return Module.make(name, {
    needs: step.enabled ? needs : {},
    join: "noneFailed",
    ...(when === undefined ? {} : { when }),
    output: Json,
    // erasure: what it requires is that of the node, which joins the requirements of the Dag
    error: Schema.Union(node.description.error, NodeValueInvalid) as unknown as Schema.Schema<unknown>,
    run,
    version,
    priority,
    ...(timeout === undefined ? {} : { timeout }),
    ...(retry === undefined ? {} : { retry: ContractFields.scheduleOf(retry) }),
    onFailure: on_error === "continue" ? () => Effect.succeed(fallback ?? null) : on_error
  })
}

export const make = (contract: WorkflowContract, nodes: { readonly [name: string]: Node.Any }): Dag.Any => {
  const modules: Record<string, Module.Any> = { input: Module.input("input", Shape.toSchema(contract.input)) }
  // in this order what a step needs is there
  for (const placed of place(contract)) modules[placed.step.name] = moduleOf(placed, nodes[placed.step.node]!, modules)
  const names = contract.steps.map(({ name }) => name)
  const { output } = contract
  const result = Module.pure("result", {
    needs: modules,
    join: "noneFailed",
    output: Json,
    version: CanonicalJson.hash(JSON.stringify(output ?? names)),
    run: (values) => {
      const roots = rootsOf(names, values)
      return output === undefined ? roots.needs : (Template.valueOf(output, roots) ?? null)
    }
  })
  return Dag.make(contract.name, {
    outputs: { result },
    ...(contract.version === undefined ? {} : { version: contract.version })
  })
}
