import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck as fc, Layer, Option, Schema } from "effect"
import { Dag, Engine, Module, Shared, type Failed } from "heddle"
import { numRuns } from "../numRuns.js"
import { alone, cutOffWhen, engine, eventually, id, quiet, store, withTime } from "./Harness.js"
import * as VirtualClock from "./VirtualClock.js"

/** Loses what is behind the point when it is stored. */
const Rounded = Schema.transform(Schema.Int, Schema.Number, {
  strict: true,
  decode: (n) => n,
  encode: (n) => Math.round(n)
}).annotations({ identifier: "Rounded" })

/** A value that comes back as another one, and how it does. */
interface Lossy {
  readonly what: string
  readonly schema: Schema.Schema<unknown, unknown>
  readonly raw: unknown
  readonly decoded: unknown
}

class Point {
  constructor(readonly x: number) {}
  get double() {
    return this.x * 2
  }
}

class Named extends Schema.Class<Named>("Named")({ name: Schema.String }) {}
class Nicknamed extends Named {
  readonly nick = "Al"
}

const lossy = <A, I>(what: string, schema: Schema.Schema<A, I>, raw: A, decoded: A): Lossy => ({
  what,
  // one list for all types of values
  schema: schema as unknown as Schema.Schema<unknown, unknown>,
  raw,
  decoded
})

const X = Schema.Struct({ x: Schema.Number })

const values: ReadonlyArray<Lossy> = [
  lossy("a transformation that rounds", Rounded, 1.4, 1),
  lossy("an instance of a class", X, new Point(3), { x: 3 }),
  lossy("an instance of a subclass", Named, new Nicknamed({ name: "Ann" }), new Named({ name: "Ann" })),
  lossy("excess properties", X, Object.assign({ x: 3 }, { y: 4 }), { x: 3 }),
  lossy("excess properties deep inside", Schema.Array(X), [Object.assign({ x: 3 }, { y: 4 })], [{ x: 3 }]),
  lossy("properties of a Date", Schema.Date, Object.assign(new Date(5), { note: "lost" }), new Date(5))
]

/** What a comparison of contents does not see. */
const shapeOf = (value: unknown) =>
  typeof value === "object" && value !== null ? [Object.getPrototypeOf(value), Object.keys(value)] : value

/** What was seen under a name, in the order in which it was. */
const makeSeen = () => {
  const seen: Array<readonly [where: string, value: unknown]> = []
  return { seen, note: (where: string, value: unknown) => Effect.sync(() => void seen.push([where, value])) }
}

const unwrap = (value: unknown): unknown =>
  Exit.isExit(value)
    ? Exit.match(value, { onSuccess: (value) => value, onFailure: Cause.squash })
    : Option.isOption(value)
      ? Option.getOrThrow(value)
      : value

