import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import { compiled } from "./Process.js"
import { points } from "./Protocol.js"

const modules = 12
const log = `${points.filename}-wal`

/**
 * A chain, of which each module but the first begins when the one before is acknowledged. For each of them: whether the
 * log was synced after it was last written to.
 */
const syncedBeforeEach = (durability: string) =>
  Effect.gen(function* () {
    const steps = yield* CrashExplorer.syscalls({
      command: [process.execPath, yield* compiled("./programs/layered.ts")],
      env: { LAYERED_DURABILITY: durability, LAYERED_SIZE: `${modules},1` },
      files: [points.filename]
    })
    const synced: Array<boolean> = []
    let isSynced = false
    for (const step of steps) {
      if (step._tag === "Syscall" && step.file === log) isSynced = step.kind === "sync"
      if (step._tag === "Note" && step.text.startsWith("began ")) synced.push(isSynced)
    }
    return synced.slice(1)
  })

it.scopedLive(
  "fsynced: the log is synced before a completion is acknowledged",
  (context) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* syncedBeforeEach("fsynced"),
        Array.from({ length: modules - 1 }, () => true)
      )
      assert.deepStrictEqual(
        yield* syncedBeforeEach("committed"),
        Array.from({ length: modules - 1 }, () => false)
      )
    }).pipe(
      Effect.catchTag("StraceUnavailable", ({ message }) => Effect.sync(() => context.skip(`not run: ${message}`)))
    ),
  60_000
)
