/** Runs of an engine, in one interleaving of its fibers after the other. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Dag, Module, Run } from "heddle"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { assertSound, begin, drive, emptyLog, inTime, type Log } from "./Drive.js"

const number = Module.input("number", Schema.Int)

const dagOf = (log: Log) => {
  const double = Module.pure("double", {
    needs: { number },
    output: Schema.Int,
    run: ({ number }) => {
      log.began.push("double")
      return number * 2
    }
  })
  const quick = Module.make("quick", {
    needs: { number },
    output: Schema.Int,
    run: ({ number }) => Effect.zipRight(begin(log, "quick"), Effect.as(Effect.yieldNow(), number + 1))
  })
  const slow = Module.make("slow", {
    needs: { double },
    output: Schema.Int,
    run: ({ double }) => Effect.zipRight(begin(log, "slow"), Effect.as(Effect.sleep("30 millis"), double + 1))
  })
  const flaky = Module.make("flaky", {
    needs: { quick },
    output: Schema.Int,
    retry: Schedule.spaced("5 millis"),
    run: ({ quick }) =>
      Effect.gen(function* () {
        yield* begin(log, "flaky")
        return (yield* Run.attempt) < 3 ? yield* Effect.fail("not yet") : quick * 10
      })
  })
  const items = Module.map("items", {
    needs: { number },
    over: ({ number }) => Array.from({ length: number }, (_, i) => i),
    output: Schema.Int,
    concurrency: 2,
    run: (item, _, index) =>
      Effect.gen(function* () {
        yield* begin(log, `items/${index}`)
        if (item % 2 === 0) yield* Effect.sleep("10 millis")
        return item * item
      })
  })
  const nap = Module.sleep("nap", { needs: { quick }, duration: "15 millis" })
  const sum = Module.make("sum", {
    needs: { slow, flaky, items, nap },
    output: Schema.Int,
    run: ({ flaky, items, slow }) =>
      Effect.as(
        begin(log, "sum"),
        items.reduce((a, b) => a + b, slow + flaky)
      )
  })
  return Dag.make("engine", { outputs: { sum, quick } })
}

const paths = ["number", "double", "quick", "slow", "flaky", "nap", "sum", "items", "items/0", "items/1", "items/2"]

it.live(
  "runs lose, reorder and repeat nothing, wherever they are cut off",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const log = emptyLog()
        const driven = yield* drive(dagOf(log), { number: 3 }, log)
        assertSound(driven, paths)
        assert.deepStrictEqual(driven.outputs, { sum: 7 + 40 + 5, quick: 4 })
      }).pipe(inTime)
    }),
  300_000
)
