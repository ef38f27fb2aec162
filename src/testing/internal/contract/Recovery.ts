/**
 * How often a run was recovered, and when that was too often.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../../model/StoreError.js"
import { RunStatus } from "../../../model/Transition.js"
import { type Claim, type RunChanges, type RunRow, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, type Mismatch } from "./Expect.js"
import {
  become,
  changesOf,
  commit,
  item,
  moduleChange,
  moduleTransition,
  newRun,
  openedRun,
  run,
  runId,
  signal,
  step,
  suspend
} from "./Rows.js"

const open = Effect.flatMap(RunStore, (store) => store.open(newRun("a")))

/** The heartbeat of whoever drives the run has expired. */
const claim = (maxRecoveries?: number, fields?: { readonly now?: number; readonly expiredBefore?: number }) =>
  Effect.flatMap(RunStore, (store) =>
    store.claim({
      runId: runId("a"),
      owner: "two",
      now: 5000,
      expiredBefore: Infinity,
      reopen: false,
      maxRecoveries,
      ...fields
    })
  )

const claimedBy = (times: number, maxRecoveries?: number) =>
  Effect.forEach(
    Array.from({ length: times }),
    () =>
      Effect.flatMap(claim(maxRecoveries), ({ _tag }) =>
        equal<Claim["_tag"]>(_tag, "Claimed", "the answer to a claim")
      ),
    { discard: true }
  )

const release = (epoch: number, failed?: boolean) =>
  Effect.flatMap(RunStore, (store) => store.release({ runId: runId("a"), epoch, failed }))

const is = (recoveries: number, quarantined: boolean): Effect.Effect<void, Mismatch | StoreError, RunStore> =>
  Effect.flatMap(run("a"), (row) => equal([row.recoveries, row.quarantined], [recoveries, quarantined]))

/** Its driver has vanished twice, and the second time was too often. */
const quarantine = Effect.gen(function* () {
  yield* claimedBy(1, 1)
  yield* equal((yield* claim(1))._tag, "Quarantined")
})

const due = (now = 5000) =>
  Effect.flatMap(RunStore, (store) =>
    store.due({ fingerprints: ["f1"], now, expiredBefore: Infinity, limit: Infinity })
  )

/** What its present driver writes of a run that was recovered, and whether that is progress. */
const progress = (epoch: number): Readonly<Record<string, readonly [changes: RunChanges, isProgress: boolean]>> => ({
  "a module that completes": [{ ...step("a", 2, "n", "completed"), epoch }, true],
  "an item that completes": [
    changesOf("a", {
      epoch,
      items: [item("orders", 0, "completed")],
      transitions: [{ _tag: "ItemTransition", seq: 2, at: 1002, module: "orders", index: 0, status: "completed" }]
    }),
    true
  ],
  "a run that is suspended": [
    { ...suspend("a", 2, 7000), ...become("a", 2, "suspended", { epoch }), wakeAt: 7000 },
    true
  ],
  ...Object.fromEntries(
    RunStatus.literals
      .filter((status) => status !== "running" && status !== "suspended")
      .map((status) => [`a run that is ${status}`, [become("a", 2, status, { epoch }), true] as const])
  ),
  "a module that begins": [{ ...step("a", 2, "n", "running"), epoch }, false],
  "a module that fails": [{ ...step("a", 2, "n", "failed"), epoch }, false],
  "a module that is suspended": [{ ...step("a", 2, "n", "suspended"), epoch }, false],
  "an item that fails": [
    changesOf("a", {
      epoch,
      items: [item("orders", 0, "failed")],
      transitions: [{ _tag: "ItemTransition", seq: 2, at: 1002, module: "orders", index: 0, status: "failed" }]
    }),
    false
  ],
  "that it is running": [become("a", 2, "running", { epoch }), false],
  "shared cells": [
    changesOf("a", {
      epoch,
      shared: [{ cell: "x", value: "1" }],
      transitions: [{ _tag: "SharedTransition", seq: 2, at: 1002, shared: { x: 1 } }]
    }),
    false
  ],
  "what it has already": [{ ...step("a", 1, "m", "completed"), epoch }, false],
  nothing: [changesOf("a", { epoch }), false]
})

