/**
 * The rows of the entries of a `StateStore`. A row whose time has run out is there for nobody, until it is removed.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Entry, KeyedEntry, Page } from "../StateStore.js"
import { select } from "./SqliteRuns.js"
import * as TextOrder from "./TextOrder.js"

const isThere = "(expires_at IS NULL OR expires_at > ?)"

export const get = (connection: Connection, key: string, now: number): Effect.Effect<Entry | undefined, SqlError> =>
  Effect.map(
    select<Entry>(connection, `SELECT value, version FROM entries WHERE key = ? AND ${isThere}`, [key, now]),
    ([entry]) => entry
  )

/** 0 when nothing is there. */
export const versionOf = (connection: Connection, key: string, now: number): Effect.Effect<number, SqlError> =>
  Effect.map(
    select<Pick<Entry, "version">>(connection, `SELECT version FROM entries WHERE key = ? AND ${isThere}`, [key, now]),
    ([row]) => row?.version ?? 0
  )

/** A version that no entry has had; undefined when the file has lost count. */
export const nextVersion = (connection: Connection): Effect.Effect<number | undefined, SqlError> =>
  Effect.map(
    select<Pick<Entry, "version">>(
      connection,
      "UPDATE entry_versions SET last = last + 1 RETURNING last AS version",
      []
    ),
    ([row]) => row?.version
  )

// More than a write adds, so that those that have expired become fewer, and few enough that no write takes long.
const removedPerWrite = 16

const removeExpired = `DELETE FROM entries WHERE rowid IN (
    SELECT rowid FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ${removedPerWrite}
  )`

/** Puts the value there, for `ttl` milliseconds, and removes some of those that have expired. */
export const set = (
  connection: Connection,
  key: string,
  { value, version }: Entry,
  ttl: number,
  now: number
): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    yield* connection.executeRaw(
      `INSERT INTO entries (key, version, expires_at, value) VALUES (?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET
          version = excluded.version, expires_at = excluded.expires_at, value = excluded.value`,
      [key, version, ttl === Infinity ? null : now + ttl, value]
    )
    yield* connection.executeRaw(removeExpired, [now])
  })

/** Whether there was one. */
export const remove = (connection: Connection, key: string, now: number): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    select<{ readonly was: number }>(connection, `DELETE FROM entries WHERE key = ? RETURNING ${isThere} AS was`, [
      key,
      now
    ]),
    ([row]) => row?.was === 1
  )

// Each number of keys is a statement of its own, which SQLite compiles and the client keeps: so they are few.
const sizes: ReadonlyArray<number> = [1, 4, 16, 64, 256]

/** What is there under these keys: `connection` has to be in a transaction, for it may take several statements. */
export const getMany = (
  connection: Connection,
  keys: ReadonlyArray<string>,
  now: number
): Effect.Effect<Map<string, Entry>, SqlError> =>
  Effect.gen(function* () {
    const found = new Map<string, Entry>()
    for (let from = 0; from < keys.length; from += 256) {
      const some = keys.slice(from, from + 256)
      const size = sizes.find((size) => size >= some.length) ?? some.length
      // the last key fills up what is left: a key that is asked for twice is found once
      const parameters = Array.from({ length: size }, (_, i) => some[Math.min(i, some.length - 1)])
      const entries = yield* select<KeyedEntry>(
        connection,
        `SELECT key, value, version FROM entries WHERE key IN (${parameters.map(() => "?").join(", ")}) AND ${isThere}`,
        [...parameters, now]
      )
      for (const { key, value, version } of entries) found.set(key, { value, version })
    }
    return found
  })

export const list = (
  connection: Connection,
  { after = "", limit, prefix }: Page,
  now: number
): Effect.Effect<ReadonlyArray<KeyedEntry>, SqlError> => {
  const end = TextOrder.end(prefix)
  return select<KeyedEntry>(
    connection,
    `SELECT key, value, version FROM entries
      WHERE key ${TextOrder.compare(after, prefix) < 0 ? ">=" : ">"} ?${end === undefined ? "" : " AND key < ?"} AND ${isThere}
      ORDER BY key LIMIT ?`,
    [TextOrder.compare(after, prefix) < 0 ? prefix : after, ...(end === undefined ? [] : [end]), now, limit]
  )
}
