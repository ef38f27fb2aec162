import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Option } from "effect"
import { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreMemory from "../../src/store/RunStoreMemory.js"
import {
  batchOf,
  changesOf,
  moduleTransition,
  newRun,
  runId,
  runTransition
} from "../../src/testing/internal/contract/Rows.js"
import { contract } from "./contract.js"

contract("RunStoreMemory", () => RunStoreMemory.layer())

describe("RunStoreMemory", () => {
  const finish = (name: string) =>
    changesOf(name, { transitions: [runTransition(2, "completed")], status: "completed" })

  it.effect("forgets the runs that finished first, and no unfinished one", () =>
    Effect.gen(function* () {
      const store = yield* RunStore
      const ids = Array.range(1, 6).map((i) => `r${i}`)
      for (const id of ids) {
        yield* store.open(newRun(id))
        yield* store.commit(batchOf(changesOf(id, { transitions: [moduleTransition(1, "m", "running")] })))
      }
      for (const id of ["r4", "r2", "r5", "r1"]) yield* store.commit(batchOf(finish(id)))
      const kept = (yield* store.list({ limit: Infinity })).map((row): string => row.runId)
      assert.sameMembers(kept, ["r3", "r6", "r5", "r1"])
      assert.isTrue(Option.isNone(yield* store.run(runId("r4"))))
      assert.deepStrictEqual(yield* store.history(runId("r4"), { after: 0, limit: 10 }), [])
      assert.deepStrictEqual(yield* store.open(newRun("r4")), { _tag: "Created" })
    }).pipe(Effect.provide(RunStoreMemory.layer({ finishedRuns: 2 })))
  )

  it.effect("keeps 1,000 finished runs unless told otherwise", () =>
    Effect.gen(function* () {
      const store = yield* RunStore
      for (const i of Array.range(0, RunStoreMemory.defaults.finishedRuns)) {
        yield* store.open(newRun(`r${i}`))
        yield* store.commit(batchOf(finish(`r${i}`)))
      }
      assert.strictEqual((yield* store.list({ limit: Infinity })).length, 1000)
      assert.isTrue(Option.isNone(yield* store.run(runId("r0"))))
    }).pipe(Effect.provide(RunStoreMemory.layer()))
  )

  it.effect("keeps a finished run that is reopened, until it has finished again", () =>
    Effect.gen(function* () {
      const store = yield* RunStore
      const ids = ["a", "b", "c"]
      for (const id of ids) yield* store.open(newRun(id))
      yield* store.commit(batchOf(changesOf("a", { transitions: [runTransition(1, "failed")], status: "failed" })))
      yield* store.claim({ runId: runId("a"), owner: "two", now: 5, expiredBefore: 0, reopen: true })
      yield* store.commit(batchOf(finish("b"), finish("c")))
      const kept = Effect.map(store.list({ limit: Infinity }), (rows) => rows.map((row): string => row.runId))
      assert.sameMembers(yield* kept, ["a", "c"])
      yield* store.commit(batchOf({ ...finish("a"), epoch: 2 }))
      assert.sameMembers(yield* kept, ["a"])
    }).pipe(Effect.provide(RunStoreMemory.layer({ finishedRuns: 1 })))
  )

  it.effect("is empty for each layer that is built", () =>
    Effect.gen(function* () {
      const layer = RunStoreMemory.layer()
      const open = Effect.flatMap(RunStore, (store) => store.open(newRun("a")))
      for (const _ of [1, 2]) {
        assert.deepStrictEqual(yield* Effect.provide(open, layer), { _tag: "Created" })
      }
    })
  )
})
