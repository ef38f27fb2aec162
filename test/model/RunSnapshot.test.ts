import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, HashMap, Option } from "effect"
import { ModuleStatus, RunId, RunSnapshot, Transition } from "heddle"
import { numRuns } from "../numRuns.js"

const names = ["a", "b", "c"]

const empty = RunSnapshot.make({ runId: RunId.make("r"), dag: "d", fingerprint: "f", total: 3, startedAt: 7 })

const failureOf = (message: string): Transition.Failure => ({ kind: "error", message, cause: `Error: ${message}` })

const step = (
  seq: number,
  status: ModuleStatus.ModuleStatus,
  attempt: number,
  fields: Partial<Pick<Transition.ModuleTransition, "module" | "failure" | "because">> = {}
): Transition.ModuleTransition => ({
  _tag: "ModuleTransition",
  seq,
  at: seq * 10,
  module: "a",
  status,
  attempt,
  ...fields
})

const ofRun = (seq: number, status: Transition.RunStatus, epoch: number): Transition.RunTransition => ({
  _tag: "RunTransition",
  seq,
  at: seq * 10,
  status,
  epoch
})

const fold = (...transitions: ReadonlyArray<Transition.Transition>) => transitions.reduce(RunSnapshot.evolve, empty)

const plain = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(HashMap.toEntries(snapshot.modules)),
  shared: Object.fromEntries(HashMap.toEntries(snapshot.shared))
})

/** It ended so that it is to run again. */
const isLeftOver = ({ because, status }: RunSnapshot.ModuleState) =>
  status === "failed" || status === "cancelled" || (status === "skipped" && because !== undefined)

const seq = fc.integer({ min: 1, max: 40 })
const failure = fc.option(fc.string().map(failureOf), { nil: undefined, freq: 2 })
const moduleTransition: fc.Arbitrary<Transition.ModuleTransition> = fc
  .record({
    _tag: fc.constant("ModuleTransition" as const),
    seq,
    at: fc.nat(100),
    module: fc.constantFrom(...names),
    status: fc.constantFrom(...ModuleStatus.ModuleStatus.literals),
    attempt: fc.nat(3),
    failure,
    because: fc.option(fc.constantFrom("failure" as const, "stop" as const), { nil: undefined })
  })
  .map(({ because, failure, ...transition }) => ({
    ...transition,
    ...(failure === undefined ? undefined : { failure }),
    ...(because === undefined || transition.status !== "skipped" ? undefined : { because })
  }))
const runTransition: fc.Arbitrary<Transition.RunTransition> = fc.record({
  _tag: fc.constant("RunTransition" as const),
  seq,
  at: fc.nat(100),
  status: fc.constantFrom(...Transition.RunStatus.literals),
  epoch: fc.integer({ min: 1, max: 3 })
})
const itemTransition: fc.Arbitrary<Transition.ItemTransition> = fc.record({
  _tag: fc.constant("ItemTransition" as const),
  seq,
  at: fc.nat(100),
  module: fc.constantFrom(...names),
  index: fc.nat(3),
  status: fc.constantFrom("completed" as const, "failed" as const)
})
const sharedTransition: fc.Arbitrary<Transition.SharedTransition> = fc.record({
  _tag: fc.constant("SharedTransition" as const),
  seq,
  at: fc.nat(100),
  shared: fc.dictionary(fc.constantFrom("g/a", "g/b"), fc.nat(9))
})
const transitions = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: moduleTransition },
    { weight: 1, arbitrary: runTransition },
    { weight: 1, arbitrary: itemTransition },
    { weight: 1, arbitrary: sharedTransition }
  ),
  {
    maxLength: 40
  }
)

/** The same, numbered from 1 without gaps. */
const numbered = transitions.map((all) => all.map((transition, i) => ({ ...transition, seq: i + 1 })))

