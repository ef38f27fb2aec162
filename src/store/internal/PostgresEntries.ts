/**
 * The entries of a `StateStore` in PostgreSQL. A row whose time has run out is there for nobody, until it is removed.
 *
 * Each method is one statement, so that nobody's client holds a lock while it does something else. What a statement
 * compares it compares again with what is there once it has the lock of the row (READ COMMITTED): of several
 * `compareAndSet` at the same time one wins.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../model/StoreError.js"
import { type Change, type Entry, type KeyedEntry, type SetOptions, StateStore } from "../StateStore.js"
import * as Feed from "./Feed.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import { literal, select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"
import * as StateTexts from "./StateTexts.js"
import * as TextOrder from "./TextOrder.js"

// More than a write adds, so that those that have expired become fewer, and few enough that no write takes long.
const removedPerWrite = 16

type Written = { readonly version: number }

/** In the order of the parameters: of what has a key, of what has a time. */
const statements = ({ channel, now }: PostgresDatabase) => {
  const isThere = (n: number) => `(expires_at IS NULL OR expires_at > ${now(n)})`
  const subject = literal(channel("entries"))

  // $1 key, $2 value, $3 time to live, $4 now. Rows are removed when the row of the key is locked, and only those that
  // nobody has locked: whoever waits for a row has locked no other, so there are no deadlocks. A version is taken with
  // the lock: those of a key grow. The time in a query of its own is a constant, as an index needs it.
  const write = (written: string) => `
    WITH written AS (${written} RETURNING version), removed AS (
      DELETE FROM heddle.entries WHERE expires_at <= (SELECT ${now(4)}) AND key IN (
        SELECT key FROM heddle.entries
        WHERE expires_at <= (SELECT ${now(4)}) AND key <> $1::text AND EXISTS (SELECT FROM written)
        ORDER BY expires_at LIMIT ${removedPerWrite} FOR UPDATE SKIP LOCKED
      )
    )
    SELECT version, pg_notify(${subject}, version || ' ' || $1::text) FROM written`
  const insert = `
    INSERT INTO heddle.entries AS present (key, version, expires_at, value)
      VALUES ($1::text, nextval('heddle.entry_versions'), ${now(4)} + $3::float8, $2::text)
      ON CONFLICT (key) DO UPDATE SET
        version = nextval('heddle.entry_versions'), expires_at = excluded.expires_at, value = excluded.value`

  return {
    get: `SELECT key, value, version FROM heddle.entries WHERE key = $1::text AND ${isThere(2)}`,

    getMany: `SELECT key, value, version FROM heddle.entries WHERE key = ANY($1::text[]) AND ${isThere(2)}`,

    // $1 prefix, $2 after, $3 limit, $4 now, $5 the end of those with the prefix
    list: (ends: boolean) => `
      SELECT key, value, version FROM heddle.entries
      WHERE key >= $1::text AND key > $2::text ${ends ? "AND key < $5::text" : ""} AND ${isThere(4)}
      ORDER BY key LIMIT $3::bigint`,

    set: write(insert),

    setAbsent: write(`${insert} WHERE present.expires_at <= ${now(4)}`),

    // $5 the version that is expected
    setPresent: write(`
      UPDATE heddle.entries SET version = nextval('heddle.entry_versions'), expires_at = ${now(4)} + $3::float8, value = $2::text
      WHERE key = $1::text AND version = $5::bigint AND ${isThere(4)}`),

    delete: `
      WITH gone AS (DELETE FROM heddle.entries WHERE key = $1::text RETURNING ${isThere(2)} AS was)
      SELECT was, CASE WHEN was THEN pg_notify(${subject}, '0 ' || $1::text)::text END FROM gone`
  }
}

/** What `write` and `delete` tell: the version, 0 when it was deleted, and the key. */
const changeOf = (payload: string): Change => {
  const end = payload.indexOf(" ")
  const version = Number(payload.slice(0, end))
  return {
    key: PostgresText.decode(payload.slice(end + 1)),
    version: version === 0 ? Option.none() : Option.some(version)
  }
}

const decoded = ({ key, value, version }: KeyedEntry): KeyedEntry => ({
  key: PostgresText.decode(key),
  value: PostgresText.decode(value),
  version
})

