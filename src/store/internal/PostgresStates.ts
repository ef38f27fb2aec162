/**
 * The rows of keyed states.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { StateChange } from "../RunStore.js"
import * as PostgresKey from "./PostgresKey.js"
import { select } from "./PostgresRuns.js"
import * as PostgresText from "./PostgresText.js"

/** In one order, whoever writes them: two transactions that lock the same rows never wait for each other. */
const sorted = <Row extends { readonly key: string; readonly field: string }>(rows: Array<Row>): Array<Row> =>
  rows.sort((a, b) => (a.key === b.key ? (a.field < b.field ? -1 : 1) : a.key < b.key ? -1 : 1))

export const write = (connection: Connection, changes: ReadonlyArray<StateChange>): Effect.Effect<void, SqlError> => {
  const cleared = sorted(
    changes.flatMap((change) => {
      const key = PostgresKey.keyOf(change.key)
      return Array.from(change.clear, (field) => ({ key, field: PostgresKey.keyOf(field) }))
    })
  )
  const set = sorted(
    changes.flatMap((change) => {
      const key = PostgresKey.keyOf(change.key)
      return Array.from(change.set, ([name, value]) => {
        const field = PostgresKey.of(name)
        return { key, field: field.key, text: field.text, value: PostgresText.encode(value) }
      })
    })
  )
  const clear = Effect.suspend(() =>
    connection.executeRaw(
      `WITH locked AS (
          SELECT key, field FROM heddle.states
            WHERE (key, field) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY key, field FOR UPDATE
        )
        DELETE FROM heddle.states USING locked WHERE states.key = locked.key AND states.field = locked.field`,
      [cleared.map(({ key }) => key), cleared.map(({ field }) => field)]
    )
  )
  const put = Effect.suspend(() =>
    connection.executeRaw(
      `INSERT INTO heddle.states (key, field, field_text, value)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
        ON CONFLICT (key, field) DO UPDATE SET value = excluded.value`,
      [
        set.map(({ key }) => key),
        set.map(({ field }) => field),
        set.map(({ text }) => text),
        set.map(({ value }) => value)
      ]
    )
  )
  return Effect.zipRight(
    Effect.when(clear, () => cleared.length > 0),
    Effect.asVoid(Effect.when(put, () => set.length > 0))
  )
}

export const read = (connection: Connection, key: string): Effect.Effect<ReadonlyMap<string, string>, SqlError> =>
  Effect.map(
    select<{ readonly field: string; readonly value: string }>(
      connection,
      "SELECT coalesce(field_text, field) AS field, value FROM heddle.states WHERE key = $1",
      [PostgresKey.keyOf(key)]
    ),
    (rows) => new Map(rows.map(({ field, value }) => [PostgresText.decode(field), PostgresText.decode(value)]))
  )
