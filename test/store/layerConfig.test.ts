/** Stores whose options come from the configuration. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { EventStore } from "heddle/store/EventStore"
import * as EventStoreSqlite from "heddle/store/EventStoreSqlite"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
import { RunStore } from "heddle/store/RunStore"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreFile from "heddle/store/StateStoreFile"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryDirectory } from "./SqliteFile.js"

const place = Config.nonEmptyString("PLACE")

const keeps = Effect.flatMap(StateStore, (store) => store.set("k", "v"))

const stores = {
  RunStoreSqlite: Effect.asVoid(
    Effect.provide(
      Effect.flatMap(RunStore, ({ storage }) => storage),
      RunStoreSqlite.layerConfig({ filename: place })
    )
  ),
  StateStoreSqlite: Effect.asVoid(Effect.provide(keeps, StateStoreSqlite.layerConfig({ filename: place }))),
  StateStoreFile: Effect.asVoid(Effect.provide(keeps, StateStoreFile.layerConfig({ directory: place }))),
  LeaseStoreSqlite: Effect.asVoid(
    Effect.provide(
      Effect.flatMap(LeaseStore, (store) => store.get("r")),
      LeaseStoreSqlite.layerConfig({ filename: place, lockTimeout: Config.duration("LOCK_TIMEOUT") })
    )
  ),
  EventStoreSqlite: Effect.asVoid(
    Effect.provide(
      Effect.flatMap(EventStore, (store) => store.version("a")),
      EventStoreSqlite.layerConfig({ filename: place })
    )
  ),
  FlowStoreSqlite: Effect.asVoid(
    Effect.provide(
      Effect.flatMap(FlowStore, ({ position }) => position),
      FlowStoreSqlite.layerConfig({ filename: place, lockTimeout: Config.duration("LOCK_TIMEOUT") })
    )
  ),
  FlowStoreFile: Effect.asVoid(
    Effect.provide(
      Effect.flatMap(FlowStore, ({ position }) => position),
      FlowStoreFile.layerConfig({ directory: place })
    )
  )
}

describe("layerConfig", () => {
  for (const [name, use] of Object.entries(stores)) {
    it.scoped(`of ${name} takes its options from the configuration, and fails where there are none`, () =>
      Effect.gen(function* () {
        const file = Path.join(yield* temporaryDirectory, "store")
        const given = (entries: ReadonlyArray<readonly [string, string]>) =>
          Layer.setConfigProvider(ConfigProvider.fromMap(new Map(entries)))
        yield* Effect.provide(
          use,
          given([
            ["PLACE", file],
            ["LOCK_TIMEOUT", "1 second"]
          ])
        )
        assert.isTrue(Fs.existsSync(file))
        const error = yield* Effect.flip(Effect.provide(use, given([["LOCK_TIMEOUT", "1 second"]])))
        assert.strictEqual(error._tag, "ConfigError")
      })
    )
  }
})
