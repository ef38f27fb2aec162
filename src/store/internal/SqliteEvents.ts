/**
 * The rows of events, and of the aggregates that have them.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { EventPage, StoredEvent } from "../EventStore.js"
import type { Append } from "./EventRequest.js"
import * as SqliteRows from "./SqliteRows.js"
import { select } from "./SqliteRuns.js"

const columns = `position, aggregate_id AS aggregateId, sequence, event_id AS eventId, event_type AS eventType,
    schema_version AS schemaVersion, at, payload`

type Read<A> = Effect.Effect<A, SqlError>

/** 0 when it has had no events. */
export const version = (connection: Connection, aggregateId: string): Read<number> =>
  Effect.map(
    select<{ readonly version: number }>(connection, "SELECT version FROM aggregates WHERE aggregate_id = ?", [
      aggregateId
    ]),
    ([row]) => row?.version ?? 0
  )

/** Those that are there of these ids, in any order. */
export const byId = (connection: Connection, eventIds: ReadonlyArray<string>): Read<ReadonlyArray<StoredEvent>> =>
  select<StoredEvent>(connection, `SELECT ${columns} FROM events WHERE event_id IN (SELECT value FROM json_each(?))`, [
    JSON.stringify(eventIds)
  ])

export const read = (
  connection: Connection,
  aggregateId: string,
  { after = 0, limit }: EventPage
): Read<ReadonlyArray<StoredEvent>> =>
  select<StoredEvent>(
    connection,
    `SELECT ${columns} FROM events WHERE aggregate_id = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
    [aggregateId, after, limit]
  )

export const readAll = (connection: Connection, { after = 0, limit }: EventPage): Read<ReadonlyArray<StoredEvent>> =>
  select<StoredEvent>(connection, `SELECT ${columns} FROM events WHERE position > ? ORDER BY position LIMIT ?`, [
    after,
    limit
  ])

export const aggregates = (
  connection: Connection,
  { after = "", limit }: { readonly after?: string | undefined; readonly limit: number }
): Read<ReadonlyArray<string>> =>
  Effect.map(
    select<{ readonly id: string }>(
      connection,
      "SELECT aggregate_id AS id FROM aggregates WHERE aggregate_id > ? ORDER BY aggregate_id LIMIT ?",
      [after, limit]
    ),
    (rows) => rows.map(({ id }) => id)
  )

const insertEvents = SqliteRows.make(
  7,
  (rows) => `INSERT INTO events (aggregate_id, sequence, event_id, event_type, schema_version, at, payload) ${rows}`
)

/** Positions are given in the order of commits: who writes has the file for itself. */
export const insert = (
  connection: Connection,
  { aggregateId, events }: Pick<Append, "aggregateId" | "events">,
  first: number
): Effect.Effect<void, SqlError> =>
  Effect.zipRight(
    insertEvents(
      connection,
      events.flatMap(({ at, eventId, eventType, payload, schemaVersion }, i) => [
        aggregateId,
        first + i,
        eventId,
        eventType,
        schemaVersion,
        at,
        payload
      ])
    ),
    connection.executeRaw(
      `INSERT INTO aggregates (aggregate_id, version) VALUES (?, ?)
        ON CONFLICT (aggregate_id) DO UPDATE SET version = excluded.version`,
      [aggregateId, first + events.length - 1]
    )
  )

/** How many there were. */
export const remove = (connection: Connection, aggregateId: string, upTo: number): Read<number> =>
  Effect.map(
    select<{ readonly sequence: number }>(
      connection,
      "DELETE FROM events WHERE aggregate_id = ? AND sequence <= ? RETURNING sequence",
      [aggregateId, upTo]
    ),
    ({ length }) => length
  )
