/**
 * The statements over the rows of runs.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { Due, RunRow, RunStore } from "../RunStore.js"
import type { Known, KnownRow } from "./Changes.js"
import * as SqliteRows from "./SqliteRows.js"

interface OwnedRow extends KnownRow, Pick<RunRow, "owner"> {}

/** The rows of our own STRICT tables have the types that their columns declare, so `select` may name them. */
export const select = <Row>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> => connection.execute(sql, parameters, undefined)

/** The number of the run whose id is a parameter. */
export const idOfRun = "(SELECT id FROM runs WHERE run_id = ?)"

export const rowLimit = (limit: number): number => Math.max(0, Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER))

const rows = `SELECT run_id AS runId, dag, fingerprint, version, total, input, policy, status, epoch, owner,
    heartbeat_at AS heartbeatAt, seq, signals, created_at AS createdAt,
    coalesce(reopened_at, created_at) AS startedAt, finished_at AS finishedAt, wake_at AS wakeAt,
    recoveries, quarantined
  FROM runs JOIN inputs ON inputs.run = runs.id`

/** Selects rows with the column `quarantined`, which SQLite has as a number. */
const selectRuns = <Row extends { readonly quarantined: boolean }>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
  Effect.map(
    select<Omit<Row, "quarantined"> & { readonly quarantined: number }>(connection, sql, parameters),
    // each row but for that column is one already
    (rows) => rows.map((row) => ({ ...row, quarantined: row.quarantined === 1 }) as unknown as Row)
  )

export const byId = (connection: Connection, runId: RunId): Effect.Effect<RunRow | undefined, SqlError> =>
  Effect.map(selectRuns<RunRow>(connection, `${rows} WHERE run_id = ?`, [runId]), ([row]) => row)

export const known = (
  connection: Connection,
  runs: ReadonlyArray<{ readonly runId: RunId }>
): Effect.Effect<ReadonlyMap<RunId, Known<OwnedRow>>, SqlError> =>
  Effect.map(
    selectRuns<OwnedRow & { readonly id: number; readonly runId: RunId }>(
      connection,
      `SELECT id, run_id AS runId, epoch, owner, seq, status, finished_at AS finishedAt, wake_at AS wakeAt,
          recoveries, quarantined
        FROM runs WHERE run_id IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(runs.map(({ runId }) => runId))]
    ),
    (rows) => new Map(rows.map((row) => [row.runId, { id: row.id, row }]))
  )

const updates = SqliteRows.make(
  7,
  (rows) => `UPDATE runs SET
      seq = change.column2, status = change.column3, finished_at = change.column4, wake_at = change.column5,
      recoveries = change.column6, quarantined = change.column7
    FROM (${rows}) AS change WHERE runs.id = change.column1`
)

/** Each run only once: of two changes of one row in a statement any could count. */
export const update = (connection: Connection, runs: ReadonlySet<Known>): Effect.Effect<void, SqlError> =>
  updates(
    connection,
    Array.from(runs).flatMap(({ id, row }) => [
      id,
      row.seq,
      row.status,
      row.finishedAt,
      row.wakeAt,
      row.recoveries,
      row.quarantined ? 1 : 0
    ])
  )

/** Makes those of these runs due that are suspended and have a signal for a suspended module. */
export const wakeSignalled = (connection: Connection, ids: ReadonlyArray<number>): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `UPDATE runs SET wake_at = 0
        WHERE id IN (SELECT value FROM json_each(?)) AND status = 'suspended' AND EXISTS (
          SELECT 1 FROM signals JOIN modules USING (run, module)
            WHERE signals.run = runs.id AND modules.status = 'suspended'
        )`,
      [JSON.stringify(ids)]
    )
  )

/** What a claim may change of a run. */
export const updateClaimed = (connection: Connection, run: RunRow): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `UPDATE runs SET owner = ?, epoch = ?, heartbeat_at = ?, status = ?, reopened_at = ?, finished_at = ?, wake_at = ?,
          recoveries = ?, quarantined = ?
        WHERE run_id = ?`,
      [
        run.owner,
        run.epoch,
        run.heartbeatAt,
        run.status,
        run.startedAt === run.createdAt ? null : run.startedAt,
        run.finishedAt,
        run.wakeAt,
        run.recoveries,
        run.quarantined ? 1 : 0,
        run.runId
      ]
    )
  )

// The first two conditions are what lets SQLite take the index that is made for these.
const undriven = "finished_at IS NULL AND quarantined = 0 AND (owner = '' OR heartbeat_at < ?)"

const dueRuns = ["status = 'running'", "status = 'suspended' AND wake_at <= ?"].map(
  (condition) => `SELECT id, wake_at, created_at, run_id FROM runs
    WHERE ${undriven} AND fingerprint IN (SELECT value FROM json_each(?)) AND ${condition}`
)

/** Two statements: they must see the same moment. */
export const due = (
  connection: Connection,
  request: Parameters<RunStore["Type"]["due"]>[0]
): Effect.Effect<Due, SqlError> =>
  Effect.gen(function* () {
    const fingerprints = JSON.stringify(request.fingerprints)
    const { expiredBefore, limit, now } = request
    const runs = yield* selectRuns<RunRow>(
      connection,
      // NULL, the wake_at of running ones, is first
      `${rows} WHERE runs.id IN (
          SELECT id FROM (${dueRuns.join(" UNION ALL ")}) ORDER BY wake_at, created_at, run_id LIMIT ?
        ) ORDER BY wake_at, created_at, run_id`,
      [expiredBefore, fingerprints, expiredBefore, fingerprints, now, rowLimit(limit)]
    )
    const [next] = yield* select<{ readonly nextAt: number | null }>(
      connection,
      `SELECT min(at) AS nextAt FROM (
          SELECT (
            SELECT wake_at FROM runs
              WHERE ${undriven} AND fingerprint = json_each.value AND status = 'suspended' AND wake_at > ?
              ORDER BY wake_at LIMIT 1
          ) AS at FROM json_each(?)
        )`,
      [expiredBefore, now, fingerprints]
    )
    return { runs, nextAt: next?.nextAt ?? null }
  })

export const list = (
  connection: Connection,
  { before, dag, limit, status }: Parameters<RunStore["Type"]["list"]>[0]
): Effect.Effect<ReadonlyArray<RunRow>, SqlError> => {
  const conditions = [
    ...(dag === undefined ? [] : ["dag = ?"]),
    ...(status === undefined ? [] : ["status = ?"]),
    ...(before === undefined ? [] : ["(created_at, run_id) < (?, ?)"])
  ]
  return selectRuns<RunRow>(
    connection,
    `${rows}${conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`}
      ORDER BY created_at DESC, run_id DESC LIMIT ?`,
    [
      ...(dag === undefined ? [] : [dag]),
      ...(status === undefined ? [] : [status]),
      ...(before === undefined ? [] : [before.createdAt, before.runId]),
      rowLimit(limit)
    ]
  )
}
