/** The contract of stores as tests. */
import { describe, it } from "@effect/vitest"
import { Array, Effect, type Layer } from "effect"
import type { StoreError } from "../../src/model/StoreError.js"
import type { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreContract from "../../src/testing/RunStoreContract.js"
import { numRuns } from "../numRuns.js"

type StoreLayer = Layer.Layer<RunStore, StoreError>

/** What every store of runs must do; each check has a layer of its own. */
export const contract = (name: string, layer: () => StoreLayer, cases = numRuns): void => {
  const groups = Array.groupBy(RunStoreContract.checks({ cases }), ({ group }) => group)
  describe(`${name} keeps the contract of RunStore`, () => {
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { check, name } of checks) it.effect(name, () => Effect.provide(check, layer()))
      })
    }
  })
}

/** Whatever is asked of the two stores, in whatever order, they give the same answers. */
export const sameAnswers = (
  name: string,
  reference: () => StoreLayer,
  layer: () => StoreLayer,
  cases = numRuns
): void => it.effect(name, () => RunStoreContract.sameAnswers(reference(), layer(), { cases }))
