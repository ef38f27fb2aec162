import { describe } from "@effect/vitest"
import { Layer } from "effect"
import * as PostgresRunStore from "../../src/store/internal/PostgresRunStore.js"
import { RunStore } from "../../src/store/RunStore.js"
import * as RunStoreMemory from "../../src/store/RunStoreMemory.js"
import { withPostgres } from "../services/Services.js"
import { contract, sameAnswers } from "./contract.js"
import * as PostgresSchema from "./PostgresSchema.js"

const cases = 15

withPostgres((url) =>
  describe("PostgresStore, its RunStore", () => {
    const layer = PostgresSchema.emptied(url, (database) =>
      Layer.succeed(RunStore, PostgresRunStore.make(database, { isClockGiven: true }))
    )
    contract("PostgresStore", layer, cases)
    sameAnswers("gives the answers of the store in memory", () => RunStoreMemory.layer(), layer, cases)
  })
)
