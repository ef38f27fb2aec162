import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, FastCheck as fc, Schema } from "effect"
import { Dag, Flow, Module, Plan } from "heddle"
import * as CanonicalJson from "heddle/model/CanonicalJson"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ToolSchema from "heddle/plan/ToolSchema"
import * as SchemaFingerprint from "../../src/plan/internal/SchemaFingerprint.js"

const of = (dag: Dag.Any) => Effect.map(Plan.make(dag), ToolSchema.of)
const toolsOf = (dag: Dag.Any) => Effect.map(Effect.flatten(of(dag)), ({ tools }) => tools)
const documentOf = (schema: Schema.Schema.AnyNoContext) => Either.getOrThrow(SchemaFingerprint.describe(schema))

class Slug extends ComputeNode.Service<Slug>()("test/Slug", { input: Schema.String, output: Schema.Number }) {}

const Item = Schema.Struct({ id: Schema.String })
const items = Module.input("items", Schema.Array(Item))

const Packing = Dag.make("packing", {
  outputs: {
    pack: Module.make("pack", {
      needs: { item: Module.input("item", Item) },
      output: Schema.Number,
      run: () => Effect.succeed(1)
    })
  }
})

const shape = Module.route("shape", { needs: { items }, branches: ["few", "many"], choose: () => "few" as const })
const orders = Module.map("orders", {
  needs: { items },
  over: ({ items }) => items,
  dag: Packing,
  input: (item) => ({ item })
})
const collected = Module.map("collected", {
  needs: { items },
  over: ({ items }) => items,
  output: Schema.Void,
  run: () => Effect.void,
  onItemFailure: "collect"
})
const ship = Module.dag("ship", { dag: Packing, needs: { items }, input: () => ({ item: { id: "" } }) })
const slug = Module.node("slug", { node: Slug, needs: { items }, input: () => "" })
const pause = Module.sleep("pause", { duration: "1 day" })
const plain = Module.pure("plain", { needs: { ship, orders, slug, pause, shape, collected }, run: () => 1 })
const known = Module.pure("known", { needs: { plain }, output: Schema.Number, run: ({ plain }) => plain })
const approval = Module.signal("approval", { needs: { known }, value: Schema.Boolean })
const All = Dag.make("all", { outputs: { approval } })

