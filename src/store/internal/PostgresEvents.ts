/**
 * The events of an `EventStore` in PostgreSQL.
 *
 * Each change is one statement, so that nobody's client holds a lock while it does something else.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isTransient, type StoreError } from "../../model/StoreError.js"
import { EventStore, type StoredEvent } from "../EventStore.js"
import * as EventAppend from "./EventAppend.js"
import * as EventRequest from "./EventRequest.js"
import * as EventTail from "./EventTail.js"
import * as PostgresAppend from "./PostgresAppend.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import { columns, decode, type EventRow } from "./PostgresEventRows.js"
import * as PostgresEventStates from "./PostgresEventStates.js"
import * as PostgresPositions from "./PostgresPositions.js"
import { select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"

/**
 * - `poll`: how often a subscription looks for events of which it was not told
 * - `page`: how many events it reads at once
 */
export interface Options {
  readonly poll: Duration.DurationInput
  readonly page: number
}

export const defaults: Options = { poll: "1 second", page: 500 }

// after a connection was lost, and while the server is not there
const backoff = Schedule.union(Schedule.exponential("50 millis"), Schedule.spaced("2 seconds"))

const byAggregate = `SELECT ${columns} FROM heddle.events
  WHERE aggregate_id = $1::text AND sequence > $2::bigint ORDER BY sequence LIMIT $3::bigint`

const byPosition = `SELECT ${columns} FROM heddle.events
  WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint`

// What waits for its position is told at the same moment: it belongs behind the last of these events.
const byPositionAndWaiting = `SELECT waiting.last, event.*
  FROM (SELECT ${PostgresPositions.lastWaiting} AS last) AS waiting LEFT JOIN (${byPosition}) AS event ON true
  ORDER BY event.position`

const byId = `SELECT ${columns} FROM heddle.events WHERE event_id = $1::text`

const prune = `
  WITH kept AS MATERIALIZED (
    SELECT EXISTS (
      SELECT FROM heddle.event_snapshots WHERE aggregate_id = $1::text AND sequence >= $2::bigint
    ) AS kept
  ), pruned AS (
    DELETE FROM heddle.events
      WHERE aggregate_id = $1::text AND sequence <= $2::bigint AND (SELECT kept FROM kept) RETURNING 1
  ), older AS (
    DELETE FROM heddle.event_snapshots
      WHERE aggregate_id = $1::text AND sequence < $2::bigint AND (SELECT kept FROM kept)
  )
  SELECT kept, (SELECT count(*) FROM pruned) AS count FROM kept`

