/**
 * `npx tsx docs/examples/external-state/main.ts [where]`: sells a tea to ann. Where: `memory`, a folder that ends with `/`,
 * `postgres://...`, `redis://...`, or a file (`shop.db`).
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, type Layer } from "effect"
import type { StateStore, StoreError } from "heddle"
import * as PostgresStore from "heddle/store/PostgresStore"
import * as RedisStore from "heddle/store/RedisStore"
import * as StateStoreFile from "heddle/store/StateStoreFile"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { layer, sell } from "./Shop.js"

/** All that is different from one backend to the other. */
export const storeOf = (where: string): Layer.Layer<StateStore.StateStore, StoreError> => {
  if (where === "memory") return StateStoreMemory.layer()
  if (/^postgres(ql)?:/.test(where)) return PostgresStore.layerStateStore({ url: Redacted.make(where) })
  if (/^rediss?:/.test(where)) return RedisStore.layerStateStore({ url: Redacted.make(where), prefix: "example-shop" })
  return where.endsWith("/") ? StateStoreFile.layer({ directory: where }) : StateStoreSqlite.layer({ filename: where })
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const program = Effect.flatMap(sell("ann", "tea"), ({ items, session, sold }) =>
    Console.log(`ann has ${items.join(", ")}; ${session} sold now, ${sold} in all`)
  )
  NodeRuntime.runMain(Effect.provide(program, layer(storeOf(argv[2] ?? "shop.db"))))
}
