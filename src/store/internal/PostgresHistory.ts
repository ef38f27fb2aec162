/**
 * The rows of transitions, and of runs that are kept.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { RunRow, Stored } from "../RunStore.js"
import * as KeptText from "./KeptText.js"
import { byId, idOfRun, rowLimit, select } from "./PostgresRuns.js"
import * as PostgresState from "./PostgresState.js"
import * as PostgresText from "./PostgresText.js"
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

/** A run and what is stored of it: several statements, which must see the same moment. */
export const stored = (connection: Connection, runId: RunId): Effect.Effect<Stored | undefined, SqlError> =>
  Effect.gen(function* () {
    const run = yield* byId(connection, runId)
    if (run === undefined) return undefined
    return {
      run,
      modules: yield* PostgresState.modules(connection, runId),
      items: yield* PostgresState.itemCounts(connection, runId),
      shared: yield* PostgresState.shared(connection, runId)
    }
  })

interface Last {
  readonly id: number
  readonly at: number
  /** When it is due as its transition says it, if it is suspended. */
  readonly wakeAt: number | null
}

/** `RunStore.keepSnapshot`, in the transaction of the connection. */
export const keep = (
  connection: Connection,
  { epoch, runId }: { readonly runId: RunId; readonly epoch: number }
): Effect.Effect<number, SqlError> =>
  Effect.gen(function* () {
    // locked, so that what is read after it is of the same moment
    const [last] = yield* select<Last>(
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
    )
    if (last === undefined) return 0
    const now = yield* stored(connection, runId)
    if (now === undefined) return 0
    const kept = yield* select(
      connection,
      `INSERT INTO heddle.run_snapshots (run, seq, at, value) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING run`,
      [
        last.id,
        now.run.seq,
        last.at,
        PostgresText.encode(KeptText.encode({ ...now, run: { ...now.run, wakeAt: last.wakeAt } }))
      ]
    )
    return kept.length === 0 ? 0 : KeptText.sizeOf(now)
  })

export interface KeptRow {
  readonly seq: number
  readonly at: number
  readonly value: string
  /** The present row of the run. */
  readonly run: RunRow
}

/** `RunStore.snapshot`, not decoded. Several statements, which must see the same moment. */
export const latest = (
  connection: Connection,
  runId: RunId,
  { at = Infinity, seq = Infinity }: { readonly seq?: number | undefined; readonly at?: number | undefined }
): Effect.Effect<KeptRow | undefined, SqlError> =>
  Effect.gen(function* () {
    const [kept] = yield* select<Omit<KeptRow, "run">>(
      connection,
      `SELECT seq, at, value FROM heddle.run_snapshots
        WHERE run = ${idOfRun(1)} AND seq <= $2::float8 AND at <= $3::float8 ORDER BY seq DESC LIMIT 1`,
      [PostgresText.encode(runId), seq, at]
    )
    if (kept === undefined) return undefined
    const run = yield* byId(connection, runId)
    return run === undefined ? undefined : { ...kept, value: PostgresText.decode(kept.value), run }
  })
