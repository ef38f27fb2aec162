/**
 * Real processes: the program of `program.ts`, compiled once, and as many processes of it as a test wants. They end with
 * the scope at the latest.
 */
import { Console, Context, Data, Deferred, Effect, Exit, Layer, Queue, Schema, type Scope } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { Message } from "./Protocol.js"
import type { Command } from "./Protocol.js"

/** A process said or did something else than the test expects of it. */
export class ProcessFailed extends Data.TaggedError("ProcessFailed")<{
  readonly pid: number
  readonly problem: string
  readonly output: string
}> {
  override get message() {
    return `process ${this.pid}: ${this.problem}${this.output === "" ? "" : `; it wrote:\n${this.output}`}`
  }
}

interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

export interface Process {
  readonly pid: number
  readonly tell: (command: Command) => Effect.Effect<void>
  /** No more commands will come: it ends when it has done those it was given. */
  readonly finish: Effect.Effect<void>
  /** Its next message; fails when it ends without one, also when it is killed. */
  readonly next: Effect.Effect<Message, ProcessFailed>
  readonly signal: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGINT" | "SIGTERM") => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended, ProcessFailed>
  /** What it has printed, which nothing should. */
  readonly output: Effect.Effect<string>
  /** For what a test finds wrong with it. */
  readonly failed: (problem: string) => ProcessFailed
}

const makeDirectory = Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-crash-")))
const remove = (directory: string) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))

/** A folder that is kept when the test fails. */
export const temporaryDirectory = Effect.acquireRelease(makeDirectory, (directory, exit) =>
  Exit.isSuccess(exit) ? remove(directory) : Console.error(`kept for inspection: ${directory}`)
)

interface Esbuild {
  readonly buildSync: (options: { readonly [option: string]: unknown }) => unknown
}

/**
 * A program as one file: a process of it starts in a fifth of the time that it takes to load the sources. The compiler is
 * the one that tsx brings; SQLite's binding stays outside and is found through the link.
 */
const compile = (directory: string, source: string): string => {
  const root = fileURLToPath(new URL("../..", import.meta.url))
  const require = createRequire(import.meta.url)
  const esbuild = createRequire(require.resolve("tsx/package.json"))("esbuild") as Esbuild
  const program = Path.join(directory, "program.mjs")
  Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(directory, "node_modules"))
  esbuild.buildSync({
    absWorkingDir: root,
    entryPoints: [fileURLToPath(new URL(source, import.meta.url))],
    tsconfig: Path.join(root, "tsconfig.json"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["better-sqlite3"],
    logLevel: "error",
    outfile: program
  })
  return program
}

/** Where the compiled program is, until the scope ends. `source`: its path from here. */
export const compiled = (source: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(makeDirectory, remove), (directory) => compile(directory, source))

const start = (program: string): Effect.Effect<Process, ProcessFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const messages = yield* Queue.unbounded<Message | undefined>()
    const ended = yield* Deferred.make<Ended>()
    const output: Array<string> = []
    const decode = Schema.decodeUnknownSync(Schema.parseJson(Message))

    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = ChildProcess.spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "pipe", "pipe"] })
        const [stdin, stdout, stderr, channel] = child.stdio
        // it may be gone before it has read everything
        stdin.on("error", () => {})
        for (const stream of [stdout, stderr])
          stream.setEncoding("utf8").on("data", (text: string) => output.push(text))
        let rest = ""
        // `pipe` gives a stream that can be read and written
        const incoming = channel as typeof stdout
        incoming.setEncoding("utf8").on("data", (text: string) => {
          const lines = (rest + text).split("\n")
          rest = lines.pop() ?? ""
          for (const line of lines) messages.unsafeOffer(decode(line))
        })
        child.on("error", (error) => output.push(String(error)))
        // all that it has written was read by then
        child.on("close", (code, signal) => {
          messages.unsafeOffer(undefined)
          Deferred.unsafeDone(ended, Effect.succeed({ code, signal }))
        })
        return child
      }),
      (child) =>
        Effect.zipRight(
          Effect.sync(() => child.kill("SIGKILL")),
          child.pid === undefined ? Effect.void : Deferred.await(ended)
        )
    )
    const pid = child.pid ?? 0
    const failed = (problem: string) => new ProcessFailed({ pid, problem, output: output.join("") })
    const bounded = (what: string) => Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => failed(what) })
    return {
      pid,
      tell: (command) => Effect.sync(() => void child.stdin.write(`${JSON.stringify(command)}\n`)),
      finish: Effect.sync(() => void child.stdin.end()),
      next: Queue.take(messages).pipe(
        bounded("it said nothing for 20 seconds"),
        Effect.flatMap((message) =>
          message === undefined
            ? Effect.zipRight(Queue.offer(messages, undefined), failed("it has ended"))
            : Effect.succeed(message)
        )
      ),
      signal: (signal) => Effect.sync(() => void child.kill(signal)),
      ended: Deferred.await(ended).pipe(bounded("it did not end within 20 seconds")),
      output: Effect.sync(() => output.join("")),
      failed
    }
  })

/** Starts processes of the compiled program. */
export class Processes extends Context.Tag("heddle/test/crash/Processes")<
  Processes,
  {
    /** A process that waits for commands. */
    readonly start: Effect.Effect<Process, ProcessFailed, Scope.Scope>
  }
>() {}

export const layer: Layer.Layer<Processes> = Layer.scoped(
  Processes,
  Effect.map(compiled("./program.ts"), (program) => ({
    start: Effect.tap(start(program), (process) =>
      Effect.flatMap(process.next, ({ _tag }) =>
        _tag === "Ready" ? Effect.void : process.failed(`it was not ready, but ${_tag}`)
      )
    )
  }))
)

/** The whole lines of a log; empty when there is none. */
export const lines = (file: string): ReadonlyArray<string> =>
  Fs.existsSync(file) ? Fs.readFileSync(file, "utf8").split("\n").slice(0, -1) : []
