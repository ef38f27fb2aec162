import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("./src", import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^heddle$/, replacement: `${src}/index.ts` },
      { find: /^heddle\/testing$/, replacement: `${src}/testing/index.ts` },
      { find: /^heddle\/(.+)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/services/globalSetup.ts"],
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    testTimeout: 30_000,
    retry: 0,
    // How many cases each property test runs.
    env: { HEDDLE_PROPERTY_RUNS: "50" }
  }
})
