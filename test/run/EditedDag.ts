/** Random Dags of every kind of module, and random edits of them, for the properties of migrations. */
import { Effect, FastCheck as fc, Schema } from "effect"
import { Dag, Module, type Failed } from "heddle"

const kinds = ["pure", "stored", "effect", "effect", "once", "map", "maps", "child", "sleep"] as const

export interface Vertex {
  readonly name: string
  readonly kind: (typeof kinds)[number]
  readonly version: number
  /** Positions of earlier ones, before being taken modulo the own position. */
  readonly needs: ReadonlyArray<number>
}

const vertex = (name: (index: number) => string) =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    needs: fc.array(fc.nat(30), { maxLength: 3 }),
    at: fc.nat(30),
    name: fc.nat(30).map(name)
  })

/** Needs by name: an edit of the list leaves those that it does not touch as they are. */
export interface Described extends Omit<Vertex, "needs"> {
  readonly needs: ReadonlyArray<string>
}

export const vertices: fc.Arbitrary<ReadonlyArray<Described>> = fc
  .array(
    vertex((n) => `x${n}`),
    { minLength: 1, maxLength: 10 }
  )
  .map((list) =>
    list.map(({ kind, needs }, index) => ({
      name: `m${index}`,
      kind,
      version: 0,
      needs: index === 0 ? [] : Array.from(new Set(needs.map((need) => `m${need % index}`)))
    }))
  )

export type Edit =
  | { readonly _tag: "bump" | "remove"; readonly at: number }
  | { readonly _tag: "kind"; readonly at: number; readonly kind: Described["kind"] }
  | { readonly _tag: "need"; readonly at: number; readonly need: number }
  | { readonly _tag: "add"; readonly at: number; readonly kind: Described["kind"] }

export const edits: fc.Arbitrary<ReadonlyArray<Edit>> = fc.array(
  fc.oneof(
    fc.record({ _tag: fc.constantFrom("bump" as const, "remove" as const), at: fc.nat(30) }),
    fc.record({ _tag: fc.constant("kind" as const), at: fc.nat(30), kind: fc.constantFrom(...kinds) }),
    fc.record({ _tag: fc.constant("need" as const), at: fc.nat(30), need: fc.nat(30) }),
    fc.record({ _tag: fc.constant("add" as const), at: fc.nat(30), kind: fc.constantFrom(...kinds) })
  ),
  { maxLength: 3 }
)

export const edited = (list: ReadonlyArray<Described>, changes: ReadonlyArray<Edit>): ReadonlyArray<Described> =>
  changes.reduce((all, edit, i) => {
    const at = edit.at % all.length
    switch (edit._tag) {
      case "bump":
        return all.map((one, index) => (index === at ? { ...one, version: one.version + 1 } : one))
      case "kind":
        return all.map((one, index) => (index === at ? { ...one, kind: edit.kind } : one))
      case "need": {
        if (at === 0) return all
        const need = all[edit.need % at]!.name
        return all.map((one, index) =>
          index === at && !one.needs.includes(need) ? { ...one, needs: [...one.needs, need] } : one
        )
      }
      case "add":
        return [
          ...all.slice(0, at + 1),
          { name: `n${i}`, kind: edit.kind, version: 0, needs: [all[at]!.name] },
          ...all.slice(at + 1)
        ]
      case "remove": {
        if (all.length === 1) return all
        const { name } = all[at]!
        return all.flatMap((one) =>
          one.name === name ? [] : [{ ...one, needs: one.needs.filter((need) => need !== name) }]
        )
      }
    }
  }, list)

const numberOf = (of: unknown): number =>
  typeof of === "number" ? of : typeof of === "object" && of !== null && "b" in of ? numberOf(of.b) : 1

const mix = (values: Iterable<unknown>, start: number) => {
  let value = start
  for (const of of values) value = (value * 31 + numberOf(of)) % 10_007
  return value
}

const x = Module.input("x", Schema.Number)

/** The Dag of a description; `started` is told of each attempt, by the path of what is attempted. */
export const dag = (list: ReadonlyArray<Described>, started: (path: string) => void) => {
  const seed = Module.input("seed", Schema.Number)
  type One = Module.Of<unknown, never, never, Module.Input<"seed", number>, Failed>
  const modules = new Map<string, One>()
  const size = (value: number) => 1 + (value % 3)
  for (const { kind, name, needs: names, version } of list) {
    const needs: { readonly [key: string]: One } = {
      ...Object.fromEntries(names.map((need) => [need, modules.get(need)!])),
      seed
    }
    const compute = (values: { readonly [key: string]: unknown }) => {
      const numbers = Object.keys(values)
        .sort()
        .map((key) => (Array.isArray(values[key]) ? mix(values[key], 3) : values[key]))
      return mix(numbers, name.length * 7919 + Number(name.slice(1)) * 13 + version * 101)
    }
    const effect = (path: string, value: number, times = 1) =>
      Effect.gen(function* () {
        started(path)
        for (let i = 0; i < times; i++) yield* Effect.yieldNow()
        return value
      })
    const child = () => {
      const a = Module.make("a", {
        needs: { x },
        output: Schema.Number,
        version,
        run: ({ x }) => effect(`${name}/a`, x + 1)
      })
      const b = Module.make("b", { needs: { a }, output: Schema.Number, run: ({ a }) => effect(`${name}/b`, a * 2, 3) })
      return Dag.make("child", { outputs: { b } })
    }
    const make = (): One => {
      switch (kind) {
        case "pure":
          return Module.pure(name, { needs, version, run: compute })
        case "stored":
          return Module.pure(name, {
            needs,
            version,
            output: Schema.Number,
            run: (values) => {
              started(name)
              return compute(values)
            }
          })
        case "effect":
        case "once":
          return Module.make(name, {
            needs,
            version,
            output: Schema.Number,
            ...(kind === "once" ? { execution: "atMostOnce" as const } : undefined),
            run: (values) => effect(name, compute(values), 2)
          })
        case "map":
          return Module.map(name, {
            needs,
            version,
            over: (values) => Array.from({ length: size(compute(values)) }, (_, i) => i),
            output: Schema.Number,
            run: (item, values) => effect(name, compute(values) + item, 1 + item)
          })
        case "maps":
          return Module.map(name, {
            needs,
            version,
            over: (values) => Array.from({ length: size(compute(values)) }, (_, i) => compute(values) + i),
            dag: child(),
            input: (item) => ({ x: item })
          })
        case "child":
          return Module.dag(name, { needs, version, dag: child(), input: (values) => ({ x: compute(values) }) })
        case "sleep":
          return Module.sleep(name, { needs, version, duration: "1 second" })
      }
    }
    modules.set(name, make())
  }
  return Dag.make("edited", { outputs: Object.fromEntries(modules) })
}
