import { assert, layer, vi } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schedule } from "effect"
import * as CrashExplorer from "heddle/testing/CrashExplorer"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { compiled, lines } from "./Process.js"

const setPath = (path: string | undefined) => {
  process.env.PATH = path
}

const hidePath = () => {
  const path = process.env.PATH
  setPath("/nowhere")
  return path
}

/** Until the scope ends nothing is found by its name. */
const withoutPath = Effect.acquireRelease(Effect.sync(hidePath), (path) => Effect.sync(() => setPath(path)))

/** Where the program of `programs/log.ts` is. */
class Log extends Context.Tag("heddle/test/crash/Log")<Log, string>() {}

const all = ["1", "2", "3"]
const kinds = ["before", "after", "note", "write", "sync"] as const

const linesIn = ({ directory }: CrashExplorer.Crash) => lines(Path.join(directory, "lines"))

/** What is noted is there, also at the end; and then there is everything, once. */
const explore = (fault: string, options: Partial<CrashExplorer.Options<string, never>> = {}) =>
  Effect.flatMap(Log, (program) =>
    CrashExplorer.explore<string>({
      command: [process.execPath, program],
      env: { LOG_FAULT: fault },
      files: ["lines"],
      inspect: (crash) =>
        CrashExplorer.notes(crash.killed).every((line) => linesIn(crash).includes(line))
          ? Effect.void
          : Effect.fail("lost"),
      check: (crash) => (linesIn(crash).join() === all.join() ? Effect.void : Effect.fail("not all of it, once")),
      timeout: "60 seconds",
      ...options
    })
  )

/** The points that failed, each with its error or the tag of it. */
const failed = ({ failures }: CrashExplorer.Report<string>) =>
  failures.map(({ cause, crash: { kind, point } }) => {
    const error = Option.getOrThrow(Cause.failureOption(cause))
    return `${kind} ${point}: ${typeof error === "string" ? error : error._tag}`
  })

/** Removes what is kept for inspection. */
const forget = ({ failures }: CrashExplorer.Report<string>) =>
  Effect.sync(() => {
    for (const { crash } of failures)
      Fs.rmSync(Path.resolve(crash.directory, "../.."), { recursive: true, force: true })
  })

const isGone = (pid: number) => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

const folders = () => Fs.readdirSync(Os.tmpdir()).filter((name) => name.startsWith("heddle-crash-"))

vi.setConfig({ testTimeout: 120_000 })

