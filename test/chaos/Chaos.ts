/** Processes that share the runs of one database, and what happens to them: stopped, killed and restarted, from a seed. */
import { Clock, Data, Effect, Exit, Layer, Option, Random, Ref, Schedule, Schema, type Scope } from "effect"
import { Engine, Heddle, RunStore } from "heddle"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "../examples/Bundle.js"
import * as Backend from "./Backend.js"
import * as Evidence from "./Evidence.js"
import * as Journal from "./Journal.js"
import { Settings } from "./Settings.js"
import * as Workload from "./Workload.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The runs did not end in time, or a process did not. */
class ChaosFailed extends Data.TaggedError("ChaosFailed")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/**
 * Times are milliseconds: how long there is chaos, and how long it may take after that until something goes on: a machine
 * that is busy is slow, and no fault.
 */
export interface Options {
  readonly backend: Backend.Backend
  readonly seed: number
  readonly size: Workload.Size
  readonly timing: Timing
  readonly chaos: number
  readonly healing: number
  /** Whether a process that is stopped now holds up all the others, so that it is stopped at another moment. */
  readonly holdsUpOthers: Effect.Effect<boolean>
}

export interface Timing {
  readonly heartbeat: number
  readonly expiry: number
  readonly poll: number
}

/** Of four processes at most two are down at once: the other two have room for all the runs. */
const processes = 4
const mayBeDown = 2

/** A folder that is kept when the test fails. */
export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-chaos-"))),
  (directory, exit) =>
    Effect.sync(() =>
      Exit.isSuccess(exit)
        ? Fs.rmSync(directory, { recursive: true, force: true })
        : console.error(`kept for inspection: ${directory}`)
    )
)

const compiled = (directory: string) =>
  Effect.gen(function* () {
    Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(directory, "node_modules"))
    yield* Effect.promise(() => bundle({ entryPoints: ["test/chaos/program.ts"], outdir: directory }))
    return Path.join(directory, "program.mjs")
  })

type Signal = "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"

interface Process {
  readonly pid: number
  readonly signal: (signal: Signal) => Effect.Effect<void>
  /** It drives what it finds, or has ended. */
  readonly ready: Effect.Effect<void>
  readonly ended: Effect.Effect<void>
}

const start = (
  program: string,
  settings: Settings,
  log: string,
  write: (line: Journal.Line) => void
): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const output = Fs.openSync(log, "a")
        const argument = JSON.stringify(Schema.encodeSync(Settings)(settings))
        const child = ChildProcess.spawn(process.execPath, [program, argument], {
          stdio: ["ignore", output, output, "ipc"]
        })
        Fs.closeSync(output)
        const ended = new Promise<void>((resolve) => child.on("close", () => resolve()).on("error", () => resolve()))
        write({ _tag: "started", pid: child.pid ?? 0, at: Journal.now() })
        child.on("exit", (code) => {
          // nobody kills it but by a signal, and what ends by SIGTERM ends well
          if (code !== null && code !== 0 && code !== 130 && code !== 143)
            write({ _tag: "failed", pid: child.pid ?? 0, at: Journal.now() })
        })
        const ready = new Promise<void>((resolve) => child.once("message", () => resolve()))
        return { child, ended, ready: Promise.race([ready, ended]) }
      }),
      ({ child, ended }) =>
        Effect.zipRight(
          Effect.sync(() => child.kill("SIGKILL")),
          Effect.promise(() => ended)
        )
    ),
    ({ child, ended, ready }) => ({
      pid: child.pid ?? 0,
      signal: (signal) => Effect.sync(() => void child.kill(signal)),
      ready: Effect.promise(() => ready),
      ended: Effect.promise(() => ended)
    })
  )

/** Delivers the signals of a run one after the other, whether it waits for them already or not. */
const deliver = ({ runId, signals }: Workload.ChaosRun) =>
  Effect.forEach(
    signals,
    ({ signal, value }) =>
      Effect.gen(function* () {
        yield* Effect.sleep(yield* Random.nextIntBetween(50, 400))
        yield* Engine.signal(runId, signal, value).pipe(
          // the answer to the first time may have been lost
          Effect.catchTag("AlreadyDelivered", () => Effect.void),
          Effect.retry({ while: (error) => error._tag === "StoreError", schedule: Schedule.spaced("50 millis") })
        )
      }),
    { discard: true }
  )

const stored = (runs: ReadonlyArray<Workload.ChaosRun>) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    return yield* Effect.forEach(runs, ({ last, runId }) =>
      Effect.gen(function* () {
        const { epoch, quarantined, status } = Option.getOrThrow(yield* store.run(runId))
        const history = yield* store.history(runId, { after: 0, limit: 100_000 })
        const result = (yield* store.outputs(runId, [last])).get(last)
        return { runId, status, epoch, quarantined, history, result }
      })
    )
  })

