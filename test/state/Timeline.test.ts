import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, HashMap, Layer, Option } from "effect"
import { RunId, RunSnapshot, RunStore, StateWriter, Timeline } from "heddle"
import type { Transition } from "heddle"
import * as ControlledStore from "./ControlledStore.js"

const layer = Layer.merge(Timeline.layer, StateWriter.layer()).pipe(Layer.provideMerge(ControlledStore.layer))

const failure: Transition.Failure = { kind: "error", message: "no", cause: "Error: no\n  at x", error: { code: 7 } }

const openRun = (name: string, fields: { readonly dag?: string; readonly createdAt?: number } = {}) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    const run = { ...ControlledStore.newRun(name), owner: "me", createdAt: 5, ...fields }
    yield* store.open(run)
    return run.runId
  })

type Numbered = "_tag" | "seq"
type Change =
  | Omit<Transition.ModuleTransition, Numbered>
  | Omit<Transition.ItemTransition, Numbered>
  | Omit<Transition.SharedTransition, Numbered>
  | Omit<Transition.RunTransition, Numbered>

const numbered = (change: Change, seq: number): Transition.Transition => {
  if ("index" in change) return { _tag: "ItemTransition", seq, ...change }
  if ("module" in change) return { _tag: "ModuleTransition", seq, ...change }
  if ("shared" in change) return { _tag: "SharedTransition", seq, ...change }
  return { _tag: "RunTransition", seq, ...change }
}

/** Writes what a run did, numbered from 1. */
const write = (runId: RunId, changes: ReadonlyArray<Change & { readonly output?: string }>) =>
  Effect.gen(function* () {
    const writer = yield* StateWriter.StateWriter
    const claim = { runId, epoch: 1 }
    const transitions = changes.map(({ output: _, ...change }, i) => numbered(change, i + 1))
    for (const [i, transition] of transitions.entries()) {
      yield* writer.update({ claim, transition, output: changes[i]!.output ?? null, durability: "buffered" })
    }
    yield* writer.flush
    return transitions
  })

const finish = (name: string, status: Transition.RunStatus) =>
  Effect.flatMap(openRun(name), (runId) => write(runId, [{ at: 9, status, epoch: 1 }]))

const modulesOf = (snapshot: RunSnapshot.RunSnapshot) => Object.fromEntries(HashMap.toEntries(snapshot.modules))

const plain = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: modulesOf(snapshot),
  shared: Object.fromEntries(HashMap.toEntries(snapshot.shared))
})

