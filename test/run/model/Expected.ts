/**
 * What a run of a random graph must give: a specification of the join rules, failures and outputs that knows nothing of
 * the engine. It looks at a graph once, in order, as if all that can run did.
 */
import { Exit, Option } from "effect"
import type { ModuleStatus } from "heddle"
import * as RandomGraph from "./RandomGraph.js"
import type { Graph, Vertex } from "./RandomGraph.js"
import * as Values from "./Values.js"

/** How a module ends; `tainted`: it was skipped because of a failure further up. */
interface Ending {
  readonly status: "completed" | "failed" | "skipped"
  readonly tainted: boolean
  /** The tag of its failure, also when it was skipped for it. */
  readonly error: string | undefined
  readonly value: unknown
}

export interface SignalAt {
  readonly path: string
  readonly way: RandomGraph.SignalVertex["way"]
}

export interface Expected {
  readonly status: "completed" | "failed"
  readonly outputs: unknown
  readonly statuses: ReadonlyMap<string, ModuleStatus.ModuleStatus>
  readonly items: ReadonlyMap<string, { readonly total: number; readonly completed: number; readonly failed: number }>
  readonly shared: { readonly [cell: string]: number }
  readonly signals: ReadonlyArray<SignalAt>
  /** What runs, as far as nothing ends the run before. */
  readonly ran: ReadonlyArray<{ readonly path: string; readonly vertex: Vertex }>
  /** The paths of the modules that end the run. */
  readonly stoppers: ReadonlyArray<string>
  /** Whether it depends on time how something ends. */
  readonly isChance: boolean
  /** Where it depends on time what is still done: what is inside of a path where the first failure ends the rest. */
  readonly isLoose: (path: string) => boolean
  readonly isQuiet: (path: string, index: number | undefined) => boolean
}

