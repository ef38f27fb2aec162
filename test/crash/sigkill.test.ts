import { assert, describe, it } from "@effect/vitest"
import { Array, Clock, Console, Effect, Option, Random } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import * as Path from "node:path"
import * as Layered from "./Layered.js"
import { Processes, layer, temporaryDirectory } from "./Process.js"
import type { Process } from "./Process.js"
import * as Trial from "./Trial.js"
import type { Moment } from "./Trial.js"

const kills = Number(process.env.HEDDLE_PROPERTY_RUNS) >= 1000 ? 50 : 10
// of the moments; how far a process gets until then is never the same twice
const seed = Number(process.env.HEDDLE_CRASH_SEED ?? Date.now())

const size: Layered.Size = { layers: 50, width: 4, work: [1, 5] }
const modules = size.layers * size.width

/** The moments of one run, in their order: three anywhere in it, one near its end, and one at a beginning. */
const momentsOf = (run: number) =>
  Effect.gen(function* () {
    // the first of n random points in the rest of the run: together they are spread evenly over the run
    const anywhere = yield* Effect.forEach([3, 2, 1], (n) =>
      Effect.map(Random.next, (random): Moment => ({ phase: "driving", at: 1 - random ** (1 / n) }))
    )
    const end: Moment = { phase: "driving", at: yield* Random.nextRange(0.8, 1) }
    const opening: Moment = { phase: "opening", at: yield* Random.next }
    // every other time it is a resume that does not get far
    return Array.insertAt([...anywhere, end], run % 2 === 1 ? 0 : 2, opening).pipe(Option.getOrThrow)
  })

/** The files, as a user reads them: every run has completed, and gives its outputs again without running anything. */
const readAgain = (trials: ReadonlyArray<Trial.Trial>) =>
  Effect.forEach(Object.entries(Array.groupBy(trials, ({ filename }) => filename)), ([filename, trials]) =>
    Effect.gen(function* () {
      const completed = yield* Engine.list({ status: "completed" })
      assert.deepStrictEqual(
        completed.map(({ runId }) => runId),
        trials.map(({ runId }) => runId).reverse()
      )
      for (const { runId, seed } of trials) {
        const wanted = Layered.expected(size, seed)
        const again: Array<string> = []
        const dag = Layered.dag(size, {
          began: (name) => void again.push(name),
          interrupted: () => {},
          gate: Effect.void
        })
        assert.deepStrictEqual(yield* Engine.execute(dag, { seed }, { runId }), wanted.outputs)
        assert.deepStrictEqual(
          again.filter((name) => wanted.modules.get(name) !== undefined),
          []
        )
      }
    }).pipe(Effect.provide(Heddle.layerSqlite({ filename })))
  )

describe("a process that is killed", () => {
  it.scopedLive(
    `${kills} times at random moments of a run of ${modules} modules: nothing acknowledged is lost or repeated`,
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const processes = yield* Processes
        const began = yield* Clock.currentTimeMillis
        const journal: Array<string> = [`seed ${seed}`]
        const trials: Array<Trial.Trial> = []
        const pace = { opening: 0, module: 0 }
        // they wait for their turn: one has to be there at once when another is killed, or it would never find the run
        // held
        const ready: Array<Process> = []
        let started = 0
        let held = 0
        /** The kills by how far the run had got. */
        const thirds = [0, 0, 0]
        const done = () => thirds.reduce((sum, kills) => sum + kills)

        const carryOn = (trial: Trial.Trial, moment?: Moment) =>
          Effect.gen(function* () {
            started++
            const carried = yield* Trial.carryOn(trial, ready.pop() ?? (yield* processes.start), moment, pace)
            held += carried.held
            return carried.end
          })

        const killAll = Effect.gen(function* () {
          for (let run = 0; done() < kills; run++) {
            const trial: Trial.Trial = {
              runId: RunId.make(`run-${run}`),
              // a new file for every other run: then the database itself comes into being under fire
              filename: Path.join(directory, `heddle-${Math.ceil(run / 2)}.db`),
              seed: yield* Random.nextIntBetween(0, 1_000_000),
              size,
              lease: { heartbeat: 50, expiry: 250 },
              logs: [],
              journal,
              completed: new Set(),
              held: { by: "", until: 0 }
            }
            trials.push(trial)
            // the first run shows how long things take
            const moments = run === 0 ? [] : yield* momentsOf(run)
            const missing = Math.max(0, moments.length + 1 - ready.length)
            ready.push(...(yield* Effect.replicateEffect(processes.start, missing, { concurrency: 3 })))
            let end = "killed"
            for (const moment of moments.slice(0, kills - done())) {
              assert.isBelow(started, 4 * kills, "too few kills hit a run that was not finished")
              end = yield* carryOn(trial, moment)
              if (end !== "killed") break
              thirds[Math.min(2, Math.floor((3 * trial.completed.size) / modules))]!++
            }
            if (end !== "completed") assert.strictEqual(yield* carryOn(trial), "completed")
          }
          yield* readAgain(trials)
          if (kills < 50) return
          assert.isAbove(held, 0, "no process ever found the run held by the one that was killed before it")
          assert.isAbove(Math.min(...thirds), 0, `kills by thirds of the run: ${thirds.join(", ")}`)
        })
        yield* killAll.pipe(
          Effect.withRandom(Random.make(seed)),
          Effect.timeoutFail({ duration: "140 seconds", onTimeout: () => new Error("not done after 140 seconds") }),
          Effect.tapErrorCause(() => Console.error(journal.join("\n")))
        )
        yield* Console.log(
          `seed ${seed}: ${done()} kills (by thirds of the run ${thirds.join(", ")}), ${trials.length} runs, ` +
            `${started} processes, runs found held ${held} times, ${(yield* Clock.currentTimeMillis) - began} ms`
        )
      }).pipe(Effect.provide(layer)),
    150_000
  )
})
