/** Flows as texts. What is read is looked at as if anybody could have written it. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { Flow, Tool, type Tools } from "../../model/Flow.js"
import * as Frozen from "../../model/Frozen.js"
import type { SchemaDocument } from "../../model/SchemaDocument.js"
import { StoreError } from "../../model/StoreError.js"
import * as ToolSchema from "../../plan/ToolSchema.js"
import type { FlowEntry, FlowRow } from "../../store/FlowStore.js"
import type { AuditEntry } from "../FlowRegistryService.js"
import * as FlowVersion from "./FlowVersion.js"

export interface Fault {
  readonly path: string
  readonly message: string
}

/** Of the texts; another number says that a later release has written it. */
const format = 1

export const encode = (flow: Flow): Either.Either<string, CanonicalJson.NotJson> =>
  CanonicalJson.stringify({ format, ...flow })

/** A JSON text, with whether a record in it has a key that would change what the record is. */
const parse = (text: string): { readonly value: unknown; readonly reserved: boolean } => {
  let reserved = false
  const value: unknown = JSON.parse(text, (key, item: unknown) => {
    if (key === "__proto__") reserved = true
    return item
  })
  return { value, reserved }
}

/** What was thrown may have no text. */
export const thrown = (error: unknown): Fault => {
  const text = Either.getOrElse(
    Either.try(() => String(error)),
    () => "what it throws has no text"
  )
  return { path: "", message: `it cannot be read: ${text}` }
}

/** A copy of plain data, which nobody else has. */
export const copy = (value: unknown): Either.Either<unknown, Fault> =>
  Either.try({
    // getters and proxies of whoever calls
    try: () => CanonicalJson.stringify(value),
    catch: thrown
  }).pipe(
    Either.flatMap(Either.mapLeft(({ message, path }) => ({ path: path.join("."), message: `it is ${message}` }))),
    Either.flatMap((text) => {
      const { reserved, value } = parse(text)
      return reserved ? Either.left({ path: "", message: `the key "__proto__" is reserved` }) : Either.right(value)
    })
  )

type Fields = { readonly [key: string]: unknown }

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const hasKeys = (value: Fields, ...keys: ReadonlyArray<string>): boolean =>
  Object.keys(value).length === keys.length && keys.every((key) => Object.hasOwn(value, key))

/** By hand: of a large flow most of the text is documents, and any JSON may be a part. */
const isDocument = (value: unknown): value is SchemaDocument | null =>
  value === null ||
  (Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (part: unknown) =>
        Array.isArray(part) &&
        part.length === 2 &&
        Array.isArray(part[1]) &&
        part[1].every((at: unknown) => Number.isInteger(at) && Number(at) >= 0 && Number(at) < value.length)
    ))

const isHash = Schema.is(Tool.fields.hash)

const toolFault = (value: unknown): string | undefined => {
  if (!isRecord(value) || !hasKeys(value, "hash", "schema")) return "it is no tool: a tool has a hash and a schema"
  const { hash, schema } = value
  if (!isHash(hash)) return "its hash is no SHA-256, of 64 hexadecimal digits"
  if (schema === null) return undefined
  if (!isRecord(schema) || !hasKeys(schema, "input", "output")) return "its schema has an input and an output"
  const { input, output } = schema
  if (!isDocument(input) || !isDocument(output)) return "its schema has a document that is none"
  return ToolSchema.hash({ input, output }) === hash ? undefined : "its hash is not that of its schema"
}

const faultsIn = (at: string, value: unknown, faultOf: (item: unknown) => string | undefined): ReadonlyArray<Fault> =>
  !isRecord(value)
    ? [{ path: at, message: "it is no record" }]
    : Object.entries(value).flatMap(([key, item]) => {
        const message = faultOf(item)
        return message === undefined ? [] : [{ path: at === "" ? key : `${at}.${key}`, message }]
      })

/** Of a copy. */
export const tools = (value: unknown): Either.Either<Tools, ReadonlyArray<Fault>> => {
  const faults = faultsIn("", value, toolFault)
  // looked at just now
  return faults.length > 0 ? Either.left(faults) : Either.right(value as Tools)
}

const Head = Schema.Struct({
  ...Flow.fields,
  modules: Schema.Unknown,
  tools: Schema.Unknown,
  drift: Schema.Unknown,
  format: Schema.Literal(format)
})
const decodeHead = ParseResult.decodeUnknownEither(Head, { errors: "all", onExcessProperty: "error" })