/** `blind`: see `Values.of`. */
export const of = (graph: Graph, seed: number, failFast: boolean, blind: boolean): Expected => {
  const statuses = new Map<string, ModuleStatus.ModuleStatus>()
  const items = new Map<string, { readonly total: number; readonly completed: number; readonly failed: number }>()
  const added: Array<{
    readonly path: string
    readonly index: number | undefined
    readonly local: string | undefined
  }> = []
  const signals: Array<SignalAt> = []
  const ran: Array<Expected["ran"][number]> = []
  const loose: Array<string> = []
  let isChance = false

  /** How an effect, a child and so on end once they run. */
  const run = (
    vertex: Vertex,
    index: number,
    path: string,
    values: { readonly [key: string]: unknown },
    { cells, own }: { readonly cells: string | undefined; readonly own: boolean }
  ): Ending => {
    const completed = (value: unknown): Ending => ({ status: "completed", tainted: false, error: undefined, value })
    const failed = (error: string, skips = false): Ending => ({
      status: skips ? "skipped" : "failed",
      tainted: false,
      error,
      value: undefined
    })
    const add = (item?: number) => void added.push({ path, index: item, local: own ? cells : undefined })
    ran.push({ path, vertex })
    switch (vertex.kind) {
      case "pure": {
        const fails = vertex.fate === "dies" || (vertex.fate === "doesNotEncode" && vertex.stored)
        return fails ? failed("Failed") : completed(Values.of(vertex, index, values, blind))
      }
      case "effect": {
        const { fate } = vertex
        const onFailure = RandomGraph.onFailureOf(vertex)
        if (fate === "completes" || fate === "flaky" || fate === "stops") {
          add()
          return completed(Values.of(vertex, index, values, blind))
        }
        if (onFailure === "fallback") {
          add()
          return completed(Values.ofFallback(vertex, index))
        }
        return failed(fate === "fails" || onFailure === "fallbackFails" ? "Boom" : "Failed", onFailure === "skip")
      }
      case "map": {
        const { child, onFailure, onItemFailure } = vertex
        const given = Values.itemsOf(vertex, values)
        const results = given.map((item, at) => {
          if (child !== undefined) return evaluate(child, item, `${path}/${at}/`, cells)
          if (vertex.items[at] === "fails") return "Boom"
          return Values.ofItem(item, at)
        })
        const bad = results.filter((result) => typeof result === "string").length
        if (onItemFailure === "fail" && bad > 0) {
          loose.push(path)
          return failed(child === undefined ? "Boom" : "Failed", onFailure === "skip")
        }
        if (child === undefined) results.forEach((result, at) => typeof result === "string" || add(at))
        items.set(path, { total: given.length, completed: given.length - bad, failed: bad })
        if (onItemFailure === "fail") return completed(results)
        return completed(
          results.map((result) => (typeof result === "string" ? Exit.fail({ _tag: result }) : Exit.succeed(result)))
        )
      }
      case "route": {
        if (vertex.chosen === 2 && !vertex.hasDefault) return failed("Failed")
        if (vertex.effectful) add()
        return completed(RandomGraph.branches[vertex.chosen] ?? "left")
      }
      case "signal": {
        signals.push({ path, way: vertex.way })
        if (vertex.way !== "timeout") return completed(Values.ofSignal(path))
        return vertex.onTimeout ? completed(Values.ofTimeout) : failed("Failed")
      }
      case "sleep":
        return completed(undefined)
      case "dag": {
        const outputs = evaluate(vertex.child, Values.digest(values), `${path}/`, cells)
        return typeof outputs === "string" ? failed("Failed", vertex.onFailure === "skip") : completed(outputs)
      }
    }
  }

  /** The outputs of a graph, or the tag of its failure. */
  const evaluate = (graph: Graph, seed: number, path: string, outer: string | undefined): object | string => {
    const endings = new Map<string, Ending>([
      ["seed", { status: "completed", tainted: false, error: undefined, value: seed }]
    ])
    statuses.set(`${path}seed`, "completed")
    // a group that an enclosing graph declares as well is that one
    const cells = outer ?? (graph.own ? path : undefined)
    graph.vertices.forEach((vertex, index) => {
      const name = RandomGraph.nameOf(index)
      const keys = RandomGraph.needsOf(graph, index)
      const needs = keys.map((key) => endings.get(key)!)
      const isBad = ({ status, tainted }: Ending) => status === "failed" || tainted
      const join = RandomGraph.joinOf(vertex)
      const when = RandomGraph.whenOf(graph, index)
      const route = when && endings.get(RandomGraph.nameOf(when.route))!
      // whether each thing that keeps it from running is a failure
      const against = [
        ...(route !== undefined && route.value !== when?.branch ? [isBad(route)] : []),
        ...(join === "allSucceeded" ? needs.filter(({ status }) => status !== "completed").map(isBad) : []),
        ...(join === "noneFailed" ? needs.filter(isBad).map(isBad) : []),
        ...(join === "anySucceeded" && needs.every(({ status }) => status !== "completed") ? [needs.some(isBad)] : [])
      ]
      if (against.length > 0) {
        if (against.includes(true) && against.includes(false)) isChance = true
        const tainted = against.includes(true)
        endings.set(name, { status: "skipped", tainted, error: undefined, value: undefined })
        statuses.set(path + name, "skipped")
        return
      }
      const values = Object.fromEntries(
        keys.map((key) => {
          const { error, status, value } = endings.get(key)!
          if (join === "allSucceeded") return [key, value]
          if (join === "always") {
            return [key, status === "completed" ? Exit.succeed(value) : Exit.fail({ _tag: error ?? "Skipped" })]
          }
          return [key, status === "completed" ? Option.some(value) : Option.none()]
        })
      )
      const ending = run(vertex, index, path + name, values, { cells, own: graph.own })
      endings.set(name, ending)
      statuses.set(path + name, ending.status)
    })
    if (Array.from(endings.values()).some(({ status }) => status === "failed")) {
      if (failFast) loose.push(path === "" ? "" : path.slice(0, -1))
      return "Failed"
    }
    const may = RandomGraph.maySkip(graph)
    return Object.fromEntries(
      RandomGraph.outputsOf(graph).map((index) => {
        const name = RandomGraph.nameOf(index)
        const { status, value } = endings.get(name)!
        return [name, may[index] === true ? (status === "completed" ? Option.some(value) : Option.none()) : value]
      })
    )
  }

  const outputs = evaluate(graph, seed, "", undefined)
  const stoppers = ran.flatMap(({ path, vertex }) =>
    vertex.kind === "effect" && vertex.fate === "stops" ? [path] : []
  )
  const isLoose = (path: string) => loose.some((of) => of === "" || path.startsWith(`${of}/`))
  const isQuiet = (path: string, index: number | undefined) =>
    isLoose(path) || (index !== undefined && loose.includes(path))

  const shared: { [cell: string]: number } = {}
  for (const { index, local, path } of added) {
    if (isQuiet(path, index)) continue
    const amount = Values.amountOf(path, index)
    shared["stats/total"] = (shared["stats/total"] ?? 0) + amount
    shared["stats/best"] = Math.max(shared["stats/best"] ?? 0, amount)
    if (local !== undefined) {
      const cell = `${local}local/sum`
      shared[cell] = (shared[cell] ?? 0) + amount
    }
  }
  return {
    status: typeof outputs === "string" ? "failed" : "completed",
    outputs,
    statuses,
    items,
    shared,
    signals,
    ran,
    stoppers,
    isChance: isChance || stoppers.length > 0,
    isLoose,
    isQuiet
  }
}
