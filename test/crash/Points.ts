/**
 * The run of `programs/layered.ts`, what a kill has done to it, and how it goes on.
 */
import { assert } from "@effect/vitest"
import { Array, Duration, Effect, Option, Predicate } from "effect"
import { Engine, Heddle } from "heddle"
import type { Durability } from "heddle/model/RunPolicy"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Path from "node:path"
import * as Database from "./Database.js"
import * as Layered from "./Layered.js"
import { points } from "./Protocol.js"

const { filename, runId, seed, size } = points
const wanted = Layered.expected(size, seed)

export const modules = wanted.modules.size

const notes = (crash: CrashExplorer.Crash, what: "began" | "reported") =>
  CrashExplorer.notes(crash.killed).flatMap((note) =>
    note.startsWith(`${what} `) ? [note.slice(what.length + 1)] : []
  )

const fileOf = ({ directory }: CrashExplorer.Crash) => Path.join(directory, filename)

/** What became of the modules. */
export interface Damage {
  /** The run relied on its completion, or reported it, and it is not in the file. */
  readonly lost: ReadonlyArray<string>
  /** It was completed in the file, or reported to be, and began again. What is not kept of it may. */
  readonly repeated: (begunAgain: ReadonlyArray<string>) => ReadonlyArray<string>
}

/** Dies when the file is not whole, or has something else than a prefix of what the run did. */
export const inspect = (crash: CrashExplorer.Crash): Effect.Effect<Damage> =>
  Effect.gen(function* () {
    const run = yield* Database.read(fileOf(crash), runId)
    const completed = Option.match(run, { onNone: () => new Set<string>(), onSome: Database.completed })
    if (Option.isSome(run)) {
      Database.assertConsistent(run.value)
      for (const { module, output } of run.value.modules.values()) {
        if (module === "seed" || !completed.has(module)) continue
        assert.strictEqual(output ?? undefined, wanted.modules.get(module), `the stored output of ${module}`)
      }
    }
    const reported = notes(crash, "reported")
    const needed = notes(crash, "began").flatMap((module) => wanted.committedBefore.get(module)!)
    const isDone = (module: string) => completed.has(module) || reported.includes(module)
    return {
      lost: Array.dedupe([...reported, ...needed]).filter((module) => !completed.has(module)),
      repeated: Array.filter((module) => isDone(module) && wanted.modules.get(module) !== undefined)
    }
  })

/** Runs it to its end in this process, as the one that drove it is dead. Gives the modules that began. */
export const resume = (crash: CrashExplorer.Crash, durability: Durability) =>
  Effect.gen(function* () {
    const began: Array<string> = []
    const dag = Layered.dag(size, {
      began: (module) => void began.push(module),
      interrupted: () => {},
      gate: Effect.void
    })
    const outputs = yield* Effect.retry(Engine.execute(dag, { seed }, { runId, durability }), {
      while: (error) => Predicate.isTagged(error, "RunHeld") && Effect.as(Effect.sleep(error.retryAfter), true)
    })
    assert.deepStrictEqual(outputs, wanted.outputs)
    return began
  }).pipe(
    Effect.provide(
      Heddle.layerSqlite({ filename: fileOf(crash), lease: { heartbeat: Duration.infinity, expiry: "1 milli" } })
    )
  )

/** Dies when the run, which has ended, is not stored as a whole. */
export const check = (crash: CrashExplorer.Crash) =>
  Effect.map(Database.read(fileOf(crash), runId), (found) => {
    const run = Option.getOrThrow(found)
    Database.assertConsistent(run)
    assert.strictEqual(run.status, "completed")
    assert.strictEqual(Database.completed(run).size, modules + 1)
  })
