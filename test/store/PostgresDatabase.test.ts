import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, FastCheck as fc, Fiber, Redacted, Scope } from "effect"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import * as PostgresKey from "../../src/store/internal/PostgresKey.js"
import * as PostgresText from "../../src/store/internal/PostgresText.js"
import * as Server from "../services/Server.js"
import { withPostgres } from "../services/Services.js"
import { numRuns } from "../numRuns.js"
import * as PostgresSchema from "./PostgresSchema.js"

type Database = PostgresDatabase.PostgresDatabase

const realClock = Clock.make()

/** Until something is so, by the real clock. */
const eventually = <E>(check: Effect.Effect<boolean, E>): Effect.Effect<void, E> =>
  Effect.flatMap(check, (yes) => (yes ? Effect.void : Effect.zipRight(Effect.sleep(10), eventually(check)))).pipe(
    Effect.withClock(realClock)
  )

const select = (database: Database, sql: string, values: ReadonlyArray<unknown> = []) =>
  database.read("test", (connection) => connection.execute(sql, values, undefined))

const put = (database: Database, key: string, value: string, options?: { readonly synced: boolean }) =>
  database.write(
    "test",
    (connection) =>
      connection.executeRaw(
        `INSERT INTO heddle.states (key, field, value) VALUES ($1, 'f', $2)
          ON CONFLICT (key, field) DO UPDATE SET value = excluded.value`,
        [key, value]
      ),
    options
  )

const valueOf = (database: Database, key: string) =>
  Effect.map(select(database, "SELECT value FROM heddle.states WHERE key = $1", [key]), ([row]) => row?.value)

const characters = fc.constantFrom("\u0000", "\u0001", "\u0002", "\u0003", "a", "é", "\u{1f600}", "\uffff")
const texts = fc.oneof(
  fc.array(characters, { maxLength: 6 }).map((some) => some.join("")),
  fc.integer({ min: 990, max: 1010 }).map((length) => "x".repeat(length))
)
const inOrder = (a: string, b: string) => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))

it("texts come back as they were, in their order and with their beginnings", () => {
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      const [x, y] = [PostgresText.encode(a), PostgresText.encode(b)]
      assert.notInclude(x, "\u0000")
      assert.strictEqual(PostgresText.decode(x), a)
      assert.strictEqual(inOrder(x, y), inOrder(a, b))
      assert.strictEqual(PostgresText.encode(a + b), x + y)
      const key = PostgresKey.of(a)
      assert.strictEqual(PostgresKey.textOf(key), a)
      assert.isAtMost(Buffer.byteLength(key.key), 1000)
      assert.strictEqual(PostgresKey.keyOf(b) === key.key, a === b)
    }),
    { numRuns }
  )
})

