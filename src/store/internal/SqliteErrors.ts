/**
 * SQLite's errors as the error of the store.
 */
import * as SqlError from "@effect/sql/SqlError"
import { StoreError } from "../../model/StoreError.js"

type Reason = StoreError["reason"]

// The longer codes of SQLite begin with the shorter ones: SQLITE_BUSY_SNAPSHOT is a SQLITE_BUSY.
const reasons: ReadonlyArray<readonly [code: string, reason: Reason]> = [
  ["SQLITE_BUSY", "busy"],
  ["SQLITE_LOCKED", "busy"],
  ["SQLITE_PROTOCOL", "busy"],
  ["SQLITE_CORRUPT", "corrupt"],
  ["SQLITE_NOTADB", "corrupt"],
  ["SQLITE_FULL", "full"]
]

const hints: ReadonlyArray<readonly [code: string, hint: string]> = [
  ["SQLITE_BUSY", "another connection holds its lock; trying again helps"],
  ["SQLITE_NOTADB", "it is not a SQLite database: choose another file"],
  ["SQLITE_CORRUPT", "the database is damaged: restore it from a backup"],
  ["SQLITE_FULL", "no space is left: make room and try again"],
  ["SQLITE_READONLY", "this process must be allowed to write the file and its directory"],
  ["SQLITE_CANTOPEN", "this process must be allowed to write the file and its directory"]
]

const lookup = <A>(table: ReadonlyArray<readonly [code: string, value: A]>, code: string): A | undefined =>
  table.find(([prefix]) => code.startsWith(prefix))?.[1]

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string" ? cause.code : ""

/** The code of a failure of SQLite, such as `SQLITE_READONLY_ROLLBACK`; empty when it has none. */
export const code = (error: unknown): string => codeOf(error instanceof SqlError.SqlError ? error.cause : error)

/** Any failure of the client, as the error that the method of the store gives. */
export const fromUnknown =
  (location: string, operation: string) =>
  (error: unknown): StoreError => {
    if (error instanceof StoreError) return error
    const cause = error instanceof SqlError.SqlError ? error.cause : error
    const text = cause instanceof Error ? cause.message : String(cause)
    if (text === "The database connection is not open") return closed(location, operation)
    const found = codeOf(cause)
    const hint = lookup(hints, found)
    return new StoreError({
      reason: lookup(reasons, found) ?? "failed",
      location,
      operation,
      message: `${location}: ${text}${hint === undefined ? "" : `; ${hint}`}`,
      cause
    })
  }

export const closed = (location: string, operation: string): StoreError =>
  new StoreError({ reason: "closed", location, operation, message: `${location}: the store's scope has ended` })
