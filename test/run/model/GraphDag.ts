/** The Dag of a random graph. What a module does follows from the graph alone, and from its attempt where it is flaky. */
import { Effect, Schedule, Schema } from "effect"
import { Dag, Module, Run, Shared } from "heddle"
import * as RandomGraph from "./RandomGraph.js"
import type { EffectVertex, Graph, MapVertex, Route, Vertex } from "./RandomGraph.js"
import * as Values from "./Values.js"

export class Boom extends Schema.TaggedError<Boom>()("Boom", { at: Schema.Int }) {}

const stats = Shared.make("stats", {
  total: Shared.cell(Schema.Int, 0),
  best: Shared.cell(Schema.Int, 0, { merge: Math.max }),
  ticks: Shared.live(Schema.Int, 0)
})

/** The name of the limit. */
export const limit = "gate"

const local = Shared.make("local", { sum: Shared.cell(Schema.Int, 0) })

/** What the modules of a run tell. */
export interface Trace {
  readonly began: (path: string, vertex: Vertex) => void
  readonly ended: (vertex: Vertex) => void
  /** It asks for the end of the run. */
  readonly stops: () => void
}

export interface Build {
  readonly trace: Trace
  readonly blind: boolean
  /** Whether a module leaves the shared cells alone. */
  readonly isQuiet: (path: string, index: number | undefined) => boolean
}

type Options = { readonly [key: string]: unknown }

/** The types of a graph that is built in a loop are all one: they are tested elsewhere. */
const erased = <M extends { readonly [kind: string]: unknown }>(constructors: M) =>
  constructors as { readonly [K in keyof M]: (name: string, options: Options) => Module.Any }

const construct = erased({
  pure: Module.pure,
  effect: Module.make,
  map: Module.map,
  route: Module.route,
  signal: Module.signal,
  sleep: Module.sleep,
  dag: Module.dag
})

export type RandomDag = Dag.Dag<{ readonly [key: string]: unknown }, { readonly seed: number }, Boom>

const whereAmI = Effect.map(Run.idempotencyKey, (key) => {
  // as Heddle wrote it
  const [, path, index] = JSON.parse(key) as [string, string, number | undefined]
  return { path, index }
})

/** Each module and item adds what is its own to the shared cells, in an order that does not matter. */
const adding = ({ isQuiet }: Build, own: boolean) =>
  Effect.gen(function* () {
    const { index, path } = yield* whereAmI
    if (isQuiet(path, index)) return
    const amount = Values.amountOf(path, index)
    yield* Shared.update(stats, ({ total }) => ({ total: total + amount, best: amount }))
    if (own) yield* Shared.update(local, ({ sum }) => ({ sum: sum + amount }))
  })

/** The effect of a module or an item; `work` is given the number of the attempt. */
const running = <A, E, R>(
  vertex: Vertex,
  build: Build,
  own: boolean,
  work: (attempt: number) => Effect.Effect<A, E, R>
) =>
  Effect.acquireUseRelease(
    Effect.map(whereAmI, ({ index, path }) =>
      build.trace.began(index === undefined ? path : `${path}#${index}`, vertex)
    ),
    () =>
      Effect.gen(function* () {
        if (vertex.kind === "effect" && vertex.live) {
          yield* Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 }))
        }
        yield* adding(build, own)
        return yield* work(yield* Run.attempt)
      }),
    () => Effect.sync(() => build.trace.ended(vertex))
  )

const working = (yields: number, sleeps: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
    if (sleeps > 0) yield* Effect.sleep(sleeps)
  })

const effectOptions = (vertex: EffectVertex, index: number, build: Build, own: boolean): Options => {
  const { atMostOnce, fate, limited, priority, retry, sleeps, yields } = vertex
  const onFailure = RandomGraph.onFailureOf(vertex)
  return {
    output: Schema.Number,
    error: Boom,
    priority,
    join: vertex.join,
    ...(limited ? { limit } : {}),
    ...(atMostOnce ? { execution: "atMostOnce" } : {}),
    ...(RandomGraph.isRetried(vertex)
      ? {
          retry:
            retry === "later"
              ? Schedule.intersect(Schedule.spaced("40 millis"), Schedule.recurs(1))
              : Schedule.recurs(1)
        }
      : {}),
    ...(fate === "timesOut" ? { timeout: "150 millis" } : {}),
    run: (needs: Values.Values) =>
      running(vertex, build, own, (attempt) =>
        Effect.gen(function* () {
          yield* working(yields, sleeps)
          if (fate === "fails" || (fate === "flaky" && attempt === 1 && RandomGraph.isRetried(vertex))) {
            return yield* new Boom({ at: index })
          }
          if (fate === "dies") return yield* Effect.die(new Error("it dies"))
          if (fate === "timesOut") return yield* Effect.never
          if (fate === "stops") {
            build.trace.stops()
            yield* Run.stop
          }
          return Values.of(vertex, index, needs, build.blind)
        })
      ),
    ...(onFailure === "fail"
      ? {}
      : onFailure === "skip"
        ? { onFailure }
        : {
            onFailure: () =>
              onFailure === "fallback"
                ? Effect.as(adding(build, own), Values.ofFallback(vertex, index))
                : new Boom({ at: index })
          })
  }
}