describe("RunSnapshot", () => {
  it("of a run that was just created is running, with all modules pending", () => {
    assert.deepStrictEqual(plain(empty), {
      _tag: "RunSnapshot",
      runId: RunId.make("r"),
      dag: "d",
      fingerprint: "f",
      status: "running",
      epoch: 1,
      seq: 0,
      total: 3,
      startedAt: 7,
      modules: {},
      shared: {}
    })
    assert.deepStrictEqual(RunSnapshot.module(empty, "a"), { status: "pending", attempt: 0 })
    assert.strictEqual(RunSnapshot.counts(empty).pending, 3)
  })

  describe("evolve", () => {
    it.effect.prop(
      "is pure, never goes back, and leaves final statuses only where a run is resumed; counts add up to the total",
      [transitions],
      ([transitions]) =>
        Effect.sync(() => {
          let snapshot = empty
          for (const next of transitions) {
            const before = JSON.stringify(plain(snapshot))
            const after = RunSnapshot.evolve(Object.freeze(snapshot), Object.freeze(next))
            assert.strictEqual(JSON.stringify(plain(snapshot)), before, "what it was given is as it was")
            assert.deepStrictEqual(plain(RunSnapshot.evolve(snapshot, next)), plain(after), "the same again")
            if (next.seq <= snapshot.seq) {
              assert.strictEqual(after, snapshot, "what it contains already changes nothing")
              continue
            }
            assert.strictEqual(after.seq, next.seq)
            const reopened =
              next._tag === "RunTransition" && Transition.isEnded(snapshot.status) && !Transition.isEnded(next.status)
            for (const name of names) {
              const [was, is] = [RunSnapshot.module(snapshot, name), RunSnapshot.module(after, name)]
              const concerned = next._tag === "ModuleTransition" && next.module === name
              if (concerned && ModuleStatus.canFollow(was, next)) {
                assert.deepStrictEqual([is.status, is.attempt], [next.status, next.attempt])
              } else if (next._tag === "ItemTransition" && next.module === name) {
                assert.strictEqual(is.status, was.status)
                assert.strictEqual((is.items?.[next.status] ?? 0) - (was.items?.[next.status] ?? 0), 1)
              } else if (reopened && isLeftOver(was)) assert.deepStrictEqual(is, RunSnapshot.reopenModule(was))
              else assert.strictEqual(is, was)
              if (ModuleStatus.isFinal(was.status) && !(reopened && isLeftOver(was)))
                assert.strictEqual(is.status, was.status)
              if (was.status === "completed") assert.strictEqual(is.status, "completed")
            }
            if (next._tag === "SharedTransition") {
              for (const [cell, value] of Object.entries(next.shared)) {
                assert.deepStrictEqual(HashMap.get(after.shared, cell), Option.some(value))
              }
            }
            if (next._tag !== "RunTransition") assert.strictEqual(after.status, snapshot.status)
            else assert.deepStrictEqual([after.status, after.epoch], [next.status, next.epoch])
            const counts = RunSnapshot.counts(after)
            assert.strictEqual(
              Object.values(counts).reduce((a, b) => a + b),
              after.total
            )
            for (const status of ModuleStatus.ModuleStatus.literals) {
              const of = names.filter((name) => RunSnapshot.module(after, name).status === status)
              assert.lengthOf(of, counts[status], status)
            }
            snapshot = after
          }
        }),
      { fastCheck: { numRuns } }
    )

    it.effect.prop(
      "gives the same however often a transition comes, as it may where a stream goes on from a snapshot",
      [numbered, fc.nat(40), fc.nat(40)],
      ([transitions, from, to]) =>
        Effect.sync(() => {
          const again = [...transitions.slice(0, to), ...transitions.slice(Math.min(from, to))]
          assert.deepStrictEqual(plain(fold(...again)), plain(fold(...transitions)))
        }),
      { fastCheck: { numRuns } }
    )

    it("keeps the times of one attempt", () => {
      const snapshot = fold(step(1, "scheduled", 1), step(2, "running", 1), step(3, "suspended", 1))
      assert.deepStrictEqual(RunSnapshot.module(snapshot, "a"), {
        status: "suspended",
        attempt: 1,
        scheduledAt: 10,
        startedAt: 20
      })
      assert.deepStrictEqual(RunSnapshot.module(RunSnapshot.evolve(snapshot, step(4, "completed", 1)), "a"), {
        status: "completed",
        attempt: 1,
        scheduledAt: 10,
        startedAt: 20,
        finishedAt: 40
      })
    })

    it("begins a later attempt without the times and the failure of the one before", () => {
      const failed = failureOf("first")
      const first = fold(step(1, "scheduled", 1), step(2, "running", 1, { failure: failed }))
      assert.deepStrictEqual(RunSnapshot.module(first, "a").failure, failed)
      const scheduled = RunSnapshot.evolve(first, step(3, "scheduled", 2))
      assert.deepStrictEqual(RunSnapshot.module(scheduled, "a"), { status: "scheduled", attempt: 2, scheduledAt: 30 })
      const running = RunSnapshot.evolve(first, step(3, "running", 2))
      assert.deepStrictEqual(RunSnapshot.module(running, "a"), { status: "running", attempt: 2, startedAt: 30 })
      const ended = RunSnapshot.evolve(running, step(4, "failed", 2, { failure: failureOf("second") }))
      assert.deepStrictEqual(RunSnapshot.module(ended, "a"), {
        status: "failed",
        attempt: 2,
        startedAt: 30,
        finishedAt: 40,
        failure: failureOf("second")
      })
      const atOnce = RunSnapshot.evolve(first, step(3, "cancelled", 2))
      assert.deepStrictEqual(RunSnapshot.module(atOnce, "a"), { status: "cancelled", attempt: 2, finishedAt: 30 })
    })

    it("ignores an earlier attempt, what comes too late, and anything after the end, but for their numbers", () => {
      const running = fold(step(1, "running", 2))
      for (const late of [step(2, "completed", 1), step(2, "scheduled", 2), step(2, "running", 2)]) {
        const after = RunSnapshot.evolve(running, late)
        assert.deepStrictEqual(plain(after), { ...plain(running), seq: 2 })
      }
      const completed = fold(step(1, "completed", 1))
      for (const late of [step(2, "failed", 1), step(2, "running", 2), step(2, "cancelled", 9)]) {
        const after = RunSnapshot.evolve(completed, late)
        assert.deepStrictEqual(plain(after), { ...plain(completed), seq: 2 })
      }
    })

    it("takes the status, the driver and the end of the run from the run's own transitions", () => {
      const resumed = fold(ofRun(1, "running", 1), ofRun(2, "running", 2))
      assert.deepStrictEqual(plain(resumed), { ...plain(empty), seq: 2, epoch: 2 })
      for (const status of ["completed", "failed", "cancelled"] as const) {
        const ended = RunSnapshot.evolve(resumed, ofRun(3, status, 2))
        assert.deepStrictEqual(plain(ended), { ...plain(resumed), seq: 3, status, finishedAt: 30 })
      }
    })

    it("of a run that had ended and is resumed makes pending what is to run again", () => {
      const failure = failureOf("why")
      const ended = fold(
        step(1, "completed", 1, { module: "a" }),
        step(2, "skipped", 1, { module: "b", failure }),
        step(3, "failed", 2, { module: "c", failure }),
        ...(["failed", "skipped"] as const).map((status, i) => step(4 + i, status, 1, { module: `a/${i}/inner` })),
        step(6, "cancelled", 1, { module: "b/inner" }),
        step(7, "failed", 1, { module: "c/0/inner", failure }),
        step(8, "skipped", 1, { module: "branch" }),
        step(9, "skipped", 0, { module: "behind", because: "failure" }),
        step(10, "skipped", 0, { module: "stopped", because: "stop" }),
        ofRun(11, "failed", 1)
      )
      const resumed = RunSnapshot.evolve(ended, ofRun(12, "running", 2))
      assert.strictEqual(resumed.startedAt, 120)
      assert.isUndefined(resumed.finishedAt)
      assert.strictEqual(RunSnapshot.module(resumed, "a").status, "completed")
      assert.strictEqual(RunSnapshot.module(resumed, "b").status, "skipped")
      assert.deepStrictEqual(RunSnapshot.module(resumed, "c"), { status: "pending", attempt: 2 })
      for (const path of ["a", "b", "a/0/inner", "a/1/inner", "b/inner", "branch"]) {
        assert.deepStrictEqual(RunSnapshot.module(resumed, path), RunSnapshot.module(ended, path))
      }
      for (const path of ["c/0/inner", "behind", "stopped"]) {
        assert.strictEqual(RunSnapshot.module(resumed, path).status, "pending")
      }
    })

    it("keeps the deadline of what is suspended, until it goes on", () => {
      const suspended = RunSnapshot.evolve(fold({ ...step(1, "suspended", 1), until: 99 }), {
        ...ofRun(2, "suspended", 1),
        until: 99
      })
      assert.strictEqual(RunSnapshot.module(suspended, "a").until, 99)
      assert.strictEqual(suspended.until, 99)
      const on = [ofRun(3, "running", 2), step(4, "completed", 1)].reduce(RunSnapshot.evolve, suspended)
      assert.isUndefined(on.until)
      assert.isUndefined(RunSnapshot.module(on, "a").until)
    })

    it("counts the items of a map over its attempts", () => {
      const item = (seq: number, status: "completed" | "failed"): Transition.ItemTransition => ({
        _tag: "ItemTransition",
        seq,
        at: seq,
        module: "a",
        index: seq,
        status
      })
      const first = fold({ ...step(1, "running", 1), items: 3 }, item(2, "completed"), item(3, "failed"))
      assert.deepStrictEqual(RunSnapshot.module(first, "a").items, { total: 3, completed: 1, failed: 1 })
      const next = RunSnapshot.evolve(first, { ...step(4, "running", 2), items: 3 })
      assert.deepStrictEqual(RunSnapshot.module(next, "a").items, { total: 3, completed: 1, failed: 1 })
    })

    it("counts the modules in each status", () => {
      const some = fold(step(1, "running", 1), step(2, "failed", 1, { module: "b" }))
      const none = {
        pending: 0,
        scheduled: 0,
        running: 0,
        suspended: 0,
        completed: 0,
        failed: 0,
        skipped: 0,
        cancelled: 0
      }
      assert.deepStrictEqual(RunSnapshot.counts(some), { ...none, pending: 1, running: 1, failed: 1 })
      const all = fold(...names.map((module, i) => step(i + 1, "skipped", 0, { module })))
      assert.deepStrictEqual(RunSnapshot.counts(all), { ...none, skipped: 3 })
    })
  })
})
