import { assert, describe, it } from "@effect/vitest"
import { Array, Config, ConfigProvider, Effect, Fiber, Layer, Option, Redacted } from "effect"
import { FlowStore } from "heddle/store/FlowStore"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import * as PostgresFlows from "../../src/store/internal/PostgresFlows.js"
import { change, rowOf } from "../../src/testing/internal/contract/FlowRows.js"
import * as Proxy from "../services/Proxy.js"
import { withPostgres } from "../services/Services.js"
import { flowContract } from "./flowContract.js"
import * as FlowStores from "./FlowStores.js"
import { inTurn } from "./inTurn.js"
import * as PostgresDatabases from "./PostgresDatabases.js"
import * as PostgresSchema from "./PostgresSchema.js"

withPostgres((url) => {
  const shared = PostgresDatabases.share(url)

  /** Nothing is left of the test before. */
  const stores = Effect.gen(function* () {
    const { databases, execute } = shared()
    for (const table of ["flows", "flow_log"]) yield* execute(`DELETE FROM heddle.${table}`)
    yield* execute("UPDATE heddle.flow_positions SET last = 0")
    return [PostgresFlows.make(databases[0]), PostgresFlows.make(databases[1])] as const
  })

  flowContract(
    "PostgreSQL, as two processes have it,",
    () =>
      Layer.effect(
        FlowStore,
        Effect.map(stores, (both) => inTurn(...both))
      ),
    15
  )

  describe("FlowStore on PostgreSQL", () => {
    it.live("operations of two processes have an order", () =>
      Effect.flatMap(stores, (both) => FlowStores.haveAnOrder(Array.makeBy(6, (i) => both[i % 2]!)))
    )

    it.live("concurrent writes of two processes are one after the other, and none is lost", () =>
      Effect.flatMap(stores, (both) => FlowStores.countTogether(Array.makeBy(4, (i) => both[i % 2]!)))
    )

    it.scopedLive("who waited for another transaction judges what is there then", () =>
      Effect.gen(function* () {
        for (const how of ["commit", "rollback"] as const) {
          const both = yield* stores
          yield* both[0].write([change("a", "1", 1)])
          const held = yield* shared().held
          const run = (sql: string) =>
            held.database.writeOnce("test", (connection) => connection.execute(sql, [], undefined))
          yield* held.begin
          yield* run("SELECT last FROM heddle.flow_positions FOR UPDATE")
          const asked = yield* Effect.forEach([0, 1] as const, (i) =>
            Effect.fork(both[i].write([change("a", "1", 2, { actor: `${i}` }), change(`b${i}`, "1", 1)]))
          )
          yield* shared().blocked(2)
          yield* run("UPDATE heddle.flows SET revision = 5")
          yield* held[how]
          const answers = yield* Effect.forEach(asked, Fiber.join)
          const conflicts = answers.flatMap((answer) => (answer._tag === "Conflict" ? [answer.actual] : []))
          assert.deepStrictEqual(conflicts, how === "commit" ? [5, 5] : [2])
          assert.lengthOf(yield* both[1].list({ limit: 9 }), how === "commit" ? 1 : 2)
        }
      })
    )

    it.scopedLive("a write whose answer was lost is unavailable, took place once, and may be asked for", () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make(url)
        const schema = yield* PostgresSchema.freshSchema(url)
        const database = yield* PostgresDatabase.open(PostgresSchema.options(proxy.url, schema))
        const store = PostgresFlows.make(database)
        yield* store.write([change("a", "1", 1)])
        yield* proxy.loseAnswer("COMMIT\u0000")
        const error = yield* Effect.flip(store.write([change("a", "1", 2)]))
        assert.deepStrictEqual([error.reason, error.operation], ["unavailable", "write"])
        assert.strictEqual(yield* proxy.lost, 1)
        assert.deepStrictEqual(yield* store.get("a", "1"), Option.some(rowOf(change("a", "1", 2))))
        assert.lengthOf(yield* store.log({ after: 0, limit: 9 }), 2)
        // nobody can tell its own change from one of somebody else
        const again = yield* store.write([change("a", "1", 2)])
        assert.deepStrictEqual(again, { _tag: "Conflict", name: "a", version: "1", actual: 2 })

        // what was lost before its COMMIT is done again
        yield* proxy.loseAnswer("BEGIN ISOLATION LEVEL READ COMMITTED")
        assert.deepStrictEqual(yield* store.write([change("a", "1", 3)]), { _tag: "Written", position: 3 })
        assert.strictEqual(yield* proxy.lost, 2)
      })
    )

    it.scopedLive("is one and the same as `layerFlowStore`, and in `layer` and `layerConfig`", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const options = { url: Redacted.make(url), schema }
        const write = (revision: number) =>
          Effect.flatMap(FlowStore, (store) => store.write([change("a", "1", revision)]))
        const config = ConfigProvider.fromMap(new Map([["URL", url]]))
        const configured = PostgresStore.layerConfig({ url: Config.redacted("URL"), schema: Config.succeed(schema) })
        yield* Effect.provide(write(1), PostgresStore.layerFlowStore(options))
        yield* Effect.provide(write(2), PostgresStore.layer(options))
        const last = yield* Effect.withConfigProvider(Effect.provide(write(3), configured), config)
        assert.deepStrictEqual(last, { _tag: "Written", position: 3 })
      })
    )

    it.scopedLive("each write is on the disk of the server when it returns", () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make(url)
        const schema = yield* PostgresSchema.freshSchema(url)
        const database = yield* PostgresDatabase.open(PostgresSchema.options(proxy.url, schema))
        const store = PostgresFlows.make(database)
        yield* store.write([change("a", "1", 1)])
        assert.isAbove(yield* proxy.sent("'synchronous_commit', 'on'"), 0)
      })
    )
  })
})
