/**
 * One run over all the processes that it takes, and what must hold whenever one of them is gone.
 */
import { assert } from "@effect/vitest"
import { Array, Clock, Effect, Option } from "effect"
import type { RunId } from "heddle"
import * as Path from "node:path"
import * as Database from "./Database.js"
import * as Layered from "./Layered.js"
import { lines } from "./Process.js"
import type { Process, ProcessFailed } from "./Process.js"
import { Command } from "./Protocol.js"
import type { Message } from "./Protocol.js"

/**
 * When a process is killed: `opening` from the moment in which it turns to the database, up to and beyond its first
 * commit; `driving` when it has done the part `at` of what was left to do.
 */
export interface Moment {
  readonly phase: "opening" | "driving"
  readonly at: number
}

export interface Trial {
  readonly runId: RunId
  readonly filename: string
  readonly seed: number
  readonly size: Layered.Size
  readonly lease: { readonly heartbeat: number; readonly expiry: number }
  /** What each process wrote down, in their order. */
  readonly logs: Array<string>
  /** For people: what was done to each process, and what it left. */
  readonly journal: Array<string>
  /** What was completed in the database when a process was last gone. */
  completed: ReadonlySet<string>
  /** Whom the database then named as the driver, and until when nobody else may drive the run. */
  held: { readonly by: string; readonly until: number }
}

/** How long things take, in milliseconds, as measured so far: opening the database, and a module of a run. */
export interface Pace {
  opening: number
  module: number
}

const modules = ({ size }: Trial): number => size.layers * size.width

/** What must hold when a process is gone, however it went; gives the run, if it came into being. */
const inspect = (trial: Trial) =>
  Effect.gen(function* () {
    const { committedBefore, modules: wanted } = Layered.expected(trial.size, trial.seed)
    const run = yield* Database.read(trial.filename, trial.runId)
    const completed = Option.match(run, { onNone: () => new Set<string>(), onSome: Database.completed })
    const began = lines(`${trial.logs.at(-1)}.began`)

    const none = (names: ReadonlyArray<string>, what: string) => assert.deepStrictEqual(names, [], what)
    none(
      began.filter((name, i) => began.indexOf(name) !== i),
      "modules began twice in one process"
    )
    none(
      began.filter((name) => trial.completed.has(name) && wanted.get(name) !== undefined),
      "acknowledged modules were run again"
    )
    none(
      began.filter((name) => committedBefore.get(name)!.some((need) => !completed.has(need))),
      "modules began before what they need was committed"
    )
    none(
      trial.logs.flatMap((log) => lines(`${log}.acknowledged`)).filter((name) => !completed.has(name)),
      "acknowledged modules are not completed in the database"
    )
    none(
      Array.filter(trial.completed, (name) => !completed.has(name)),
      "modules were completed in the database and are no longer"
    )
    trial.completed = completed
    trial.held = Option.match(run, {
      onNone: () => ({ by: "", until: 0 }),
      onSome: ({ heartbeatAt, owner, status }) => ({
        by: owner,
        until: status === "running" ? heartbeatAt + trial.lease.expiry : 0
      })
    })
    if (Option.isNone(run)) return run

    Database.assertConsistent(run.value)
    assert.strictEqual(run.value.total, modules(trial) + 1)
    for (const { attempt, module, output } of run.value.modules.values()) {
      if (module === "seed" || !completed.has(module)) continue
      assert.strictEqual(output ?? undefined, wanted.get(module), `the stored output of ${module}`)
      const attempts = trial.logs.flatMap((log) => lines(`${log}.began`).filter((name) => name === module)).length
      assert.isAtLeast(attempt, 1)
      assert.isAtMost(attempt, attempts, `the attempts of ${module}`)
    }
    return run
  })

