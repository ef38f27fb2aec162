/** Connections that are lost when the server has committed and could not say so, or on which nothing comes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted, Schema } from "effect"
import { Dag, Engine, Heddle, Module, RunId, StateWriter } from "heddle"
import * as PostgresAppend from "../../src/store/internal/PostgresAppend.js"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import * as PostgresEntries from "../../src/store/internal/PostgresEntries.js"
import * as PostgresLeases from "../../src/store/internal/PostgresLeases.js"
import * as PostgresStore from "../../src/store/PostgresStore.js"
import { RunStore } from "../../src/store/RunStore.js"
import * as Proxy from "../services/Proxy.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "./PostgresSchema.js"

/** As it is on the wire, where a text ends with a zero. */
const commit = "COMMIT\u0000"

/** Longer than a busy machine takes for a statement, in milliseconds: so long a silence is waited for. */
const timeout = 1000

withPostgres((url) => {
  const opened = Effect.fnUntraced(function* (options?: { readonly timeout: number }) {
    const proxy = yield* Proxy.make(url)
    const schema = yield* PostgresSchema.freshSchema(url)
    const database = yield* PostgresDatabase.open({ ...PostgresSchema.options(proxy.url, schema), ...options })
    const add = "UPDATE heddle.states SET value = (value::int + 1)::text"
    const count = (comment = "") =>
      Effect.map(
        database.read("test", (connection) =>
          connection.execute(`SELECT value FROM heddle.states ${comment}`, [], undefined)
        ),
        ([row]) => row?.value
      )
    yield* database.write("test", (connection) =>
      connection.executeRaw("INSERT INTO heddle.states (key, field, value) VALUES ('a', 'f', '0')", [])
    )
    return { proxy, database, add, count }
  })

  type Opened = Effect.Effect.Success<ReturnType<typeof opened>>

  describe("a connection to PostgreSQL that is lost after the commit and before its answer", () => {
    it.scopedLive("makes a transaction fail as unavailable, and it is not done twice", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened()
        const write = database.write("test", (connection) => connection.executeRaw(add, []))
        yield* proxy.loseAnswer(commit)
        assert.strictEqual((yield* Effect.flip(write)).reason, "unavailable")
        assert.strictEqual(yield* count(), "1")
        yield* write
        assert.deepStrictEqual([yield* count(), yield* proxy.lost], ["2", 1])
      })
    )

    it.scopedLive("makes a single statement fail as unavailable, and it is not done twice", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened()
        const write = (text: string) => database.writeOnce("test", (connection) => connection.executeRaw(text, []))
        // the connection is one that was there before
        assert.strictEqual(yield* count(), "0")
        yield* proxy.loseAnswer("/* once */")
        assert.strictEqual((yield* Effect.flip(write(`${add} /* once */`))).reason, "unavailable")
        assert.strictEqual(yield* count(), "1")
        yield* write(add)
        assert.deepStrictEqual([yield* count(), yield* proxy.lost], ["2", 1])
      })
    )

    it.scopedLive("is not noticed by who only reads", () =>
      Effect.gen(function* () {
        const { count, proxy } = yield* opened()
        assert.strictEqual(yield* count(), "0")
        yield* proxy.loseAnswer("heddle_")
        assert.strictEqual(yield* count(), "0")
        assert.strictEqual(yield* proxy.lost, 1)
      })
    )

    it.scopedLive("or is silent is given up after the timeout, and later operations have another", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened({ timeout: 500 })
        const write = database.write("test", (connection) => connection.executeRaw(add, []))
        assert.strictEqual(yield* count(), "0")
        yield* proxy.silence
        assert.strictEqual((yield* Effect.flip(count())).reason, "unavailable")
        assert.strictEqual((yield* Effect.flip(write)).reason, "unavailable")
        assert.strictEqual(yield* count(), "0")
        yield* write
        assert.strictEqual(yield* count(), "1")
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

  describe.concurrent("a connection to PostgreSQL that stays, and on which no answer comes", () => {
    // the server has done what it was asked for: `done` of what is counted is there
    for (const [what, done, text, ask] of [
      ["a statement that reads", "0", "/* read */", ({ count }: Opened) => count("/* read */")],
      [
        "a statement that reads, of several",
        "0",
        "/* together */",
        ({ database }: Opened) =>
          database.readTogether("test", (connection) => connection.execute("SELECT 1 /* together */", [], undefined))
      ],
      [
        "a single statement that writes",
        "1",
        "/* once */",
        ({ add, database }: Opened) =>
          database.writeOnce("test", (connection) => connection.executeRaw(`${add} /* once */`, []))
      ],
      [
        "a statement of a transaction",
        "0",
        "/* body */",
        ({ add, database }: Opened) =>
          database.write("test", (connection) => connection.executeRaw(`${add} /* body */`, []))
      ],
      [
        "the COMMIT of a transaction",
        "1",
        commit,
        ({ add, database }: Opened) => database.write("test", (connection) => connection.executeRaw(add, []))
      ]
    ] as const) {
      it.scopedLive(`is given up, and ${what} is not sent again: unavailable, and nobody knows`, () =>
        Effect.gen(function* () {
          const test = yield* opened({ timeout })
          const { add, count, database, proxy } = test
          // the connections are ones that were there before
          assert.strictEqual(yield* count(), "0")
          const before = yield* proxy.sent(text)
          yield* proxy.holdAnswers(text)
          assert.strictEqual((yield* Effect.flip(Effect.asVoid(ask(test)))).reason, "unavailable")
          assert.strictEqual((yield* proxy.sent(text)) - before, 1)
          assert.strictEqual(yield* count(), done)
          yield* database.write("test", (connection) => connection.executeRaw(add, []))
          assert.strictEqual(yield* count(), String(Number(done) + 1))
        })
      )
    }

    it.scopedLive("has nothing to say any more once it is given up: no ROLLBACK waits for an answer, too", () =>
      Effect.gen(function* () {
        const { add, count, database, proxy } = yield* opened({ timeout })
        const write = database.write("test", (connection) => connection.executeRaw(`${add} /* held */`, []))
        yield* proxy.holdAnswers("/* held */")
        const writing = yield* Effect.fork(Effect.flip(write))
        yield* Effect.repeat(Effect.delay(proxy.sent("/* held */"), 5), { until: (times) => times > 0 }).pipe(
          Effect.race(Fiber.join(writing))
        )
        // this one was asked later, and has as long
        yield* proxy.holdAnswers("/* later */")
        assert.strictEqual((yield* Effect.flip(count("/* later */"))).reason, "unavailable")
        yield* proxy.releaseAnswers
        assert.strictEqual((yield* Fiber.join(writing)).reason, "unavailable")
        assert.strictEqual(yield* proxy.sent("ROLLBACK"), 0)
        assert.strictEqual(yield* count(), "0")
      })
    )

    it.scopedLive("leaves those who ask again with one effect: events, leases, places in line and values", () =>
      Effect.gen(function* () {
        const { database, proxy } = yield* opened({ timeout })
        const [leases, entries] = [PostgresLeases.make(database), PostgresEntries.make(database)]
        /** What the first time has done is not known, and then the second time tells. */
        const twice = <A, E>(text: string, effect: Effect.Effect<A, E>) =>
          Effect.gen(function* () {
            yield* proxy.holdAnswers(text)
            assert.include(String(yield* Effect.flip(effect)), "Query read timeout")
            return yield* effect
          })
        const events = [{ eventId: "silent event", eventType: "t", schemaVersion: 1, payload: "{}", at: 0 }]
        const append = PostgresAppend.append(database, { aggregateId: "a", expected: "noStream", events })
        const appending = Effect.gen(function* () {
          const appended = { _tag: "Appended", first: 1, version: 1, repeated: true } as const
          assert.deepInclude(yield* twice("silent event", append), appended)
        })

        const leasing = Effect.gen(function* () {
          const one = { resource: "r", holder: "silent holder", ttl: 60_000 }
          const acquired = yield* twice("silent holder", leases.acquire(one))
          assert(acquired._tag === "Acquired")
          assert.strictEqual(acquired.lease.token, 1)
          const two = { ...one, holder: "silent waiter" }
          const ticket = yield* twice("silent waiter", leases.enqueue(two))
          assert.strictEqual(yield* leases.enqueue(two), ticket)
          assert.strictEqual((yield* leases.acquire(two))._tag, "Held")
          assert.isFalse(yield* twice("silent holder", leases.release({ ...one, token: 1 })))
          assert.deepInclude(yield* leases.acquire(two), { _tag: "Acquired" })
        })

        const setting = Effect.gen(function* () {
          // it was its own: so says who looks
          assert.isTrue(Option.isNone(yield* twice("silent key", entries.compareAndSet("silent key", 0, "mine"))))
          const { value, version } = Option.getOrThrow(yield* entries.get("silent key"))
          assert.strictEqual(value, "mine")
          assert.isTrue(Option.isNone(yield* twice("silent key", entries.compareAndSet("silent key", version, "next"))))
          assert.isAbove(Option.getOrThrow(yield* entries.get("silent key")).version, version)
          assert.isFalse(yield* twice("silent key", entries.delete("silent key")))
          assert.isTrue(Option.isNone(yield* entries.get("silent key")))
        })
        yield* Effect.all([appending, leasing, setting], { concurrency: "unbounded" })
      })
    )

    it.scopedLive("counts once for the StateWriter, which tries again", () =>
      Effect.gen(function* () {
        const proxy = yield* Proxy.make(url)
        const schema = yield* PostgresSchema.freshSchema(url)
        const executions: Array<number> = []
        const squares = Module.map("squares", {
          over: () => [0, 1],
          output: Schema.Int,
          concurrency: 1,
          run: (n: number) =>
            Effect.zipRight(
              proxy.holdAnswers(commit),
              Effect.sync(() => (executions.push(n), n * n))
            )
        })
        const Squares = Dag.make("squares", { outputs: { squares } })
        const runId = RunId.make("squares")
        yield* Effect.gen(function* () {
          const writer = yield* StateWriter.StateWriter
          const store = yield* RunStore
          yield* proxy.holdAnswers(commit)
          yield* writer.updateDurable({ key: "k", set: { n: 1 }, clear: [] })
          assert.deepStrictEqual(yield* store.state("k"), new Map([["n", "1"]]))
          assert.deepStrictEqual(yield* Engine.execute(Squares, {}, { runId }), { squares: [0, 1] })
          assert.deepStrictEqual(executions, [0, 1])
          const history = yield* store.history(runId, { after: 0, limit: 1000 })
          assert.deepStrictEqual(
            history.map(({ seq }) => seq),
            history.map((_, i) => i + 1)
          )
          assert.lengthOf(yield* store.items(runId, ["squares"]), 2)
          assert.strictEqual((yield* store.storage).deadLetters, 0)
        }).pipe(
          Effect.provide(
            Heddle.layer().pipe(
              Layer.provideMerge(PostgresStore.layerRunStore({ url: Redacted.make(proxy.url), schema, timeout }))
            )
          )
        )
      })
    )
  })
})
