import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import * as Crypto from "node:crypto"
import type { Transition } from "../../src/model/Transition.js"
import * as SqliteSchema from "../../src/store/internal/SqliteSchema.js"
import { EventStore } from "../../src/store/EventStore.js"
import * as EventStoreSqlite from "../../src/store/EventStoreSqlite.js"
import { FlowStore } from "../../src/store/FlowStore.js"
import * as FlowStoreSqlite from "../../src/store/FlowStoreSqlite.js"
import { LeaseStore } from "../../src/store/LeaseStore.js"
import * as LeaseStoreSqlite from "../../src/store/LeaseStoreSqlite.js"
import { StateStore } from "../../src/store/StateStore.js"
import * as StateStoreSqlite from "../../src/store/StateStoreSqlite.js"
import {
  batchOf,
  changesOf,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition
} from "../../src/testing/internal/contract/Rows.js"
import { execute, open, temporaryFile } from "./SqliteFile.js"

const large = JSON.stringify("x".repeat(20_000))

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

/** What version 2 left: a run that waits, one that was cut off in a map, and two that ended; outputs of any size in their rows. */
const rows2 = [
  `INSERT INTO runs
      (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, finished_at, reopened_at, wake_at)
    VALUES ('waits', 'd', 'f1', 2, 'suspended', 2, '', 0, 3, 1000, NULL, NULL, 5000),
           ('cut off', 'd', 'f1', 3, 'running', 1, 'one', 1500, 3, 2000, NULL, NULL, NULL),
           ('completed', 'd', 'f1', 2, 'completed', 1, 'one', 1500, 2, 1000, 3000, NULL, NULL),
           ('failed', 'd', 'f1', 2, 'failed', 2, 'one', 1500, 2, 1000, 4000, 3500, NULL)`,
  `INSERT INTO inputs (run, input, policy, signals)
    VALUES (1, '{}', '{}', '["ask"]'), (2, '{}', '{}', '[]'), (3, '{}', '{}', '[]'), (4, '{}', '{}', '[]')`,
  `INSERT INTO modules (run, module, status, attempt, started_at, finished_at, failure, output, because, until, items)
    VALUES (1, 'ask', 'suspended', 1, 1002, NULL, NULL, NULL, NULL, 5000, NULL),
           (2, 'm', 'completed', 1, 1002, 1003, NULL, '${large}', NULL, NULL, NULL),
           (2, 'orders', 'running', 1, 1002, NULL, NULL, NULL, NULL, NULL, 3),
           (3, 'm', 'completed', 1, 1002, 1003, NULL, '1', NULL, NULL, NULL),
           (4, 'm', 'failed', 1, 1002, 1003, '{"kind":"error","message":"no","cause":"no"}', NULL, NULL, NULL, NULL),
           (4, 'n', 'skipped', 0, NULL, 1003, NULL, NULL, 'failure', NULL, NULL)`,
  `INSERT INTO items (run, module, item, seq, status, failure, output)
    VALUES (2, 'orders', 0, 3, 'completed', NULL, '${large}')`,
  "INSERT INTO shared (run, cell, value) VALUES (2, 'stats/counter', '7')",
  "INSERT INTO signals (run, module, closed, value) VALUES (1, 'other', 0, '1')",
  `INSERT INTO transitions (run, seq, at, status, module, attempt, failure, epoch, because, item, until, shared)
    VALUES (2, 1, 1003, 'completed', 'm', 1, NULL, NULL, NULL, NULL, NULL, '{"stats/counter":7}'),
           (2, 2, 1004, 'running', 'orders', 1, NULL, NULL, NULL, 3, NULL, NULL),
           (2, 3, 1005, 'completed', 'orders', NULL, NULL, NULL, NULL, 0, NULL, NULL)`
]

