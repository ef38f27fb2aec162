/**
 * The runs that are to be driven.
 */
import * as Effect from "effect/Effect"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, commit, newRun, run, runId, signal, suspend } from "./Rows.js"

const request = { fingerprints: ["f1"], now: 5000, expiredBefore: 3000, limit: 99 }

const due = (fields?: Partial<typeof request>) =>
  Effect.gen(function* () {
    const { nextAt, runs } = yield* (yield* RunStore).due({ ...request, ...fields })
    return { nextAt, runs: runs.map((row): string => row.runId) }
  })

export const checks = Check.group("due", {
  "are running runs that nobody drives, and suspended ones whose time has come": Effect.gen(function* () {
    const store = yield* RunStore
    yield* equal(yield* due(), { runs: [], nextAt: null })
    const ids = ["cut off", "driven", "let go", "ended", "now", "late", "later", "never", "held"]
    for (const [i, id] of ids.entries()) yield* store.open(newRun(id, { createdAt: 1000 - i }))
    yield* commit(
      become("ended", 1, "failed"),
      suspend("now", 1, 5000),
      suspend("late", 1, 4000.5),
      suspend("later", 1, 5000.5),
      suspend("never", 1, null),
      suspend("held", 1, 5002)
    )
    yield* store.heartbeat(
      ["driven", "held"].map((id) => ({ runId: runId(id), epoch: 1 })),
      3000
    )
    yield* store.release({ runId: runId("let go"), epoch: 1 })
    yield* equal(yield* due(), { runs: ["let go", "cut off", "late", "now"], nextAt: 5000.5 })
    yield* equal(yield* due({ now: 5002 }), { runs: ["let go", "cut off", "late", "now", "later"], nextAt: null })
    yield* equal(yield* due({ now: 5001, expiredBefore: 3001 }), {
      runs: ["let go", "driven", "cut off", "late", "now", "later"],
      nextAt: 5002
    })
    yield* equal(yield* due({ now: 3999, expiredBefore: 0 }), { runs: ["let go"], nextAt: null })
    yield* store.signal(signal("never", "ask"))
    yield* equal((yield* due()).runs, ["let go", "cut off", "never", "late", "now"])
    yield* equal((yield* store.due({ ...request, limit: 1 })).runs, [yield* run("let go")])
  }),

  "are those of the Dags, at most `limit`, in the order of their time, creation and id": Effect.gen(function* () {
    const store = yield* RunStore
    const ids = ["😀", "\uffee", "b", "a"]
    for (const id of ids) yield* store.open(newRun(id))
    yield* store.open({ ...newRun("other"), fingerprint: "f2" })
    yield* store.open({ ...newRun("third"), fingerprint: "f'3" })
    yield* commit(...[...ids, "other", "third"].map((id) => suspend(id, 1, id === "third" ? 9000 : 10)))
    yield* equal(yield* due(), { runs: ["a", "b", "\uffee", "😀"], nextAt: null })
    yield* equal(yield* due({ fingerprints: ["f1", "f1", "f2"], limit: 4 }), {
      runs: ["a", "b", "other", "\uffee"],
      nextAt: null
    })
    yield* equal(yield* due({ fingerprints: ["f'3", "none"] }), { runs: [], nextAt: 9000 })
    yield* equal(yield* due({ fingerprints: ["f1", "f'3"], limit: 0 }), { runs: [], nextAt: 9000 })
    yield* equal(yield* due({ fingerprints: [] }), { runs: [], nextAt: null })
  })
})
