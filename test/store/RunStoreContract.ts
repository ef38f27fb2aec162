import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, FastCheck, HashMap, Layer, Option } from "effect"
import { canFollow, ModuleStatus } from "../../src/model/ModuleStatus.js"
import { RunId } from "../../src/model/RunId.js"
import * as RunSnapshot from "../../src/model/RunSnapshot.js"
import type { StoreError } from "../../src/model/StoreError.js"
import type { Failure, RunStatus, Transition } from "../../src/model/Transition.js"
import { type ModuleChange, type ModuleRow, type RunChanges, RunStore } from "../../src/store/RunStore.js"
import { numRuns } from "../numRuns.js"

export type StoreLayer = Layer.Layer<RunStore, StoreError>

export const runId = (name: string): RunId => RunId.make(name)

export const newRun = (name: string, fields?: { readonly dag?: string; readonly createdAt?: number }) => ({
  runId: runId(name),
  dag: fields?.dag ?? "checkout",
  fingerprint: "f1",
  total: 3,
  input: `{"cart":"${name}"}`,
  policy: `{"name":"${name}"}`,
  signals: '["ask","orders/:/ask"]',
  owner: "one",
  createdAt: fields?.createdAt ?? 1000
})

const failure: Failure = { kind: "error", message: "no", cause: "Error: no\n  at x", error: { code: 7 } }

export const moduleTransition = (
  seq: number,
  module: string,
  status: ModuleStatus,
  fields?: { readonly attempt?: number; readonly at?: number; readonly failure?: Failure }
): Transition => ({
  _tag: "ModuleTransition",
  seq,
  at: fields?.at ?? 1000 + seq,
  module,
  status,
  attempt: fields?.attempt ?? 1,
  ...(fields?.failure === undefined ? undefined : { failure: fields.failure })
})

export const runTransition = (seq: number, status: RunStatus, epoch = 1): Transition => ({
  _tag: "RunTransition",
  seq,
  at: 1000 + seq,
  status,
  epoch
})

export const moduleChange = (module: string, fields?: Partial<ModuleChange>): ModuleChange => ({
  module,
  status: "running",
  attempt: 1,
  scheduledAt: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  because: null,
  until: null,
  items: null,
  output: null,
  ...fields
})

export const changesOf = (name: string, fields?: Partial<RunChanges>): RunChanges => ({
  runId: runId(name),
  epoch: 1,
  modules: [],
  items: [],
  shared: [],
  transitions: [],
  status: undefined,
  wakeAt: null,
  ...fields
})

const all = { after: 0, limit: Infinity }

const byName = (rows: ReadonlyArray<ModuleRow>) => [...rows].sort((a, b) => (a.module < b.module ? -1 : 1))

/** What a transition says of a module, an item or the run; shared cells have no status. */
const statusOf = (transition: Transition) => (transition._tag === "SharedTransition" ? undefined : transition.status)

/** The row of a module in this state. */
const changeOf = (module: string, state: RunSnapshot.ModuleState): ModuleChange => {
  const { failure, items, ...fields } = state
  return moduleChange(module, {
    ...fields,
    failure: failure === undefined ? null : JSON.stringify(failure),
    items: items?.total ?? null
  })
}

/** One changed module with its transition. */
const step = (name: string, seq: number, module: string, status: ModuleStatus, fields?: Partial<ModuleChange>) =>
  changesOf(name, {
    modules: [moduleChange(module, { status, ...fields })],
    transitions: [moduleTransition(seq, module, status, { attempt: fields?.attempt ?? 1 })]
  })

const names = [
  'it\'s "quoted"; DROP TABLE runs; --',
  "nul\u0000inside",
  "nul\u0000other",
  "ünïcödé 模块 👩‍👩‍👧",
  " leading and trailing ",
  "line\nbreak",
  "%_*?",
  "é",
  "e\u0301",
  "CASE",
  "case",
  "null",
  "1",
  "01",
  "x".repeat(10_000)
]

/** What a driver does of what may follow: attempts count from 1. */
const isDriven = (next: { readonly status: ModuleStatus; readonly attempt: number }) =>
  next.status !== "pending" && (next.attempt > 0 || ["skipped", "cancelled"].includes(next.status))

/** The rows of the modules of a run; none when there is no such run. */
export const modulesOf = (store: typeof RunStore.Service, id: RunId) =>
  Effect.map(
    store.get(id),
    Option.match({ onNone: (): ReadonlyArray<ModuleRow> => [], onSome: ({ modules }) => modules })
  )

