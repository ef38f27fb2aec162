import * as Dag from "../../dag/Dag.js"
import type * as Definition from "../../dag/Definition.js"
import * as Module from "../../dag/Module.js"
import { PlanIssue } from "../PlanIssue.js"

/** The modules of a Dag, what each of them needs before it, and what was found on the way that is not a module. */
export interface Traversal {
  readonly modules: ReadonlyArray<Module.Any>
  readonly issues: ReadonlyArray<PlanIssue>
}

/** A module that is a route. */
export interface Route extends Module.Any {
  readonly definition: Definition.RouteDefinition
}

export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export const needsOf = ({ definition }: Module.Any): Module.Needs =>
  definition.kind === "input" ? {} : definition.needs

export const isRoute = (value: unknown): value is Route => Module.isModule(value) && value.definition.kind === "route"

/** The route to whose branch a module belongs. */
export const routeOf = ({ definition }: Module.Any): Route | undefined => {
  const route = definition.kind === "input" ? undefined : definition.when?.route
  return isRoute(route) ? route : undefined
}

/** What has a child Dag: the module itself, or what it does with each item. */
export const childOf = (definition: Definition.Definition): { readonly dag: Dag.Any } | undefined => {
  switch (definition.kind) {
    case "dag":
      return definition
    case "map":
      return definition.each.kind === "dag" ? definition.each : undefined
    default:
      return undefined
  }
}

/** Needs and routes before dependants, without recursion: a chain may be longer than the stack is deep. */
const traverse = (dag: Dag.Any): Traversal => {
  const issues: Array<PlanIssue> = []
  const modules: Array<Module.Any> = []
  const seen = new Set<Module.Any>()
  const stack: Array<{ readonly module: Module.Any; readonly needs: ReadonlyArray<Module.Any>; next: number }> = []
  const modulesIn = (of: string | undefined, record: Module.Needs) =>
    Object.keys(record)
      .sort(byName)
      .flatMap((key) => {
        const module = record[key]
        if (Module.isModule(module)) return [module]
        issues.push(PlanIssue.NotAModule({ of, key }))
        return []
      })
  const enter = (module: Module.Any) => {
    if (seen.has(module)) return
    seen.add(module)
    const route = routeOf(module)
    const needs = modulesIn(module.name, needsOf(module))
    stack.push({ module, needs: route === undefined ? needs : [...needs, route], next: 0 })
  }
  for (const output of modulesIn(undefined, dag.outputs)) {
    enter(output)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = top.needs[top.next++]
      if (need !== undefined) enter(need)
      else {
        stack.pop()
        modules.push(top.module)
      }
    }
  }
  return { modules, issues }
}

/** Memos of pure functions of an immutable value: they change what a call costs, never what it gives. */
const traversals = new WeakMap<Dag.Any, Traversal>()
const depths = new WeakMap<Dag.Any, number>()

export const make = (dag: Dag.Any): Traversal => {
  let traversal = traversals.get(dag)
  if (traversal === undefined) traversals.set(dag, (traversal = traverse(dag)))
  return traversal
}

/** How deep child Dags are nested in a Dag: 0 for one without. Without recursion: this is what limits it. */
export const depth = (dag: Dag.Any): number => {
  const stack: Array<{
    readonly dag: Dag.Any
    readonly children: ReadonlyArray<Dag.Any>
    next: number
    depth: number
  }> = []
  const enter = (dag: Dag.Any) => {
    // until it is known: what contains itself has no end
    depths.set(dag, Infinity)
    const children = new Set<Dag.Any>()
    for (const { definition } of make(dag).modules) {
      const child = childOf(definition)?.dag
      if (Dag.isDag(child)) children.add(child)
    }
    stack.push({ dag, children: [...children], next: 0, depth: 0 })
  }
  if (!depths.has(dag)) enter(dag)
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.children[top.next]
    const below = child === undefined ? 0 : depths.get(child)
    if (child === undefined) {
      depths.set(top.dag, top.depth)
      stack.pop()
    } else if (below === undefined) enter(child)
    else {
      top.depth = Math.max(top.depth, below + 1)
      top.next++
    }
  }
  return depths.get(dag) ?? 0
}
