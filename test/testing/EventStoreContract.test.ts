import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import { EventStoreContract } from "heddle/testing"
import { isDeepStrictEqual } from "node:util"
import { broken, faults } from "./BrokenEventStores.js"

// a store that gives nothing is waited for so long
const all = EventStoreContract.checks({ seed: 1, cases: 100, patience: "500 millis" })
const nameOf = ({ group, name }: EventStoreContract.Check) => `${group}: ${name}`

/** The check whose name begins so. */
const named = (prefix: string) => {
  const checks = all.filter((check) => nameOf(check).startsWith(prefix))
  assert.lengthOf(checks, 1, prefix)
  return checks
}

describe("EventStoreContract", () => {
  for (const { change, fault, found } of faults) {
    it.effect(`finds a store that ${fault}`, () =>
      Effect.gen(function* () {
        assert.isNotEmpty(found)
        for (const check of found.flatMap(named)) {
          const violation = yield* Effect.flip(Effect.provide(check.check, broken(change))).pipe(
            Effect.orElseFail(() => nameOf(check))
          )
          assert.instanceOf(violation, EventStoreContract.ContractViolation, nameOf(check))
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
    EventStoreContract.verify(EventStoreMemory.layer(), { cases: 20 })
  )
})
