/**
 * A Dag of many layers, and what it has to give: built from numbers alone, so that every process builds the same one.
 */
import { Array, Effect, Random, Schema } from "effect"
import { Dag, Module } from "heddle"

/** What a module gives: `text` is an integer that is stored as a string, `unstored` is pure without an output schema. */
type Kind = "integer" | "text" | "pure" | "unstored"

/**
 * `work`: how many milliseconds a module takes that is not pure, from and to. `kinds`: of which kinds the modules are, in
 * turn; of all, when it is left out.
 */
export interface Size {
  readonly layers: number
  readonly width: number
  readonly work: readonly [number, number]
  readonly kinds?: ReadonlyArray<Kind>
}

interface Vertex {
  readonly name: string
  readonly kind: Kind
  readonly salt: number
  /** Positions of other vertices, all before this one; none for the first layer, which needs the input. */
  readonly needs: ReadonlyArray<number>
}

/** Who wants to know what runs. */
export interface Observer {
  /** First thing in an attempt. */
  readonly began: (module: string) => void
  readonly interrupted: (module: string) => void
  /** What the outputs wait for. */
  readonly gate: Effect.Effect<void>
}

const allKinds: ReadonlyArray<Kind> = ["integer", "text", "pure", "integer", "unstored"]

const vertices = ({ kinds = allKinds, layers, width }: Size): ReadonlyArray<Vertex> =>
  Array.makeBy(layers * width, (position) => {
    const layer = Math.floor(position / width)
    const salt = (position * 7919 + 104_729) % 1009
    // the one above, so that everything is needed, and up to two from the three layers before
    const above = layer === 0 ? [] : [position - width]
    const others = Array.makeBy(salt % 3, (i) => position - width - ((salt * (i + 3)) % (3 * width)))
    return {
      name: `layer${layer}-${position % width}`,
      kind: kinds[(position + layer) % kinds.length]!,
      salt,
      needs: Array.dedupe([...above, ...others.filter((other) => layer > 0 && other >= 0)])
    }
  })

const combine = (salt: number, needs: ReadonlyArray<number>): number =>
  needs.reduce((sum, value, i) => (sum + value * (i + 2)) % 1_000_003, salt)

const isOutput = ({ layers, width }: Size, position: number): boolean => position >= (layers - 1) * width

/** What every module has to give, by name; computed without Heddle. */
export const expected = (size: Size, seed: number) => {
  const values: Array<number> = []
  const all = vertices(size)
  for (const { needs, salt } of all) {
    values.push(combine(salt, needs.length === 0 ? [seed] : needs.map((need) => values[need]!)))
  }
  /** A module that is not stored is not waited for, but what it needs is. */
  const committed = (position: number): ReadonlyArray<string> =>
    all[position]!.needs.flatMap((need) => (all[need]!.kind === "unstored" ? committed(need) : [all[need]!.name]))
  return {
    /** By module: which completions have to be committed before it may begin. */
    committedBefore: new Map(all.map(({ name }, position) => [name, committed(position)] as const)),
    /** All modules but the input: `stored` is the JSON text, undefined for those that are not stored. */
    modules: new Map(
      all.map(({ kind, name }, position) => {
        const value = values[position]!
        return [name, kind === "unstored" ? undefined : kind === "text" ? `"${value}"` : `${value}`] as const
      })
    ),
    outputs: Object.fromEntries(
      all.flatMap(({ name }, position) => (isOutput(size, position) ? [[name, values[position]!] as const] : []))
    )
  }
}

type Vertices = Module.Of<number, never, never, Module.Input<"seed", number>>

export const dag = (size: Size, observer: Observer) => {
  const seed = Module.input("seed", Schema.Int)
  const [from, to] = size.work
  const modules: Array<Vertices> = []
  for (const [position, { kind, name, needs: positions, salt }] of vertices(size).entries()) {
    const needs: { readonly [key: string]: Vertices } =
      positions.length === 0 ? { seed } : Object.fromEntries(positions.map((need, i) => [`${i}`, modules[need]!]))
    const compute = (values: { readonly [key: string]: number }) =>
      combine(
        salt,
        Object.keys(needs).map((key) => values[key]!)
      )
    const run = (values: { readonly [key: string]: number }) => {
      observer.began(name)
      return compute(values)
    }
    const work = (values: { readonly [key: string]: number }) =>
      Effect.gen(function* () {
        observer.began(name)
        if (isOutput(size, position)) yield* observer.gate
        if (to > 0) yield* Effect.sleep(yield* Random.nextIntBetween(from, to + 1))
        return compute(values)
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => observer.interrupted(name))))
    modules.push(
      kind === "integer"
        ? Module.make(name, { needs, output: Schema.Int, run: work })
        : kind === "text"
          ? Module.make(name, { needs, output: Schema.NumberFromString, run: work })
          : kind === "pure"
            ? Module.pure(name, { needs, output: Schema.Int, run })
            : Module.pure(name, { needs, run })
    )
  }
  const outputs: { readonly [name: string]: Vertices } = Object.fromEntries(
    modules.slice(-size.width).map((module) => [module.name, module])
  )
  return Dag.make("layered", { outputs })
}
