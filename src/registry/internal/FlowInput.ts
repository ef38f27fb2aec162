/**
 * What a registry is given. It is copied when a method is called, so that whoever changes it afterwards changes nothing,
 * and it is looked at as if it came from JavaScript.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { FlowStatus, Tool, type Tools } from "../../model/Flow.js"
import { FlowInvalid } from "../../model/FlowError.js"
import * as Frozen from "../../model/Frozen.js"
import * as ToolSchema from "../../plan/ToolSchema.js"
import * as FlowCodec from "./FlowCodec.js"
import * as FlowVersion from "./FlowVersion.js"

/** A name that is a way out of a folder is none, whatever the store makes of names. */
export const nameFault = (name: string): string | undefined => {
  if (name.trim() === "") return "it is empty"
  if (!CanonicalJson.isWellFormed(name)) return "it has a lone surrogate: use well-formed text"
  return name.split(/[/\\]/).some((part) => part === "." || part === "..")
    ? 'a part of it is "." or "..", which is a way through folders'
    : undefined
}

const Text = Schema.String.pipe(
  Schema.filter((text) => CanonicalJson.isWellFormed(text) || "it has a lone surrogate: use well-formed text")
)
const Name = Schema.String.pipe(Schema.filter((name) => nameFault(name) ?? true))
const Version = Schema.String.pipe(Schema.filter((version) => FlowVersion.faultOf(version) ?? true))
const Status = FlowStatus.annotations({
  message: () => ({ message: `it is one of ${FlowStatus.literals.join(", ")}`, override: true })
})
const Revision = Schema.Int.pipe(Schema.positive())
const Hashes = Schema.Record({ key: Schema.String, value: Tool.fields.hash })

const by = { actor: Schema.optional(Text), reason: Schema.optional(Text) }
const revised = { ...by, version: Version, revision: Schema.optional(Revision) }
const registration = {
  version: Schema.optional(Version),
  status: Schema.optional(Status),
  lifecycle: Schema.optional(Text),
  governance: Schema.optional(Text)
}

export const By = Schema.Struct(by)
export const Registration = Schema.Struct({ ...by, ...registration })
export const Registered = Schema.Struct(registration)
export const Revised = Schema.Struct(revised)
export const SetStatus = Schema.Struct({ ...revised, status: Status })
export const UpdateState = Schema.Struct({ ...revised, status: Status, toolSchemaHashes: Hashes })
export const AcceptDrift = Schema.Struct({ ...revised, tools: Schema.optional(Schema.Array(Schema.String)) })
const ReportDrift = Schema.Struct({ ...by, flow: Schema.optional(Name) })
export const Annotate = Schema.Struct({
  ...revised,
  lifecycle: Schema.optional(Text),
  governance: Schema.optional(Text)
})
export const Nothing = Schema.Struct({})
export const VersionOrNone = Schema.Struct({ version: Schema.optional(Version) })
export const Filter = Schema.Struct({
  name: Schema.optional(Name),
  status: Schema.optional(Status),
  fingerprint: Schema.optional(Text),
  tool: Schema.optional(Schema.String)
})
export const AuditFilter = Schema.Struct({
  name: Schema.optional(Name),
  version: Schema.optional(Version),
  after: Schema.optional(Schema.NonNegativeInt)
})

/** The error of whatever was given for this flow. */
export const invalid = (name: unknown, faults: ReadonlyArray<FlowCodec.Fault>): FlowInvalid =>
  new FlowInvalid({
    name: typeof name === "string" ? name : "",
    faults: Frozen.deep(faults.map(({ message, path }) => ({ path, message })))
  })

/** The faults of all of it, below the path `at`. */
export const decode = <A, I>(
  schema: Schema.Schema<A, I>,
  value: unknown,
  at = ""
): Either.Either<A, ReadonlyArray<FlowCodec.Fault>> => {
  const below = (path: string) => (at === "" ? path : path === "" ? at : `${at}.${path}`)
  return FlowCodec.copy(value === undefined ? {} : value).pipe(
    Either.mapLeft((fault): ReadonlyArray<FlowCodec.Fault> => [{ ...fault, path: below(fault.path) }]),
    Either.flatMap((copied) =>
      Either.mapLeft(ParseResult.decodeUnknownEither(schema, { errors: "all" })(copied), (issue) =>
        ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ message, path }) => ({
          path: below(path.join(".")),
          message
        }))
      )
    )
  )
}

/** What is given for one flow, with its name. */
export const named = <A, I>(
  schema: Schema.Schema<A, I>,
  name: unknown,
  value: unknown
): Either.Either<A, FlowInvalid> => {
  const fault = typeof name === "string" ? nameFault(name) : `it is no string, but a ${typeof name}`
  const decoded = decode(schema, value)
  return fault === undefined && Either.isRight(decoded)
    ? Either.right(decoded.right)
    : Either.left(
        invalid(name, [
          ...(fault === undefined ? [] : [{ path: "name", message: fault }]),
          ...(Either.isLeft(decoded) ? decoded.left : [])
        ])
      )
}

/** What is given for no flow in particular. */
export const anonymous = <A, I>(schema: Schema.Schema<A, I>, value: unknown): Either.Either<A, FlowInvalid> =>
  Either.mapLeft(decode(schema, value), (faults) => invalid(undefined, faults))

/** What tools take and give: their hashes are those of their schemas. */
const tools = (value: unknown): Either.Either<Tools, FlowInvalid> =>
  FlowCodec.copy(value).pipe(
    Either.mapLeft((fault): ReadonlyArray<FlowCodec.Fault> => [fault]),
    Either.flatMap(FlowCodec.tools),
    Either.mapLeft((faults) => invalid(undefined, faults))
  )

const noFlow = "it is a module, whose path means something only inside its own flow: give the name of that as `flow`"

/** What tools were found to take and give, and, where there are modules among them, in which flow. */
export const report = (found: unknown, said: unknown) =>
  Either.flatMap(Either.all([tools(found), anonymous(ReportDrift, said)]), ([tools, { flow, ...by }]) => {
    const modules = flow === undefined ? Object.keys(tools).filter((tool) => !ToolSchema.isNode(tool)) : []
    return modules.length === 0
      ? Either.right({ tools, flow, by })
      : Either.left(
          invalid(
            undefined,
            modules.sort().map((path) => ({ path, message: noFlow }))
          )
        )
  })
