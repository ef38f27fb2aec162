/**
 * Runs a program in a child process and kills it, at one point after the other: before and after each write of its store,
 * after what it notes, and inside of a write, at each of its system calls. Then resumes it, and checks what you say must
 * hold.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { RunStore } from "../store/RunStore.js"
import * as Cases from "./internal/crash/Cases.js"
import type { ChildFailed } from "./internal/crash/Child.js"
import * as Kill from "./internal/crash/Kill.js"
import type { Crash } from "./internal/crash/Kill.js"
import * as Exploration from "./internal/crash/Exploration.js"
import * as Journal from "./internal/crash/Journal.js"
import type { StraceUnavailable } from "./internal/crash/Strace.js"
import * as Targets from "./internal/crash/Targets.js"
import type { Kind } from "./internal/crash/Targets.js"

export type { Points } from "./internal/crash/Cases.js"
export { ChildFailed } from "./internal/crash/Child.js"
export type { Entry } from "./internal/crash/Journal.js"
export type { Crash } from "./internal/crash/Kill.js"
export { StraceUnavailable } from "./internal/crash/Strace.js"
export type { Kind } from "./internal/crash/Targets.js"

/**
 * A system call on the files that are watched: one that changes a file, or one that waits until its changes are on disk.
 *
 * @since 0.1.0
 * @category models
 */
export interface Syscall {
  readonly _tag: "Syscall"
  readonly kind: "write" | "sync"
  readonly name: string
  /** Its path in the directory of the child; `.` is the directory itself. */
  readonly file: string
}

/**
 * A kill after which something did not hold; `crash.directory` is kept for inspection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure<out E> {
  readonly crash: Crash
  readonly cause: Cause.Cause<E | ChildFailed>
}

/**
 * - `points`: how many points of each kind there were in a child that was not killed
 * - `crashes`: every kill
 * - `missed`: points to which the child did not come: it ran to its end, since it does not always do the same. Nothing was
 *   checked
 * - `notRun`: kinds that could not be explored, and why
 *
 * @since 0.1.0
 * @category models
 */
export interface Report<out E> {
  readonly points: { readonly [K in Kind]?: number }
  readonly crashes: ReadonlyArray<Crash>
  readonly missed: ReadonlyArray<Crash>
  readonly notRun: ReadonlyArray<{ readonly kind: Kind; readonly reason: string }>
  readonly failures: ReadonlyArray<Failure<E>>
}

/**
 * A program of yours. It is run many times, each time in an empty directory, as its working directory.
 *
 * - `command`: the program and its arguments; paths in it are absolute
 * - `env`: what it finds in its environment beside what this process has there
 * - `files`: the files that it writes, relative to its directory, for `write` and `sync`; SQLite's `-wal` and `-journal` of
 *   each belong to it. Default none
 * - `timeout`: of each child; one that takes longer is killed, and has failed. Default 30 seconds
 *
 * @since 0.1.0
 * @category options
 */
export interface Program {
  readonly command: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly env?: { readonly [name: string]: string }
  readonly files?: ReadonlyArray<string>
  readonly timeout?: Duration.DurationInput
}

/**
 * - `kinds`: default `before` and `after`
 * - `points`: which points of each kind: all of them (the default), those with these numbers, or a random sample of so
 *   many, which the seed decides
 * - `inspect`: checks what a killed child has left
 * - `resume`: what then resumes it: a command that is given the same environment and directory, or an Effect. Default the
 *   same command again, which is not killed and has to end with the exit code 0
 * - `check`: checks what is there after that
 * - `concurrency`: how many points at once. Default 2
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<out E, out R> extends Program {
  readonly kinds?: ReadonlyArray<Kind>
  readonly points?: Cases.Points
  readonly inspect?: (crash: Crash) => Effect.Effect<void, E, R>
  readonly resume?: Program["command"] | ((crash: Crash) => Effect.Effect<void, E, R>)
  readonly check: (crash: Crash) => Effect.Effect<void, E, R>
  readonly concurrency?: number
}

/**
 * For the program: a store that counts its writes (`open`, `claim`, `release`, `commit`, `signal`, `bury` and `prune`),
 * writes them down, and kills the process at the one at which `explore` wants it to die. Heartbeats are not counted, since
 * only the clock decides when they come. Without an explorer it is the store below it.
 *
 * It reads `HEDDLE_CRASH_JOURNAL` and `HEDDLE_CRASH` (as in `before:17`, `after:17`, `note:17`) through `Config`.
 *
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import * as CrashExplorer from "heddle/testing/CrashExplorer"
 * import { Layer } from "effect"
 *
 * const EngineLive = Heddle.layer().pipe(
 *   Layer.provide(CrashExplorer.layer),
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RunStore, ConfigError, RunStore> = Layer.effect(
  RunStore,
  Effect.map(Effect.all([RunStore, Journal.settings]), ([store, settings]) => {
    const write = <A, E>(operation: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.flatMap(Journal.nextWrite, (point) =>
        Effect.zipRight(
          Journal.record(settings, { _tag: "Before", point, operation }),
          Effect.onExit(effect, (exit) =>
            Exit.isSuccess(exit) ? Journal.record(settings, { _tag: "After", point, operation }) : Effect.void
          )
        )
      )
    return RunStore.of({
      ...store,
      open: (run) => write("open", store.open(run)),
      claim: (request) => write("claim", store.claim(request)),
      release: (run) => write("release", store.release(run)),
      commit: (batch) => write("commit", store.commit(batch)),
      signal: (signal) => write("signal", store.signal(signal)),
      bury: (letter) => write("bury", store.bury(letter)),
      prune: (request) => write("prune", store.prune(request)),
      keepSnapshot: (run) => write("keepSnapshot", store.keepSnapshot(run))
    })
  })
)

/**
 * For the program: writes something down that the checks need to know, such as what it was told is stored. When this is
 * done it is known, also if the process is killed at that moment. Without an explorer it does nothing.
 *
 * It is synchronous: where there is no Effect, `Effect.runSync` runs it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const note = (text: string): Effect.Effect<void> =>
  Effect.zipWith(Journal.nextNote, Effect.orDie(Journal.settings), (point, settings) =>
    Journal.record(settings, { _tag: "Note", point, text })
  ).pipe(Effect.flatten)

/**
 * What a child has noted.
 *
 * @since 0.1.0
 * @category getters
 */
