/** What a workflow contract must say of itself. */
import * as Arr from "effect/Array"
import { Problem } from "../ContractFault.js"
import { any, objectOf, type Scope } from "./ContractScope.js"
import * as Rules from "./ContractRules.js"

/** The kinds of the nodes that there are, by name. */
export type Kinds = ReadonlyMap<string, string>

interface Step {
  readonly view: Rules.View
  readonly name: string | undefined
  readonly needs: ReadonlyArray<Rules.View>
}

/** One cycle of each set of steps that wait for each other, from the first of them that the file has. */
const cycles = (
  steps: ReadonlyArray<Step>
): ReadonlyArray<{ readonly of: Step; readonly members: Arr.NonEmptyReadonlyArray<string> }> => {
  // of two with one name the first
  const named = new Map(
    [...steps].reverse().flatMap((step) => (step.name === undefined ? [] : [[step.name, step] as const]))
  )
  const settled = new Set<string>()
  const found: Array<{ readonly of: Step; readonly members: Arr.NonEmptyReadonlyArray<string> }> = []
  for (const start of [...named.keys()].reverse()) {
    // a walk by hand: a chain may be longer than the stack is deep
    const way: Array<{ readonly name: string; readonly rest: Array<string> }> = []
    const enter = (name: string) => {
      const needs = named.get(name)!.needs.flatMap((need) => Rules.text(need) ?? [])
      way.push({ name, rest: needs.filter((need) => named.has(need)) })
    }
    if (!settled.has(start)) enter(start)
    while (way.length > 0) {
      const { name, rest } = way.at(-1)!
      const next = rest.shift()
      if (next === undefined) {
        settled.add(name)
        way.pop()
        continue
      }
      if (settled.has(next)) continue
      const from = way.findIndex((step) => step.name === next)
      if (from === -1) enter(next)
      else {
        const members = way.slice(from).map((step) => step.name)
        if (Arr.isNonEmptyReadonlyArray(members)) found.push({ of: named.get(members[0])!, members })
      }
    }
  }
  return found
}

const names = (steps: ReadonlyArray<Step>, { line, report }: Rules.Context): void => {
  const first = new Map<string, Rules.View>()
  for (const { name, view } of steps) {
    if (name === undefined) continue
    const before = first.get(name)
    if (before === undefined) first.set(name, view)
    else
      report(
        Rules.field(view, "name").path,
        Problem.DuplicateName({ name, first: line(Rules.field(before, "name").path) })
      )
  }
}

/** A field that would have no effect, or would have one that is not allowed. */
const conflicts = (contract: Rules.View, steps: ReadonlyArray<Step>, { report }: Rules.Context): void => {
  const mode = Rules.field(contract, "mode").value
  const size = Rules.field(contract, "batch_size")
  if (mode === "batch" && size.value === undefined) report(contract.path, Problem.MissingField({ field: "batch_size" }))
  if (mode !== "batch" && size.value !== undefined)
    report(size.path, Problem.Conflict({ reason: "`batch_size` is for `mode: batch`: remove it" }))
  for (const { view } of steps) {
    const fallback = Rules.field(view, "fallback")
    const error = Rules.field(view, "on_error").value
    if (fallback.value !== undefined && error !== "continue")
      report(fallback.path, Problem.Conflict({ reason: "`fallback` is for `on_error: continue`: remove it" }))
    if (fallback.value === undefined && error === "continue")
      report(view.path, Problem.MissingField({ field: "fallback" }))
    const retry = Rules.field(view, "retry")
    const kind = Rules.field(view, "kind").value
    const idempotent = Rules.field(view, "idempotent")
    if (retry.value !== undefined && kind === "effect" && idempotent.value !== true) {
      const reason = "a step of kind `effect` is retried only with `idempotent: true`: say so, or remove `retry`"
      report(retry.path, Problem.Conflict({ reason }))
    }
    if (idempotent.value !== undefined && (retry.value === undefined || kind !== "effect")) {
      const reason = "`idempotent` is for steps of kind `effect` with `retry`: remove it"
      report(idempotent.path, Problem.Conflict({ reason }))
    }
  }
}

const expressions = (contract: Rules.View, steps: ReadonlyArray<Step>, context: Rules.Context): void => {
  const declared = Rules.field(contract, "input")
  const input = declared.value === undefined ? any : Rules.shape(declared)
  const scopeOf = (needs: ReadonlyArray<string>): Scope => ({
    input,
    needs: objectOf(Object.fromEntries(needs.map((name) => [name, any])))
  })
  for (const { needs, view } of steps) {
    const scope = scopeOf(needs.flatMap((need) => Rules.text(need) ?? []))
    Rules.condition(Rules.field(view, "when"), scope, context)
    Rules.template(Rules.field(view, "input"), scope, context)
  }
  Rules.template(Rules.field(contract, "output"), scopeOf(steps.flatMap(({ name }) => name ?? [])), context)
}

export const nodes = (contract: Rules.View, kinds: Kinds, { report }: Rules.Context): void => {
  for (const view of Rules.items(Rules.field(contract, "steps"))) {
    const named = Rules.field(view, "node")
    const node = Rules.text(named)
    if (node === undefined) continue
    const actual = kinds.get(node)
    const kind = Rules.field(view, "kind")
    const expected = Rules.text(kind)
    if (actual === undefined) report(named.path, Problem.UnknownNode({ node, nodes: [...kinds.keys()] }))
    else if (expected !== undefined && expected !== actual)
      report(kind.path, Problem.OtherKind({ node, expected, actual }))
  }
}

export const check = (contract: Rules.View, context: Rules.Context): void => {
  const steps = Rules.items(Rules.field(contract, "steps")).map((view): Step => ({
    view,
    name: Rules.text(Rules.field(view, "name")),
    needs: Rules.items(Rules.field(view, "depends_on"))
  }))
  Rules.shapeFaults(Rules.field(contract, "input"), context)
  names(steps, context)
  conflicts(contract, steps, context)
  expressions(contract, steps, context)
  const known = new Set(steps.flatMap(({ name }) => name ?? []))
  for (const { needs } of steps) {
    const seen = new Map<string, Rules.View>()
    for (const need of needs) {
      const step = Rules.text(need)
      if (step === undefined) continue
      if (!known.has(step)) context.report(need.path, Problem.MissingDependency({ step, steps: [...known] }))
      const before = seen.get(step)
      if (before === undefined) seen.set(step, need)
      else context.report(need.path, Problem.DuplicateName({ name: step, first: context.line(before.path) }))
    }
  }
  for (const { members, of } of cycles(steps))
    context.report(Rules.field(of.view, "depends_on").path, Problem.Cycle({ members }))
}
