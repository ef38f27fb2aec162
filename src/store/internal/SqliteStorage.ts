/**
 * How much is stored, and the deletion of runs that have ended.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunStatus } from "../../model/Transition.js"
import type { Storage } from "../RunStore.js"
import { rowLimit, select } from "./SqliteRuns.js"

// What no run has ended before is not skipped over: a boundary of no row compares as unknown, and nothing is deleted.
const oldest = `SELECT id, run_id AS runId FROM runs
  WHERE finished_at IS NOT NULL AND finished_at < ? AND (finished_at, created_at, run_id) <= (
    SELECT finished_at, created_at, run_id FROM runs WHERE finished_at IS NOT NULL
      ORDER BY finished_at DESC, created_at DESC, run_id DESC LIMIT 1 OFFSET ?
  )
  ORDER BY finished_at, created_at, run_id LIMIT ?`

const ofRuns = ["inputs", "modules", "items", "transitions", "shared", "signals", "blobs", "run_snapshots"].map(
  (table) => `DELETE FROM ${table} WHERE run IN (SELECT value FROM json_each(?))`
)

/** `RunStore.prune`, in the transaction of the connection. */
export const prune = (
  connection: Connection,
  { endedBefore, keep, limit }: { readonly keep: number; readonly endedBefore: number; readonly limit: number }
): Effect.Effect<number, SqlError> =>
  Effect.gen(function* () {
    const runs = yield* select<{ readonly id: number; readonly runId: string }>(connection, oldest, [
      endedBefore,
      rowLimit(keep),
      rowLimit(limit)
    ])
    if (runs.length === 0) return 0
    const ids = JSON.stringify(runs.map(({ id }) => id))
    for (const sql of ofRuns) yield* connection.executeRaw(sql, [ids])
    yield* connection.executeRaw(
      "DELETE FROM dead_letters WHERE kind = 'run' AND key IN (SELECT value FROM json_each(?))",
      [JSON.stringify(runs.map(({ runId }) => runId))]
    )
    yield* connection.executeRaw("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", [ids])
    return runs.length
  })

interface Sizes extends Omit<Storage, "runs" | "bytes" | "freeBytes"> {
  readonly pageBytes: number
  readonly pages: number
  readonly freePages: number
}

const count = (table: string): string => `(SELECT count(*) FROM ${table})`

const outputsOf = (table: string): string =>
  `SELECT count(output) AS count, total(octet_length(output)) AS bytes FROM ${table}`

const sizes = `SELECT ${count("modules")} AS modules, ${count("items")} AS items, ${count("transitions")} AS transitions,
    outputs.count AS outputs, outputs.bytes AS outputBytes, ${count("blobs")} AS spilled,
    (SELECT count(DISTINCT key) FROM states) AS states, ${count("dead_letters")} AS deadLetters,
    page_size AS pageBytes, page_count AS pages, freelist_count AS freePages
  FROM pragma_page_size, pragma_page_count, pragma_freelist_count, (
    SELECT sum(count) AS count, sum(bytes) AS bytes FROM (
      ${outputsOf("modules")} UNION ALL ${outputsOf("items")} UNION ALL
        SELECT count(*), total(octet_length(value)) FROM blobs
    )
  ) AS outputs`

/** Several statements: they must see the same moment. `logBytes`: of the log beside the file. */
export const read = (connection: Connection, logBytes: number): Effect.Effect<Storage, SqlError> =>
  Effect.gen(function* () {
    const byStatus = yield* select<{ readonly status: RunStatus; readonly count: number }>(
      connection,
      "SELECT status, count(*) AS count FROM runs GROUP BY status",
      []
    )
    // one row, whatever is stored
    const [{ freePages, pageBytes, pages, ...rows }] = (yield* select<Sizes>(connection, sizes, [])) as [Sizes]
    const none = { running: 0, suspended: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0, stopped: 0 }
    return {
      ...rows,
      runs: { ...none, ...Object.fromEntries(byStatus.map(({ count, status }) => [status, count])) },
      bytes: pages * pageBytes + logBytes,
      freeBytes: freePages * pageBytes
    }
  })
