/** The contract of stores of events as tests. */
import { describe, it } from "@effect/vitest"
import { Array, Effect, type Layer } from "effect"
import type { StoreError } from "heddle/model/StoreError"
import type { EventStore } from "heddle/store/EventStore"
import { EventStoreContract } from "heddle/testing"
import { numRuns } from "../numRuns.js"

/** What every store of events must do; each check has a layer of its own. */
export const eventContract = (
  name: string,
  layer: () => Layer.Layer<EventStore, StoreError>,
  cases: number = numRuns
): void => {
  const groups = Array.groupBy(EventStoreContract.checks({ cases }), ({ group }) => group)
  describe(`${name} keeps the contract of EventStore`, () => {
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { check, name } of checks) it.effect(name, () => Effect.provide(check, layer()))
      })
    }
  })
}