/** A Dag in which a value takes every way to a dependant. */
const everyWay = ({ raw, schema }: Lossy) => {
  const given = () => raw
  const { note, seen } = makeSeen()
  const input = Module.input("input", schema)
  const made = Module.make("made", { output: schema, run: () => Effect.sync(given) })
  const repaired = Module.make("repaired", {
    output: schema,
    run: () => Effect.fail("on purpose"),
    onFailure: () => Effect.sync(given)
  })
  const pure = Module.pure("pure", { output: schema, run: given })
  const items = Module.map("items", { over: () => [0], output: schema, run: () => Effect.sync(given) })
  const collected = Module.map("collected", {
    over: () => [0],
    output: schema,
    onItemFailure: "collect",
    run: () => Effect.sync(given)
  })
  const signal = Module.signal("signal", { value: schema })
  const expired = Module.signal("expired", { value: schema, timeout: "1 second", onTimeout: given })
  const ownInput = Module.input("ownInput", schema)
  const inside = Module.make("inside", {
    needs: { ownInput },
    output: schema,
    run: ({ ownInput }) => Effect.as(note("a child's input", ownInput), given())
  })
  const inner = Dag.make("inner", { outputs: { inside } })
  const child = Module.dag("child", { dag: inner, input: () => ({ ownInput: given() }) })
  const children = Module.map("children", { over: () => [0], dag: inner, input: () => ({ ownInput: given() }) })
  const needs = { input, made, repaired, pure, items, collected, signal, expired, child, children }
  const inChild: ReadonlyArray<string> = ["child", "children"]
  const inList: ReadonlyArray<string> = ["items", "collected", "children"]
  const noteAll = (values: object) =>
    Effect.sync(() => {
      for (const [name, value] of Object.entries(values)) {
        const whole = unwrap(value)
        // what each kind wraps the value in
        const one = unwrap(inList.includes(name) ? (whole as ReadonlyArray<unknown>)[0] : whole)
        seen.push([name, inChild.includes(name) ? (one as { readonly inside: unknown }).inside : one])
      }
    })
  const route = Module.route("route", {
    needs: { made },
    branches: ["route"],
    choose: ({ made }) => Effect.as(note("a route", made), "route" as const)
  })
  const chosen = Module.make("chosen", { when: route.is("route"), output: Schema.Void, run: () => Effect.void })
  const over = Module.map("over", {
    needs: { made },
    over: ({ made }) => [made],
    output: Schema.Void,
    run: (item) => note("an item", item)
  })
  const ends = Module.make("ends", { needs, output: Schema.Void, run: noteAll })
  const always = Module.make("always", {
    needs,
    join: "always",
    output: Schema.Void,
    run: noteAll
  })
  const any = Module.make("any", {
    needs: { made, pure },
    join: "noneFailed",
    output: Schema.Void,
    run: noteAll
  })
  return { signal, seen, dag: Dag.make("ways", { outputs: { ends, always, any, chosen, over } }) }
}

