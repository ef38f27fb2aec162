/**
 * How a run becomes one of another Dag.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DagTransition } from "../../../model/Transition.js"
import { type Migration, RunStore } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, some } from "./Expect.js"
import {
  all,
  become,
  changesOf,
  commit,
  item,
  moduleChange,
  moduleRow,
  moduleTransition,
  newRun,
  openedRun,
  run,
  runId,
  signal,
  sorted,
  step,
  stored,
  suspend
} from "./Rows.js"

const transitionOf = (seq: number, fields?: Partial<DagTransition>): DagTransition => ({
  _tag: "DagTransition",
  seq,
  at: 5000,
  epoch: 1,
  fingerprint: "f2",
  version: "2.0.0",
  total: 5,
  removed: [],
  reset: [],
  cells: [],
  ...fields
})

const migrationOf = (name: string, transition: DagTransition, fields?: Partial<Migration>): Migration => ({
  runId: runId(name),
  epoch: 1,
  input: '{"other":"1"}',
  signals: '["ask","later"]',
  transition,
  ...fields
})

const large = JSON.stringify("x".repeat(5000))
const keep = moduleChange("keep", { status: "completed", startedAt: 1, finishedAt: 2, output: "1" })
const change = (module: string, output: string) => moduleChange(module, { status: "completed", attempt: 2, output })
const gone = moduleChange("gone", { status: "failed", failure: '{"kind":"defect","message":"","cause":""}' })

/** One of every kind of row for what stays, what is removed and what begins anew. */
const filled = (name: string) =>
  commit(
    changesOf(name, {
      modules: [
        keep,
        moduleChange("keeps", { items: 2 }),
        change("again", large),
        moduleChange("again/in/x", { status: "completed", output: large }),
        moduleChange("map", { items: 3, startedAt: 7 }),
        moduleChange("map/0/x", { status: "completed", output: "2" }),
        gone,
        change("gone/x", "3"),
        moduleChange("gon", { status: "suspended", until: 9 })
      ],
      items: [
        item("keeps", 0, "completed"),
        item("map", 1, "completed", { output: large }),
        item("gone/x", 0, "failed")
      ],
      shared: [
        { cell: "stats/a", value: "1" },
        { cell: "stats/b", value: "2" },
        { cell: "again/stats/a", value: "3" }
      ],
      transitions: [moduleTransition(1, "keep", "completed")]
    })
  )

const reset = transitionOf(2, {
  removed: ["gone", "never"],
  reset: ["again", "map", "pending"],
  cells: ["stats/b", "again/stats/a", "stats/none"]
})

