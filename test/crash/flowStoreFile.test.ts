/** A FlowStore in a file, whose process is killed, also at its system calls. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowStoreFile from "heddle/store/FlowStoreFile"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { compiled } from "./Process.js"

/** Where the program of `programs/flowWrites.ts` is. */
class Writes extends Context.Tag("heddle/test/crash/FlowWrites")<Writes, string>() {}

const folder = "flows"

/** All that was acknowledged, at most one write more, each of them as a whole, and nothing else in the folder. */
const holdsWhatWasAcknowledged = (crash: CrashExplorer.Crash) =>
  Effect.gen(function* () {
    const notes = [...CrashExplorer.notes(crash.killed), ...CrashExplorer.notes(crash.resumed)]
    const acknowledged = Math.max(0, ...notes.map(Number))
    if (new Set(notes).size !== notes.length) return yield* Effect.fail(`a revision twice: ${notes.join(", ")}`)
    const store = yield* FlowStore
    const entries = yield* store.log({ after: 0, limit: 999 })
    const found = entries.map(({ name, position, revision }) => `${position} ${name} ${revision}`)
    const expected = entries.map((_, i) => `${i + 1} ${i % 2 === 0 ? "a" : "../b"} ${(i >> 1) + 1}`)
    if (found.join() !== expected.join()) return yield* Effect.fail(`the log is ${found.join()}`)
    const stored = entries.length / 2
    if (stored !== acknowledged && stored !== acknowledged + 1) {
      return yield* Effect.fail(`${stored} are stored, ${acknowledged} were acknowledged`)
    }
    const others = Fs.readdirSync(Path.join(crash.directory, folder)).filter((name) => !name.startsWith("lock-"))
    if (others.join() !== "flows.log") return yield* Effect.fail(`left behind: ${others.join(", ")}`)
  }).pipe(
    Effect.provide(FlowStoreFile.layer({ directory: Path.join(crash.directory, folder) })),
    Effect.scoped,
    Effect.provide(Logger.remove(Logger.defaultLogger))
  )

layer(Layer.scoped(Writes, compiled("./programs/flowWrites.ts")), { excludeTestServices: true })(
  "a FlowStoreFile",
  (it) => {
    it.effect(
      "whose process is killed has all that was acknowledged, and goes on from there",
      (context) =>
        Effect.gen(function* () {
          const report = yield* CrashExplorer.explore({
            command: [process.execPath, yield* Writes],
            // calls are counted in the one thread that makes them
            env: { WRITES: "3", UV_THREADPOOL_SIZE: "1" },
            kinds: ["note", "write", "sync"],
            files: [folder, ...["tmp", "flows.log"].map((name) => Path.join(folder, name))],
            points: { sample: 3, seed: 2 },
            check: holdsWhatWasAcknowledged
          })
          assert.deepStrictEqual(report.failures, [], CrashExplorer.format(report))
          assert.isNotEmpty(report.crashes)
          if (report.notRun.length > 0) context.skip(CrashExplorer.format(report))
          assert.deepStrictEqual(report.missed, [])
        }),
      60_000
    )
  }
)
