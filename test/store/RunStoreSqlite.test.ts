import * as Reactivity from "@effect/experimental/Reactivity"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { Array, Cause, Effect, Exit, Fiber, Layer, Option, Ref, Scope } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StoreError } from "../../src/model/StoreError.js"
import type { DeadLetter } from "../../src/store/RunStore.js"
import * as RunStoreMemory from "../../src/store/RunStoreMemory.js"
import * as RunStoreSqlite from "../../src/store/RunStoreSqlite.js"
import {
  batchOf,
  changesOf,
  moduleChange,
  modulesOf,
  moduleTransition,
  newRun,
  runId,
  runTransition
} from "../../src/testing/internal/contract/Rows.js"
import { contract, sameAnswers } from "./contract.js"
import { connect, execute, open, temporaryDirectory, temporaryFile } from "./SqliteFile.js"

/** Root may write everything: what it does is done as another user meanwhile. */
const asUser = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  process.getuid?.() === 0
    ? Effect.acquireUseRelease(
        Effect.sync(() => process.seteuid!(65_534)),
        () => effect,
        () => Effect.sync(() => process.seteuid!(0))
      )
    : effect

const inTemporaryFile = () =>
  Layer.unwrapScoped(Effect.map(temporaryFile, (filename) => RunStoreSqlite.layer({ filename })))

contract("RunStoreSqlite, in a file", inTemporaryFile)
contract("RunStoreSqlite, in memory", () => RunStoreSqlite.layer({ filename: ":memory:" }))
contract("RunStoreSqlite, with every output kept apart", () =>
  RunStoreSqlite.layer({ filename: ":memory:", spillBytes: 0 })
)

/** All files of a directory, byte for byte. */
const contentsOf = (directory: string) =>
  Effect.sync(() =>
    Object.fromEntries(
      Fs.readdirSync(directory)
        .sort()
        .map((name) => {
          const path = Path.join(directory, name)
          return [name, Fs.statSync(path).isFile() ? Fs.readFileSync(path).toString("base64") : "directory"]
        })
    )
  )

const copyAll = (from: string, to: string) =>
  Effect.sync(() => {
    Fs.mkdirSync(to)
    for (const name of Fs.readdirSync(from)) Fs.copyFileSync(Path.join(from, name), Path.join(to, name))
  })

const refused = (filename: string) =>
  Effect.scoped(Layer.build(RunStoreSqlite.layer({ filename, lockTimeout: "1 second" }))).pipe(
    Effect.flip,
    Effect.tap((error) =>
      Effect.sync(() => {
        assert.instanceOf(error, StoreError)
        assert.strictEqual(error.operation, "layer")
        assert.include(error.message, error.location)
      })
    )
  )

const step = (name: string, seq: number) =>
  changesOf(name, {
    modules: [moduleChange(`m${seq}`, { status: "completed", output: `${seq}` })],
    transitions: [moduleTransition(seq, `m${seq}`, "completed")]
  })

const letter: DeadLetter = {
  at: 1,
  kind: "state",
  key: "k",
  epoch: null,
  reason: "failed",
  message: "no",
  count: 1,
  updates: "[]"
}

const isIntact = (filename: string) =>
  Effect.map(execute(filename, "PRAGMA integrity_check"), ([row]) => row?.integrity_check === "ok")

