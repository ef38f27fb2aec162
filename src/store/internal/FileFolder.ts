/**
 * A folder of entries, one file each: whose it is, and writing a file so that a crash leaves the old or the new one.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { constants } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { StoreError } from "../../model/StoreError.js"
import * as FileEntry from "./FileEntry.js"
import * as FileErrors from "./FileErrors.js"
import * as FileLock from "./FileLock.js"

/** By it a folder is known as ours; it says up to which version some may have been given. */
const markName = "heddle-state.json"

// One writes at a time, so one name is enough: what a crash has left there is written over.
export const temporaryName = "tmp"

const format = 1

const Mark = Schema.parseJson(
  Schema.Struct({
    heddle: Schema.Literal("StateStoreFile"),
    format: Schema.Int,
    versions: Schema.NonNegativeInt
  })
)

export interface FileFolder {
  readonly location: string
  /** The versions that may have been given before the folder was opened: up to this one. */
  readonly versions: number
  /** The names of the entries' files, as they were when the folder was opened. */
  readonly names: ReadonlyArray<string>
  /** From now on versions up to this one may be given. */
  readonly reserve: (operation: string, versions: number) => Effect.Effect<void, StoreError>
  /** On disk when it returns. */
  readonly write: (operation: string, name: string, data: Uint8Array) => Effect.Effect<void, StoreError>
  /** Gone from the disk when it returns. */
  readonly remove: (operation: string, name: string) => Effect.Effect<void, StoreError>
  /** Gone sometime. */
  readonly discard: (name: string) => Effect.Effect<void>
  /** The first `bytes` bytes of a file; undefined when it is not there. */
  readonly read: (operation: string, name: string, bytes?: number) => Effect.Effect<Buffer | undefined, StoreError>
}

/** Windows cannot sync a folder, and need not. */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await Fs.open(path, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** By way of a file `tmp`: a crash leaves what was there before, or all of this. */
export const writeWhole = async (location: string, name: string, data: Uint8Array): Promise<void> => {
  const temporary = Path.join(location, temporaryName)
  const handle = await Fs.open(temporary, "w")
  try {
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await Fs.rename(temporary, Path.join(location, name))
  await syncFolder(location)
}

const readSome = async (path: string, bytes: number | undefined): Promise<Buffer | undefined> => {
  try {
    if (bytes === undefined) return await Fs.readFile(path)
    const handle = await Fs.open(path, "r")
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (FileErrors.code(error) === "ENOENT") return undefined
    throw error
  }
}

/** The names in a folder; none when there is no folder. */
export const namesIn = (location: string): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.tryPromise({
    try: async () => {
      try {
        return await Fs.readdir(location)
      } catch (error) {
        if (FileErrors.code(error) === "ENOENT") return []
        throw error
      }
    },
    catch: FileErrors.fromUnknown(location, "layer")
  })

/** A lock, or what a crash has left. */
export const isPassing = (name: string): boolean => name === temporaryName || FileLock.isLock(name)

/** Whose folder it is: reads only. Undefined: nobody's, and it may become ours. */
const identify = (location: string): Effect.Effect<typeof Mark.Type | undefined, StoreError> =>
  Effect.gen(function* () {
    const refuse = (reason: StoreError["reason"], message: string) =>
      FileErrors.make(reason, location, "layer", message)
    const names = (yield* namesIn(location)).filter((name) => !isPassing(name))
    if (!names.includes(markName)) {
      if (names.length === 0) return undefined
      return yield* names.every(FileEntry.isName)
        ? refuse("corrupt", `${location}: ${markName} is missing: restore the folder from a backup`)
        : refuse("foreign", `${location}: it has other files, and was left as it is: choose an empty folder`)
    }
    const path = Path.join(location, markName)
    const text = yield* Effect.tryPromise({
      try: () => Fs.readFile(path, "utf8"),
      catch: FileErrors.fromUnknown(location, "layer")
    })
    const mark = Schema.decodeUnknownEither(Mark)(text)
    if (Either.isLeft(mark)) {
      return yield* refuse("corrupt", `${path}: it is damaged: restore the folder from a backup`)
    }
    return mark.right.format <= format
      ? mark.right
      : yield* refuse(
          "newer",
          `${location}: a later release of Heddle wrote it (format ${mark.right.format}, this one knows ${format}): ` +
            "it was left as it is; use that release, or choose another folder"
        )
  })

/** Opens the folder, creates it where there is none, and holds it for this process until the scope ends. */
export const open = (directory: string): Effect.Effect<FileFolder, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    if (directory.trim() === "") {
      return yield* FileErrors.make("failed", directory, "layer", "the directory is empty: name a folder")
    }
    const location = Path.resolve(directory)
    const attempt = <A>(operation: string, f: () => Promise<A>) =>
      Effect.tryPromise({ try: f, catch: FileErrors.fromUnknown(location, operation) })
    const writeMark = (operation: string, versions: number) =>
      attempt(operation, () => {
        const mark: typeof Mark.Type = { heddle: "StateStoreFile", format, versions }
        return writeWhole(location, markName, Buffer.from(Schema.encodeSync(Mark)(mark)))
      })

    // before anything is written there
    yield* identify(location)
    yield* attempt("layer", async () => {
      if ((await Fs.mkdir(location, { recursive: true })) !== undefined) await syncFolder(Path.dirname(location))
    })
    yield* FileLock.hold(location)
    const mark = yield* identify(location)
    if (mark === undefined) yield* writeMark("layer", 0)
    yield* attempt("layer", () => Fs.rm(Path.join(location, temporaryName), { force: true }))
    const names = (yield* namesIn(location)).filter(FileEntry.isName)

    return {
      location,
      versions: mark?.versions ?? 0,
      names,
      reserve: writeMark,
      write: (operation, name, data) =>
        attempt(operation, () => writeWhole(location, name, data)).pipe(
          Effect.tapError(() => Effect.ignore(attempt(operation, () => Fs.rm(Path.join(location, temporaryName)))))
        ),
      remove: (operation, name) =>
        attempt(operation, async () => {
          await Fs.rm(Path.join(location, name), { force: true })
          await syncFolder(location)
        }),
      discard: (name) => Effect.ignore(attempt("set", () => Fs.rm(Path.join(location, name), { force: true }))),
      read: (operation, name, bytes) => attempt(operation, () => readSome(Path.join(location, name), bytes))
    }
  })
