import { defineConfig, mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

// a minute of it, where `npm test` has some seconds
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({ test: { include: ["test/chaos/minute.ts"], testTimeout: 400_000 } })
)
