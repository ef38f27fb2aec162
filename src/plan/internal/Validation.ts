import * as Dag from "../../dag/Dag.js"
import type * as Definition from "../../dag/Definition.js"
import * as Module from "../../dag/Module.js"
import type * as Shared from "../../dag/Shared.js"
import { PlanIssue } from "../PlanIssue.js"
import * as Cells from "./Cells.js"
import * as Options from "./Options.js"
import { byName, childOf, isRoute, needsOf } from "./Traversal.js"

type Report = (issue: PlanIssue) => void

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

/** Of a name that is part of a path. */
const stepFault = (name: string): string | undefined =>
  nameFault(name) ??
  (name.includes("/") ? 'has a "/", which separates the modules of child Dags in paths' : undefined) ??
  (name === ":" ? "stands for the index of an item in paths" : undefined)

/** How often each name is given. */
const counted = (named: Iterable<{ readonly name: string }>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { name } of named) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

const names = (dag: Dag.Any, modules: ReadonlyArray<Module.Any>, report: Report): void => {
  for (const [name, count] of counted(modules)) {
    if (count > 1) report(PlanIssue.DuplicateName({ name, count }))
    const reason = stepFault(name)
    if (reason !== undefined) report(PlanIssue.InvalidName({ of: "module", name, reason }))
  }
  for (const module of modules) {
    for (const name of Object.keys(needsOf(module))) {
      const reason = nameFault(name)
      if (reason !== undefined) report(PlanIssue.InvalidName({ of: "need", name, reason, module: module.name }))
    }
  }
  for (const key of Object.keys(dag.outputs).sort(byName)) {
    const reason = nameFault(key)
    if (reason !== undefined) report(PlanIssue.InvalidName({ of: "output", name: key, reason }))
    const module = dag.outputs[key]
    if (Module.isModule(module) && module.definition.kind === "input") {
      report(PlanIssue.OutputIsInput({ output: key, module: module.name }))
    }
  }
}

const whenOf = (module: string, { route, branch }: NonNullable<Definition.Vertex["when"]>, report: Report): void => {
  if (!isRoute(route)) {
    report(PlanIssue.NotARoute({ module, route: Module.isModule(route) ? route.name : undefined }))
  } else if (!route.definition.branches.includes(branch)) {
    const { branches } = route.definition
    report(PlanIssue.UnknownBranch({ module, route: route.name, branch, branches }))
  }
}

const branchesOf = (module: string, route: Definition.RouteDefinition, report: Report): void => {
  const { branches, default: branch } = route
  if (branches.length === 0) report(PlanIssue.NoBranches({ module }))
  for (const [name, count] of counted(branches.map((name) => ({ name })))) {
    if (count > 1) report(PlanIssue.DuplicateBranch({ module, branch: name }))
    const reason = nameFault(name)
    if (reason !== undefined) report(PlanIssue.InvalidName({ of: "branch", name, reason, module }))
  }
  if (branch !== undefined && !branches.includes(branch)) {
    report(PlanIssue.UnknownDefault({ module, branch, branches }))
  }
}

/** The distinct groups of a Dag, by name. */
export const groupsOf = (dag: Dag.Any): ReadonlyArray<Shared.AnyGroup> =>
  [...new Set(dag.shared)].sort((a, b) => byName(a.name, b.name))

const groups = (dag: Dag.Any, report: Report): void => {
  const listed = groupsOf(dag)
  for (const [name, count] of counted(listed)) {
    if (count > 1) report(PlanIssue.DuplicateGroup({ name, count }))
    const reason = stepFault(name)
    if (reason !== undefined) report(PlanIssue.InvalidName({ of: "shared group", name, reason }))
  }
  for (const { cells, name: group } of listed) {
    for (const cell of Object.keys(cells).sort(byName)) {
      const reason = stepFault(cell)
      if (reason !== undefined) report(PlanIssue.InvalidName({ of: "shared cell", name: cell, reason, group }))
      for (const message of Cells.faults(cells[cell]!.schema, cells[cell]!.initial)) {
        report(PlanIssue.InvalidCell({ group, cell, message }))
      }
    }
  }
}

/** Reports what is wrong with a Dag itself: neither what is wrong with its schemas nor with its child Dags. */
export const check = (dag: Dag.Any, modules: ReadonlyArray<Module.Any>, report: Report): void => {
  names(dag, modules, report)
  for (const { definition, name } of modules) {
    if (definition.kind === "input") continue
    if (definition.when !== undefined) whenOf(name, definition.when, report)
    if (definition.kind === "route") branchesOf(name, definition, report)
    for (const fault of Options.faults(definition)) report(PlanIssue.InvalidOption({ module: name, ...fault }))
    const child = childOf(definition)
    if (child !== undefined && !Dag.isDag(child.dag)) report(PlanIssue.NotADag({ module: name }))
  }
  groups(dag, report)
}

/** Reports what is wrong with the name of a Dag, and that it has no outputs. */
export const checkHead = (dag: Dag.Any, report: Report): void => {
  const reason = nameFault(dag.name)
  if (reason !== undefined) report(PlanIssue.InvalidName({ of: "dag", name: dag.name, reason }))
  if (Object.keys(dag.outputs).length === 0) report(PlanIssue.NoOutputs())
}
