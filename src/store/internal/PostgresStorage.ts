/**
 * How much is stored, and the deletion of runs that have ended.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunStatus } from "../../model/Transition.js"
import type { Storage } from "../RunStore.js"
import { rowLimit, select } from "./PostgresRuns.js"

// A boundary of no row compares as unknown, and nothing is deleted.
const oldest = `SELECT id FROM heddle.runs
  WHERE finished_at IS NOT NULL AND finished_at < $1::float8 AND (finished_at, created_at, run_id) <= (
    SELECT finished_at, created_at, run_id FROM heddle.runs WHERE finished_at IS NOT NULL
      ORDER BY finished_at DESC, created_at DESC, run_id DESC LIMIT 1 OFFSET $2
  )
  ORDER BY finished_at, created_at, run_id LIMIT $3`

// A run that was resumed, or pruned by another process, since it was found is looked at again when its lock is had.
const locked = `SELECT id, run_id AS "runId" FROM heddle.runs
  WHERE id = ANY($1::bigint[]) AND finished_at IS NOT NULL AND finished_at < $2::float8 ORDER BY id FOR UPDATE`

const ofRuns = ["inputs", "modules", "items", "transitions", "shared", "signals", "run_snapshots"].map(
  (table) => `DELETE FROM heddle.${table} WHERE run = ANY($1::bigint[])`
)

/** `RunStore.prune`, in the transaction of the connection. */
export const prune = (
  connection: Connection,
  { endedBefore, keep, limit }: { readonly keep: number; readonly endedBefore: number; readonly limit: number }
): Effect.Effect<number, SqlError> =>
  Effect.gen(function* () {
    const found = yield* select<{ readonly id: number }>(connection, oldest, [
      endedBefore,
      rowLimit(keep),
      rowLimit(limit)
    ])
    if (found.length === 0) return 0
    const runs = yield* select<{ readonly id: number; readonly runId: string }>(connection, locked, [
      found.map(({ id }) => id),
      endedBefore
    ])
    if (runs.length === 0) return 0
    const ids = runs.map(({ id }) => id)
    for (const sql of ofRuns) yield* connection.executeRaw(sql, [ids])
    yield* connection.executeRaw(
      `DELETE FROM heddle.dead_letters
        WHERE kind = 'run' AND md5(key) IN (SELECT md5(given) FROM unnest($1::text[]) AS given) AND key = ANY($1::text[])`,
      [runs.map(({ runId }) => runId)]
    )
    yield* connection.executeRaw("DELETE FROM heddle.runs WHERE id = ANY($1::bigint[])", [ids])
    return runs.length
  })

type Sizes = Omit<Storage, "runs" | "freeBytes">

const count = (table: string): string => `(SELECT count(*) FROM heddle.${table})`

const outputsOf = (table: string): string =>
  `SELECT count(output) AS count, coalesce(sum(octet_length(output)), 0) AS bytes FROM heddle.${table}`

const sizes = `SELECT ${count("modules")} AS modules, ${count("items")} AS items, ${count("transitions")} AS transitions,
    outputs.count AS outputs, outputs.bytes AS "outputBytes", 0 AS spilled,
    (SELECT count(DISTINCT key) FROM heddle.states) AS states, ${count("dead_letters")} AS "deadLetters",
    (
      SELECT sum(pg_total_relation_size(c.oid)) FROM pg_catalog.pg_class AS c
        WHERE c.relkind = 'r' AND c.relnamespace = (
          SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = 'heddle.runs'::regclass
        )
    ) AS bytes
  FROM (
    SELECT sum(count) AS count, sum(bytes) AS bytes FROM (
      ${outputsOf("modules")} UNION ALL ${outputsOf("items")}
    ) AS each
  ) AS outputs`

/** Several statements: they must see the same moment. */
export const read = (connection: Connection): Effect.Effect<Storage, SqlError> =>
  Effect.gen(function* () {
    const byStatus = yield* select<{ readonly status: RunStatus; readonly count: number }>(
      connection,
      "SELECT status, count(*) AS count FROM heddle.runs GROUP BY status",
      []
    )
    // one row, whatever is stored
    const [rows] = (yield* select<Sizes>(connection, sizes, [])) as [Sizes]
    const none = { running: 0, suspended: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0, stopped: 0 }
    return {
      ...rows,
      runs: { ...none, ...Object.fromEntries(byStatus.map(({ count, status }) => [status, count])) },
      // what there is of it is used again without anybody knowing how much
      freeBytes: null
    }
  })
