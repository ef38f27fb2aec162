import * as Reactivity from "@effect/experimental/Reactivity"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type { Transition } from "../../src/model/Transition.js"
import * as SqliteSchema from "../../src/store/internal/SqliteSchema.js"
import { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreSqlite from "../../src/store/RunStoreSqlite.js"
import { changesOf, moduleChange, moduleTransition, newRun, runId, runTransition } from "./RunStoreContract.js"

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-migration-"))),
    (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => Path.join(directory, "heddle.db")
)

const execute = (filename: string, statements: ReadonlyArray<string>) =>
  SqliteClient.make({ filename, disableWAL: true }).pipe(
    Effect.flatMap(({ reserve }) => reserve),
    Effect.flatMap((connection) =>
      Effect.forEach(statements, (sql) => connection.executeUnprepared(sql, [], undefined))
    ),
    Effect.map((results) => results.at(-1) ?? []),
    Effect.provide(Reactivity.layer),
    Effect.scoped
  )

const open = (filename: string) => Effect.map(Layer.build(RunStoreSqlite.layer({ filename })), Context.get(RunStore))

const all = { after: 0, limit: Infinity }

/** What version 1 left of a run that was cut off and of one that failed. */
const rows = [
  `INSERT INTO runs (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, finished_at)
    VALUES ('cut off', 'd', 'f1', 2, 'running', 1, 'one', 1500, 2, 1000, NULL),
           ('failed', 'd', 'f1', 2, 'failed', 3, 'one', 2500, 2, 2000.5, 3000)`,
  `INSERT INTO inputs (run, input, policy) VALUES (1, '{"a":1}', '{}'), (2, '{}', '{}')`,
  `INSERT INTO modules (run, module, status, attempt, scheduled_at, started_at, finished_at, failure, output)
    VALUES (1, 'm', 'completed', 1, 1001, 1002, 1003, NULL, '7'),
           (2, 'm', 'failed', 2, 1, 2, 3, '{"kind":"error","message":"no","cause":"no"}', NULL)`,
  `INSERT INTO transitions (run, seq, at, status, module, attempt, failure, epoch)
    VALUES (1, 1, 1002, 'running', 'm', 1, NULL, NULL), (1, 2, 1003, 'completed', 'm', 1, NULL, NULL),
           (2, 1, 3, 'failed', 'm', 2, '{"kind":"error","message":"no","cause":"no"}', NULL),
           (2, 2, 3000, 'failed', NULL, NULL, NULL, 3)`
]

const version1 = (filename: string) =>
  execute(filename, [
    "PRAGMA journal_mode = WAL",
    ...SqliteSchema.migrations[0]!,
    ...rows,
    `PRAGMA application_id = ${SqliteSchema.applicationId}`,
    "PRAGMA user_version = 1"
  ])

describe("SqliteSchema", () => {
  it("does not change a step that was released", () => {
    const hashes = SqliteSchema.migrations.map((step) =>
      Crypto.createHash("sha256").update(JSON.stringify(step)).digest("hex").slice(0, 16)
    )
    assert.deepStrictEqual(hashes.slice(0, 1), ["14475fb02564aa1e"])
  })

  it.scoped("takes a file of version 1 to the present one: what it held is there, and can be gone on with", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version1(filename)
      const store = yield* open(filename)
      const version = yield* execute(filename, ["PRAGMA user_version"])
      assert.deepStrictEqual(version, [{ user_version: SqliteSchema.migrations.length }])

      const cutOff = Option.getOrThrow(yield* store.get(runId("cut off")))
      const run = {
        runId: runId("cut off"),
        dag: "d",
        fingerprint: "f1",
        total: 2,
        input: '{"a":1}',
        policy: "{}",
        status: "running",
        epoch: 1,
        owner: "one",
        heartbeatAt: 1500,
        seq: 2,
        signals: "[]",
        createdAt: 1000,
        startedAt: 1000,
        finishedAt: null,
        wakeAt: null
      } as const
      assert.deepStrictEqual(cutOff, {
        run,
        modules: [
          {
            module: "m",
            status: "completed",
            attempt: 1,
            scheduledAt: 1001,
            startedAt: 1002,
            finishedAt: 1003,
            failure: null,
            because: null,
            until: null,
            items: null
          }
        ],
        items: [],
        shared: []
      })
      const history: ReadonlyArray<Transition> = [
        moduleTransition(1, "m", "running", { at: 1002 }),
        moduleTransition(2, "m", "completed", { at: 1003 })
      ]
      assert.deepStrictEqual(yield* store.history(runId("cut off"), all), history)
      assert.deepStrictEqual(yield* store.due({ fingerprints: ["f1"], now: 9, expiredBefore: 1501, limit: 9 }), {
        runs: [run],
        nextAt: null
      })
      const signal = { runId: runId("cut off"), module: "ask", closed: false, value: null }
      assert.deepStrictEqual(yield* store.signal(signal), { _tag: "UnknownSignal" })
      const suspended = changesOf("cut off", {
        modules: [moduleChange("n", { status: "suspended", until: 70, items: 2 })],
        transitions: [moduleTransition(3, "n", "suspended")],
        status: "suspended",
        wakeAt: 70
      })
      assert.deepStrictEqual(yield* store.commit([suspended]), [])
      assert.strictEqual(Option.getOrThrow(yield* store.run(runId("cut off"))).wakeAt, 70)

      const claim = yield* store.claim({ runId: runId("failed"), owner: "two", now: 9, expiredBefore: 0, reopen: true })
      assert(claim._tag === "Claimed")
      assert.deepStrictEqual([claim.run.createdAt, claim.run.startedAt, claim.run.epoch], [2000.5, 9, 4])
      assert.deepStrictEqual(yield* store.run(runId("failed")), Option.some(claim.run))
      const [module] = Option.getOrThrow(yield* store.get(runId("failed"))).modules
      assert.deepStrictEqual([module?.status, module?.attempt, module?.failure], ["pending", 2, null])
      assert.deepStrictEqual((yield* store.history(runId("failed"), all))[1], {
        ...runTransition(2, "failed", 3),
        at: 3000
      })
    })
  )

  it.scoped("is the same from version 1 and from nothing", () =>
    Effect.gen(function* () {
      const [migrated, fresh] = [yield* temporaryFile, yield* temporaryFile]
      yield* version1(migrated)
      for (const filename of [migrated, fresh]) yield* Effect.scoped(open(filename))
      const schema = ["SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"]
      assert.deepStrictEqual(yield* execute(migrated, schema), yield* execute(fresh, schema))
    })
  )

  it.scoped("is migrated once when many open a file of version 1 at once", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version1(filename)
      const stores = yield* Effect.all([open(filename), open(filename), open(filename)], { concurrency: "unbounded" })
      for (const [i, store] of stores.entries()) yield* store.open(newRun(`r${i}`))
      assert.lengthOf(yield* stores[0].list({ limit: 99 }), 5)
    })
  )

  it.scoped("a migration that cannot be made leaves the file at version 1", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version1(filename)
      // in the way of the last statement of step 2
      yield* execute(filename, ["CREATE TABLE signals (x)"])
      const error = yield* Effect.flip(Effect.scoped(open(filename)))
      assert.strictEqual(error.operation, "layer")
      assert.deepStrictEqual(yield* execute(filename, ["PRAGMA user_version"]), [{ user_version: 1 }])
      yield* execute(filename, ["DROP TABLE signals"])
      const store = yield* open(filename)
      assert.strictEqual(Option.getOrThrow(yield* store.run(runId("cut off"))).seq, 2)
    })
  )
})