/** What every store of runs must do. */
export const contract = (name: string, layer: () => StoreLayer): void => {
  const test = (title: string, effect: Effect.Effect<void, StoreError, RunStore>) =>
    it.effect(title, () => Effect.provide(effect, layer()))

  describe(`${name} keeps the contract of RunStore`, () => {
    describe("open", () => {
      test(
        "creates a run",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.deepStrictEqual(yield* store.open(newRun("a")), { _tag: "Created" })
          assert.deepStrictEqual(Option.getOrThrow(yield* store.run(runId("a"))), {
            ...newRun("a"),
            status: "running",
            epoch: 1,
            heartbeatAt: 1000,
            seq: 0,
            startedAt: 1000,
            finishedAt: null,
            wakeAt: null
          })
        })
      )

      test(
        "gives the run that has the id, and changes nothing of it",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          yield* store.commit([step("a", 1, "m", "running")])
          const before = Option.getOrThrow(yield* store.run(runId("a")))
          const opened = yield* store.open({ ...newRun("a", { dag: "other" }), owner: "two", input: "{}" })
          assert.deepStrictEqual(opened, { _tag: "Exists", run: before })
          assert.deepStrictEqual(Option.getOrThrow(yield* store.run(runId("a"))), before)
        })
      )

      test(
        "creates once when many ask at once",
        Effect.gen(function* () {
          const store = yield* RunStore
          const opened = yield* Effect.forEach(Array.range(1, 20), () => store.open(newRun("a")), {
            concurrency: "unbounded"
          })
          assert.strictEqual(opened.filter(({ _tag }) => _tag === "Created").length, 1)
        })
      )

      test(
        "knows no other run",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.isTrue(Option.isNone(yield* store.run(runId("a"))))
          assert.deepStrictEqual(yield* modulesOf(store, runId("a")), [])
          assert.strictEqual((yield* store.outputs(runId("a"), ["m"])).size, 0)
          assert.deepStrictEqual(yield* store.history(runId("a"), all), [])
        })
      )

      test(
        "keeps large inputs, long ids and fractions of times",
        Effect.gen(function* () {
          const store = yield* RunStore
          const run = {
            ...newRun("🧵".repeat(128)),
            input: JSON.stringify("x".repeat(1_000_000)),
            createdAt: 0.1 + 0.2
          }
          yield* store.open(run)
          const stored = Option.getOrThrow(yield* store.run(run.runId))
          assert.strictEqual(stored.runId, run.runId)
          assert.strictEqual(stored.input, run.input)
          assert.strictEqual(stored.createdAt, run.createdAt)
        })
      )
    })

    describe("claim", () => {
      const request = { runId: runId("a"), owner: "two", now: 5000, reopen: false }

      test(
        "of a run nobody knows",
        Effect.gen(function* () {
          const store = yield* RunStore
          assert.deepStrictEqual(yield* store.claim({ ...request, expiredBefore: Infinity }), { _tag: "Unknown" })
        })
      )

      test(
        "is refused while the heartbeat is not before `expiredBefore`",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const run = Option.getOrThrow(yield* store.run(runId("a")))
          assert.deepStrictEqual(yield* store.claim({ ...request, expiredBefore: 1000 }), { _tag: "Held", run })
          assert.deepStrictEqual(yield* store.claim({ ...request, owner: "one", expiredBefore: 1000 }), {
            _tag: "Held",
            run
          })
          assert.deepStrictEqual(Option.getOrThrow(yield* store.run(runId("a"))), run)
        })
      )

      test(
        "takes an expired run, with the next epoch",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const run = Option.getOrThrow(yield* store.run(runId("a")))
          const claimed = { ...run, owner: "two", epoch: 2, heartbeatAt: 5000 }
          assert.deepStrictEqual(yield* store.claim({ ...request, expiredBefore: 1000.5 }), {
            _tag: "Claimed",
            run: claimed
          })
          assert.deepStrictEqual(Option.getOrThrow(yield* store.run(runId("a"))), claimed)
          assert.deepStrictEqual(yield* store.claim({ ...request, owner: "three", expiredBefore: 5000 }), {
            _tag: "Held",
            run: claimed
          })
        })
      )

      test(
        "takes a run that was let go, whatever the time is",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a", { createdAt: 0 }))
          yield* store.release({ runId: runId("a"), epoch: 2 })
          assert.strictEqual((yield* store.claim({ ...request, now: 0, expiredBefore: -1000 }))._tag, "Held")
          yield* store.release({ runId: runId("a"), epoch: 1 })
          const released = Option.getOrThrow(yield* store.run(runId("a")))
          assert.strictEqual(released.owner, "")
          assert.strictEqual(released.heartbeatAt, 0)
          assert.strictEqual((yield* store.claim({ ...request, now: 0, expiredBefore: -1000 }))._tag, "Claimed")
        })
      )

      test(
        "does not take a finished run",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          yield* store.commit([changesOf("a", { transitions: [runTransition(1, "failed")], status: "failed" })])
          const run = Option.getOrThrow(yield* store.run(runId("a")))
          yield* store.release({ runId: runId("a"), epoch: 1 })
          assert.deepStrictEqual(yield* store.claim({ ...request, expiredBefore: Infinity }), {
            _tag: "Finished",
            run
          })
        })
      )

      test(
        "has one winner when many claim at once",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const claims = yield* Effect.forEach(
            Array.range(1, 20),
            (i) => store.claim({ runId: runId("a"), owner: `o${i}`, now: 9000, expiredBefore: 5000, reopen: false }),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(claims.filter(({ _tag }) => _tag === "Claimed").length, 1)
          assert.strictEqual(claims.filter(({ _tag }) => _tag === "Held").length, 19)
        })
      )
    })

    test(
      "heartbeat confirms runs and gives the lost ones",
      Effect.gen(function* () {
        const store = yield* RunStore
        for (const id of ["held", "taken", "finished", "released"]) yield* store.open(newRun(id))
        yield* store.claim({ runId: runId("taken"), owner: "two", now: 2000, expiredBefore: 2000, reopen: false })
        yield* store.commit([
          changesOf("finished", { transitions: [runTransition(1, "completed")], status: "completed" })
        ])
        yield* store.release({ runId: runId("released"), epoch: 1 })
        assert.deepStrictEqual(yield* store.heartbeat([], 3000), [])
        const lost = yield* store.heartbeat(
          ["held", "taken", "unknown", "finished", "released"].map((id) => ({ runId: runId(id), epoch: 1 })),
          3000
        )
        assert.deepStrictEqual(lost, [runId("taken"), runId("unknown")])
        const heartbeats = yield* Effect.forEach(["held", "taken", "finished", "released"], (id) =>
          Effect.map(store.run(runId(id)), (run) => Option.getOrThrow(run).heartbeatAt)
        )
        assert.deepStrictEqual(heartbeats, [3000, 2000, 1000, 0])
      })
    )

    describe("commit", () => {
      test(
        "writes modules, transitions and the run",
        Effect.gen(function* () {
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
          const refused = yield* store.commit([changesOf("a", { modules: [change], transitions, status: "failed" })])
          assert.deepStrictEqual(refused, [])
          const { output: _, ...row } = change
          assert.deepStrictEqual(yield* modulesOf(store, runId("a")), [row])
          assert.deepStrictEqual(yield* store.history(runId("a"), all), transitions)
          const run = Option.getOrThrow(yield* store.run(runId("a")))
          assert.deepStrictEqual([run.status, run.seq, run.finishedAt], ["failed", 4, 1004])
        })
      )

      test(
        "of nothing does nothing",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          assert.deepStrictEqual(yield* store.commit([]), [])
          assert.deepStrictEqual(yield* store.commit([changesOf("a")]), [])
          assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, 0)
        })
      )

      test(
        "refuses a stale, an unknown and a finished run, and writes the others",
        Effect.gen(function* () {
          const store = yield* RunStore
          for (const id of ["first", "stale", "finished", "last"]) yield* store.open(newRun(id))
          yield* store.claim({ runId: runId("stale"), owner: "two", now: 2000, expiredBefore: 2000, reopen: false })
          yield* store.commit([
            changesOf("finished", { transitions: [runTransition(1, "cancelled")], status: "cancelled" })
          ])
          const batch = ["first", "stale", "unknown", "finished", "last"].map((id) =>
            step(id, id === "finished" ? 2 : 1, "m", "completed", { output: `"${id}"` })
          )
          const refused = yield* store.commit(batch)
          assert.strictEqual(refused.length, 3)
          refused.forEach((changes, i) => assert.strictEqual(changes, batch[i + 1]))
          for (const id of ["first", "last"]) {
            assert.strictEqual((yield* modulesOf(store, runId(id))).length, 1)
            assert.strictEqual((yield* store.history(runId(id), all)).length, 1)
            assert.strictEqual((yield* store.outputs(runId(id), ["m"])).get("m"), `"${id}"`)
          }
          for (const id of ["stale", "unknown", "finished"])
            assert.deepStrictEqual(yield* modulesOf(store, runId(id)), [])
          assert.deepStrictEqual(yield* store.history(runId("finished"), all), [runTransition(1, "cancelled")])
          assert.deepStrictEqual(yield* store.commit([{ ...step("stale", 1, "m", "running"), epoch: 2 }]), [])
        })
      )

      test(
        "counts several changes of one run in their order",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const batch = [
            step("a", 1, "m", "running"),
            { ...step("a", 2, "m", "suspended"), epoch: 9 },
            step("a", 2, "m", "completed"),
            changesOf("a", { transitions: [runTransition(3, "completed")], status: "completed" }),
            step("a", 4, "n", "running")
          ]
          assert.deepStrictEqual(yield* store.commit(batch), [batch[1]!, batch[4]!])
          assert.deepStrictEqual(
            (yield* store.history(runId("a"), all)).map((transition) => [transition.seq, statusOf(transition)]),
            [
              [1, "running"],
              [2, "completed"],
              [3, "completed"]
            ]
          )
          assert.strictEqual((yield* modulesOf(store, runId("a"))).length, 1)
        })
      )

      test(
        "leaves out transitions that the run has, so that a batch can be written again",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const changes = step("a", 1, "m", "completed", { finishedAt: 5, output: "1" })
          yield* store.commit([changes])
          const before = Option.getOrThrow(yield* store.run(runId("a")))
          assert.deepStrictEqual(yield* store.commit([changes]), [])
          assert.deepStrictEqual(Option.getOrThrow(yield* store.run(runId("a"))), before)
          assert.strictEqual((yield* store.history(runId("a"), all)).length, 1)
        })
      )

      test(
        "keeps the times and the failure of the same attempt, and drops those of an earlier one",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const state = Effect.map(modulesOf(store, runId("a")), ([row]) => row)
          const commit = (seq: number, status: ModuleStatus, fields: Partial<ModuleChange>) =>
            Effect.zipRight(store.commit([step("a", seq, "m", status, fields)]), state)
          const expected = (fields: Partial<ModuleChange>) => {
            const { output: _, ...row } = moduleChange("m", fields)
            return row
          }
          assert.deepStrictEqual(
            yield* commit(1, "scheduled", { scheduledAt: 1 }),
            expected({ status: "scheduled", scheduledAt: 1 })
          )
          assert.deepStrictEqual(
            yield* commit(2, "running", { startedAt: 2 }),
            expected({ scheduledAt: 1, startedAt: 2 })
          )
          assert.deepStrictEqual(
            yield* commit(3, "scheduled", { attempt: 2, scheduledAt: 3, failure: '{"a":1}' }),
            expected({ status: "scheduled", attempt: 2, scheduledAt: 3, failure: '{"a":1}' })
          )
          assert.deepStrictEqual(
            yield* commit(4, "completed", { attempt: 2, finishedAt: 5, output: "7" }),
            expected({ status: "completed", attempt: 2, scheduledAt: 3, finishedAt: 5, failure: '{"a":1}' })
          )
        })
      )

      test(
        "lets no status follow that may not follow",
        Effect.gen(function* () {
          const store = yield* RunStore
          const states = ModuleStatus.literals.flatMap((status) => [0, 1, 2].map((attempt) => ({ status, attempt })))
          const cases = states.flatMap((previous) => states.map((next) => ({ previous, next })))
          yield* store.open(newRun("a"))
          const written = (of: "previous" | "next") =>
            changesOf("a", { modules: cases.map((one, i) => moduleChange(`m${i}`, { ...one[of], output: `"${of}"` })) })
          yield* store.commit([written("previous")])
          yield* store.commit([written("next")])
          const rows = new Map((yield* modulesOf(store, runId("a"))).map((row) => [row.module, row]))
          const outputs = yield* store.outputs(
            runId("a"),
            cases.map((_, i) => `m${i}`)
          )
          cases.forEach(({ next, previous }, i) => {
            const of = canFollow(previous, next) ? "next" : "previous"
            const { attempt, status } = rows.get(`m${i}`)!
            assert.deepStrictEqual({ status, attempt }, of === "next" ? next : previous)
            assert.strictEqual(outputs.get(`m${i}`), `"${of}"`)
          })
        })
      )

      test(
        "takes batches of every size",
        Effect.gen(function* () {
          const store = yield* RunStore
          for (const size of [1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 257, 341, 5000]) {
            const id = `s${size}`
            yield* store.open(newRun(id))
            const numbers = Array.range(1, size)
            yield* store.commit([
              changesOf(id, {
                modules: numbers.map((i) => moduleChange(`m${i}`, { status: "completed", output: `${i}` })),
                transitions: numbers.map((i) => moduleTransition(i, `m${i}`, "completed"))
              })
            ])
            assert.strictEqual((yield* modulesOf(store, runId(id))).length, size)
            assert.deepStrictEqual(
              (yield* store.history(runId(id), all)).map(({ seq }) => seq),
              numbers
            )
            assert.strictEqual((yield* store.outputs(runId(id), [`m${size}`])).get(`m${size}`), `${size}`)
          }
          const ids = Array.range(1, 300).map((i) => `r${i}`)
          for (const id of ids) yield* store.open(newRun(id))
          yield* store.commit(ids.map((id) => step(id, 1, "m", "running")))
          for (const id of ids) assert.strictEqual(Option.getOrThrow(yield* store.run(runId(id))).seq, 1)
        })
      )

      test(
        "of many fibers at once loses nothing",
        Effect.gen(function* () {
          const store = yield* RunStore
          const ids = Array.range(1, 10).map((i) => `r${i}`)
          yield* Effect.forEach(
            ids,
            (id) =>
              Effect.gen(function* () {
                yield* store.open(newRun(id))
                for (const seq of Array.range(1, 20)) yield* store.commit([step(id, seq, `m${seq}`, "completed")])
              }),
            { concurrency: "unbounded" }
          )
          for (const id of ids) {
            assert.strictEqual((yield* store.history(runId(id), all)).length, 20)
            assert.strictEqual((yield* modulesOf(store, runId(id))).length, 20)
          }
        })
      )
    })

    describe("outputs", () => {
      test(
        "of those of the named modules that have one",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          yield* store.open(newRun("b"))
          yield* store.commit([
            changesOf("a", {
              modules: [
                moduleChange("none", { status: "completed" }),
                moduleChange("empty", { status: "completed", output: '""' }),
                moduleChange("null", { status: "completed", output: "null" }),
                moduleChange("other", { status: "completed", output: "1" })
              ]
            }),
            changesOf("b", { modules: [moduleChange("foreign", { status: "completed", output: "1" })] })
          ])
          const outputs = yield* store.outputs(runId("a"), ["none", "empty", "null", "null", "missing", "foreign"])
          assert.deepStrictEqual(
            new Map(outputs),
            new Map([
              ["empty", '""'],
              ["null", "null"]
            ])
          )
          assert.strictEqual((yield* store.outputs(runId("a"), [])).size, 0)
        })
      )

      test(
        "of more modules than a statement has parameters",
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          const modules = Array.range(1, 41_000).map((i) => `m${i}`)
          yield* store.commit([
            changesOf("a", {
              modules: modules.map((module) => moduleChange(module, { status: "completed", output: `"${module}"` }))
            })
          ])
          const outputs = yield* store.outputs(runId("a"), modules)
          assert.strictEqual(outputs.size, modules.length)
          for (const module of modules) assert.strictEqual(outputs.get(module), `"${module}"`)
        })
      )
    })

    test(
      "any text may name a module or stand in it",
      Effect.gen(function* () {
        const store = yield* RunStore
        yield* store.open(newRun("a"))
        const transitions = names.map((module, i) =>
          moduleTransition(i + 1, module, "failed", { failure: { kind: "defect", message: module, cause: module } })
        )
        yield* store.commit([
          changesOf("a", {
            modules: names.map((module) =>
              moduleChange(module, { status: "failed", failure: JSON.stringify(module), output: module })
            ),
            transitions
          })
        ])
        const rows = yield* modulesOf(store, runId("a"))
        assert.sameMembers(
          rows.map(({ module }) => module),
          names
        )
        for (const row of rows) assert.strictEqual(row.failure, JSON.stringify(row.module))
        const outputs = yield* store.outputs(runId("a"), names)
        for (const module of names) assert.strictEqual(outputs.get(module), module)
        assert.deepStrictEqual(yield* store.history(runId("a"), all), transitions)
      })
    )

    test(
      "history is paged by number",
      Effect.gen(function* () {
        const store = yield* RunStore
        yield* store.open(newRun("a"))
        const transitions = Array.range(1, 25).map((i) =>
          i % 5 === 0 ? runTransition(i, "running", i) : moduleTransition(i, `m${i}`, "running")
        )
        yield* store.commit([changesOf("a", { transitions })])
        const pages: Array<Transition> = []
        for (let after = 0; ;) {
          const page = yield* store.history(runId("a"), { after, limit: 10 })
          assert.isAtMost(page.length, 10)
          pages.push(...page)
          if (page.length === 0) break
          after = page[page.length - 1]!.seq
        }
        assert.deepStrictEqual(pages, transitions)
        assert.deepStrictEqual(yield* store.history(runId("a"), { after: 24, limit: 10 }), [transitions[24]!])
        assert.deepStrictEqual(yield* store.history(runId("a"), { after: 25, limit: 10 }), [])
        assert.deepStrictEqual(yield* store.history(runId("a"), { after: 0, limit: 0 }), [])
        assert.deepStrictEqual(yield* store.history(runId("a"), { after: 0, limit: -1 }), [])
      })
    )

    test(
      "list filters, pages and breaks ties by id",
      Effect.gen(function* () {
        const store = yield* RunStore
        // ascending in code points: "\uffee" is before "😀", whose code units are lower
        const ids = ["A", "a", "a1", "b", "é", "\uffee", "😀"]
        for (const [i, id] of ids.entries()) {
          yield* store.open(newRun(id, { createdAt: 2000, dag: i % 2 === 0 ? "even" : "odd" }))
        }
        yield* store.open(newRun("old", { createdAt: 1000, dag: "even" }))
        yield* store.open(newRun("new", { createdAt: 3000.5, dag: "odd" }))
        yield* store.commit(
          ["a", "old"].map((id) => changesOf(id, { transitions: [runTransition(1, "failed")], status: "failed" }))
        )
        const expected = ["new", ...[...ids].reverse(), "old"]
        const listed = (filter: Parameters<typeof store.list>[0]) =>
          Effect.map(store.list(filter), (rows) => rows.map((row): string => row.runId))
        assert.deepStrictEqual(yield* listed({ limit: Infinity }), expected)
        assert.deepStrictEqual(yield* listed({ limit: 0 }), [])
        assert.deepStrictEqual(yield* listed({ limit: 3 }), expected.slice(0, 3))
        assert.deepStrictEqual(yield* listed({ limit: 9, status: "failed" }), ["old", "a"].reverse())
        assert.deepStrictEqual(yield* listed({ limit: 9, dag: "even" }), ["😀", "é", "a1", "A", "old"])
        assert.deepStrictEqual(yield* listed({ limit: 9, dag: "even", status: "running" }), ["😀", "é", "a1", "A"])
        assert.deepStrictEqual(yield* listed({ limit: 9, dag: "none" }), [])
        for (const filter of [{}, { dag: "odd" }, { status: "running" as const }]) {
          const whole = yield* store.list({ ...filter, limit: 99 })
          const pages: typeof whole = yield* Effect.iterate(
            { pages: [] as typeof whole, more: true },
            {
              while: ({ more }) => more,
              body: ({ pages }) =>
                Effect.map(store.list({ ...filter, limit: 2, before: pages[pages.length - 1] }), (page) => ({
                  pages: [...pages, ...page],
                  more: page.length > 0
                }))
            }
          ).pipe(Effect.map(({ pages }) => pages))
          assert.deepStrictEqual(pages, whole)
        }
        const [row] = yield* store.list({ limit: 1, status: "failed" })
        assert.deepStrictEqual(row, Option.getOrThrow(yield* store.run(runId("a"))))
      })
    )

    it.effect.prop(
      "the rows are the fold of the transitions, and their numbers have no gaps",
      { batches: FastCheck.array(FastCheck.array(FastCheck.nat(1_000_000), { maxLength: 8 }), { maxLength: 12 }) },
      ({ batches }) =>
        Effect.gen(function* () {
          const store = yield* RunStore
          yield* store.open(newRun("a"))
          let live = RunSnapshot.make({ ...newRun("a"), startedAt: 1000 })
          for (const batch of batches) {
            let folded = HashMap.empty<string, RunSnapshot.ModuleState>()
            const transitions: Array<Transition> = []
            for (const choice of batch) {
              const module = `m${choice % 3}`
              const state = RunSnapshot.module(live, module)
              const following = ModuleStatus.literals
                .flatMap((status) => [state.attempt, state.attempt + 1].map((attempt) => ({ status, attempt })))
                .filter((next) => canFollow(state, next) && isDriven(next))
              const next = following[Math.floor(choice / 3) % following.length]
              if (next === undefined) continue
              const transition = moduleTransition(live.seq + 1, module, next.status, {
                attempt: next.attempt,
                ...(choice % 7 === 0 ? { failure } : undefined)
              })
              transitions.push(transition)
              live = RunSnapshot.evolve(live, transition)
              const previous = Option.getOrElse(HashMap.get(folded, module), () => ({
                status: "pending" as const,
                attempt: 0
              }))
              if (transition._tag === "ModuleTransition") {
                folded = HashMap.set(folded, module, RunSnapshot.evolveModule(previous, transition))
              }
            }
            yield* store.commit([
              changesOf("a", {
                transitions,
                modules: HashMap.toEntries(folded).map(([module, state]) => changeOf(module, state))
              })
            ])
          }
          const history = yield* store.history(runId("a"), all)
          assert.deepStrictEqual(
            history.map(({ seq }) => seq),
            live.seq === 0 ? [] : Array.range(1, live.seq)
          )
          const folded = history.reduce(RunSnapshot.evolve, RunSnapshot.make({ ...newRun("a"), startedAt: 1000 }))
          assert.deepStrictEqual(
            byName(yield* modulesOf(store, runId("a"))),
            byName(
              HashMap.toEntries(folded.modules).map(([module, state]) => {
                const { output: _, ...row } = changeOf(module, state)
                return row
              })
            )
          )
          assert.strictEqual(Option.getOrThrow(yield* store.run(runId("a"))).seq, live.seq)
        }).pipe(Effect.provide(layer())),
      { fastCheck: { numRuns } }
    )
  })
}