/** Waits until all runs have ended; fails when nothing has gone on for `patience` milliseconds. */
const untilAllEnded = (runs: ReadonlyArray<Workload.ChaosRun>, patience: number) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    let seen = -1
    let since = yield* Clock.currentTimeMillis
    while (true) {
      const rows = yield* Effect.forEach(runs, ({ runId }) => store.run(runId)).pipe(
        Effect.retry({ schedule: Schedule.spaced("100 millis"), times: 100 }),
        Effect.map((rows) => rows.flatMap(Option.toArray))
      )
      const left = rows.filter(({ status }) => status === "running" || status === "suspended")
      if (left.length === 0) return
      const now = yield* Clock.currentTimeMillis
      const seq = rows.reduce((sum, row) => sum + row.seq, 0)
      if (seq !== seen) since = now
      seen = seq
      if (now - since > patience) {
        const problem = left.map(({ runId, status }) => `${runId} ${status}`).join(", ")
        return yield* new ChaosFailed({ problem: `nothing goes on any more, and not ended are ${problem}` })
      }
      yield* Effect.sleep("200 millis")
    }
  })

/** Lets the processes take turns on the runs, and gives what was found at the end. */
export const run = ({ backend, chaos, healing, holdsUpOthers, seed, size, timing }: Options) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const program = yield* compiled(directory)
    const journal = Path.join(directory, "journal")
    const write = Journal.writer(journal)
    const runs = Workload.runs(size)
    const say = (_tag: "stopped" | "continued" | "killed" | "ended", { pid }: Process) =>
      Effect.sync(() => write({ _tag, pid, at: Journal.now() }))

    const began = yield* Clock.currentTimeMillis
    const isOver = Effect.map(Clock.currentTimeMillis, (now) => now >= began + chaos)
    const down = yield* Effect.makeSemaphore(mayBeDown)
    const counter = yield* Ref.make(0)

    const startOne = Effect.gen(function* () {
      const number = yield* Ref.getAndUpdate(counter, (n) => n + 1)
      const owner = `process-${number}`
      const settings = new Settings({
        ...{ backend, journal, owner, size, ...timing },
        maxRuns: Math.ceil(size.runs / (processes - mayBeDown)),
        work: [20, 100]
      })
      return yield* start(program, settings, Path.join(directory, `${owner}.log`), write)
    })

    const stop = (process: Process): Effect.Effect<void> =>
      Effect.gen(function* () {
        yield* process.signal("SIGSTOP")
        yield* Effect.sleep("10 millis")
        if (yield* holdsUpOthers) {
          yield* process.signal("SIGCONT")
          yield* Effect.sleep("5 millis")
          return yield* stop(process)
        }
        yield* say("stopped", process)
      })

    /** Something that happens to a process; what there is in its place afterwards. */
    const happen = (process: Process) =>
      Effect.gen(function* () {
        const what = yield* Random.nextIntBetween(0, 100)
        if (what < 55) {
          yield* stop(process)
          // the first are over before anybody notices
          const [from, to] = what < 10 ? [50, timing.expiry / 2] : [1.2 * timing.expiry, 2.5 * timing.expiry]
          yield* Effect.sleep(yield* Random.nextIntBetween(from, to))
          yield* say("continued", process)
          yield* process.signal("SIGCONT")
          return process
        }
        const isKilled = what < 90
        yield* say(isKilled ? "killed" : "ended", process)
        yield* process.signal(isKilled ? "SIGKILL" : "SIGTERM")
        yield* process.ended
        yield* Effect.sleep(yield* Random.nextIntBetween(0, 500))
        const next = yield* startOne
        // it is down until then
        yield* next.ready
        return next
      })

    const live = Effect.gen(function* () {
      let process = yield* startOne
      while (true) {
        yield* Effect.sleep(yield* Random.nextIntBetween(200, 1500))
        if (yield* isOver) return process
        process = yield* down.withPermits(1)(happen(process))
      }
    })

    const findings = Effect.gen(function* () {
      yield* Effect.forEach(runs, ({ dag, n, runId }) => Engine.submit(dag, { n }, { runId }))
      yield* Effect.forkScoped(Effect.forEach(runs, deliver, { concurrency: "unbounded" }))
      const last = yield* Effect.all(
        Array.from({ length: processes }, () => live),
        { concurrency: "unbounded" }
      )
      yield* untilAllEnded(runs, healing)
      yield* Effect.forEach(last, ({ ended, signal }) => Effect.zipRight(signal("SIGTERM"), ended), {
        concurrency: "unbounded"
      }).pipe(
        Effect.timeoutFail({
          duration: "10 seconds",
          onTimeout: () => new ChaosFailed({ problem: "a process did not end within 10 seconds of SIGTERM" })
        })
      )
      return Evidence.findings(runs, yield* stored(runs), Journal.read(journal))
    })

    return yield* findings.pipe(
      Effect.provide(
        Layer.provideMerge(
          Heddle.layer({ engine: { poll: "1 second" }, lease: { owner: "submitter" } }),
          Backend.layer(backend)
        )
      )
    )
  }).pipe(Effect.withRandom(Random.make(seed)))
