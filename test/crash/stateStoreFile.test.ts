/** A StateStore in the files of a folder, whose process is killed, also at its system calls. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreFile from "heddle/store/StateStoreFile"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FileEntry from "../../src/store/internal/FileEntry.js"
import { compiled } from "./Process.js"

/** Where the program of `programs/fileVisits.ts` is. */
class Visits extends Context.Tag("heddle/test/crash/FileVisits")<Visits, string>() {}

const folder = "state"

const noted = (crash: CrashExplorer.Crash) =>
  [...CrashExplorer.notes(crash.killed), ...CrashExplorer.notes(crash.resumed)].map((note) =>
    note.split(" ").map(Number)
  )

/** All that was acknowledged, at most one more, no version twice, and nothing of a write that was cut off. */
const holdsWhatWasAcknowledged = (crash: CrashExplorer.Crash) =>
  Effect.gen(function* () {
    const directory = Path.join(crash.directory, folder)
    const versions = noted(crash).map(([, version]) => version)
    if (new Set(versions).size !== versions.length) return yield* Effect.fail(`a version twice: ${versions.join(", ")}`)
    const acknowledged = new Set(noted(crash).map(([count]) => count)).size
    const store = yield* StateStore
    const count = Option.match(yield* store.get("visits"), { onNone: () => 0, onSome: ({ value }) => Number(value) })
    if (count !== acknowledged && count !== acknowledged + 1) {
      return yield* Effect.fail(`${count} are stored, ${acknowledged} were acknowledged`)
    }
    const next = yield* store.set("passing", "")
    if (versions.some((version) => version! >= next)) return yield* Effect.fail(`${next} was given before`)
    const others = Fs.readdirSync(directory).filter((name) => !name.endsWith(".entry") && !name.startsWith("lock-"))
    if (others.join() !== "heddle-state.json") return yield* Effect.fail(`left behind: ${others.join(", ")}`)
  }).pipe(Effect.provide(StateStoreFile.layer({ directory: Path.join(crash.directory, folder) })), Effect.scoped)

layer(Layer.scoped(Visits, compiled("./programs/fileVisits.ts")), { excludeTestServices: true })(
  "a StateStoreFile",
  (it) => {
    it.effect(
      "whose process is killed has all that was acknowledged, and goes on from there",
      (context) =>
        Effect.gen(function* () {
          const report = yield* CrashExplorer.explore({
            command: [process.execPath, yield* Visits],
            // calls are counted in the one thread that makes them
            env: { VISITS: "3", UV_THREADPOOL_SIZE: "1" },
            kinds: ["note", "write", "sync"],
            files: [
              folder,
              ...["tmp", "heddle-state.json", FileEntry.nameOf("visits"), FileEntry.nameOf("passing")].map((name) =>
                Path.join(folder, name)
              )
            ],
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