const { array, boolean, constant, constantFrom, integer, jsonValue, nat, oneof, option, record, string } = FastCheck

const anyRun = constantFrom("a", "b", "😀", "\uffee").map(runId)
const anyEpoch = constantFrom(1, 1, 1, 2, 3)
const anyTime = oneof(nat(20), FastCheck.double({ min: 0, max: 20, noNaN: true }))
const anyRunStatus = constantFrom<RunStatus>(
  ...([
    "running",
    "running",
    "suspended",
    "suspended",
    "completed",
    "failed",
    "cancelled",
    "timedOut",
    "stopped"
  ] as const)
)
const modules = ["m", "n", "o'p", "orders/0/ask"]
const anyModule = constantFrom(...modules)
const anySignal = constantFrom(...modules, "orders/x/ask", "orders/:/ask")
const maybeTime = option(anyTime)
const anySeq = integer({ min: 1, max: 12 })
const anyFailure = constantFrom(undefined, failure)
const anyShared = FastCheck.dictionary(constantFrom("x", "y", "o/x"), jsonValue({ maxDepth: 1 }), { maxKeys: 2 })

/** Without the fields that are undefined: they are optional. */
const defined = <A extends object>(value: A): A =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as A

const anyTransition: FastCheck.Arbitrary<Transition> = oneof(
  record({
    _tag: constant("ModuleTransition" as const),
    seq: anySeq,
    at: anyTime,
    module: anyModule,
    status: constantFrom(...ModuleStatus.literals),
    attempt: nat(2),
    failure: anyFailure,
    because: option(constantFrom("failure" as const, "stop" as const), { nil: undefined }),
    until: option(anyTime, { nil: undefined }),
    items: option(nat(5), { nil: undefined }),
    shared: option(anyShared, { nil: undefined })
  }),
  record({
    _tag: constant("ItemTransition" as const),
    seq: anySeq,
    at: anyTime,
    module: anyModule,
    index: nat(3),
    status: constantFrom("completed" as const, "failed" as const),
    failure: anyFailure,
    shared: option(anyShared, { nil: undefined })
  }),
  record({ _tag: constant("SharedTransition" as const), seq: anySeq, at: anyTime, shared: anyShared }),
  record({
    _tag: constant("RunTransition" as const),
    seq: anySeq,
    at: anyTime,
    status: anyRunStatus,
    epoch: anyEpoch,
    until: option(anyTime, { nil: undefined })
  })
).map(defined)