/** Waits for the end of the run, or for the moment; gives the outputs, and how often another process held the run. */
const watch = (trial: Trial, process: Process, moment: Moment | undefined, pace: Pace) =>
  Effect.gen(function* () {
    let begun = 0
    let driving = 0
    let held = 0
    let deadline = Infinity
    const now = Clock.currentTimeMillis
    while (true) {
      const message: Option.Option<Message> =
        deadline === Infinity
          ? Option.some(yield* process.next)
          : yield* Effect.timeoutOption(process.next, Math.max(0, deadline - (yield* now)))
      if (Option.isNone(message) || message.value._tag === "Completed") {
        return { begun, driving, held, end: yield* now, message }
      }
      if (message.value._tag === "Begun") {
        begun = yield* now
        if (moment?.phase === "opening") deadline = begun + moment.at * 2 * pace.opening
      } else if (message.value._tag === "Held") {
        const { owner, retryAfter } = message.value
        assert.strictEqual(owner, trial.held.by)
        assert.isAtLeast(retryAfter, 0)
        assert.isAtMost(retryAfter, trial.lease.expiry + 1)
        // a timer may be early by a millisecond, and it is asked again then
        assert.isBelow(++held, 4, "the run was still held after the time that the process was told to wait")
        if (moment?.phase === "opening") deadline += retryAfter
      } else if (message.value._tag === "Driving") {
        driving = yield* now
        assert.isAbove(driving, trial.held.until, "the run was taken over before the heartbeat had expired")
        if (pace.opening === 0) pace.opening = driving - begun
        const left = modules(trial) - trial.completed.size
        if (moment?.phase === "driving") deadline = driving + moment.at * left * pace.module
      } else return yield* process.failed(`unexpected ${JSON.stringify(message.value)}`)
    }
  })

/**
 * Lets a process carry the run on, to the moment or to its end, and inspects what it leaves. `killed`: it was killed in
 * an unfinished run; `late`: it was killed, but the end was committed; `completed`: it gave the right outputs.
 */
export const carryOn = (
  trial: Trial,
  process: Process,
  moment: Moment | undefined,
  pace: Pace
): Effect.Effect<{ readonly end: "killed" | "late" | "completed"; readonly held: number }, ProcessFailed> =>
  Effect.gen(function* () {
    const { filename, lease, runId, seed, size } = trial
    const log = Path.join(Path.dirname(filename), `${runId}-${trial.logs.length}`)
    const before = trial.completed.size
    trial.logs.push(log)
    yield* process.tell(
      new Command({
        ...{ filename, runId, seed, size, log, call: "start", patient: true, at: 0, gate: "" },
        lease: { ...lease, owner: `process ${process.pid}` }
      })
    )
    const { begun, driving, end, held, message } = yield* watch(trial, process, moment, pace)
    yield* Option.isNone(message) ? process.signal("SIGKILL") : process.finish
    const { code, signal } = yield* process.ended
    trial.journal.push(
      `${runId} ${Path.basename(filename)} process ${trial.logs.length} (${process.pid}): ` +
        `${moment === undefined ? "not to be killed" : `to be killed at ${moment.at.toFixed(3)} of ${moment.phase}`}, ` +
        `found it held ${held} times, ` +
        (driving === 0 ? "" : `opened it in ${driving - begun} ms, drove it for ${end - driving} ms, `) +
        `${signal ?? `exit ${code}`}; ${before} modules before`
    )
    const run = yield* inspect(trial)
    trial.journal.push(
      Option.match(run, {
        onNone: () => "  no run yet",
        onSome: ({ epoch, seq, status }) =>
          `  ${status}, epoch ${epoch}, ${seq} transitions, ${trial.completed.size} modules completed`
      })
    )
    const gained = trial.completed.size - before
    if (driving > 0 && gained >= 20) {
      const measured = (end - driving) / gained
      pace.module = pace.module === 0 ? measured : (pace.module + measured) / 2
    }
    if (Option.isNone(message)) {
      assert.strictEqual(signal, "SIGKILL")
      return { held, end: Option.exists(run, ({ status }) => status !== "running") ? "late" : "killed" }
    }
    assert.strictEqual(code, 0)
    assert.strictEqual(Option.getOrThrow(run).status, "completed")
    assert.strictEqual(trial.completed.size, modules(trial) + 1)
    assert.deepInclude(message.value, { outputs: Layered.expected(size, seed).outputs })
    return { held, end: "completed" }
  })
