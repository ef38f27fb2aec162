import { assert, describe, it } from "@effect/vitest"
import { Array, Context, type Duration, Effect, Fiber, Layer, Option, TestClock } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import { newRun } from "../../src/testing/internal/contract/Rows.js"
import { inTurn } from "./inTurn.js"
import * as SqliteFile from "./SqliteFile.js"
import { stateContract } from "./stateContract.js"

const { connect, execute, temporaryFile } = SqliteFile

/** A store in the scope of the test. */
const open = (filename: string, options?: { readonly lockTimeout: Duration.DurationInput }) =>
  Effect.map(Layer.build(StateStoreSqlite.layer({ filename, ...options })), Context.get(StateStore))

/** Two stores in one file, as two processes have them. */
const both = Layer.scoped(
  StateStore,
  Effect.gen(function* () {
    const filename = yield* temporaryFile
    return inTurn(yield* open(filename), yield* open(filename))
  })
)

stateContract("StateStoreSqlite, in memory", () => StateStoreSqlite.layer({ filename: ":memory:" }))
stateContract("StateStoreSqlite, in a file", () =>
  Layer.unwrapScoped(Effect.map(temporaryFile, (filename) => StateStoreSqlite.layer({ filename })))
)
stateContract("StateStoreSqlite, as two stores in one file", () => both)

