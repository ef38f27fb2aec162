import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// ten times the cases, and time for them on a busy machine
export default mergeConfig(
  base,
  defineConfig({ test: { env: { HEDDLE_PROPERTY_RUNS: "1000" }, testTimeout: 300_000 } })
)
