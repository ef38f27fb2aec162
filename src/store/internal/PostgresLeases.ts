/**
 * The leases of a `LeaseStore` in PostgreSQL, by the clock of the database. A lease or a place in line whose time has run
 * out is there for nobody.
 *
 * Each method is one statement. That nobody acquires what somebody else holds is decided with the lock of the row, on
 * what is there then (READ COMMITTED); who comes first in line, on what was there when the statement began.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../model/StoreError.js"
import { type Acquired, type LeaseRow, LeaseStore } from "../LeaseStore.js"
import * as LeaseRequest from "./LeaseRequest.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import { select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"

// As many as may be left behind at a time, and few enough that nobody waits long.
const removedPerEnqueue = 16

// What a holder was told must be true also after a crash of the server: a token is not given twice, nor time taken back.
const synced = `CASE WHEN current_setting('synchronous_commit') = 'off'
  THEN set_config('synchronous_commit', 'on', true) END AS synced`

/** $1 is the resource, $2 the holder and $3 now. */
const statements = ({ now }: PostgresDatabase) => {
  const own = "resource = $1::text AND holder = $2::text"
  const isOwn = `${own} AND token = $4::bigint AND expires_at > ${now(3)}`

  // One time for the condition and for what remains: the clock goes on in between.
  const heldBy = (n: number) => `
    SELECT resource, holder, token, expires_at - time.now AS remaining
    FROM heddle.leases, (SELECT ${now(n)} AS now OFFSET 0) AS time
    WHERE resource = $1::text AND holder <> '' AND expires_at > time.now`
  const othersComeFirst = `EXISTS (
    SELECT FROM heddle.lease_waiters
    WHERE resource = $1::text AND expires_at > ${now(3)} AND ticket < coalesce(
      (SELECT ticket FROM heddle.lease_waiters WHERE ${own} AND expires_at > ${now(3)}), 9223372036854775807)
  )`

  return {
    // $2 now
    get: heldBy(2),

    // $4 the time to live, $5 above. No row: somebody came between what was there when the statement began and the lock.
    acquire: `
      WITH held AS MATERIALIZED (${heldBy(3)}), line AS MATERIALIZED (SELECT ${othersComeFirst} AS waits, ${synced}), acquired AS (
        INSERT INTO heddle.leases AS lease (resource, holder, token, expires_at)
          SELECT $1::text, $2::text, $5::bigint + 1, ${now(3)} + $4::float8 FROM line
          WHERE NOT waits OR EXISTS (SELECT FROM held WHERE holder = $2::text)
          ON CONFLICT (resource) DO UPDATE SET
            holder = excluded.holder,
            token = CASE
              WHEN lease.holder = excluded.holder AND lease.token > $5::bigint THEN lease.token
              ELSE greatest(lease.token, $5::bigint) + 1
            END,
            expires_at = ${now(3)} + $4::float8
          WHERE lease.holder = excluded.holder OR lease.holder = '' OR lease.expires_at <= ${now(3)}
          RETURNING resource, holder, token
      ), served AS (
        DELETE FROM heddle.lease_waiters WHERE ${own} AND EXISTS (SELECT FROM acquired)
      )
      SELECT 'acquired' AS outcome, resource, holder, token, $4::float8 AS remaining FROM acquired
      UNION ALL
      SELECT 'held', resource, holder, token, remaining FROM held
        WHERE holder <> $2::text AND NOT EXISTS (SELECT FROM acquired)
      UNION ALL
      SELECT 'waits', '', '', 0, 0 FROM line WHERE waits AND NOT EXISTS (SELECT FROM held)`,

    // $4 the token
    renew: `
      WITH synced AS MATERIALIZED (SELECT ${synced})
      UPDATE heddle.leases SET expires_at = ${now(3)} + $5::float8 FROM synced WHERE ${isOwn} RETURNING resource`,
    release: `UPDATE heddle.leases SET holder = '', expires_at = 0 WHERE ${isOwn} RETURNING resource`,
    forget: `DELETE FROM heddle.leases WHERE ${isOwn} RETURNING resource`,

    // $4 the time to live. Rows are removed when the own one is locked, and only those that nobody has locked.
    enqueue: `
      WITH waiting AS (
        INSERT INTO heddle.lease_waiters AS waiter (resource, holder, ticket, expires_at)
          VALUES ($1::text, $2::text, nextval('heddle.lease_tickets'), ${now(3)} + $4::float8)
          ON CONFLICT (resource, holder) DO UPDATE SET
            ticket = CASE WHEN waiter.expires_at > ${now(3)} THEN waiter.ticket ELSE excluded.ticket END,
            expires_at = excluded.expires_at
          RETURNING ticket
      ), removed AS (
        DELETE FROM heddle.lease_waiters WHERE expires_at <= (SELECT ${now(3)}) AND (resource, holder) IN (
          SELECT resource, holder FROM heddle.lease_waiters
          WHERE expires_at <= (SELECT ${now(3)}) AND NOT (${own}) AND EXISTS (SELECT FROM waiting)
          ORDER BY expires_at LIMIT ${removedPerEnqueue} FOR UPDATE SKIP LOCKED
        )
      )
      SELECT ticket FROM waiting`,

    dequeue: `DELETE FROM heddle.lease_waiters WHERE ${own}`
  }
}

