/**
 * A child process from its start to its end.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"

/**
 * A child did something else than to run to its end, or to the point at which it is killed. `output` is the end of what it
 * wrote to its standard output and its standard error.
 *
 * @since 0.1.0
 * @category errors
 */
export class ChildFailed extends Data.TaggedError("ChildFailed")<{
  readonly command: ReadonlyArray<string>
  readonly problem: string
  readonly output: string
}> {
  override get message(): string {
    return `${this.command.join(" ")}: ${this.problem}${this.output === "" ? "" : `; it wrote:\n${this.output}`}`
  }
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** The end of what it wrote to its standard output and its standard error. */
  readonly output: string
}

const outputLimit = 4096

// eslint-disable-next-line no-restricted-properties -- a child inherits the whole environment; Config reads single values
const inherited = () => process.env

/**
 * Starts a process and waits for its end, and for that of all who write to its output. It fails when the process does not
 * start, or has not ended in time.
 *
 * **Interruption**: the process is killed, and its end awaited.
 */
export const run = (
  command: ReadonlyArray<string>,
  options: {
    readonly cwd: string
    readonly env: { readonly [name: string]: string | undefined }
    readonly timeout: Duration.DurationInput
  }
): Effect.Effect<Ended, ChildFailed> =>
  Effect.suspend(() => {
    let output = ""
    const failed = (problem: string) => new ChildFailed({ command, problem, output })
    return Effect.async<Ended, ChildFailed>((resume) => {
      const [program = "", ...args] = command
      const child = ChildProcess.spawn(program, args, {
        cwd: options.cwd,
        env: { ...inherited(), ...options.env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output = (output + text).slice(-outputLimit)
        })
      }
      child.on("error", (error) => resume(failed(error.message)))
      child.on("close", (code, signal) => resume(Effect.succeed({ code, signal, output })))
      return Effect.async<void>((resume) => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
    }).pipe(
      Effect.timeoutFail({
        duration: options.timeout,
        onTimeout: () => failed(`it did not end within ${Duration.format(options.timeout)}`)
      })
    )
  })
