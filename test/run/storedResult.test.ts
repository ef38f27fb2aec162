/** What a run gives is what it gives again, read from the store. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { Dag, Engine, Module } from "heddle"
import { engine, id, store, storedRun } from "./Harness.js"

class Boom extends Schema.TaggedError<Boom>()("Boom", { n: Schema.Int }) {}

const failuresOf = <A, E>(exit: Exit.Exit<A, E>) => (Exit.isFailure(exit) ? [...Cause.failures(exit.cause)] : [])

const n = Module.input("n", Schema.Int)
const fails = Module.make("fails", {
  needs: { n },
  output: Schema.Void,
  error: Boom,
  run: ({ n }) => new Boom({ n })
})
const alsoFails = Module.make("alsoFails", {
  needs: { n },
  output: Schema.Void,
  error: Boom,
  run: ({ n }) => new Boom({ n: n + 10 })
})
const dies = Module.make("dies", { output: Schema.Void, run: () => Effect.die("a defect") })
const inner = Dag.make("inner", { outputs: { fails } })

const child = Module.dag("child", { dag: inner, input: () => ({ n: 1 }) })
const mapped = Module.map("mapped", { over: () => [1, 2], dag: inner, input: (n) => ({ n }) })
const middle = Module.dag("middle", { dag: Dag.make("m", { outputs: { mapped, child } }), input: () => ({}) })
const both = Module.dag("both", {
  dag: Dag.make("b", { outputs: { fails, alsoFails } }),
  input: () => ({ n: 1 })
})
const mixed = Module.dag("mixed", { dag: Dag.make("x", { outputs: { fails, dies } }), input: () => ({ n: 1 }) })

const dags: ReadonlyArray<readonly [string, Dag.Dag<unknown, {}, Boom, never>, ReadonlyArray<string>]> = [
  ["a child Dag", Dag.make("d", { outputs: { child } }), ["Boom"]],
  ["a map over child Dags", Dag.make("d", { outputs: { mapped } }), ["Boom"]],
  ["a map inside of a child Dag", Dag.make("d", { outputs: { middle } }), ["Boom"]],
  ["a child Dag of which two modules failed", Dag.make("d", { outputs: { both } }), ["Boom", "Boom"]],
  ["a child Dag of which one failed with a defect", Dag.make("d", { outputs: { mixed } }), ["RunFailed"]]
]

describe("a run that failed inside of", () => {
  for (const onFailure of ["failFast", "continue"] as const) {
    for (const [what, dag, tags] of dags) {
      it.effect(`${what} gives its errors again (${onFailure})`, () =>
        Effect.gen(function* () {
          const ask = Effect.exit(Engine.execute(dag, {}, { runId: id, onFailure })).pipe(Effect.provide(engine()))
          const first = failuresOf(yield* ask)
          if (onFailure === "continue")
            assert.deepStrictEqual([...new Set(first.map((e) => e._tag))], [...new Set(tags)])
          assert.strictEqual((yield* storedRun()).status, "failed")
          const again = failuresOf(yield* ask)
          assert.deepStrictEqual(
            again.map((error) => (error._tag === "Boom" ? error : error._tag)),
            first.map((error) => (error._tag === "Boom" ? error : error._tag))
          )
          assert.isTrue(again.every((error) => error._tag !== "Boom" || error instanceof Boom))
          assert.isNotEmpty(again)
        }).pipe(Effect.provide(store))
      )
    }
  }
})
