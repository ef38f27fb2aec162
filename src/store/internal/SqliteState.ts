/**
 * The rows of what a run is made of: modules, items of maps, shared cells, signals.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { Transition } from "../../model/Transition.js"
import type { ItemRow, ModuleRow, RunChanges, SharedRow, SignalRow, Stored } from "../RunStore.js"
import * as SqliteBlobs from "./SqliteBlobs.js"
import * as SqliteHistory from "./SqliteHistory.js"
import * as SqliteRows from "./SqliteRows.js"
import { idOfRun, select } from "./SqliteRuns.js"
import * as TransitionRows from "./TransitionRows.js"

const rank = (status: string): string =>
  `CASE ${status} WHEN 'pending' THEN 0 WHEN 'scheduled' THEN 1 WHEN 'running' THEN 2 WHEN 'suspended' THEN 3 ELSE 4 END`

const kept = (column: string): string =>
  `${column} = coalesce(excluded.${column}, iif(attempt = excluded.attempt, ${column}, NULL))`

// `WHERE` is `ModuleStatus.canFollow`.
const upsertModules = SqliteRows.make(
  13,
  (rows) => `INSERT INTO modules
      (run, module, status, attempt, scheduled_at, started_at, finished_at, failure, because, output, blob, until, items)
    ${rows}
    ON CONFLICT (run, module) DO UPDATE SET
      status = excluded.status,
      attempt = excluded.attempt,
      ${["scheduled_at", "started_at", "finished_at", "failure"].map(kept).join(", ")},
      because = excluded.because,
      output = excluded.output,
      blob = excluded.blob,
      until = excluded.until,
      items = coalesce(excluded.items, items)
    WHERE ${rank("status")} < 4 AND (
      excluded.attempt > attempt OR
      (excluded.attempt = attempt AND ${rank("excluded.status")} > ${rank("status")})
    )`
)

const upsertItems = SqliteRows.make(
  8,
  (rows) => `INSERT INTO items (run, module, item, seq, status, failure, output, blob)
    ${rows}
    ON CONFLICT (run, module, item) DO UPDATE SET
      seq = excluded.seq, status = excluded.status, failure = excluded.failure, output = excluded.output,
      blob = excluded.blob
    WHERE status = 'failed'`
)

const upsertShared = SqliteRows.make(
  3,
  (rows) => `INSERT INTO shared (run, cell, value)
    ${rows}
    ON CONFLICT (run, cell) DO UPDATE SET value = excluded.value`
)

/** The changes of several runs, gathered so that their rows share statements. */
export interface Gathered {
  /** `transitions`: those of the changes that the run does not have yet. */
  readonly add: (
    run: number,
    changes: Pick<RunChanges, "modules" | "items" | "shared">,
    transitions: ReadonlyArray<Transition>
  ) => void

  readonly write: (connection: Connection) => Effect.Effect<void, SqlError>
}

/** Outputs of more than `spillBytes` are kept apart. */
export const gather = (spillBytes: number): Gathered => {
  const modules: Array<unknown> = []
  const items: Array<unknown> = []
  const cells: Array<unknown> = []
  const history: Array<unknown> = []
  const blobs = SqliteBlobs.gather(spillBytes)
  return {
    add: (run, changes, transitions) => {
      for (const row of changes.modules) {
        modules.push(run, row.module, row.status, row.attempt)
        modules.push(row.scheduledAt, row.startedAt, row.finishedAt, row.failure, row.because)
        blobs.pushOutput(modules, { run, module: row.module, item: null }, row)
        modules.push(row.until, row.items)
      }
      for (const row of changes.items) {
        items.push(run, row.module, row.index, row.seq, row.status, row.failure)
        blobs.pushOutput(items, { run, module: row.module, item: row.index }, row)
      }
      for (const { cell, value } of changes.shared) cells.push(run, cell, value)
      for (const transition of transitions) history.push(...TransitionRows.valuesOf(run, transition))
    },
    write: (connection) =>
      Effect.gen(function* () {
        yield* blobs.number(connection)
        yield* upsertModules(connection, modules)
        yield* upsertItems(connection, items)
        yield* blobs.write(connection)
        yield* upsertShared(connection, cells)
        yield* SqliteHistory.insert(connection, history)
      })
  }
}

