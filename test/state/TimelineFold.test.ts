import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, FastCheck as fc, HashMap, Layer, Option, TestClock } from "effect"
import { ModuleStatus, RunLease, RunSnapshot, RunStore, StateWriter, Timeline } from "heddle"
import type { Transition } from "heddle"
import type { StoreError } from "heddle/model/StoreError"
import * as Signals from "heddle/state/Signals"
import type { Claim } from "heddle/state/Update"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { numRuns } from "../numRuns.js"
import * as ControlledStore from "./ControlledStore.js"

const modules = ["ask", "orders", "orders/1/ask", "n"]
const failure: Transition.Failure = { kind: "error", message: "no", cause: "no", error: { code: 7 } }

const anyShared = fc.option(fc.dictionary(fc.constantFrom("x", "o/x"), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 }), {
  nil: undefined,
  freq: 1
})
const anyUntil = fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined })

const anyStep = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      _tag: fc.constant("Module" as const),
      module: fc.constantFrom(...modules),
      choice: fc.nat(99),
      fails: fc.boolean(),
      items: fc.option(fc.nat(5), { nil: undefined }),
      until: anyUntil,
      shared: anyShared
    })
  },
  {
    weight: 8,
    arbitrary: fc.record({
      _tag: fc.constant("Item" as const),
      module: fc.constantFrom(...modules),
      index: fc.nat(4),
      fails: fc.boolean(),
      shared: anyShared
    })
  },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Shared" as const), shared: anyShared }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Suspend" as const), until: anyUntil }) },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("End" as const),
      status: fc.constantFrom("failed" as const, "cancelled" as const, "timedOut" as const)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Signal" as const),
      module: fc.constantFrom("ask", "orders/1/ask"),
      closed: fc.boolean()
    })
  },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Flush" as const) }) },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Keep" as const) }) }
)

type Step = typeof anyStep extends fc.Arbitrary<infer A> ? A : never

/** What may be written of a module next: attempts count from 1. */
const following = (state: RunSnapshot.ModuleState) =>
  ModuleStatus.ModuleStatus.literals
    .flatMap((status) => [state.attempt, state.attempt + 1].map((attempt) => ({ status, attempt })))
    .filter(
      (next) =>
        ModuleStatus.canFollow(state, next) &&
        next.status !== "pending" &&
        (next.attempt > 0 || next.status === "skipped" || next.status === "cancelled")
    )

const plain = ({ modules, shared, ...snapshot }: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(HashMap.toEntries(modules)),
  shared: Object.fromEntries(HashMap.toEntries(shared))
})