/** What version 3 left: a run with an output apart from its row, a keyed state and a dead letter. */
const rows3 = [
  `INSERT INTO runs
      (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, recoveries, quarantined)
    VALUES ('cut off', 'd', 'f1', 2, 'running', 2, 'one', 1500, 1, 1000, 3, 1)`,
  "INSERT INTO inputs (run, input, policy, signals) VALUES (1, '{}', '{}', '[]')",
  `INSERT INTO blobs (id, run, value) VALUES (7, 1, '${large}')`,
  "INSERT INTO modules (run, module, status, attempt, blob) VALUES (1, 'm', 'completed', 1, 7)",
  "INSERT INTO transitions (run, seq, at, status, module, attempt) VALUES (1, 1, 1003, 'completed', 'm', 1)",
  "INSERT INTO states (key, field, value) VALUES ('k', 'f', '1')",
  `INSERT INTO dead_letters (at, kind, key, reason, message, count, updates)
    VALUES (5, 'state', 'k', 'failed', 'no', 1, '[]')`,
  "UPDATE syncs SET count = 4"
]

/** What version 4 left: an entry, and how many versions were given. */
const rows4 = [
  ...rows3,
  "INSERT INTO entries (key, version, expires_at, value) VALUES ('k', 7, NULL, 'a')",
  "UPDATE entry_versions SET last = 9"
]

/** What version 5 left: a lease that was released and an event. */
const rows5 = [
  ...rows4,
  "INSERT INTO leases (resource, holder, token, expires_at) VALUES ('r', '', 41, 0)",
  `INSERT INTO events (aggregate_id, sequence, event_id, event_type, schema_version, at, payload)
    VALUES ('a', 1, 'e', 'Made', 1, 0, '{}')`,
  "INSERT INTO aggregates (aggregate_id, version) VALUES ('a', 1)"
]

/** A file as the release of this version has left it. */
const fileOf = (version: number, rows: ReadonlyArray<string>) => (filename: string) =>
  execute(
    filename,
    "PRAGMA journal_mode = WAL",
    ...SqliteSchema.migrations.slice(0, version).flat(),
    ...rows,
    `PRAGMA application_id = ${SqliteSchema.applicationId}`,
    `PRAGMA user_version = ${version}`
  )

const version1 = fileOf(1, rows)
const version2 = fileOf(2, rows2)
const version3 = fileOf(3, rows3)
const version4 = fileOf(4, rows4)
const version5 = fileOf(5, rows5)

