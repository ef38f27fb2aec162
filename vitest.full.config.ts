import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

export default mergeConfig(base, defineConfig({ test: { env: { HEDDLE_PROPERTY_RUNS: "1000" } } }))
