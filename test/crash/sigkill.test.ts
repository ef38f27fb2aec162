import { assert, describe, it } from "@effect/vitest"
import { Array, Clock, Console, Effect, Option, Random } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import * as Path from "node:path"
import * as Database from "./Database.js"
import * as Layered from "./Layered.js"
import { type Process, Processes, ProcessFailed, layer, lines, temporaryDirectory } from "./Process.js"
import { Command } from "./Protocol.js"

const kills = Number(process.env.HEDDLE_PROPERTY_RUNS) >= 1000 ? 50 : 10
const seed = Number(process.env.HEDDLE_CRASH_SEED ?? Date.now())

const size: Layered.Size = { layers: 50, width: 4, work: [1, 5] }
const count = size.layers * size.width
const lease = { heartbeat: 50, expiry: 250 }

/**
 * When a process is killed: `opening` from the moment in which it turns to the database, up to and beyond its first
 * commit; `driving` when it has done the part `at` of what was left to do.
 */
interface Moment {
  readonly phase: "opening" | "driving"
  readonly at: number
}

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

/** One run, over all the processes that it takes. */
interface Trial {
  readonly runId: RunId
  readonly filename: string
  readonly seed: number
  /** What the processes did, in their order. */
  readonly logs: Array<string>
  /** What was completed in the database when a process was last gone. */
  completed: ReadonlySet<string>
  /** Whom the database then named as the driver. */
  owner: string
}

/** All that must hold when a process is gone, however it went; gives the run, if it came into being. */
const inspect = (trial: Trial) =>
  Effect.gen(function* () {
    const { committedBefore, modules: wanted } = Layered.expected(size, trial.seed)
    const run = yield* Database.read(trial.filename, trial.runId)
    const completed = Option.match(run, { onNone: () => new Set<string>(), onSome: Database.completed })
    const began = lines(`${trial.logs.at(-1)}.began`)

    assert.strictEqual(new Set(began).size, began.length, "a module began twice in one process")
    const repeated = began.filter((name) => trial.completed.has(name) && wanted.get(name) !== undefined)
    assert.deepStrictEqual(repeated, [], "acknowledged modules were run again")
    const early = began.filter((name) => committedBefore.get(name)!.some((need) => !completed.has(need)))
    assert.deepStrictEqual(early, [], "modules began before what they need was committed")
    const acknowledged = trial.logs.flatMap((log) => lines(`${log}.acknowledged`))
    assert.deepStrictEqual(
      acknowledged.filter((name) => !completed.has(name)),
      [],
      "acknowledged modules are not completed in the database"
    )
    assert.deepStrictEqual(
      Array.filter(trial.completed, (name) => !completed.has(name)),
      [],
      "modules were completed in the database and are no longer"
    )
    trial.completed = completed
    trial.owner = Option.match(run, { onNone: () => "", onSome: ({ owner }) => owner })
    if (Option.isNone(run)) return run
    Database.assertConsistent(run.value)
    assert.strictEqual(run.value.total, count + 1)
    for (const { attempt, module, output } of run.value.modules.values()) {
      if (module === "seed" || !completed.has(module)) continue
      assert.strictEqual(output ?? undefined, wanted.get(module), `the stored output of ${module}`)
      const attempts = trial.logs.flatMap((log) => lines(`${log}.began`).filter((name) => name === module)).length
      assert.isAtLeast(attempt, 1)
      assert.isAtMost(attempt, attempts, `the attempts of ${module}`)
    }
    return run
  })