/** As a driver does it: everything through the services, each transition folded into the live snapshot as well. */
const drive = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline.Timeline
    const writer = yield* StateWriter.StateWriter
    const lease = yield* RunLease.RunLease
    const signals = yield* Signals.Signals
    const run = ControlledStore.newRun("a")
    const { dag, fingerprint, runId, total } = run

    const opened = yield* lease.open(run)
    assert(opened._tag === "Created")
    let claim: Claim = opened.held.claim
    const empty = RunSnapshot.make({ runId, dag, fingerprint, total, startedAt: opened.held.run.startedAt })
    let live = empty
    let at = 0
    const settled = new Set<string>()
    const ended = new Map<string, boolean>()

    /** Every state that the run has had, by number, and when. */
    const states = [{ at: 0, snapshot: empty }]
    const put = (transition: Transition.Transition) => {
      live = RunSnapshot.evolve(live, transition)
      states.push({ at: transition.at, snapshot: live })
      return writer.update({ claim, transition, output: null, durability: "buffered" })
    }
    const next = () => ({ seq: live.seq + 1, at: ++at })

    const check = Effect.gen(function* () {
      yield* writer.flush
      const { until, ...stored } = plain(Option.getOrThrow(yield* timeline.get(runId)).snapshot)
      const { until: expected, ...folded } = plain(live)
      assert.deepStrictEqual(stored, folded)
      const woken =
        live.status === "suspended" &&
        [...settled].some((module) => RunSnapshot.module(live, module).status === "suspended")
      assert.strictEqual(until, woken ? 0 : expected)
      const history = yield* timeline.history(runId)
      assert.deepStrictEqual(plain(history.reduce(RunSnapshot.evolve, empty)), plain(live))
    })

    /** Lets go of the run and takes it again, as the next driver would. */
    const takeAgain = (reopen: boolean) =>
      Effect.gen(function* () {
        yield* check
        const store = yield* RunStore.RunStore
        const before = claim
        if (at % 3 === 0) yield* store.keepSnapshot(before)
        yield* lease.release(claim)
        yield* TestClock.adjust("1 second")
        const claimed = yield* lease.claim(runId, { reopen })
        assert(claimed._tag === "Claimed")
        claim = claimed.held.claim
        // a driver that has lost the run, and does not know it yet
        assert.strictEqual(yield* store.keepSnapshot(before), 0)
        const { epoch, startedAt } = claimed.held.run
        at = Math.max(at, startedAt)
        yield* put({
          _tag: "RunTransition",
          ...next(),
          ...(reopen ? { at: startedAt } : undefined),
          status: "running",
          epoch
        })
        if (!reopen) return
        const isPending = (module: string) => RunSnapshot.module(live, module).status === "pending"
        for (const [key, failed] of ended) if (failed && isPending(key.slice(0, key.indexOf("#")))) ended.delete(key)
        for (const { closed, module } of yield* signals.of([runId])) {
          assert.isFalse(closed && isPending(module))
        }
        settled.clear()
        for (const { module } of yield* signals.of([runId])) settled.add(module)
      })

    for (const step of steps) {
      switch (step._tag) {
        case "Module": {
          const choices = following(RunSnapshot.module(live, step.module))
          const choice = choices[step.choice % Math.max(1, choices.length)]
          if (choice === undefined) break
          yield* put({
            _tag: "ModuleTransition",
            ...next(),
            module: step.module,
            ...choice,
            ...(step.fails ? { failure } : undefined),
            ...(choice.status === "skipped" && !step.fails ? { because: "failure" as const } : undefined),
            ...(choice.status === "running" && step.items !== undefined ? { items: step.items } : undefined),
            ...(choice.status === "suspended" && step.until !== undefined ? { until: step.until } : undefined),
            ...(step.shared === undefined ? undefined : { shared: step.shared })
          })
          break
        }
        case "Item": {
          const { items, status } = RunSnapshot.module(live, step.module)
          const key = `${step.module}#${step.index}`
          if (status !== "running" || items === undefined || ended.has(key)) break
          ended.set(key, step.fails)
          yield* put({
            _tag: "ItemTransition",
            ...next(),
            module: step.module,
            index: step.index,
            status: step.fails ? "failed" : "completed",
            ...(step.fails ? { failure } : undefined),
            ...(step.shared === undefined ? undefined : { shared: step.shared })
          })
          break
        }
        case "Shared":
          yield* put({ _tag: "SharedTransition", ...next(), shared: step.shared ?? {} })
          break
        case "Suspend":
          yield* put({
            _tag: "RunTransition",
            ...next(),
            status: "suspended",
            epoch: claim.epoch,
            ...(step.until === undefined ? undefined : { until: step.until })
          })
          yield* takeAgain(false)
          break
        case "End":
          yield* put({ _tag: "RunTransition", ...next(), status: step.status, epoch: claim.epoch })
          yield* takeAgain(true)
          break
        case "Signal": {
          const { closed, module } = step
          const before = settled.has(module)
          const result = yield* signals.settle({ runId, module, closed, value: closed ? null : "1" })
          assert(result._tag === "Settled")
          // a signal whose module has ended is closed
          const stored = Option.getOrThrow(yield* timeline.get(runId))
          const ended = ModuleStatus.isFinal(RunSnapshot.module(stored.snapshot, module).status)
          if (result.was === undefined) assert.isFalse(before)
          else assert.isTrue(before || (ended && result.was.closed))
          if (result.was === undefined) settled.add(module)
          break
        }
        case "Flush":
          yield* check
          break
        case "Keep":
          yield* writer.flush
          yield* (yield* RunStore.RunStore).keepSnapshot(claim)
      }
    }
    yield* check
    const { items } = Option.getOrThrow(yield* (yield* RunStore.RunStore).get(runId))
    assert.strictEqual(
      items.reduce((sum, { count }) => sum + count, 0),
      ended.size
    )
    for (const [seq, { at, snapshot }] of states.entries()) {
      // each of them in some case
      if (seq % 4 !== states.length % 4) continue
      const found = Option.getOrThrow(yield* timeline.stateAt(runId, { seq }))
      assert.deepStrictEqual(plain(found), plain(snapshot), `at ${seq}`)
      for (const time of [at, at + 0.5]) {
        const found = Option.getOrThrow(yield* timeline.stateAt(runId, { at: time }))
        const { snapshot } = Option.getOrThrow(Array.findLast(states, ({ at }) => at <= time))
        assert.deepStrictEqual(plain(found), plain(snapshot), `at the time ${time}`)
      }
    }
  })

const services = (store: Layer.Layer<RunStore.RunStore, StoreError>) =>
  Layer.mergeAll(Timeline.layer, StateWriter.layer(), RunLease.layer(), Signals.layer).pipe(Layer.provideMerge(store))

describe("The fold of a run's history is what Timeline gives, also with items, shared cells, waits and resumptions", () => {
  for (const [name, store] of [
    ["RunStoreMemory", () => RunStoreMemory.layer()],
    ["RunStoreSqlite", () => RunStoreSqlite.layer({ filename: ":memory:" })]
  ] as const) {
    it.effect.prop(
      name,
      { steps: fc.array(anyStep, { maxLength: 50 }) },
      ({ steps }) => Effect.provide(drive(steps), services(store())),
      { fastCheck: { numRuns } }
    )
  }
})
