import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Ref } from "effect"
import { StoreError } from "heddle/model/StoreError"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { RunStoreContract } from "heddle/testing"
import { broken, faults, written } from "./BrokenStores.js"

const all = RunStoreContract.checks({ seed: 1, cases: 20 })
const nameOf = ({ group, name }: RunStoreContract.Check) => `${group}: ${name}`

/** The checks whose names begin so: at least one. */
const named = (prefix: string) => {
  const checks = all.filter((check) => nameOf(check).startsWith(prefix))
  assert.isNotEmpty(checks, prefix)
  return checks
}

const down = new StoreError({ reason: "failed", location: "here", operation: "open", message: "it is down" })

describe("RunStoreContract", () => {
  for (const { change, fault, found } of faults) {
    it.effect(`finds a store that ${fault}`, () =>
      Effect.gen(function* () {
        for (const check of found.flatMap(named)) {
          const violation = yield* Effect.flip(Effect.provide(check.check, broken(change)))
          assert.instanceOf(violation, RunStoreContract.ContractViolation, nameOf(check))
          assert.strictEqual(violation.check, nameOf(check))
          assert.notDeepEqual(violation.actual, violation.expected)
          assert.include(violation.message, nameOf(check))
        }
      })
    )
  }

  it("has no check that finds none of them", () => {
    const finding = new Set(faults.flatMap(({ found }) => found.flatMap(named)))
    assert.deepStrictEqual(all.filter((check) => !finding.has(check)).map(nameOf), [])
  })

  describe("verify", () => {
    it.effect("tells all violations, errors and defects", () =>
      Effect.gen(function* () {
        const layer = broken((store) => ({
          open: (run) => (run.seed === undefined ? store.open(run) : Effect.fail(down)),
          due: () => Effect.die("due is not there"),
          list: () => Effect.succeed([])
        }))
        const { failures, message } = yield* Effect.flip(RunStoreContract.verify(layer, { cases: 5 }))
        const of = (group: string) => failures.filter(({ check }) => check.group === group).map(({ cause }) => cause)
        for (const cause of of("open with a seed")) assert.strictEqual(Cause.squash(cause), down)
        for (const cause of of("due")) assert.strictEqual(Cause.squash(cause), "due is not there")
        for (const cause of of("list")) assert.instanceOf(Cause.squash(cause), RunStoreContract.ContractViolation)
        assert.deepStrictEqual(
          [of("open with a seed"), of("due"), of("list")].map(({ length }) => length),
          [2, 2, 1]
        )
        for (const told of ["it is down", "due is not there", "list: list filters"]) assert.include(message, told)
      })
    )

    it.effect("tells of a layer that cannot be built", () =>
      Effect.gen(function* () {
        const { failures } = yield* Effect.flip(RunStoreContract.verify(Layer.fail(down)))
        assert.strictEqual(failures.length, RunStoreContract.checks().length)
        for (const { cause } of failures) assert.strictEqual(Cause.squash(cause), down)
      })
    )
  })

  describe("properties", () => {
    const forgetful = broken(written(({ transitions }) => ({ transitions: transitions.slice(0, 2) })))
    const fold = (options: RunStoreContract.Options) =>
      RunStoreContract.checks(options).find(({ name }) => name.includes("are the fold"))!.check
    const violationOf = (options: RunStoreContract.Options) =>
      Effect.flatMap(Effect.flip(Effect.provide(fold(options), forgetful)), (error) => {
        assert.instanceOf(error, RunStoreContract.ContractViolation)
        return Effect.succeed(error)
      })

    it.effect("tell the seed, with which the same violation is found again", () =>
      Effect.gen(function* () {
        const { message } = yield* violationOf({})
        const [, seed] = /seed (\d+), after \d+ cases, for \[/.exec(message)!
        const again = yield* violationOf({ seed: Number(seed) })
        assert.strictEqual(again.message, message)
        assert.notStrictEqual((yield* violationOf({ seed: Number(seed) + 1 })).message, message)
      })
    )

    it.effect("find a store that keeps something else, and show with what operations", () =>
      Effect.gen(function* () {
        const other = broken((store) => ({ heartbeat: (runs) => store.heartbeat(runs, 0) }))
        const violation = yield* Effect.flip(RunStoreContract.sameAnswers(RunStoreMemory.layer(), other, { seed: 1 }))
        assert.strictEqual(violation.check, "the same answers")
        for (const told of ["what is stored", '"_tag":"heartbeat"']) assert.include(violation.message, told)
      })
    )

    it.effect("take an error of a store for a violation", () =>
      Effect.gen(function* () {
        const failing = broken(() => ({ due: () => Effect.fail(down) }))
        const violation = yield* Effect.flip(RunStoreContract.sameAnswers(RunStoreMemory.layer(), failing, { seed: 1 }))
        assert.strictEqual(violation.actual, down)
        assert.include(violation.message, "it is down")
      })
    )

    it.effect("when interrupted, end the case under way and begin no other", () =>
      Effect.gen(function* () {
        const [begun, opened, ended] = yield* Effect.all([Deferred.make<void>(), Ref.make(0), Ref.make(0)])
        const hanging = broken(() => ({
          open: () =>
            Ref.update(opened, (n) => n + 1).pipe(
              Effect.zipRight(Deferred.succeed(begun, undefined)),
              Effect.zipRight(Effect.never),
              Effect.ensuring(Ref.update(ended, (n) => n + 1))
            )
        }))
        const fiber = yield* Effect.fork(Effect.provide(fold({ cases: 50 }), hanging))
        yield* Deferred.await(begun)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.deepStrictEqual([yield* Ref.get(opened), yield* Ref.get(ended)], [1, 1])
      })
    )
  })
})