describe("Timeline", () => {
  describe("get", () => {
    it.effect("gives a run with its modules, inputs and policy", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const runId = yield* openRun("a")
        const transitions = yield* write(runId, [
          { at: 0, status: "running", epoch: 1 },
          { at: 0, module: "one", status: "scheduled", attempt: 1 },
          { at: 1, module: "one", status: "running", attempt: 1 },
          { at: 2, module: "two", status: "running", attempt: 1 },
          { at: 3, module: "one", status: "completed", attempt: 1, output: "1" },
          { at: 4, module: "two", status: "running", attempt: 2 },
          { at: 5, module: "two", status: "failed", attempt: 2, failure },
          { at: 6, module: "three", status: "skipped", attempt: 0 },
          { at: 7, status: "failed", epoch: 1 }
        ])
        const run = Option.getOrThrow(yield* timeline.get(runId))
        assert.strictEqual(run.input, "{}")
        assert.deepStrictEqual(run.policy, { concurrency: "unbounded", onFailure: "failFast", durability: "committed" })
        const { modules, shared, ...snapshot } = run.snapshot
        assert.strictEqual(HashMap.size(shared), 0)
        assert.strictEqual(HashMap.size(modules), 3)
        assert.deepStrictEqual(snapshot, {
          _tag: "RunSnapshot",
          runId,
          dag: "d",
          fingerprint: "f",
          status: "failed",
          epoch: 1,
          seq: 9,
          total: 10,
          startedAt: 5,
          finishedAt: 7
        })
        assert.deepStrictEqual(modulesOf(run.snapshot), {
          one: { status: "completed", attempt: 1, scheduledAt: 0, startedAt: 1, finishedAt: 3 },
          two: { status: "failed", attempt: 2, startedAt: 4, finishedAt: 5, failure },
          three: { status: "skipped", attempt: 0, finishedAt: 6 }
        })
        const empty = RunSnapshot.make({ runId, dag: "d", fingerprint: "f", total: 10, startedAt: 5 })
        const folded = transitions.reduce(RunSnapshot.evolve, empty)
        assert.deepStrictEqual(plain(folded), plain(run.snapshot))
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives shared cells, the items of maps, and until when a run and its modules wait", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const runId = yield* openRun("a")
        const transitions = yield* write(runId, [
          { at: 1, module: "m", status: "running", attempt: 1, items: 4 },
          { at: 2, module: "empty", status: "running", attempt: 1, items: 0 },
          { at: 2, module: "plain", status: "completed", attempt: 1, shared: { "stats/list": [1], "stats/n": null } },
          { at: 3, module: "m", index: 0, status: "completed", output: "1", shared: { "stats/n": 1 } },
          { at: 4, module: "m", index: 1, status: "failed", failure },
          { at: 5, module: "m", index: 3, status: "completed", output: "3" },
          { at: 6, module: "ask", status: "suspended", attempt: 1, until: 70 },
          { at: 7, shared: { "stats/n": { a: 2 } } },
          { at: 8, status: "suspended", epoch: 1, until: 70 }
        ])
        const { snapshot } = Option.getOrThrow(yield* timeline.get(runId))
        assert.deepStrictEqual(plain(snapshot), {
          _tag: "RunSnapshot",
          runId,
          dag: "d",
          fingerprint: "f",
          status: "suspended",
          epoch: 1,
          seq: 9,
          total: 10,
          startedAt: 5,
          until: 70,
          modules: {
            m: { status: "running", attempt: 1, startedAt: 1, items: { total: 4, completed: 2, failed: 1 } },
            empty: { status: "running", attempt: 1, startedAt: 2, items: { total: 0, completed: 0, failed: 0 } },
            plain: { status: "completed", attempt: 1, finishedAt: 2 },
            ask: { status: "suspended", attempt: 1, until: 70 }
          },
          shared: { "stats/list": [1], "stats/n": { a: 2 } }
        })
        const empty = RunSnapshot.make({ runId, dag: "d", fingerprint: "f", total: 10, startedAt: 5 })
        assert.deepStrictEqual(plain(transitions.reduce(RunSnapshot.evolve, empty)), plain(snapshot))
        assert.deepStrictEqual(yield* timeline.history(runId), transitions)
        const text = JSON.stringify(failure)
        assert.sameDeepMembers(
          [...(yield* timeline.items(runId, ["m", "plain"]))],
          [
            { module: "m", index: 0, seq: 4, status: "completed", output: "1", failure: null },
            { module: "m", index: 1, seq: 5, status: "failed", output: null, failure: text },
            { module: "m", index: 3, seq: 6, status: "completed", output: "3", failure: null }
          ]
        )
        const [summary] = yield* timeline.list({ status: "suspended" })
        assert.deepStrictEqual(summary?.wakeAt, Option.some(70))
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives no until of a run that only a signal wakes, or that runs again", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const until = (runId: RunId) =>
          Effect.map(timeline.get(runId), (run) => "until" in Option.getOrThrow(run).snapshot)
        const a = yield* openRun("a")
        yield* write(a, [{ at: 8, status: "suspended", epoch: 1 }])
        assert.isFalse(yield* until(a))
        const b = yield* openRun("b")
        yield* write(b, [
          { at: 8, status: "suspended", epoch: 1, until: 70 },
          { at: 9, status: "running", epoch: 1 }
        ])
        assert.isFalse(yield* until(b))
      }).pipe(Effect.provide(layer))
    )

    it.effect("of a run that was resumed after its end: since when, and who drives it", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const store = yield* RunStore.RunStore
        const runId = yield* openRun("a")
        yield* write(runId, [
          { at: 6, module: "m", status: "failed", attempt: 3, failure },
          { at: 7, status: "failed", epoch: 1 }
        ])
        yield* store.claim({ runId, owner: "two", now: 50, expiredBefore: 0, reopen: true })
        const { snapshot } = Option.getOrThrow(yield* timeline.get(runId))
        assert.deepStrictEqual([snapshot.status, snapshot.epoch, snapshot.startedAt], ["running", 2, 50])
        assert.isFalse("finishedAt" in snapshot)
        assert.deepStrictEqual(modulesOf(snapshot), { m: { status: "pending", attempt: 3 } })
        const [driven] = yield* timeline.list()
        assert.deepStrictEqual([driven?.startedAt, driven?.owner, driven?.heartbeatAt], [50, "two", 50])
        yield* store.release({ runId, epoch: 2 })
        const [free] = yield* timeline.list()
        assert.deepStrictEqual([free?.owner, free?.heartbeatAt], ["", 0])
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives a run that has done nothing yet, and none that does not exist", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const runId = yield* openRun("a")
        const { snapshot } = Option.getOrThrow(yield* timeline.get(runId))
        assert.strictEqual(snapshot.status, "running")
        assert.deepStrictEqual([snapshot.seq, HashMap.size(snapshot.modules)], [0, 0])
        assert.isFalse("finishedAt" in snapshot)
        assert.isTrue(Option.isNone(yield* timeline.get(RunId.make("other"))))
      }).pipe(Effect.provide(layer))
    )

    it.effect("gives acknowledged state, and nothing that is still queued", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const writer = yield* StateWriter.StateWriter
        const runId = yield* openRun("a")
        const transition = {
          _tag: "ModuleTransition",
          seq: 1,
          at: 0,
          module: "m",
          status: "running",
          attempt: 1
        } as const
        yield* writer.update({ claim: { runId, epoch: 1 }, transition, output: null, durability: "buffered" })
        const statusNow = Effect.map(
          timeline.get(runId),
          (run) => RunSnapshot.module(Option.getOrThrow(run).snapshot, "m").status
        )
        assert.strictEqual(yield* statusNow, "pending")
        yield* writer.flush
        assert.strictEqual(yield* statusNow, "running")
      }).pipe(Effect.provide(layer))
    )

    const unreadable: Record<string, readonly [change: "failure" | "policy" | "shared", text: string, what: string]> = {
      "a failure that is not JSON": ["failure", "{", 'failure of module "m"'],
      "a failure that is another value": ["failure", '{"kind":"cosmic"}', 'failure of module "m"'],
      "a shared cell that is not JSON": ["shared", "{", 'value of the shared cell "c"'],
      "a policy that is not JSON": ["policy", "", "policy"],
      "a policy that is another value": ["policy", "{}", "policy"]
    }
    for (const [title, [change, text, what]] of Object.entries(unreadable)) {
      it.effect(`of a run with ${title} fails, and names the run and what cannot be read`, () =>
        Effect.gen(function* () {
          const control = yield* ControlledStore.ControlledStore
          const store = yield* RunStore.RunStore
          const timeline = yield* Timeline.Timeline
          const runId = yield* openRun("a")
          yield* write(runId, [{ at: 1, module: "m", status: "failed", attempt: 1, failure }])
          const stored = Option.getOrThrow(yield* store.get(runId))
          control.get = () =>
            Effect.succeedSome(
              change === "policy"
                ? { ...stored, run: { ...stored.run, policy: text } }
                : change === "shared"
                  ? { ...stored, shared: [{ cell: "c", value: text }] }
                  : { ...stored, modules: stored.modules.map((row) => ({ ...row, failure: text })) }
            )
          const error = yield* Effect.flip(timeline.get(runId))
          assert.deepStrictEqual([error._tag, error.reason, error.operation], ["StoreError", "corrupt", "get"])
          assert.include(error.location, 'run "a"')
          assert.include(error.message, `the stored ${what} of run "a" cannot be read: `)
          assert.isDefined(error.cause)
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("fails as the store does", () =>
      Effect.gen(function* () {
        const control = yield* ControlledStore.ControlledStore
        const error = ControlledStore.broken("closed")
        control.get = () => Effect.fail(error)
        assert.strictEqual(yield* Effect.flip((yield* Timeline.Timeline).get(RunId.make("a"))), error)
      }).pipe(Effect.provide(layer))
    )
  })

  describe("list", () => {
    it.effect("gives runs, newest first, of one status or of one Dag", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        yield* openRun("b", { createdAt: 1 })
        yield* openRun("c", { createdAt: 2, dag: "e" })
        yield* finish("a", "completed")
        const list = (filter?: Timeline.RunFilter) =>
          Effect.map(timeline.list(filter), (runs) => runs.map(({ runId }): string => runId))
        assert.deepStrictEqual(yield* list(), ["a", "c", "b"])
        assert.deepStrictEqual(yield* list({ status: "running" }), ["c", "b"])
        assert.deepStrictEqual(yield* list({ status: "completed" }), ["a"])
        assert.deepStrictEqual(yield* list({ status: "cancelled" }), [])
        assert.deepStrictEqual(yield* list({ dag: "d" }), ["a", "b"])
        assert.deepStrictEqual(yield* list({ dag: "d", status: "running" }), ["b"])
        assert.deepStrictEqual(yield* list({ limit: 2 }), ["a", "c"])
        const [first, second] = yield* timeline.list()
        const summary = {
          dag: "d",
          fingerprint: "f",
          total: 10,
          owner: "me",
          wakeAt: Option.none(),
          recoveries: 0,
          quarantined: false
        }
        assert.deepStrictEqual(first, {
          ...summary,
          runId: RunId.make("a"),
          status: "completed",
          createdAt: 5,
          startedAt: 5,
          finishedAt: Option.some(9),
          heartbeatAt: 5
        })
        assert.deepStrictEqual(second, {
          ...summary,
          dag: "e",
          runId: RunId.make("c"),
          status: "running",
          createdAt: 2,
          startedAt: 2,
          finishedAt: Option.none(),
          heartbeatAt: 2
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("goes on after the last run of a page, 100 runs in each", () =>
      Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const names = Array.makeBy(250, (i) => `r${String(i).padStart(3, "0")}`)
        for (const [i, name] of names.entries()) yield* openRun(name, { createdAt: i % 10 })
        const listed: Array<string> = []
        const sizes: Array<number> = []
        for (let page = yield* timeline.list(); ; page = yield* timeline.list({ before: page.at(-1)! })) {
          sizes.push(page.length)
          if (page.length === 0) break
          listed.push(...page.map(({ runId }) => runId))
        }
        assert.deepStrictEqual(sizes, [100, 100, 50, 0])
        assert.sameMembers(listed, names)
        assert.strictEqual(new Set(listed).size, names.length)
      }).pipe(Effect.provide(layer))
    )
  })

  it.effect("outputs gives the texts of the named modules that have one", () =>
    Effect.gen(function* () {
      const timeline = yield* Timeline.Timeline
      const runId = yield* openRun("a")
      yield* write(runId, [
        { at: 1, module: "one", status: "completed", attempt: 1, output: '{"n":1}' },
        { at: 2, module: "two", status: "completed", attempt: 1 },
        { at: 3, module: "three", status: "completed", attempt: 1, output: "null" },
        { at: 4, module: "four", status: "completed", attempt: 1, output: "4" }
      ])
      const outputs = yield* timeline.outputs(runId, ["one", "two", "three", "other"])
      assert.deepStrictEqual(Object.fromEntries(outputs), { one: '{"n":1}', three: "null" })
      assert.strictEqual((yield* timeline.outputs(runId, [])).size, 0)
      assert.strictEqual((yield* timeline.outputs(RunId.make("other"), ["one"])).size, 0)
    }).pipe(Effect.provide(layer))
  )

  it.effect("history gives the transitions of a run in order, 1,000 of them unless told otherwise", () =>
    Effect.gen(function* () {
      const timeline = yield* Timeline.Timeline
      const runId = yield* openRun("a")
      const transitions = yield* write(
        runId,
        Array.makeBy(1500, (i) => ({
          at: i,
          module: `m${i}`,
          attempt: 1,
          ...(i % 7 === 0 ? ({ status: "failed", failure } as const) : ({ status: "running" } as const))
        }))
      )
      assert.deepStrictEqual(yield* timeline.history(runId), transitions.slice(0, 1000))
      assert.deepStrictEqual(yield* timeline.history(runId, { after: 1000 }), transitions.slice(1000))
      assert.deepStrictEqual(yield* timeline.history(runId, { after: 3, limit: 2 }), transitions.slice(3, 5))
      assert.deepStrictEqual(yield* timeline.history(runId, { after: 1500 }), [])
      assert.deepStrictEqual(yield* timeline.history(RunId.make("other")), [])
    }).pipe(Effect.provide(layer))
  )
})
