/**
 * A program of which everything is known: it appends the lines 1 to 3 to a file, those that are not there yet, by a store
 * whose `release` appends one. What is wrong with it says LOG_FAULT.
 */
import { Config, Effect, Layer } from "effect"
import { RunId } from "heddle/model/RunId"
import * as RunStore from "heddle/store/RunStore"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Fs from "node:fs"

const file = "lines"
const fault = Effect.runSync(Config.withDefault(Config.string("LOG_FAULT"), ""))

/** The whole lines; half of a line is taken away. */
const recover = () => {
  const text = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""
  const end = text.lastIndexOf("\n") + 1
  if (fault !== "keeps half a line" && end < text.length) Fs.truncateSync(file, end)
  return text.slice(0, end).split("\n").slice(0, -1)
}

const append = (line: string) => {
  const descriptor = Fs.openSync(file, "a")
  if (fault === "keeps half a line") {
    Fs.writeSync(descriptor, line)
    Fs.writeSync(descriptor, "\n")
  } else Fs.writeSync(descriptor, `${line}\n`)
  if (fault !== "does not sync") Fs.fsyncSync(descriptor)
  Fs.closeSync(descriptor)
}

const store = Layer.effect(
  RunStore.RunStore,
  Effect.map(RunStore.RunStore, (memory) => ({
    ...memory,
    release: ({ runId }) => Effect.sync(() => append(runId))
  }))
).pipe(Layer.provide(RunStoreMemory.layer()))

const program = Effect.gen(function* () {
  const { release } = yield* RunStore.RunStore
  const there = recover()
  if (fault === "cannot resume" && there.length > 0) return yield* Effect.dieMessage("there is a file already")
  for (const line of ["1", "2", "3"].slice(there.length)) {
    if (fault === "says it too early") yield* CrashExplorer.note(line)
    yield* release({ runId: RunId.make(line), epoch: 1 })
    if (fault !== "says it too early") yield* CrashExplorer.note(line)
    if (fault === "hangs" && line === "2") {
      Fs.writeFileSync("pid", `${process.pid}`)
      yield* Effect.sleep("1 hour")
    }
  }
})

await Effect.runPromise(program.pipe(Effect.provide(CrashExplorer.layer), Effect.provide(store)))
