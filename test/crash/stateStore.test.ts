/** A StateStore in a SQLite file, whose processes are killed, and one that several processes use at once. */
import { assert, layer } from "@effect/vitest"
import { Array, Context, Effect, Layer, Option } from "effect"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import { compiled, temporaryDirectory } from "./Process.js"

/** Where the program of `programs/visits.ts` is. */
class Visits extends Context.Tag("heddle/test/crash/Visits")<Visits, string>() {}

const filename = "visits.db"

const stored = (directory: string) =>
  Effect.flatMap(StateStore, (store) => store.get("visits")).pipe(
    Effect.provide(StateStoreSqlite.layer({ filename: Path.join(directory, filename) })),
    Effect.map(Option.match({ onNone: () => 0, onSome: ({ value }) => Number(value) }))
  )

/** All that was acknowledged before the kill and after it, and at most one more, whose answer the kill has cut off. */
const holdsWhatWasAcknowledged = ({ directory, killed, resumed }: CrashExplorer.Crash) =>
  Effect.flatMap(stored(directory), (count) => {
    const acknowledged = CrashExplorer.notes(killed).length + CrashExplorer.notes(resumed).length
    return count === acknowledged || count === acknowledged + 1
      ? Effect.void
      : Effect.fail(`${count} are stored, ${acknowledged} were acknowledged`)
  })

layer(Layer.scoped(Visits, compiled("./programs/visits.ts")), { excludeTestServices: true })(
  "a StateStoreSqlite",
  (it) => {
    it.effect(
      "whose process is killed has all that was acknowledged, and goes on from there",
      (context) =>
        Effect.gen(function* () {
          const report = yield* CrashExplorer.explore({
            command: [process.execPath, yield* Visits],
            env: { VISITS: "5" },
            kinds: ["note", "write"],
            files: [filename],
            points: { sample: 5, seed: 1 },
            check: holdsWhatWasAcknowledged
          })
          assert.deepStrictEqual(report.failures, [], CrashExplorer.format(report))
          assert.isNotEmpty(report.crashes)
          if (report.notRun.length > 0) context.skip(CrashExplorer.format(report))
        }),
      60_000
    )

    it.scoped(
      "that several processes use at once loses nothing",
      () =>
        Effect.gen(function* () {
          const [program, directory] = [yield* Visits, yield* temporaryDirectory]
          const visiting = Effect.async<number | null>((resume) => {
            const child = ChildProcess.spawn(process.execPath, [program], {
              cwd: directory,
              env: { ...process.env, VISITS: "100" },
              stdio: ["ignore", "ignore", "inherit"]
            })
            child.on("exit", (code) => resume(Effect.succeed(code)))
          })
          assert.deepStrictEqual(yield* Effect.all(Array.replicate(visiting, 3), { concurrency: 3 }), [0, 0, 0])
          assert.strictEqual(yield* stored(directory), 300)
        }),
      60_000
    )
  }
)