describe("RunStoreSqlite", () => {
  sameAnswers(
    "gives the same answers as the store in memory",
    () => RunStoreMemory.layer(),
    () => RunStoreSqlite.layer({ filename: ":memory:" })
  )

  sameAnswers(
    "gives the same answers when outputs are kept apart",
    () => RunStoreMemory.layer(),
    () => RunStoreSqlite.layer({ filename: ":memory:", spillBytes: 2 })
  )

  it.scoped("keeps runs when it is closed and opened again, and leaves one file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const filename = Path.join(directory, "heddle.db")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          yield* store.open(newRun("a"))
          yield* store.commit(batchOf(step("a", 1)))
        })
      )
      assert.deepStrictEqual(Fs.readdirSync(directory), ["heddle.db"])
      const store = yield* open(filename)
      assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, 1)
      assert.deepStrictEqual(new Map(yield* store.outputs(runId("a"), ["m1"])), new Map([["m1", "1"]]))
    })
  )

  it.scoped("writes a log ahead, and syncs it at checkpoints", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* open(filename)
      assert.deepStrictEqual(yield* execute(filename, "PRAGMA journal_mode"), [{ journal_mode: "wal" }])
    })
  )

  it.scoped("fails with `closed` after its scope has ended", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const scope = yield* Scope.make()
      const store = yield* Scope.extend(open(filename), scope)
      yield* store.open(newRun("a"))
      yield* Scope.close(scope, Exit.void)
      const operations: ReadonlyArray<readonly [string, Effect.Effect<unknown, StoreError>]> = [
        ["open", store.open(newRun("a"))],
        ["claim", store.claim({ runId: runId("a"), owner: "x", now: 1, expiredBefore: 1, reopen: false })],
        ["heartbeat", store.heartbeat([], 1)],
        ["release", store.release({ runId: runId("a"), epoch: 1 })],
        ["commit", store.commit(batchOf(step("a", 1)))],
        ["state", store.state("k")],
        ["bury", store.bury(letter)],
        ["deadLetters", store.deadLetters({ limit: 1 })],
        ["prune", store.prune({ keep: 0, endedBefore: 1, limit: 1 })],
        ["storage", store.storage],
        ["signal", store.signal({ runId: runId("a"), module: "ask", closed: false, value: null })],
        ["signals", store.signals([runId("a")])],
        ["due", store.due({ fingerprints: ["f1"], now: 1, expiredBefore: 1, limit: 1 })],
        ["run", store.run(runId("a"))],
        ["items", store.items(runId("a"), ["m1"])],
        ["get", store.get(runId("a"))],
        ["outputs", store.outputs(runId("a"), ["m1"])],
        ["history", store.history(runId("a"), { after: 0, limit: 1 })],
        ["list", store.list({ limit: 1 })]
      ]
      for (const [operation, effect] of operations) {
        const error = yield* Effect.flip(effect)
        assert.strictEqual(error.reason, "closed")
        assert.strictEqual(error.operation, operation)
        assert.strictEqual(error.location, filename)
      }
    })
  )

  describe("a file that it cannot use", () => {
    const untouched = (
      title: string,
      reason: StoreError["reason"],
      arrange: (filename: string) => Effect.Effect<unknown, unknown, Scope.Scope>,
      ignore: ReadonlyArray<string> = []
    ) =>
      it.scopedLive(`${title}: ${reason}, and left as it was`, () =>
        Effect.gen(function* () {
          const directory = yield* temporaryDirectory
          const filename = Path.join(directory, "app.db")
          yield* arrange(filename)
          const kept = Effect.map(contentsOf(directory), (files) =>
            Object.fromEntries(Object.entries(files).filter(([name]) => !ignore.includes(name)))
          )
          const before = yield* kept
          const error = yield* refused(filename)
          assert.strictEqual(error.reason, reason)
          assert.strictEqual(error.location, filename)
          assert.deepStrictEqual(yield* kept, before)
        })
      )

    const write = (text: string | Buffer) => (filename: string) => Effect.sync(() => Fs.writeFileSync(filename, text))

    /** What a process leaves that is killed while it has the file open: copies of the files, taken in that moment. */
    const killed =
      (...statements: ReadonlyArray<string>) =>
      (filename: string) =>
        Effect.gen(function* () {
          const directory = yield* temporaryDirectory
          const other = yield* connect(Path.join(directory, Path.basename(filename)))
          for (const sql of statements) yield* other.execute(sql)
          for (const name of Fs.readdirSync(directory)) {
            Fs.copyFileSync(Path.join(directory, name), Path.join(Path.dirname(filename), name))
          }
        })

    const table = "CREATE TABLE users (name TEXT)"
    const fill = "INSERT INTO users SELECT hex(randomblob(500)) FROM generate_series(1, 100)".replace(
      "generate_series(1, 100)",
      "json_each('[" + Array.range(1, 100).join(",") + "]')"
    )

    untouched("text", "corrupt", write("not a database, but long enough to look at".repeat(100)))
    // SQLite itself takes a single byte for an empty database, and writes over it.
    for (const length of [1, 100, 511, 512, 1000]) {
      untouched(`${length} bytes of text`, "corrupt", write("x".repeat(length)))
    }
    untouched("zeros", "corrupt", write(Buffer.alloc(8192)))
    untouched("a header and nothing that fits it", "corrupt", (filename) =>
      Effect.gen(function* () {
        yield* execute(filename, table, fill)
        const bytes = Fs.readFileSync(filename)
        Fs.writeFileSync(filename, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length - 100, 0xab)]))
      })
    )
    untouched("another application's database", "foreign", (filename) => execute(filename, table, fill))
    untouched("another application's database with a log", "foreign", (filename) =>
      execute(filename, "PRAGMA journal_mode = WAL", table, fill)
    )
    untouched("an empty database with another application's mark", "foreign", (filename) =>
      execute(filename, "PRAGMA application_id = 77")
    )
    untouched("an empty database with another application's version", "foreign", (filename) =>
      execute(filename, "PRAGMA user_version = 3")
    )
    untouched(
      "another application's database after a crash, with its log",
      "foreign",
      killed("PRAGMA journal_mode = WAL", table, fill),
      // the index of the log, which every reader rewrites
      ["app.db-shm"]
    )
    untouched(
      "another application's database after a crash, in the middle of a transaction",
      "foreign",
      killed(table, fill, "PRAGMA cache_size = 1", "BEGIN", "UPDATE users SET name = name || 'x'", fill)
    )
    untouched("a later release's database", "newer", (filename) =>
      Effect.gen(function* () {
        yield* Effect.scoped(open(filename))
        yield* execute(filename, "PRAGMA user_version = 99")
      })
    )
    untouched(
      "a later release's database after a crash",
      "newer",
      (filename) =>
        Effect.gen(function* () {
          const directory = yield* temporaryDirectory
          const source = Path.join(directory, "app.db")
          yield* open(source)
          const other = yield* connect(source)
          yield* other.execute("PRAGMA user_version = 99")
          for (const name of Fs.readdirSync(directory)) {
            Fs.copyFileSync(Path.join(directory, name), Path.join(Path.dirname(filename), name))
          }
        }),
      ["app.db-shm"]
    )

    it.scopedLive("another application's database that is in use goes on as before", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const filename = Path.join(directory, "app.db")
        const other = yield* connect(filename)
        for (const sql of ["PRAGMA journal_mode = WAL", table, fill, "BEGIN IMMEDIATE", fill]) yield* other.execute(sql)
        assert.strictEqual((yield* refused(filename)).reason, "foreign")
        yield* other.execute("COMMIT")
        assert.deepStrictEqual(yield* other.execute("SELECT count(*) AS n FROM users"), [{ n: 200 }])
        assert.isTrue(yield* isIntact(filename))
      })
    )

    const message = (title: string, arrange: (directory: string) => string, expected: RegExp) =>
      it.scoped(title, () =>
        Effect.gen(function* () {
          const directory = yield* temporaryDirectory
          const filename = arrange(directory)
          const before = yield* contentsOf(directory)
          const error = yield* refused(filename)
          assert.strictEqual(error.reason, "failed")
          assert.match(error.message, expected)
          assert.deepStrictEqual(yield* contentsOf(directory), before)
        })
      )

    message(
      "in a directory that does not exist",
      (directory) => Path.join(directory, "a/b/x.db"),
      /does not exist: create/
    )
    message("that is a directory", (directory) => directory, /is a directory: name a file in it/)
    message(
      "below a file",
      (directory) => {
        Fs.writeFileSync(Path.join(directory, "file"), "x")
        return Path.join(directory, "file/x.db")
      },
      /not a directory/
    )
    message("without a name", () => " ", /empty/)

    it.scoped("that it may not write", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const filename = Path.join(directory, "heddle.db")
        yield* Effect.scoped(open(filename))
        Fs.chmodSync(filename, 0o444)
        Fs.chmodSync(directory, 0o755)
        const before = yield* contentsOf(directory)
        assert.include((yield* asUser(refused(filename))).message, filename)
        assert.deepStrictEqual(yield* contentsOf(directory), before)
      })
    )

    it.scoped("in a directory that it may not write", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        Fs.chmodSync(directory, 0o555)
        const filename = Path.join(directory, "heddle.db")
        const error = yield* asUser(refused(filename))
        Fs.chmodSync(directory, 0o755)
        assert.include(error.message, filename)
      })
    )
  })

  describe("a file that it can use", () => {
    const usable = (title: string, arrange: (filename: string) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
      it.scopedLive(title, () =>
        Effect.gen(function* () {
          const filename = yield* temporaryFile
          yield* arrange(filename)
          const store = yield* open(filename)
          assert.deepStrictEqual(yield* store.open(newRun("z")), { _tag: "Created" })
        })
      )

    usable("an empty file", (filename) => Effect.sync(() => Fs.writeFileSync(filename, "")))
    usable("an empty database", (filename) => execute(filename, "PRAGMA journal_mode = WAL"))
    usable("a name with spaces around it, which the driver cuts off", (filename) =>
      Effect.gen(function* () {
        yield* execute(filename, "PRAGMA user_version = 3")
        assert.strictEqual((yield* refused(`${filename} `)).reason, "foreign")
        yield* execute(filename, "PRAGMA user_version = 0")
      })
    )
    usable("one of ours that was switched to another journal", (filename) =>
      Effect.gen(function* () {
        yield* Effect.scoped(open(filename))
        yield* execute(filename, "PRAGMA journal_mode = DELETE")
      })
    )
    usable("one whose creation was cut off in the middle", (filename) =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const other = yield* connect(Path.join(directory, "heddle.db"))
        for (const sql of ["PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE t (a)"]) yield* other.execute(sql)
        for (const _ of Array.range(1, 50)) yield* other.execute("INSERT INTO t VALUES (randomblob(3000))")
        for (const name of Fs.readdirSync(directory)) {
          Fs.copyFileSync(Path.join(directory, name), Path.join(Path.dirname(filename), name))
        }
        assert.isAbove(Fs.statSync(filename).size, 0)
        assert.isAbove(Fs.statSync(`${filename}-journal`).size, 0)
      })
    )

    it.scoped("one of ours after a crash: what was committed is there", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const store = yield* open(Path.join(directory, "heddle.db"))
        yield* store.open(newRun("a"))
        yield* store.commit(batchOf(step("a", 1)))
        const copy = Path.join(yield* temporaryDirectory, "copy")
        yield* copyAll(directory, copy)
        // All of it is still in the log: the file itself does not even say that it is ours.
        assert.strictEqual(Fs.readFileSync(Path.join(copy, "heddle.db")).readUInt32BE(68), 0)
        const recovered = yield* open(Path.join(copy, "heddle.db"))
        assert.strictEqual(Option.getOrThrow(yield* recovered.run(runId("a"))).seq, 1)
      })
    )
  })

  describe("with other connections to its file", () => {
    it.scopedLive("waits for a lock without blocking the event loop", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* open(filename, { lockTimeout: "20 seconds" })
        yield* store.open(newRun("a"))
        const other = yield* connect(filename)
        yield* other.execute("BEGIN IMMEDIATE")
        const ticks = yield* Ref.make(0)
        const ticking = yield* Effect.forkScoped(
          Effect.forever(
            Effect.delay(
              Ref.update(ticks, (n) => n + 1),
              "5 millis"
            )
          )
        )
        const commit = yield* Effect.fork(store.commit(batchOf(step("a", 1))))
        // were the event loop blocked, these ticks would only come after the commit had given up
        while ((yield* Ref.get(ticks)) < 20) yield* Effect.sleep("1 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(commit)))
        // Readers do not wait for the writer.
        assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, 0)
        yield* other.execute("COMMIT")
        assert.deepStrictEqual(yield* Fiber.join(commit), [])
        yield* Fiber.interrupt(ticking)
        assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, 1)
      })
    )

    it.scopedLive("gives up with `busy` after the lock timeout, and works when the lock is free", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* open(filename, { lockTimeout: "100 millis" })
        yield* store.open(newRun("a"))
        const other = yield* connect(filename)
        yield* other.execute("BEGIN IMMEDIATE")
        const error = yield* Effect.flip(store.commit(batchOf(step("a", 1))))
        assert.strictEqual(error.reason, "busy")
        assert.strictEqual(error.operation, "commit")
        assert.deepStrictEqual(yield* modulesOf(store, runId("a")), [])
        yield* other.execute("ROLLBACK")
        assert.deepStrictEqual(yield* store.commit(batchOf(step("a", 1))), [])
      })
    )

    it.scopedLive("an interrupted wait writes nothing", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* open(filename)
        yield* store.open(newRun("a"))
        const other = yield* connect(filename)
        yield* other.execute("BEGIN IMMEDIATE")
        const commit = yield* Effect.fork(store.commit(batchOf(step("a", 1))))
        yield* Effect.sleep("20 millis")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(commit)))
        yield* other.execute("COMMIT")
        assert.deepStrictEqual(yield* modulesOf(store, runId("a")), [])
        assert.deepStrictEqual(yield* store.commit(batchOf(step("a", 1))), [])
      })
    )

    it.scopedLive("two stores that write at once lose nothing", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const stores = yield* Effect.all([open(filename), open(filename)], { concurrency: "unbounded" })
        yield* Effect.forEach(
          stores,
          (store, index) =>
            Effect.gen(function* () {
              yield* store.open(newRun(`r${index}`))
              for (const seq of Array.range(1, 100)) {
                assert.deepStrictEqual(yield* store.commit(batchOf(step(`r${index}`, seq))), [])
                yield* Effect.yieldNow()
              }
            }),
          { concurrency: "unbounded" }
        )
        for (const store of stores) {
          for (const id of ["r0", "r1"]) {
            assert.deepStrictEqual(
              (yield* store.history(runId(id), { after: 0, limit: Infinity })).map(({ seq }) => seq),
              Array.range(1, 100)
            )
          }
        }
      })
    )

    it.scopedLive("two stores in turn see what the other wrote, and one epoch wins", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const one = yield* open(filename)
        const two = yield* open(filename)
        yield* one.open(newRun("a"))
        yield* one.commit(batchOf(step("a", 1)))
        assert.strictEqual((yield* two.open(newRun("a")))._tag, "Exists")
        const claims = yield* Effect.forEach(
          [one, two, one, two],
          (store) => store.claim({ runId: runId("a"), owner: "x", now: 5000, expiredBefore: 2000, reopen: false }),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(claims.filter(({ _tag }) => _tag === "Claimed").length, 1)
        const stale = step("a", 2)
        assert.deepStrictEqual(yield* one.commit(batchOf(stale)), [stale])
        assert.deepStrictEqual(yield* two.commit(batchOf({ ...stale, epoch: 2 })), [])
        assert.strictEqual((yield* one.history(runId("a"), { after: 0, limit: 9 })).length, 2)
      })
    )

    it.scopedLive("many stores open one new file at once", () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const stores = yield* Effect.all(
          Array.makeBy(10, () => open(filename)),
          { concurrency: "unbounded" }
        )
        yield* Effect.forEach(stores, (store, i) => store.open(newRun(`r${i}`)), { concurrency: "unbounded" })
        assert.strictEqual((yield* stores[0].list({ limit: 99 })).length, 10)
      })
    )

    it.scopedLive("a transaction of the caller on another file is not touched", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const store = yield* open(Path.join(directory, "heddle.db"))
        const sql = yield* SqliteClient.make({ filename: Path.join(directory, "app.db") })
        yield* sql`CREATE TABLE orders (id INTEGER)`
        const exit = yield* Effect.gen(function* () {
          yield* sql`INSERT INTO orders VALUES (1)`
          yield* store.open(newRun("a"))
          yield* store.commit(batchOf(step("a", 1)))
          assert.strictEqual((yield* store.list({ limit: 9 })).length, 1)
          yield* sql`INSERT INTO orders VALUES (2)`
          return yield* Effect.fail("no")
        }).pipe(sql.withTransaction, Effect.exit)
        assert.isTrue(Exit.isFailure(exit) && Cause.isFailType(exit.cause) && exit.cause.error === "no")
        assert.deepStrictEqual(yield* sql`SELECT * FROM orders`, [])
        assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, 1)
        assert.deepStrictEqual(yield* sql`SELECT name FROM sqlite_schema`, [{ name: "orders" }])
      }).pipe(Effect.provide(Reactivity.layer))
    )
  })

  describe("a commit that fails", () => {
    const failing = (title: string, reason: StoreError["reason"], ...statements: ReadonlyArray<string>) =>
      it.scoped(`${title}: a typed error, nothing written, and the next one works`, () =>
        Effect.gen(function* () {
          const filename = yield* temporaryFile
          const store = yield* open(filename)
          yield* store.open(newRun("a"))
          yield* store.open(newRun("b"))
          yield* execute(filename, ...statements)
          const error = yield* Effect.flip(store.commit(batchOf(step("a", 1), step("b", 1))))
          assert.strictEqual(error.reason, reason)
          assert.strictEqual(error.operation, "commit")
          for (const id of ["a", "b"]) {
            assert.deepStrictEqual(yield* modulesOf(store, runId(id)), [])
            assert.deepStrictEqual(yield* store.history(runId(id), { after: 0, limit: 9 }), [])
            assert.strictEqual(Option.getOrThrow(yield* store.run(runId(id))).seq, 0)
          }
          yield* execute(filename, "DROP TRIGGER fails")
          assert.deepStrictEqual(yield* store.commit(batchOf(step("a", 1), step("b", 1))), [])
          yield* store.commit(
            batchOf(changesOf("a", { transitions: [runTransition(2, "completed")], status: "completed" }))
          )
          assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).status, "completed")
          // Nothing is locked.
          yield* execute(filename, "BEGIN IMMEDIATE", "COMMIT")
        })
      )

    failing(
      "at a statement",
      "failed",
      "CREATE TRIGGER fails AFTER INSERT ON transitions WHEN new.run = 2 BEGIN SELECT raise(ABORT, 'no'); END"
    )
    failing(
      "at COMMIT",
      "failed",
      "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
      "CREATE TABLE children (id INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)",
      "CREATE TRIGGER fails AFTER INSERT ON transitions BEGIN INSERT INTO children VALUES (1); END"
    )
    failing(
      "because no space is left",
      "full",
      "CREATE TABLE counter (id INTEGER PRIMARY KEY AUTOINCREMENT)",
      "INSERT INTO counter VALUES (9223372036854775807)",
      "CREATE TRIGGER fails AFTER INSERT ON modules BEGIN INSERT INTO counter VALUES (NULL); END"
    )
    failing(
      "and rolls back by itself",
      "failed",
      "CREATE TRIGGER fails AFTER INSERT ON transitions BEGIN SELECT raise(ROLLBACK, 'no'); END"
    )

    it.scoped("because of a value that no statement takes: the connection is left in no transaction", () =>
      Effect.gen(function* () {
        const store = yield* open(":memory:")
        yield* store.open(newRun("a"))
        const poison = changesOf("a", {
          transitions: [
            moduleTransition(1, "m", "failed", { failure: { kind: "error", message: "", cause: "", error: 1n } })
          ]
        })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(store.commit(batchOf(poison)))))
        assert.deepStrictEqual(yield* store.commit(batchOf(step("a", 1))), [])
      })
    )
  })

  it.scoped("a transition that is not readable is `corrupt`", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.open(newRun("a"))
      yield* store.commit(batchOf(step("a", 1)))
      for (const change of [
        "status = 'unheard of'",
        "status = 'failed', failure = '{'",
        "failure = '{}'",
        "failure = NULL, shared = '['",
        "shared = '1'",
        "shared = NULL, attempt = NULL",
        "module = NULL"
      ]) {
        yield* execute(filename, `UPDATE transitions SET ${change}`)
        const error = yield* Effect.flip(store.history(runId("a"), { after: 0, limit: 9 }))
        assert.strictEqual(error.reason, "corrupt")
        assert.strictEqual(error.operation, "history")
      }
    })
  )

  it.scoped("signals of a run that are not readable are `corrupt`", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.open(newRun("a"))
      for (const text of ["", "{}", "[1]"]) {
        yield* execute(filename, `UPDATE inputs SET signals = '${text}'`)
        const signal = { runId: runId("a"), module: "ask", closed: false, value: null }
        const error = yield* Effect.flip(store.signal(signal))
        assert.deepStrictEqual([error.reason, error.operation], ["corrupt", "signal"])
      }
    })
  )

  it.scoped("a value that no statement takes makes a signal a typed error or a defect, and the next one works", () =>
    Effect.gen(function* () {
      const store = yield* open(":memory:")
      yield* store.open(newRun("a"))
      const signal = { runId: runId("a"), module: "ask", closed: false, value: "1" }
      // as a caller without types could
      const poison = { ...signal, value: Symbol() as unknown as string }
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.signal(poison))))
      assert.deepStrictEqual(yield* store.signal(signal), { _tag: "Settled", was: undefined })
    })
  )
})