export const checks = Check.group("recovery", {
  "counts the drivers that have vanished": Effect.gen(function* () {
    yield* open
    yield* is(0, false)
    yield* claimedBy(1, 9)
    yield* is(1, false)
    // also when it is claimed by hand
    yield* claimedBy(2)
    yield* is(3, false)
    yield* equal(yield* run("a"), openedRun("a", { owner: "two", epoch: 4, heartbeatAt: 5000, recoveries: 3 }))
  }),

  "gives the row as it is stored": Effect.gen(function* () {
    yield* open
    for (const maxRecoveries of [undefined, 2, 2, 2]) {
      const answer = yield* claim(maxRecoveries)
      yield* equal(answer, { _tag: answer._tag, run: yield* run("a") })
    }
    yield* is(3, true)
  }),

  "does not count a driver that let go of it": Effect.gen(function* () {
    yield* open
    yield* release(1)
    yield* claimedBy(1, 0)
    yield* release(2, false)
    yield* claimedBy(1)
    yield* is(0, false)
  }),

  "does not count a claim that is refused": Effect.gen(function* () {
    yield* open
    const held = { _tag: "Held", run: openedRun("a") } as const
    yield* equal(yield* claim(0, { expiredBefore: 1000 }), held)
    yield* equal(yield* claim(undefined, { expiredBefore: 1000 }), held)
    yield* is(0, false)
  }),

  "counts a driver that could not drive it": Effect.gen(function* () {
    yield* open
    yield* release(1, true)
    yield* equal(yield* run("a"), openedRun("a", { owner: "", heartbeatAt: 0, recoveries: 1 }))
    yield* claimedBy(1, 1)
    yield* is(1, false)
    yield* release(2, true)
    yield* is(2, false)
    yield* equal((yield* claim(1))._tag, "Quarantined")
    yield* is(2, true)
  }),

  "does not count one that has lost it, or that ended it": Effect.gen(function* () {
    yield* open
    yield* release(2, true)
    yield* is(0, false)
    yield* commit(become("a", 1, "failed"))
    yield* release(1, true)
    yield* is(0, false)
  }),

  "is given up after too many, and the run is left as it is": Effect.gen(function* () {
    yield* open
    yield* claimedBy(3, 3)
    const before = yield* run("a")
    const quarantined: RunRow = { ...before, recoveries: 4, quarantined: true }
    yield* equal(yield* claim(3), { _tag: "Quarantined", run: quarantined })
    yield* equal(yield* run("a"), quarantined)
    // also where more of them are allowed
    yield* equal(yield* claim(99), { _tag: "Quarantined", run: quarantined })
    yield* equal(yield* run("a"), quarantined)
  }),

  "may be given up at the first driver that vanishes": Effect.gen(function* () {
    yield* open
    yield* equal((yield* claim(0))._tag, "Quarantined")
    yield* is(1, true)
  }),

  "of a run that has ended is none": Effect.gen(function* () {
    yield* open
    yield* commit(become("a", 1, "completed"))
    const { _tag } = yield* claim(0)
    yield* equal<Claim["_tag"]>(_tag, "Finished")
    yield* is(0, false)
  }),

  "leaves quarantined runs out of those that are due": Effect.gen(function* () {
    const store = yield* RunStore
    yield* open
    yield* quarantine
    yield* store.open(newRun("b"))
    yield* equal(yield* due(), { runs: [openedRun("b")], nextAt: null })
  }),

  "leaves suspended ones out too, also when a signal comes": Effect.gen(function* () {
    const store = yield* RunStore
    yield* open
    yield* commit(suspend("a", 1, 6000))
    yield* equal((yield* due()).nextAt, 6000)
    yield* quarantine
    yield* equal(yield* due(), { runs: [], nextAt: null })
    yield* equal(yield* due(6000), { runs: [], nextAt: null })
    yield* store.signal(signal("a", "ask"))
    yield* equal((yield* run("a")).wakeAt, 0)
    yield* equal(yield* due(), { runs: [], nextAt: null })
    yield* claimedBy(1)
    yield* equal((yield* due()).runs.length, 1)
  }),

  "begins anew when it is claimed by hand": Effect.gen(function* () {
    yield* open
    yield* quarantine
    const before = yield* run("a")
    const claimed = { ...before, owner: "two", epoch: 3, heartbeatAt: 6000, recoveries: 0, quarantined: false }
    yield* equal(yield* claim(undefined, { now: 6000 }), { _tag: "Claimed", run: claimed })
    yield* equal(yield* run("a"), claimed)
    yield* equal((yield* due()).runs.length, 1)
    yield* claimedBy(1, 1)
    yield* is(1, false)
  }),

  "is not ended by a claim of a run whose driver is there": Effect.gen(function* () {
    const store = yield* RunStore
    yield* open
    yield* quarantine
    // it was only slow
    yield* equal(yield* store.heartbeat([{ runId: runId("a"), epoch: 2 }], 9000), [])
    for (const maxRecoveries of [undefined, 9]) {
      yield* equal((yield* claim(maxRecoveries, { expiredBefore: 9000 }))._tag, "Held")
    }
    yield* is(2, true)
  }),

  ...Object.fromEntries(
    Object.entries(progress(2)).map(([name, [changes, isProgress]]) => [
      `${isProgress ? "begins anew with" : "goes on after"} ${name}`,
      Effect.gen(function* () {
        yield* open
        yield* commit(step("a", 1, "m", "completed"))
        yield* claimedBy(1, 1)
        yield* commit(changes)
        yield* is(isProgress ? 0 : 1, false)
      })
    ])
  ),

  "is ended by the progress of a driver that was only slow, and by nothing less": Effect.gen(function* () {
    yield* open
    yield* quarantine
    yield* commit({ ...step("a", 1, "m", "running"), epoch: 2 })
    yield* is(2, true)
    yield* commit({ ...step("a", 2, "m", "completed"), epoch: 1 })
    yield* is(2, true)
    yield* commit({ ...step("a", 2, "m", "completed"), epoch: 2 })
    yield* is(0, false)
    yield* equal((yield* due()).runs.length, 1)
  }),

  "counts progress anywhere in the changes of a batch": Effect.gen(function* () {
    yield* open
    yield* claimedBy(1)
    yield* commit(
      changesOf("a", {
        epoch: 2,
        modules: [moduleChange("m", { status: "completed" }), moduleChange("n")],
        transitions: [moduleTransition(1, "m", "completed"), moduleTransition(2, "n", "running")]
      }),
      { ...step("a", 3, "o", "running"), epoch: 2 }
    )
    yield* is(0, false)
  })
})
