/**
 * The current states and the snapshots of an `EventStore` in PostgreSQL.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EventStore, StateRow } from "../EventStore.js"
import * as EventAppend from "./EventAppend.js"
import * as EventRequest from "./EventRequest.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import { select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"
import * as TextOrder from "./TextOrder.js"

type Snapshot = StateRow & { readonly at: number }

const stateColumns = "aggregate_id, sequence, schema_version, state"

interface StoredState {
  readonly aggregate_id: string
  readonly sequence: number
  readonly schema_version: number
  readonly state: string
}

const decodeState = ({ aggregate_id, schema_version, sequence, state }: StoredState): StateRow => ({
  aggregateId: PostgresText.decode(aggregate_id),
  sequence,
  schemaVersion: schema_version,
  state
})

const isBefore = (row: StateRow, other: StateRow): boolean =>
  row.sequence < other.sequence || (row.sequence === other.sequence && row.schemaVersion < other.schemaVersion)

/** Whether each of the rows is the one that stays of those of its aggregate, when they are put one after the other. */
const stays = (rows: ReadonlyArray<StateRow>): ReadonlyArray<boolean> => {
  const last = new Map<string, number>()
  rows.forEach((row, i) => {
    const before = rows[last.get(row.aggregateId) ?? -1]
    if (before === undefined || !isBefore(row, before)) last.set(row.aggregateId, i)
  })
  return rows.map(({ aggregateId }, i) => last.get(aggregateId) === i)
}

// The version of an aggregate only grows: a row that it allowed when the statement began is allowed when it is put.
const putStates = `
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bool[])
      WITH ORDINALITY AS given (aggregate_id, sequence, schema_version, state, stays, number)
  ), ahead AS MATERIALIZED (
    SELECT given.number, coalesce(version, 0) AS version
    FROM given LEFT JOIN heddle.aggregates USING (aggregate_id)
    WHERE given.sequence > coalesce(version, 0) ORDER BY given.number LIMIT 1
  ), put AS (
    INSERT INTO heddle.event_states AS present (${stateColumns})
      SELECT ${stateColumns} FROM given WHERE stays AND NOT EXISTS (SELECT FROM ahead) ORDER BY aggregate_id COLLATE "C"
      ON CONFLICT (aggregate_id) DO UPDATE SET
        sequence = excluded.sequence, schema_version = excluded.schema_version, state = excluded.state
      WHERE (present.sequence, present.schema_version) <= (excluded.sequence, excluded.schema_version)
  )
  SELECT number, version FROM ahead`

const dropStates = (ends: boolean) => `
  WITH dropped AS (
    DELETE FROM heddle.event_states WHERE aggregate_id >= $1::text ${ends ? "AND aggregate_id < $2::text" : ""} RETURNING 1
  )
  SELECT count(*) AS count FROM dropped`

const keepSnapshot = `
  WITH had AS MATERIALIZED (
    SELECT coalesce((SELECT version FROM heddle.aggregates WHERE aggregate_id = $1::text), 0) AS version
  ), kept AS (
    INSERT INTO heddle.event_snapshots AS present (aggregate_id, sequence, schema_version, at, state)
      SELECT $1::text, $2::bigint, $3::bigint, $4::float8, $5::text FROM had WHERE version >= $2::bigint
      ON CONFLICT (aggregate_id, sequence) DO UPDATE SET
        schema_version = excluded.schema_version, at = excluded.at, state = excluded.state
      WHERE present.schema_version <= excluded.schema_version
  )
  SELECT version FROM had`

const snapshot = `
  SELECT ${stateColumns}, at FROM heddle.event_snapshots
  WHERE aggregate_id = $1::text AND sequence <= $2::bigint AND ($3::float8 IS NULL OR at <= $3::float8)
  ORDER BY sequence DESC LIMIT 1`

type Methods = "state" | "states" | "putStates" | "dropStates" | "keepSnapshot" | "snapshot"

export const make = (database: PostgresDatabase): Pick<EventStore["Type"], Methods> => {
  const { location } = database
  const check = EventRequest.make(location)
  const encode = PostgresText.encode

  const reading = <Row>(operation: string, statement: string, parameters: ReadonlyArray<unknown>) =>
    database.read(operation, (connection) => select<Row>(connection, statement, parameters))
  const writing = <Row>(operation: string, statement: string, parameters: ReadonlyArray<unknown>) =>
    database.writeOnce(operation, (connection) => select<Row>(connection, statement, parameters))

  return {
    state: (aggregateId) =>
      Effect.zipRight(
        check.aggregate("state", aggregateId),
        Effect.map(
          reading<StoredState>(
            "state",
            `SELECT ${stateColumns} FROM heddle.event_states WHERE aggregate_id = $1::text`,
            [encode(aggregateId)]
          ),
          ([row]) => Option.map(Option.fromNullable(row), decodeState)
        )
      ),

    states: (page) =>
      Effect.zipRight(
        check.ids("states", page),
        Effect.map(
          reading<StoredState>(
            "states",
            `SELECT ${stateColumns} FROM heddle.event_states
                WHERE aggregate_id > $1::text ORDER BY aggregate_id LIMIT $2::bigint`,
            [encode(page.after ?? ""), page.limit]
          ),
          (rows) => rows.map(decodeState)
        )
      ),

    putStates: (rows) =>
      Effect.gen(function* () {
        yield* check.putStates(rows)
        const [ahead] = yield* writing<{ readonly number: number; readonly version: number }>("putStates", putStates, [
          rows.map(({ aggregateId }) => encode(aggregateId)),
          rows.map(({ sequence }) => sequence),
          rows.map(({ schemaVersion }) => schemaVersion),
          rows.map(({ state }) => state),
          stays(rows)
        ])
        if (ahead === undefined) return
        const { aggregateId, sequence } = rows[ahead.number - 1]!
        const fault = EventAppend.ahead("state", aggregateId, sequence, ahead.version)
        return yield* EventRequest.refusal(location, "putStates", fault)
      }),

    dropStates: (prefix) =>
      Effect.gen(function* () {
        yield* check.dropStates(prefix)
        const begin = encode(prefix)
        const end = TextOrder.end(begin)
        const [row] = yield* writing<{ readonly count: number }>("dropStates", dropStates(end !== undefined), [
          begin,
          ...(end === undefined ? [] : [end])
        ])
        return row!.count
      }),

    keepSnapshot: (kept) =>
      Effect.gen(function* () {
        yield* check.keepSnapshot(kept)
        const { aggregateId, at, schemaVersion, sequence, state } = kept
        const [row] = yield* writing<{ readonly version: number }>("keepSnapshot", keepSnapshot, [
          encode(aggregateId),
          sequence,
          schemaVersion,
          at,
          state
        ])
        const version = row!.version
        if (sequence <= version) return
        const fault = EventAppend.ahead("snapshot", aggregateId, sequence, version)
        return yield* EventRequest.refusal(location, "keepSnapshot", fault)
      }),

    snapshot: (aggregateId, bound) =>
      Effect.zipRight(
        check.snapshot(aggregateId, bound),
        Effect.map(
          reading<StoredState & { readonly at: number }>("snapshot", snapshot, [
            encode(aggregateId),
            bound.sequence,
            bound.until ?? null
          ]),
          ([row]) => Option.map(Option.fromNullable(row), (row): Snapshot => ({ ...decodeState(row), at: row.at }))
        )
      )
  }
}
