/**
 * The rows of events.
 */
import type { StoredEvent } from "../EventStore.js"
import * as PostgresText from "./PostgresText.js"

/** As it is stored; all of it is null where there was no event to join. */
export interface EventRow {
  readonly id: number
  readonly position: number | null
  readonly aggregate_id: string
  readonly sequence: number
  readonly event_id: string
  readonly event_type: string
  readonly schema_version: number
  readonly at: number
  readonly payload: string
}

export const columns = "id, position, aggregate_id, sequence, event_id, event_type, schema_version, at, payload"

/** With the position that it is given at last, when it has none. */
export const decodeAt = (row: EventRow, position: number): StoredEvent => ({
  eventId: PostgresText.decode(row.event_id),
  eventType: PostgresText.decode(row.event_type),
  schemaVersion: row.schema_version,
  payload: row.payload,
  at: row.at,
  aggregateId: PostgresText.decode(row.aggregate_id),
  sequence: row.sequence,
  position
})

/** None where it has no position. */
export const decode = (row: EventRow): ReadonlyArray<StoredEvent> =>
  row.position === null ? [] : [decodeAt(row, row.position)]