describe("alwaysDecode", () => {
  for (const value of values) {
    it.effect(`gives dependants what is stored, not what was given: ${value.what}`, () =>
      Effect.gen(function* () {
        const { dag, seen, signal } = everyWay(value)
        const run = Effect.gen(function* () {
          const handle = yield* Engine.start(dag, { input: value.raw }, { runId: id, durability: "memory" })
          yield* Engine.signal(id, signal, value.raw)
          return yield* withTime(handle.await)
        })
        yield* Effect.provide(run, alone({ alwaysDecode: true }))
        assert.isAtLeast(seen.length, 26)
        for (const [where, got] of seen) {
          // it is not stored, and computed again by a resume
          if (where === "a child's input") {
            assert.strictEqual(got, value.raw)
            continue
          }
          assert.deepStrictEqual(got, value.decoded, where)
          assert.deepStrictEqual(shapeOf(got), shapeOf(value.decoded), where)
        }
        // without it they see the value itself, but for a signal, which comes from outside
        seen.length = 0
        yield* Effect.provide(run, alone())
        for (const [where, got] of seen) {
          if (where === "signal") assert.deepStrictEqual(shapeOf(got), shapeOf(value.decoded))
          else assert.strictEqual(got, value.raw, where)
        }
      })
    )
  }

  it.effect("gives the outputs of the run as they are stored", () =>
    Effect.gen(function* () {
      const made = Module.make("made", { output: Rounded, run: () => Effect.succeed(1.4) })
      const dag = Dag.make("outputs", { outputs: { made } })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}, { runId: id }), { made: 1 })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}, { runId: id }), { made: 1 })
    }).pipe(Effect.provide(alone({ alwaysDecode: true })))
  )

  it.effect("fails a module whose output does not come back, with the path of what does not", () =>
    Effect.gen(function* () {
      const Checked = Schema.Struct({
        inside: Schema.transform(Schema.String.pipe(Schema.maxLength(3)), Schema.String, {
          strict: true,
          decode: (text) => text + text,
          encode: (text) => text
        })
          .pipe(Schema.filter((text) => text.length < 4, { identifier: "Short" }))
          .annotations({ identifier: "Doubled" })
      })
      const broken = Module.make("broken", { output: Checked, run: () => Effect.succeed({ inside: "abc" }) })
      const dag = Dag.make("broken", { outputs: { broken } })
      const error = yield* Effect.flip(Effect.provide(Engine.execute(dag, {}), alone({ alwaysDecode: true })))
      assert(error._tag === "RunFailed")
      assert.strictEqual(error.failures[0]!.failure.kind, "output")
      assert.include(error.failures[0]!.failure.message, "inside")
      yield* Effect.provide(Engine.execute(dag, {}), alone())
    })
  )

  class Off extends Schema.TaggedError<Off>()("Off", { by: Rounded }) {}

  it.effect("gives errors that have a schema as they are stored: in an Exit, and of an item that is collected", () =>
    Effect.gen(function* () {
      const fails = Module.make("fails", { output: Schema.Void, error: Off, run: () => new Off({ by: 1.4 }) })
      const items = Module.map("items", {
        over: () => [0],
        output: Schema.Void,
        error: Off,
        onItemFailure: "collect",
        run: () => new Off({ by: 1.4 })
      })
      const { note, seen } = makeSeen()
      const sees = Module.make("sees", {
        needs: { fails, items },
        join: "always",
        output: Schema.Void,
        run: ({ fails, items }) =>
          Effect.zipRight(
            note("an Exit", unwrap(fails)),
            note("an item", unwrap((unwrap(items) as ReadonlyArray<unknown>)[0]))
          )
      })
      yield* Effect.flip(Engine.execute(Dag.make("errors", { outputs: { sees } }), {}, { onFailure: "continue" }))
      assert.deepStrictEqual(seen, [
        ["an Exit", new Off({ by: 1 })],
        ["an item", new Off({ by: 1 })]
      ])
    }).pipe(Effect.provide(alone({ alwaysDecode: true })))
  )

  it.effect("gives shared cells as they are stored, once they are committed", () =>
    Effect.gen(function* () {
      const cells = Shared.make("cells", { sum: Shared.cell(Rounded, 0), live: Shared.live(Rounded, 0) })
      const adds = Module.make("adds", {
        output: Schema.Void,
        run: () =>
          Effect.zipRight(
            Shared.update(cells, ({ sum }) => ({ sum: sum + 1.4 })),
            Shared.updateLive(cells, ({ live }) => ({ live: live + 1.4 }))
          )
      })
      const sees = Module.make("sees", {
        needs: { adds },
        output: Schema.Array(Schema.Number),
        run: () => Effect.all([Shared.get(cells, "sum"), Shared.get(cells, "live")])
      })
      const dag = Dag.make("cells", { outputs: { sees }, shared: [cells] })
      assert.deepStrictEqual(yield* Engine.execute(dag, {}), { sees: [1, 1] })
    }).pipe(Effect.provide(alone({ alwaysDecode: true })))
  )

  it.effect("gives a child's inputs alike before and after a resume", () =>
    Effect.gen(function* () {
      const n = Module.input("n", Rounded)
      const same = Module.pure("same", { needs: { n }, run: ({ n }) => n })
      const child = Module.dag("child", { dag: Dag.make("inner", { outputs: { same } }), input: () => ({ n: 1.4 }) })
      const dag = Dag.make("outer", { outputs: { child } })
      const first = yield* Effect.provide(Engine.execute(dag, {}, { runId: id }), engine({ alwaysDecode: true }))
      const again = yield* Effect.provide(Engine.execute(dag, {}, { runId: id }), engine({ alwaysDecode: true }))
      assert.deepStrictEqual(again, first)
    }).pipe(Effect.provide(store))
  )
})

