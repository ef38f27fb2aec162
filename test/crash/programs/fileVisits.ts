/** Counts in a folder, VISITS times from what is there on, and notes each count and version once it is acknowledged. */
import { Config, Effect, Option } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreFile from "heddle/store/StateStoreFile"
import * as CrashExplorer from "heddle/testing/CrashExplorer"

const program = Effect.gen(function* () {
  const store = yield* StateStore
  const times = yield* Config.integer("VISITS")
  for (let i = 0; i < times; i++) {
    const { value, version } = Option.getOrElse(yield* store.get("visits"), () => ({ value: "0", version: 0 }))
    const count = String(Number(value) + 1)
    const written = Option.getOrThrow(yield* store.compareAndSet("visits", version, count))
    yield* CrashExplorer.note(`${count} ${written}`)
    // its version is given away, and nothing is left of it
    const passing = yield* store.set("passing", count)
    yield* store.delete("passing")
    yield* CrashExplorer.note(`${count} ${passing}`)
  }
})

await Effect.runPromise(Effect.provide(program, StateStoreFile.layer({ directory: "state" })))
