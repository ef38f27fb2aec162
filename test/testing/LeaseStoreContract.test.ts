import { describe, it } from "@effect/vitest"
import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
import { LeaseStoreContract } from "heddle/testing"
import { broken, faults } from "./BrokenLeaseStores.js"
import * as Findings from "./Findings.js"

const checks = LeaseStoreContract.checks({ seed: 1, cases: 100 })

describe("LeaseStoreContract", () => {
  Findings.tests({ checks, faults, broken })

  it.effect("verify succeeds with a store that keeps the contract", () =>
    LeaseStoreContract.verify(LeaseStoreMemory.layer(), { cases: 20 })
  )
})
