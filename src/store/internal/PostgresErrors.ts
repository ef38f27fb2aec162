/**
 * PostgreSQL's errors, and those of the connection to it, as the error of the store.
 */
import * as SqlError from "@effect/sql/SqlError"
import { StoreError } from "../../model/StoreError.js"

type Reason = StoreError["reason"]

interface Kind {
  readonly reason: Reason
  readonly hint?: string
}

const gone: Kind = { reason: "unavailable", hint: "the connection was lost; trying again helps" }
const locked: Kind = { reason: "busy", hint: "another transaction stands in the way; trying again helps" }
const refused: Kind = { reason: "failed", hint: "check the user, its password and what it may do" }

// The first that the code begins with: SQLSTATE codes, whose first two characters are their class, and those of Node.
const kinds: ReadonlyArray<readonly [code: string, kind: Kind]> = [
  ["08", gone],
  ["57P01", gone],
  ["57P02", gone],
  ["57P03", { reason: "unavailable", hint: "the server is starting or stopping; trying again helps" }],
  ["57P05", gone],
  ["25P02", { reason: "failed" }],
  ["25P03", gone],
  ["25P04", gone],
  ["25006", { reason: "unavailable", hint: "the server only reads, as a standby does: connect to the primary" }],
  ["40001", locked],
  ["40P01", locked],
  ["55P03", locked],
  ["57014", { reason: "busy", hint: "the statement was cancelled, or took longer than the timeout of the options" }],
  ["53300", { reason: "busy", hint: "the server has too many connections: lower maxConnections, or raise its limit" }],
  ["53100", { reason: "full", hint: "no space is left on the server: make room and try again" }],
  ["53200", { reason: "full", hint: "the server is out of memory" }],
  ["28", refused],
  ["42501", refused],
  ["3D000", { reason: "failed", hint: "create the database, or choose another one" }],
  ["3F000", { reason: "failed", hint: "the schema is gone: nothing drops it but you" }],
  ["42P01", { reason: "failed", hint: "a table is gone: nothing drops it but you" }],
  ["XX001", { reason: "corrupt", hint: "the database is damaged: restore it from a backup" }],
  ["XX002", { reason: "corrupt", hint: "an index is damaged: REINDEX it" }],
  ["ECONNREFUSED", { reason: "unavailable", hint: "no server takes connections there" }],
  ["ENOENT", { reason: "unavailable", hint: "no server takes connections there" }],
  ["ENOTFOUND", { reason: "unavailable", hint: "the name of the host is not known" }],
  ["EAI_AGAIN", { reason: "unavailable", hint: "the name of the host cannot be looked up" }],
  ["ECONNRESET", gone],
  ["ECONNABORTED", gone],
  ["EPIPE", gone],
  ["ETIMEDOUT", gone],
  ["EHOSTUNREACH", gone],
  ["ENETUNREACH", gone],
  ["EHOSTDOWN", gone],
  ["ENETDOWN", gone]
]

// What the client says itself, without a code.
const lost = /connection terminated|timeout expired|timeout exceeded|read timeout|not queryable|no client returned/i

const property = (value: unknown, name: "code" | "severity" | "message"): string => {
  const found: unknown = typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : ""
  return typeof found === "string" ? found : ""
}

const causeOf = (error: unknown): unknown => (error instanceof SqlError.SqlError ? error.cause : error)

/** The code of a failure: an SQLSTATE such as `40001`, or one of Node such as `ECONNREFUSED`; empty when it has none. */
export const code = (error: unknown): string => property(causeOf(error), "code")

const kindOf = (cause: unknown): Kind => {
  const found = property(cause, "code")
  const known = found === "" ? undefined : kinds.find(([prefix]) => found.startsWith(prefix))?.[1]
  return known ?? (lost.test(property(cause, "message")) ? gone : { reason: "failed" })
}

/** Whether the whole transaction may be done again at once: it met another one, and was undone. */
export const isConflict = (error: unknown): boolean => {
  const found = code(error)
  return found === "40001" || found === "40P01"
}

/**
 * Whether the connection goes on after a failure of its statement: the server has answered, and says no. A text that has
 * a severity is the server's.
 */
export const isAnswer = (error: unknown): boolean => {
  const cause = causeOf(error)
  return property(cause, "severity") !== "" && kindOf(cause) !== gone && !property(cause, "code").startsWith("57P")
}

const textOf = (cause: unknown): string => {
  // one for each address that a name has, with no text of its own
  if (cause instanceof AggregateError && cause.message === "") return cause.errors.map(textOf).join(", ")
  return cause instanceof Error ? cause.message : String(cause)
}

/** Any failure of the client, as the error that the method of the store gives. */
export const fromUnknown =
  (location: string, operation: string) =>
  (error: unknown): StoreError => {
    if (error instanceof StoreError) return error
    const cause = causeOf(error)
    if (property(cause, "code") === "ERR_INVALID_URL") {
      // its cause has the whole URL, and the password
      return new StoreError({
        reason: "failed",
        location,
        operation,
        message: "the url is not one of a PostgreSQL server"
      })
    }
    if (textOf(cause).startsWith("Cannot use a pool after calling end")) return closed(location, operation)
    const { hint, reason } = kindOf(cause)
    return new StoreError({
      reason,
      location,
      operation,
      message: `${location}: ${textOf(cause)}${hint === undefined ? "" : `; ${hint}`}`,
      cause
    })
  }

export const closed = (location: string, operation: string): StoreError =>
  new StoreError({ reason: "closed", location, operation, message: `${location}: the store's scope has ended` })
