/**
 * The rows of dead letters.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { DeadLetter } from "../RunStore.js"
import { rowLimit, select } from "./PostgresRuns.js"
import * as PostgresText from "./PostgresText.js"

export const bury = (connection: Connection, letter: DeadLetter): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `INSERT INTO heddle.dead_letters (at, kind, key, epoch, reason, message, count, updates)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        letter.at,
        letter.kind,
        PostgresText.encode(letter.key),
        letter.epoch,
        letter.reason,
        PostgresText.encode(letter.message),
        letter.count,
        PostgresText.encode(letter.updates)
      ]
    )
  )

export const list = (
  connection: Connection,
  { key, limit }: { readonly key?: string | undefined; readonly limit: number }
): Effect.Effect<ReadonlyArray<DeadLetter>, SqlError> =>
  Effect.map(
    select<DeadLetter>(
      connection,
      `SELECT at, kind, key, epoch, reason, message, count, updates FROM heddle.dead_letters
        ${key === undefined ? "" : "WHERE md5(key) = md5($2) AND key = $2"} ORDER BY id DESC LIMIT $1`,
      [rowLimit(limit), ...(key === undefined ? [] : [PostgresText.encode(key)])]
    ),
    (rows) =>
      rows.map((row) => ({
        ...row,
        key: PostgresText.decode(row.key),
        message: PostgresText.decode(row.message),
        updates: PostgresText.decode(row.updates)
      }))
  )
