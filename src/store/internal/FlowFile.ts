/**
 * The file of a folder of flows: what is in it, and appending to it so that a crash leaves all of a write or nothing.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { StoreError } from "../../model/StoreError.js"
import * as FileErrors from "./FileErrors.js"
import * as FileFolder from "./FileFolder.js"
import * as FileLock from "./FileLock.js"
import * as FlowLine from "./FlowLine.js"
import * as FlowLog from "./FlowLog.js"

const fileName = "flows.log"

const newline = 0x0a

const chunkBytes = 1 << 20

export interface FlowFile {
  readonly location: string
  /** What the file had when it was opened. */
  readonly log: FlowLog.FlowLog
  /**
   * The line is on the disk when it returns; when it fails, it is not there. One at a time, and not to be interrupted: what
   * an interruption leaves half written nobody cuts off.
   */
  readonly append: (line: Buffer) => Effect.Effect<void, StoreError>
}

/** The lines with where they end, without the byte that ends them. `isWhole`: that byte is there. */
async function* linesOf(handle: Fs.FileHandle) {
  let parts: Array<Buffer> = []
  let end = 0
  for (;;) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes, end)
    if (bytesRead === 0) break
    let from = 0
    for (let to; (to = buffer.indexOf(newline, from)) >= 0 && to < bytesRead; from = to + 1) {
      yield { line: Buffer.concat([...parts, buffer.subarray(from, to)]), end: end + to + 1, isWhole: true }
      parts = []
    }
    parts.push(buffer.subarray(from, bytesRead))
    end += bytesRead
  }
  const line = Buffer.concat(parts)
  if (line.length > 0) yield { line, end, isWhole: false }
}

const reading = async <A>(path: string, read: (handle: Fs.FileHandle) => Promise<A>): Promise<A> => {
  const handle = await Fs.open(path, "r")
  try {
    return await read(handle)
  } finally {
    await handle.close()
  }
}

/** What is in the file: `size` is up to the end of its last whole line, and `cut` says whether there is more. */
interface Contents {
  readonly log: FlowLog.FlowLog
  readonly size: number
  readonly lines: number
  readonly cut: boolean
}

const readAll =
  (location: string, path: string) =>
  async (handle: Fs.FileHandle): Promise<Contents> => {
    const refuse = (reason: StoreError["reason"], message: string) =>
      FileErrors.make(reason, location, "layer", message)
    let contents: Contents | undefined
    for await (const { end, isWhole, line } of linesOf(handle)) {
      if (contents === undefined) {
        const format = isWhole ? FlowLine.formatOf(line) : undefined
        if (format === undefined) {
          throw !isWhole && FlowLine.first.subarray(0, line.length).equals(line)
            ? refuse("corrupt", `${path}: its first line is cut off: restore the file from a backup`)
            : refuse("foreign", `${path}: it is no file of flows, and was left as it is: choose another folder`)
        }
        if (format > FlowLine.format) {
          throw refuse(
            "newer",
            `${path}: a later release of Heddle wrote it (format ${format}, this one knows ${FlowLine.format}): ` +
              "it was left as it is; use that release, or choose another folder"
          )
        }
        contents = { log: FlowLog.empty, size: end, lines: 1, cut: false }
      } else if (isWhole) {
        const next = FlowLine.replay(contents.log, line)
        if (Either.isLeft(next)) {
          throw refuse(
            "corrupt",
            `${path}: line ${contents.lines + 1} is damaged: ${next.left}. Restore the file from a backup, or, to lose ` +
              "what was written from there on, remove that line and all that follow"
          )
        }
        contents = { log: next.right, size: end, lines: contents.lines + 1, cut: false }
      } else contents = { ...contents, cut: true }
    }
    if (contents === undefined) throw refuse("corrupt", `${path}: it is empty: restore the file from a backup`)
    return contents
  }

