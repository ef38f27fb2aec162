/**
 * Statements that write many rows at once.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"

// Each number of rows is a statement of its own, which SQLite compiles and the client keeps: so they are few.
const sizes: ReadonlyArray<number> = [256, 64, 16, 4, 1]

/** Runs a statement over rows of `width` values, given as one flat array. */
export type Rows = (connection: Connection, values: ReadonlyArray<unknown>) => Effect.Effect<void, SqlError>

/** A statement with the rows in the place of its VALUES. */
export const make = (width: number, sql: (rows: string) => string): Rows => {
  const row = `(${Array.from({ length: width }, () => "?").join(", ")})`
  const statements = sizes.map((size) => ({
    values: size * width,
    sql: sql(`VALUES ${Array.from({ length: size }, () => row).join(", ")}`)
  }))
  return (connection, values) =>
    Effect.gen(function* () {
      let from = 0
      for (const statement of statements) {
        while (values.length - from >= statement.values) {
          yield* connection.executeRaw(statement.sql, values.slice(from, from + statement.values))
          from += statement.values
        }
      }
    })
}
