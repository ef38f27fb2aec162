/**
 * The rows of leases, and of those who wait in line for them. A row whose time has run out is there for nobody, but its
 * token is remembered.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Acquired, LeaseRow, LeaseStore } from "../LeaseStore.js"
import { select } from "./SqliteRuns.js"

type Request<Method extends "acquire" | "renew" | "release" | "enqueue" | "dequeue"> = Parameters<
  (typeof LeaseStore.Service)[Method]
>[0]

export const get = (
  connection: Connection,
  resource: string,
  now: number
): Effect.Effect<LeaseRow | undefined, SqlError> =>
  Effect.map(
    select<LeaseRow>(
      connection,
      `SELECT resource, holder, token, expires_at - ? AS remaining FROM leases
        WHERE resource = ? AND holder <> '' AND expires_at > ?`,
      [now, resource, now]
    ),
    ([lease]) => lease
  )

// Who has the resource is not held up by those who wait; all others come after those who have waited longer.
const acquiring = `INSERT INTO leases (resource, holder, token, expires_at)
  SELECT ?, ?, ?, ?
    WHERE EXISTS (SELECT 1 FROM leases WHERE resource = ? AND holder = ? AND expires_at > ?)
      OR NOT EXISTS (
        SELECT 1 FROM lease_waiters AS others
          WHERE resource = ? AND expires_at > ? AND NOT EXISTS (
            SELECT 1 FROM lease_waiters
              WHERE resource = others.resource AND holder = ? AND expires_at > ? AND ticket <= others.ticket
          )
      )
  ON CONFLICT (resource) DO UPDATE SET
      holder = excluded.holder,
      token = CASE
        WHEN holder = excluded.holder AND token >= excluded.token THEN token
        ELSE max(token + 1, excluded.token)
      END,
      expires_at = excluded.expires_at
    WHERE holder = excluded.holder OR holder = '' OR expires_at <= ?
  RETURNING token`

export const acquire = (
  connection: Connection,
  { above = 0, holder, resource, ttl }: Request<"acquire">,
  now: number
): Effect.Effect<Acquired, SqlError> =>
  Effect.gen(function* () {
    const [acquired] = yield* select<Pick<LeaseRow, "token">>(connection, acquiring, [
      ...[resource, holder, above + 1, now + ttl],
      ...[resource, holder, now],
      ...[resource, now, holder, now],
      now
    ])
    if (acquired === undefined) {
      return { _tag: "Held", lease: Option.fromNullable(yield* get(connection, resource, now)) }
    }
    yield* dequeue(connection, { resource, holder })
    return { _tag: "Acquired", lease: { resource, holder, token: acquired.token, remaining: ttl } }
  })

/** A change of the lease of this holder with this token, if there is one; whether there was. */
const changed = (
  connection: Connection,
  change: string,
  parameters: ReadonlyArray<unknown>,
  { holder, resource, token }: Request<"release">,
  now: number
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    select(connection, `${change} WHERE resource = ? AND holder = ? AND token = ? AND expires_at > ? RETURNING token`, [
      ...parameters,
      ...[resource, holder, token, now]
    ]),
    (rows) => rows.length > 0
  )

export const renew = (
  connection: Connection,
  { ttl, ...lease }: Request<"renew">,
  now: number
): Effect.Effect<boolean, SqlError> => changed(connection, "UPDATE leases SET expires_at = ?", [now + ttl], lease, now)

export const release = (
  connection: Connection,
  lease: Request<"release">,
  now: number
): Effect.Effect<boolean, SqlError> =>
  lease.forget === true
    ? changed(connection, "DELETE FROM leases", [], lease, now)
    : changed(connection, "UPDATE leases SET holder = '', expires_at = 0", [], lease, now)

export const enqueue = (
  connection: Connection,
  { holder, resource, ttl }: Request<"enqueue">,
  now: number
): Effect.Effect<number, SqlError> =>
  Effect.gen(function* () {
    yield* connection.executeRaw("DELETE FROM lease_waiters WHERE resource = ? AND expires_at <= ?", [resource, now])
    const [waiter] = yield* select<{ readonly ticket: number }>(
      connection,
      `INSERT INTO lease_waiters (resource, holder, ticket, expires_at)
        SELECT ?, ?, coalesce(max(ticket), 0) + 1, ? FROM lease_waiters WHERE resource = ?
        ON CONFLICT (resource, holder) DO UPDATE SET expires_at = excluded.expires_at
        RETURNING ticket`,
      [resource, holder, now + ttl, resource]
    )
    return waiter?.ticket ?? 0
  })

export const dequeue = (
  connection: Connection,
  { holder, resource }: Request<"dequeue">
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw("DELETE FROM lease_waiters WHERE resource = ? AND holder = ?", [resource, holder])
  )
