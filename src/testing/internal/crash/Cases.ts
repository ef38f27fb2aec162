/**
 * Which points are explored, and where: each case has a folder of its own.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/**
 * Points of one kind, counted from 1: all of them, those with these numbers, or a random sample of so many, which the seed
 * decides.
 *
 * @since 0.1.0
 * @category options
 */
export type Points = "all" | ReadonlyArray<number> | { readonly sample: number; readonly seed: number | string }

/** Those that are meant, of all of one kind. */
export const choose = <T extends { readonly point: number }>(
  points: Points,
  all: ReadonlyArray<T>
): Effect.Effect<ReadonlyArray<T>> => {
  if (points === "all") return Effect.succeed(all)
  if (!("sample" in points)) return Effect.succeed(all.filter(({ point }) => points.includes(point)))
  return Random.shuffle(all).pipe(
    Effect.map((shuffled) => new Set(Chunk.take(shuffled, points.sample))),
    Effect.map((sample) => all.filter((target) => sample.has(target))),
    Effect.withRandom(Random.make(points.seed))
  )
}

export interface Folder {
  /** The working directory of the child, in which it keeps its files. */
  readonly directory: string
  readonly journal: (of: "killed" | "resumed") => string
  readonly log: string
  readonly remove: Effect.Effect<void>
}

/**
 * A folder for all cases, without links in its path, as strace wants it. It is removed at the end, unless the result says
 * that it is still wanted.
 */
export const within = <A, E, R>(
  use: (root: string) => Effect.Effect<A, E, R>,
  keep: (result: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Fs.realpathSync(Os.tmpdir()), "heddle-crash-"))),
    use,
    (root, exit) => (Exit.isSuccess(exit) && keep(exit.value) ? Effect.void : remove(root))
  )

export const folder = (root: string, name: string): Effect.Effect<Folder> =>
  Effect.sync(() => {
    const directory = Path.join(root, name, "files")
    Fs.mkdirSync(directory, { recursive: true })
    return {
      directory,
      journal: (of) => Path.join(root, name, `${of}.jsonl`),
      log: Path.join(root, name, "strace.log"),
      remove: remove(Path.join(root, name))
    }
  })

const remove = (path: string): Effect.Effect<void> =>
  Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