layer(Layer.scoped(Log, compiled("./programs/log.ts")), { excludeTestServices: true })("CrashExplorer", (it) => {
  it.effect("kills at each point, exactly there", (context) =>
    Effect.gen(function* () {
      const left: Record<string, number> = {}
      const report = yield* explore("", {
        kinds,
        inspect: (crash) => Effect.sync(() => (left[`${crash.kind} ${crash.point}`] = linesIn(crash).length))
      })
      assert.deepStrictEqual(failed(report), [], CrashExplorer.format(report))
      assert.deepStrictEqual(report.missed, [])
      const made = { before: -1, after: 0, note: 0, write: -1, sync: 0 }
      const ran = kinds.filter((kind) => report.notRun.every((one) => one.kind !== kind))
      for (const kind of ran) {
        assert.strictEqual(report.points[kind], 3, kind)
        const there = [1, 2, 3].map((point) => left[`${kind} ${point}`])
        assert.deepStrictEqual(
          there,
          [1, 2, 3].map((point) => point + made[kind]),
          kind
        )
      }
      for (const { killed, kind, point, resumed } of report.crashes) {
        const noted = CrashExplorer.notes(killed)
        assert.strictEqual(noted.length, kind === "note" ? point : point - 1)
        assert.deepStrictEqual(
          [...noted, ...CrashExplorer.notes(resumed)].filter((line) => line !== `${point}`),
          all.filter((line) => line !== `${point}`)
        )
      }
      if (ran.length < kinds.length) context.skip(CrashExplorer.format(report))
    })
  )

  for (const [fault, kinds, found] of [
    ["says it too early", ["before", "after"], ["before 1: lost", "before 2: lost", "before 3: lost"]],
    ["keeps half a line", ["write"], [2, 4, 6].map((point) => `write ${point}: not all of it, once`)],
    ["cannot resume", ["after"], all.map((point) => `after ${point}: ChildFailed`)]
  ] as const) {
    it.effect(`finds a program that ${fault}`, (context) =>
      Effect.gen(function* () {
        const report = yield* explore(fault, { kinds })
        const isRun = (failure: string) => report.notRun.every(({ kind }) => !failure.startsWith(kind))
        assert.deepStrictEqual(failed(report), found.filter(isRun))
        assert.isTrue(report.failures.every(({ crash }) => Fs.existsSync(crash.directory)))
        for (const failure of failed(report)) assert.include(CrashExplorer.format(report), failure.split(":")[0]!)
        yield* forget(report)
        if (report.notRun.length > 0) context.skip(CrashExplorer.format(report))
      })
    )
  }

  it.effect("shows the system calls between what is written down", (context) =>
    Effect.gen(function* () {
      const program = yield* Log
      /** What came before each note. */
      const before = (fault: string) =>
        CrashExplorer.syscalls({
          command: [process.execPath, program],
          env: { LOG_FAULT: fault },
          files: ["lines"]
        }).pipe(
          Effect.map((steps) =>
            steps.map((step) => (step._tag === "Syscall" ? `${step.kind} ${step.file}` : step._tag))
          ),
          Effect.map((steps) => steps.join(", ").split(", Note").slice(0, -1))
        )
      const synced = yield* before("")
      assert.deepStrictEqual(synced[0], "Before, write lines, sync lines, After")
      assert.deepStrictEqual(
        synced.slice(1),
        all.slice(1).map(() => `, ${synced[0]!}`)
      )
      const unsynced = yield* before("does not sync")
      assert.deepStrictEqual(unsynced[0], "Before, write lines, After")
      assert.strictEqual(unsynced.length, 3)
    }).pipe(
      Effect.catchTag("StraceUnavailable", ({ message }) => Effect.sync(() => context.skip(`not run: ${message}`)))
    )
  )

  it.effect("kills at the points that it is told, or at a sample of them that the seed decides", () =>
    Effect.gen(function* () {
      const points = (points: CrashExplorer.Points) =>
        Effect.map(
          explore("", { kinds: ["note"], points, resume: () => Effect.void, check: () => Effect.void }),
          ({ crashes }) => crashes.map(({ point }) => point)
        )
      assert.deepStrictEqual(yield* points([1, 3, 100]), [1, 3])
      const samples = yield* Effect.forEach([1, 1, 2, 5], (seed) => points({ sample: 1, seed }))
      assert.deepStrictEqual(samples[0], samples[1])
      assert.isAbove(new Set(samples.flat()).size, 1)
    })
  )

  it.effect("fails when the program does not run to its end by itself", () =>
    Effect.gen(function* () {
      const options = { check: () => Effect.void }
      const error = yield* Effect.flip(
        CrashExplorer.explore({ ...options, command: [process.execPath, "-e", "console.error('no'); process.exit(3)"] })
      )
      assert.strictEqual(error.problem, "it ended with the exit code 3")
      assert.strictEqual(error.output, "no\n")
      const missing = yield* Effect.flip(CrashExplorer.explore({ ...options, command: ["/nowhere/program"] }))
      assert.include(missing.message, "ENOENT")
    })
  )

  it.effect("ends a child that takes too long", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        CrashExplorer.explore({
          command: [process.execPath, "-e", "console.log(process.pid); setInterval(() => {}, 1000)"],
          timeout: "1 second",
          check: () => Effect.void
        })
      )
      assert.strictEqual(error.problem, "it did not end within 1s")
      assert.isTrue(isGone(Number(error.output)))
    })
  )

  it.effect("that is interrupted ends its children and leaves nothing", () =>
    Effect.gen(function* () {
      const before = folders()
      const fiber = yield* Effect.fork(explore("hangs"))
      const file = yield* Effect.sync(() =>
        folders()
          .filter((folder) => !before.includes(folder))
          .map((folder) => Path.join(Os.tmpdir(), folder, "whole/files/pid"))
          .find((file) => Fs.existsSync(file) && Fs.readFileSync(file, "utf8") !== "")
      ).pipe(
        Effect.filterOrFail((file) => file !== undefined),
        Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 3000 })
      )
      const pid = Number(Fs.readFileSync(file, "utf8"))
      assert.isFalse(isGone(pid))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.isTrue(isGone(pid))
      assert.isFalse(Fs.existsSync(Path.resolve(file, "../../..")))
    })
  )

  it.effect("says by name what it cannot run where strace is missing", () =>
    Effect.gen(function* () {
      yield* withoutPath
      const report = yield* explore("", { kinds: ["after", "write", "sync"] })
      const reason = "strace is missing"
      assert.deepStrictEqual(report.notRun, [
        { kind: "write", reason },
        { kind: "sync", reason }
      ])
      assert.strictEqual(report.crashes.length, 3)
      assert.include(CrashExplorer.format(report), "write: not run: strace is missing")
      const program = yield* Log
      const error = yield* Effect.flip(CrashExplorer.syscalls({ command: [process.execPath, program] }))
      assert.deepInclude(error, { _tag: "StraceUnavailable", reason })
    }).pipe(Effect.scoped)
  )
})
