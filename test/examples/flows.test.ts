/** `docs/examples/flows`: the same program over each store, which only a Layer names. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { FlowRegistry, type FlowStore, type StoreError } from "heddle"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { layer, story } from "../../docs/examples/flows/Invoices.js"
import { storeOf } from "../../docs/examples/flows/main.js"
import { withPostgres } from "../services/Services.js"
import * as PostgresSchema from "../store/PostgresSchema.js"

const page = Fs.readFileSync(new URL("../../docs/examples/flows/README.md", import.meta.url), "utf8")

/** What the page says that the program prints. */
const printed = /```text\n([^]*?)```/.exec(page)?.[1]

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-flows-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

type Store = Layer.Layer<FlowStore.FlowStore, StoreError>

/** `where`: a place of the test's own, which each layer opens anew. */
const examples = (name: string, where: Effect.Effect<() => Store, StoreError, Scope.Scope>, isKept: boolean) => {
  describe(name, () => {
    it.scopedLive("prints what its page says", () =>
      Effect.gen(function* () {
        const store = yield* where
        const lines = yield* Effect.provide(story, layer(store()))
        assert.strictEqual(`${lines.join("\n")}\n`, printed)
        if (!isKept) return
        const flows = yield* Effect.provide(FlowRegistry.list(), layer(store()))
        assert.deepStrictEqual(
          flows.map(({ status, version }) => [version, status]),
          [
            ["2.0.0", "active"],
            ["1.0.0", "disabled"]
          ]
        )
      })
    )
  })
}

describe("flows", () => {
  examples(
    "memory",
    Effect.succeed(() => storeOf("memory")),
    false
  )
  examples(
    "file",
    Effect.map(folder, (folder) => () => storeOf(`${folder}/flows/`)),
    true
  )
  examples(
    "SQLite",
    Effect.map(folder, (folder) => () => storeOf(Path.join(folder, "flows.db"))),
    true
  )
  withPostgres((url) => {
    examples(
      "PostgreSQL",
      Effect.map(
        PostgresSchema.freshSchema(url),
        (schema) => () => PostgresStore.layerFlowStore(PostgresSchema.options(url, schema))
      ),
      true
    )
  })
})
