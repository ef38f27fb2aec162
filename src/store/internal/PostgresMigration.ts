/**
 * `RunStore.migrate`.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Migration } from "../RunStore.js"
import * as KeptText from "./KeptText.js"
import * as Migrated from "./Migrated.js"
import * as PostgresChanges from "./PostgresChanges.js"
import * as PostgresKey from "./PostgresKey.js"
import { byId, lock } from "./PostgresRuns.js"
import * as PostgresText from "./PostgresText.js"

/** `RunSnapshot.outermost` */
const isGone = "run = $1 AND split_part(coalesce(module_text, module), '/', 1) = ANY($2::text[])"

/** In the transaction of the connection. */
export const migrate = (connection: Connection, migration: Migration): Effect.Effect<boolean, SqlError> =>
  Effect.gen(function* () {
    const { runId, transition } = migration
    const id = yield* lock(connection, runId)
    if (id === undefined) return false
    const before = yield* byId(connection, runId)
    const run = Migrated.row(before, migration)
    if (before === undefined || run === undefined) return false
    const reset = transition.reset.map(PostgresKey.keyOf)
    const gone = [id, [...transition.removed, ...transition.reset].map(PostgresText.encode)]
    const write = (sql: string, parameters: ReadonlyArray<unknown>) => connection.executeRaw(sql, parameters)
    yield* write(
      "INSERT INTO heddle.run_snapshots (run, seq, at, value) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
      [id, before.createdAt, PostgresText.encode(KeptText.encode(Migrated.begun(before)))]
    )
    yield* write(
      "UPDATE heddle.runs SET fingerprint = $2, version = $3, total = $4, wake_at = $5, seq = $6 WHERE id = $1",
      [
        id,
        PostgresText.encode(run.fingerprint),
        PostgresText.encodeNullable(run.version),
        run.total,
        run.wakeAt,
        run.seq
      ]
    )
    yield* write("UPDATE heddle.inputs SET input = $2, signals = $3 WHERE run = $1", [
      id,
      PostgresText.encode(run.input),
      PostgresText.encode(run.signals)
    ])
    for (const table of ["items", "signals"]) yield* write(`DELETE FROM heddle.${table} WHERE ${isGone}`, gone)
    yield* write(`DELETE FROM heddle.modules WHERE ${isGone} AND NOT module = ANY($3::text[])`, [...gone, reset])
    yield* write(
      `UPDATE heddle.modules SET status = 'pending', scheduled_at = NULL, started_at = NULL, finished_at = NULL,
          failure = NULL, because = NULL, output = NULL, until = NULL, items = NULL
        WHERE run = $1 AND module = ANY($2::text[])`,
      [id, reset]
    )
    yield* write("DELETE FROM heddle.shared WHERE run = $1 AND cell = ANY($2::text[])", [
      id,
      transition.cells.map(PostgresKey.keyOf)
    ])
    const rows = PostgresChanges.gather()
    rows.add(id, { modules: [], items: [], shared: [] }, [transition])
    yield* rows.write(connection, [])
    return true
  })
