/**
 * How runs begin.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import type { Transition } from "../../../model/Transition.js"
import { RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import {
  all,
  changesOf,
  commit,
  item,
  moduleChange,
  moduleRow,
  modulesOf,
  moduleTransition,
  newRun,
  openedRun,
  run,
  runId,
  sorted,
  step,
  stored
} from "./Rows.js"

const open = Check.group("open", {
  "creates a run": Effect.gen(function* () {
    const store = yield* RunStore
    yield* equal(yield* store.open(newRun("a")), { _tag: "Created" })
    yield* equal(yield* run("a"), openedRun("a"))
  }),

  "creates a run with the epoch that is given": Effect.gen(function* () {
    const store = yield* RunStore
    for (const [name, epoch] of [
      ["a", 7],
      ["b", Number.MAX_SAFE_INTEGER],
      ["c", undefined]
    ] as const) {
      yield* equal(yield* store.open({ ...newRun(name), epoch }), { _tag: "Created" })
      yield* equal(yield* run(name), openedRun(name, { epoch: epoch ?? 1 }))
    }
    yield* equal(yield* commit(step("a", 1, "m", "running")), [step("a", 1, "m", "running")])
    yield* equal(yield* commit({ ...step("a", 1, "m", "running"), epoch: 7 }), [])
    yield* equal(yield* store.open({ ...newRun("a"), epoch: 9 }), { _tag: "Exists", run: yield* run("a") })
  }),

  "without an owner creates a run that is due and can be claimed at once, which is no recovery": Effect.gen(
    function* () {
      const store = yield* RunStore
      yield* equal(yield* store.open({ ...newRun("a"), owner: "", epoch: 0 }), { _tag: "Created" })
      const opened = openedRun("a", { owner: "", epoch: 0 })
      yield* equal(yield* run("a"), opened)
      // its heartbeat has not expired
      const request = { now: 1000, expiredBefore: 0 }
      const due = store.due({ ...request, fingerprints: ["f1"], limit: 9 })
      yield* equal(yield* due, { runs: [opened], nextAt: null })
      yield* equal(yield* commit(step("a", 1, "m", "running")), [step("a", 1, "m", "running")])
      const claim = yield* store.claim({ ...request, runId: runId("a"), owner: "two", reopen: false, maxRecoveries: 0 })
      yield* equal(claim, { _tag: "Claimed", run: { ...opened, owner: "two", epoch: 1 } })
      yield* equal(yield* run("a"), { ...opened, owner: "two", epoch: 1 })
      yield* equal(yield* due, { runs: [], nextAt: null })
      yield* equal(yield* commit(step("a", 1, "m", "running")), [])
    }
  ),

  "gives the run that has the id, and changes nothing of it": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* commit(step("a", 1, "m", "running"))
    const before = yield* run("a")
    const opened = yield* store.open({ ...newRun("a", { dag: "other" }), owner: "two", input: "{}" })
    yield* equal(opened, { _tag: "Exists", run: before })
    yield* equal(yield* run("a"), before)
  }),

  "keeps the version, or that there is none": Effect.gen(function* () {
    const store = yield* RunStore
    for (const [name, version] of [
      ["a", "2.0.0"],
      ["b", null],
      ["c", undefined],
      ["d", ""]
    ] as const) {
      yield* store.open({ ...newRun(name), version })
      yield* equal((yield* run(name)).version, version ?? null)
    }
    const listed = yield* store.list({ limit: 9 })
    yield* equal(
      sorted(listed, (row) => row.runId).map(({ version }) => version),
      ["2.0.0", null, null, ""]
    )
  }),

  "creates once when many ask at once": Effect.gen(function* () {
    const store = yield* RunStore
    const opened = yield* Effect.forEach(Array.range(1, 20), () => store.open(newRun("a")), {
      concurrency: "unbounded"
    })
    yield* equal(opened.filter(({ _tag }) => _tag === "Created").length, 1)
  }),

  "knows no other run": Effect.gen(function* () {
    const store = yield* RunStore
    yield* isTrue((yield* store.run(runId("a")))._tag === "None", "there is no run")
    yield* equal(yield* modulesOf(store, runId("a")), [])
    yield* equal((yield* store.outputs(runId("a"), ["m"])).size, 0)
    yield* equal(yield* store.history(runId("a"), all), [])
  }),

  "keeps large inputs, long ids and fractions of times": Effect.gen(function* () {
    const store = yield* RunStore
    const name = "🧵".repeat(128)
    const { createdAt, input } = { createdAt: 0.1 + 0.2, input: JSON.stringify("x".repeat(1_000_000)) }
    yield* store.open({ ...newRun(name), input, createdAt })
    const stored = yield* run(name)
    yield* equal([stored.runId, stored.createdAt], [runId(name), createdAt])
    yield* isTrue(stored.input === input, "the input is as it was")
  })
})

const transitions: ReadonlyArray<Transition> = [
  moduleTransition(1, "m", "running"),
  { _tag: "ItemTransition", seq: 2, at: 5, module: "m", index: 0, status: "completed" },
  moduleTransition(3, "m", "completed"),
  { _tag: "SharedTransition", seq: 4, at: 6, shared: { "stats/n": [1] } }
]
const completed = moduleChange("m", { status: "completed", items: 1, finishedAt: 4, output: "[0]" })
const shared = [{ cell: "stats/n", value: "[1]" }]
const seed = { modules: [completed], items: [item("m", 0, "completed")], shared, transitions }

const seeded = Check.group("open with a seed", {
  "begins with its modules, items, shared cells and transitions": Effect.gen(function* () {
    const store = yield* RunStore
    yield* equal(yield* store.open({ ...newRun("a"), seed }), { _tag: "Created" })
    yield* equal(yield* stored("a"), {
      run: openedRun("a", { seq: 4 }),
      modules: [moduleRow(completed)],
      items: [{ module: "m", status: "completed", count: 1 }],
      shared
    })
    yield* equal(yield* store.items(runId("a"), ["m"]), seed.items)
    yield* equal((yield* store.outputs(runId("a"), ["m"])).get("m"), "[0]")
    yield* equal(yield* store.history(runId("a"), all), transitions)
    yield* commit(changesOf("a", { transitions: [moduleTransition(5, "n", "running")] }))
    yield* equal((yield* run("a")).seq, 5)
  }),

  "changes nothing of a run that exists": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const before = yield* stored("a")
    yield* equal(yield* store.open({ ...newRun("a"), seed }), { _tag: "Exists", run: before.run })
    yield* equal(yield* stored("a"), before)
    yield* equal(yield* store.history(runId("a"), all), [])
  })
})

export const checks = [...open, ...seeded]
