/**
 * The rows of current states and snapshots.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { StateRow } from "../EventStore.js"
import { select } from "./SqliteRuns.js"
import * as TextOrder from "./TextOrder.js"

export type Snapshot = StateRow & { readonly at: number }

const columns = "aggregate_id AS aggregateId, sequence, schema_version AS schemaVersion, state"

type Read<A> = Effect.Effect<A, SqlError>

export const state = (connection: Connection, aggregateId: string): Read<StateRow | undefined> =>
  Effect.map(
    select<StateRow>(connection, `SELECT ${columns} FROM event_states WHERE aggregate_id = ?`, [aggregateId]),
    ([row]) => row
  )

export const states = (
  connection: Connection,
  { after = "", limit }: { readonly after?: string | undefined; readonly limit: number }
): Read<ReadonlyArray<StateRow>> =>
  select<StateRow>(
    connection,
    `SELECT ${columns} FROM event_states WHERE aggregate_id > ? ORDER BY aggregate_id LIMIT ?`,
    [after, limit]
  )

const upsert = `INSERT INTO event_states (aggregate_id, sequence, schema_version, state) VALUES (?, ?, ?, ?)
  ON CONFLICT (aggregate_id) DO UPDATE SET
    sequence = excluded.sequence, schema_version = excluded.schema_version, state = excluded.state`

const values = ({ aggregateId, schemaVersion, sequence, state }: StateRow) => [
  aggregateId,
  sequence,
  schemaVersion,
  state
]

/** Whatever is there. */
export const replace = (connection: Connection, row: StateRow): Effect.Effect<void, SqlError> =>
  Effect.asVoid(connection.executeRaw(upsert, values(row)))

/** Unless what is there is newer. */
export const put = (connection: Connection, row: StateRow): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `${upsert}
        WHERE (excluded.sequence, excluded.schema_version) >= (event_states.sequence, event_states.schema_version)`,
      values(row)
    )
  )

/** How many there were. */
export const drop = (connection: Connection, prefix: string): Read<number> => {
  const end = TextOrder.end(prefix)
  const where = end === undefined ? "aggregate_id >= ?" : "aggregate_id >= ? AND aggregate_id < ?"
  return Effect.map(
    select<{ readonly gone: number }>(
      connection,
      `DELETE FROM event_states WHERE ${where} RETURNING 1 AS gone`,
      end === undefined ? [prefix] : [prefix, end]
    ),
    ({ length }) => length
  )
}

/** Unless one with a higher version is there. */
export const keep = (connection: Connection, row: Snapshot): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `INSERT INTO event_snapshots (aggregate_id, sequence, schema_version, state, at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (aggregate_id, sequence) DO UPDATE SET
          schema_version = excluded.schema_version, state = excluded.state, at = excluded.at
        WHERE excluded.schema_version >= event_snapshots.schema_version`,
      [...values(row), row.at]
    )
  )

const snapshotColumns = `${columns}, at`

export const snapshot = (
  connection: Connection,
  aggregateId: string,
  { sequence, until }: { readonly sequence: number; readonly until?: number | undefined }
): Read<Snapshot | undefined> =>
  Effect.map(
    select<Snapshot>(
      connection,
      `SELECT ${snapshotColumns} FROM event_snapshots
        WHERE aggregate_id = ? AND sequence <= ? AND (? IS NULL OR at <= ?) ORDER BY sequence DESC LIMIT 1`,
      [aggregateId, sequence, until ?? null, until ?? null]
    ),
    ([row]) => row
  )

/** Whether one is kept at this sequence or later. */
export const isKept = (connection: Connection, aggregateId: string, sequence: number): Read<boolean> =>
  Effect.map(
    select<{ readonly is: number }>(
      connection,
      "SELECT 1 AS 'is' FROM event_snapshots WHERE aggregate_id = ? AND sequence >= ? LIMIT 1",
      [aggregateId, sequence]
    ),
    ({ length }) => length > 0
  )

export const removeBefore = (
  connection: Connection,
  aggregateId: string,
  sequence: number
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw("DELETE FROM event_snapshots WHERE aggregate_id = ? AND sequence < ?", [
      aggregateId,
      sequence
    ])
  )