const withoutKey = ({ value, version }: KeyedEntry): Entry => ({ value, version })

export const make = (database: PostgresDatabase): StateStore["Type"] => {
  const { channel, clock, location } = database
  const sql = statements(database)

  const reading = (
    operation: string,
    statement: string,
    parameters: (now: number | null) => ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<KeyedEntry>, StoreError> =>
    Effect.flatMap(clock, (now) =>
      Effect.map(
        database.read(operation, (connection) => select<KeyedEntry>(connection, statement, parameters(now))),
        (rows) => rows.map(decoded)
      )
    )

  const writing = (
    operation: string,
    statement: string,
    key: string,
    value: string,
    options: SetOptions | undefined,
    ...expected: ReadonlyArray<number>
  ): Effect.Effect<Written | undefined, StoreError> =>
    Effect.gen(function* () {
      yield* StateTexts.check(location, operation, key, value)
      const ttl = yield* StateTexts.checkTtl(location, operation, key, options)
      const now = yield* clock
      const [written] = yield* database.writeOnce(operation, (connection) =>
        select<Written>(connection, statement, [
          PostgresText.encode(key),
          PostgresText.encode(value),
          ttl === Infinity ? null : ttl,
          now,
          ...expected
        ])
      )
      return written
    })

  return StateStore.of({
    get: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "get", key),
        Effect.map(
          reading("get", sql.get, (now) => [PostgresText.encode(key), now]),
          ([row]) => Option.map(Option.fromNullable(row), withoutKey)
        )
      ),

    set: (key, value, options) =>
      // a row is always written
      Effect.map(writing("set", sql.set, key, value, options), (written) => written!.version),

    delete: (key) =>
      Effect.zipRight(
        StateTexts.check(location, "delete", key),
        Effect.flatMap(clock, (now) =>
          Effect.map(
            database.writeOnce("delete", (connection) =>
              select<{ readonly was: boolean }>(connection, sql.delete, [PostgresText.encode(key), now])
            ),
            ([row]) => row?.was === true
          )
        )
      ),

    compareAndSet: (key, expected, value, options) =>
      Effect.map(
        expected === 0
          ? writing("compareAndSet", sql.setAbsent, key, value, options)
          : // what no version is, 0 is not either
            writing(
              "compareAndSet",
              sql.setPresent,
              key,
              value,
              options,
              Number.isSafeInteger(expected) ? expected : 0
            ),
        (written) => Option.map(Option.fromNullable(written), ({ version }) => version)
      ),

    getMany: (keys) =>
      Effect.flatMap(StateTexts.checkKeys(location, "getMany", keys), (distinct) =>
        distinct.length === 0
          ? Effect.succeed(new Map<string, Entry>())
          : Effect.map(
              reading("getMany", sql.getMany, (now) => [distinct.map(PostgresText.encode), now]),
              (rows) => new Map(rows.map((row) => [row.key, withoutKey(row)]))
            )
      ),

    list: (page) => {
      const prefix = PostgresText.encode(page.prefix)
      const end = TextOrder.end(prefix)
      return Effect.zipRight(
        StateTexts.checkPage(location, "list", page),
        page.limit === 0
          ? Effect.succeed([])
          : reading("list", sql.list(end !== undefined), (now) => [
              prefix,
              PostgresText.encode(page.after ?? ""),
              page.limit,
              now,
              ...(end === undefined ? [] : [end])
            ])
      )
    },

    changes: Option.some((prefix) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          yield* StateTexts.checkPrefix(location, "changes", prefix)
          const feed = yield* Ref.make(Feed.empty)
          const lost = yield* Deferred.make<never, StoreError>()
          const note = ({ key, version }: Change) => Ref.update(feed, (feed) => Feed.note(feed, key, version))
          yield* database.listen(channel("entries"), {
            notice: (payload) => Effect.runSync(note(changeOf(payload))),
            lost: (error) => Deferred.unsafeDone(lost, error)
          })
          return Stream.interruptWhen(
            Feed.changes((f) => Ref.modify(feed, f), prefix),
            Deferred.await(lost)
          )
        })
      )
    )
  })
}
