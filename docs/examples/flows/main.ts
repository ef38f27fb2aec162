/**
 * `npx tsx docs/examples/flows/main.ts [where]`: two releases of a flow. Where its state is kept: `memory`, a folder that
 * ends with `/`, `postgres://...`, or a file (`flows.db`). It has to be empty at first.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, type Layer } from "effect"
import type { FlowStore, StoreError } from "heddle"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import * as PostgresStore from "heddle/store/PostgresStore"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { layer, story } from "./Invoices.js"

/** All that is different from one backend to the other. */
export const storeOf = (where: string): Layer.Layer<FlowStore.FlowStore, StoreError> => {
  if (where === "memory") return FlowStoreMemory.layer()
  if (/^postgres(ql)?:/.test(where)) return PostgresStore.layerFlowStore({ url: Redacted.make(where) })
  return where.endsWith("/") ? FlowStoreFile.layer({ directory: where }) : FlowStoreSqlite.layer({ filename: where })
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const program = Effect.flatMap(story, (lines) => Console.log(lines.join("\n")))
  NodeRuntime.runMain(Effect.provide(program, layer(storeOf(argv[2] ?? "flows.db"))))
}
