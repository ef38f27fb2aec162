import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { RunStore } from "../../src/store/RunStore.js"
import {
  batchOf,
  become,
  changesOf,
  failure,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition
} from "../../src/testing/internal/contract/Rows.js"
import { execute, open, temporaryFile } from "./SqliteFile.js"

type Store = typeof RunStore.Service

const test = (title: string, check: (store: Store, select: Select) => Effect.Effect<void, unknown>) =>
  it.scoped(title, () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* check(yield* open(filename, { spillBytes: 100 }), (sql) => execute(filename, sql))
    })
  )

type Select = (sql: string) => ReturnType<typeof execute>

/** The time of SQLite, which is what its views compare with, and which no test clock is. */
const now = (select: Select) =>
  Effect.map(select("SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000 AS now"), ([row]) => Number(row?.now))

describe("the views of a SQLite file", () => {
  test("are not there to be written", (_, select) =>
    Effect.gen(function* () {
      const views = yield* select("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name")
      assert.deepStrictEqual(
        views.map(({ name }) => name),
        ["dead_letter_list", "failed_runs", "history", "module_list", "run_list", "stuck_runs", "suspended_runs"]
      )
      for (const { name } of views) {
        const error = yield* Effect.flip(select(`DELETE FROM ${name as string}`).pipe(Effect.sandbox))
        assert.match(String(error), /cannot modify/)
      }
    }))

  test("run_list has the runs, module_list their modules, history their transitions", (store, select) =>
    Effect.gen(function* () {
      const large = JSON.stringify("x".repeat(200))
      yield* store.open(newRun("a"))
      yield* store.open({ ...newRun("b", { createdAt: 2000 }), dag: "other" })
      yield* store.release({ runId: runId("b"), epoch: 1, failed: true })
      yield* store.commit(
        batchOf(
          become("a", 6, "failed", {
            modules: [
              moduleChange("m", { status: "completed", startedAt: 1001, finishedAt: 1002.5, output: large }),
              moduleChange("n", { status: "completed", output: "1" }),
              moduleChange("o", { status: "failed", failure: "{}", items: 2 })
            ],
            transitions: [
              moduleTransition(1, "m", "completed"),
              { _tag: "ModuleTransition", seq: 2, at: 1002, module: "o", status: "running", attempt: 1, items: 2 },
              { _tag: "ItemTransition", seq: 3, at: 1003, module: "o", index: 1, status: "completed" },
              { _tag: "SharedTransition", seq: 4, at: 1004, shared: { x: 1 } },
              moduleTransition(5, "o", "failed", { failure }),
              runTransition(6, "failed")
            ]
          })
        )
      )
      const run = { owner: "one", started_at: 1000, wake_at: null, epoch: 1, recoveries: 0, quarantined: 0 }
      assert.deepStrictEqual(yield* select("SELECT * FROM run_list ORDER BY run_id"), [
        {
          ...run,
          run_id: "a",
          dag: "checkout",
          status: "failed",
          heartbeat_at: 1000,
          created_at: 1000,
          finished_at: 1006,
          seq: 6
        },
        {
          ...run,
          run_id: "b",
          dag: "other",
          status: "running",
          owner: "",
          heartbeat_at: 0,
          created_at: 2000,
          started_at: 2000,
          finished_at: null,
          seq: 0,
          recoveries: 1
        }
      ])
      yield* store.claim({ runId: runId("a"), owner: "two", now: 3000, expiredBefore: 0, reopen: true })
      assert.deepStrictEqual(yield* select("SELECT created_at, started_at FROM run_list WHERE run_id = 'a'"), [
        { created_at: 1000, started_at: 3000 }
      ])

      const module = {
        run_id: "a",
        attempt: 1,
        scheduled_at: null,
        started_at: null,
        finished_at: null,
        failure: null,
        because: null,
        until: null,
        items: null,
        output: null
      }
      assert.deepStrictEqual(yield* select("SELECT * FROM module_list ORDER BY module"), [
        { ...module, module: "m", status: "completed", started_at: 1001, finished_at: 1002.5, output: large },
        { ...module, module: "n", status: "completed", output: "1" },
        { ...module, module: "o", status: "pending", items: 2 }
      ])

      const change = {
        run_id: "a",
        status: null,
        module: null,
        attempt: null,
        item: null,
        items: null,
        failure: null,
        because: null,
        until: null,
        shared: null,
        epoch: null
      }
      assert.deepStrictEqual(yield* select("SELECT * FROM history WHERE run_id = 'a' ORDER BY seq"), [
        { ...change, seq: 1, at: 1001, status: "completed", module: "m", attempt: 1 },
        { ...change, seq: 2, at: 1002, status: "running", module: "o", attempt: 1, items: 2 },
        { ...change, seq: 3, at: 1003, status: "completed", module: "o", item: 1 },
        { ...change, seq: 4, at: 1004, shared: '{"x":1}' },
        { ...change, seq: 5, at: 1005, status: "failed", module: "o", attempt: 1, failure: JSON.stringify(failure) },
        { ...change, seq: 6, at: 1006, status: "failed", epoch: 1 }
      ])
    }))

  test("stuck_runs are those that should be driven, and of which nothing was heard for a minute", (store, select) =>
    Effect.gen(function* () {
      const at = yield* now(select)
      const [old, recent, later] = [at - 90_000, at - 5000, at + 3_600_000]
      const runs: Readonly<
        Record<string, { heartbeat?: number; changed: number; wakeAt?: number | null; isStuck: boolean }>
      > = {
        "cut off": { heartbeat: old, changed: old, isStuck: true },
        driven: { heartbeat: recent, changed: old, isStuck: false },
        "let go": { changed: old, isStuck: true },
        "just let go": { changed: recent, isStuck: false },
        due: { changed: old, wakeAt: 0, isStuck: true },
        "due for long": { changed: old - 9, wakeAt: old, isStuck: true },
        "just due": { changed: old, wakeAt: recent, isStuck: false },
        "just suspended": { changed: recent, wakeAt: 0, isStuck: false },
        "due later": { changed: old, wakeAt: later, isStuck: false },
        "waits for a signal": { changed: old, wakeAt: null, isStuck: false },
        "due, driven": { heartbeat: recent, changed: old, wakeAt: 0, isStuck: false }
      }
      for (const [name, { changed, heartbeat, wakeAt }] of Object.entries(runs)) {
        yield* store.open(newRun(name, { createdAt: old - 1_000_000 }))
        const status = wakeAt === undefined ? "running" : "suspended"
        const transitions = [{ ...runTransition(1, status), at: changed }]
        yield* store.commit(batchOf(changesOf(name, { status, wakeAt: wakeAt ?? null, transitions })))
        if (heartbeat === undefined) yield* store.release({ runId: runId(name), epoch: 1 })
        else yield* store.heartbeat([{ runId: runId(name), epoch: 1 }], heartbeat)
      }
      yield* store.open(newRun("ended"))
      yield* store.commit(batchOf(become("ended", 1, "completed")))
      const stuck = yield* select("SELECT * FROM stuck_runs ORDER BY run_id")
      assert.deepStrictEqual(
        stuck.map((row) => row.run_id),
        Object.keys(runs)
          .filter((name) => runs[name]!.isStuck)
          .sort()
      )
      for (const row of stuck) assert.isAtLeast(Number(row.silent_for), 90_000)
      const { silent_for: _, ...first } = stuck[0]!
      assert.deepStrictEqual(first, {
        run_id: "cut off",
        dag: "checkout",
        status: "running",
        owner: "one",
        heartbeat_at: old,
        wake_at: null,
        changed_at: old,
        epoch: 1,
        recoveries: 0,
        quarantined: 0
      })
      // one without any transition was heard of when it was created, or resumed
      yield* store.open(newRun("new", { createdAt: old }))
      assert.lengthOf(yield* select("SELECT * FROM stuck_runs WHERE run_id = 'new'"), 1)
      yield* store.claim({
        runId: runId("cut off"),
        owner: "two",
        now: recent,
        expiredBefore: recent,
        reopen: false,
        maxRecoveries: 0
      })
      assert.deepStrictEqual(yield* select("SELECT quarantined, recoveries FROM stuck_runs WHERE run_id = 'cut off'"), [
        { quarantined: 1, recoveries: 1 }
      ])
    }))

  test("failed_runs have their failed modules and what they failed with", (store, select) =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* store.open(newRun(name))
      const failed = (module: string, text: string | null) =>
        moduleChange(module, { status: "failed", attempt: 2, failure: text })
      yield* store.commit(
        batchOf(
          become("a", 1, "failed", {
            modules: [failed("m", JSON.stringify(failure)), failed("n", "{"), failed("o", null), moduleChange("p")]
          }),
          become("b", 1, "completed", { modules: [failed("m", JSON.stringify(failure))] }),
          become("c", 1, "failed")
        )
      )
      const row = { run_id: "a", dag: "checkout", finished_at: 1001, attempt: 2, kind: null, message: null }
      assert.deepStrictEqual(yield* select("SELECT * FROM failed_runs ORDER BY run_id, module"), [
        { ...row, module: "m", kind: "error", message: "no" },
        { ...row, module: "n" },
        { ...row, module: "o" },
        { ...row, run_id: "c", module: null, attempt: null }
      ])
    }))

  test("suspended_runs have what they wait for", (store, select) =>
    Effect.gen(function* () {
      const signals = ["ask", "orders/:/ask", "a/:/b/:/c", 'it\'s/"one"', "7", "[/:"]
      yield* store.open({ ...newRun("a"), signals: JSON.stringify(signals) })
      yield* store.open({ ...newRun("b"), signals: "[]" })
      yield* store.open(newRun("c"))
      const expected: Readonly<Record<string, 0 | 1>> = {
        ask: 1,
        "orders/0/ask": 1,
        "orders/12/ask": 1,
        "orders/01/ask": 0,
        "orders/x/ask": 0,
        "orders//ask": 0,
        "orders/1/2/ask": 0,
        "orders/:/ask": 0,
        "a/1/b/20/c": 1,
        "a/1/b/c/20": 0,
        'it\'s/"one"': 1,
        "7": 1,
        "8": 0,
        "[/3": 1,
        sleep: 0,
        "": 0
      }
      const waiting = Object.keys(expected).map((module, i) => moduleChange(module, { status: "suspended", until: i }))
      yield* store.commit(
        batchOf(
          become("a", 1, "suspended", { wakeAt: 70, modules: [...waiting, moduleChange("m", { status: "running" })] }),
          become("b", 1, "suspended", { modules: [moduleChange("ask", { status: "suspended" })] }),
          changesOf("c", { modules: [moduleChange("ask", { status: "suspended" })] })
        )
      )
      assert.deepStrictEqual(
        yield* select("SELECT * FROM suspended_runs WHERE run_id = 'a' ORDER BY until"),
        Object.entries(expected).map(([module, signal], until) => ({
          run_id: "a",
          dag: "checkout",
          wake_at: 70,
          quarantined: 0,
          module,
          until,
          signal
        }))
      )
      assert.deepStrictEqual(
        yield* select("SELECT run_id, module, until, signal FROM suspended_runs WHERE run_id <> 'a'"),
        [{ run_id: "b", module: "ask", until: null, signal: 0 }]
      )
    }))

  test("dead_letter_list has the dead letters, last first", (store, select) =>
    Effect.gen(function* () {
      const letter = {
        at: 7,
        kind: "run",
        key: "a",
        epoch: 2,
        reason: "lost",
        message: "no",
        count: 2,
        updates: "[1,2]"
      } as const
      const other = { ...letter, kind: "state", epoch: null, reason: "failed" } as const
      for (const one of [letter, other]) yield* store.bury(one)
      assert.deepStrictEqual(yield* select("SELECT * FROM dead_letter_list"), [other, letter])
    }))
})