describe("SqliteSchema", () => {
  it("does not change a step that was released", () => {
    const hashes = SqliteSchema.migrations.map((step) =>
      Crypto.createHash("sha256").update(JSON.stringify(step)).digest("hex").slice(0, 16)
    )
    assert.deepStrictEqual(hashes.slice(0, 5), [
      "14475fb02564aa1e",
      "e863b48c6a09536f",
      "e56bf3515043f594",
      "11b76e7e8c469c2b",
      "2a769b197991f73d"
    ])
  })

  it.scoped("takes a file of version 1 to the present one: what it held is there, and can be gone on with", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version1(filename)
      const store = yield* open(filename)
      const version = yield* execute(filename, "PRAGMA user_version")
      assert.deepStrictEqual(version, [{ user_version: SqliteSchema.migrations.length }])

      const cutOff = Option.getOrThrow(yield* store.get(runId("cut off")))
      const run = {
        runId: runId("cut off"),
        dag: "d",
        fingerprint: "f1",
        version: null,
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
        wakeAt: null,
        recoveries: 0,
        quarantined: false
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
      assert.deepStrictEqual(yield* store.commit(batchOf(suspended)), [])
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

  it.scoped("takes a file of version 2 to the present one: what it held is there, and can be gone on with", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version2(filename)
      const store = yield* open(filename)
      const version = yield* execute(filename, "PRAGMA user_version")
      assert.deepStrictEqual(version, [{ user_version: SqliteSchema.migrations.length }])

      const due = yield* store.due({ fingerprints: ["f1"], now: 5000, expiredBefore: 5000, limit: 9 })
      assert.deepStrictEqual(
        due.runs.map(({ quarantined, recoveries, runId }) => [runId, recoveries, quarantined] as const),
        [
          [runId("cut off"), 0, false],
          [runId("waits"), 0, false]
        ]
      )
      const cutOff = runId("cut off")
      assert.deepStrictEqual(yield* store.outputs(cutOff, ["m"]), new Map([["m", large]]))
      assert.deepStrictEqual(
        (yield* store.items(cutOff, ["orders"])).map(({ output }) => output),
        [large]
      )
      assert.lengthOf(yield* store.history(cutOff, all), 3)
      assert.deepStrictEqual(Option.getOrThrow(yield* store.get(cutOff)).shared, [
        { cell: "stats/counter", value: "7" }
      ])
      assert.lengthOf(yield* store.signals([runId("waits")]), 1)

      const request = { runId: cutOff, owner: "two", now: 5000, expiredBefore: 5000, reopen: false }
      const claimed = yield* store.claim({ ...request, maxRecoveries: 1 })
      assert(claimed._tag === "Claimed")
      assert.deepStrictEqual([claimed.run.epoch, claimed.run.recoveries], [2, 1])
      const again = yield* store.claim({ ...request, expiredBefore: Infinity, maxRecoveries: 1 })
      assert.strictEqual(again._tag, "Quarantined")

      // outputs that are written now are beside those that were written then
      const completed = changesOf("cut off", {
        epoch: 2,
        modules: [moduleChange("orders", { status: "completed", output: large })],
        transitions: [moduleTransition(4, "orders", "completed")]
      })
      const state = { key: "k", set: new Map([["f", "1"]]), clear: new Set<string>() }
      assert.deepStrictEqual(yield* store.commit({ runs: [completed], states: [state], synced: true }), [])
      assert.deepStrictEqual(
        yield* store.outputs(cutOff, ["m", "orders"]),
        new Map([
          ["m", large],
          ["orders", large]
        ])
      )
      assert.deepStrictEqual(yield* store.state("k"), state.set)
      const { outputs, spilled } = yield* store.storage
      assert.deepStrictEqual([outputs, spilled], [4, 1])

      assert.strictEqual(yield* store.prune({ keep: 1, endedBefore: Infinity, limit: 9 }), 1)
      assert.isTrue(Option.isNone(yield* store.run(runId("completed"))))
      const reopened = yield* store.claim({ ...request, runId: runId("failed"), reopen: true })
      assert.strictEqual(reopened._tag, "Claimed")
    })
  )

  it.scoped("takes a file of version 3 to the present one: what it held is there, and state can be kept in it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version3(filename)
      const states = Context.get(yield* Layer.build(StateStoreSqlite.layer({ filename })), StateStore)
      const version = yield* execute(filename, "PRAGMA user_version")
      assert.deepStrictEqual(version, [{ user_version: SqliteSchema.migrations.length }])
      assert.deepStrictEqual(yield* states.get("k"), Option.none())
      const first = yield* states.set("k", "a")
      assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version: first }))

      const store = yield* open(filename)
      const { recoveries, quarantined } = Option.getOrThrow(yield* store.run(runId("cut off")))
      assert.deepStrictEqual([recoveries, quarantined], [3, true])
      assert.deepStrictEqual(yield* store.outputs(runId("cut off"), ["m"]), new Map([["m", large]]))
      assert.deepStrictEqual(yield* store.state("k"), new Map([["f", "1"]]))
      assert.lengthOf(yield* store.deadLetters({ limit: 9 }), 1)
      assert.deepStrictEqual(yield* execute(filename, "SELECT count FROM syncs"), [{ count: 4 }])
    })
  )

  it.scoped(
    "takes a file of version 4 to the present one: what it held is there, with leases and events beside it",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* version4(filename)
        const states = Context.get(yield* Layer.build(StateStoreSqlite.layer({ filename })), StateStore)
        assert.deepStrictEqual(yield* states.get("k"), Option.some({ value: "a", version: 7 }))
        assert.strictEqual(yield* states.set("l", "b"), 10)
        const leases = Context.get(yield* Layer.build(LeaseStoreSqlite.layer({ filename })), LeaseStore)
        const acquired = yield* leases.acquire({ resource: "r", holder: "one", ttl: 1000 })
        assert.strictEqual(acquired._tag, "Acquired")
        const events = Context.get(yield* Layer.build(EventStoreSqlite.layer({ filename })), EventStore)
        const event = { eventId: "e", eventType: "Made", schemaVersion: 1, payload: "{}", at: 0 }
        yield* events.append({ aggregateId: "a", expected: "noStream", events: [event] })
        assert.strictEqual(yield* events.version("a"), 1)
        const store = yield* open(filename)
        yield* store.keepSnapshot({ runId: runId("cut off"), epoch: 2 })
        assert.isTrue(Option.isSome(yield* store.snapshot(runId("cut off"), {})))
      })
  )

  it.scoped("takes a file of version 5 to the present one: what it held is there, with flows beside it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* version5(filename)
      const flows = Context.get(yield* Layer.build(FlowStoreSqlite.layer({ filename })), FlowStore)
      assert.strictEqual(yield* flows.position, 0)
      const row = { name: "f", version: "1.0.0", fingerprint: "", status: "active" as const, revision: 1, text: "{}" }
      const flow = { ...row, at: 0, actor: "", reason: "", action: "register" }
      assert.deepStrictEqual(yield* flows.write([flow]), { _tag: "Written", position: 1 })
      const leases = Context.get(yield* Layer.build(LeaseStoreSqlite.layer({ filename })), LeaseStore)
      const acquired = yield* leases.acquire({ resource: "r", holder: "one", ttl: 1000 })
      assert.strictEqual(acquired._tag === "Acquired" ? acquired.lease.token : 0, 42)
      const events = Context.get(yield* Layer.build(EventStoreSqlite.layer({ filename })), EventStore)
      assert.strictEqual((yield* events.read("a", { limit: 9 }))[0]?.position, 1)
    })
  )

  it.scoped("is the same from any version and from nothing", () =>
    Effect.gen(function* () {
      const schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
      const fresh = yield* temporaryFile
      yield* Effect.scoped(open(fresh))
      const expected = yield* execute(fresh, schema)
      for (const leave of [version1, version2, version3, version4, version5]) {
        const filename = yield* temporaryFile
        yield* leave(filename)
        yield* Effect.scoped(open(filename))
        assert.deepStrictEqual(yield* execute(filename, schema), expected)
      }
    })
  )

  it.scoped("refuses a file of the version after the present one, and leaves it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* Effect.scoped(open(filename))
      const next = SqliteSchema.migrations.length + 1
      yield* execute(filename, `PRAGMA user_version = ${next}`)
      const error = yield* Effect.flip(Effect.scoped(open(filename)))
      assert.deepStrictEqual([error.reason, error.operation], ["newer", "layer"])
      assert.deepStrictEqual(yield* execute(filename, "PRAGMA user_version"), [{ user_version: next }])
    })
  )

  for (const [version, file, runs] of [
    [1, version1, 2],
    [2, version2, 4],
    [3, version3, 1],
    [4, version4, 1],
    [5, version5, 1]
  ] as const) {
    it.scoped(`is migrated once when many open a file of version ${version} at once`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* file(filename)
        const stores = yield* Effect.all([open(filename), open(filename), open(filename)], { concurrency: "unbounded" })
        for (const [i, store] of stores.entries()) yield* store.open(newRun(`r${i}`))
        assert.lengthOf(yield* stores[0].list({ limit: 99 }), runs + 3)
      })
    )

    it.scoped(`a migration that cannot be made leaves the file at version ${version}`, () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        yield* file(filename)
        // in the way of the last table of all
        yield* execute(filename, "CREATE TABLE flow_log (x)")
        const before = yield* execute(filename, "SELECT sql FROM sqlite_schema")
        const error = yield* Effect.flip(Effect.scoped(open(filename)))
        assert.strictEqual(error.operation, "layer")
        assert.deepStrictEqual(yield* execute(filename, "PRAGMA user_version"), [{ user_version: version }])
        assert.deepStrictEqual(yield* execute(filename, "SELECT sql FROM sqlite_schema"), before)
        yield* execute(filename, "DROP TABLE flow_log")
        const store = yield* open(filename)
        assert.isTrue(Option.isSome(yield* store.run(runId("cut off"))))
      })
    )
  }
})
