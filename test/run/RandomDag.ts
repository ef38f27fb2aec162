/**
 * Random Dags for the properties: a description that fast-check makes and shrinks, the Dag of it, and what a run of it
 * must give by a computation that knows nothing of the engine.
 */
import { Effect, FastCheck as fc, Schema } from "effect"
import type { Failed } from "heddle"
import { Dag, Module } from "heddle"

export interface Vertex {
  readonly kind: "pure" | "pureStored" | "effect"
  /** Positions of earlier vertices, before being taken modulo the own position. */
  readonly needs: ReadonlyArray<number>
  readonly fate: "completes" | "fails" | "dies" | "doesNotEncode"
  /** Times that an effect yields, and milliseconds that it sleeps, before it ends. */
  readonly yields: number
  readonly sleeps: number
}

class Boom extends Schema.TaggedError<Boom>()("Boom", { at: Schema.Int }) {}

const vertex = (fate: fc.Arbitrary<Vertex["fate"]>): fc.Arbitrary<Vertex> =>
  fc.record({
    kind: fc.constantFrom("pure", "pureStored", "effect", "effect"),
    needs: fc.array(fc.nat(59), { maxLength: 4 }),
    fate,
    yields: fc.nat(3),
    sleeps: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 20 }) }
    )
  })

export const healthy: fc.Arbitrary<ReadonlyArray<Vertex>> = fc.array(vertex(fc.constant("completes")), {
  minLength: 1,
  maxLength: 60
})

export const failing: fc.Arbitrary<ReadonlyArray<Vertex>> = fc.array(
  vertex(
    fc.oneof(
      { weight: 20, arbitrary: fc.constant("completes" as const) },
      { weight: 1, arbitrary: fc.constantFrom("fails" as const, "dies" as const, "doesNotEncode" as const) }
    )
  ),
  { minLength: 1, maxLength: 60 }
)

export const nameOf = (index: number) => `m${index}`

/** The distinct needs of a vertex. */
export const needsOf = (vertices: ReadonlyArray<Vertex>, index: number): ReadonlyArray<number> =>
  index === 0 ? [] : Array.from(new Set(vertices[index]!.needs.map((need) => need % index)))

const valueOf = (index: number, seed: number, needs: Iterable<number>) => {
  let value = (index + 1) * 7919 + seed
  for (const need of needs) value = (value * 31 + need) % 1_000_003
  return value
}

/** What happened while the Dag ran, as the modules saw it themselves. */
export interface Log {
  readonly started: Array<string>
  running: number
  peak: number
}

export const emptyLog = (): Log => ({ started: [], running: 0, peak: 0 })

/** A number that does not encode as JSON. */
const unencodable = NaN

/**
 * The Dag of a description; all its vertices are outputs, under their names. `written` only changes the order in which
 * needs are written down.
 */
export const dag = (vertices: ReadonlyArray<Vertex>, log: Log, written = 0) => {
  const seed = Module.input("seed", Schema.Number)
  const modules: Array<Module.Of<number, Boom, never, Module.Input<"seed", number>, Failed | Boom>> = []
  vertices.forEach((vertex, index) => {
    const name = nameOf(index)
    const upstream = Object.fromEntries(needsOf(vertices, index).map((need) => [nameOf(need), modules[need]!]))
    const needs = written % 2 === 0 ? { ...upstream, seed } : { seed, ...upstream }
    const compute = (values: { readonly [key: string]: number }) => {
      const { seed: from, ...rest } = values
      return valueOf(index, from!, Object.values(rest))
    }
    const pure = (values: { readonly [key: string]: number }) => {
      log.started.push(name)
      if (vertex.fate === "fails" || vertex.fate === "dies") throw new Error(`${name} dies`)
      return vertex.fate === "doesNotEncode" && vertex.kind === "pureStored" ? unencodable : compute(values)
    }
    modules.push(
      vertex.kind === "pure"
        ? Module.pure(name, { needs, run: pure })
        : vertex.kind === "pureStored"
          ? Module.pure(name, { needs, output: Schema.Number, run: pure })
          : Module.make(name, {
              needs,
              output: Schema.Number,
              error: Boom,
              run: (values) =>
                Effect.gen(function* () {
                  log.started.push(name)
                  log.running++
                  log.peak = Math.max(log.peak, log.running)
                  for (let i = 0; i < vertex.yields; i++) yield* Effect.yieldNow()
                  if (vertex.sleeps > 0) yield* Effect.sleep(vertex.sleeps)
                  if (vertex.fate === "fails") return yield* new Boom({ at: index })
                  if (vertex.fate === "dies") return yield* Effect.die(new Error(`${name} dies`))
                  return vertex.fate === "doesNotEncode" ? unencodable : compute(values)
                }).pipe(Effect.ensuring(Effect.sync(() => log.running--)))
            })
    )
  })
  return Dag.make("random", {
    outputs: Object.fromEntries(modules.map((module): [string, typeof module] => [module.name, module]))
  })
}

/** A `pure` vertex without a schema gives what it computes: nothing is encoded that could fail. */
const fails = (vertex: Vertex) =>
  vertex.fate === "fails" || vertex.fate === "dies" || (vertex.fate === "doesNotEncode" && vertex.kind !== "pure")

/** Status and value of each vertex when everything that can run does. */
export const expected = (vertices: ReadonlyArray<Vertex>, seed: number) => {
  const statuses: Array<"completed" | "failed" | "skipped"> = []
  const values: Array<number> = []
  vertices.forEach((vertex, index) => {
    const needs = needsOf(vertices, index)
    statuses.push(
      needs.some((need) => statuses[need] !== "completed") ? "skipped" : fails(vertex) ? "failed" : "completed"
    )
    values.push(
      valueOf(
        index,
        seed,
        needs.map((need) => values[need]!)
      )
    )
  })
  return { statuses, values }
}
