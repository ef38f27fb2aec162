/** What is asked of stores of flows that share what they keep. */
import { assert } from "@effect/vitest"
import { Array, Effect, Random } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import type { FlowStore, Written } from "heddle/store/FlowStore"
import { Linearizability } from "heddle/testing"
import { change } from "../../src/testing/internal/contract/FlowRows.js"

type Store = FlowStore["Type"]

/** One call of each method. */
export const calls = (store: Store): ReadonlyArray<Effect.Effect<unknown, StoreError>> => [
  store.write([change("a", "1", 1)]),
  store.get("a", "1"),
  store.list({ limit: 1 }),
  store.log({ after: 0, limit: 1 }),
  store.position
]

type Input =
  { readonly _tag: "one" | "both"; readonly a: number; readonly b: number } | { readonly _tag: "list" | "log" | "get" }

/** The revisions of the flows a and b; the log has as many entries as both together. */
const model = Linearizability.deterministic<string, Input, string>({
  init: "0 0",
  step: (state, input) => {
    const [a = 0, b = 0] = state.split(" ").map(Number)
    switch (input._tag) {
      case "list":
        return [state, state]
      case "log":
        return [state, String(a + b)]
      case "get":
        return [state, String(b)]
      case "one":
        return input.a === a + 1 ? [`${input.a} ${b}`, "written"] : [state, `a is ${a}`]
      case "both":
        if (input.b !== b + 1) return [state, `b is ${b}`]
        return input.a === a + 1 ? [`${input.a} ${input.b}`, "written"] : [state, `a is ${a}`]
    }
  }
})

const answerOf = (written: Written): string =>
  written._tag === "Written" ? "written" : `${written.name} is ${written.actual}`

/** Each store is one client's; what they see has an order. */
export const haveAnOrder = (stores: ReadonlyArray<Store>) =>
  Effect.gen(function* () {
    const { history, record } = yield* Linearizability.recorder<Input, string>()
    const client = (store: Store) =>
      Effect.gen(function* () {
        let [a, b] = [0, 0]
        const list = Effect.map(store.list({ limit: 9 }), (rows) => {
          const of = (name: string) => rows.find((row) => row.name === name)?.revision ?? 0
          ;[a, b] = [of("a"), of("b")]
          return `${a} ${b}`
        })
        const operations = {
          list,
          log: Effect.map(store.log({ after: 0, limit: 999 }), (entries) => String(entries.length)),
          get: Effect.map(store.get("b", "1"), (row) => String(row._tag === "Some" ? row.value.revision : 0)),
          one: Effect.suspend(() => Effect.map(store.write([change("a", "1", a + 1)]), answerOf)),
          both: Effect.suspend(() =>
            Effect.map(store.write([change("b", "1", b + 1), change("a", "1", a + 1)]), answerOf)
          )
        }
        const tags = ["list", "list", "log", "get", "one", "one", "both", "both"] as const
        for (let i = 0; i < 25; i++) {
          const _tag = tags[yield* Random.nextIntBetween(0, tags.length)]!
          const input: Input = _tag === "one" || _tag === "both" ? { _tag, a: a + 1, b: b + 1 } : { _tag }
          yield* record(input)(operations[_tag])
        }
      })
    yield* Effect.all(stores.map(client), { concurrency: "unbounded" })
    yield* Linearizability.check(model, yield* history)
  })

/** Each store adds to two flows until it is no conflict; none of it is lost, and the log tells the order. */
export const countTogether = (stores: ReadonlyArray<Store>, rounds = 10) =>
  Effect.gen(function* () {
    const count = (store: Store, actor: string): Effect.Effect<void, StoreError> =>
      Effect.gen(function* () {
        const rows = yield* store.list({ limit: 9 })
        const revision = (rows[0]?.revision ?? 0) + 1
        const answer = yield* store.write([
          change("a", "1", revision, { actor }),
          change("b", "1", revision, { actor })
        ])
        if (answer._tag === "Conflict") {
          yield* Effect.yieldNow()
          return yield* count(store, actor)
        }
      })
    yield* Effect.all(
      stores.map((store, i) => Effect.repeatN(count(store, `writer ${i}`), rounds - 1)),
      { concurrency: "unbounded" }
    )
    const entries = yield* stores[0]!.log({ after: 0, limit: 9999 })
    const total = stores.length * rounds
    assert.deepStrictEqual(
      entries.map(({ name, revision }) => `${name} ${revision}`),
      Array.flatMap(Array.range(1, total), (i) => [`a ${i}`, `b ${i}`])
    )
    for (const i of stores.keys()) {
      assert.lengthOf(
        entries.filter(({ actor }) => actor === `writer ${i}`),
        2 * rounds
      )
    }
    for (const store of stores) assert.strictEqual(yield* store.position, entries.at(-1)!.position)
  })
