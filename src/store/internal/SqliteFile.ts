/**
 * Looks at a file before the store opens it for writing.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StoreError } from "../../model/StoreError.js"

/**
 * - `fresh`: nothing is there that could be lost, and nothing that a reader could misread
 * - `settled`: the file is all there is: a connection that only reads changes nothing and leaves nothing
 * - `unsettled`: a log or a journal lies beside it, which a connection that may write would work into the file
 */
export type FileState = "fresh" | "settled" | "unsettled"

const size = (path: string): number => Fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0

// The first 20 bytes of a rollback journal: its magic, two counters, and how many pages the file had before.
const journalMagic = Buffer.from("d9d505f920a163d7", "hex")

/** Whether the journal undoes the very first transaction of the file: then what it undoes it to is an empty file. */
const undoesCreation = (journal: string): boolean => {
  const header = Buffer.alloc(20)
  const descriptor = Fs.openSync(journal, "r")
  try {
    const read = Fs.readSync(descriptor, header, 0, 20, 0)
    return read === 20 && header.subarray(0, 8).equals(journalMagic) && header.readUInt32BE(16) === 0
  } finally {
    Fs.closeSync(descriptor)
  }
}

const allowed = (path: string): boolean => {
  try {
    Fs.accessSync(path, Fs.constants.R_OK | Fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined

// Of what is shorter than its smallest page, SQLite takes some for an empty database, and writes over it.
const smallestPage = 512

interface Refusal {
  readonly reason: StoreError["reason"]
  readonly message: string
  readonly cause?: unknown
}

const no = (message: string, reason: StoreError["reason"] = "failed"): Either.Either<never, Refusal> =>
  Either.left({ reason, message })

/**
 * Never opens the database itself: closing a descriptor of it would drop every POSIX lock that this process has on it,
 * also those of other connections. Only SQLite may open it. Its journal carries no locks.
 */
const inspect = (filename: string): Either.Either<FileState, Refusal> => {
  const directory = Path.dirname(filename)
  const stat = Fs.statSync(filename, { throwIfNoEntry: false })
  if (stat === undefined) {
    const parent = Fs.statSync(directory, { throwIfNoEntry: false })
    if (parent === undefined) {
      return no(`the directory ${directory} does not exist: create it, or choose another file`)
    }
    if (!parent.isDirectory()) return no(`${directory} is not a directory: choose another file`)
  } else {
    if (stat.isDirectory()) {
      return no(`it is a directory: name a file in it, such as ${Path.join(filename, "heddle.db")}`)
    }
    if (!stat.isFile()) return no("it is not a regular file: choose another one")
    if (!allowed(filename)) {
      return no("this process may not read and write the file: change its permissions or its owner")
    }
  }
  if (!allowed(directory)) {
    return no(
      `this process may not write in ${directory}, where SQLite keeps its log: change its permissions or its owner`
    )
  }
  if (stat === undefined || stat.size === 0) return Either.right("fresh")
  if (size(`${filename}-journal`) > 0) {
    return Either.right(undoesCreation(`${filename}-journal`) ? "fresh" : "unsettled")
  }
  if (stat.size < smallestPage) return no("it is not a SQLite database: choose another file", "corrupt")
  return Either.right(Fs.existsSync(`${filename}-wal`) ? "unsettled" : "settled")
}

/** What is at `filename`, an absolute path; fails when no database can be there, and says what to do. */
export const look = (filename: string): Effect.Effect<FileState, StoreError> => {
  const error = ({ cause, message, reason }: Refusal) =>
    new StoreError({ reason, location: filename, operation: "layer", message: `${filename}: ${message}`, cause })
  return Effect.try({
    try: () => inspect(filename),
    catch: (cause) =>
      error({
        reason: "failed",
        message:
          codeOf(cause) === "ENOTDIR"
            ? "a part of its path is not a directory: choose another file"
            : cause instanceof Error
              ? cause.message
              : String(cause),
        cause
      })
  }).pipe(Effect.flatMap(Either.mapLeft(error)))
}

/** How many bytes the log beside a database has. */
export const logSize = (filename: string): Effect.Effect<number, StoreError> =>
  filename === ":memory:"
    ? Effect.succeed(0)
    : Effect.try({
        try: () => size(`${filename}-wal`),
        catch: (cause) =>
          new StoreError({
            reason: "failed",
            location: filename,
            operation: "storage",
            message: `${filename}-wal: its size cannot be read`,
            cause
          })
      })