export const checks = Check.group("migrate", {
  "makes the run one of the other Dag, keeps what stays and forgets the rest": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open({ ...newRun("a"), signals: '["keep","again/in/s","gone","map/:/s"]' })
    yield* store.open(newRun("b"))
    yield* filled("a")
    yield* filled("b")
    for (const path of ["again/in/s", "map/0/s", "keep"]) yield* store.signal(signal("a", path))
    const other = yield* stored("b")
    const migration = migrationOf("a", reset)
    yield* equal(yield* store.migrate(migration), true)
    const after = yield* stored("a")
    const { input, signals } = migration
    yield* equal(after.run, openedRun("a", { fingerprint: "f2", version: "2.0.0", total: 5, seq: 2, input, signals }))
    yield* equal(
      sorted(after.modules, ({ module }) => module),
      [
        moduleRow(moduleChange("again", { status: "pending", attempt: 2 })),
        moduleRow(moduleChange("gon", { status: "suspended", until: 9 })),
        moduleRow(keep),
        moduleRow(moduleChange("keeps", { items: 2 })),
        moduleRow(moduleChange("map", { status: "pending" }))
      ]
    )
    yield* equal(after.items, [{ module: "keeps", status: "completed", count: 1 }])
    yield* equal(after.shared, [{ cell: "stats/a", value: "1" }])
    const paths = ["keep", "keeps", "again", "again/in/x", "map", "map/0/x", "gone", "gone/x", "gon"]
    yield* equal([...(yield* store.outputs(runId("a"), paths))], [["keep", "1"]])
    yield* equal(yield* store.items(runId("a"), paths), [item("keeps", 0, "completed")])
    yield* equal(yield* store.signals([runId("a")]), [])
    yield* equal(yield* store.history(runId("a"), all), [moduleTransition(1, "keep", "completed"), reset])
    yield* equal(yield* stored("b"), other)
    const { outputs, spilled } = yield* store.storage
    yield* equal(outputs, 9)
    yield* equal(spilled === 0 || spilled === 3 || spilled === 9, true)
    yield* equal((yield* store.due({ fingerprints: ["f2"], now: 1, expiredBefore: 1001, limit: 9 })).runs, [after.run])
    yield* equal((yield* store.due({ fingerprints: ["f1"], now: 1, expiredBefore: 1001, limit: 9 })).runs, [other.run])
    // it can be gone on with, from the next transition on
    yield* equal(yield* commit(step("a", 3, "again", "running", { attempt: 3 })), [])
    yield* equal((yield* run("a")).seq, 3)
  }),

  "keeps a signal that stays, and knows those of the other Dag": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* store.signal(signal("a", "ask"))
    yield* equal(yield* store.migrate(migrationOf("a", transitionOf(1, { version: undefined }))), true)
    yield* equal((yield* run("a")).version, null)
    yield* equal(yield* store.signals([runId("a")]), [signal("a", "ask")])
    yield* equal(yield* store.signal(signal("a", "later")), { _tag: "Settled", was: undefined })
    yield* equal(yield* store.signal(signal("a", "orders/0/ask")), { _tag: "UnknownSignal" })
  }),

  "makes a suspended run due at its time, and it stays suspended": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    yield* commit(suspend("a", 1, null))
    yield* store.release({ runId: runId("a"), epoch: 1 })
    yield* equal(yield* store.migrate(migrationOf("a", transitionOf(2))), true)
    const { status, wakeAt } = yield* run("a")
    yield* equal([status, wakeAt], ["suspended", 5000])
    const due = (now: number) => store.due({ fingerprints: ["f2"], now, expiredBefore: 0, limit: 9 })
    yield* equal((yield* due(4999)).nextAt, 5000)
    yield* equal((yield* due(5000)).runs.length, 1)
    yield* store.keepSnapshot({ runId: runId("a"), epoch: 1 })
    const kept = yield* some(yield* store.snapshot(runId("a"), {}), "what was kept")
    yield* equal([kept.seq, kept.stored.run.wakeAt], [2, 5000])
  }),

  "refuses another driver, another transition, a run that has ended and one that is unknown, and changes nothing":
    Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      yield* filled("a")
      const before = yield* stored("a")
      const refused = [
        migrationOf("a", reset, { epoch: 2 }),
        migrationOf("a", { ...reset, seq: 1 }),
        migrationOf("a", { ...reset, seq: 3 }),
        migrationOf("b", reset)
      ]
      for (const migration of refused) yield* equal(yield* store.migrate(migration), false)
      yield* equal(yield* stored("a"), before)
      yield* equal((yield* store.history(runId("a"), all)).length, 1)
      yield* equal(yield* store.snapshot(runId("a"), {}), Option.none())
      yield* commit(become("a", 2, "failed"))
      const ended = yield* stored("a")
      yield* equal(yield* store.migrate(migrationOf("a", { ...reset, seq: 3 })), false)
      yield* equal(yield* stored("a"), ended)
    }),

  "keeps as which Dag the run was created, and as which one it was kept": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a", { createdAt: 1500 }))
    yield* commit(step("a", 1, "m", "completed", { output: "1" }))
    yield* store.keepSnapshot({ runId: runId("a"), epoch: 1 })
    yield* store.migrate(migrationOf("a", transitionOf(2, { removed: ["m"] })))
    yield* store.migrate(migrationOf("a", transitionOf(3, { fingerprint: "f3", version: undefined, total: 7 })))
    yield* store.keepSnapshot({ runId: runId("a"), epoch: 1 })
    const dagAt = (bound: { readonly seq?: number; readonly at?: number }) =>
      Effect.gen(function* () {
        const kept = yield* some(yield* store.snapshot(runId("a"), bound), "what was kept")
        const { fingerprint, seq, total, version } = kept.stored.run
        return [kept.seq, seq, fingerprint, version, total, kept.stored.modules.length]
      })
    const { total, version } = openedRun("a")
    yield* equal(yield* dagAt({ seq: 0 }), [0, 0, "f1", version, total, 0])
    yield* equal(yield* dagAt({ seq: 2 }), [1, 1, "f1", version, total, 1])
    yield* equal(yield* dagAt({ seq: 3 }), [3, 3, "f3", null, 7, 0])
    const begun = yield* some(yield* store.snapshot(runId("a"), { seq: 0 }), "the beginning")
    yield* equal([begun.at, begun.stored.run.startedAt, begun.stored.run.status], [1500, 1500, "running"])
  }),

  "takes place once when many ask at once": Effect.gen(function* () {
    const store = yield* RunStore
    yield* store.open(newRun("a"))
    const asked = Array.from({ length: 12 }, () => store.migrate(migrationOf("a", transitionOf(1))))
    const took = yield* Effect.all(asked, { concurrency: "unbounded" })
    yield* equal(took.filter((done) => done).length, 1)
    yield* equal((yield* store.history(runId("a"), all)).length, 1)
  })
})
