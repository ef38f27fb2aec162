import { assert, describe, it } from "@effect/vitest"
import { Array, Context, type Duration, Effect, Fiber, Layer, Option } from "effect"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import { change, rowOf } from "../../src/testing/internal/contract/FlowRows.js"
import { flowContract } from "./flowContract.js"
import * as FlowStores from "./FlowStores.js"
import { inTurn } from "./inTurn.js"
import * as SqliteFile from "./SqliteFile.js"

const { connect, execute, temporaryFile } = SqliteFile

/** A store in the scope of the test. */
const open = (filename: string, options?: { readonly lockTimeout: Duration.DurationInput }) =>
  Effect.map(Layer.build(FlowStoreSqlite.layer({ filename, ...options })), Context.get(FlowStore))

/** Two stores in one file, as two processes have them. */
const both = Effect.gen(function* () {
  const filename = yield* temporaryFile
  return [yield* open(filename), yield* open(filename)] as const
})

flowContract("FlowStoreSqlite, in memory", () => FlowStoreSqlite.layer({ filename: ":memory:" }))
flowContract(
  "FlowStoreSqlite, in a file",
  () => Layer.unwrapScoped(Effect.map(temporaryFile, (filename) => FlowStoreSqlite.layer({ filename }))),
  20
)
flowContract(
  "FlowStoreSqlite, as two stores in one file",
  () =>
    Layer.scoped(
      FlowStore,
      Effect.map(both, (stores) => inTurn(...stores))
    ),
  10
)

describe("FlowStoreSqlite", () => {
  it.scopedLive("operations of two processes have an order", () =>
    Effect.flatMap(both, (stores) => FlowStores.haveAnOrder(Array.makeBy(6, (i) => stores[i % 2]!)))
  )

  it.scopedLive("concurrent writes of two processes are one after the other, and none is lost", () =>
    Effect.flatMap(both, (stores) => FlowStores.countTogether(Array.makeBy(4, (i) => stores[i % 2]!)))
  )

  it.scoped("keeps flows, revisions, the log and its positions when it is opened again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const changes = [change("../x", "1", 1), change("a", "1", 1), change("a", "1", 2, { text: null })] as const
      const entries = yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          for (const one of changes) yield* store.write([one])
          return yield* store.log({ after: 0, limit: 9 })
        })
      )
      const store = yield* open(filename)
      assert.deepStrictEqual(yield* store.log({ after: 0, limit: 9 }), entries)
      assert.deepStrictEqual(yield* store.list({ limit: 9 }), [rowOf(changes[0])])
      assert.deepStrictEqual(yield* store.get("a", "1"), Option.some(rowOf(changes[2])))
      const conflict = yield* store.write([change("a", "1", 1)])
      assert.deepStrictEqual(conflict, { _tag: "Conflict", name: "a", version: "1", actual: 2 })
      const written = yield* store.write([change("a", "1", 3)])
      assert(written._tag === "Written")
      assert.isAbove(written.position, entries[2]!.position)
    })
  )

  it.scoped("syncs each write", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.write([change("a", "1", 1), change("b", "1", 1)])
      yield* store.write([change("a", "1", 2)])
      assert.deepStrictEqual(yield* execute(filename, "SELECT count FROM syncs"), [{ count: 2 }])
    })
  )

  it.scopedLive(
    "waits for the lock of another connection, as long as `lockTimeout`, and judges what is there then",
    () =>
      Effect.gen(function* () {
        const filename = yield* temporaryFile
        const store = yield* open(filename)
        const impatient = yield* open(filename, { lockTimeout: "30 millis" })
        yield* store.write([change("a", "1", 1)])
        const other = yield* connect(filename)
        yield* other.execute("BEGIN IMMEDIATE")
        const waiting = yield* Effect.fork(store.write([change("a", "1", 2)]))
        assert.strictEqual((yield* Effect.flip(impatient.write([change("a", "1", 2)]))).reason, "busy")
        assert.strictEqual((yield* impatient.list({ limit: 9 })).length, 1)
        assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
        yield* other.execute("UPDATE flows SET revision = 7")
        yield* other.execute("COMMIT")
        const answer = yield* Fiber.join(waiting)
        assert.deepStrictEqual(answer, { _tag: "Conflict", name: "a", version: "1", actual: 7 })
      })
  )

  it.scoped("a write that fails halfway leaves nothing", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.write([change("a", "1", 1)])
      yield* execute(
        filename,
        `CREATE TRIGGER fails BEFORE INSERT ON flow_log WHEN new.name = 'c' BEGIN SELECT raise(ABORT, 'no'); END`
      )
      const error = yield* Effect.flip(store.write([change("a", "1", 2), change("b", "1", 1), change("c", "1", 1)]))
      assert.strictEqual(error.operation, "write")
      assert.deepStrictEqual(yield* store.list({ limit: 9 }), [rowOf(change("a", "1", 1))])
      assert.strictEqual((yield* store.log({ after: 0, limit: 9 })).length, 1)
      assert.strictEqual((yield* store.write([change("a", "1", 2), change("b", "1", 1)]))._tag, "Written")
    })
  )

  it.scoped("fails once its scope has ended", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(Effect.flatMap(temporaryFile, open))
      for (const call of FlowStores.calls(closed)) {
        assert.strictEqual((yield* Effect.flip(call)).reason, "closed")
      }
    })
  )
})
