/**
 * Who drives a run: claims, heartbeats and releases.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import { become, commit, newRun, run, runId, step, stored } from "./Rows.js"

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
    const claims = [3, 1, 2].map((epoch) => ({ runId: runId("held"), epoch }))
    yield* equal(yield* store.heartbeat(claims, 4000), [runId("held"), runId("held")], "those with another epoch")
    yield* equal((yield* run("held")).heartbeatAt, 4000)
  })
})

/** A claim under a lease that is kept elsewhere, whatever the heartbeat is. */
const claimWith = (token: number, fields?: { readonly reopen?: boolean; readonly maxRecoveries?: number }) =>
  Effect.flatMap(RunStore, (store) => store.claim({ ...request, expiredBefore: -Infinity, token, ...fields }))

const fencing = Check.group("claim with a token", {
  "takes the run whatever its heartbeat is, and the token is its epoch": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const claimed = { ...(yield* run("a")), owner: "two", epoch: 7, heartbeatAt: 5000, recoveries: 1 }
    yield* equal(yield* claimWith(7), { _tag: "Claimed", run: claimed })
    yield* equal(yield* run("a"), claimed)
    const again = { ...claimed, epoch: 8, recoveries: 2 }
    yield* equal(yield* claimWith(8), { _tag: "Claimed", run: again })
    yield* store.release({ runId: runId("a"), epoch: 8 })
    yield* equal(yield* claimWith(Number.MAX_SAFE_INTEGER), {
      _tag: "Claimed",
      run: { ...again, epoch: Number.MAX_SAFE_INTEGER }
    })
    yield* equal((yield* run("a")).epoch, Number.MAX_SAFE_INTEGER)
  }),

  "that is not larger than the epoch is refused, also when the run was let go or its heartbeat has expired": Effect.gen(
    function* () {
      const store = yield* RunStore
      yield* store.open({ ...newRun("a"), epoch: 5 })
      const refused = (token: number) =>
        Effect.gen(function* () {
          const before = yield* run("a")
          for (const expiredBefore of [-Infinity, Infinity]) {
            const claimed = yield* store.claim({ ...request, expiredBefore, token })
            yield* equal(claimed, { _tag: "Held", run: before }, `with ${token}`)
          }
          yield* equal(yield* run("a"), before)
        })
      for (const token of [5, 4, 1, 0]) yield* refused(token)
      yield* store.release({ runId: runId("a"), epoch: 5 })
      for (const token of [5, 1]) yield* refused(token)
      yield* equal((yield* claimWith(6))._tag, "Claimed")
    }
  ),

  "fences off the writes, heartbeats and releases of lower ones": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open({ ...newRun("a"), epoch: 3 })
    yield* claimWith(9)
    const stale = [
      step("a", 1, "m", "completed", { output: "1" }),
      become("a", 1, "completed"),
      step("a", 1, "m", "running")
    ]
    for (const epoch of [1, 3, 4, 8]) {
      for (const changes of stale) yield* equal(yield* commit({ ...changes, epoch }), [{ ...changes, epoch }])
      yield* equal(yield* store.heartbeat([{ runId: runId("a"), epoch }], 6000), [runId("a")])
      yield* store.release({ runId: runId("a"), epoch })
    }
    const untouched = yield* stored("a")
    yield* equal([untouched.run.seq, untouched.run.heartbeatAt, untouched.run.owner], [0, 5000, "two"])
    yield* equal(untouched.modules, [])
    // a batch of both: one is refused, and the other is written in the same transaction
    const own = { ...step("a", 1, "m", "completed", { output: "2" }), epoch: 9 }
    const lower = { ...step("a", 1, "m", "completed", { output: "1" }), epoch: 8 }
    yield* equal(yield* commit(lower, own), [lower])
    yield* equal((yield* store.outputs(runId("a"), ["m"])).get("m"), "2")
    yield* equal((yield* run("a")).seq, 1)
  }),

  "reopens a run that has ended, under the same rule": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open({ ...newRun("a"), epoch: 3 })
    yield* commit(become("a", 1, "failed", { epoch: 3 }))
    const ended = yield* run("a")
    yield* equal(yield* claimWith(9), { _tag: "Finished", run: ended })
    yield* equal(yield* claimWith(3, { reopen: true }), { _tag: "Held", run: ended })
    yield* equal(yield* run("a"), ended)
    const reopened = yield* claimWith(4, { reopen: true })
    yield* equal([reopened._tag, (yield* run("a")).epoch, (yield* run("a")).status], ["Claimed", 4, "running"])
  }),

  "counts recoveries, and quarantines, as one without": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* equal((yield* claimWith(2, { maxRecoveries: 1 }))._tag, "Claimed")
    const quarantined = { ...(yield* run("a")), recoveries: 2, quarantined: true }
    yield* equal(yield* claimWith(3, { maxRecoveries: 1 }), { _tag: "Quarantined", run: quarantined })
    yield* equal(yield* run("a"), quarantined)
    yield* equal(yield* claimWith(4), {
      _tag: "Claimed",
      run: { ...quarantined, epoch: 4, recoveries: 0, quarantined: false }
    })
  }),

  "has one winner when many claim at once with tokens": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const claims = yield* Effect.forEach(Array.range(1, 20), (i) => claimWith(10 + (i % 3)), {
      concurrency: "unbounded"
    })
    const tokens = claims.flatMap((claim) => (claim._tag === "Claimed" ? [claim.run.epoch] : []))
    yield* equal(new Set(tokens).size, tokens.length, `no token is taken twice: ${tokens.join(", ")}`)
    yield* equal((yield* run("a")).epoch, 12)
  })
})

export const checks = [...claim, ...fencing, ...heartbeat]