describe("StateStoreSqlite", () => {
  it.scoped("keeps values, versions and the ends of their time when it is opened again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const [kept, expiring, gone] = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          const kept = yield* store.set("kept", "a")
          const expiring = yield* store.set("expiring", "b", { ttl: 100 })
          const gone = yield* store.set("gone", "c")
          yield* store.delete("gone")
          return [kept, expiring, gone] as const
        })
      )
      yield* TestClock.adjust(99)
      const store = yield* open(filename)
      assert.deepStrictEqual(yield* store.get("kept"), Option.some({ value: "a", version: kept }))
      assert.deepStrictEqual(yield* store.get("expiring"), Option.some({ value: "b", version: expiring }))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* store.get("expiring"), Option.none())
      assert.deepStrictEqual(yield* store.get("gone"), Option.none())
      assert.isAbove(yield* store.set("gone", "c"), gone)
      assert.isAbove(Option.getOrThrow(yield* store.compareAndSet("kept", kept, "d")), gone)
    })
  )

  it.scoped("gives no version again that was one of the last file's, also when nothing is left of it", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const versions: Array<number> = []
      for (let i = 0; i < 3; i++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open(filename)
            versions.push(yield* store.set("k", "a"))
            yield* store.delete("k")
          })
        )
      }
      assert.strictEqual(new Set(versions).size, 3)
    })
  )

  it.scoped("uses the file of a RunStore, and neither sees what is the other's", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const runs = yield* SqliteFile.open(filename)
      const states = yield* open(filename)
      yield* states.set("k", "a")
      yield* runs.open(newRun("k"))
      yield* runs.commit({
        runs: [],
        states: [{ key: "k", set: new Map([["f", "1"]]), clear: new Set() }],
        synced: false
      })
      assert.deepStrictEqual(yield* runs.state("k"), new Map([["f", "1"]]))
      assert.deepStrictEqual(
        Option.map(yield* states.get("k"), ({ value }) => value),
        Option.some("a")
      )
      assert.isTrue(yield* states.delete("k"))
      assert.deepStrictEqual(yield* runs.state("k"), new Map([["f", "1"]]))
      assert.strictEqual((yield* runs.storage).states, 1)
    })
  )

  it.scoped("each set removes up to 16 rows that have expired, those that expired first, by an index", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      const count = Effect.map(execute(filename, "SELECT count(*) AS count FROM entries"), ([row]) => row?.count)
      for (const i of Array.range(1, 40)) yield* store.set(`k${i}`, "a", { ttl: 100 + i })
      yield* store.set("kept", "a")
      yield* TestClock.adjust(1000)
      yield* store.get("k1")
      assert.isTrue(Option.isNone(yield* store.compareAndSet("k1", 1, "refused")))
      assert.strictEqual(yield* count, 41)
      yield* store.set("kept", "b")
      assert.strictEqual(yield* count, 25)
      const [first] = yield* execute(filename, "SELECT key FROM entries WHERE expires_at > 0 ORDER BY expires_at")
      assert.strictEqual(first?.key, "k17")
      yield* store.compareAndSet("l", 0, "a", { ttl: 100 })
      yield* store.set("m", "a")
      assert.strictEqual(yield* count, 3)

      const plan = yield* execute(
        filename,
        "EXPLAIN QUERY PLAN SELECT rowid FROM entries WHERE expires_at <= 5 ORDER BY expires_at LIMIT 16"
      )
      assert.deepStrictEqual(
        plan.map(({ detail }) => detail),
        ["SEARCH entries USING COVERING INDEX entries_by_expiry (expires_at<?)"]
      )
    })
  )

  it.scoped("has no changes: what other processes do leaves no trace that could be followed", () =>
    Effect.gen(function* () {
      const store = yield* open(yield* temporaryFile)
      assert.isTrue(Option.isNone(store.changes))
    })
  )

  it.scoped("a write that fails changes nothing, and the next one works", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      const version = yield* store.set("k", "a")
      yield* execute(
        filename,
        "CREATE TRIGGER fails BEFORE DELETE ON entries WHEN old.key = 'poison' BEGIN SELECT raise(ABORT, 'no'); END"
      )
      // its row is in the way of every write once it has expired
      yield* store.set("poison", "a", { ttl: 10 })
      yield* TestClock.adjust(10)
      const writes: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        store.set("k", "b"),
        store.compareAndSet("k", version, "b"),
        store.set("l", "b")
      ]
      for (const write of writes) {
        const error = yield* Effect.flip(write)
        assert.strictEqual(error.reason, "failed")
        assert.include(error.message, "no")
      }
      assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "a", version }))
      assert.deepStrictEqual(yield* store.get("l"), Option.none())
      yield* execute(filename, "DROP TRIGGER fails")
      const next = Option.getOrThrow(yield* store.compareAndSet("k", version, "c"))
      assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "c", version: next }))
    })
  )

  it.scopedLive("waits for the lock of another connection, as long as `lockTimeout`, and reads meanwhile", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      const version = yield* store.set("k", "a")
      const impatient = yield* open(filename, { lockTimeout: "30 millis" })
      const other = yield* connect(filename)
      yield* other.execute("BEGIN IMMEDIATE")
      const waiting = yield* Effect.fork(store.compareAndSet("k", version, "b"))
      const writes: ReadonlyArray<Effect.Effect<unknown, StoreError>> = [
        impatient.set("k", "c"),
        impatient.delete("k"),
        impatient.compareAndSet("k", version, "c")
      ]
      for (const write of writes) {
        assert.strictEqual((yield* Effect.flip(write)).reason, "busy")
      }
      assert.deepStrictEqual(yield* impatient.get("k"), Option.some({ value: "a", version }))
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* other.execute("COMMIT")
      const next = Option.getOrThrow(yield* Fiber.join(waiting))
      assert.deepStrictEqual(yield* impatient.get("k"), Option.some({ value: "b", version: next }))
    })
  )

  it.scoped("fails once its scope has ended, and once the file has lost count", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const closed = yield* Effect.scoped(open(filename))
      assert.deepStrictEqual((yield* Effect.flip(closed.get("k"))).reason, "closed")
      const store = yield* open(filename)
      const version = yield* store.set("k", "a")
      yield* execute(filename, "DELETE FROM entry_versions")
      const error = yield* Effect.flip(store.set("k", "b"))
      assert.deepStrictEqual([error.reason, error.operation], ["corrupt", "set"])
      assert.include(error.message, filename)
      assert.strictEqual((yield* Effect.flip(store.compareAndSet("k", version, "b"))).reason, "corrupt")
      assert.deepStrictEqual(yield* store.get("k"), Option.some({ value: "a", version }))
    })
  )
})
