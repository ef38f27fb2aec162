/** Connections that are lost when the server has committed and could not say so, or on which nothing comes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Dag, Engine, Heddle, Module, RunId, StateWriter } from "heddle"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import * as PostgresStore from "../../src/store/PostgresStore.js"
import { RunStore } from "../../src/store/RunStore.js"
import * as Proxy from "../services/Proxy.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "./PostgresSchema.js"

/** As it is on the wire, where a text ends with a zero. */
const commit = "COMMIT\u0000"

withPostgres((url) =>
  describe("a connection to PostgreSQL that is lost after the commit and before its answer", () => {
    const opened = Effect.fnUntraced(function* (options?: { readonly timeout: number }) {
      const proxy = yield* Proxy.make(url)
      const schema = yield* PostgresSchema.freshSchema(url)
      const database = yield* PostgresDatabase.open({ ...PostgresSchema.options(proxy.url, schema), ...options })
      const add = "UPDATE heddle.states SET value = (value::int + 1)::text"
      const count = Effect.map(
        database.read("test", (connection) => connection.execute("SELECT value FROM heddle.states", [], undefined)),
        ([row]) => row?.value
      )
      yield* database.write("test", (connection) =>
        connection.executeRaw("INSERT INTO heddle.states (key, field, value) VALUES ('a', 'f', '0')", [])
      )
      return { proxy, database, add, count }
    })

    it.scopedLive("makes a transaction fail as unavailable, and it is not done twice", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened()
        const write = database.write("test", (connection) => connection.executeRaw(add, []))
        yield* proxy.loseAnswer(commit)
        assert.strictEqual((yield* Effect.flip(write)).reason, "unavailable")
        assert.strictEqual(yield* count, "1")
        yield* write
        assert.deepStrictEqual([yield* count, yield* proxy.lost], ["2", 1])
      })
    )

    it.scopedLive("makes a single statement fail as unavailable, and it is not done twice", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened()
        const write = (text: string) => database.writeOnce("test", (connection) => connection.executeRaw(text, []))
        // the connection is one that was there before
        assert.strictEqual(yield* count, "0")
        yield* proxy.loseAnswer("/* once */")
        assert.strictEqual((yield* Effect.flip(write(`${add} /* once */`))).reason, "unavailable")
        assert.strictEqual(yield* count, "1")
        yield* write(add)
        assert.deepStrictEqual([yield* count, yield* proxy.lost], ["2", 1])
      })
    )

    it.scopedLive("is not noticed by who only reads", () =>
      Effect.gen(function* () {
        const { count, proxy } = yield* opened()
        assert.strictEqual(yield* count, "0")
        yield* proxy.loseAnswer("heddle_")
        assert.strictEqual(yield* count, "0")
        assert.strictEqual(yield* proxy.lost, 1)
      })
    )

    it.scopedLive("or is silent is given up after the timeout, and later operations have another", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened({ timeout: 500 })
        const write = database.write("test", (connection) => connection.executeRaw(add, []))
        assert.strictEqual(yield* count, "0")
        yield* proxy.silence
        assert.strictEqual((yield* Effect.flip(count)).reason, "unavailable")
        assert.strictEqual((yield* Effect.flip(write)).reason, "unavailable")
        assert.strictEqual(yield* count, "0")
        yield* write
        assert.strictEqual(yield* count, "1")
      })
    )

    it.scopedLive(
      "counts once for the StateWriter, which tries again: a keyed state, and each transition of a run",
      () =>
        Effect.gen(function* () {
          const proxy = yield* Proxy.make(url)
          const schema = yield* PostgresSchema.freshSchema(url)
          const executions: Array<number> = []
          const squares = Module.map("squares", {
            over: () => [0, 1, 2, 3, 4, 5],
            output: Schema.Int,
            concurrency: 1,
            run: (n: number) =>
              Effect.gen(function* () {
                executions.push(n)
                yield* proxy.loseAnswer(commit)
                return n * n
              })
          })
          const total = Module.make("total", {
            needs: { squares },
            output: Schema.Int,
            run: ({ squares }) => Effect.succeed(squares.reduce((sum, n) => sum + n, 0))
          })
          const Squares = Dag.make("squares", { outputs: { total } })
          const runId = RunId.make("squares")
          yield* Effect.gen(function* () {
            const writer = yield* StateWriter.StateWriter
            for (const n of [1, 2]) {
              yield* proxy.loseAnswer(commit)
              yield* writer.updateDurable({ key: "k", set: { n }, clear: [] })
            }
            assert.strictEqual(yield* proxy.lost, 2)
            const store = yield* RunStore
            assert.deepStrictEqual(yield* store.state("k"), new Map([["n", "2"]]))

            assert.deepStrictEqual(yield* Engine.execute(Squares, {}, { runId }), { total: 55 })
            assert.isAbove(yield* proxy.lost, 2)
            assert.deepStrictEqual(executions, [0, 1, 2, 3, 4, 5])
            const history = yield* store.history(runId, { after: 0, limit: 1000 })
            assert.deepStrictEqual(
              history.map(({ seq }) => seq),
              history.map((_, i) => i + 1)
            )
            assert.lengthOf(yield* store.items(runId, ["squares"]), 6)
            assert.strictEqual((yield* store.storage).deadLetters, 0)

            const message = "pg_logical_emit_message"
            assert.strictEqual(yield* proxy.sent(message), 0)
            yield* store.commit({ runs: [], states: [], synced: true })
            assert.strictEqual(yield* proxy.sent(message), 1)
          }).pipe(
            Effect.provide(
              Heddle.layer().pipe(
                Layer.provideMerge(PostgresStore.layerRunStore({ url: Redacted.make(proxy.url), schema }))
              )
            )
          )
        })
    )
  })
)