const anyRows = {
  modules: array(
    record({
      module: anyModule,
      status: constantFrom(...ModuleStatus.literals),
      attempt: nat(2),
      scheduledAt: maybeTime,
      startedAt: maybeTime,
      finishedAt: maybeTime,
      failure: option(string()),
      because: option(constantFrom("failure" as const, "stop" as const)),
      until: maybeTime,
      items: option(nat(5)),
      output: option(string())
    }),
    { maxLength: 4 }
  ),
  items: array(
    record({
      module: anyModule,
      index: nat(3),
      seq: anySeq,
      status: constantFrom("completed" as const, "failed" as const),
      output: option(string()),
      failure: option(string())
    }),
    { maxLength: 4 }
  ),
  transitions: array(anyTransition, { maxLength: 5 })
}

const anyChanges = record({
  runId: anyRun,
  epoch: anyEpoch,
  ...anyRows,
  shared: array(record({ cell: constantFrom("x", "y"), value: string() }), { maxLength: 2 }),
  status: option(anyRunStatus, { nil: undefined, freq: 2 }),
  wakeAt: maybeTime
})

const anyOperation = oneof(
  {
    weight: 3,
    arbitrary: record({
      _tag: constant("open" as const),
      runId: anyRun,
      dag: anyModule,
      createdAt: nat(3),
      seed: option(record(anyRows), { nil: undefined })
    })
  },
  {
    weight: 2,
    arbitrary: record({
      _tag: constant("claim" as const),
      runId: anyRun,
      now: anyTime,
      expiredBefore: anyTime,
      reopen: boolean()
    })
  },
  {
    weight: 1,
    arbitrary: record({
      _tag: constant("heartbeat" as const),
      runs: array(record({ runId: anyRun, epoch: anyEpoch }), { maxLength: 3 }),
      now: anyTime
    })
  },
  { weight: 1, arbitrary: record({ _tag: constant("release" as const), runId: anyRun, epoch: anyEpoch }) },
  {
    weight: 8,
    arbitrary: record({ _tag: constant("commit" as const), batch: array(anyChanges, { maxLength: 4 }) })
  },
  {
    weight: 3,
    arbitrary: record({
      _tag: constant("signal" as const),
      runId: anyRun,
      module: anySignal,
      closed: boolean(),
      value: option(string())
    })
  },
  {
    weight: 2,
    arbitrary: record({
      _tag: constant("due" as const),
      fingerprints: FastCheck.subarray(["f1", "f1", "f2"]),
      now: anyTime,
      expiredBefore: anyTime,
      limit: nat(3)
    })
  },
  {
    weight: 2,
    arbitrary: record({
      _tag: constant("list" as const),
      status: option(anyRunStatus, { nil: undefined }),
      dag: option(anyModule, { nil: undefined }),
      limit: nat(4),
      before: option(record({ createdAt: nat(3), runId: anyRun }), { nil: undefined })
    })
  },
  {
    weight: 2,
    arbitrary: record({ _tag: constant("history" as const), runId: anyRun, after: nat(12), limit: nat(5) })
  }
)

