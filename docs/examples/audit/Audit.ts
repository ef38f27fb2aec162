/** The audit of a node_modules folder as a Dag: its shape follows from how many packages there are. */
import type { FileSystem, Path } from "@effect/platform"
import { Effect, Schema } from "effect"
import { Dag, Module } from "heddle"
import * as Contents from "./Contents.js"
import { Installed } from "./Installed.js"
import * as Licence from "./Licence.js"
import * as Manifest from "./Manifest.js"

/** Packages are read in groups: enough of them to work in parallel and to lose little, few enough to draw. */
const maxGroups = 60

export interface LicenceUse {
  readonly licence: string
  readonly class: Licence.LicenceClass
  readonly packages: ReadonlyArray<string>
}

export interface Duplicate {
  readonly name: string
  readonly versions: ReadonlyArray<{ readonly version: string; readonly paths: ReadonlyArray<string> }>
}

/** What the modules need to reach the disk. */
type Disk = FileSystem.FileSystem | Path.Path

const folder = Module.input("folder", Schema.String)
const installed = Module.input("installed", Schema.Array(Installed))

const groupsOf = <A>(packages: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> => {
  const size = Math.max(1, Math.ceil(packages.length / maxGroups))
  return Array.from({ length: Math.ceil(packages.length / size) }, (_, i) => packages.slice(i * size, (i + 1) * size))
}

const groups = Module.pure("groups", {
  needs: { folder, installed },
  run: ({ folder, installed }) => ({ folder, of: groupsOf(installed) })
})

/**
 * A module of a group is called after its first package. A name takes neither control characters nor the "/" of a scope,
 * which is written as pnpm does it in the names of folders.
 */
const nameOf = (work: string, index: number, first: Installed) => {
  const name = first.path.replace(/^.*node_modules\//, "")
  const printable = Array.from(name.replaceAll("/", "+").replace(/\p{Cc}/gu, "?"))
  return `${work} ${String(index + 1).padStart(2, "0")} ${printable.slice(0, 60).join("")}`
}

type OfGroup<A> = Module.Of<ReadonlyArray<A>, never, Disk, Module.Inputs<typeof groups>>

/** One module for each group: `read` for each of its packages. */
const forEachGroup = <A, Encoded>(
  work: string,
  packages: ReadonlyArray<Installed>,
  output: Schema.Schema<A, Encoded>,
  read: (folder: string, path: string) => Effect.Effect<A, never, Disk>
): { readonly [name: string]: OfGroup<A> } =>
  Object.fromEntries(
    groupsOf(packages).map((group, i) => {
      const module: OfGroup<A> = Module.make(nameOf(work, i, group[0]!), {
        needs: { groups },
        output: Schema.Array(output),
        run: ({ groups }) => Effect.forEach(groups.of[i] ?? [], ({ path }) => read(groups.folder, path))
      })
      return [module.name, module]
    })
  )

const byName =
  <A>(name: (_: A) => string) =>
  (a: A, b: A) =>
    name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0

const groupBy = <A>(
  values: ReadonlyArray<A>,
  key: (_: A) => string
): ReadonlyArray<readonly [string, ReadonlyArray<A>]> => {
  const groups = new Map<string, Array<A>>()
  for (const value of values) {
    const group = groups.get(key(value))
    if (group === undefined) groups.set(key(value), [value])
    else group.push(value)
  }
  return [...groups].sort(byName(([key]) => key))
}

const licencesOf = (manifests: ReadonlyArray<Manifest.Manifest>): ReadonlyArray<LicenceUse> =>
  groupBy(
    manifests.filter(({ problem }) => problem === null),
    ({ licence }) => licence
  ).map(([licence, of]) => ({
    licence,
    class: Licence.classify(licence),
    packages: of.map(({ name, version }) => `${name}@${version}`)
  }))

const duplicatesOf = (manifests: ReadonlyArray<Manifest.Manifest>): ReadonlyArray<Duplicate> =>
  groupBy(
    manifests.filter(({ problem }) => problem === null),
    ({ name }) => name
  ).flatMap(([name, of]) => {
    const versions = groupBy(of, ({ version }) => version)
    return versions.length < 2
      ? []
      : [{ name, versions: versions.map(([version, at]) => ({ version, paths: at.map(({ path }) => path) })) }]
  })

/**
 * The Dag for these packages. They are also the input of its runs, so that a run is carried on only while the folder is
 * as it was. `name` tells the audits of one folder from those of others.
 */
export const make = (name: string, packages: ReadonlyArray<Installed>) => {
  const manifests = Module.pure("manifests", {
    needs: forEachGroup("read", packages, Manifest.Manifest, Manifest.read),
    run: (groups) =>
      Object.values(groups)
        .flat()
        .sort(byName(({ path }) => path))
  })
  const contents = Module.pure("contents", {
    needs: forEachGroup("hash", packages, Contents.Contents, Contents.hash),
    run: (groups) =>
      Object.values(groups)
        .flat()
        .sort(byName(({ path }) => path))
  })
  const licences = Module.pure("licences", { needs: { manifests }, run: ({ manifests }) => licencesOf(manifests) })
  const duplicates = Module.pure("duplicates", {
    needs: { manifests },
    run: ({ manifests }) => duplicatesOf(manifests)
  })
  return Dag.make(name, { outputs: { manifests, contents, licences, duplicates } })
}

/** What an audit found. */
export type Findings = ReturnType<typeof make>[Dag.TypeId]["O"]