/** In the scope it gives positions to what was appended, so that subscriptions are told at once. */
export const make = (
  database: PostgresDatabase,
  { page, poll }: Options = defaults
): Effect.Effect<EventStore["Type"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const { location } = database
    const check = EventRequest.make(location)
    const positions = PostgresPositions.make(database)
    const encode = PostgresText.encode

    // Several appends are one turn. When there is none, whoever reads takes it.
    const appended = yield* Queue.sliding<void>(1)
    const giving = Effect.retry(positions.give, { schedule: backoff, while: isTransient })
    yield* Effect.forkScoped(
      Effect.interruptible(Effect.forever(Effect.zipRight(Queue.take(appended), Effect.ignore(giving))))
    )

    const reading = <Row>(operation: string, statement: string, parameters: ReadonlyArray<unknown>) =>
      database.read(operation, (connection) => select<Row>(connection, statement, parameters))

    /** Reads again what waits for its position. The order of an aggregate is that of positions: what still waits is last. */
    const placed = (
      operation: string,
      statement: string,
      parameters: ReadonlyArray<unknown>
    ): Effect.Effect<ReadonlyArray<StoredEvent>, StoreError> => {
      const rows = reading<EventRow>(operation, statement, parameters)
      return Effect.flatMap(rows, (first) => {
        const waiting = first.reduce((last, { id, position }) => (position === null ? Math.max(last, id) : last), 0)
        return waiting === 0
          ? Effect.succeed(first.flatMap(decode))
          : Effect.zipRight(
              positions.giveUpTo(waiting),
              Effect.map(rows, (second) => second.flatMap(decode))
            )
      })
    }

    const readAll = (after: number, limit: number): Effect.Effect<ReadonlyArray<StoredEvent>, StoreError> =>
      Effect.flatMap(
        reading<EventRow & { readonly last: number | null }>("readAll", byPositionAndWaiting, [after, limit]),
        (rows) => {
          const events = rows.flatMap(decode)
          const last = rows[0]?.last ?? null
          return last === null || events.length >= limit
            ? Effect.succeed(events)
            : Effect.zipRight(
                positions.giveUpTo(last),
                Effect.map(reading<EventRow>("readAll", byPosition, [after, limit]), (rows) => rows.flatMap(decode))
              )
        }
      )

    /** Gives a notice for each one of the server, and whenever some may have been missed. */
    const listening = ({ give }: EventTail.Notice): Effect.Effect<void> =>
      Effect.scoped(
        Effect.gen(function* () {
          const lost = yield* Deferred.make<never, StoreError>()
          yield* database.listen(database.channel(PostgresPositions.subject), {
            notice: () => Effect.runSync(give),
            lost: (error) => Deferred.unsafeDone(lost, error)
          })
          yield* give
          return yield* Deferred.await(lost)
        })
      ).pipe(
        Effect.retry({ schedule: backoff, while: isTransient }),
        // polling goes on, and tells what is wrong
        Effect.ignore
      )

    return EventStore.of({
      append: (request) =>
        Effect.zipRight(
          check.append(request),
          PostgresAppend.append(database, request).pipe(Effect.ensuring(Queue.offer(appended, undefined)))
        ),

      version: (aggregateId) =>
        Effect.zipRight(
          check.aggregate("version", aggregateId),
          Effect.map(
            reading<{ readonly version: number }>(
              "version",
              "SELECT version FROM heddle.aggregates WHERE aggregate_id = $1::text",
              [encode(aggregateId)]
            ),
            ([row]) => row?.version ?? 0
          )
        ),

      event: (eventId) =>
        Effect.zipRight(
          check.event(eventId),
          Effect.map(placed("event", byId, [encode(eventId)]), ([event]) => Option.fromNullable(event))
        ),

      read: (aggregateId, page) =>
        Effect.zipRight(
          check.read(aggregateId, page),
          placed("read", byAggregate, [encode(aggregateId), page.after ?? 0, page.limit])
        ),

      readAll: (page) => Effect.zipRight(check.readAll(page), readAll(page.after ?? 0, page.limit)),

      subscribe: (after = 0) =>
        Stream.unwrapScoped(
          Effect.gen(function* () {
            yield* check.subscribe(after)
            const notice = yield* EventTail.notice
            yield* Effect.forkScoped(Effect.interruptible(listening(notice)))
            return EventTail.make({
              notice,
              poll,
              page,
              readAll: ({ after = 0, limit }) =>
                Effect.retry(readAll(after, limit), { schedule: backoff, while: isTransient })
            })(after)
          })
        ),

      ...PostgresEventStates.make(database),

      aggregates: (page) =>
        Effect.zipRight(
          check.ids("aggregates", page),
          Effect.map(
            reading<{ readonly aggregate_id: string }>(
              "aggregates",
              "SELECT aggregate_id FROM heddle.aggregates WHERE aggregate_id > $1::text ORDER BY aggregate_id LIMIT $2::bigint",
              [encode(page.after ?? ""), page.limit]
            ),
            (rows) => rows.map(({ aggregate_id }) => PostgresText.decode(aggregate_id))
          )
        ),

      prune: (request) =>
        Effect.gen(function* () {
          yield* check.prune(request)
          const { aggregateId, upTo } = request
          if (upTo === 0) return 0
          // what has its position is locked by nobody else
          yield* positions.give
          const [row] = yield* database.writeOnce("prune", (connection) =>
            select<{ readonly kept: boolean; readonly count: number }>(connection, prune, [encode(aggregateId), upTo])
          )
          if (row!.kept) return row!.count
          return yield* EventRequest.refusal(location, "prune", EventAppend.unkept(aggregateId, upTo))
        })
    })
  })
