/** The main file of an example, bundled, for as long as the tests of the example run, and processes of it. */
import { Context, Effect, Layer } from "effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "./Bundle.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Where the file is. */
export class Program extends Context.Tag("heddle/test/examples/Program")<Program, string>() {}

export const layer = (main: string): Layer.Layer<Program> =>
  Layer.scoped(
    Program,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "heddle-example-"))),
        (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
      )
      Fs.symlinkSync(Path.join(root, "node_modules"), Path.join(folder, "node_modules"), "junction")
      yield* Effect.promise(() => bundle({ entryPoints: [main], outdir: folder }))
      return Path.join(folder, "main.mjs")
    })
  )

export interface Process {
  readonly output: { readonly stdout: string; readonly stderr: string }
  /** Waits until it has printed this. */
  readonly prints: (text: string) => Effect.Effect<void>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Effect.Effect<number | string | null>
}

/** The program in a process of its own, which ends with the scope at the latest. */
export const start = (...args: ReadonlyArray<string>) => startIn({}, ...args)

/** The same, with these variables in its environment. */
export const startIn = (variables: { readonly [name: string]: string }, ...args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(Program, (program) => {
        const child = ChildProcess.spawn(process.execPath, [program, ...args], {
          cwd: root,
          env: { ...process.env, ...variables }
        })
        const output = { stdout: "", stderr: "" }
        child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text))
        child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text))
        const ended = new Promise<number | string | null>((resolve) =>
          child.on("close", (code, signal) => resolve(code ?? signal))
        )
        return { child, output, ended }
      }),
      ({ child, ended }) =>
        Effect.zipRight(
          Effect.sync(() => child.kill("SIGKILL")),
          Effect.promise(() => ended)
        )
    ),
    ({ child, ended, output }): Process => ({
      output,
      prints: (text) =>
        Effect.async<void>((resume) => {
          const look = () => {
            if (output.stdout.includes(text)) resume(Effect.void)
          }
          child.stdout.on("data", look)
          look()
        }),
      kill: (signal) => Effect.sync(() => void child.kill(signal)),
      ended: Effect.promise(() => ended)
    })
  )