export const notes = (entries: ReadonlyArray<Journal.Entry>): ReadonlyArray<string> =>
  entries.flatMap((entry) => (entry._tag === "Note" ? [entry.text] : []))

/**
 * Kills the program at each of its points, resumes it, and checks. A point that fails does not end the exploration: it is
 * in the `failures` of the report. It fails only when the program, not killed, does not run to its end.
 *
 * The points are those of one run of the program that is not killed: what matters is that the program does about the same
 * each time. `write` and `sync` count the system calls of one thread, as those of SQLite are.
 *
 * **Interruption**: the children are killed, and the directories removed.
 *
 * @example
 * ```ts
 * import * as CrashExplorer from "heddle/testing/CrashExplorer"
 * import { Effect } from "effect"
 * import { existsSync } from "node:fs"
 * import { join } from "node:path"
 *
 * const report = CrashExplorer.explore({
 *   command: [process.execPath, "/app/order.js"],
 *   check: ({ directory }) => Effect.sync(() => existsSync(join(directory, "receipt.txt"))).pipe(
 *     Effect.filterOrFail((isThere) => isThere, () => "the order has no receipt"), Effect.asVoid)
 * })
 * ```
 *
 * @since 0.1.0
 * @category exploration
 */
export const explore = <E = never, R = never>(options: Options<E, R>): Effect.Effect<Report<E>, ChildFailed, R> =>
  Cases.within(
    (root) =>
      Effect.gen(function* () {
        const program = complete(options)
        const { concurrency = 2, kinds = ["before", "after"], points = "all" } = options
        const { notRun, targets } = yield* Targets.survey(program, root, kinds)
        const found = kinds.map((kind) => [kind, targets.filter((target) => target.kind === kind)] as const)
        const chosen = yield* Effect.forEach(found, ([, all]) => Cases.choose(points, all))
        const results = yield* Effect.forEach(
          chosen.flat(),
          Kill.at({ resume: options.command, ...options }, program, root),
          { concurrency }
        )
        return {
          points: Object.fromEntries(found.map(([kind, all]) => [kind, all.length])),
          crashes: results.flatMap(({ crash, isKilled }) => (isKilled ? [crash] : [])),
          missed: results.flatMap(({ cause, crash, isKilled }) => (isKilled || cause !== undefined ? [] : [crash])),
          notRun,
          failures: results.flatMap(({ cause, crash }) => (cause === undefined ? [] : [{ crash, cause }]))
        }
      }),
    ({ failures }) => failures.length > 0
  )

/**
 * Runs the program to its end, and gives its system calls on its `files` in their order, and between them what it wrote
 * down: so it can be seen what was on disk at the moment in which something was said to be.
 *
 * **Interruption**: the child is killed, and its directory removed.
 *
 * @since 0.1.0
 * @category exploration
 */
export const syscalls = (
  program: Program
): Effect.Effect<ReadonlyArray<Syscall | Journal.Entry>, ChildFailed | StraceUnavailable> =>
  Cases.within(
    (root) =>
      Effect.gen(function* () {
        const steps = yield* Exploration.watch(complete(program), yield* Cases.folder(root, "watched"))
        return steps.map((step) =>
          step._tag === "Syscall" ? { _tag: step._tag, kind: step.kind, name: step.name, file: step.file } : step
        )
      }),
    () => false
  )

const complete = ({ command, env = {}, files = [], timeout = "30 seconds" }: Program): Exploration.Program => ({
  ...{ command, env, files, timeout }
})

/**
 * A report as lines of text: the kills of each kind and how many points there are, what was not run, and each failure.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = <E>({ crashes, failures, missed, notRun, points }: Report<E>): string => {
  const of = (kind: string, all: ReadonlyArray<Crash>) => all.filter((one) => one.kind === kind).length
  return [
    ...Object.entries(points).map(([kind, count]) => {
      const reason = notRun.find((one) => one.kind === kind)?.reason
      return reason === undefined
        ? `${kind}: ${of(kind, crashes)} kills at ${count} points, ${of(kind, missed)} missed`
        : `${kind}: not run: ${reason}`
    }),
    ...failures.map(
      ({ cause, crash: { at, directory, kind, point } }) =>
        `${kind} ${point} (${at}) in ${directory}:\n${Cause.pretty(cause)}`
    )
  ].join("\n")
}
