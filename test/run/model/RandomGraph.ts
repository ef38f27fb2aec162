/**
 * Random Dags of all kinds of modules: a description that fast-check makes and shrinks, and the Dag of it. What a vertex
 * does follows from the description alone, never from how often it is attempted, except for what fails its first attempt.
 */
import { FastCheck as fc } from "effect"
import type { Module } from "heddle"

export type Join = Module.JoinRule

interface Common {
  /** Each is 0 for the input and otherwise an earlier vertex, once taken modulo how many there are. */
  readonly needs: ReadonlyArray<number>
  /** One of the earlier routes, taken modulo how many there are, and one of its branches. */
  readonly when: { readonly route: number; readonly branch: number } | undefined
  /** Whether it is an output though others need it. */
  readonly output: boolean
}

export interface Pure extends Common {
  readonly kind: "pure"
  readonly join: Join
  readonly stored: boolean
  readonly fate: "completes" | "dies" | "doesNotEncode"
}

export interface EffectVertex extends Common {
  readonly kind: "effect"
  readonly join: Join
  /** `flaky` fails its first attempt and is always retried; `stops` ends the run, and completes. */
  readonly fate: "completes" | "fails" | "dies" | "timesOut" | "flaky" | "stops"
  readonly onFailure: "fail" | "skip" | "fallback" | "fallbackFails"
  readonly retry: "none" | "atOnce" | "later"
  readonly atMostOnce: boolean
  readonly limited: boolean
  readonly live: boolean
  readonly priority: number
  readonly yields: number
  readonly sleeps: number
}

export interface MapVertex extends Common {
  readonly kind: "map"
  /** Of each item, when it is not a child Dag. */
  readonly items: ReadonlyArray<"completes" | "fails" | "flaky">
  readonly child: Graph | undefined
  readonly concurrency: number
  readonly onItemFailure: "fail" | "collect"
  readonly onFailure: "fail" | "skip"
  /** Whether its items, when they are not a child Dag, are under the limit. */
  readonly limited: boolean
  readonly yields: number
  readonly sleeps: number
}

export interface Route extends Common {
  readonly kind: "route"
  /** 2: what is not a branch. */
  readonly chosen: 0 | 1 | 2
  readonly hasDefault: boolean
  readonly effectful: boolean
}

export interface SignalVertex extends Common {
  readonly kind: "signal"
  /** When it is delivered: before the run begins, when it is waited for, or never. */
  readonly way: "before" | "waiting" | "timeout"
  readonly onTimeout: boolean
  readonly millis: number
}

export interface Sleep extends Common {
  readonly kind: "sleep"
  readonly millis: number
  readonly computed: boolean
}

export interface Child extends Common {
  readonly kind: "dag"
  readonly child: Graph
  readonly onFailure: "fail" | "skip"
}

export type Vertex = Pure | EffectVertex | MapVertex | Route | SignalVertex | Sleep | Child

/** `own`: whether it declares a group of cells of its own. */
export interface Graph {
  readonly vertices: ReadonlyArray<Vertex>
  readonly own: boolean
}

// --- the generator

const common = {
  needs: fc.array(fc.nat(30), { maxLength: 3 }),
  when: fc.option(fc.record({ route: fc.nat(5), branch: fc.nat(1) }), { freq: 2, nil: undefined }),
  output: fc.boolean()
}

const weighted = <A>(...weights: ReadonlyArray<readonly [number, A]>): fc.Arbitrary<A> =>
  fc.oneof(...weights.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })))

const join: fc.Arbitrary<Join> = fc.constantFrom("allSucceeded", "noneFailed", "anySucceeded", "always")
const sleeps = weighted([4, 0], [1, 7], [1, 130])

