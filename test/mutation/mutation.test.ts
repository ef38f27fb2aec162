/** Seeds that must find nothing in the code as it is, and must find each fault that is planted in it. */
import { assert, describe, it } from "@effect/vitest"
import { Array, Console, Effect } from "effect"
import * as Bundle from "./Bundle.js"
import { mutants } from "./Mutants.js"

/** As many as find the faults; `test/seeds` has more of them in the full run. */
const seeds = Array.range(1, 100)

/** Enough to say how often a fault is found. */
const sample = seeds.slice(0, 40)

describe("seeds", () => {
  for (const scenario of ["writer", "engine"] as const) {
    it.scopedLive(
      `of the ${scenario} find no update that is lost, out of order, repeated or acknowledged too early`,
      () =>
        Effect.gen(function* () {
          const { explore } = yield* Bundle.load()
          assert.deepStrictEqual(yield* Effect.promise(() => explore(scenario, seeds)), [])
        }),
      240_000
    )
  }

  it.scopedLive(
    "find every fault that is planted",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const missed: Array<string> = []
        for (const mutant of mutants) {
          const { explore } = yield* Bundle.load(mutant)
          const found = yield* Effect.promise(() => explore(mutant.scenario, sample))
          lines.push(`${found.length} of ${sample.length} seeds find ${mutant.fault}`)
          if (found.length === 0) missed.push(mutant.fault)
        }
        yield* Console.log(lines.join("\n"))
        assert.deepStrictEqual(missed, [])
      }),
    240_000
  )
})
