/**
 * The positions of events in PostgreSQL: the order in which readers are given them.
 *
 * Ids are given when events are inserted, and transactions end in another order: a reader that goes on after the highest
 * id misses what was inserted before and is committed later. So a position is given after the commit, in a turn: whoever
 * has locked the row of `event_positions` gives the next positions to events that are committed by then. Nobody waits for
 * a transaction that is still open, and its events come later, in order, once. Those of one aggregate are committed in
 * the order of their ids, and stay in it.
 */
import * as Effect from "effect/Effect"
import type { StoreError } from "../../model/StoreError.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import { literal, select } from "./PostgresStatement.js"

/** The subject of the notices that positions were given. */
export const subject = "events"

// Some 100 ms of work: others wait for it.
const perTurn = 5000

interface Waiting {
  /** The id of the last event that has no position; null when all have one. */
  readonly last: number | null
}

/** The id of the last event without a position, as an expression. */
export const lastWaiting = "(SELECT max(id) FROM heddle.events WHERE position IS NULL)"

export interface Positions {
  /** Gives positions to the events up to this id that are committed. */
  readonly giveUpTo: (id: number) => Effect.Effect<void, StoreError>
  /** Gives positions to all that are committed. */
  readonly give: Effect.Effect<void, StoreError>
}

export const make = (database: PostgresDatabase): Positions => {
  // Several statements, sent as one: a transaction that no client can hold open. The last one begins with the lock, and so
  // sees what had been committed by then; no statement that waits for a lock would. What readers have been given stays,
  // whatever the server does: this commit is synced in any case, and with it those of the events.
  const turn = `
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
    SELECT last FROM heddle.event_positions FOR UPDATE;
    WITH waiting AS (
      SELECT id, row_number() OVER (ORDER BY id) AS number
      FROM (SELECT id FROM heddle.events WHERE position IS NULL ORDER BY id LIMIT ${perTurn}) AS first
    ), given AS (
      UPDATE heddle.events AS event SET position = positions.last + waiting.number
      FROM waiting, heddle.event_positions AS positions
      WHERE event.id = waiting.id
      RETURNING event.position
    )
    UPDATE heddle.event_positions SET last = next.last
    FROM (SELECT max(position) AS last FROM given) AS next
    WHERE next.last IS NOT NULL
    RETURNING pg_notify(${literal(database.channel(subject))}, next.last::text)`

  const takeTurn = database.writeOnce("positions", (connection) =>
    Effect.asVoid(connection.executeUnprepared(turn, [], undefined))
  )

  const waiting = Effect.map(
    database.read("positions", (connection) => select<Waiting>(connection, `SELECT ${lastWaiting} AS last`, [])),
    ([row]) => row?.last ?? null
  )

  const isWaiting = (id: number) =>
    Effect.map(
      database.read("positions", (connection) =>
        select<{ readonly id: number }>(
          connection,
          "SELECT id FROM heddle.events WHERE position IS NULL AND id <= $1::bigint LIMIT 1",
          [id]
        )
      ),
      (rows) => rows.length > 0
    )

  const giveUpTo = (id: number): Effect.Effect<void, StoreError> =>
    Effect.zipRight(
      takeTurn,
      Effect.flatMap(isWaiting(id), (still) => (still ? giveUpTo(id) : Effect.void))
    )

  return {
    giveUpTo,
    give: Effect.flatMap(waiting, (last) => (last === null ? Effect.void : giveUpTo(last)))
  }
}
