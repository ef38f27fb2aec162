import { assert, describe, it } from "@effect/vitest"
import { Array, Effect } from "effect"
import * as Fs from "node:fs"
import * as RunStoreSqlite from "../../src/store/RunStoreSqlite.js"
import {
  become,
  batchOf,
  changesOf,
  item,
  moduleChange,
  newRun,
  runId,
  signal,
  step
} from "../../src/testing/internal/contract/Rows.js"
import { execute, open, temporaryFile } from "./SqliteFile.js"

const tables = [
  "blobs",
  "dead_letters",
  "inputs",
  "items",
  "modules",
  "runs",
  "shared",
  "signals",
  "states",
  "transitions"
]

const countRows = (filename: string) =>
  Effect.map(
    Effect.forEach(tables, (table) => execute(filename, `SELECT count(*) AS count FROM ${table}`)),
    (counts) =>
      Object.fromEntries(
        Array.zip(
          tables,
          counts.map(([row]) => row?.count)
        )
      )
  )

/** A JSON text of so many bytes. */
const textOf = (bytes: number) => JSON.stringify("x".repeat(bytes - 2))

describe("the outputs of RunStoreSqlite", () => {
  it.scoped("are kept apart from their rows when they have more bytes than `spillBytes`", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename, { spillBytes: 100 })
      yield* store.open(newRun("a"))
      const texts = {
        at: textOf(100),
        above: textOf(101),
        wide: JSON.stringify("é".repeat(50)),
        narrow: `"${"é".repeat(49)}"`
      }
      yield* store.commit(
        batchOf(
          changesOf("a", {
            modules: Object.entries(texts).map(([name, output]) => moduleChange(name, { status: "completed", output })),
            items: Object.values(texts).map((output, index) => item("orders", index, "completed", { output }))
          })
        )
      )
      assert.deepStrictEqual(
        yield* execute(
          filename,
          `SELECT module, value FROM modules JOIN blobs ON blobs.id = blob WHERE output IS NULL ORDER BY module`
        ),
        [
          { module: "above", value: texts.above },
          { module: "wide", value: texts.wide }
        ]
      )
      assert.deepStrictEqual(
        yield* execute(filename, "SELECT item FROM items JOIN blobs ON blobs.id = blob WHERE output IS NULL"),
        [{ item: 1 }, { item: 2 }]
      )
      assert.deepStrictEqual(
        new Map(yield* store.outputs(runId("a"), Object.keys(texts))),
        new Map(Object.entries(texts))
      )
      assert.strictEqual((yield* store.storage).spilled, 4)
    })
  )

  it.scoped("are kept apart by the default too, which other settings do not change for what is stored", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { spillBytes } = RunStoreSqlite.defaults
      const [small, large] = [textOf(spillBytes), textOf(spillBytes + 1)]
      const written = [
        moduleChange("m", { status: "completed", output: small }),
        moduleChange("n", { status: "completed", output: large })
      ]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const store = yield* open(filename)
          yield* store.open({ ...newRun("a"), seed: { modules: written, items: [], shared: [], transitions: [] } })
          assert.strictEqual((yield* store.storage).spilled, 1)
        })
      )
      const store = yield* open(filename, { spillBytes: 1_000_000 })
      assert.deepStrictEqual(
        new Map(yield* store.outputs(runId("a"), ["m", "n"])),
        new Map([
          ["m", small],
          ["n", large]
        ])
      )
    })
  )

  it.scoped("are each kept once, also when the batch with them is written again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename, { spillBytes: 0 })
      yield* store.open(newRun("a"))
      const changes = changesOf("a", {
        modules: ["m", "m", "n"].map((module) => moduleChange(module, { status: "completed", output: textOf(9) })),
        items: [0, 0, 1].map((index) => item("orders", index, "completed", { output: textOf(9) }))
      })
      for (const _ of [1, 2]) yield* store.commit(batchOf(changes, changes))
      assert.deepStrictEqual(yield* execute(filename, "SELECT count(*) AS count FROM blobs"), [{ count: 4 }])
    })
  )
})

describe("what RunStoreSqlite prunes", () => {
  it.scoped("leaves no row in any table", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename, { spillBytes: 10 })
      for (const name of ["a", "b"]) {
        yield* store.open(newRun(name))
        yield* store.signal(signal(name, "ask"))
        yield* store.bury({
          at: 1,
          kind: "run",
          key: name,
          epoch: 1,
          reason: "lost",
          message: "",
          count: 1,
          updates: "[]"
        })
        const rows = {
          modules: [moduleChange("m", { status: "completed", output: textOf(99) })],
          items: [item("orders", 0, "completed", { output: textOf(99) }), item("orders", 1, "failed")],
          shared: [{ cell: "x", value: "1" }]
        }
        yield* store.commit(batchOf(become(name, 1, "completed", rows)))
      }
      const both = yield* countRows(filename)
      assert.deepStrictEqual(
        Object.entries(both).filter(([, count]) => count === 0),
        [["states", 0]]
      )
      assert.strictEqual(yield* store.prune({ keep: 0, endedBefore: Infinity, limit: 1 }), 1)
      assert.deepStrictEqual(
        yield* countRows(filename),
        Object.fromEntries(Object.entries(both).map(([table, count]) => [table, Number(count) / 2]))
      )
      yield* store.prune({ keep: 0, endedBefore: Infinity, limit: 9 })
      assert.deepStrictEqual(yield* countRows(filename), Object.fromEntries(tables.map((table) => [table, 0])))
    })
  )

  it.scoped("is free to be used again", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      const fill = (name: string) =>
        Effect.zipRight(
          store.open(newRun(name)),
          store.commit(
            batchOf(
              become(name, 1, "completed", {
                modules: [moduleChange("m", { status: "completed", output: textOf(1_000_000) })]
              })
            )
          )
        )
      yield* fill("a")
      const filled = yield* store.storage
      assert.isAbove(filled.bytes!, 900_000)
      yield* store.prune({ keep: 0, endedBefore: Infinity, limit: 9 })
      const pruned = yield* store.storage
      assert.isAbove(pruned.freeBytes!, 900_000)
      yield* fill("b")
      assert.isBelow((yield* store.storage).freeBytes!, 100_000)
    })
  )

  it.scoped("takes nothing when it fails in the middle", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.open(newRun("a"))
      yield* store.commit(batchOf(become("a", 1, "completed")))
      const before = yield* countRows(filename)
      yield* execute(filename, "CREATE TRIGGER fails BEFORE DELETE ON runs BEGIN SELECT raise(ABORT, 'no'); END")
      const error = yield* Effect.flip(store.prune({ keep: 0, endedBefore: Infinity, limit: 9 }))
      assert.deepStrictEqual([error.reason, error.operation], ["failed", "prune"])
      assert.deepStrictEqual(yield* countRows(filename), before)
    })
  )
})

describe("the storage of RunStoreSqlite", () => {
  it.scoped("has the bytes of the file and of its log", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.open(newRun("a"))
      const { bytes } = yield* store.storage
      const [pages] = yield* execute(
        filename,
        "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"
      )
      assert.strictEqual(bytes, Number(pages?.bytes) + Fs.statSync(`${filename}-wal`).size)
    })
  )

  it.scoped("is told of a store in memory", () =>
    Effect.gen(function* () {
      const store = yield* open(":memory:")
      const before = (yield* store.storage).bytes!
      yield* store.open(newRun("a"))
      yield* store.commit(batchOf(step("a", 1, "m", "completed", { output: textOf(100_000) })))
      assert.isAtLeast((yield* store.storage).bytes! - before, 90_000)
    })
  )
})
