import { readdirSync, readFileSync } from "node:fs"
import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// what the number of cases makes no difference to has run in `npm test`; so have the tests of the kit and the contracts,
// and the kills have `npm run test:crash`
const include = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts") && !/^(testing|store|crash)\//.test(file))
  .filter((file) => /numRuns/.test(readFileSync(`test/${file}`, "utf8")))
  .map((file) => `test/${file}`)

// many more cases, and time for them on a busy machine; HEDDLE_CASES says how many
const cases = process.env.HEDDLE_CASES ?? "1000"

export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({ test: { include, env: { HEDDLE_PROPERTY_RUNS: cases }, testTimeout: 300_000 } })
)
