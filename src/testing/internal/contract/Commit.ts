/**
 * What a batch writes, and what it leaves as it is.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import { canFollow, ModuleStatus } from "../../../model/ModuleStatus.js"
import { type ModuleChange, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import {
  all,
  become,
  changesOf,
  commit,
  failure,
  moduleChange,
  moduleRow,
  modulesOf,
  moduleTransition,
  newRun,
  run,
  runId,
  runTransition,
  step
} from "./Rows.js"

export const checks = Check.group("commit", {
  "writes modules, transitions and the run": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const transitions = [
      moduleTransition(1, "m", "scheduled", { attempt: 0 }),
      moduleTransition(2, "m", "running"),
      moduleTransition(3, "m", "failed", { failure }),
      runTransition(4, "failed")
    ]
    const change = moduleChange("m", {
      status: "failed",
      scheduledAt: 1001,
      startedAt: 1002.5,
      finishedAt: 1003,
      failure: JSON.stringify(failure)
    })
    yield* equal(yield* commit(changesOf("a", { modules: [change], transitions, status: "failed" })), [])
    yield* equal(yield* modulesOf(store, runId("a")), [moduleRow(change)])
    yield* equal(yield* store.history(runId("a"), all), transitions)
    const { finishedAt, seq, status } = yield* run("a")
    yield* equal([status, seq, finishedAt], ["failed", 4, 1004])
  }),

  "of nothing does nothing": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const before = yield* run("a")
    yield* equal(yield* commit(), [])
    yield* equal(yield* commit(changesOf("a")), [])
    yield* equal(yield* run("a"), before)
  }),

  "refuses a stale, an unknown and a finished run, and writes the others": Effect.gen(function* () {
    const store = yield* RunStore
    for (const id of ["first", "stale", "finished", "last"]) yield* store.open(newRun(id))
    yield* store.claim({ runId: runId("stale"), owner: "two", now: 2000, expiredBefore: 2000, reopen: false })
    yield* commit(become("finished", 1, "cancelled"))
    const changes = ["first", "stale", "unknown", "finished", "last"].map((id) =>
      step(id, id === "finished" ? 2 : 1, "m", "completed", { output: `"${id}"` })
    )
    const refused = yield* commit(...changes)
    yield* equal(refused, changes.slice(1, 4))
    yield* isTrue(
      refused.every((one, i) => one === changes[i + 1]),
      "what is refused are the same objects"
    )
    for (const id of ["first", "last"]) {
      yield* equal((yield* modulesOf(store, runId(id))).length, 1, id)
      yield* equal((yield* store.history(runId(id), all)).length, 1, id)
      yield* equal((yield* store.outputs(runId(id), ["m"])).get("m"), `"${id}"`)
    }
    for (const id of ["stale", "unknown", "finished"]) yield* equal(yield* modulesOf(store, runId(id)), [], id)
    yield* equal(yield* store.history(runId("finished"), all), [runTransition(1, "cancelled")])
    yield* equal(yield* commit({ ...step("stale", 1, "m", "running"), epoch: 2 }), [])
  }),

  "counts several changes of one run in their order": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const stale = { ...step("a", 2, "m", "suspended"), epoch: 9 }
    const late = step("a", 4, "n", "running")
    const completed = step("a", 2, "m", "completed")
    const refused = yield* commit(step("a", 1, "m", "running"), stale, completed, become("a", 3, "completed"), late)
    yield* equal(refused, [stale, late])
    yield* equal(yield* store.history(runId("a"), all), [
      moduleTransition(1, "m", "running"),
      moduleTransition(2, "m", "completed"),
      runTransition(3, "completed")
    ])
    yield* equal((yield* modulesOf(store, runId("a"))).length, 1)
  }),

  "leaves out transitions that the run has, so that a batch can be written again": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const changes = step("a", 1, "m", "completed", { finishedAt: 5, output: "1" })
    yield* commit(changes)
    const before = yield* run("a")
    yield* equal(yield* commit(changes), [])
    yield* equal(yield* run("a"), before)
    yield* equal((yield* store.history(runId("a"), all)).length, 1)
  }),

  "keeps the times and the failure of the same attempt, and drops those of an earlier one": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const steps: ReadonlyArray<readonly [ModuleStatus, Partial<ModuleChange>, Partial<ModuleChange>]> = [
      ["scheduled", { scheduledAt: 1 }, {}],
      ["running", { startedAt: 2 }, { scheduledAt: 1 }],
      ["scheduled", { attempt: 2, scheduledAt: 3, failure: '{"a":1}' }, {}],
      ["completed", { attempt: 2, finishedAt: 5, output: "7" }, { scheduledAt: 3, failure: '{"a":1}' }]
    ]
    for (const [i, [status, fields, kept]] of steps.entries()) {
      yield* commit(step("a", i + 1, "m", status, fields))
      yield* equal(yield* modulesOf(store, runId("a")), [moduleRow(moduleChange("m", { status, ...kept, ...fields }))])
    }
  }),

  "lets no status follow that may not follow": Effect.gen(function* () {
    const store = yield* RunStore
    const states = ModuleStatus.literals.flatMap((status) => [0, 1, 2].map((attempt) => ({ status, attempt })))
    const cases = states.flatMap((previous) => states.map((next) => ({ previous, next })))
    yield* store.open(newRun("a"))
    const written = (of: "previous" | "next") =>
      changesOf("a", { modules: cases.map((one, i) => moduleChange(`m${i}`, { ...one[of], output: `"${of}"` })) })
    yield* commit(written("previous"))
    yield* commit(written("next"))
    const rows = new Map((yield* modulesOf(store, runId("a"))).map((row) => [row.module, row]))
    const outputs = yield* store.outputs(runId("a"), [...rows.keys()])
    for (const [i, { next, previous }] of cases.entries()) {
      const [of, state] = canFollow(previous, next) ? (["next", next] as const) : (["previous", previous] as const)
      const row = rows.get(`m${i}`)
      const about = `${next.status} (${next.attempt}) after ${previous.status} (${previous.attempt})`
      yield* equal({ status: row?.status, attempt: row?.attempt }, state, about)
      yield* equal(outputs.get(`m${i}`), `"${of}"`, about)
    }
  }),

  "takes batches of every size": Effect.gen(function* () {
    const store = yield* RunStore
    for (const size of [1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 257, 341, 5000]) {
      const id = `s${size}`
      yield* store.open(newRun(id))
      const numbers = Array.range(1, size)
      const modules = numbers.map((i) => moduleChange(`m${i}`, { status: "completed", output: `${i}` }))
      const transitions = numbers.map((i) => moduleTransition(i, `m${i}`, "completed"))
      yield* commit(changesOf(id, { modules, transitions }))
      yield* equal((yield* modulesOf(store, runId(id))).length, size)
      yield* equal(
        (yield* store.history(runId(id), all)).map(({ seq }) => seq),
        numbers
      )
      yield* equal((yield* store.outputs(runId(id), [`m${size}`])).get(`m${size}`), `${size}`)
    }
    const ids = Array.range(1, 300).map((i) => `r${i}`)
    for (const id of ids) yield* store.open(newRun(id))
    yield* commit(...ids.map((id) => step(id, 1, "m", "running")))
    for (const id of ids) yield* equal((yield* run(id)).seq, 1, id)
  }),

  "of many fibers at once loses nothing": Effect.gen(function* () {
    const store = yield* RunStore
    const ids = Array.range(1, 10).map((i) => `r${i}`)
    const driven = (id: string) =>
      Effect.gen(function* () {
        yield* store.open(newRun(id))
        for (const seq of Array.range(1, 20)) yield* commit(step(id, seq, `m${seq}`, "completed"))
      })
    yield* Effect.forEach(ids, driven, { concurrency: "unbounded" })
    for (const id of ids) {
      yield* equal((yield* store.history(runId(id), all)).length, 20, id)
      yield* equal((yield* modulesOf(store, runId(id))).length, 20, id)
    }
  })
})