/** `RunSnapshot.reopenModule` over all modules of a run, and what is forgotten of those that are pending then. */
export const reopen = (connection: Connection, runId: RunId): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    const rows = yield* modules(connection, runId)
    const byPath = new Map(rows.map((row) => [row.module, row]))
    const reopened = rows.filter((row) => RunSnapshot.isReopened(row.module, row, (outer) => byPath.get(outer)))
    yield* connection.executeRaw(
      `UPDATE modules SET status = 'pending', scheduled_at = NULL, started_at = NULL, finished_at = NULL,
          failure = NULL, because = NULL, output = NULL, until = NULL
        WHERE run = ${idOfRun} AND module IN (SELECT value FROM json_each(?))`,
      [runId, JSON.stringify(reopened.map(({ module }) => module))]
    )
    for (const forgotten of ["items WHERE status = 'failed'", "signals WHERE closed = 1"]) {
      yield* connection.executeRaw(
        `DELETE FROM ${forgotten} AND run = ${idOfRun} AND module NOT IN (
            SELECT module FROM modules WHERE run = ${idOfRun} AND status <> 'pending'
          )`,
        [runId, runId]
      )
    }
  })

export const modules = (connection: Connection, runId: RunId): Effect.Effect<Stored["modules"], SqlError> =>
  select<ModuleRow>(
    connection,
    `SELECT module, status, attempt, scheduled_at AS scheduledAt, started_at AS startedAt,
        finished_at AS finishedAt, failure, because, until, items
      FROM modules WHERE run = ${idOfRun}`,
    [runId]
  )

export const outputs = (
  connection: Connection,
  runId: RunId,
  modules: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, string>, SqlError> =>
  Effect.map(
    select<{ readonly module: string; readonly output: string }>(
      connection,
      `SELECT module, ${SqliteBlobs.output} AS output FROM modules
        WHERE run = ${idOfRun} AND module IN (SELECT value FROM json_each(?))
          AND (output IS NOT NULL OR blob IS NOT NULL)`,
      [runId, JSON.stringify(modules)]
    ),
    (rows) => new Map(rows.map(({ module, output }) => [module, output]))
  )

export const items = (
  connection: Connection,
  runId: RunId,
  modules: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<ItemRow>, SqlError> =>
  select<ItemRow>(
    connection,
    `SELECT module, item AS "index", seq, status, ${SqliteBlobs.output} AS output, failure FROM items
      WHERE run = ${idOfRun} AND module IN (SELECT value FROM json_each(?))`,
    [runId, JSON.stringify(modules)]
  )

export const itemCounts = (connection: Connection, runId: RunId): Effect.Effect<Stored["items"], SqlError> =>
  select<Stored["items"][number]>(
    connection,
    `SELECT module, status, count(*) AS count FROM items WHERE run = ${idOfRun} GROUP BY module, status`,
    [runId]
  )

export const shared = (connection: Connection, runId: RunId): Effect.Effect<Stored["shared"], SqlError> =>
  select<SharedRow>(connection, `SELECT cell, value FROM shared WHERE run = ${idOfRun}`, [runId])

export const signals = (
  connection: Connection,
  runIds: ReadonlyArray<RunId>
): Effect.Effect<ReadonlyArray<SignalRow>, SqlError> =>
  Effect.map(
    select<Omit<SignalRow, "closed"> & { readonly closed: number }>(
      connection,
      `SELECT run_id AS runId, module, closed, value FROM runs JOIN signals ON signals.run = runs.id
        WHERE run_id IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(runIds)]
    ),
    (rows) => rows.map((row) => ({ ...row, closed: row.closed === 1 }))
  )

/** What the signal has been before; where it has been nothing, it is this now. */
export const settle = (
  connection: Connection,
  { closed, module, runId, value }: SignalRow
): Effect.Effect<SignalRow | undefined, SqlError> =>
  Effect.gen(function* () {
    const was = yield* select<{ readonly closed: number; readonly value: string | null }>(
      connection,
      `SELECT closed, value FROM signals WHERE run = ${idOfRun} AND module = ?`,
      [runId, module]
    )
    if (was[0] !== undefined) return { runId, module, closed: was[0].closed === 1, value: was[0].value }
    const ended = yield* select<{ readonly status: string }>(
      connection,
      `SELECT status FROM modules WHERE run = ${idOfRun} AND module = ?
          AND status IN ('completed', 'failed', 'skipped', 'cancelled')`,
      [runId, module]
    )
    if (ended[0] !== undefined) return { runId, module, closed: true, value: null }
    yield* connection.executeRaw(`INSERT INTO signals (run, module, closed, value) VALUES (${idOfRun}, ?, ?, ?)`, [
      runId,
      module,
      closed ? 1 : 0,
      value
    ])
    yield* connection.executeRaw(
      `UPDATE runs SET wake_at = 0 WHERE run_id = ? AND status = 'suspended' AND EXISTS (
          SELECT 1 FROM modules WHERE run = runs.id AND module = ? AND status = 'suspended'
        )`,
      [runId, module]
    )
    return undefined
  })