describe("a run under alwaysDecode", () => {
  type Step = Module.Of<number, never, never, Module.Input<"start", number>, Failed>

  interface Vertex {
    readonly kind: "effect" | "map" | "child" | "pure"
    readonly needs: ReadonlyArray<number>
  }
  const vertex: fc.Arbitrary<Vertex> = fc.record({
    kind: fc.constantFrom("effect", "map", "child", "pure"),
    needs: fc.array(fc.nat(20), { maxLength: 3 })
  })

  /** Modules of which none runs before the gate has been opened as far as it stands from the inputs. */
  const build = (vertices: ReadonlyArray<Vertex>) => {
    const gate = { level: 0, done: 0 }
    const start = Module.input("start", Rounded)
    const levels: Array<number> = []
    const modules: Array<Step> = []
    vertices.forEach(({ kind, needs: given }, i) => {
      const name = `m${i}`
      const positions = i === 0 ? [] : [...new Set(given.map((need) => need % i))]
      const needs = { start, ...Object.fromEntries(positions.map((need) => [`m${need}`, modules[need]!])) }
      const level = Math.max(0, ...positions.map((need) => levels[need]! + (vertices[need]!.kind === "pure" ? 0 : 1)))
      levels.push(level)
      const sum = (values: object) =>
        Object.values(values).reduce<number>((sum, value) => (sum * 3.7 + (value as number)) % 1000, i + 0.4)
      const work = (value: number) =>
        Effect.suspend(() => (level > gate.level ? Effect.never : Effect.sync(() => (gate.done++, value))))
      const n = Module.input("n", Schema.Number)
      const leaf = Module.make("leaf", { needs: { n }, output: Rounded, run: ({ n }) => work(n) })
      const inner = Dag.make("inner", { outputs: { leaf } })
      const step = () => {
        switch (kind) {
          case "effect":
            return Module.make(name, { needs, output: Rounded, run: (values) => work(sum(values)) })
          case "pure":
            return Module.pure(name, { needs, run: sum })
          case "map": {
            const inside = Module.map(`${name}-inside`, {
              needs,
              over: (values) => [sum(values), 0.6],
              output: Rounded,
              run: work
            })
            return Module.pure(name, { needs: { inside }, run: ({ inside }) => inside[0]! + inside[1]! })
          }
          case "child": {
            const inside = Module.dag(`${name}-inside`, { needs, dag: inner, input: (values) => ({ n: sum(values) }) })
            return Module.pure(name, { needs: { inside }, run: ({ inside }) => inside.leaf })
          }
        }
      }
      modules.push(step())
    })
    const effects = (level: number) =>
      vertices.reduce(
        (sum, { kind }, i) => sum + (kind === "pure" || levels[i]! > level ? 0 : kind === "map" ? 2 : 1),
        0
      )
    const dag = Dag.make("levels", { outputs: Object.fromEntries(modules.map((module) => [module.name, module])) })
    return { dag, gate, effects, top: Math.max(...levels) }
  }

  it.effect.prop(
    "gives what a run gives that is cut off after each of its steps and resumed",
    [fc.array(vertex, { minLength: 1, maxLength: 8 }), fc.double({ min: 0, max: 100, noNaN: true })],
    ([vertices, start]) =>
      VirtualClock.test(({ until }) =>
        Effect.gen(function* () {
          const whole = build(vertices)
          whole.gate.level = Infinity
          const decoded = yield* until(
            Effect.provide(Engine.execute(whole.dag, { start }), engine({ alwaysDecode: true }))
          )
          const { dag, effects, gate, top } = build(vertices)
          // the first engine only stores the input
          for (gate.level = -1; gate.level < top; gate.level++) {
            const ran = Effect.zipRight(eventually(Effect.sync(() => gate.done === effects(gate.level))), quiet)
            yield* Effect.provide(cutOffWhen(Engine.execute(dag, { start }, { runId: id }), ran), engine())
          }
          yield* until(Effect.provide(Engine.execute(dag, { start }, { runId: id }), engine()))
          assert.strictEqual(gate.done, effects(top))
          const stored = Effect.provide(Engine.execute(dag, { start }, { runId: id }), engine())
          assert.deepStrictEqual(yield* until(stored), decoded)
        }).pipe(Effect.provide(Layer.fresh(store)))
      ),
    { fastCheck: { numRuns: Math.ceil(numRuns / 5) } }
  )
})
