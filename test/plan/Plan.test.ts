import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { Dag, Module, Plan } from "heddle"
import { numRuns } from "../numRuns.js"
import * as RandomDag from "../run/RandomDag.js"

const n = Module.input("n", Schema.Number)
const one = Module.pure("one", { needs: { n }, run: ({ n }) => n })

const issuesOf = (dag: Dag.Any) => Effect.map(Effect.flip(Plan.make(dag)), ({ issues }) => issues)
const fingerprintOf = (dag: Dag.Any) => Effect.map(Plan.make(dag), ({ fingerprint }) => fingerprint)

describe("Plan", () => {
  describe("refuses", () => {
    const named = (name: string) => Module.pure(name, { run: () => 1 })

    it.effect("different modules with one name, and counts them; one module may be used twice", () =>
      Effect.gen(function* () {
        const three = Dag.make("d", { outputs: { a: named("x"), b: named("x"), c: named("x"), d: one, e: one } })
        assert.deepStrictEqual(yield* issuesOf(three), [{ _tag: "DuplicateName", name: "x", count: 3 }])
      })
    )

    it.effect("names that are empty, reserved or cannot be stored: of Dags, modules, outputs and needs", () =>
      Effect.gen(function* () {
        for (const [name, reason] of [
          ["", "is empty"],
          [" \t", "is empty"],
          ["__proto__", "is reserved"],
          ["constructor", "is reserved"],
          ["heddle/x", "is reserved"],
          ["a\u0000b", "has control characters"],
          ["\ud800", "is not well-formed Unicode"]
        ] as const) {
          const record = <A>(value: A): { readonly [key: string]: A } =>
            Object.defineProperty({}, name, { value, enumerable: true })
          assert.deepStrictEqual(yield* issuesOf(Dag.make(name, { outputs: { one } })), [
            { _tag: "InvalidName", of: "dag", name, reason }
          ])
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { x: named(name) } })), [
            { _tag: "InvalidName", of: "module", name, reason }
          ])
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: record(one) })), [
            { _tag: "InvalidName", of: "output", name, reason }
          ])
          const reader = Module.pure("reader", { needs: record(one), run: () => 1 })
          assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { reader } })), [
            { _tag: "InvalidName", of: "need", name, reason, module: "reader" }
          ])
        }
      })
    )

    it.effect("no outputs, an output that is an input, and what is not a module", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: {} })), [{ _tag: "NoOutputs" }])
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { n, one } })), [
          { _tag: "OutputIsInput", output: "n", module: "n" }
        ])
        const reader = Module.pure("reader", { needs: { bad: "one" as never, none: null as never }, run: () => 1 })
        assert.deepStrictEqual(yield* issuesOf(Dag.make("d", { outputs: { reader, gone: undefined as never } })), [
          { _tag: "NotAModule", of: undefined, key: "gone" },
          { _tag: "NotAModule", of: "reader", key: "bad" },
          { _tag: "NotAModule", of: "reader", key: "none" }
        ])
      })
    )

    it.effect("schemas that cannot be told from others, by module and path", () =>
      Effect.gen(function* () {
        const Even = Schema.Number.pipe(Schema.filter((value) => value % 2 === 0))
        const Order = Schema.Struct({ lines: Schema.Array(Schema.Struct({ count: Even })) })
        const order = Module.input("order", Order)
        const count = Module.make("count", { needs: { order }, output: Even, run: () => Effect.succeed(2) })
        const issues = yield* issuesOf(Dag.make("d", { outputs: { count } }))
        assert.deepStrictEqual(
          issues.map((issue) => (issue._tag === "OpaqueSchema" ? [issue.module, issue.schema, issue.path[0]] : [])),
          [
            ["order", "input", "lines"],
            ["count", "output", undefined]
          ]
        )
        const Named = Even.annotations({ identifier: "Even" })
        const fine = Module.make("count", { output: Named, run: () => Effect.succeed(2) })
        yield* Plan.make(Dag.make("d", { outputs: { fine } }))
      })
    )

    it.effect("everything that is wrong at once, in one message", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Plan.make(Dag.make("", { outputs: { n, a: named("x"), b: named("x") } })))
        assert.deepStrictEqual(
          error.issues.map(({ _tag }) => _tag),
          ["InvalidName", "DuplicateName", "OutputIsInput"]
        )
        for (const part of ["the dag name", '2 modules are named "x"', 'the output "n"']) {
          assert.include(error.message, part)
        }
      })
    )
  })

  it.effect("is compiled once for a Dag", () =>
    Effect.gen(function* () {
      const dag = Dag.make("d", { outputs: { one } })
      assert.strictEqual(yield* Plan.make(dag), yield* Plan.make(dag))
    })
  )

  it.effect("a chain of 50,000 modules is no deeper for it than for its reader", () =>
    Effect.gen(function* () {
      let last: Module.Of<number, never, never, Module.Input<"n", number>> = one
      for (let i = 0; i < 50_000; i++) last = Module.pure(`m${i}`, { needs: { last }, run: ({ last }) => last })
      const plan = yield* Plan.make(Dag.make("chain", { outputs: { last } }))
      assert.strictEqual(plan.modules.length, 50_002)
    })
  )

  it.effect.prop(
    "puts needs before dependants, and its arrays agree with them",
    [RandomDag.healthy],
    ([vertices]) =>
      Effect.gen(function* () {
        const plan = yield* Plan.make(RandomDag.dag(vertices, RandomDag.emptyLog()))
        const edges = new Set<string>()
        plan.modules.forEach(({ name, needs }, i) => {
          assert.strictEqual(plan.index.get(name), i)
          assert.strictEqual(plan.inDegree[i], needs.length)
          for (const { index } of needs) {
            assert.isBelow(index, i)
            edges.add(`${index} ${i}`)
          }
        })
        for (let i = 0; i < plan.modules.length; i++) {
          for (let d = plan.dependantsFrom[i]!; d < plan.dependantsFrom[i + 1]!; d++) {
            assert.isTrue(edges.delete(`${i} ${plan.dependants[d]}`))
          }
        }
        assert.strictEqual(edges.size, 0)
      }),
    { fastCheck: { numRuns } }
  )

  describe("fingerprints", () => {
    it.effect.prop(
      "do not depend on the order in which needs and outputs are written",
      [RandomDag.healthy, fc.integer()],
      ([vertices, seed]) =>
        Effect.gen(function* () {
          const written = RandomDag.dag(vertices, RandomDag.emptyLog())
          const shuffled = Dag.make("random", {
            outputs: Object.fromEntries(
              Object.entries(RandomDag.dag(vertices, RandomDag.emptyLog(), seed).outputs).reverse()
            )
          })
          const [a, b] = [yield* Plan.make(written), yield* Plan.make(shuffled)]
          assert.strictEqual(b.fingerprint, a.fingerprint)
          assert.deepStrictEqual(
            b.modules.map(({ name }) => name),
            a.modules.map(({ name }) => name)
          )
        }),
      { fastCheck: { numRuns } }
    )

    it.effect("change with names, needs, schemas, kinds and versions, and with nothing else", () =>
      Effect.gen(function* () {
        const other = Module.pure("other", { needs: { n }, run: ({ n }) => n })
        const base = { needs: { x: one }, output: Schema.Number, run: () => Effect.succeed(1) }
        const of = (name: string, options: Parameters<typeof Module.make<string, number, never, never, never>>[1]) =>
          fingerprintOf(Dag.make("d", { outputs: { it: Module.make(name, options as never) } }))
        const same = yield* of("it", base)
        assert.strictEqual(yield* of("it", { ...base, run: () => Effect.succeed(2), timeout: "1 second" }), same)
        const all = [
          same,
          yield* of("it2", base),
          yield* of("it", { ...base, needs: { x: other } }),
          yield* of("it", { ...base, needs: { y: one } }),
          yield* of("it", { ...base, output: Schema.Int }),
          yield* of("it", { ...base, error: Schema.String } as never),
          yield* of("it", { ...base, version: 2 }),
          yield* fingerprintOf(
            Dag.make("d", { outputs: { it: Module.pure("it", { needs: { x: one }, run: () => 1 }) } })
          ),
          yield* fingerprintOf(Dag.make("e", { outputs: { it: Module.make("it", base) } })),
          yield* fingerprintOf(Dag.make("d", { outputs: { that: Module.make("it", base) } })),
          yield* fingerprintOf(Dag.make("d", { outputs: { it: Module.make("it", base) }, version: "2" }))
        ]
        assert.strictEqual(new Set(all).size, all.length)
      })
    )
  })
})
