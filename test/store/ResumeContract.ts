import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Option } from "effect"
import { ModuleStatus } from "../../src/model/ModuleStatus.js"
import type { StoreError } from "../../src/model/StoreError.js"
import { isEnded, isResumable, type RunStatus, RunStatus as RunStatuses } from "../../src/model/Transition.js"
import type { Transition } from "../../src/model/Transition.js"
import { type ItemRow, type RunChanges, RunStore, type SignalRow } from "../../src/store/RunStore.js"
import {
  changesOf,
  moduleChange,
  moduleTransition,
  newRun,
  runId,
  runTransition,
  type StoreLayer
} from "./RunStoreContract.js"

const all = { after: 0, limit: Infinity }
const failure = JSON.stringify({ kind: "error", message: "no", cause: "no" })

const item = (module: string, index: number, status: ItemRow["status"], fields?: Partial<ItemRow>): ItemRow => ({
  module,
  index,
  seq: index + 2,
  status,
  output: status === "completed" ? `${index}` : null,
  failure: status === "failed" ? failure : null,
  ...fields
})

const signal = (name: string, module: string, fields?: Partial<SignalRow>): SignalRow => ({
  runId: runId(name),
  module,
  closed: false,
  value: '"yes"',
  ...fields
})

/** The run takes a status; `seq` numbers the transition, `at` is 1000 later. */
const become = (name: string, seq: number, status: RunStatus, fields?: Partial<RunChanges>) =>
  changesOf(name, { status, transitions: [runTransition(seq, status, fields?.epoch ?? 1)], ...fields })

/** Module `ask` is suspended, and so is the run. */
const suspend = (name: string, seq: number, wakeAt: number | null, module = "ask") =>
  become(name, seq, "suspended", { wakeAt, modules: [moduleChange(module, { status: "suspended", until: wakeAt })] })

const stored = (name: string) =>
  Effect.flatMap(RunStore, (store) => Effect.map(store.get(runId(name)), Option.getOrThrow))

const run = (name: string) => Effect.map(stored(name), ({ run }) => run)

