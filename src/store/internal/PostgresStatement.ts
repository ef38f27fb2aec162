/**
 * Statements of entries, leases and events.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Effect from "effect/Effect"

/** The rows that a statement gives, with the columns that its text names. */
export const select = <Row>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> => connection.execute(sql, parameters, undefined)

/** A constant of a text, in which no name of a schema is looked for. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''").replaceAll(".", "' || '.' || '")}'`
