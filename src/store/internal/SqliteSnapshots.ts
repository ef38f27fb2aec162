/**
 * The rows of runs that are kept.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { RunRow, Stored } from "../RunStore.js"
import * as KeptText from "./KeptText.js"
import { byId, idOfRun, select } from "./SqliteRuns.js"
import * as SqliteState from "./SqliteState.js"

/** A run and what is stored of it: several statements, which must see the same moment. */
export const stored = (connection: Connection, runId: RunId): Effect.Effect<Stored | undefined, SqlError> =>
  Effect.gen(function* () {
    const run = yield* byId(connection, runId)
    if (run === undefined) return undefined
    return {
      run,
      modules: yield* SqliteState.modules(connection, runId),
      items: yield* SqliteState.itemCounts(connection, runId),
      shared: yield* SqliteState.shared(connection, runId)
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
    const [last] = yield* select<Last>(
      connection,
      `SELECT id, last.at, iif(runs.status = 'suspended', (
          SELECT until FROM transitions AS t WHERE t.run = runs.id AND t.epoch IS NOT NULL ORDER BY t.seq DESC LIMIT 1
        ), NULL) AS wakeAt
        FROM runs JOIN transitions AS last ON last.run = runs.id AND last.seq = runs.seq
        WHERE run_id = ? AND runs.epoch = ?
          AND NOT EXISTS (SELECT 1 FROM run_snapshots AS kept WHERE kept.run = runs.id AND kept.seq = runs.seq)`,
      [runId, epoch]
    )
    if (last === undefined) return 0
    const now = yield* stored(connection, runId)
    if (now === undefined) return 0
    yield* connection.executeRaw("INSERT INTO run_snapshots (run, seq, at, value) VALUES (?, ?, ?, ?)", [
      last.id,
      now.run.seq,
      last.at,
      KeptText.encode({ ...now, run: { ...now.run, wakeAt: last.wakeAt } })
    ])
    return KeptText.sizeOf(now)
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
      `SELECT seq, at, value FROM run_snapshots WHERE run = ${idOfRun} AND seq <= ? AND at <= ?
        ORDER BY seq DESC LIMIT 1`,
      [runId, seq, at]
    )
    if (kept === undefined) return undefined
    const run = yield* byId(connection, runId)
    return run === undefined ? undefined : { ...kept, run }
  })
