/**
 * Runs that have ended and are resumed.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { ModuleStatus } from "../../../model/ModuleStatus.js"
import { isEnded, isResumable, RunStatus } from "../../../model/Transition.js"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, sameMembers } from "./Expect.js"
import {
  all,
  become,
  changesOf,
  commit,
  failure as error,
  item,
  moduleChange,
  moduleRow,
  modulesOf,
  moduleTransition,
  newRun,
  run,
  runId,
  runTransition,
  signal,
  stored
} from "./Rows.js"

const request = { runId: runId("a"), owner: "two", now: 5000, expiredBefore: 0, reopen: true }
const failure = JSON.stringify(error)

const reopened = (status: RunStatus) =>
  Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* commit(become("a", 1, status, { wakeAt: 70 }))
    const before = yield* run("a")
    const refused = { _tag: isEnded(status) ? ("Finished" as const) : ("Held" as const), run: before }
    yield* equal(yield* store.claim({ ...request, reopen: false }), refused)
    const claimed = yield* store.claim(request)
    if (!isResumable(status)) {
      yield* equal(claimed, refused)
      return yield* equal(yield* run("a"), before)
    }
    // although its driver's heartbeat has not expired: there is nothing left that it drives
    const driven = { owner: "two", epoch: 2, heartbeatAt: 5000, status: "running", startedAt: 5000 } as const
    const after = { ...before, ...driven, finishedAt: null }
    yield* equal(claimed, { _tag: "Claimed", run: after })
    yield* equal(yield* run("a"), after)
    const stale = changesOf("a", { transitions: [moduleTransition(2, "m", "running")] })
    yield* equal(yield* commit(stale), [stale])
    yield* equal((yield* store.claim(request))._tag, "Held")
    const due = yield* store.due({ fingerprints: ["f1"], now: 9000, expiredBefore: 5001, limit: 9 })
    yield* equal(due.runs, [after])
    yield* commit(become("a", 2, "running", { epoch: 2 }))
    yield* commit(become("a", 3, "completed", { epoch: 2 }))
    yield* equal(yield* run("a"), { ...after, status: "completed", seq: 3, finishedAt: 1003 })
  })

const none = { failure: null, because: null }
const times = { scheduledAt: 1, startedAt: 2, finishedAt: 3, until: 4 }

/** Modules in every status and for every reason, and some inside of others. */
const modules = [
  ...ModuleStatus.literals.map((status) => ({ ...none, module: status, status })),
  { ...none, module: "handled", status: "skipped" as const, failure },
  { ...none, module: "behind", status: "skipped" as const, because: "failure" as const },
  { ...none, module: "stopped", status: "skipped" as const, because: "stop" as const },
  // inside of what ended for good, and of what did not
  { ...none, module: "completed/inner", status: "failed" as const, failure },
  { ...none, module: "skipped/3/inner", status: "cancelled" as const },
  { ...none, module: "failed/3/inner", status: "failed" as const, failure },
  { ...none, module: "failed/3/completed", status: "completed" as const },
  { ...none, module: "why", status: "failed" as const, failure }
].map((state) => moduleChange(state.module, { ...state, ...times, attempt: 2, items: 5, output: "1" }))

/** Those that are pending again. */
const again = ["failed", "cancelled", "behind", "stopped", "failed/3/inner", "why"]

/** All of the modules, and one that has no row. */
const names = [...modules.map(({ module }) => module), "none"]

export const checks = Check.group("claim with reopen", {
  ...Object.fromEntries(RunStatus.literals.map((status) => [`of a run that is ${status}`, reopened(status)])),

  "makes what did not complete pending, and forgets what is in its way": Effect.gen(function* () {
    const store = yield* RunStore
    const signals = JSON.stringify(["ask", "m/:/ask", ...names])
    const items = names.flatMap((module) => [item(module, 0, "completed"), item(module, 1, "failed")])
    for (const id of ["a", "b"]) {
      yield* store.open({ ...newRun(id), signals })
      for (const [i, module] of names.filter((module) => module !== "why").entries()) {
        yield* store.signal(signal(id, module, { closed: i % 2 === 0 }))
      }
      yield* commit(changesOf(id, { modules, items }))
      yield* commit(become(id, 1, "cancelled", { shared: [{ cell: "c", value: "1" }] }))
    }
    const settled = yield* store.signals([runId("a")])
    const other = yield* stored("b")
    yield* store.claim(request)

    const expected = modules.map((change) =>
      again.includes(change.module)
        ? moduleRow(moduleChange(change.module, { status: "pending", attempt: 2, items: 5 }))
        : moduleRow(change)
    )
    const after = yield* stored("a")
    yield* sameMembers(after.modules, expected)
    yield* equal(after.shared, [{ cell: "c", value: "1" }])
    const pending = [...again, "pending", "none"]
    yield* sameMembers(
      yield* store.items(runId("a"), names),
      items.filter(({ module, status }) => status === "completed" || !pending.includes(module))
    )
    yield* sameMembers(
      yield* store.signals([runId("a")]),
      settled.filter(({ closed, module }) => !closed || !pending.includes(module))
    )
    yield* sameMembers(
      (yield* store.outputs(runId("a"), names)).keys(),
      names.filter((module) => module !== "none" && !again.includes(module))
    )
    yield* equal(yield* store.history(runId("a"), all), [runTransition(1, "cancelled")])
    // and nothing of another run
    yield* sameMembers(yield* modulesOf(store, runId("b")), other.modules)
    yield* sameMembers(yield* store.items(runId("b"), names), items)
    yield* equal((yield* store.signals([runId("b")])).length, settled.length)
  }),

  "lets a module run again, in the same or the next attempt, and fail again": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const failed = moduleChange("m", { status: "failed", finishedAt: 1, failure })
    yield* commit(become("a", 1, "failed", { modules: [failed] }))
    for (const [epoch, attempt] of [
      [2, 1],
      [3, 2]
    ] as const) {
      yield* store.claim(request)
      const running = moduleChange("m", { startedAt: 7, attempt })
      yield* commit(changesOf("a", { epoch, modules: [running] }))
      yield* equal((yield* stored("a")).modules, [moduleRow(running)])
      const modules = [moduleChange("m", { status: "failed", attempt })]
      yield* commit(become("a", epoch, "timedOut", { epoch, modules }))
    }
  }),

  "has one winner when many claim at once": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* commit(become("a", 1, "failed"))
    const claims = yield* Effect.forEach(Array.range(1, 20), (i) => store.claim({ ...request, owner: `o${i}` }), {
      concurrency: "unbounded"
    })
    yield* equal(claims.filter(({ _tag }) => _tag === "Claimed").length, 1)
    yield* equal((yield* run("a")).epoch, 2)
  })
})
