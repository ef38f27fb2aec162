/**
 * `RunStore.migrate`.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Migration } from "../RunStore.js"
import * as KeptText from "./KeptText.js"
import * as Migrated from "./Migrated.js"
import * as SqliteHistory from "./SqliteHistory.js"
import { byId, idOfRun, select } from "./SqliteRuns.js"
import * as TransitionRows from "./TransitionRows.js"

/** `RunSnapshot.outermost` */
const outermost = "iif(instr(module, '/') = 0, module, substr(module, 1, instr(module, '/') - 1))"

const isGone = `run = ? AND ${outermost} IN (SELECT value FROM json_each(?))`

/** In the transaction of the connection. */
export const migrate = (connection: Connection, migration: Migration): Effect.Effect<boolean, SqlError> =>
  Effect.gen(function* () {
    const { runId, transition } = migration
    const before = yield* byId(connection, runId)
    const run = Migrated.row(before, migration)
    if (before === undefined || run === undefined) return false
    const [{ id }] = (yield* select<{ readonly id: number }>(connection, `SELECT ${idOfRun} AS id`, [runId])) as [
      // there is one
      { readonly id: number }
    ]
    const reset = JSON.stringify(transition.reset)
    const gone = [id, JSON.stringify([...transition.removed, ...transition.reset])]
    const write = (sql: string, parameters: ReadonlyArray<unknown>) => connection.executeRaw(sql, parameters)
    yield* write("INSERT INTO run_snapshots (run, seq, at, value) VALUES (?, 0, ?, ?) ON CONFLICT DO NOTHING", [
      id,
      before.createdAt,
      KeptText.encode(Migrated.begun(before))
    ])
    yield* write("UPDATE runs SET fingerprint = ?, version = ?, total = ?, seq = ?, wake_at = ? WHERE id = ?", [
      run.fingerprint,
      run.version,
      run.total,
      run.seq,
      run.wakeAt,
      id
    ])
    yield* write("UPDATE inputs SET input = ?, signals = ? WHERE run = ?", [run.input, run.signals, id])
    for (const table of ["modules", "items"]) {
      yield* write(`DELETE FROM blobs WHERE id IN (SELECT blob FROM ${table} WHERE ${isGone})`, gone)
    }
    for (const table of ["items", "signals"]) yield* write(`DELETE FROM ${table} WHERE ${isGone}`, gone)
    yield* write(`DELETE FROM modules WHERE ${isGone} AND module NOT IN (SELECT value FROM json_each(?))`, [
      ...gone,
      reset
    ])
    yield* write(
      `UPDATE modules SET status = 'pending', scheduled_at = NULL, started_at = NULL, finished_at = NULL,
          failure = NULL, because = NULL, output = NULL, blob = NULL, until = NULL, items = NULL
        WHERE run = ? AND module IN (SELECT value FROM json_each(?))`,
      [id, reset]
    )
    yield* write("DELETE FROM shared WHERE run = ? AND cell IN (SELECT value FROM json_each(?))", [
      id,
      JSON.stringify(transition.cells)
    ])
    yield* SqliteHistory.insert(connection, TransitionRows.valuesOf(id, transition))
    return true
  })
