/**
 * The status of a run.
 */
import * as Effect from "effect/Effect"
import { isEnded, RunStatus } from "../../../model/Transition.js"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, changesOf, commit, moduleTransition, newRun, run, runId, stored, suspend } from "./Rows.js"

export const checks = Check.group("the status of a run", {
  "is written, with the time of its end only where it has ended": Effect.gen(function* () {
    const store = yield* RunStore
    for (const status of RunStatus.literals) {
      yield* store.open(newRun(status))
      yield* commit(become(status, 1, status, { wakeAt: 70 }))
      const row = yield* run(status)
      yield* equal(row.status, status)
      yield* equal(row.finishedAt, isEnded(status) ? 1001 : null, status)
      yield* equal(row.wakeAt, status === "suspended" ? 70 : null, status)
      const next = changesOf(status, { transitions: [moduleTransition(2, "m", "running")] })
      yield* equal(yield* commit(next), isEnded(status) ? [next] : [], status)
    }
  }),

  "when suspended: it is kept by commits without one, confirmed, let go of and claimed, until it runs again":
    Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      yield* commit(suspend("a", 1, 70))
      yield* commit(changesOf("a", { transitions: [moduleTransition(2, "m", "running")], wakeAt: 3 }))
      yield* equal(yield* store.heartbeat([{ runId: runId("a"), epoch: 1 }], 2000), [])
      yield* equal((yield* run("a")).heartbeatAt, 2000)
      yield* store.release({ runId: runId("a"), epoch: 1 })
      yield* equal((yield* run("a")).owner, "")
      const request = { runId: runId("a"), owner: "two", now: 3000, expiredBefore: 0, reopen: false }
      const claimed = { ...(yield* run("a")), owner: "two", epoch: 2, heartbeatAt: 3000 }
      yield* equal(yield* store.claim(request), { _tag: "Claimed", run: claimed })
      yield* equal([claimed.status, claimed.wakeAt], ["suspended", 70])
      yield* equal((yield* store.claim(request))._tag, "Held")
      yield* commit(become("a", 3, "running", { epoch: 2, wakeAt: 9 }))
      yield* equal(yield* run("a"), { ...claimed, status: "running", wakeAt: null, seq: 3 })
      yield* equal((yield* stored("a")).modules[0]?.status, "suspended")
    }),

  "once it has ended: its driver may write the end again, and nobody anything else": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const end = become("a", 2, "completed", {
      transitions: [moduleTransition(1, "m", "completed"), ...become("a", 2, "completed").transitions]
    })
    yield* equal(yield* commit(end), [])
    const before = yield* stored("a")
    const other = { ...end, epoch: 2 }
    const later = changesOf("a", { transitions: [moduleTransition(3, "m", "running")] })
    yield* equal(yield* commit(end, other, later), [other, later])
    yield* equal(yield* stored("a"), before)
    yield* equal((yield* store.history(runId("a"), { after: 0, limit: 9 })).length, 2)
  })
})
