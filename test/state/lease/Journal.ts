/**
 * What processes write down of what they do, in the order in which it was: rows of a SQLite file of their own, which is at
 * the same time what a lease protects. A write is accepted or refused in the statement that writes it down.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Effect, Schema } from "effect"

const What = Schema.Literal("asks", "acquired", "wrote", "refused", "interrupted", "lost", "ended")
export type What = typeof What.Type

const Row = Schema.Struct({ id: Schema.Int, name: Schema.String, what: What, token: Schema.Int })
const decode = Schema.decodeUnknownSync(Schema.Array(Row))

const table = `CREATE TABLE IF NOT EXISTS rows
  (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, what TEXT NOT NULL, token INTEGER NOT NULL)`

// the name, and the token twice; refused when a later holder has acquired the lease, or has written
const write = `INSERT INTO rows (name, what, token)
  SELECT ?, CASE WHEN last > ? THEN 'refused' ELSE 'wrote' END, ?
  FROM (SELECT coalesce(max(token), 0) AS last FROM rows WHERE what IN ('acquired', 'wrote'))`

export const open = (filename: string) =>
  Effect.gen(function* () {
    const client = yield* SqliteClient.make({ filename })
    const connection = yield* client.reserve
    const execute = (sql: string, ...values: ReadonlyArray<unknown>) =>
      Effect.orDie(connection.execute(sql, values, undefined))
    yield* execute(table)
    return {
      say: (name: string, what: What, token: number) =>
        execute("INSERT INTO rows (name, what, token) VALUES (?, ?, ?)", name, what, token),
      write: (name: string, token: number) => execute(write, name, token, token),
      rows: Effect.map(execute("SELECT id, name, what, token FROM rows ORDER BY id"), (rows) => decode(rows))
    }
  }).pipe(Effect.provide(Reactivity.layer), Effect.orDie)
