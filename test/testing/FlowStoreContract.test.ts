import { describe, it } from "@effect/vitest"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { FlowStoreContract } from "heddle/testing"
import { broken, faults } from "./BrokenFlowStores.js"
import * as Findings from "./Findings.js"

const checks = FlowStoreContract.checks({ seed: 1, cases: 100 })

describe("FlowStoreContract", () => {
  Findings.tests({ checks, faults, broken })

  it.effect("verify succeeds with a store that keeps the contract", () =>
    FlowStoreContract.verify(FlowStoreMemory.layer(), { cases: 20 })
  )
})