describe("a process that is killed", () => {
  it.scopedLive(
    `${kills} times at random moments of a run of ${count} modules: nothing acknowledged is lost or repeated`,
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const processes = yield* Processes
        const journal: Array<string> = [`seed ${seed}`]
        const began = yield* Clock.currentTimeMillis

        // how long things take, in milliseconds: measured by the first run, which is not killed
        let opening = 0
        let pace = 0
        let waits = 0
        let started = 0
        // they wait for their turn: a process has to be there at once when another is killed, or it would never find
        // the run held
        const ready: Array<Process> = []

        /** Lets a process carry the run on, to its end or to the moment; gives whether it was killed. */
        const carryOn = (trial: Trial, moment: Moment | undefined) =>
          Effect.gen(function* () {
            const child = ready.pop() ?? (yield* processes.start)
            const log = Path.join(directory, `${trial.runId}-${trial.logs.length}`)
            const before = trial.completed.size
            trial.logs.push(log)
            yield* child.tell(
              new Command({
                ...{ filename: trial.filename, runId: trial.runId, seed: trial.seed, size, call: "start", at: 0, log },
                ...{ patient: true, lease: { ...lease, owner: `process ${child.pid}` } }
              })
            )

            let held = 0
            let begun = 0
            let driving = 0
            let deadline = Infinity
            let outputs: unknown
            while (true) {
              const now = yield* Clock.currentTimeMillis
              const message =
                deadline === Infinity
                  ? Option.some(yield* child.next)
                  : yield* Effect.timeoutOption(child.next, Math.max(0, deadline - now))
              if (Option.isNone(message)) break
              const at = yield* Clock.currentTimeMillis
              if (message.value._tag === "Begun") {
                begun = at
                if (moment?.phase === "opening") deadline = at + moment.at * 2 * opening
              } else if (message.value._tag === "Held") {
                // a timer may be early by a millisecond, and is asked again then
                assert.isBelow(++held, 4, "the run was still held after the time that the process was told to wait")
                assert.strictEqual(message.value.owner, trial.owner)
                assert.isAtLeast(message.value.retryAfter, 0)
                assert.isAtMost(message.value.retryAfter, lease.expiry + 1)
                if (moment?.phase === "opening") deadline += message.value.retryAfter
              } else if (message.value._tag === "Driving") {
                driving = at
                if (opening === 0) opening = at - begun
                if (moment?.phase === "driving") deadline = at + moment.at * (count - before) * pace
              } else if (message.value._tag === "Completed") {
                outputs = message.value.outputs
                break
              } else {
                return yield* new ProcessFailed({
                  pid: child.pid,
                  problem: `unexpected ${JSON.stringify(message.value)}`,
                  output: ""
                })
              }
            }
            const end = yield* Clock.currentTimeMillis
            yield* outputs === undefined ? child.signal("SIGKILL") : child.finish
            const { code, signal } = yield* child.ended
            started++
            waits += held
            journal.push(
              `${trial.runId} ${Path.basename(trial.filename)} process ${trial.logs.length} (${child.pid}): ` +
                `${moment === undefined ? "not to be killed" : `${moment.phase} ${moment.at.toFixed(3)}`}, ` +
                `held ${held} times, opened in ${driving === 0 ? "-" : driving - begun} ms, ` +
                `drove for ${driving === 0 ? "-" : end - driving} ms, ${signal ?? `exit ${code}`}, ${before} modules before`
            )
            const run = yield* inspect(trial)
            journal.push(
              Option.match(run, {
                onNone: () => "  no run yet",
                onSome: ({ epoch, seq, status }) =>
                  `  ${status}, epoch ${epoch}, ${seq} transitions, ${trial.completed.size} completed`
              })
            )
            const gained = trial.completed.size - before
            if (driving > 0 && gained >= 20) {
              const measured = (end - driving) / gained
              pace = pace === 0 ? measured : (pace + measured) / 2
            }
            if (outputs !== undefined) {
              assert.strictEqual(code, 0)
              assert.strictEqual(Option.getOrThrow(run).status, "completed")
              assert.strictEqual(trial.completed.size, count + 1)
              assert.deepStrictEqual(outputs, Layered.expected(size, trial.seed).outputs)
              return "completed"
            }
            assert.strictEqual(signal, "SIGKILL")
            return Option.exists(run, ({ status }) => status !== "running") ? "late" : "killed"
          })

        const trials: Array<Trial> = []
        const killed = { opening: 0, driving: 0 }
        /** The kills by how far the run had got. */
        const thirds = [0, 0, 0]
        const body = Effect.gen(function* () {
          for (let run = 0; killed.opening + killed.driving < kills; run++) {
            const trial: Trial = {
              runId: RunId.make(`run-${run}`),
              // a new file for every other run: then the database itself comes into being under fire
              filename: Path.join(directory, `heddle-${Math.ceil(run / 2)}.db`),
              seed: yield* Random.nextIntBetween(0, 1_000_000),
              logs: [],
              completed: new Set(),
              owner: ""
            }
            trials.push(trial)
            const moments = run === 0 ? [] : yield* momentsOf(run)
            const missing = moments.length + 1 - ready.length
            ready.push(...(yield* Effect.replicateEffect(processes.start, Math.max(0, missing), { concurrency: 3 })))
            let end = "killed"
            for (const moment of moments.slice(0, kills - killed.opening - killed.driving)) {
              assert.isBelow(started, 4 * kills, "too few kills hit a run that was not finished")
              end = yield* carryOn(trial, moment)
              if (end !== "killed") break
              killed[moment.phase]++
              thirds[Math.min(2, Math.floor((3 * trial.completed.size) / count))]!++
            }
            if (end !== "completed") assert.strictEqual(yield* carryOn(trial, undefined), "completed")
          }
          assert.isAbove(waits, 0, "no process ever found the run held by the one that was killed before it")

          // what is in the files at the end, as a user reads it
          for (const [filename, runs] of Object.entries(Array.groupBy(trials, (trial) => trial.filename))) {
            yield* Effect.gen(function* () {
              assert.deepStrictEqual(
                (yield* Engine.list({ status: "completed" })).map(({ runId }) => runId),
                runs.map(({ runId }) => runId).reverse()
              )
              for (const { runId, seed } of runs) {
                const wanted = Layered.expected(size, seed)
                const again: Array<string> = []
                const dag = Layered.dag(size, { began: (name) => again.push(name), interrupted: () => {} })
                assert.deepStrictEqual(yield* Engine.execute(dag, { seed }, { runId }), wanted.outputs)
                assert.deepStrictEqual(
                  again.filter((name) => wanted.modules.get(name) !== undefined),
                  []
                )
              }
            }).pipe(Effect.provide(Heddle.layerSqlite({ filename })))
          }
        })
        yield* body.pipe(
          Effect.withRandom(Random.make(seed)),
          Effect.timeoutFail({ duration: "140 seconds", onTimeout: () => new Error("not done after 140 seconds") }),
          Effect.tapErrorCause(() => Console.error(journal.join("\n")))
        )
        if (process.env.DEBUG) yield* Console.log(journal.join("\n"))
        if (kills >= 50)
          assert.isAbove(Math.min(...thirds), 0, `kills in the first, second and last third: ${thirds.join(", ")}`)
        yield* Console.log(
          `seed ${seed}: ${killed.driving} kills while driving, ${killed.opening} while opening ` +
            `(${thirds.join(", ")} by thirds of the run), ${trials.length} runs, ${started} processes, found held ${waits} times, ${(yield* Clock.currentTimeMillis) - began} ms`
        )
      }).pipe(Effect.provide(layer)),
    150_000
  )
})
