/** `Module.node`: a node, of whatever kind, as a vertex. The kinds themselves are tested in `test/node`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Schema } from "effect"
import { Dag, Engine, Module, Plan, RunSnapshot, type Node } from "heddle"
import { declare } from "../../src/node/internal/Declaration.js"
import { alone, engine, id, stateOf, store } from "./Harness.js"

class TooMany extends Schema.TaggedError<TooMany>()("TooMany", { asked: Schema.Int }) {}

interface StockService extends Node.Service<number, Date, TooMany> {
  readonly calls: Effect.Effect<ReadonlyArray<number>>
}

/** A node whose output and error are not JSON as they are. */
const declared = <Self>(key: string, version?: string) =>
  declare<Self, string, StockService, number, Date, TooMany, never>(key, {
    kind: "effect",
    input: Schema.Number,
    output: Schema.Date,
    error: TooMany,
    version
  })

class Stock extends declared<Stock>("test/Stock") {}

const dateOf = (millis: number) => new Date(millis)

const stock = Layer.sync(Stock, () => {
  const calls: Array<number> = []
  return {
    process: (asked) =>
      Effect.suspend(() => {
        calls.push(asked)
        return asked > 9 ? Effect.fail(new TooMany({ asked })) : Effect.succeed(dateOf(asked))
      }),
    calls: Effect.sync(() => [...calls])
  }
})

const amount = Module.input("amount", Schema.Int)
const held = Module.node("held", { node: Stock, needs: { amount }, input: ({ amount }) => amount * 2 })
const year = Module.make("year", {
  needs: { held },
  output: Schema.Int,
  run: ({ held }) => Effect.succeed(held.getTime())
})
const Holding = Dag.make("holding", { outputs: { year } })

describe("Module.node", () => {
  it.effect("calls the node with its input, and gives its output", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Engine.execute(Holding, { amount: 3 }), { year: 6 })
      assert.deepStrictEqual(yield* Effect.flatMap(Stock, ({ calls }) => calls), [6])
    }).pipe(Effect.provide(Layer.merge(alone(), stock)))
  )

  it.effect("fails with the node's own error, which comes back from the store as it was", () =>
    Effect.gen(function* () {
      const once = Engine.execute(Holding, { amount: 5 }, { runId: id }).pipe(Effect.exit)
      const first = yield* Effect.provide(once, Layer.fresh(engine()))
      const again = yield* Effect.provide(once, Layer.fresh(engine()))
      for (const exit of [first, again]) assert.deepStrictEqual(exit, Exit.fail(new TooMany({ asked: 10 })))
      assert.lengthOf(yield* Effect.flatMap(Stock, ({ calls }) => calls), 1, "the end is read, not run again")
    }).pipe(Effect.provide(Layer.merge(store, stock)))
  )

  it.effect("is skipped where it says so when the call fails", () => {
    const held = Module.node("held", { node: Stock, input: () => 10, onFailure: "skip", limit: "few", priority: 2 })
    const after = Module.pure("after", { needs: { held }, run: ({ held }) => held.getTime() })
    const orNot = Module.pure("orNot", {
      needs: { held },
      join: "noneFailed",
      run: ({ held }) => Option.isNone(held)
    })
    return Effect.gen(function* () {
      const given = yield* Engine.execute(Dag.make("lenient", { outputs: { after, orNot } }), {}, { runId: id })
      assert.deepStrictEqual(given, { after: Option.none(), orNot: true })
      const run = yield* Engine.get(id)
      assert.strictEqual(stateOf(run, "held").status, "skipped")
      assert.deepStrictEqual(RunSnapshot.counts(run).skipped, 2)
    }).pipe(Effect.provide(Layer.merge(alone({ limits: { few: 1 } }), stock)))
  })

  it.effect("that throws while it makes its input is a defect of the module", () =>
    Effect.gen(function* () {
      const held = Module.node("held", {
        node: Stock,
        input: (): number => {
          throw new Error("no input")
        }
      })
      const exit = yield* Effect.exit(Engine.execute(Dag.make("broken", { outputs: { held } }), {}))
      assert.match(String(exit), /no input/)
      assert.lengthOf(yield* Effect.flatMap(Stock, ({ calls }) => calls), 0)
    }).pipe(Effect.provide(Layer.merge(alone(), stock)))
  )

  it.effect("has a fingerprint that knows the node, its version and the module's own", () => {
    const fingerprint = (key: string, nodeVersion?: string, version?: string) => {
      const node = declared<Stock>(key, nodeVersion)
      const options = version === undefined ? { node, input: () => 1 } : { node, input: () => 1, version }
      const held = Module.node("held", options)
      return Effect.map(Plan.make(Dag.make("d", { outputs: { held } })), (plan) => plan.fingerprint)
    }
    return Effect.gen(function* () {
      const all = yield* Effect.all([
        fingerprint("a"),
        fingerprint("b"),
        fingerprint("a", "1"),
        fingerprint("a", undefined, "1"),
        fingerprint("a", "1", "1")
      ])
      assert.strictEqual(new Set(all).size, all.length)
      assert.strictEqual(yield* fingerprint("a", "1"), all[2])
    })
  })
})
