/**
 * Appending events in PostgreSQL: in one statement that does all of it, or nothing and does not say why. Then the reason is
 * what is there to be read; when that is none any more, it is tried again.
 *
 * Whoever appends to an aggregate locks its row: others who append to it wait, and whoever appends to another one does not.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../model/StoreError.js"
import type { Appended } from "../EventStore.js"
import * as EventAppend from "./EventAppend.js"
import * as EventRequest from "./EventRequest.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import * as PostgresErrors from "./PostgresErrors.js"
import { columns, decodeAt, type EventRow } from "./PostgresEventRows.js"
import { select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"

// $1 the aggregate, $2 how many events, $3 the version that is expected, or null; $4 to $8 the events; $9 to $11 the state.
// An aggregate that has a row is judged by it, and not by the row that would be inserted.
const statement = `
  WITH moved AS (
    INSERT INTO heddle.aggregates AS present (aggregate_id, version)
      SELECT $1::text, $2::bigint
      WHERE NOT EXISTS (SELECT FROM heddle.events WHERE event_id = ANY($4::text[])) AND (
        EXISTS (SELECT FROM heddle.aggregates WHERE aggregate_id = $1::text)
        OR (coalesce($3::bigint, 0) = 0 AND coalesce($9::bigint, $2::bigint) = $2::bigint)
      )
      ON CONFLICT (aggregate_id) DO UPDATE SET version = present.version + $2::bigint
      WHERE present.version = coalesce($3::bigint, present.version)
        AND present.version + $2::bigint = coalesce($9::bigint, present.version + $2::bigint)
      RETURNING version
  ), added AS (
    INSERT INTO heddle.events (aggregate_id, sequence, event_id, event_type, schema_version, at, payload)
      SELECT $1::text, version - $2::bigint + number, event_id, event_type, schema_version, at, payload
      FROM moved, unnest($4::text[], $5::text[], $6::bigint[], $7::float8[], $8::text[])
        WITH ORDINALITY AS given (event_id, event_type, schema_version, at, payload, number)
      ORDER BY number
  ), stated AS (
    INSERT INTO heddle.event_states (aggregate_id, sequence, schema_version, state)
      SELECT $1::text, $9::bigint, $10::bigint, $11::text FROM moved WHERE $9::bigint IS NOT NULL
      ON CONFLICT (aggregate_id) DO UPDATE SET
        sequence = excluded.sequence, schema_version = excluded.schema_version, state = excluded.state
  )
  SELECT version FROM moved`

// At one moment: the version, and what is stored under the ids.
const present = `
  SELECT coalesce(version, 0) AS version, ${columns}
  FROM (SELECT (SELECT version FROM heddle.aggregates WHERE aggregate_id = $1::text) AS version) AS aggregate
    LEFT JOIN (SELECT ${columns} FROM heddle.events WHERE event_id = ANY($2::text[])) AS event ON true`

// somebody else appended an id since the statement began
const isTaken = ({ cause }: SqlError): boolean =>
  PostgresErrors.code(cause) === "23505" &&
  typeof cause === "object" &&
  cause !== null &&
  Reflect.get(cause, "constraint") === "events_by_event_id"

export const append = (
  database: PostgresDatabase,
  request: EventRequest.Append
): Effect.Effect<Appended, StoreError> => {
  const { events, expected, state } = request
  const aggregateId = PostgresText.encode(request.aggregateId)
  const ids = events.map(({ eventId }) => PostgresText.encode(eventId))

  const appending = database.writeOnce("append", (connection) =>
    select<{ readonly version: number }>(connection, statement, [
      aggregateId,
      events.length,
      expected === "any" ? null : expected === "noStream" ? 0 : expected,
      ids,
      events.map(({ eventType }) => PostgresText.encode(eventType)),
      events.map(({ schemaVersion }) => schemaVersion),
      events.map(({ at }) => at),
      events.map(({ payload }) => payload),
      state?.sequence ?? null,
      state?.schemaVersion ?? null,
      state?.state ?? null
    ]).pipe(Effect.catchIf(isTaken, () => Effect.succeed([])))
  )

  const judging = Effect.map(
    database.read("append", (connection) =>
      select<EventRow & { readonly version: number }>(connection, present, [aggregateId, ids])
    ),
    (rows) =>
      EventAppend.decide(
        request,
        rows[0]?.version ?? 0,
        // a verdict does not depend on positions
        rows.flatMap((row) => (row.event_id === null ? [] : [decodeAt(row, row.position ?? 0)]))
      )
  )

  const attempt: Effect.Effect<Appended, StoreError> = Effect.flatMap(appending, ([moved]) =>
    moved === undefined
      ? Effect.flatMap(judging, (verdict): Effect.Effect<Appended, StoreError> => {
          switch (verdict._tag) {
            case "Append":
              return attempt
            case "Refuse":
              return EventRequest.refusal(database.location, "append", verdict.fault)
            default:
              return Effect.succeed(verdict)
          }
        })
      : Effect.succeed({
          _tag: "Appended",
          first: moved.version - events.length + 1,
          version: moved.version,
          repeated: false
        })
  )

  // ids that are there twice would be refused as if somebody else had them
  return new Set(ids).size === ids.length ? attempt : Effect.map(judging, (verdict) => verdict as Appended)
}
