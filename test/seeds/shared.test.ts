/** Shared state of runs, in one interleaving of their fibers after the other. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Dag, Module, Run, Shared } from "heddle"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { assertSound, begin, drive, emptyLog, inTime, type Log } from "./Drive.js"

const stats = Shared.make("stats", {
  count: Shared.cell(Schema.Int, 0),
  twin: Shared.cell(Schema.Int, 0),
  names: Shared.cell(Schema.Array(Schema.String), []),
  longest: Shared.cell(Schema.Int, 0, { merge: Math.max }),
  ticks: Shared.live(Schema.Int, 0)
})

type Live = "tick" | "read"
const ticks = Linearizability.deterministic<number, Live, number | void>({
  init: 0,
  step: (n, operation) => (operation === "tick" ? [n + 1, undefined] : [n, n])
})

const dagOf = (log: Log, { record }: Linearizability.Recorder<Live, number | void>) => {
  const tick = record("tick")(Shared.updateLive(stats, ({ ticks }) => ({ ticks: ticks + 1 })))
  const read = record("read")(Shared.get(stats, "ticks"))

  /** Counts itself, in two updates, which take effect together. */
  const counting = (name: string) =>
    Effect.gen(function* () {
      yield* begin(log, name)
      yield* tick
      const before = yield* Shared.get(stats, "count")
      yield* Shared.update(stats, ({ count, names, twin }) => {
        assert.strictEqual(count, twin, "two cells are not torn")
        return { count: count + 1, names: [...names, name], longest: name.length }
      })
      yield* Effect.yieldNow()
      yield* Shared.update(stats, ({ twin }) => ({ twin: twin + 1 }))
      assert.isAbove(yield* Shared.get(stats, "count"), before)
      yield* read
    })

  const one = Module.make("one", { output: Schema.Void, run: () => counting("one") })
  const two = Module.make("two", {
    output: Schema.Void,
    run: () => Effect.zipRight(Effect.sleep("10 millis"), counting("two"))
  })
  const flaky = Module.make("flaky", {
    output: Schema.Void,
    retry: Schedule.spaced("5 millis"),
    run: () =>
      Effect.gen(function* () {
        yield* counting("flaky")
        if ((yield* Run.attempt) < 3) return yield* Effect.fail("not yet")
      })
  })
  const items = Module.map("items", {
    needs: { one },
    over: () => [0, 1, 2, 3],
    output: Schema.Int,
    concurrency: 3,
    run: (item) => Effect.as(counting(`items/${item}`), item)
  })
  const total = Module.make("total", {
    needs: { one, two, flaky, items },
    output: Schema.Struct({ count: Schema.Int, twin: Schema.Int }),
    run: () =>
      Effect.zipRight(
        begin(log, "total"),
        Effect.all({ count: Shared.get(stats, "count"), twin: Shared.get(stats, "twin") })
      )
  })
  return Dag.make("shared", { outputs: { total }, shared: [stats] })
}

const counted = ["one", "two", "flaky", "items/0", "items/1", "items/2", "items/3"]

it.live(
  "updates of shared cells are neither lost nor torn nor made twice, wherever the run is cut off",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const log = emptyLog()
        const recorder = yield* Linearizability.recorder<Live, number | void>()
        const driven = yield* drive(dagOf(log, recorder), {}, log)
        assertSound(driven, [...counted, "items", "total"])
        assert.deepStrictEqual(driven.outputs, { total: { count: 7, twin: 7 } })

        // each completion counts itself once, and the cells change in the order of the history
        const completions = driven.history.flatMap((transition) =>
          transition._tag === "ModuleTransition" && transition.status === "completed" && transition.shared !== undefined
            ? [{ path: transition.module, shared: transition.shared }]
            : transition._tag === "ItemTransition"
              ? [{ path: `${transition.module}/${transition.index}`, shared: transition.shared! }]
              : []
        )
        assert.deepStrictEqual(
          completions.map(({ shared }) => [shared["stats/count"], shared["stats/twin"], shared["stats/names"]]),
          completions.map((_, i) => [i + 1, i + 1, completions.slice(0, i + 1).map(({ path }) => path)])
        )
        assert.deepStrictEqual(completions.map(({ path }) => path).sort(), [...counted].sort())

        // live cells change at once, also for who reads them meanwhile
        const history = yield* recorder.history
        yield* Linearizability.check(ticks, history)
        const made = history.filter(({ input }) => input === "tick")
        const { "stats/longest": longest, "stats/ticks": stored } = Object.fromEntries(driven.stored.shared)
        assert.strictEqual(longest, "items/0".length)
        assert.isAtLeast(stored as number, made.filter(({ _tag }) => _tag === "Completed").length)
        assert.isAtMost(stored as number, made.length)
      }).pipe(inTime)
    }),
  300_000
)