describe("ToolSchema", () => {
  it.effect("has each module by its path, also those of child Dags, and each node by its key", () =>
    Effect.gen(function* () {
      const plan = yield* Plan.make(All)
      const packing = yield* Plan.make(Packing)
      const { modules, tools } = yield* ToolSchema.of(plan)
      const own = plan.modules.map(({ fingerprint, name }) => [name, fingerprint])
      const nested = ["ship/", "orders/:/"].flatMap((path) =>
        packing.modules.map(({ fingerprint, name }) => [path + name, fingerprint])
      )
      assert.deepStrictEqual(modules, Object.fromEntries([...own, ...nested]))
      assert.deepStrictEqual(Object.keys(tools).sort(), [...Object.keys(modules), "node:test/Slug"].sort())
    })
  )

  it.effect("says what each kind takes and gives", () =>
    Effect.gen(function* () {
      const tools = yield* toolsOf(All)
      const Pack = Schema.Struct({ pack: Schema.Number })
      const expected: ReadonlyArray<
        readonly [string, Schema.Schema.AnyNoContext | undefined, Schema.Schema.AnyNoContext | undefined]
      > = [
        ["items", undefined, Schema.Array(Item)],
        ["shape", Schema.Struct({ items: Schema.Array(Item) }), Schema.String],
        ["orders", Schema.Struct({ items: Schema.Array(Item) }), Schema.Array(Pack)],
        ["orders/:/item", undefined, Item],
        ["orders/:/pack", Schema.Struct({ item: Item }), Schema.Number],
        ["ship", Schema.Struct({ items: Schema.Array(Item) }), Pack],
        ["ship/pack", Schema.Struct({ item: Item }), Schema.Number],
        ["slug", Schema.Struct({ items: Schema.Array(Item) }), Schema.Number],
        ["node:test/Slug", Schema.String, Schema.Number],
        ["pause", undefined, Schema.Undefined],
        ["known", Schema.Struct({ plain: Schema.optional(Schema.Unknown) }), Schema.Number],
        ["approval", Schema.Struct({ known: Schema.Number }), Schema.Boolean]
      ]
      for (const [path, input, output] of expected) {
        assert.deepStrictEqual(
          tools[path]?.schema,
          {
            input: input === undefined ? null : documentOf(input),
            output: output === undefined ? null : documentOf(output)
          },
          path
        )
      }
      assert.isNull(tools["plain"]!.schema!.output)
      assert.isNotNull(tools["collected"]!.schema!.output)
    })
  )

  it.effect("is what a flow can have, with the hashes of the documents, and survives JSON", () =>
    Effect.gen(function* () {
      const tools = yield* toolsOf(All)
      for (const { hash, schema } of Object.values(tools)) {
        assert.strictEqual(hash, CanonicalJson.hash(Either.getOrThrow(CanonicalJson.stringify(schema))))
        assert.strictEqual(ToolSchema.hash(schema!), hash)
        assert.strictEqual(ToolSchema.hash(JSON.parse(JSON.stringify(schema))), hash)
      }
      assert.deepStrictEqual(yield* Schema.decodeUnknown(Flow.Tools)(JSON.parse(JSON.stringify(tools))), tools)
    })
  )

  it.effect("does not depend on the order in which needs are written down", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.shuffledSubarray(["a", "b", "c", "d"], { minLength: 4 }), (order) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const build = (names: ReadonlyArray<string>) => {
                const needs = Object.fromEntries(names.map((name) => [name, Module.input(name, Schema.String)]))
                return Dag.make("d", {
                  outputs: { all: Module.pure("all", { needs, output: Schema.Number, run: () => 1 }) }
                })
              }
              assert.deepStrictEqual(yield* toolsOf(build(order)), yield* toolsOf(build(["a", "b", "c", "d"])))
            })
          )
        )
      )
    )
  )

  it.effect("tells which tools changed when a schema did: those that have it, and those that need them", () =>
    Effect.gen(function* () {
      const build = (schema: Schema.Schema<number | null, number | null>) => {
        const a = Module.make("a", { output: schema, run: () => Effect.succeed(null as never) })
        const b = Module.make("b", { needs: { a }, output: Schema.Number, run: () => Effect.succeed(1) })
        const c = Module.make("c", { needs: { b }, output: Schema.Number, run: () => Effect.succeed(1) })
        return Dag.make("d", { outputs: { c } })
      }
      const before = yield* toolsOf(build(Schema.NullOr(Schema.Number)))
      const after = yield* toolsOf(build(Schema.NullOr(Schema.Int)))
      assert.deepStrictEqual(
        Object.keys(before).filter((tool) => before[tool]!.hash !== after[tool]!.hash),
        ["a", "b"]
      )
    })
  )

  describe("refuses", () => {
    const faultsOf = (dag: Dag.Any) =>
      Effect.map(of(dag), (made) => (Either.isLeft(made) ? made.left.faults.map(({ path }) => path) : []))

    it.effect("more modules than a flow can have, those of child Dags included", () =>
      Effect.gen(function* () {
        const wide = (name: string, size: number, child: Dag.Dag<unknown, {}> | undefined) => {
          const needs = Object.fromEntries(
            Array.from({ length: size }, (_, i) => [
              `m${i}`,
              child === undefined
                ? Module.pure(`m${i}`, { run: () => i })
                : Module.dag(`m${i}`, { dag: child, input: () => ({}) })
            ])
          )
          return Dag.make(name, { outputs: { all: Module.pure("all", { needs, run: () => 1 }) } })
        }
        // 100 children of 99 and one, and the last
        const nearly = wide("nearly", 99, wide("child", 99, undefined))
        assert.deepStrictEqual(yield* faultsOf(nearly), [])
        assert.deepStrictEqual(yield* faultsOf(wide("over", 100, wide("child", 99, undefined))), ["modules"])
        // 2 to the power of 17 of them
        let deep = wide("deep", 2, undefined)
        for (let i = 0; i < 16; i++) deep = wide(`deep ${i}`, 2, deep)
        assert.deepStrictEqual(yield* faultsOf(deep), ["modules"])
      })
    )

    it.effect("a module that looks like a node, a node that hides something, and two nodes with one key", () =>
      Effect.gen(function* () {
        const Hidden = Schema.String.pipe(Schema.filter((text) => text !== ""))
        class Opaque extends ComputeNode.Service<Opaque>()("test/Opaque", { input: Hidden, output: Schema.Number }) {}
        class Other extends ComputeNode.Service<Other>()("test/Slug", { input: Schema.Int, output: Schema.Number }) {}
        const dag = Dag.make("bad", {
          outputs: {
            like: Module.pure("node:like", { run: () => 1 }),
            opaque: Module.node("opaque", { node: Opaque, input: () => "x" }),
            one: Module.node("one", { node: Slug, input: () => "x" }),
            two: Module.node("two", { node: Other, input: () => 1 })
          }
        })
        assert.deepStrictEqual(yield* faultsOf(dag), ["node:like", "node:test/Opaque.input", "two"])
      })
    )
  })
})
