/**
 * The rows of what a run is made of: modules, items of maps, shared cells, signals.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { ItemRow, ModuleRow, SharedRow, SignalRow, Stored } from "../RunStore.js"
import * as PostgresKey from "./PostgresKey.js"
import { idOfRun, select, selectAnew } from "./PostgresRuns.js"
import * as PostgresText from "./PostgresText.js"

/** The text of a column that has a key, in a row of its table. */
const textOf = (column: string): string => `coalesce(${column}_text, ${column}) AS ${column}`

const decodedModule = <Row extends { readonly module: string }>(row: Row): Row => ({
  ...row,
  module: PostgresText.decode(row.module)
})

const decodedFailure = <Row extends { readonly failure: string | null }>(row: Row): Row => ({
  ...row,
  failure: PostgresText.decodeNullable(row.failure)
})

export const modules = (connection: Connection, runId: RunId): Effect.Effect<Stored["modules"], SqlError> =>
  Effect.map(
    select<ModuleRow>(
      connection,
      `SELECT ${textOf("module")}, status, attempt, scheduled_at AS "scheduledAt", started_at AS "startedAt",
          finished_at AS "finishedAt", failure, because, until, items
        FROM heddle.modules WHERE run = ${idOfRun(1)}`,
      [PostgresText.encode(runId)]
    ),
    (rows) => rows.map((row) => decodedFailure(decodedModule(row)))
  )

/** `RunSnapshot.reopenModule` over all modules of a run, and what is forgotten of those that are pending then. */
export const reopen = (connection: Connection, id: number, runId: RunId): Effect.Effect<void, SqlError> =>
  Effect.gen(function* () {
    const rows = yield* modules(connection, runId)
    const byPath = new Map(rows.map((row) => [row.module, row]))
    const reopened = rows.filter((row) => RunSnapshot.isReopened(row.module, row, (outer) => byPath.get(outer)))
    yield* connection.executeRaw(
      `UPDATE heddle.modules SET status = 'pending', scheduled_at = NULL, started_at = NULL, finished_at = NULL,
          failure = NULL, because = NULL, output = NULL, until = NULL
        WHERE run = $1 AND module = ANY($2::text[])`,
      [id, reopened.map(({ module }) => PostgresKey.keyOf(module))]
    )
    for (const forgotten of ["items WHERE status = 'failed'", "signals WHERE closed"]) {
      yield* connection.executeRaw(
        `DELETE FROM heddle.${forgotten} AND run = $1 AND module NOT IN (
            SELECT module FROM heddle.modules WHERE run = $1 AND status <> 'pending'
          )`,
        [id]
      )
    }
  })

export const outputs = (
  connection: Connection,
  runId: RunId,
  modules: ReadonlyArray<string>
): Effect.Effect<ReadonlyMap<string, string>, SqlError> =>
  Effect.map(
    selectAnew<{ readonly module: string; readonly output: string }>(
      connection,
      `SELECT ${textOf("module")}, output FROM heddle.modules
        WHERE run = ${idOfRun(1)} AND module = ANY($2::text[]) AND output IS NOT NULL`,
      [PostgresText.encode(runId), modules.map(PostgresKey.keyOf)]
    ),
    (rows) => new Map(rows.map(({ module, output }) => [PostgresText.decode(module), PostgresText.decode(output)]))
  )

export const items = (
  connection: Connection,
  runId: RunId,
  modules: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<ItemRow>, SqlError> =>
  Effect.map(
    selectAnew<ItemRow>(
      connection,
      `SELECT ${textOf("module")}, item AS "index", seq, status, output, failure FROM heddle.items
        WHERE run = ${idOfRun(1)} AND module = ANY($2::text[])`,
      [PostgresText.encode(runId), modules.map(PostgresKey.keyOf)]
    ),
    (rows) =>
      rows.map((row) => ({ ...decodedFailure(decodedModule(row)), output: PostgresText.decodeNullable(row.output) }))
  )

export const itemCounts = (connection: Connection, runId: RunId): Effect.Effect<Stored["items"], SqlError> =>
  Effect.map(
    select<Stored["items"][number]>(
      connection,
      `SELECT coalesce(min(module_text), module) AS module, status, count(*) AS count FROM heddle.items
        WHERE run = ${idOfRun(1)} GROUP BY items.module, status`,
      [PostgresText.encode(runId)]
    ),
    (rows) => rows.map(decodedModule)
  )

export const shared = (connection: Connection, runId: RunId): Effect.Effect<Stored["shared"], SqlError> =>
  Effect.map(
    select<SharedRow>(connection, `SELECT ${textOf("cell")}, value FROM heddle.shared WHERE run = ${idOfRun(1)}`, [
      PostgresText.encode(runId)
    ]),
    (rows) => rows.map(({ cell, value }) => ({ cell: PostgresText.decode(cell), value: PostgresText.decode(value) }))
  )

export const signals = (
  connection: Connection,
  runIds: ReadonlyArray<RunId>
): Effect.Effect<ReadonlyArray<SignalRow>, SqlError> =>
  Effect.map(
    select<SignalRow>(
      connection,
      `SELECT run_id AS "runId", ${textOf("module")}, closed, value
        FROM heddle.runs JOIN heddle.signals ON signals.run = runs.id WHERE run_id = ANY($1::text[])`,
      [runIds.map(PostgresText.encode)]
    ),
    (rows) =>
      rows.map((row) => ({
        ...decodedModule(row),
        // an encoded id is one
        runId: PostgresText.decode(row.runId) as RunId,
        value: PostgresText.decodeNullable(row.value)
      }))
  )

/** What the signal of the run, which is locked, has been before; where it has been nothing, it is this now. */
export const settle = (
  connection: Connection,
  id: number,
  { closed, module, runId, value }: SignalRow
): Effect.Effect<SignalRow | undefined, SqlError> =>
  Effect.gen(function* () {
    const { key, text } = PostgresKey.of(module)
    const [was] = yield* select<{ readonly closed: boolean; readonly value: string | null }>(
      connection,
      "SELECT closed, value FROM heddle.signals WHERE run = $1 AND module = $2",
      [id, key]
    )
    if (was !== undefined) {
      return { runId, module, closed: was.closed, value: PostgresText.decodeNullable(was.value) }
    }
    const ended = yield* select(
      connection,
      `SELECT FROM heddle.modules WHERE run = $1 AND module = $2
          AND status IN ('completed', 'failed', 'skipped', 'cancelled')`,
      [id, key]
    )
    if (ended.length > 0) return { runId, module, closed: true, value: null }
    yield* connection.executeRaw(
      "INSERT INTO heddle.signals (run, module, module_text, closed, value) VALUES ($1, $2, $3, $4, $5)",
      [id, key, text, closed, PostgresText.encodeNullable(value)]
    )
    yield* connection.executeRaw(
      `UPDATE heddle.runs SET wake_at = 0 WHERE id = $1 AND status = 'suspended' AND EXISTS (
          SELECT FROM heddle.modules WHERE run = $1 AND module = $2 AND status = 'suspended'
        )`,
      [id, key]
    )
    return undefined
  })
