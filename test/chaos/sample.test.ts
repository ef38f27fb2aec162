/** Some seconds of chaos on each database, side by side; `npm run test:chaos` has a minute of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Path from "node:path"
import { withPostgres } from "../services/Services.js"
import type { Backend } from "./Backend.js"
import * as Chaos from "./Chaos.js"
import * as Database from "./Database.js"

const size = { runs: 20, stages: 20 }
const duration = { chaos: 8_000, healing: 30_000 }
const timing = { heartbeat: 200, expiry: 1000, poll: 200 }
/** It takes a fifth of that, unless the machine is very busy. */
const patience = 100_000
const seed = Date.now() % 1_000_000

const shown = (backend: Backend, holdsUpOthers: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    const { counts, faults } = yield* Chaos.run({ backend, seed, size, timing, holdsUpOthers, ...duration })
    assert.deepStrictEqual(faults, [], `HEDDLE_CHAOS_SEED=${seed}`)
    // without these nothing was shown
    assert.isAbove(counts.killed + counts.stopped, 0)
    assert.isAbove(counts.claims, size.runs)
  })

describe.concurrent("processes that share runs, while they are stopped, killed and restarted", () => {
  it.scopedLive(
    "complete each module once, and every run, on SQLite",
    () =>
      Effect.gen(function* () {
        const filename = Path.join(yield* Chaos.temporaryDirectory, "heddle.db")
        yield* shown({ _tag: "Sqlite", filename }, Database.isLocked(filename))
        assert.deepStrictEqual(yield* Database.check(filename), [{ integrity_check: "ok" }])
      }),
    patience
  )

  withPostgres((url) =>
    it.scopedLive(
      "complete each module once, and every run, on PostgreSQL",
      () =>
        Effect.gen(function* () {
          const schema = yield* Database.temporarySchema(url)
          yield* shown({ _tag: "Postgres", url, schema }, Effect.succeed(false))
        }),
      patience
    )
  )
})
