/** `docs/examples/external-state`: the same program over each store, which only a Layer names. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, Layer, Option, Schema, type Scope } from "effect"
import { SchemaStore, StateStore, type StoreError } from "heddle"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as RedisStore from "heddle/store/RedisStore"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { storeOf } from "../../docs/examples/external-state/main.js"
import { carts, layer, sell } from "../../docs/examples/external-state/Shop.js"
import { withPostgres, withRedis } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"
import * as RedisPrefix from "../store/RedisPrefix.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-external-state-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

type Store = Layer.Layer<StateStore.StateStore, StoreError>

/** `where`: a place of the test's own, which each layer opens anew. */
const examples = (
  name: string,
  where: Effect.Effect<() => Store, StoreError, Scope.Scope>,
  { isForSeveral = true }: { readonly isForSeveral?: boolean } = {}
) => {
  describe(name, () => {
    it.scopedLive("keeps carts and what was sold when the program starts again, and not what is in memory", () =>
      Effect.gen(function* () {
        const store = yield* where
        const start = Effect.provide(sell("ann", "tea"), layer(store()))
        assert.deepStrictEqual(yield* start, { items: ["tea"], session: 1, sold: 1 })
        assert.deepStrictEqual(yield* start, { items: ["tea", "tea"], session: 1, sold: 2 })
      })
    )

    it.scopedLive("reads the carts of the release before, beside one that nobody can read", () =>
      Effect.gen(function* () {
        const store = Context.get(yield* Layer.build((yield* where)()), StateStore.StateStore)
        const onStore = Effect.provideService(StateStore.StateStore, store)
        const old = yield* onStore(SchemaStore.make({ name: "carts", schema: Schema.Array(Schema.String), version: 1 }))
        yield* old.set("ann", ["tea"])
        yield* store.set("carts/bob", "damaged")
        const { entries, unreadable } = yield* Effect.flatMap(onStore(carts), (carts) =>
          carts.list({ prefix: "", limit: 10 })
        )
        assert.deepStrictEqual(
          entries.map(({ key, value }) => [key, value]),
          [["ann", { items: ["tea"], currency: "EUR" }]]
        )
        assert.deepStrictEqual(
          unreadable.map(({ error, key }) => [key, error._tag]),
          [["bob", "StateQuarantined"]]
        )
        assert.strictEqual(
          (yield* Effect.flip(onStore(Effect.flatMap(carts, (carts) => carts.get("bob")))))._tag,
          "StateQuarantined"
        )
      })
    )

    if (isForSeveral) {
      it.scopedLive("loses nothing of two processes that sell at the same time", () =>
        Effect.gen(function* () {
          const store = yield* where
          const selling = Effect.provide(Effect.all(Array.replicate(sell("ann", "tea"), 5)), layer(store()))
          yield* Effect.all([selling, selling], { concurrency: 2 })
          const last = yield* Effect.provide(sell("ann", "tea"), layer(store()))
          assert.deepStrictEqual([last.items.length, last.sold], [11, 11])
          assert.isTrue(
            Option.isSome(
              yield* Effect.provide(
                Effect.flatMap(StateStore.StateStore, (store) => store.get("carts/ann")),
                store()
              )
            )
          )
        })
      )
    }
  })
}

describe("external-state", () => {
  // in memory what is kept ends with the layer: the test holds one for all of its starts
  examples(
    "memory",
    Effect.map(Layer.build(storeOf("memory")), (context) => () => Layer.succeedContext(context))
  )
  examples(
    "file",
    Effect.map(folder, (folder) => () => storeOf(`${folder}/state/`)),
    { isForSeveral: false }
  )
  examples(
    "SQLite",
    Effect.map(folder, (folder) => () => storeOf(`${folder}/shop.db`))
  )
  withPostgres((url) =>
    examples(
      "PostgreSQL",
      Effect.map(
        PostgresSchema.freshSchema(url),
        (schema) => () => PostgresStore.layerStateStore(PostgresSchema.options(url, schema))
      )
    )
  )
  withRedis((url) =>
    examples(
      "Redis",
      Effect.map(RedisPrefix.options(url), (options) => () => RedisStore.layerStateStore(options))
    )
  )
})
