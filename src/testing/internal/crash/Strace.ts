/**
 * System calls of a child, watched and hit by strace, which no code inside of the child can do.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Child from "./Child.js"

/**
 * There is no strace, or it may not trace here. `reason` is for people.
 *
 * @since 0.1.0
 * @category errors
 */
export class StraceUnavailable extends Data.TaggedError("StraceUnavailable")<{ readonly reason: string }> {
  override get message(): string {
    return `strace cannot be used: ${this.reason}`
  }
}

const kinds = {
  write: ["write", "writev", "pwrite64", "pwritev", "ftruncate", "unlink", "unlinkat", "rename", "renameat"],
  sync: ["fsync", "fdatasync"]
} as const

/** A system call that succeeded. `when`: it is the how manieth of its name in its thread, of those on the same files. */
export interface Call {
  readonly kind: keyof typeof kinds
  readonly name: string
  readonly path: string
  readonly when: number
}

// The process that is started becomes the program, and strace watches it from the side: what is killed is the program.
const strace = ["strace", "-D", "-f"] as const
const paths = (files: ReadonlyArray<string>) => files.flatMap((file) => ["-P", file])

export const available: Effect.Effect<void, StraceUnavailable> = Child.run(
  [...strace, "-qq", "-e", "trace=none", "-e", "signal=none", "true"],
  { cwd: "/", env: {}, timeout: "10 seconds" }
).pipe(
  Effect.mapError(({ problem }) =>
    problem.includes("ENOENT")
      ? new StraceUnavailable({ reason: "strace is missing" })
      : new StraceUnavailable({ reason: problem })
  ),
  Effect.filterOrFail(
    ({ code, output }) => code === 0 && output === "",
    ({ code, output, signal }) => new StraceUnavailable({ reason: output.trim() || `it ended with ${signal ?? code}` })
  )
)

/** Watches the calls on these files, which need not exist yet; no link may be in their paths. */
export const watching = (log: string, files: ReadonlyArray<string>) =>
  [
    ...strace,
    // without it the program is stopped at each of its calls, and takes several times as long
    "--seccomp-bpf",
    ...["-qq", "-y", "-s", "0", "-e", "signal=none", "-o", log],
    ...["-e", `trace=${[...kinds.write, ...kinds.sync].join(",")}`],
    ...paths(files)
  ] as const

/** Kills the program in the moment in which it makes a call, which then is not made. */
export const killing = ({ name, when }: Pick<Call, "name" | "when">, files: ReadonlyArray<string>) =>
  [
    ...strace,
    ...["-qq", "-e", "signal=none", "-o", "/dev/null", "-e", `trace=${name}`],
    ...["-e", `inject=${name}:signal=SIGKILL:when=${when}`],
    ...paths(files)
  ] as const

const kindOf = (name: string): Call["kind"] => (kinds.sync.some((sync) => sync === name) ? "sync" : "write")

/**
 * The calls that `watching` has logged, in the order in which they began. `apart`: a file that is counted by itself,
 * because `killing` will not be told of it.
 */
export const parse = (log: string, apart: string): ReadonlyArray<Call> => {
  const counts = new Map<string, number>()
  return log.split("\n").flatMap((line): ReadonlyArray<Call> => {
    const [, thread, name, byDescriptor, byName] = /^(\d+) +(\w+)\((?:\d+<([^>]*)>|[^"]*"([^"]*)")/.exec(line) ?? []
    const path = byDescriptor ?? byName
    if (thread === undefined || name === undefined || path === undefined) return []
    const key = `${thread} ${name} ${path === apart}`
    const when = (counts.get(key) ?? 0) + 1
    counts.set(key, when)
    return line.includes(" = -1 ") ? [] : [{ kind: kindOf(name), name, path, when }]
  })
}