const sorted = <A>(rows: ReadonlyArray<A>) => [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** What every store of runs must do with runs that wait, that are resumed, and with what maps and signals leave. */
export const resumeContract = (name: string, layer: () => StoreLayer): void => {
  const test = (title: string, effect: Effect.Effect<void, StoreError, RunStore>) =>
    it.effect(title, () => Effect.provide(effect, layer()))

  describe(`${name} keeps the contract of RunStore`, () => {
    describe("open with a seed", () => {
      const transitions: ReadonlyArray<Transition> = [
        moduleTransition(1, "m", "running"),
        { _tag: "ItemTransition", seq: 2, at: 5, module: "m", index: 0, status: "completed" },
        moduleTransition(3, "m", "completed")
      ]
      const seed = {
        modules: [moduleChange("m", { status: "completed", items: 1, finishedAt: 4, output: "[0]" })],
        items: [item("m", 0, "completed")],
        transitions
      }

      test(
        "begins with its modules, items and transitions",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.deepStrictEqual(yield* store.open({ ...newRun("a"), seed }), { _tag: "Created" })
          const { items, modules, run, shared } = yield* stored("a")
          assert.deepStrictEqual(run, {
            ...newRun("a"),
            status: "running",
            epoch: 1,
            heartbeatAt: 1000,
            seq: 3,
            startedAt: 1000,
            finishedAt: null,
            wakeAt: null
          })
          const { output: _, ...row } = seed.modules[0]!
          assert.deepStrictEqual(modules, [row])
          assert.deepStrictEqual(items, [{ module: "m", status: "completed", count: 1 }])
          assert.deepStrictEqual(shared, [])
          assert.deepStrictEqual(yield* store.items(runId("a"), ["m"]), seed.items)
          assert.strictEqual((yield* store.outputs(runId("a"), ["m"])).get("m"), "[0]")
          assert.deepStrictEqual(yield* store.history(runId("a"), all), transitions)
          yield* store.commit([changesOf("a", { transitions: [moduleTransition(4, "n", "running")] })])
          assert.strictEqual((yield* stored("a")).run.seq, 4)
        })
      )

      test(
        "changes nothing of a run that exists",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const before = yield* stored("a")
          const opened = yield* store.open({ ...newRun("a"), seed })
          assert.deepStrictEqual(opened, { _tag: "Exists", run: before.run })
          assert.deepStrictEqual(yield* stored("a"), before)
          assert.deepStrictEqual(yield* store.history(runId("a"), all), [])
        })
      )
    })

    describe("items", () => {
      test(
        "of the named modules, and their counts",
        Effect.gen(function* () {
          const store = yield* RunStore
          for (const id of ["a", "b"]) yield* store.open(newRun(id))
          const items = [
            item("m", 0, "completed"),
            item("m", 2, "failed"),
            item("m", 10, "completed", { output: null })
          ]
          yield* store.commit([
            changesOf("a", { items: [...items, item("n", 0, "failed")] }),
            changesOf("b", { items: [item("m", 7, "completed")] })
          ])
          assert.sameDeepMembers([...(yield* store.items(runId("a"), ["m", "m", "missing"]))], items)
          assert.lengthOf(yield* store.items(runId("a"), ["m", "n"]), 4)
          assert.deepStrictEqual(yield* store.items(runId("a"), []), [])
          assert.deepStrictEqual(yield* store.items(runId("none"), ["m"]), [])
          assert.sameDeepMembers(
            [...(yield* stored("a")).items],
            [
              { module: "m", status: "completed", count: 2 },
              { module: "m", status: "failed", count: 1 },
              { module: "n", status: "failed", count: 1 }
            ]
          )
        })
      )

      test(
        "that completed stay, and those that failed give way",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const kinds = [item("m", 0, "completed"), item("m", 0, "failed")]
          const others = [item("m", 0, "completed", { output: '"two"' }), item("m", 0, "failed", { failure: "{}" })]
          let index = 0
          for (const apart of [true, false]) {
            for (const [i, first] of kinds.entries()) {
              for (const second of others) {
                const rows = [first, second].map((row) => ({ ...row, index }))
                if (apart) for (const row of rows) yield* store.commit([changesOf("a", { items: [row] })])
                else yield* store.commit([changesOf("a", { items: rows })])
                const found = (yield* store.items(runId("a"), ["m"])).filter((row) => row.index === index)
                assert.deepStrictEqual(found, [i === 0 ? rows[0]! : rows[1]!])
                index++
              }
            }
          }
        })
      )

      test(
        "by the thousands",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const items = Array.makeBy(3001, (i) => item("m", i, i % 3 === 0 ? "failed" : "completed"))
          const transitions = items.map(({ index, module, status }, i): Transition => ({
            _tag: "ItemTransition",
            seq: i + 1,
            at: i,
            module,
            index,
            status
          }))
          yield* store.commit([changesOf("a", { items, transitions })])
          const rows = [...(yield* store.items(runId("a"), ["m"]))].sort((a, b) => a.index - b.index)
          assert.deepStrictEqual(rows, items)
          assert.deepStrictEqual(yield* store.history(runId("a"), all), transitions)
        })
      )
    })

    test(
      "the rows of a module keep how many items it has, and never until when it waits",
      Effect.gen(function* () {
        const store = yield* RunStore
        yield* store.open(newRun("a"))
        const steps: ReadonlyArray<readonly [Parameters<typeof moduleChange>[1], number | null, number | null]> = [
          [{ status: "running", attempt: 1, items: 7 }, 7, null],
          [{ status: "suspended", attempt: 1, until: 50 }, 7, 50],
          [{ status: "running", attempt: 2 }, 7, null],
          [{ status: "suspended", attempt: 2, until: 0.5, items: 8 }, 8, 0.5],
          [{ status: "completed", attempt: 2 }, 8, null]
        ]
        for (const [fields, items, until] of steps) {
          yield* store.commit([changesOf("a", { modules: [moduleChange("m", fields)] })])
          const [row] = (yield* stored("a")).modules
          assert.deepStrictEqual([row?.items, row?.until], [items, until])
        }
      })
    )

    test(
      "shared cells have their latest value",
      Effect.gen(function* () {
        const store = yield* RunStore
        for (const id of ["a", "b"]) yield* store.open(newRun(id))
        yield* store.commit([
          changesOf("a", {
            shared: [
              { cell: "stats/n", value: "1" },
              { cell: "orders/stats/n", value: "null" }
            ]
          }),
          changesOf("b", { shared: [{ cell: "stats/n", value: "7" }] }),
          changesOf("a", { shared: [{ cell: "stats/n", value: '"two"' }] })
        ])
        assert.sameDeepMembers(
          [...(yield* stored("a")).shared],
          [
            { cell: "stats/n", value: '"two"' },
            { cell: "orders/stats/n", value: "null" }
          ]
        )
        yield* store.commit([changesOf("a", { shared: [{ cell: "stats/n", value: "[3]" }] })])
        assert.deepInclude((yield* stored("a")).shared, { cell: "stats/n", value: "[3]" })
        assert.deepStrictEqual((yield* stored("b")).shared, [{ cell: "stats/n", value: "7" }])
      })
    )

    test(
      "history gives every kind of transition as it was",
      Effect.gen(function* () {
        const store = yield* RunStore
        yield* store.open(newRun("a"))
        const whole = { kind: "refused", message: "m", cause: "c", error: { deep: [null, "ü"] } } as const
        const shared = { "stats/n": 0, "stats/list": [1, { a: null }], "orders/stats/n": null }
        const transitions: ReadonlyArray<Transition> = [
          { ...runTransition(1, "running"), at: 0.5 },
          { _tag: "ModuleTransition", seq: 2, at: 1, module: "m", status: "running", attempt: 1, items: 0 },
          { _tag: "ModuleTransition", seq: 3, at: 1, module: "n", status: "suspended", attempt: 1, until: 1.5 },
          { _tag: "ModuleTransition", seq: 4, at: 1, module: "n", status: "suspended", attempt: 2, until: Infinity },
          { _tag: "ModuleTransition", seq: 5, at: 1, module: "n", status: "completed", attempt: 2, shared },
          {
            _tag: "ModuleTransition",
            seq: 6,
            at: 1,
            module: "f",
            status: "failed",
            attempt: 0,
            failure: whole,
            shared: {}
          },
          { _tag: "ItemTransition", seq: 7, at: 1, module: "m", index: 0, status: "completed", shared },
          { _tag: "ItemTransition", seq: 8, at: 1, module: "m", index: 1, status: "failed", failure: whole },
          { _tag: "ItemTransition", seq: 9, at: 1, module: "m", index: 2, status: "completed" },
          { _tag: "SharedTransition", seq: 10, at: 1, shared },
          { _tag: "SharedTransition", seq: 11, at: 1, shared: {} },
          { _tag: "RunTransition", seq: 12, at: 1, status: "suspended", epoch: 3, until: 0 },
          { _tag: "RunTransition", seq: 13, at: 1, status: "suspended", epoch: 3 }
        ]
        yield* store.commit([changesOf("a", { transitions })])
        assert.deepStrictEqual(yield* store.history(runId("a"), all), transitions)
      })
    )

    describe("the status of a run", () => {
      test(
        "is written, with the time of its end only where it has ended",
        Effect.gen(function* () {
          const store = yield* RunStore
          for (const status of RunStatuses.literals) {
            yield* store.open(newRun(status))
            yield* store.commit([become(status, 1, status, { wakeAt: 70 })])
            const row = yield* run(status)
            assert.strictEqual(row.status, status)
            assert.strictEqual(row.finishedAt, isEnded(status) ? 1001 : null)
            assert.strictEqual(row.wakeAt, status === "suspended" ? 70 : null)
            const next = changesOf(status, { transitions: [moduleTransition(2, "m", "running")] })
            assert.deepStrictEqual(yield* store.commit([next]), isEnded(status) ? [next] : [])
          }
        })
      )

      test(
        "when suspended: it is kept by commits without one, confirmed, let go of and claimed, until it runs again",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          yield* store.commit([suspend("a", 1, 70)])
          yield* store.commit([changesOf("a", { transitions: [moduleTransition(2, "m", "running")], wakeAt: 3 })])
          assert.deepStrictEqual(yield* store.heartbeat([{ runId: runId("a"), epoch: 1 }], 2000), [])
          assert.strictEqual((yield* run("a")).heartbeatAt, 2000)
          yield* store.release({ runId: runId("a"), epoch: 1 })
          assert.strictEqual((yield* run("a")).owner, "")
          const before = yield* run("a")
          const request = { runId: runId("a"), owner: "two", now: 3000, expiredBefore: 0, reopen: false }
          const claimed = { ...before, owner: "two", epoch: 2, heartbeatAt: 3000 }
          assert.deepStrictEqual(yield* store.claim(request), { _tag: "Claimed", run: claimed })
          assert.deepStrictEqual([claimed.status, claimed.wakeAt], ["suspended", 70])
          assert.strictEqual((yield* store.claim(request))._tag, "Held")
          yield* store.commit([become("a", 3, "running", { epoch: 2, wakeAt: 9 })])
          assert.deepStrictEqual(yield* run("a"), { ...claimed, status: "running", wakeAt: null, seq: 3 })
          assert.strictEqual((yield* stored("a")).modules[0]?.status, "suspended")
        })
      )
    })

    describe("signal", () => {
      test(
        "is delivered or closed once, and stays so",
        Effect.gen(function* () {
          const store = yield* RunStore
          for (const id of ["a", "b"]) yield* store.open(newRun(id))
          const rows = [
            signal("a", "ask"),
            signal("a", "orders/0/ask", { closed: true, value: null }),
            signal("a", "orders/12/ask", { value: null }),
            signal("b", "ask", { value: "2" })
          ]
          for (const row of rows) assert.deepStrictEqual(yield* store.signal(row), { _tag: "Settled", was: undefined })
          for (const row of rows) {
            for (const closed of [true, false]) {
              assert.deepStrictEqual(yield* store.signal({ ...row, closed, value: "other" }), {
                _tag: "Settled",
                was: row
              })
            }
          }
          assert.sameDeepMembers([...(yield* store.signals([runId("a"), runId("a"), runId("none")]))], rows.slice(0, 3))
          assert.lengthOf(yield* store.signals([runId("a"), runId("b")]), 4)
          assert.deepStrictEqual(yield* store.signals([]), [])
        })
      )

      test(
        "is refused of a run that is unknown, has ended or does not have it",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.deepStrictEqual(yield* store.signal(signal("a", "ask")), { _tag: "Unknown" })
          yield* store.open(newRun("a"))
          for (const path of [
            "",
            "m",
            "ask/",
            "orders",
            "orders/:/ask",
            "orders/-1/ask",
            "orders/01/ask",
            "orders/1"
          ]) {
            assert.deepStrictEqual(yield* store.signal(signal("a", path)), { _tag: "UnknownSignal" }, path)
          }
          yield* store.open({ ...newRun("none"), signals: "[]" })
          assert.deepStrictEqual(yield* store.signal(signal("none", "ask")), { _tag: "UnknownSignal" })
          for (const status of RunStatuses.literals.filter(isEnded)) {
            yield* store.open(newRun(status))
            yield* store.signal(signal(status, "ask"))
            yield* store.commit([become(status, 1, status)])
            const finished = { _tag: "Finished" as const, run: yield* run(status) }
            for (const path of ["ask", "orders/1/ask", "m"]) {
              assert.deepStrictEqual(yield* store.signal(signal(status, path)), finished)
            }
          }
          assert.deepStrictEqual(yield* store.signals([runId("a"), runId("none")]), [])
        })
      )

      test(
        "has one winner when many come at once",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const settled = yield* Effect.forEach(
            Array.range(1, 20),
            (i) => store.signal(signal("a", "ask", { closed: i % 2 === 0, value: `${i}` })),
            { concurrency: "unbounded" }
          )
          assert.lengthOf(
            settled.filter((one) => one._tag === "Settled" && one.was === undefined),
            1
          )
          const [row] = yield* store.signals([runId("a")])
          for (const one of settled) {
            assert(one._tag === "Settled")
            if (one.was !== undefined) assert.deepStrictEqual(one.was, row)
          }
        })
      )

      for (const closed of [false, true]) {
        const verb = closed ? "closed" : "delivered"
        const ask = (name: string, module = "ask") => signal(name, module, { closed, value: closed ? null : "1" })

        test(
          `that is ${verb} after its run was suspended makes it due at once, when that module waits`,
          Effect.gen(function* () {
            const store = yield* RunStore
            yield* store.open(newRun("a"))
            yield* store.commit([suspend("a", 1, null)])
            yield* store.signal(ask("a", "orders/0/ask"))
            assert.isNull((yield* run("a")).wakeAt)
            yield* store.signal(ask("a"))
            assert.strictEqual((yield* run("a")).wakeAt, 0)
            // a batch that is written again does not take it back
            yield* store.commit([suspend("a", 1, 99)])
            assert.strictEqual((yield* run("a")).wakeAt, 0)
          })
        )

        test(
          `that is ${verb} before its run is suspended makes it due at once, when that module waits`,
          Effect.gen(function* () {
            const store = yield* RunStore
            const ids = ["together", "module first", "twice", "another", "completed"]
            for (const id of ids) {
              yield* store.open(newRun(id))
              yield* store.signal(ask(id))
              assert.isNull((yield* run(id)).wakeAt)
            }
            const waiting = [moduleChange("ask", { status: "suspended" })]
            yield* store.commit([changesOf("module first", { modules: waiting })])
            yield* store.commit([
              suspend("together", 1, 70),
              become("module first", 1, "suspended", { wakeAt: null }),
              become("twice", 1, "suspended", { wakeAt: 70 }),
              changesOf("twice", { modules: waiting }),
              suspend("another", 1, 70, "orders/0/ask"),
              become("completed", 1, "suspended", {
                wakeAt: 70,
                modules: [moduleChange("ask", { status: "completed" })]
              })
            ])
            for (const id of ids) {
              assert.strictEqual((yield* run(id)).wakeAt, id === "another" || id === "completed" ? 70 : 0, id)
            }
          })
        )

        test(
          `that is ${verb} while its run is running does not mark it`,
          Effect.gen(function* () {
            const store = yield* RunStore
            yield* store.open(newRun("a"))
            yield* store.commit([changesOf("a", { modules: [moduleChange("ask", { status: "suspended" })] })])
            yield* store.signal(ask("a"))
            assert.deepStrictEqual([(yield* run("a")).status, (yield* run("a")).wakeAt], ["running", null])
          })
        )
      }
    })

    describe("due", () => {
      const request = { fingerprints: ["f1"], now: 5000, expiredBefore: 3000, limit: 99 }
      const due = (fields?: Partial<typeof request>) =>
        Effect.gen(function* () {
          const { nextAt, runs } = yield* (yield* RunStore).due({ ...request, ...fields })
          return { nextAt, runs: runs.map((row): string => row.runId) }
        })

      test(
        "are running runs that nobody drives, and suspended ones whose time has come",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.deepStrictEqual(yield* due(), { runs: [], nextAt: null })
          const ids = ["cut off", "driven", "let go", "ended", "now", "late", "later", "never", "held"]
          for (const [i, id] of ids.entries()) yield* store.open(newRun(id, { createdAt: 1000 - i }))
          yield* store.commit([
            become("ended", 1, "failed"),
            suspend("now", 1, 5000),
            suspend("late", 1, 4000.5),
            suspend("later", 1, 5000.5),
            suspend("never", 1, null),
            suspend("held", 1, 5002)
          ])
          yield* store.heartbeat(
            ["driven", "held"].map((id) => ({ runId: runId(id), epoch: 1 })),
            3000
          )
          yield* store.release({ runId: runId("let go"), epoch: 1 })
          assert.deepStrictEqual(yield* due(), { runs: ["let go", "cut off", "late", "now"], nextAt: 5000.5 })
          assert.deepStrictEqual(yield* due({ now: 5002 }), {
            runs: ["let go", "cut off", "late", "now", "later"],
            nextAt: null
          })
          assert.deepStrictEqual(yield* due({ now: 5001, expiredBefore: 3001 }), {
            runs: ["let go", "driven", "cut off", "late", "now", "later"],
            nextAt: 5002
          })
          assert.deepStrictEqual(yield* due({ now: 3999, expiredBefore: 0 }), { runs: ["let go"], nextAt: null })
          yield* store.signal(signal("never", "ask"))
          assert.deepStrictEqual((yield* due()).runs, ["let go", "cut off", "never", "late", "now"])
          const { runs } = yield* store.due({ ...request, limit: 1 })
          assert.deepStrictEqual(runs, [yield* run("let go")])
        })
      )

      test(
        "are those of the Dags, at most `limit`, in the order of their time, creation and id",
        Effect.gen(function* () {
          const store = yield* RunStore
          const ids = ["😀", "\uffee", "b", "a"]
          for (const id of ids) yield* store.open(newRun(id))
          yield* store.open({ ...newRun("other"), fingerprint: "f2" })
          yield* store.open({ ...newRun("third"), fingerprint: "f'3" })
          yield* store.commit([...ids, "other", "third"].map((id) => suspend(id, 1, id === "third" ? 9000 : 10)))
          assert.deepStrictEqual(yield* due(), { runs: ["a", "b", "\uffee", "😀"], nextAt: null })
          assert.deepStrictEqual(yield* due({ fingerprints: ["f1", "f1", "f2"], limit: 4 }), {
            runs: ["a", "b", "other", "\uffee"],
            nextAt: null
          })
          assert.deepStrictEqual(yield* due({ fingerprints: ["f'3", "none"] }), { runs: [], nextAt: 9000 })
          assert.deepStrictEqual(yield* due({ fingerprints: ["f1", "f'3"], limit: 0 }), { runs: [], nextAt: 9000 })
          assert.deepStrictEqual(yield* due({ fingerprints: [] }), { runs: [], nextAt: null })
        })
      )
    })

    describe("claim with reopen", () => {
      const request = { runId: runId("a"), owner: "two", now: 5000, expiredBefore: 0, reopen: true }

      for (const status of RunStatuses.literals) {
        test(
          `of a run that is ${status}`,
          Effect.gen(function* () {
            const store = yield* RunStore
            yield* store.open(newRun("a"))
            yield* store.commit([become("a", 1, status, { wakeAt: 70 })])
            const before = yield* run("a")
            const plain = yield* store.claim({ ...request, reopen: false })
            assert.deepStrictEqual(plain, { _tag: isEnded(status) ? "Finished" : "Held", run: before })
            const claimed = yield* store.claim(request)
            if (!isResumable(status)) {
              assert.deepStrictEqual(claimed, { _tag: isEnded(status) ? "Finished" : "Held", run: before })
              assert.deepStrictEqual(yield* run("a"), before)
              return
            }
            // although its driver's heartbeat has not expired: there is nothing left that it drives
            const after = { owner: "two", epoch: 2, heartbeatAt: 5000, status: "running", startedAt: 5000 } as const
            assert.deepStrictEqual(claimed, { _tag: "Claimed", run: { ...before, ...after, finishedAt: null } })
            assert.deepStrictEqual(yield* run("a"), { ...before, ...after, finishedAt: null })
            const stale = changesOf("a", { transitions: [moduleTransition(2, "m", "running")] })
            assert.deepStrictEqual(yield* store.commit([stale]), [stale])
            assert.strictEqual((yield* store.claim(request))._tag, "Held")
            assert.deepStrictEqual(
              (yield* store.due({ fingerprints: ["f1"], now: 9000, expiredBefore: 5001, limit: 9 })).runs,
              [yield* run("a")]
            )
            yield* store.commit([become("a", 2, "running", { epoch: 2 })])
            yield* store.commit([become("a", 3, "completed", { epoch: 2 })])
            assert.deepStrictEqual(
              [(yield* run("a")).status, (yield* run("a")).startedAt, (yield* run("a")).finishedAt],
              ["completed", 5000, 1003]
            )
          })
        )
      }

      test(
        "makes what did not complete pending, and forgets what is in its way",
        Effect.gen(function* () {
          const store = yield* RunStore
          const none = { failure: null, because: null }
          const states = [
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
          ]
          const signals = JSON.stringify(["ask", "m/:/ask", ...states.map(({ module }) => module), "none"])
          for (const id of ["a", "b"]) yield* store.open({ ...newRun(id), signals })
          const times = { scheduledAt: 1, startedAt: 2, finishedAt: 3, until: 4 }
          const modules = states.map((state) =>
            moduleChange(state.module, { ...state, ...times, attempt: 2, items: 5, output: "1" })
          )
          const names = [...states.map(({ module }) => module), "none"]
          const items = names.flatMap((module) => [item(module, 0, "completed"), item(module, 1, "failed")])
          for (const id of ["a", "b"]) {
            for (const [i, module] of names.filter((module) => module !== "why").entries()) {
              yield* store.signal(signal(id, module, { closed: i % 2 === 0 }))
            }
            yield* store.commit([changesOf(id, { modules, items })])
            yield* store.commit([become(id, 1, "cancelled", { shared: [{ cell: "c", value: "1" }] })])
          }
          const settled = yield* store.signals([runId("a")])
          const other = yield* stored("b")
          yield* store.claim(request)

          const reopened = ["failed", "cancelled", "behind", "stopped", "failed/3/inner", "why"]
          const expected = modules.map(({ output: _, ...row }) =>
            reopened.includes(row.module)
              ? {
                  ...row,
                  status: "pending" as const,
                  scheduledAt: null,
                  startedAt: null,
                  finishedAt: null,
                  failure: null,
                  because: null,
                  until: null
                }
              : row
          )
          const after = yield* stored("a")
          assert.sameDeepMembers([...after.modules], expected)
          assert.deepStrictEqual(after.shared, [{ cell: "c", value: "1" }])
          const pending = [...reopened, "pending", "none"]
          assert.sameDeepMembers(
            [...(yield* store.items(runId("a"), names))],
            items.filter(({ module, status }) => status === "completed" || !pending.includes(module))
          )
          assert.sameDeepMembers(
            [...(yield* store.signals([runId("a")]))],
            settled.filter(({ closed, module }) => !closed || !pending.includes(module))
          )
          assert.sameMembers(
            [...(yield* store.outputs(runId("a"), names)).keys()],
            names.filter((module) => module !== "none" && !reopened.includes(module))
          )
          assert.deepStrictEqual(yield* store.history(runId("a"), all), [runTransition(1, "cancelled")])
          // and nothing of another run
          assert.deepStrictEqual(sorted((yield* stored("b")).modules), sorted(other.modules))
          assert.lengthOf(yield* store.items(runId("b"), names), items.length)
          assert.lengthOf(yield* store.signals([runId("b")]), settled.length)
        })
      )

      test(
        "lets a module run again, in the same or the next attempt, and fail again",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const failed = [moduleChange("m", { status: "failed", finishedAt: 1, failure, attempt: 1 })]
          yield* store.commit([become("a", 1, "failed", { modules: failed })])
          for (const [epoch, attempt] of [
            [2, 1],
            [3, 2]
          ] as const) {
            yield* store.claim(request)
            const running = [moduleChange("m", { startedAt: 7, attempt })]
            yield* store.commit([changesOf("a", { epoch, modules: running })])
            const [row] = (yield* stored("a")).modules
            const { output: _, ...expected } = running[0]!
            assert.deepStrictEqual(row, expected)
            yield* store.commit([
              become("a", epoch, "timedOut", { epoch, modules: [moduleChange("m", { status: "failed", attempt })] })
            ])
          }
        })
      )

      test(
        "has one winner when many claim at once",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          yield* store.commit([become("a", 1, "failed")])
          const claims = yield* Effect.forEach(Array.range(1, 20), (i) => store.claim({ ...request, owner: `o${i}` }), {
            concurrency: "unbounded"
          })
          assert.lengthOf(
            claims.filter(({ _tag }) => _tag === "Claimed"),
            1
          )
          assert.strictEqual((yield* run("a")).epoch, 2)
        })
      )
    })
  })
}
