/**
 * The rows of transitions.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import * as SqliteRows from "./SqliteRows.js"
import { idOfRun, rowLimit, select } from "./SqliteRuns.js"
import { columns, type TransitionRow } from "./TransitionRows.js"

export const insert = SqliteRows.make(12, (rows) => `INSERT INTO transitions (run, ${columns}) ${rows}`)

export const page = (
  connection: Connection,
  runId: RunId,
  { after, limit }: { readonly after: number; readonly limit: number }
): Effect.Effect<ReadonlyArray<TransitionRow>, SqlError> =>
  select<TransitionRow>(
    connection,
    `SELECT ${columns} FROM transitions WHERE run = ${idOfRun} AND seq > ? ORDER BY seq LIMIT ?`,
    [runId, after, rowLimit(limit)]
  )