const pure: fc.Arbitrary<Pure> = fc
  .record({
    ...common,
    kind: fc.constant("pure" as const),
    join,
    stored: fc.boolean(),
    fate: weighted<Pure["fate"]>([12, "completes"], [1, "dies"], [1, "doesNotEncode"])
  })
  // the plan asks for it
  .map((vertex) => ({ ...vertex, stored: vertex.stored || vertex.join === "anySucceeded" }))

const effect: fc.Arbitrary<EffectVertex> = fc.record({
  ...common,
  kind: fc.constant("effect"),
  join,
  fate: weighted([6, "completes"], [2, "fails"], [1, "dies"], [2, "timesOut"], [2, "flaky"], [5, "stops"]),
  onFailure: weighted([3, "fail"], [2, "skip"], [2, "fallback"], [1, "fallbackFails"]),
  retry: fc.constantFrom("none", "atOnce", "later"),
  atMostOnce: weighted([4, false], [1, true]),
  limited: fc.boolean(),
  live: fc.boolean(),
  priority: fc.nat(2),
  yields: fc.nat(3),
  sleeps
})

const map = (child: fc.Arbitrary<Graph | undefined>): fc.Arbitrary<MapVertex> =>
  fc.record({
    ...common,
    kind: fc.constant("map"),
    items: fc.array(weighted([6, "completes"], [1, "fails"], [1, "flaky"]), { maxLength: 4 }),
    child,
    concurrency: fc.integer({ min: 1, max: 4 }),
    onItemFailure: fc.constantFrom("fail", "collect"),
    onFailure: fc.constantFrom("fail", "skip"),
    limited: fc.boolean(),
    yields: fc.nat(2),
    sleeps
  })

const route: fc.Arbitrary<Route> = fc.record({
  ...common,
  kind: fc.constant("route"),
  chosen: weighted([3, 0], [3, 1], [1, 2]),
  hasDefault: weighted([3, true], [1, false]),
  effectful: fc.boolean()
})

const signal: fc.Arbitrary<SignalVertex> = fc.record({
  ...common,
  kind: fc.constant("signal"),
  way: fc.constantFrom("before", "waiting", "timeout"),
  onTimeout: weighted([4, true], [1, false]),
  millis: fc.integer({ min: 1, max: 300_000 })
})

const sleep: fc.Arbitrary<Sleep> = fc.record({
  ...common,
  kind: fc.constant("sleep"),
  millis: fc.nat(120_000),
  computed: fc.boolean()
})

const vertex = (depth: number): fc.Arbitrary<Vertex> => {
  const leaves = [
    { weight: 3, arbitrary: pure },
    { weight: 5, arbitrary: effect },
    { weight: 2, arbitrary: map(fc.constant(undefined)) },
    { weight: 3, arbitrary: route },
    { weight: 2, arbitrary: signal },
    { weight: 1, arbitrary: sleep }
  ]
  if (depth === 0) return fc.oneof(...leaves)
  const child = graphOf(depth - 1, 3)
  return fc.oneof(
    ...leaves,
    {
      weight: 2,
      arbitrary: fc.record({
        ...common,
        kind: fc.constant("dag" as const),
        child,
        onFailure: fc.constantFrom("fail" as const, "skip" as const)
      })
    },
    { weight: 2, arbitrary: map(child) }
  )
}

const graphOf = (depth: number, maxLength: number): fc.Arbitrary<Graph> =>
  fc.record({ vertices: fc.array(vertex(depth), { minLength: 1, maxLength }), own: fc.boolean() })

export const graph: fc.Arbitrary<Graph> = graphOf(2, 11)

/** The same graph with every failure handled. */
export const tamed = ({ own, vertices }: Graph): Graph => ({
  own,
  vertices: vertices.map((vertex): Vertex => {
    switch (vertex.kind) {
      case "pure":
        return { ...vertex, fate: "completes" }
      case "effect":
        return vertex.onFailure === "fail" || vertex.onFailure === "fallbackFails"
          ? { ...vertex, onFailure: vertex.priority === 0 ? "fallback" : "skip" }
          : vertex
      case "map":
        return {
          ...vertex,
          onFailure: "skip",
          child: vertex.child !== undefined && vertex.concurrency < 3 ? tamed(vertex.child) : vertex.child
        }
      case "route":
        return { ...vertex, hasDefault: true }
      case "signal":
        return { ...vertex, onTimeout: true }
      case "dag":
        return { ...vertex, onFailure: "skip", child: vertex.output ? tamed(vertex.child) : vertex.child }
      case "sleep":
        return vertex
    }
  })
})

