/**
 * The rows of dead letters.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { DeadLetter } from "../RunStore.js"
import { rowLimit, select } from "./SqliteRuns.js"

export const bury = (connection: Connection, letter: DeadLetter): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `INSERT INTO dead_letters (at, kind, key, epoch, reason, message, count, updates)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      [letter.at, letter.kind, letter.key, letter.epoch, letter.reason, letter.message, letter.count, letter.updates]
    )
  )

export const list = (
  connection: Connection,
  { key, limit }: { readonly key?: string | undefined; readonly limit: number }
): Effect.Effect<ReadonlyArray<DeadLetter>, SqlError> =>
  select<DeadLetter>(
    connection,
    `SELECT at, kind, key, epoch, reason, message, count, updates FROM dead_letters
      ${key === undefined ? "" : "WHERE key = ?"} ORDER BY id DESC LIMIT ?`,
    [...(key === undefined ? [] : [key]), rowLimit(limit)]
  )
