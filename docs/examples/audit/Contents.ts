/** The files of a package and their digest. */
import { FileSystem, Path } from "@effect/platform"
import { Effect, Option, Schema, Stream } from "effect"
import * as crypto from "node:crypto"

/** `digest` is the SHA-256 of the sorted lines of `sha256sum`: equal digests are equal packages. */
export const Contents = Schema.Struct({
  path: Schema.String,
  files: Schema.Number,
  bytes: Schema.Number,
  digest: Schema.String,
  unreadable: Schema.Array(Schema.String)
})

export type Contents = typeof Contents.Type

/** Files that are read at the same time, in one package. */
const filesAtOnce = 8

/** A larger file is not read into memory as a whole. */
const wholeFile = 1024 * 1024

interface Entry {
  readonly path: string
  readonly type: "file" | "link" | "unreadable"
  readonly bytes: number
}

const sha256 = (data: string | Uint8Array): string => crypto.createHash("sha256").update(data).digest("hex")

/** Everything below a folder of the package; links are not followed. */
const entriesOf = (
  root: string,
  folder: string
): Effect.Effect<ReadonlyArray<Entry>, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = yield* Effect.option(fs.readDirectory(path.join(root, folder)))
    if (Option.isNone(names)) return [{ path: folder, type: "unreadable", bytes: 0 }]
    // what is installed inside of a package is another package
    const own = names.value.filter((name) => folder !== "" || name !== "node_modules").sort()
    const looks = yield* Effect.forEach(
      own.map((name) => (folder === "" ? name : `${folder}/${name}`)),
      (at) =>
        Effect.gen(function* () {
          const full = path.join(root, at)
          if (Option.isSome(yield* Effect.option(fs.readLink(full))))
            return { path: at, type: "link" as const, bytes: 0 }
          const { size, type } = yield* fs.stat(full)
          if (type === "Directory") return { path: at, type: "folder" as const, bytes: 0 }
          return type === "File" ? { path: at, type: "file" as const, bytes: Number(size) } : undefined
        }).pipe(Effect.orElseSucceed(() => ({ path: at, type: "unreadable" as const, bytes: 0 }))),
      { concurrency: filesAtOnce }
    )
    const entries = yield* Effect.forEach(looks, (look) =>
      look === undefined
        ? Effect.succeed([])
        : look.type === "folder"
          ? entriesOf(root, look.path)
          : Effect.succeed([look])
    )
    return entries.flat()
  })

/** The hash of a file, or of where a link leads. */
const hashOf = (file: string, { bytes, type }: Entry) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (type === "unreadable") return yield* Option.none()
    if (type === "link") return sha256(yield* fs.readLink(file))
    if (bytes <= wholeFile) return sha256(yield* fs.readFile(file))
    const hash = crypto.createHash("sha256")
    yield* Stream.runForEach(fs.stream(file, { chunkSize: wholeFile }), (chunk) =>
      Effect.sync(() => hash.update(chunk))
    )
    return hash.digest("hex")
  })

export const hash = (folder: string, path: string): Effect.Effect<Contents, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const { join } = yield* Path.Path
    const root = join(folder, path)
    const entries = yield* entriesOf(root, "")
    const hashes = yield* Effect.forEach(entries, (entry) => Effect.option(hashOf(join(root, entry.path), entry)), {
      concurrency: filesAtOnce
    })
    const lines = entries.flatMap((entry, i) =>
      Option.match(hashes[i]!, { onNone: () => [], onSome: (hash) => [`${hash}  ${entry.path}\n`] })
    )
    return {
      path,
      files: lines.length,
      bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
      digest: sha256(lines.sort().join("")),
      unreadable: entries.flatMap((entry, i) => (Option.isNone(hashes[i]!) ? [entry.path] : []))
    }
  })