withPostgres((url) => {
  const options = (schema: string) => PostgresSchema.options(url, schema)
  const fresh = Effect.flatMap(PostgresSchema.freshSchema(url), (schema) => PostgresDatabase.open(options(schema)))

  describe("a PostgreSQL schema", () => {
    it.scoped("may have any name that PostgreSQL takes", () =>
      Effect.gen(function* () {
        const unique = yield* Effect.map(PostgresSchema.freshSchema(url), (name) => name.slice(-12))
        for (const name of [`${unique} "'; DROP $1 heddle.runs \\`, `é模${unique}`, unique.padEnd(63, "x")]) {
          yield* Effect.addFinalizer(() =>
            PostgresSchema.execute(url, `DROP SCHEMA IF EXISTS "${name.replaceAll('"', '""')}" CASCADE`)
          )
          const database = yield* PostgresDatabase.open(options(name))
          yield* put(database, "a", name)
          assert.strictEqual(yield* valueOf(database, "a"), name)
        }
      })
    )

    it.scoped("is refused with another name, and another option that cannot be", () =>
      Effect.gen(function* () {
        for (const name of ["", "a\u0000", "\ud800", "pg_mine", "x".repeat(64), "é".repeat(32)]) {
          const error = yield* Effect.flip(PostgresDatabase.open(options(name)))
          assert.strictEqual(error.reason, "failed")
          assert.include(error.message, "a schema cannot have this name")
        }
        for (const odd of [
          { maxConnections: 2 },
          { maxConnections: 3.5 },
          { timeout: 0 },
          { lockTimeout: "30 days" }
        ] as const) {
          const error = yield* Effect.flip(PostgresDatabase.open({ ...options("x"), ...(odd as object) }))
          assert.include(error.message, Object.keys(odd).join())
        }
      })
    )

    it.live("that cannot be reached is named without the password", () =>
      Effect.gen(function* () {
        for (const [given, reason] of [
          ["postgres://me:secret@127.0.0.1:1/shop", "unavailable"],
          [url.replace(/\/[^/]*$/, "/no_such_database"), "failed"],
          ["postgres://me:secret@[/shop", "failed"]
        ] as const) {
          const error = yield* Effect.flip(
            Effect.scoped(PostgresDatabase.open({ ...options("x"), url: Redacted.make(given) }))
          )
          assert.strictEqual(error.reason, reason)
          assert.notInclude(`${error.message} ${error.location} ${JSON.stringify(error)}`, "secret")
          assert.notInclude(JSON.stringify(error.cause ?? ""), "secret")
        }
      })
    )
  })

  describe("a transaction in PostgreSQL", () => {
    it.scoped("leaves nothing when it fails, also when its body does not say so", () =>
      Effect.gen(function* () {
        const database = yield* fresh
        const insert = "INSERT INTO heddle.states (key, field, value) VALUES ('a', 'f', 'v')"
        for (const after of [Effect.die("defect"), Effect.fail("error"), Effect.interrupt]) {
          yield* Effect.exit(
            // the body may fail with anything here
            database.write("test", (connection) =>
              Effect.zipRight(connection.executeRaw(insert, []), after as Effect.Effect<never>)
            )
          )
        }
        const error = yield* Effect.flip(
          database.write("test", (connection) =>
            Effect.zipRight(connection.executeRaw(insert, []), Effect.ignore(connection.executeRaw("SELECT 1 / 0", [])))
          )
        )
        assert.include(error.message, "nothing of it was committed")
        assert.isUndefined(yield* valueOf(database, "a"))
        yield* put(database, "a", "1")
        assert.strictEqual(yield* valueOf(database, "a"), "1")
      })
    )

    it.scoped("is done again when it met another one crosswise", () =>
      Effect.gen(function* () {
        const one = yield* fresh
        const other = yield* PostgresDatabase.open(options(one.schema.slice(1, -1)))
        yield* put(one, "a", "0")
        yield* put(one, "b", "0")
        let tries = 0
        const add = (database: Database, keys: ReadonlyArray<string>) =>
          database.write("test", (connection) =>
            Effect.suspend(() => {
              tries += 1
              // it is looked for so soon; else after a second
              return Effect.zipRight(
                connection.executeRaw("SET LOCAL deadlock_timeout = 30", []),
                Effect.forEach(keys, (key) =>
                  Effect.zipRight(
                    connection.executeRaw("UPDATE heddle.states SET value = (value::int + 1)::text WHERE key = $1", [
                      key
                    ]),
                    connection.executeRaw("SELECT pg_sleep(0.02)", [])
                  )
                )
              )
            })
          )
        yield* Effect.all([add(one, ["a", "b"]), add(other, ["b", "a"])], { concurrency: 2 })
        assert.isAbove(tries, 2)
        assert.deepStrictEqual([yield* valueOf(one, "a"), yield* valueOf(one, "b")], ["2", "2"])
      })
    )

    it.scoped("is refused as busy when a lock does not come in time", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const database = yield* PostgresDatabase.open({ ...options(schema), lockTimeout: 50 })
        yield* put(database, "a", "1")
        const other = yield* PostgresSchema.connect(url)
        yield* other.execute("BEGIN")
        yield* other.execute(`UPDATE "${schema}".states SET value = '2'`)
        assert.strictEqual((yield* Effect.flip(put(database, "a", "3"))).reason, "busy")
        yield* other.execute("COMMIT")
        yield* put(database, "a", "3")
        assert.strictEqual(yield* valueOf(database, "a"), "3")
      })
    )

    it.scoped("goes on with another connection when its own was lost before the commit", () =>
      Effect.gen(function* () {
        const database = yield* fresh
        const other = yield* PostgresSchema.connect(url)
        let tries = 0
        yield* put(database, "a", "0")
        const written = yield* database.write("test", (connection) =>
          Effect.gen(function* () {
            tries += 1
            yield* connection.executeRaw("UPDATE heddle.states SET value = value || 'x'", [])
            if (tries === 1) {
              const [row] = yield* connection.execute("SELECT pg_backend_pid() AS pid", [], undefined)
              yield* other.execute("SELECT pg_terminate_backend($1)", [row.pid])
            }
            return yield* connection.execute("SELECT value FROM heddle.states", [], undefined)
          })
        )
        assert.strictEqual(tries, 2)
        assert.deepStrictEqual(written, [{ value: "0x" }])
      })
    )

    it.scoped("is taken from a process that hangs in it, after lockTimeout", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const database = yield* PostgresDatabase.open({ ...options(schema), lockTimeout: 50 })
        const other = yield* PostgresSchema.connect(url)
        yield* put(database, "a", "0")
        let tries = 0
        yield* database.write("test", (connection) =>
          Effect.gen(function* () {
            tries += 1
            yield* connection.executeRaw("UPDATE heddle.states SET value = value || 'x'", [])
            if (tries === 1) yield* other.execute(`UPDATE "${schema}".states SET value = value || 'y'`)
          })
        )
        assert.strictEqual(tries, 2)
        assert.strictEqual(yield* valueOf(database, "a"), "0yx")
      })
    )

    it.scoped("that only reads sees one moment", () =>
      Effect.gen(function* () {
        const database = yield* fresh
        const count = "SELECT count(*) AS count FROM heddle.states"
        const counts = yield* database.readTogether("test", (connection) =>
          Effect.all([
            connection.execute(count, [], undefined),
            put(database, "a", "1"),
            connection.execute(count, [], undefined)
          ])
        )
        assert.deepStrictEqual(
          [counts[0], counts[2], yield* select(database, count)],
          [[{ count: 0 }], [{ count: 0 }], [{ count: 1 }]]
        )
      })
    )

    it.scoped("has a caller that was interrupted before its turn, or waits for its end", () =>
      Effect.gen(function* () {
        const database = yield* fresh
        const long = yield* Effect.fork(
          database.write("test", (connection) =>
            Effect.zipRight(
              connection.executeRaw("INSERT INTO heddle.states (key, field, value) VALUES ('a', 'f', 'v')", []),
              connection.executeRaw("SELECT pg_sleep(0.05)", [])
            )
          )
        )
        yield* Effect.yieldNow()
        const waiting = yield* Effect.fork(put(database, "b", "1"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(waiting)
        yield* Fiber.interrupt(long)
        assert.deepStrictEqual([yield* valueOf(database, "a"), yield* valueOf(database, "b")], ["v", undefined])
      })
    )
  })

  it.scoped("a statement that the server ends is busy, and its connection goes on", () =>
    Effect.gen(function* () {
      const database = yield* fresh
      const pid = select(database, "SELECT pg_backend_pid() AS pid")
      const [before] = yield* pid
      const slow = yield* Effect.fork(Effect.flip(select(database, "SELECT pg_sleep(10)")))
      const other = yield* PostgresSchema.connect(url)
      yield* eventually(
        Effect.map(
          other.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND query ~ 'sleep'", [
            before?.pid
          ]),
          (rows) => rows.length > 0
        )
      )
      assert.strictEqual((yield* Fiber.join(slow)).reason, "busy")
      assert.deepStrictEqual(yield* pid, [before])
    })
  )

  it.scoped("connections are set as the options say, and never compile a statement", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.freshSchema(url)
      for (const [asynchronousCommit, commits] of [
        [true, "off"],
        [false, "on"]
      ] as const) {
        const database = yield* PostgresDatabase.open({ ...options(schema), timeout: "20 seconds", asynchronousCommit })
        const names = ["synchronous_commit", "jit", "statement_timeout", "lock_timeout"]
        const settings = yield* select(
          database,
          "SELECT current_setting(name) AS setting FROM unnest($1::text[]) WITH ORDINALITY AS given (name, n) ORDER BY n",
          [names]
        )
        // the server is the first to end a statement
        assert.deepStrictEqual(
          settings.map(({ setting }) => setting),
          [commits, "off", "18s", "2s"]
        )
      }
    })
  )

  it.scoped("a read that is interrupted cancels nobody", () =>
    Effect.gen(function* () {
      const database = yield* fresh
      const slow = yield* Effect.fork(select(database, "SELECT pg_sleep(0.1)"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(slow)
      yield* Effect.forEach(Array.from({ length: 30 }), () => select(database, "SELECT pg_sleep(0.005)"), {
        concurrency: "unbounded",
        discard: true
      })
    })
  )

  it.scoped("a database whose scope has ended is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const database = yield* Effect.provideService(fresh, Scope.Scope, scope)
      let begun = false
      const slow = yield* Effect.fork(
        database.read("test", (connection) =>
          Effect.suspend(() => {
            begun = true
            return connection.execute("SELECT pg_sleep(0.05)", [], undefined)
          })
        )
      )
      yield* eventually(Effect.sync(() => begun))
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(slow)
      assert.strictEqual((yield* Effect.flip(select(database, "SELECT 1"))).reason, "closed")
      assert.strictEqual((yield* Effect.flip(put(database, "a", "1"))).reason, "closed")
    })
  )

  it.scoped("who listens hears of every notice, and of a connection that was lost", () =>
    Effect.gen(function* () {
      const database = yield* fresh
      const heard: Array<string> = []
      const channel = database.channel("test")
      const on = { notice: (payload: string) => heard.push(payload), lost: () => heard.push("lost") }
      const scope = yield* Scope.make()
      yield* Effect.provideService(database.listen(channel, on), Scope.Scope, scope)
      yield* database.listen(channel, { ...on, lost: () => {} })
      yield* database.listen(database.channel("other"), { ...on, lost: () => {} })
      const notify = (payload: string) =>
        database.writeOnce("test", (connection) =>
          connection.executeRaw("SELECT pg_notify($1, $2)", [channel, payload])
        )
      yield* notify("1")
      yield* eventually(Effect.sync(() => heard.length === 2))
      yield* Scope.close(scope, Exit.void)
      yield* notify("2")
      yield* eventually(Effect.sync(() => heard.length === 3))
      yield* database.listen(channel, on)
      yield* PostgresSchema.execute(
        url,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN "${database.channel("")}%'`
      )
      yield* eventually(Effect.sync(() => heard.length === 4))
      assert.deepStrictEqual(heard, ["1", "1", "2", "lost"])
      yield* database.listen(channel, on)
      yield* notify("3")
      yield* eventually(Effect.sync(() => heard.length === 5))
    })
  )
})