type Operation = typeof anyOperation extends FastCheck.Arbitrary<infer A> ? A : never

const perform = (store: RunStore["Type"], operation: Operation): Effect.Effect<unknown, StoreError> => {
  switch (operation._tag) {
    case "open":
      return store.open({ ...newRun(operation.runId), signals: JSON.stringify(["m", "orders/:/ask"]), ...operation })
    case "claim":
      return store.claim({ ...operation, owner: "two" })
    case "heartbeat":
      return store.heartbeat(operation.runs, operation.now)
    case "release":
      return store.release(operation)
    case "commit":
      return store.commit(operation.batch)
    case "signal": {
      const { _tag, ...signal } = operation
      return store.signal(signal)
    }
    case "due":
      return store.due(operation)
    case "list":
      return store.list(operation)
    case "history":
      return store.history(operation.runId, operation)
  }
}

const sorted = <A>(rows: ReadonlyArray<A>, key: (row: A) => string) =>
  [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1))

const contents = (store: RunStore["Type"]) =>
  Effect.flatMap(store.list({ limit: 99 }), (runs) =>
    Effect.forEach(runs, (run) =>
      Effect.gen(function* () {
        const stored = Option.getOrThrow(yield* store.get(run.runId))
        assert.deepStrictEqual(stored.run, run)
        return {
          run,
          modules: byName(stored.modules),
          counts: sorted(stored.items, ({ module, status }) => `${status} ${module}`),
          shared: sorted(stored.shared, ({ cell }) => cell),
          items: sorted(yield* store.items(run.runId, modules), ({ index, module }) => `${index} ${module}`),
          signals: sorted(yield* store.signals([run.runId]), ({ module }) => module),
          outputs: new Map([...(yield* store.outputs(run.runId, modules))].sort()),
          history: yield* store.history(run.runId, all)
        }
      })
    )
  )

/** Whatever is asked of the two stores, in whatever order, they give the same answers. */
export const sameAnswers = (name: string, left: () => StoreLayer, right: () => StoreLayer): void => {
  it.effect.prop(
    name,
    { operations: array(anyOperation, { maxLength: 40 }) },
    ({ operations }) =>
      Effect.gen(function* () {
        const [a, b] = yield* Effect.all([
          Effect.map(Layer.build(left()), Context.get(RunStore)),
          Effect.map(Layer.build(right()), Context.get(RunStore))
        ])
        for (const operation of operations) {
          assert.deepStrictEqual(yield* perform(b, operation), yield* perform(a, operation))
          assert.deepStrictEqual(yield* contents(b), yield* contents(a))
        }
      }).pipe(Effect.scoped),
    { fastCheck: { numRuns } }
  )
}
