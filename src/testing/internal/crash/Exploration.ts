/**
 * Children that run to their end, and children that are killed.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Folder } from "./Cases.js"
import * as Child from "./Child.js"
import * as Journal from "./Journal.js"
import * as Strace from "./Strace.js"

export interface Program {
  readonly command: ReadonlyArray<string>
  readonly env: { readonly [name: string]: string }
  readonly files: ReadonlyArray<string>
  readonly timeout: Duration.DurationInput
}

/** It kills itself after an entry of its journal, or strace kills it. */
export type Fate = { readonly kill: string } | { readonly call: { readonly name: string; readonly when: number } }

/** The folder, and each file together with the log that SQLite keeps beside it. */
const watched = ({ files }: Program, { directory }: Folder): ReadonlyArray<string> => [
  directory,
  ...files.flatMap((file) => {
    const path = Path.resolve(directory, file)
    return [path, `${path}-wal`, `${path}-journal`]
  })
]

const start = (
  program: Program,
  folder: Folder,
  of: "killed" | "resumed",
  { kill, tracer = [] }: { readonly kill?: string; readonly tracer?: ReadonlyArray<string> }
) =>
  Child.run([...tracer, ...program.command], {
    cwd: folder.directory,
    env: {
      ...program.env,
      [Journal.variables.file]: folder.journal(of),
      // undefined also where this process has the variable
      [Journal.variables.kill]: kill
    },
    timeout: program.timeout
  })

const unexpected = (command: ReadonlyArray<string>, { code, output, signal }: Child.Ended) =>
  new Child.ChildFailed({ command, output, problem: `it ended with ${signal ?? `the exit code ${code}`}` })

/** Runs it to its end; gives what it wrote down. */
export const toEnd = (
  program: Program,
  folder: Folder,
  of: "killed" | "resumed",
  tracer: ReadonlyArray<string> = []
): Effect.Effect<ReadonlyArray<Journal.Entry>, Child.ChildFailed> =>
  start(program, folder, of, { tracer }).pipe(
    Effect.filterOrFail(
      ({ code }) => code === 0,
      (ended) => unexpected(program.command, ended)
    ),
    Effect.zipRight(Journal.read(folder.journal(of)))
  )

/** Runs it until it is killed; undefined when it came to its end before. */
export const toDeath = (
  program: Program,
  folder: Folder,
  fate: Fate
): Effect.Effect<ReadonlyArray<Journal.Entry> | undefined, Child.ChildFailed> =>
  Effect.gen(function* () {
    const how = "kill" in fate ? fate : { tracer: Strace.killing(fate.call, watched(program, folder)) }
    const ended = yield* start(program, folder, "killed", how)
    if (ended.code === 0) return undefined
    if (ended.signal !== "SIGKILL") return yield* unexpected(program.command, ended)
    return yield* Journal.read(folder.journal("killed"))
  })

/** Runs it to its end under strace; gives its system calls on the files, and between them what it wrote down. */
export const watch = (program: Program, folder: Folder) =>
  Effect.gen(function* () {
    yield* Strace.available
    const journal = folder.journal("killed")
    const tracer = Strace.watching(folder.log, [...watched(program, folder), journal])
    const entries = yield* toEnd(program, folder, "killed", tracer)
    const log = yield* Effect.sync(() => Fs.readFileSync(folder.log, "utf8"))
    // each entry was one write
    let written = 0
    return Strace.parse(log, journal).map(({ path, ...call }) =>
      path === journal
        ? entries[written++]!
        : { _tag: "Syscall" as const, ...call, file: Path.relative(folder.directory, path) || "." }
    )
  })
