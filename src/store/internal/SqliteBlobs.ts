/**
 * Large outputs, which are kept apart from the rows of their modules and items.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as SqliteRows from "./SqliteRows.js"
import { select } from "./SqliteRuns.js"

/** The output of a row of modules or items, wherever it is. */
export const output = "coalesce(output, (SELECT value FROM blobs WHERE blobs.id = blob))"

// Of a row that was not taken the output isn't either.
const insert = (table: "modules" | "items", row: string): SqliteRows.Rows =>
  SqliteRows.make(
    5,
    (rows) => `INSERT INTO blobs (id, run, value) SELECT column1, column2, column3 FROM (${rows})
      WHERE EXISTS (SELECT 1 FROM ${table} WHERE run = column2 AND ${row} AND blob = column1)`
  )

const insertOfModules = insert("modules", "module = column4")
const insertOfItems = insert("items", "module = column4 AND item = column5")

/** Which row an output is of; `item` is null for that of a module. */
export interface Of {
  readonly run: number
  readonly module: string
  readonly item: number | null
}

/** The outputs of one transaction. */
export interface Gathered {
  /** Adds two values to those of a row: its `output` and its `blob`, of which at least one is null. */
  readonly pushOutput: (
    values: Array<unknown>,
    of: Of,
    row: { readonly status: string; readonly output: string | null }
  ) => void

  /** Gives those that are kept apart their ids, in the values that were added: before these are written. */
  readonly number: (connection: Connection) => Effect.Effect<void, SqlError>

  /** Writes those that are kept apart, where the row that was written has their id. */
  readonly write: (connection: Connection) => Effect.Effect<void, SqlError>
}

/** Outputs of more than `spillBytes` are kept apart. */
export const gather = (spillBytes: number): Gathered => {
  const apart: Array<{ readonly of: Of; readonly text: string; readonly values: Array<unknown>; readonly at: number }> =
    []
  const rowsOf = (isOne: (of: Of) => boolean) =>
    apart
      .filter(({ of }) => isOne(of))
      .flatMap(({ at, of, text, values }) => [values[at], of.run, text, of.module, of.item])
  return {
    pushOutput: (values, of, { output, status }) => {
      // the row of one that did not complete may be written again, and its blob would be left over
      if (status === "completed" && output !== null && Buffer.byteLength(output) > spillBytes) {
        apart.push({ of, text: output, values, at: values.length + 1 })
        values.push(null, null)
      } else {
        values.push(output, null)
      }
    },
    number: (connection) =>
      apart.length === 0
        ? Effect.void
        : Effect.map(
            select<{ readonly last: number }>(connection, "SELECT coalesce(max(id), 0) AS last FROM blobs", []),
            ([row]) => {
              for (const [i, { at, values }] of apart.entries()) values[at] = (row?.last ?? 0) + 1 + i
            }
          ),
    write: (connection) =>
      Effect.zipRight(
        insertOfModules(
          connection,
          rowsOf(({ item }) => item === null)
        ),
        insertOfItems(
          connection,
          rowsOf(({ item }) => item !== null)
        )
      )
  }
}