const faultsOf = (issue: ParseResult.ParseIssue): ReadonlyArray<Fault> =>
  ParseResult.ArrayFormatter.formatIssueSync(issue).map(({ message, path }) => ({ path: path.join("."), message }))

const read = (value: unknown, row: FlowRow): Either.Either<Flow, ReadonlyArray<Fault>> =>
  Either.flatMap(Either.mapLeft(decodeHead(value), faultsOf), ({ format: _, drift, modules, tools, ...head }) => {
    const faults: Array<Fault> = [
      ...faultsIn("modules", modules, (hash) => (isHash(hash) ? undefined : "it is no SHA-256")),
      ...faultsIn("tools", tools, toolFault),
      ...faultsIn("drift", drift, toolFault)
    ]
    const message = FlowVersion.faultOf(head.version)
    if (message !== undefined) faults.push({ path: "version", message })
    for (const key of ["name", "version", "fingerprint", "status", "revision"] as const) {
      if (head[key] !== row[key]) {
        faults.push({ path: key, message: `it is ${head[key]} in its text and ${row[key]} beside it` })
      }
    }
    if (faults.length > 0) return Either.left(faults)
    // looked at just now
    const flow = { ...head, modules, tools, drift } as Flow
    for (const tool of Object.keys(flow.drift)) {
      if (!Object.hasOwn(flow.tools, tool)) faults.push({ path: `drift.${tool}`, message: "there is no such tool" })
    }
    return faults.length > 0 ? Either.left(faults) : Either.right(Frozen.deep(flow))
  })

const unreadable = (
  row: { readonly name: string; readonly version: string },
  reason: "corrupt" | "newer",
  operation: string,
  why: string,
  cause?: unknown
) => {
  const location = `the flow ${JSON.stringify(row.name)} ${row.version}`
  const restore = operation === "log" ? "restore the log" : "restore it, or remove it and register it again"
  const remedy = reason === "newer" ? "read it with that release" : restore
  return new StoreError({
    reason,
    location,
    operation,
    message: `${location} in the store cannot be read: ${why}: ${remedy}`,
    ...(cause === undefined ? undefined : { cause })
  })
}

/** The flow of a row; undefined when it was removed. It is frozen, and nobody else has it. */
export const decode = (row: FlowRow, operation: string): Either.Either<Flow | undefined, StoreError> => {
  if (row.text === null) return Either.right(undefined)
  const { text } = row
  return Either.try({
    try: () => parse(text),
    catch: (cause) => unreadable(row, "corrupt", operation, "its text is no JSON", cause)
  }).pipe(
    Either.flatMap(({ reserved, value }) => {
      const written = isRecord(value) ? value["format"] : undefined
      if (typeof written === "number" && Number.isInteger(written) && written > format) {
        return Either.left(
          unreadable(row, "newer", operation, `a later release has written it (format ${written}, this one: ${format})`)
        )
      }
      const flow = reserved ? Either.left([{ path: "", message: `it has a key "__proto__"` }]) : read(value, row)
      return Either.mapLeft(flow, (faults) =>
        unreadable(row, "corrupt", operation, faults.map(({ message, path }) => `${path}: ${message}`).join("; "))
      )
    })
  )
}

/** The version that a row has: one that is read without its text. */
export const versionOf = <Row extends FlowRow>(row: Row, operation: string): Either.Either<Row, StoreError> => {
  const why = FlowVersion.faultOf(row.version)
  return why === undefined ? Either.right(row) : Either.left(unreadable(row, "corrupt", operation, why))
}

const Action = Schema.Literal(
  "register",
  "updateFlowState",
  "setFlowStatus",
  "acceptDrift",
  "reportDrift",
  "annotate",
  "remove"
)
const isAction: (action: string) => action is AuditEntry["action"] = Schema.is(Action)

/** An entry of the log. */
export const audit = (entry: FlowEntry): Either.Either<AuditEntry, StoreError> =>
  Either.flatMap(decode(entry, "log"), (flow) => {
    const { action, actor, at, name, position, reason, revision, version } = entry
    if (!isAction(action) || (action === "remove") !== (flow === undefined)) {
      const why = `the change ${position} says "${action}", which is none, or none that leads to what it says`
      return Either.left(unreadable(entry, "corrupt", "log", why))
    }
    return Either.right(Object.freeze({ position, name, version, revision, at, actor, reason, action, flow }))
  })

/** A change as a line of JSON. */
export const line = (entry: AuditEntry): string =>
  `${Either.getOrThrow(CanonicalJson.stringify({ ...entry, flow: entry.flow ?? null }))}\n`
