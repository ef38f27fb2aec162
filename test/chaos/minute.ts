/**
 * `npm run test:chaos`: a minute of chaos on each database, from a seed that is printed; `HEDDLE_CHAOS_SEED` repeats one,
 * as far as that goes with real processes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect } from "effect"
import * as Path from "node:path"
import { withPostgres } from "../services/Services.js"
import type { Backend } from "./Backend.js"
import * as Chaos from "./Chaos.js"
import * as Database from "./Database.js"

const size = { runs: 20, stages: 280 }
const duration = { chaos: 60_000, healing: 30_000 }
const timing = { heartbeat: 400, expiry: 2000, poll: 400 }
const seed = Number(process.env.HEDDLE_CHAOS_SEED ?? Date.now() % 1_000_000)

/** Since a driver was heard of last: twice the time after which it counts as gone. */
const bound = 2 * timing.expiry

const percentile = (sorted: ReadonlyArray<number>, part: number) => sorted[Math.ceil(sorted.length * part) - 1] ?? NaN

const shown = (backend: Backend, holdsUpOthers: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    yield* Console.log(`${backend._tag}: HEDDLE_CHAOS_SEED=${seed}`)
    const found = yield* Chaos.run({ backend, seed, size, timing, holdsUpOthers, ...duration })
    const { counts, failOvers, faults } = found
    const times = [0.5, 0.9, 0.99, 1].map((part) => `${part * 100} %: ${percentile(failOvers, part)}`)
    yield* Console.log(`${backend._tag}:`, counts, `${failOvers.length} fail-overs in ms, ${times.join(", ")}`)
    assert.deepStrictEqual(faults, [], `seed ${seed}`)
    // without these nothing was shown
    assert.isAbove(counts.killed, 5)
    assert.isAbove(counts.stopped, 5)
    assert.isAbove(counts.refused, 0, "the store refused nobody")
    assert.isAbove(failOvers.length, 10)
    assert.isAtMost(percentile(failOvers, 1), bound, `fail-overs: ${failOvers.join(", ")}`)
  })

// one after the other: what is measured is how long something takes
describe("for a minute, processes that share runs are stopped, killed and restarted", () => {
  it.scopedLive("SQLite", () =>
    Effect.gen(function* () {
      const filename = Path.join(yield* Chaos.temporaryDirectory, "heddle.db")
      yield* shown({ _tag: "Sqlite", filename }, Database.isLocked(filename))
      assert.deepStrictEqual(yield* Database.check(filename), [{ integrity_check: "ok" }])
    })
  )

  withPostgres((url) =>
    it.scopedLive("PostgreSQL", () =>
      Effect.gen(function* () {
        const schema = yield* Database.temporarySchema(url)
        yield* shown({ _tag: "Postgres", url, schema }, Effect.succeed(false))
      })
    )
  )
})