const mapOptions = (vertex: MapVertex, index: number, build: Build, own: boolean, path: string): Options => {
  const { child, items, sleeps, yields } = vertex
  const common = {
    over: (needs: Values.Values) => Values.itemsOf(vertex, needs),
    concurrency: vertex.concurrency === 4 ? "unbounded" : vertex.concurrency,
    onItemFailure: vertex.onItemFailure,
    onFailure: vertex.onFailure
  }
  if (child !== undefined) {
    return { ...common, dag: dagOf(child, build, `${path}/:/`), input: (item: number) => ({ seed: item }) }
  }
  return {
    ...common,
    output: Schema.Number,
    error: Boom,
    retry: Schedule.recurs(1),
    ...(vertex.limited ? { limit } : {}),
    run: (item: number, _: Values.Values, at: number) =>
      running(vertex, build, own, (attempt) =>
        Effect.gen(function* () {
          yield* working(yields, at % 2 === 0 ? sleeps : 0)
          if (items[at] === "fails" || (items[at] === "flaky" && attempt === 1)) return yield* new Boom({ at: index })
          return Values.ofItem(item, at)
        })
      )
  }
}

const routeOptions = (vertex: Route, build: Build, own: boolean): Options => {
  const choice = RandomGraph.branches[vertex.chosen] ?? "nowhere"
  return {
    branches: RandomGraph.branches,
    ...(vertex.hasDefault ? { default: "left" } : {}),
    choose: vertex.effectful
      ? () => running(vertex, build, own, () => Effect.as(Effect.yieldNow(), choice))
      : () => choice
  }
}

const dagOf = (graph: Graph, build: Build, path: string): RandomDag => {
  const modules = new Map<string, Module.Any>([["seed", Module.input("seed", Schema.Number)]])
  const { own, vertices } = graph
  const create = (vertex: Vertex, index: number, given: Options): Module.Any => {
    const name = RandomGraph.nameOf(index)
    switch (vertex.kind) {
      case "pure": {
        const run = (needs: Values.Values) => {
          if (vertex.fate === "dies") throw new Error("it dies")
          return vertex.fate === "doesNotEncode" && vertex.stored ? NaN : Values.of(vertex, index, needs, build.blind)
        }
        return construct.pure(name, {
          ...given,
          join: vertex.join,
          run,
          ...(vertex.stored ? { output: Schema.Number } : {})
        })
      }
      case "effect":
        return construct.effect(name, { ...given, ...effectOptions(vertex, index, build, own) })
      case "map":
        return construct.map(name, { ...given, ...mapOptions(vertex, index, build, own, path + name) })
      case "route":
        return construct.route(name, { ...given, ...routeOptions(vertex, build, own) })
      case "signal":
        return construct.signal(name, {
          ...given,
          value: Schema.Number,
          ...(vertex.way === "timeout" ? { timeout: vertex.millis } : {}),
          ...(vertex.onTimeout ? { onTimeout: () => Values.ofTimeout } : {})
        })
      case "sleep":
        return construct.sleep(name, { ...given, duration: vertex.computed ? () => vertex.millis : vertex.millis })
      case "dag":
        return construct.dag(name, {
          ...given,
          dag: dagOf(vertex.child, build, `${path}${name}/`),
          input: (needs: Values.Values) => ({ seed: Values.digest(needs) }),
          onFailure: vertex.onFailure
        })
    }
  }
  vertices.forEach((vertex, index) => {
    const when = RandomGraph.whenOf(graph, index)
    // what `RandomGraph.whenOf` names is a route
    const route =
      when === undefined
        ? undefined
        : (modules.get(RandomGraph.nameOf(when.route)) as Module.Route<string, string, never, never, never, never>)
    modules.set(
      RandomGraph.nameOf(index),
      create(vertex, index, {
        needs: Object.fromEntries(RandomGraph.needsOf(graph, index).map((need) => [need, modules.get(need)])),
        ...(when === undefined ? {} : { when: route?.is(when.branch) })
      })
    )
  })
  return Dag.make(path === "" ? "random" : `random at ${path}`, {
    outputs: Object.fromEntries(
      RandomGraph.outputsOf(graph).map((index) => [RandomGraph.nameOf(index), modules.get(RandomGraph.nameOf(index))!])
    ),
    shared: [...(path === "" ? [stats] : []), ...(own ? [local] : [])]
  }) as unknown as RandomDag
}

export const make = (graph: Graph, build: Build): RandomDag => dagOf(graph, build, "")
