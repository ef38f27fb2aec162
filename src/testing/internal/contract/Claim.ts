/**
 * Who drives a run: claims, heartbeats and releases.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, commit, newRun, run, runId } from "./Rows.js"

const request = { runId: runId("a"), owner: "two", now: 5000, reopen: false }

const claim = Check.group("claim", {
  "of a run nobody knows": Effect.gen(function* () {
    const store = yield* RunStore
    yield* equal(yield* store.claim({ ...request, expiredBefore: Infinity }), { _tag: "Unknown" })
  }),

  "is refused while the heartbeat is not before `expiredBefore`": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const before = yield* run("a")
    for (const owner of ["one", "two"]) {
      const claimed = yield* store.claim({ ...request, owner, expiredBefore: 1000 })
      yield* equal(claimed, { _tag: "Held", run: before })
    }
    yield* equal(yield* run("a"), before)
  }),

  "takes an expired run, with the next epoch": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const claimed = { ...(yield* run("a")), owner: "two", epoch: 2, heartbeatAt: 5000, recoveries: 1 }
    yield* equal(yield* store.claim({ ...request, expiredBefore: 1000.5 }), { _tag: "Claimed", run: claimed })
    yield* equal(yield* run("a"), claimed)
    yield* equal(yield* store.claim({ ...request, owner: "three", expiredBefore: 5000 }), {
      _tag: "Held",
      run: claimed
    })
  }),

  "takes a run that was let go, whatever the time is": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a", { createdAt: 0 }))
    yield* store.release({ runId: runId("a"), epoch: 2 })
    yield* equal((yield* store.claim({ ...request, now: 0, expiredBefore: -1000 }))._tag, "Held")
    yield* store.release({ runId: runId("a"), epoch: 1 })
    const released = yield* run("a")
    yield* equal([released.owner, released.heartbeatAt], ["", 0])
    yield* equal((yield* store.claim({ ...request, now: 0, expiredBefore: -1000 }))._tag, "Claimed")
  }),

  "does not take a finished run": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* commit(become("a", 1, "failed"))
    const finished = yield* run("a")
    yield* store.release({ runId: runId("a"), epoch: 1 })
    yield* equal(yield* store.claim({ ...request, expiredBefore: Infinity }), { _tag: "Finished", run: finished })
  }),

  "has one winner when many claim at once": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const claims = yield* Effect.forEach(
      Array.range(1, 20),
      (i) => store.claim({ ...request, owner: `o${i}`, now: 9000, expiredBefore: 5000 }),
      { concurrency: "unbounded" }
    )
    yield* equal(claims.filter(({ _tag }) => _tag === "Claimed").length, 1)
    yield* equal(claims.filter(({ _tag }) => _tag === "Held").length, 19)
  })
})

const heartbeat = Check.group("heartbeat", {
  "confirms runs and gives the lost ones": Effect.gen(function* () {
    const store = yield* RunStore
    const known = ["held", "taken", "finished", "released"]
    for (const id of known) yield* store.open(newRun(id))
    yield* store.claim({ ...request, runId: runId("taken"), now: 2000, expiredBefore: 2000 })
    yield* commit(become("finished", 1, "completed"))
    yield* store.release({ runId: runId("released"), epoch: 1 })
    yield* equal(yield* store.heartbeat([], 3000), [])
    const lost = yield* store.heartbeat(
      ["held", "taken", "unknown", "finished", "released"].map((id) => ({ runId: runId(id), epoch: 1 })),
      3000
    )
    yield* equal(lost, [runId("taken"), runId("unknown")])
    const heartbeats = yield* Effect.forEach(known, (id) => Effect.map(run(id), ({ heartbeatAt }) => heartbeatAt))
    yield* equal(heartbeats, [3000, 2000, 1000, 0])
  })
})

export const checks = [...claim, ...heartbeat]
