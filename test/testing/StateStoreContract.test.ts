import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer } from "effect"
import { StoreError } from "heddle/model/StoreError"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { StateStoreContract } from "heddle/testing"
import { broken, faults } from "./BrokenStateStores.js"
import * as Findings from "./Findings.js"

const all = StateStoreContract.checks({ seed: 1, cases: 100 })

const down = new StoreError({ reason: "failed", location: "here", operation: "delete", message: "it is down" })

describe("StateStoreContract", () => {
  Findings.tests({ checks: all, faults, broken })

  it.effect("verify succeeds with a store that keeps the contract", () =>
    StateStoreContract.verify(StateStoreMemory.layer(), { cases: 20 })
  )

  it.effect("verify tells all violations, errors and defects", () =>
    Effect.gen(function* () {
      const layer = broken((store) => ({
        delete: (key) => (key === "deleted" ? Effect.die("delete is not there") : store.delete(key)),
        compareAndSet: () => Effect.fail(down)
      }))
      const { failures, message } = yield* Effect.flip(StateStoreContract.verify(layer, { cases: 5 }))
      const causes = failures.map(({ cause }) => Cause.squash(cause))
      assert.include(causes, down)
      assert.include(causes, "delete is not there")
      assert.isTrue(causes.some((cause) => cause instanceof StateStoreContract.ContractViolation))
      for (const told of ["it is down", "delete is not there", "compareAndSet: replaces"]) assert.include(message, told)
    })
  )

  it.effect("verify tells of a layer that cannot be built", () =>
    Effect.gen(function* () {
      const { failures } = yield* Effect.flip(StateStoreContract.verify(Layer.fail(down)))
      assert.strictEqual(failures.length, all.length)
      for (const { cause } of failures) assert.strictEqual(Cause.squash(cause), down)
    })
  )

  it.effect("a property tells the seed, with which the same violation is found again", () =>
    Effect.gen(function* () {
      const forgetful = broken((store) => ({
        set: (key, value) => Effect.tap(store.set(key, value), store.delete(key))
      }))
      const violationOf = (seed?: number) =>
        StateStoreContract.checks({ seed })
          .find(({ group }) => group === "any operations")!
          .check.pipe(
            Effect.provide(forgetful),
            Effect.flip,
            Effect.map(({ message }) => message)
          )
      const message = yield* violationOf()
      const seed = Number(/seed (-?\d+)/.exec(message)?.[1])
      assert.strictEqual(yield* violationOf(seed), message)
    })
  )
})