/** Whose folder it is: reads only. Undefined: nobody's, and it may become ours. */
const identify = (location: string): Effect.Effect<Contents | undefined, StoreError> =>
  Effect.gen(function* () {
    const names = (yield* FileFolder.namesIn(location)).filter((name) => !FileFolder.isPassing(name))
    if (!names.includes(fileName)) {
      if (names.length === 0) return undefined
      return yield* FileErrors.make(
        "foreign",
        location,
        "layer",
        `${location}: it has other files, and was left as it is: choose an empty folder`
      )
    }
    const path = Path.join(location, fileName)
    return yield* Effect.tryPromise({
      try: () => reading(path, readAll(location, path)),
      catch: FileErrors.fromUnknown(location, "layer")
    })
  })

const writeAll = async (handle: Fs.FileHandle, data: Buffer, position: number): Promise<void> => {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await handle.write(data, done, data.length - done, position + done)
    done += bytesWritten
  }
  await handle.sync()
}

const cut = async (handle: Fs.FileHandle, size: number): Promise<void> => {
  await handle.truncate(size)
  await handle.sync()
}

const end = Buffer.of(newline)

/** Opens the folder, creates it where there is none, and holds it for this process until the scope ends. */
export const open = (directory: string): Effect.Effect<FlowFile, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    if (directory.trim() === "") {
      return yield* FileErrors.make("failed", directory, "layer", "the directory is empty: name a folder")
    }
    const location = Path.resolve(directory)
    const path = Path.join(location, fileName)
    const attempt = <A>(operation: string, f: () => Promise<A>) =>
      Effect.tryPromise({ try: f, catch: FileErrors.fromUnknown(location, operation) })

    // before anything is written there
    yield* identify(location)
    yield* attempt("layer", async () => {
      const made = await Fs.mkdir(location, { recursive: true })
      if (made !== undefined) await FileFolder.syncFolder(Path.dirname(location))
    })
    yield* FileLock.hold(location)
    const found = yield* identify(location)
    if (found === undefined) yield* attempt("layer", () => FileFolder.writeWhole(location, fileName, FlowLine.first))
    yield* attempt("layer", () => Fs.rm(Path.join(location, FileFolder.temporaryName), { force: true }))
    const { log, size } = found ?? { log: FlowLog.empty, size: FlowLine.first.length }
    const handle = yield* Effect.acquireRelease(
      attempt("layer", () => Fs.open(path, "r+")),
      (handle) => Effect.promise(() => handle.close().catch(() => undefined))
    )
    if (found?.cut === true) {
      yield* attempt("layer", () => cut(handle, size))
      yield* Effect.logWarning(
        `${path}: line ${found.lines + 1} had no end: a crash cut off a write that had not succeeded; it was removed`
      )
    }

    const present = yield* Ref.make<number | StoreError>(size)

    return {
      location,
      log,
      append: (line) =>
        Effect.gen(function* () {
          const size = yield* Ref.get(present)
          if (size instanceof StoreError) return yield* size
          const stat = yield* attempt("write", () => handle.stat())
          if (stat.size !== size || stat.nlink === 0) {
            return yield* FileErrors.make(
              "corrupt",
              location,
              "write",
              `${path}: it was changed or removed while it was in use: put back what was there, and open the folder again`
            )
          }
          yield* attempt("write", async () => {
            // A file may be longer before all that it has is on the disk: a line that has its end was whole before.
            await writeAll(handle, line, size)
            await writeAll(handle, end, size + line.length)
          }).pipe(
            Effect.tapError(() =>
              Effect.catchAll(
                attempt("write", () => cut(handle, size)),
                ({ message }) =>
                  Ref.set(
                    present,
                    FileErrors.make(
                      "failed",
                      location,
                      "write",
                      `${path}: a write failed, and what it has left could not be cut off (${message}): open the folder again`
                    )
                  )
              )
            )
          )
          yield* Ref.set(present, size + line.length + 1)
        })
    }
  })
