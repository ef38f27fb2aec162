/**
 * The rows of transitions, and of runs that are kept.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import { byId, idOfRun, rowLimit, select } from "./PostgresRuns.js"
import * as PostgresState from "./PostgresState.js"
import * as PostgresText from "./PostgresText.js"
import * as SqlSnapshots from "./SqlSnapshots.js"
import { columns, type TransitionRow } from "./TransitionRows.js"

export const page = (
  connection: Connection,
  runId: RunId,
  { after, limit }: { readonly after: number; readonly limit: number }
): Effect.Effect<ReadonlyArray<TransitionRow>, SqlError> =>
  Effect.map(
    select<TransitionRow>(
      connection,
      `SELECT ${columns} FROM heddle.transitions WHERE run = ${idOfRun(1)} AND seq > $2::float8 ORDER BY seq LIMIT $3`,
      [PostgresText.encode(runId), after, rowLimit(limit)]
    ),
    (rows) =>
      rows.map((row) => ({
        ...row,
        module: PostgresText.decodeNullable(row.module),
        failure: PostgresText.decodeNullable(row.failure),
        shared: PostgresText.decodeNullable(row.shared)
      }))
  )

/** Of runs that are kept. */
export const { keep, latest, stored } = SqlSnapshots.make({
  run: byId,
  modules: PostgresState.modules,
  items: PostgresState.itemCounts,
  shared: PostgresState.shared,
  // locked, so that what is read after it is of the same moment
  last: (connection, { epoch, runId }) =>
    select(
      connection,
      `SELECT runs.id, last.at, CASE WHEN runs.status = 'suspended' THEN (
          SELECT until FROM heddle.transitions AS t WHERE t.run = runs.id AND t.epoch IS NOT NULL
            ORDER BY t.seq DESC LIMIT 1
        ) END AS "wakeAt"
        FROM heddle.runs JOIN heddle.transitions AS last ON last.run = runs.id AND last.seq = runs.seq
        WHERE run_id = $1 AND runs.epoch = $2
          AND NOT EXISTS (SELECT FROM heddle.run_snapshots AS kept WHERE kept.run = runs.id AND kept.seq = runs.seq)
        FOR UPDATE OF runs`,
      [PostgresText.encode(runId), epoch]
    ),
  insert: (connection, { at, id, seq, value }) =>
    Effect.map(
      select(
        connection,
        `INSERT INTO heddle.run_snapshots (run, seq, at, value) VALUES ($1, $2, $3, $4)
          ON CONFLICT DO NOTHING RETURNING run`,
        [id, seq, at, PostgresText.encode(value)]
      ),
      (inserted) => inserted.length > 0
    ),
  latest: (connection, runId, { at, seq }) =>
    Effect.map(
      select<SqlSnapshots.Text>(
        connection,
        `SELECT seq, at, value FROM heddle.run_snapshots
          WHERE run = ${idOfRun(1)} AND seq <= $2::float8 AND at <= $3::float8 ORDER BY seq DESC LIMIT 1`,
        [PostgresText.encode(runId), seq, at]
      ),
      (rows) => rows.map((row) => ({ ...row, value: PostgresText.decode(row.value) }))
    )
})