/** The same graph without what stops the run. */
export const unstopped = ({ own, vertices }: Graph): Graph => ({
  own,
  vertices: vertices.map((vertex): Vertex => {
    if (vertex.kind === "effect") return vertex.fate === "stops" ? { ...vertex, fate: "completes" } : vertex
    if (vertex.kind === "dag") return { ...vertex, child: unstopped(vertex.child) }
    return vertex.kind === "map" && vertex.child !== undefined ? { ...vertex, child: unstopped(vertex.child) } : vertex
  })
})

// --- what vertices are to each other

export const nameOf = (index: number) => `m${index}`

/** The names of what a vertex needs; the first one of a graph needs the input, and so does what has to need something. */
export const needsOf = ({ vertices }: Graph, index: number): ReadonlyArray<string> => {
  const vertex = vertices[index]!
  if (index === 0 || (vertex.needs.length === 0 && joinOf(vertex) === "anySucceeded")) return ["seed"]
  return Array.from(new Set(vertex.needs.map((need) => need % (index + 1)))).map((need) =>
    need === 0 ? "seed" : nameOf(need - 1)
  )
}

export const branches: ReadonlyArray<string> = ["left", "right"]

/** The position of the route and the branch to which a vertex belongs. */
export const whenOf = ({ vertices }: Graph, index: number) => {
  const { when } = vertices[index]!
  const routes = vertices.slice(0, index).flatMap(({ kind }, i) => (kind === "route" ? [i] : []))
  return when === undefined || routes.length === 0
    ? undefined
    : { route: routes[when.route % routes.length]!, branch: branches[when.branch]! }
}

export const joinOf = (vertex: Vertex): Join =>
  vertex.kind === "pure" || vertex.kind === "effect" ? vertex.join : "allSucceeded"

/** The outputs: what nobody needs, and what is one anyhow. */
export const outputsOf = (graph: Graph): ReadonlyArray<number> => {
  const needed = new Set(
    graph.vertices.flatMap((_, index) => {
      const when = whenOf(graph, index)
      return when === undefined ? needsOf(graph, index) : [...needsOf(graph, index), nameOf(when.route)]
    })
  )
  return graph.vertices.flatMap(({ output }, index) => (output || !needed.has(nameOf(index)) ? [index] : []))
}

/** Whether each module may be skipped though nothing failed: then it is an `Option` as an output. */
export const maySkip = (graph: Graph): ReadonlyArray<boolean> => {
  const may: Array<boolean> = []
  graph.vertices.forEach((vertex, index) => {
    const needs = needsOf(graph, index).map((need) => need !== "seed" && may[Number(need.slice(1))]!)
    const join = joinOf(vertex)
    may.push(
      whenOf(graph, index) !== undefined ||
        ("onFailure" in vertex && vertex.onFailure === "skip") ||
        (join === "allSucceeded" && needs.includes(true)) ||
        (join === "anySucceeded" && !needs.includes(false))
    )
  })
  return may
}

/** Whether a failed first attempt is followed by another. */
export const isRetried = ({ atMostOnce, fate, retry }: EffectVertex) =>
  !atMostOnce && (fate === "flaky" || retry !== "none")

/** What failed in place of what was cut off could not be told from what fails anyhow. */
export const onFailureOf = ({ atMostOnce, onFailure }: EffectVertex) =>
  atMostOnce && onFailure === "fallbackFails" ? "fallback" : onFailure
