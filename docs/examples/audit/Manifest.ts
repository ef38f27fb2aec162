/** What the package.json of a package says. */
import { FileSystem, Path } from "@effect/platform"
import { Effect, Either, ParseResult, Schema } from "effect"

/** A manifest that cannot be read is a finding too: `problem` says why, and the rest is empty. */
export const Manifest = Schema.Struct({
  path: Schema.String,
  name: Schema.String,
  version: Schema.String,
  licence: Schema.String,
  problem: Schema.NullOr(Schema.String)
})

export type Manifest = typeof Manifest.Type

// `license` was once an object, and `licenses` an array of them
const LicenceField = Schema.Union(
  Schema.String,
  Schema.Struct({ type: Schema.String }),
  Schema.Array(Schema.Union(Schema.String, Schema.Struct({ type: Schema.String })))
)

const PackageJson = Schema.parseJson(
  Schema.Struct({
    name: Schema.String,
    version: Schema.optional(Schema.String),
    license: Schema.optional(Schema.Unknown),
    licenses: Schema.optional(Schema.Unknown)
  })
)

const decode = Schema.decodeEither(PackageJson)
const isLicenceField = Schema.is(LicenceField)

const licenceOf = (field: unknown): string => {
  if (!isLicenceField(field)) return ""
  if (typeof field === "string") return field.trim()
  if ("type" in field) return field.type.trim()
  const names = field.map((each) => (typeof each === "string" ? each : each.type).trim()).filter((name) => name !== "")
  return names.length > 1 ? `(${names.join(" OR ")})` : (names[0] ?? "")
}

const parse = (path: string, text: string): Manifest =>
  Either.match(decode(text.replace(/^\ufeff/, "")), {
    onLeft: (error) => broken(path, ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.message ?? error.message),
    onRight: ({ license, licenses, name, version = "" }) => ({
      path,
      name,
      version,
      licence: licenceOf(license) || licenceOf(licenses),
      problem: null
    })
  })

const broken = (path: string, problem: string): Manifest => ({ path, name: "", version: "", licence: "", problem })

export const read = (folder: string, path: string): Effect.Effect<Manifest, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { join } = yield* Path.Path
    return yield* Effect.match(fs.readFileString(join(folder, path, "package.json")), {
      onFailure: (error) => broken(path, error.message),
      onSuccess: (text) => parse(path, text)
    })
  })
