import { describe, it } from "@effect/vitest"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"
import { EventStoreContract } from "heddle/testing"
import { broken, faults } from "./BrokenEventStores.js"
import * as Findings from "./Findings.js"

// a store that gives nothing is waited for so long
const checks = EventStoreContract.checks({ seed: 1, cases: 100, patience: "500 millis" })

describe("EventStoreContract", () => {
  Findings.tests({ checks, faults, broken, isExact: true })

  it.effect("verify succeeds with a store that keeps the contract", () =>
    EventStoreContract.verify(EventStoreMemory.layer(), { cases: 20 })
  )
})
