/** Holds docs/guides/concurrency.md against the tests that it names, and shows its pitfalls. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Ref, Schema, STM, TRef } from "effect"
import { Dag, Engine, Heddle, Module, Shared } from "heddle"
import { SeededScheduler } from "heddle/testing"
import * as Evidence from "./Evidence.js"
import * as Page from "./Page.js"

const page = Page.read("docs/guides/concurrency.md")

describe("docs/guides/concurrency.md", () => {
  it("names a test for each row of each table", () => {
    const rows = Page.rows(page)
    assert.isAbove(rows.length, 40)
    for (const row of rows) assert.lengthOf(row, 3, row.join(" | "))
    const known = Evidence.check(rows.map((row) => ({ what: row[0]!, shownBy: row[2]! })))
    assert.isAbove(known.size, 15)
  })

  it("has an answer for each kind of node, and for each table of the contents", () => {
    for (const title of ["What is safe to share", "Which one to take", "Where data belongs", "Pitfalls", "Checklist"]) {
      assert.isTrue(Page.sections(page, 2).has(title), title)
    }
    const shared = Page.rows(Page.sections(page, 2).get("What is safe to share")!).map(([what]) => what!)
    for (const node of ["ComputeNode", "EffectNode", "ReducerNode", "OrchestratorNode", "CircuitBreaker"]) {
      assert.isTrue(
        shared.some((what) => what.includes(node)),
        node
      )
    }
  })
})

const seeds = 100

/** Two fields that are to be equal: a writer changes both, while a reader looks at both. */
const reading = (write: Effect.Effect<unknown>, read: Effect.Effect<readonly [number, number]>) =>
  Effect.gen(function* () {
    const [a, b] = (yield* Effect.all([read, write], { concurrency: "unbounded" }))[0]
    if (a !== b) return yield* Effect.fail(`torn: ${a} and ${b}`)
  })

describe("a pitfall", () => {
  it.live("two reads are no reading of two fields: a Ref of both, and a transaction, are", () =>
    Effect.gen(function* () {
      const increment = (n: number) => n + 1
      const apart = Effect.flatMap(Effect.all([Ref.make(0), Ref.make(0)]), ([a, b]) =>
        reading(
          Effect.zipRight(Ref.update(a, increment), Ref.update(b, increment)),
          Effect.all([Ref.get(a), Ref.get(b)])
        )
      )
      const together = Effect.flatMap(Ref.make<readonly [number, number]>([0, 0]), (both) =>
        reading(
          Ref.update(both, ([a, b]) => [a + 1, b + 1] as const),
          Ref.get(both)
        )
      )
      const transaction = Effect.flatMap(Effect.all([TRef.make(0), TRef.make(0)]), ([a, b]) =>
        reading(
          STM.commit(STM.zipRight(TRef.update(a, increment), TRef.update(b, increment))),
          STM.commit(STM.all([TRef.get(a), TRef.get(b)]))
        )
      )
      assert.isNotEmpty(yield* SeededScheduler.failures({ seeds, effect: apart }))
      yield* SeededScheduler.explore({ seeds, effect: together })
      yield* SeededScheduler.explore({ seeds, effect: transaction })
    })
  )

  it.live("a get and then a set lose updates: an update does not", () =>
    Effect.gen(function* () {
      const counting = (increment: (ref: Ref.Ref<number>) => Effect.Effect<void>) =>
        Effect.gen(function* () {
          const ref = yield* Ref.make(0)
          yield* Effect.all([increment(ref), increment(ref)], { concurrency: "unbounded" })
          if ((yield* Ref.get(ref)) !== 2) return yield* Effect.fail("lost")
        })
      const lossy = counting((ref) => Effect.flatMap(Ref.get(ref), (n) => Ref.set(ref, n + 1)))
      assert.isNotEmpty(yield* SeededScheduler.failures({ seeds, effect: lossy }))
      yield* SeededScheduler.explore({ seeds, effect: counting((ref) => Ref.update(ref, (n) => n + 1)) })
    })
  )

  it.effect("an effect that is not yielded does nothing", () =>
    Effect.gen(function* () {
      const stats = Shared.make("stats", { seen: Shared.cell(Schema.Int, 0) })
      const increment = Shared.update(stats, ({ seen }) => ({ seen: seen + 1 }))
      const see = Module.make("see", {
        output: Schema.Int,
        run: () =>
          Effect.gen(function* () {
            void increment
            yield* increment
            return yield* Shared.get(stats, "seen")
          })
      })
      const outputs = yield* Engine.execute(Dag.make("seeing", { outputs: { see }, shared: [stats] }), {})
      assert.deepStrictEqual(outputs, { see: 1 })
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it("a frozen object has nothing frozen inside of it: neither records nor Maps", () => {
    const frozen = Object.freeze({ inside: { n: 1 }, map: new Map([["k", 1]]) })
    frozen.inside.n = 2
    frozen.map.set("k", 2)
    assert.deepStrictEqual([frozen.inside.n, frozen.map.get("k")], [2, 2])
    assert.throws(() => Object.freeze(new Uint8Array(1)), TypeError)
  })
})
