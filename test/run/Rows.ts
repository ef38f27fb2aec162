/** All that a store has of a run, to be compared. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type RunId, RunSnapshot, Timeline } from "heddle"
import { historyOf, storedRun } from "./Harness.js"

const plain = ({ modules, shared, ...snapshot }: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(modules),
  shared: Object.fromEntries(shared)
})

export const rowsOf = (runId: RunId) =>
  Effect.gen(function* () {
    const { get, items, outputs } = yield* Timeline.Timeline
    const run = Option.getOrThrow(yield* get(runId))
    const modules = Array.from(run.snapshot.modules, ([module]) => module)
    return {
      ...run,
      snapshot: plain(run.snapshot),
      history: yield* historyOf(runId),
      items: yield* items(runId, modules),
      outputs: yield* outputs(runId, modules)
    }
  })

/** The history of a run is numbered without gaps, and says what the store says. */
export const isWhole = (runId: RunId) =>
  Effect.gen(function* () {
    const history = yield* historyOf(runId)
    assert.deepStrictEqual(
      history.map(({ seq }) => seq),
      history.map((_, i) => i + 1)
    )
    const stored = yield* storedRun(runId)
    assert.deepStrictEqual(plain(history.reduce(RunSnapshot.evolve, RunSnapshot.make(stored))), plain(stored))
  })
