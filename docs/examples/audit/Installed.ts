/** The packages that are installed in a node_modules folder. */
import { FileSystem, Path } from "@effect/platform"
import type { Error as PlatformError } from "@effect/platform"
import { Data, Effect, Option, Schema } from "effect"

/**
 * A package by the path of its folder in the node_modules folder. Size and time of its manifest tell whether another
 * version was installed there.
 */
export const Installed = Schema.Struct({ path: Schema.String, size: Schema.Number, modifiedAt: Schema.Number })

export type Installed = typeof Installed.Type

class TargetInvalid extends Data.TaggedError("TargetInvalid")<{ readonly message: string }> {}

const invalid = (message: string) => new TargetInvalid({ message })

/** The node_modules folder of a project, or the folder itself where it has none. */
const folderOf = (target: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const real = yield* fs.realPath(target).pipe(Effect.mapError(() => invalid(`there is no folder "${target}"`)))
    const isFolder = (folder: string) =>
      fs.stat(folder).pipe(
        Effect.map(({ type }) => type === "Directory"),
        Effect.orElseSucceed(() => false)
      )
    if (!(yield* isFolder(real))) return yield* invalid(`"${target}" is not a folder`)
    const inside = path.join(real, "node_modules")
    return (yield* isFolder(inside)) ? yield* fs.realPath(inside).pipe(Effect.orElseSucceed(() => inside)) : real
  })

const unlessMissing = <A, B>(effect: Effect.Effect<A, PlatformError.PlatformError>, otherwise: B) =>
  Effect.orElseSucceed(effect, () => otherwise)

/**
 * All packages of a folder, also scoped ones and those in node_modules folders inside of packages, sorted by path. Links
 * are followed as long as they stay in the folder (as pnpm's do), and no place is looked at twice, so that links in a
 * circle do no harm.
 */
export const find = (target: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = yield* folderOf(target)

    /** Where the entries of a node_modules folder really are. */
    const entriesOf = (folder: string) =>
      Effect.gen(function* () {
        const names = yield* unlessMissing(fs.readDirectory(folder), [])
        const visible = names.filter((name) => !name.startsWith("."))
        const scoped = yield* Effect.forEach(visible, (name) =>
          name.startsWith("@")
            ? Effect.map(unlessMissing(fs.readDirectory(path.join(folder, name)), []), (inner) =>
                inner.map((each) => path.join(folder, name, each))
              )
            : Effect.succeed([path.join(folder, name)])
        )
        return yield* Effect.forEach(
          scoped.flat(),
          (place) => Effect.map(unlessMissing(fs.realPath(place), undefined), (real) => ({ place, real })),
          { concurrency: 16 }
        )
      })

    const manifestOf = (folder: string) =>
      unlessMissing(
        Effect.map(fs.stat(path.join(folder, "package.json")), ({ mtime, size, type }) =>
          type === "File"
            ? { size: Number(size), modifiedAt: Option.match(mtime, { onNone: () => 0, onSome: (at) => at.getTime() }) }
            : undefined
        ),
        undefined
      )

    const seen = new Set<string>()
    const isNew = (place: string) => {
      if (seen.has(place) || !(place === root || place.startsWith(root + path.sep))) return false
      seen.add(place)
      return true
    }
    const packages: Array<Installed> = []
    let folders = [root]
    while (folders.length > 0) {
      const fresh = folders.filter(isNew)
      const entries = (yield* Effect.forEach(fresh, entriesOf, { concurrency: 16 })).flat()
      const found = entries.flatMap(({ place, real }) => (real !== undefined && isNew(real) ? [{ place, real }] : []))
      const manifests = yield* Effect.forEach(found, ({ real }) => manifestOf(real), { concurrency: 16 })
      found.forEach(({ real }, i) => {
        const manifest = manifests[i]
        if (manifest === undefined) return
        packages.push({ path: path.relative(root, real).split(path.sep).join("/"), ...manifest })
      })
      const inside = yield* Effect.forEach(
        found,
        ({ real }) => unlessMissing(fs.realPath(path.join(real, "node_modules")), undefined),
        { concurrency: 16 }
      )
      folders = [
        ...inside.filter((folder) => folder !== undefined),
        // what a linked package needs lies beside it
        ...found
          .flatMap(({ place, real }) => (place === real ? [] : [siblingsOf(real, path)]))
          .filter((folder) => path.basename(folder) === "node_modules")
      ]
    }
    if (packages.length === 0) return yield* invalid(`there are no packages in "${root}"`)
    return { folder: root, packages: packages.sort((a, b) => (a.path < b.path ? -1 : 1)) }
  })

const siblingsOf = (place: string, path: Path.Path): string => {
  const parent = path.dirname(place)
  return path.basename(parent).startsWith("@") ? path.dirname(parent) : parent
}
