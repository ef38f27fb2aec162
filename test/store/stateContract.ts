/** The contract of stores of state as tests. */
import { describe, it } from "@effect/vitest"
import { Array, Effect, type Layer } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import type { StateStore } from "heddle/store/StateStore"
import { StateStoreContract } from "heddle/testing"
import { numRuns } from "../numRuns.js"

/** What every store of state must do; each check has a layer of its own. `cases`: of properties. */
export const stateContract = (
  name: string,
  layer: () => Layer.Layer<StateStore, StoreError>,
  { cases = numRuns }: { readonly cases?: number } = {}
): void => {
  const groups = Array.groupBy(StateStoreContract.checks({ cases }), ({ group }) => group)
  describe(`${name} keeps the contract of StateStore`, () => {
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { check, name } of checks) it.effect(name, () => Effect.provide(check, layer()))
      })
    }
  })
}
