/** The contract of stores of leases as tests. */
import { describe, it } from "@effect/vitest"
import { Array, Effect, type Layer } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import type { LeaseStore } from "heddle/store/LeaseStore"
import { LeaseStoreContract } from "heddle/testing"
import { numRuns } from "../numRuns.js"

/** What every store of leases must do; each check has a layer of its own. */
export const leaseContract = (
  name: string,
  layer: () => Layer.Layer<LeaseStore, StoreError>,
  cases = numRuns
): void => {
  const groups = Array.groupBy(LeaseStoreContract.checks({ cases }), ({ group }) => group)
  describe(`${name} keeps the contract of LeaseStore`, () => {
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { check, name } of checks) it.effect(name, () => Effect.provide(check, layer()))
      })
    }
  })
}
