/** Writes two flows at once in a folder, WRITES times from what is there on, and notes each revision once it is acknowledged. */
import { Config, Effect } from "effect"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import * as CrashExplorer from "heddle/testing/CrashExplorer"

const program = Effect.gen(function* () {
  const store = yield* FlowStore
  const times = yield* Config.integer("WRITES")
  for (let i = 0; i < times; i++) {
    const revision = (yield* store.position) / 2 + 1
    const text = `${revision} `.repeat(3000)
    const flow = { version: "1", fingerprint: "", status: "active" as const, revision, text }
    const change = { ...flow, at: 0, actor: "", reason: "", action: "" }
    yield* store.write([
      { name: "a", ...change },
      { name: "../b", ...change }
    ])
    yield* CrashExplorer.note(String(revision))
  }
})

await Effect.runPromise(Effect.provide(program, FlowStoreFile.layer({ directory: "flows" })))
