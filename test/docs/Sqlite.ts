/** The driver of SQLite itself, without any of Effect's: as a dashboard would open the file. */
import { Effect } from "effect"
import { createRequire } from "node:module"

export type Row = { readonly [column: string]: unknown }

interface Connection {
  readonly prepare: (sql: string) => { readonly all: () => ReadonlyArray<Row> }
  readonly exec: (sql: string) => unknown
  readonly close: () => unknown
}

// it has no types of its own, and is a dependency of the client
const Driver = createRequire(createRequire(import.meta.url).resolve("@effect/sql-sqlite-node"))(
  "better-sqlite3"
) as new (filename: string, options: { readonly readonly: boolean; readonly fileMustExist: boolean }) => Connection

/** A connection that only reads, until the scope ends. */
export const open = (filename: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Driver(filename, { readonly: true, fileMustExist: true })),
    (connection) => Effect.sync(() => connection.close())
  )
