import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// every point of the run, not only a sample of them
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: {
      include: ["test/crash/points.test.ts", "test/crash/sigkill.test.ts"],
      env: { HEDDLE_CRASH_POINTS: "all", HEDDLE_PROPERTY_RUNS: "1000" }
    }
  })
)
