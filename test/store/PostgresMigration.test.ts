import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Crypto from "node:crypto"
import * as PostgresDatabase from "../../src/store/internal/PostgresDatabase.js"
import { migrations } from "../../src/store/internal/PostgresSchema.js"
import * as PostgresFlows from "../../src/store/internal/PostgresFlows.js"
import * as PostgresLeases from "../../src/store/internal/PostgresLeases.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "./PostgresSchema.js"

withPostgres((url) => {
  const open = (schema: string) => Effect.scoped(PostgresDatabase.open(PostgresSchema.options(url, schema)))
  const tables = (schema: string) =>
    Effect.map(
      PostgresSchema.execute(url, `SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' ORDER BY tablename`),
      (rows) => rows.map(({ tablename }) => String(tablename))
    )

  describe("the tables of a PostgreSQL schema", () => {
    it.scoped("are made once by eight that open it at the same time", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        yield* Effect.all(
          Array.from({ length: 8 }, () => open(schema)),
          { concurrency: "unbounded" }
        )
        const made = yield* tables(schema)
        assert.includeMembers(made, ["runs", "states", "entries", "leases", "events", "run_snapshots", "flows"])
        assert.deepStrictEqual(yield* PostgresSchema.execute(url, `SELECT * FROM "${schema}".heddle_meta`), [
          { version: String(migrations.length) }
        ])
        yield* open(schema)
        assert.deepStrictEqual(yield* tables(schema), made)
      })
    )

    it.scoped("are taken to the present version, with the runs that they hold", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        yield* PostgresSchema.execute(
          url,
          `CREATE SCHEMA "${schema}"`,
          `CREATE TABLE "${schema}".heddle_meta (version bigint NOT NULL)`,
          `INSERT INTO "${schema}".heddle_meta VALUES (1)`,
          ...migrations[0]!(`"${schema}"`),
          `INSERT INTO "${schema}".runs
              (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at)
            VALUES ('old', 'd', 'f1', 2, 'running', 1, '', 0, 0, 1000)`
        )
        yield* open(schema)
        assert.deepStrictEqual(yield* PostgresSchema.execute(url, `SELECT * FROM "${schema}".heddle_meta`), [
          { version: String(migrations.length) }
        ])
        assert.deepStrictEqual(
          yield* PostgresSchema.execute(url, `SELECT run_id, fingerprint, version FROM "${schema}".runs`),
          [{ run_id: "old", fingerprint: "f1", version: null }]
        )
      })
    )

    it.effect("has no step that was released and is another one now", () =>
      Effect.sync(() => {
        const steps = migrations.map((step) => JSON.stringify(step('"heddle"')))
        const hashes = steps.map((step) => Crypto.createHash("sha256").update(step).digest("hex").slice(0, 16))
        assert.deepStrictEqual(hashes.slice(0, 1), ["fbe0fed5d7c9ccb8"])
      })
    )

    it.scoped("of version 1 are taken to the present one: what they held is there, with flows beside it", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        const quoted = `"${schema}"`
        yield* PostgresSchema.execute(
          url,
          `CREATE SCHEMA ${quoted}`,
          `CREATE TABLE ${quoted}.heddle_meta (version bigint NOT NULL)`,
          `INSERT INTO ${quoted}.heddle_meta VALUES (1)`,
          ...migrations[0]!(quoted),
          `INSERT INTO ${quoted}.leases (resource, holder, token, expires_at) VALUES ('r', '', 41, 0)`
        )
        yield* Effect.all([open(schema), open(schema), open(schema)], { concurrency: "unbounded" })
        const migrated = yield* PostgresSchema.execute(url, `SELECT * FROM ${quoted}.heddle_meta`)
        assert.deepStrictEqual(migrated, [{ version: String(migrations.length) }])
        const fresh = yield* PostgresSchema.freshSchema(url)
        yield* open(fresh)
        assert.deepStrictEqual(yield* tables(schema), yield* tables(fresh))
        const database = yield* PostgresDatabase.open(PostgresSchema.options(url, schema))
        const acquired = yield* PostgresLeases.make(database).acquire({ resource: "r", holder: "one", ttl: 1000 })
        assert.strictEqual(acquired._tag === "Acquired" ? acquired.lease.token : 0, 42)
        const row = { name: "f", version: "1.0.0", fingerprint: "", status: "active" as const, revision: 1, text: "{}" }
        const flow = { ...row, at: 0, actor: "", reason: "", action: "register" }
        const flows = PostgresFlows.make(database)
        assert.deepStrictEqual(yield* flows.write([flow]), { _tag: "Written", position: 1 })
      })
    )

    it.scoped("are left as they are when a later release has written them", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        yield* open(schema)
        yield* PostgresSchema.execute(url, `UPDATE "${schema}".heddle_meta SET version = ${migrations.length + 1}`)
        const error = yield* Effect.flip(open(schema))
        assert.strictEqual(error.reason, "newer")
        assert.include(error.message, schema)
        yield* PostgresSchema.execute(url, `DELETE FROM "${schema}".heddle_meta`)
        assert.strictEqual((yield* Effect.flip(open(schema))).reason, "corrupt")
      })
    )

    it.scoped("are not made in the schema of another application", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        yield* PostgresSchema.execute(url, `CREATE SCHEMA "${schema}"`, `CREATE TABLE "${schema}".orders (id int)`)
        assert.strictEqual((yield* Effect.flip(open(schema))).reason, "foreign")
        assert.deepStrictEqual(yield* tables(schema), ["orders"])
      })
    )

    it.scoped("are made in an empty schema that is there, all of them or none", () =>
      Effect.gen(function* () {
        const schema = yield* PostgresSchema.freshSchema(url)
        // not a table, but no table can have this name then
        yield* PostgresSchema.execute(url, `CREATE SCHEMA "${schema}"`, `CREATE TYPE "${schema}".signals AS ENUM ('a')`)
        assert.strictEqual((yield* Effect.flip(open(schema))).reason, "failed")
        assert.deepStrictEqual(yield* tables(schema), [])
        yield* PostgresSchema.execute(url, `DROP TYPE "${schema}".signals`)
        yield* open(schema)
        assert.include(yield* tables(schema), "signals")
      })
    )
  })
})
