/**
 * The rows of keyed states.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { StateChange } from "../RunStore.js"
import * as SqliteRows from "./SqliteRows.js"
import { select } from "./SqliteRuns.js"

const set = SqliteRows.make(
  3,
  (rows) => `INSERT INTO states (key, field, value)
    ${rows}
    ON CONFLICT (key, field) DO UPDATE SET value = excluded.value`
)

const clear = SqliteRows.make(2, (rows) => `DELETE FROM states WHERE (key, field) IN (${rows})`)

export const write = (connection: Connection, changes: ReadonlyArray<StateChange>): Effect.Effect<void, SqlError> =>
  Effect.zipRight(
    clear(
      connection,
      changes.flatMap((change) => Array.from(change.clear).flatMap((field) => [change.key, field]))
    ),
    set(
      connection,
      changes.flatMap((change) => Array.from(change.set).flatMap(([field, value]) => [change.key, field, value]))
    )
  )

export const read = (connection: Connection, key: string): Effect.Effect<ReadonlyMap<string, string>, SqlError> =>
  Effect.map(
    select<{ readonly field: string; readonly value: string }>(
      connection,
      "SELECT field, value FROM states WHERE key = ?",
      [key]
    ),
    (rows) => new Map(rows.map(({ field, value }) => [field, value]))
  )
