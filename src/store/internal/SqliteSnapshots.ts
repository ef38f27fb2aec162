/**
 * The rows of runs that are kept.
 */
import * as Effect from "effect/Effect"
import { byId, idOfRun, select } from "./SqliteRuns.js"
import * as SqliteState from "./SqliteState.js"
import * as SqlSnapshots from "./SqlSnapshots.js"

export const { keep, latest, stored } = SqlSnapshots.make({
  run: byId,
  modules: SqliteState.modules,
  items: SqliteState.itemCounts,
  shared: SqliteState.shared,
  last: (connection, { epoch, runId }) =>
    select(
      connection,
      `SELECT id, last.at, iif(runs.status = 'suspended', (
          SELECT until FROM transitions AS t WHERE t.run = runs.id AND t.epoch IS NOT NULL ORDER BY t.seq DESC LIMIT 1
        ), NULL) AS wakeAt
        FROM runs JOIN transitions AS last ON last.run = runs.id AND last.seq = runs.seq
        WHERE run_id = ? AND runs.epoch = ?
          AND NOT EXISTS (SELECT 1 FROM run_snapshots AS kept WHERE kept.run = runs.id AND kept.seq = runs.seq)`,
      [runId, epoch]
    ),
  insert: (connection, { at, id, seq, value }) =>
    Effect.as(
      connection.executeRaw("INSERT INTO run_snapshots (run, seq, at, value) VALUES (?, ?, ?, ?)", [
        id,
        seq,
        at,
        value
      ]),
      true
    ),
  latest: (connection, runId, { at, seq }) =>
    select(
      connection,
      `SELECT seq, at, value FROM run_snapshots WHERE run = ${idOfRun} AND seq <= ? AND at <= ?
        ORDER BY seq DESC LIMIT 1`,
      [runId, seq, at]
    )
})