describe.skipIf(Server.programOf("postgres") === undefined)("a PostgreSQL server of the test's own", () => {
  it.scopedLive("that hangs, is stopped and starts again makes operations fail, and later ones work", () =>
    Effect.gen(function* () {
      const server = yield* Server.postgres(["fsync=off", "wal_writer_delay=10s"])
      const database = yield* PostgresDatabase.open({
        ...PostgresSchema.options(server.url, "heddle"),
        timeout: "400 millis",
        connectTimeout: "400 millis"
      })
      yield* put(database, "a", "1")

      // a transaction that writes nothing syncs what was committed before it
      const [{ lsn }] = yield* select(database, "SELECT pg_current_wal_insert_lsn()::text AS lsn")
      const flushed = Effect.map(
        select(database, "SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed", [lsn]),
        ([row]) => row?.flushed
      )
      assert.isFalse(yield* flushed)
      yield* database.write("test", () => Effect.void, { synced: true })
      assert.isTrue(yield* flushed)

      // each connection has a process of the server
      const backends = yield* select(database, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
      const signal = (name: "SIGSTOP" | "SIGCONT") =>
        Effect.zipRight(
          server.signal(name),
          Effect.sync(() => backends.forEach(({ pid }) => process.kill(Number(pid), name)))
        )
      yield* signal("SIGSTOP")
      for (const operation of [put(database, "a", "2"), valueOf(database, "a")]) {
        assert.strictEqual((yield* Effect.flip(Effect.asVoid(operation))).reason, "unavailable")
      }
      yield* signal("SIGCONT")
      yield* put(database, "a", "3")
      assert.strictEqual(yield* valueOf(database, "a"), "3")

      yield* server.stop
      for (const operation of [put(database, "a", "4"), valueOf(database, "a")]) {
        assert.strictEqual((yield* Effect.flip(Effect.asVoid(operation))).reason, "unavailable")
      }
      yield* server.start
      assert.strictEqual(yield* valueOf(database, "a"), "3")
      yield* put(database, "a", "5")
      assert.strictEqual(yield* valueOf(database, "a"), "5")
    })
  )
})
