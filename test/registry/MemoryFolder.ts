/** A folder in memory, in place of the file system's: it has the files that it is given, and tells of changes when asked to. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as PlatformError from "@effect/platform/Error"
import * as Path from "@effect/platform/Path"
import { Effect, Layer, Option, PubSub, Ref, Stream } from "effect"

export interface MemoryFolder {
  readonly put: (files: { readonly [name: string]: string | undefined }) => Effect.Effect<void>
  /** The file system says that something has changed. */
  readonly tell: Effect.Effect<void>
  /** From now on the folder is gone, or there again. */
  readonly setGone: (gone: boolean) => Effect.Effect<void>
  readonly layer: Layer.Layer<FileSystem.FileSystem | Path.Path>
}

const notFound = (path: string) =>
  new PlatformError.SystemError({ module: "FileSystem", method: "open", reason: "NotFound", pathOrDescriptor: path })

const regularFile: FileSystem.File.Info = {
  type: "File",
  mtime: Option.none(),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0,
  ino: Option.none(),
  mode: 0o644,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: FileSystem.Size(0),
  blksize: Option.none(),
  blocks: Option.none()
}

export const make = (initial: { readonly [name: string]: string }) =>
  Effect.gen(function* () {
    const files = yield* Ref.make<ReadonlyMap<string, string>>(new Map(Object.entries(initial)))
    const gone = yield* Ref.make(false)
    const events = yield* PubSub.unbounded<FileSystem.WatchEvent>()
    const whenThere = Effect.flatMap(Ref.get(gone), (isGone) => (isGone ? notFound("flows") : Effect.void))
    const folder: MemoryFolder = {
      put: (changed) =>
        Ref.update(files, (files) => {
          const next = new Map(files)
          for (const [name, text] of Object.entries(changed)) {
            if (text === undefined) next.delete(name)
            else next.set(name, text)
          }
          return next
        }),
      tell: Effect.asVoid(PubSub.publish(events, FileSystem.WatchEventUpdate({ path: "some.yaml" }))),
      setGone: (isGone) => Ref.set(gone, isGone),
      layer: Layer.merge(
        FileSystem.layerNoop({
          readDirectory: () =>
            Effect.zipRight(
              whenThere,
              Effect.map(Ref.get(files), (files) => [...files.keys()])
            ),
          stat: () => Effect.succeed(regularFile),
          stream: (path) =>
            Stream.unwrap(
              Effect.map(Ref.get(files), (files) => {
                const text = files.get(path.slice(path.lastIndexOf("/") + 1))
                return text === undefined ? Stream.fail(notFound(path)) : Stream.make(new TextEncoder().encode(text))
              })
            ),
          watch: () => Stream.fromPubSub(events)
        }),
        Path.layer
      )
    }
    return folder
  })