interface AcquireRow extends LeaseRow {
  readonly outcome: "acquired" | "held" | "waits"
}

const leaseOf = ({ holder, remaining, resource, token }: LeaseRow): LeaseRow => ({
  resource: PostgresText.decode(resource),
  holder: PostgresText.decode(holder),
  token,
  remaining
})

const acquiredOf = (row: AcquireRow): Acquired => {
  switch (row.outcome) {
    case "acquired":
      return { _tag: "Acquired", lease: leaseOf(row) }
    case "held":
      return { _tag: "Held", lease: Option.some(leaseOf(row)) }
    case "waits":
      return { _tag: "Held", lease: Option.none() }
  }
}

export const make = (database: PostgresDatabase): LeaseStore["Type"] => {
  const { clock, location } = database
  const sql = statements(database)

  const own = ({ holder, resource }: { readonly resource: string; readonly holder: string }) => [
    PostgresText.encode(resource),
    PostgresText.encode(holder)
  ]

  /** With the time, after the resource and the holder. */
  const writing = <Row>(
    operation: string,
    statement: string,
    request: { readonly resource: string; readonly holder: string },
    ...more: ReadonlyArray<number>
  ): Effect.Effect<Row | undefined, StoreError> =>
    Effect.gen(function* () {
      yield* LeaseRequest.check(location, operation, request)
      const now = yield* clock
      const [row] = yield* database.writeOnce(operation, (connection) =>
        select<Row>(connection, statement, [...own(request), now, ...more])
      )
      return row
    })

  const isDone = (row: object | undefined): boolean => row !== undefined

  const acquire: LeaseStore["Type"]["acquire"] = (request) =>
    Effect.flatMap(
      writing<AcquireRow>("acquire", sql.acquire, request, request.ttl, request.above ?? 0),
      // whoever came between has got on
      (row) => (row === undefined ? acquire(request) : Effect.succeed(acquiredOf(row)))
    )

  return LeaseStore.of({
    acquire,

    renew: (request) => Effect.map(writing<object>("renew", sql.renew, request, request.token, request.ttl), isDone),

    release: (request) =>
      Effect.map(
        writing<object>("release", request.forget === true ? sql.forget : sql.release, request, request.token),
        isDone
      ),

    get: (resource) =>
      Effect.zipRight(
        LeaseRequest.check(location, "get", { resource }),
        Effect.flatMap(clock, (now) =>
          Effect.map(
            database.read("get", (connection) =>
              select<LeaseRow>(connection, sql.get, [PostgresText.encode(resource), now])
            ),
            ([row]) => Option.map(Option.fromNullable(row), leaseOf)
          )
        )
      ),

    enqueue: (request) =>
      Effect.map(
        writing<{ readonly ticket: number }>("enqueue", sql.enqueue, request, request.ttl),
        // a row is always written
        (row) => row!.ticket
      ),

    dequeue: (request) =>
      Effect.zipRight(
        LeaseRequest.check(location, "dequeue", request),
        Effect.asVoid(
          database.writeOnce("dequeue", (connection) => select<object>(connection, sql.dequeue, own(request)))
        )
      )
  })
}
