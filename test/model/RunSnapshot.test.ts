import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { ModuleStatus, RunId, RunSnapshot, Transition } from "heddle"
import { numRuns } from "../numRuns.js"

const statuses = ModuleStatus.ModuleStatus.literals
const empty = RunSnapshot.make({ runId: RunId.make("r"), dag: "d", fingerprint: "f", total: 3, startedAt: 0 })

const transition: fc.Arbitrary<Transition.Transition> = fc.oneof(
  fc.record({
    _tag: fc.constant("ModuleTransition" as const),
    seq: fc.integer({ min: 1, max: 30 }),
    at: fc.nat(100),
    module: fc.constantFrom("a", "b", "c"),
    status: fc.constantFrom(...statuses),
    attempt: fc.nat(3)
  }),
  fc.record({
    _tag: fc.constant("RunTransition" as const),
    seq: fc.integer({ min: 1, max: 30 }),
    at: fc.nat(100),
    status: fc.constantFrom(...Transition.RunStatus.literals),
    epoch: fc.nat(3)
  })
)

describe("ModuleStatus", () => {
  it("canFollow: within an attempt the order of the table, a later attempt after an earlier one, nothing after the end", () => {
    const order = ["pending", "scheduled", "running", "suspended"]
    for (const from of statuses) {
      for (const to of statuses) {
        const final = !order.includes(from)
        const forward = !order.includes(to) || order.indexOf(to) > order.indexOf(from)
        const follows = (attempt: number) =>
          ModuleStatus.canFollow({ status: from, attempt: 1 }, { status: to, attempt })
        assert.strictEqual(ModuleStatus.isFinal(from), final)
        assert.isFalse(follows(0), `${from} ${to}`)
        assert.strictEqual(follows(1), !final && forward, `${from} ${to}`)
        assert.strictEqual(follows(2), !final, `${from} ${to}`)
      }
    }
  })
})

describe("RunSnapshot.evolve", () => {
  it.effect.prop(
    "never goes back, never leaves a final status, and leaves what it was given as it was",
    [fc.array(transition, { maxLength: 30 })],
    ([transitions]) =>
      Effect.sync(() => {
        let snapshot = empty
        for (const next of transitions) {
          const before = JSON.stringify(snapshot)
          const after = RunSnapshot.evolve(snapshot, next)
          assert.strictEqual(JSON.stringify(snapshot), before)
          if (next.seq <= snapshot.seq) assert.strictEqual(after, snapshot)
          else assert.strictEqual(after.seq, next.seq)
          for (const name of ["a", "b", "c"]) {
            const [was, is] = [RunSnapshot.module(snapshot, name), RunSnapshot.module(after, name)]
            if (ModuleStatus.isFinal(was.status)) assert.deepStrictEqual(is, was)
            if (is !== was) assert.isTrue(ModuleStatus.canFollow(was, is))
          }
          const counts = RunSnapshot.counts(after)
          assert.strictEqual(
            Object.values(counts).reduce((a, b) => a + b),
            after.total
          )
          snapshot = after
        }
      }),
    { fastCheck: { numRuns } }
  )

  it("keeps the times of an attempt, and begins a new one without them", () => {
    const step = (seq: number, status: Transition.ModuleTransition["status"], attempt: number) =>
      ({ _tag: "ModuleTransition", seq, at: seq * 10, module: "a", status, attempt }) as const
    const first = [step(1, "scheduled", 1), step(2, "running", 1)].reduce(RunSnapshot.evolve, empty)
    assert.deepStrictEqual(RunSnapshot.module(first, "a"), {
      status: "running",
      attempt: 1,
      scheduledAt: 10,
      startedAt: 20
    })
    const second = [step(3, "running", 2), step(4, "completed", 2)].reduce(RunSnapshot.evolve, first)
    assert.deepStrictEqual(RunSnapshot.module(second, "a"), {
      status: "completed",
      attempt: 2,
      startedAt: 30,
      finishedAt: 40
    })
  })
})
