/** The contract of stores of flows as tests. */
import { describe, it } from "@effect/vitest"
import { Array, Effect, type Layer } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import type { FlowStore } from "heddle/store/FlowStore"
import { FlowStoreContract } from "heddle/testing"
import { numRuns } from "../numRuns.js"

/** What every store of flows must do; each check has a layer of its own. */
export const flowContract = (name: string, layer: () => Layer.Layer<FlowStore, StoreError>, cases = numRuns): void => {
  const groups = Array.groupBy(FlowStoreContract.checks({ cases }), ({ group }) => group)
  describe(`${name} keeps the contract of FlowStore`, () => {
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { check, name } of checks) it.effect(name, () => Effect.provide(check, layer()))
      })
    }
  })
}
