/**
 * Flows in PostgreSQL, and the log of their changes.
 *
 * Who writes locks the row that has the last position, so writes come one after the other, and positions are in the order
 * of commits: whoever has read one has missed none before it. Flows change seldom.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FlowChange, FlowEntry, FlowRow, Written } from "../FlowStore.js"
import { FlowStore } from "../FlowStore.js"
import * as FlowRequest from "./FlowRequest.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import * as PostgresKey from "./PostgresKey.js"
import { select } from "./PostgresStatement.js"
import * as PostgresText from "./PostgresText.js"

const columns = "name, version, fingerprint, status, revision, text"

const keyOf = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  PostgresKey.keyOf(JSON.stringify([name, version]))

const rowOf = ({ fingerprint, name, revision, status, text, version }: FlowRow): FlowRow => ({
  name: PostgresText.decode(name),
  version: PostgresText.decode(version),
  fingerprint: PostgresText.decode(fingerprint),
  status,
  revision,
  text: PostgresText.decodeNullable(text)
})

const entryOf = (entry: FlowEntry): FlowEntry => ({
  ...rowOf(entry),
  at: entry.at,
  actor: PostgresText.decode(entry.actor),
  reason: PostgresText.decode(entry.reason),
  action: PostgresText.decode(entry.action),
  position: entry.position
})

/** Conditions with the numbers of their parameters. */
const conditions = () => {
  const values: Array<unknown> = []
  const given: Array<string> = []
  const parameter = (value: unknown, type: string): string => `$${values.push(value)}::${type}`
  return {
    values,
    parameter,
    text: (value: string): string => parameter(PostgresText.encode(value), "text"),
    add: (condition: string): void => void given.push(condition),
    where: () => given.join(" AND ")
  }
}

const lock = "SELECT last FROM heddle.flow_positions FOR UPDATE"

const revisions = "SELECT key, revision FROM heddle.flows WHERE key = ANY($1::text[])"

// $1 the last position; $2 to $12 the changes
const put = `
  WITH given AS (
    SELECT * FROM unnest(
      $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::float8[], $10::text[],
      $11::text[], $12::text[]
    ) WITH ORDINALITY AS given (key, ${columns}, at, actor, reason, action, number)
  ), logged AS (
    INSERT INTO heddle.flow_log (position, ${columns}, at, actor, reason, action)
      SELECT $1::bigint + number, ${columns}, at, actor, reason, action FROM given
  ), written AS (
    INSERT INTO heddle.flows (key, ${columns}) SELECT key, ${columns} FROM given
      ON CONFLICT (key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, revision = excluded.revision, text = excluded.text
  )
  UPDATE heddle.flow_positions SET last = $1::bigint + (SELECT count(*) FROM given) RETURNING last`

const write = (connection: Connection, changes: ReadonlyArray<FlowChange>): Effect.Effect<Written, SqlError> =>
  Effect.gen(function* () {
    const [before] = yield* select<{ readonly last: number }>(connection, lock, [])
    const keys = changes.map(keyOf)
    // another statement than the one that waited: it sees what was written meanwhile
    const present = new Map(
      (yield* select<{ readonly key: string; readonly revision: number }>(connection, revisions, [keys])).map(
        ({ key, revision }) => [key, revision]
      )
    )
    for (const [i, { name, revision, version }] of changes.entries()) {
      const actual = present.get(keys[i] ?? "") ?? 0
      if (actual !== revision - 1) return { _tag: "Conflict", name, version, actual }
    }
    const texts = (text: (change: FlowChange) => string) => changes.map((change) => PostgresText.encode(text(change)))
    const [after] = yield* select<{ readonly last: number }>(connection, put, [
      before?.last ?? 0,
      keys,
      texts(({ name }) => name),
      texts(({ version }) => version),
      texts(({ fingerprint }) => fingerprint),
      texts(({ status }) => status),
      changes.map(({ revision }) => revision),
      changes.map(({ text }) => PostgresText.encodeNullable(text)),
      changes.map(({ at }) => at),
      texts(({ actor }) => actor),
      texts(({ reason }) => reason),
      texts(({ action }) => action)
    ])
    // the table has one row, always
    return { _tag: "Written", position: after!.last }
  })

export const make = (database: PostgresDatabase): FlowStore["Type"] => {
  const check = FlowRequest.make(database.location)
  return FlowStore.of({
    write: (changes) =>
      Effect.zipRight(
        check.write(changes),
        database.write("write", (connection) => write(connection, changes), { synced: true })
      ),

    get: (name, version) =>
      Effect.zipRight(
        check.get(name, version),
        Effect.map(
          database.read("get", (connection) =>
            select<FlowRow>(connection, `SELECT ${columns} FROM heddle.flows WHERE key = $1::text`, [
              keyOf({ name, version })
            ])
          ),
          ([row]) => Option.map(Option.fromNullable(row), rowOf)
        )
      ),

    list: (filter) =>
      Effect.zipRight(
        check.list(filter),
        Effect.suspend(() => {
          const { after, fingerprint, limit, name, status } = filter
          const { add, parameter, text, values, where } = conditions()
          add("text IS NOT NULL")
          if (name !== undefined) add(`name = ${text(name)}`)
          if (fingerprint !== undefined) add(`fingerprint = ${text(fingerprint)}`)
          if (status !== undefined) add(`status = ${text(status)}`)
          if (after !== undefined) add(`(name, version) > (${text(after.name)}, ${text(after.version)})`)
          const sql = `SELECT ${columns} FROM heddle.flows WHERE ${where()}
            ORDER BY name, version LIMIT ${parameter(limit, "bigint")}`
          return Effect.map(
            database.read("list", (connection) => select<FlowRow>(connection, sql, values)),
            (rows) => rows.map(rowOf)
          )
        })
      ),

    log: (filter) =>
      Effect.zipRight(
        check.log(filter),
        Effect.suspend(() => {
          const { after, limit, name, version } = filter
          const { add, parameter, text, values, where } = conditions()
          add(`position > ${parameter(after, "bigint")}`)
          if (name !== undefined) add(`name = ${text(name)}`)
          if (version !== undefined) add(`version = ${text(version)}`)
          const sql = `SELECT ${columns}, at, actor, reason, action, position FROM heddle.flow_log WHERE ${where()}
            ORDER BY position LIMIT ${parameter(limit, "bigint")}`
          return Effect.map(
            database.read("log", (connection) => select<FlowEntry>(connection, sql, values)),
            (rows) => rows.map(entryOf)
          )
        })
      ),

    position: Effect.map(
      database.read("position", (connection) =>
        select<{ readonly last: number }>(connection, "SELECT last FROM heddle.flow_positions", [])
      ),
      ([row]) => row?.last ?? 0
    )
  })
}
