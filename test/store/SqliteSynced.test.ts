import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import type { Batch, RunStore, StateChange } from "../../src/store/RunStore.js"
import { newRun, suspend } from "../../src/testing/internal/contract/Rows.js"
import { execute, open, temporaryFile } from "./SqliteFile.js"

type Store = typeof RunStore.Service

const state = (key: string, value: string): StateChange => ({ key, set: new Map([["f", value]]), clear: new Set() })

describe("a synced commit of RunStoreSqlite", () => {
  /** What is told of the connection in each transaction that writes a state or is synced, in their order. */
  const observe = (filename: string) =>
    execute(
      filename,
      "CREATE TABLE levels (level INTEGER, timeout INTEGER)",
      ...["INSERT ON states", "UPDATE ON states", "UPDATE ON syncs"].map(
        (event, i) => `CREATE TRIGGER level${i} AFTER ${event} BEGIN
            INSERT INTO levels SELECT synchronous, timeout FROM pragma_synchronous, pragma_busy_timeout;
          END`
      )
    )

  const levels = (filename: string) =>
    Effect.map(execute(filename, "SELECT level FROM levels ORDER BY rowid"), (rows) => rows.map(({ level }) => level))

  const [normal, full] = [1, 2]
  const commit = (store: Store, synced: boolean, ...states: ReadonlyArray<StateChange>) =>
    store.commit({ runs: [], states, synced })

  it.scoped("is made with `synchronous` FULL, and the next one that is not with NORMAL", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* observe(filename)
      for (const [i, synced] of [false, true, true, false, false, true].entries()) {
        yield* commit(store, synced, state("k", `${i}`))
      }
      yield* store.open(newRun("a"))
      yield* commit(store, false, state("k", "7"))
      // a synced one tells twice: of its state and of itself
      assert.deepStrictEqual(yield* levels(filename), [
        normal,
        full,
        full,
        full,
        full,
        normal,
        normal,
        full,
        full,
        normal
      ])
      const timeouts = yield* execute(filename, "SELECT max(timeout) AS most FROM levels")
      assert.isAtMost(Number(timeouts[0]?.most), 10)
    })
  )

  it.scoped("writes to the log also when it changes nothing: its commit would sync nothing", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* store.open(newRun("a"))
      yield* commit(store, false, state("k", "1"))
      const logged = Effect.sync(() => Fs.statSync(`${filename}-wal`).size)
      const nothing: ReadonlyArray<Batch> = [
        { runs: [], states: [], synced: true },
        { runs: [], states: [state("k", "1")], synced: true },
        { runs: [], states: [{ key: "k", set: new Map(), clear: new Set(["g"]) }], synced: true },
        { runs: [{ ...suspend("a", 1, 5), epoch: 7 }], states: [], synced: true }
      ]
      for (const batch of nothing) {
        const before = yield* logged
        yield* store.commit({ ...batch, synced: false })
        assert.strictEqual(yield* logged, before)
        yield* store.commit(batch)
        assert.isAbove(yield* logged, before)
      }
    })
  )

  it.scoped("that fails leaves the next one as it was asked for", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const store = yield* open(filename)
      yield* observe(filename)
      yield* execute(
        filename,
        "CREATE TRIGGER fails BEFORE INSERT ON states WHEN new.key = 'poison' BEGIN SELECT raise(ABORT, 'no'); END"
      )
      const error = yield* Effect.flip(commit(store, true, state("poison", "1")))
      assert.strictEqual(error.reason, "failed")
      yield* commit(store, false, state("k", "1"))
      yield* Effect.flip(commit(store, false, state("poison", "1")))
      yield* commit(store, true, state("k", "2"))
      assert.deepStrictEqual(yield* levels(filename), [normal, full, full])
    })
  )
})
