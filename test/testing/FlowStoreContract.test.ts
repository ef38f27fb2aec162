import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { FlowStoreContract } from "heddle/testing"
import { isDeepStrictEqual } from "node:util"
import { broken, faults } from "./BrokenFlowStores.js"

const all = FlowStoreContract.checks({ seed: 1, cases: 100 })
const nameOf = ({ group, name }: FlowStoreContract.Check) => `${group}: ${name}`

/** The checks whose names begin so: at least one. */
const named = (prefix: string) => {
  const checks = all.filter((check) => nameOf(check).startsWith(prefix))
  assert.isNotEmpty(checks, prefix)
  return checks
}

describe("FlowStoreContract", () => {
  for (const { change, fault, found } of faults) {
    it.effect(`finds a store that ${fault}`, () =>
      Effect.gen(function* () {
        assert.isNotEmpty(found)
        for (const check of found.flatMap(named)) {
          const violation = yield* Effect.flip(Effect.provide(check.check, broken(change))).pipe(
            Effect.orElseFail(() => nameOf(check))
          )
          assert.instanceOf(violation, FlowStoreContract.ContractViolation, nameOf(check))
          assert.strictEqual(violation.check, nameOf(check))
          assert.isFalse(isDeepStrictEqual(violation.actual, violation.expected))
        }
      })
    )
  }

  it("has no check that finds none of them", () => {
    const finding = new Set(faults.flatMap(({ found }) => found.flatMap(named)))
    assert.deepStrictEqual(all.filter((check) => !finding.has(check)).map(nameOf), [])
  })

  it.effect("verify succeeds with a store that keeps the contract", () =>
    FlowStoreContract.verify(FlowStoreMemory.layer(), { cases: 20 })
  )
})
