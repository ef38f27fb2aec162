/**
 * The statements over the rows of runs.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { Due, RunRow, RunStore } from "../RunStore.js"
import type { Known, KnownRow } from "./Changes.js"
import * as PostgresText from "./PostgresText.js"

/**
 * The time by which it is judged who drives a run: that of the database, or that of the caller where the store was given
 * a clock. `$${n}` is what the caller's clock says then, and null else; `$${n + 1}` is the time before which heartbeats
 * have expired, and `$${n + 2}` how long ago that is.
 */
export interface Time {
  /** SQL of the present. */
  readonly now: (n: number) => string
  /** Whether the caller's times count. */
  readonly isGiven: boolean
}

/** The parameters of `expired`, of which there are two. */
const expiry = (
  time: Time,
  { expiredBefore, now }: { readonly now: number; readonly expiredBefore: number }
): ReadonlyArray<number | null> => (time.isGiven ? [expiredBefore, null] : [null, now - expiredBefore])

/** SQL of the time before which heartbeats have expired. */
const expiredBefore = (n: number): string =>
  `coalesce($${n}::float8, extract(epoch FROM clock_timestamp())::float8 * 1000 - $${n + 1}::float8)`

/** The rows of our own tables have the types that their columns declare, so `select` may name them. */
export const select = <Row>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> => connection.execute(sql, parameters, undefined)

/** For statements of which no one plan is good: it depends on how many rows there are, and how many are asked for. */
export const selectAnew = <Row>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> => connection.executeUnprepared(sql, parameters, undefined)

/** The number of the run whose encoded id is the parameter. */
export const idOfRun = (n: number): string => `(SELECT id FROM heddle.runs WHERE run_id = $${n})`

export const rowLimit = (limit: number): number => Math.max(0, Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER))

const rows = `SELECT run_id AS "runId", dag, fingerprint, version, total, input, policy, status, epoch, owner,
    heartbeat_at AS "heartbeatAt", seq, signals, created_at AS "createdAt",
    coalesce(reopened_at, created_at) AS "startedAt", finished_at AS "finishedAt", wake_at AS "wakeAt",
    recoveries, quarantined
  FROM heddle.runs JOIN heddle.inputs ON inputs.run = runs.id`

const decoded = <Row extends RunRow>(row: Row): Row => ({
  ...row,
  // an encoded id is one
  runId: PostgresText.decode(row.runId) as RunId,
  dag: PostgresText.decode(row.dag),
  fingerprint: PostgresText.decode(row.fingerprint),
  version: PostgresText.decodeNullable(row.version),
  owner: PostgresText.decode(row.owner),
  input: PostgresText.decode(row.input),
  policy: PostgresText.decode(row.policy),
  signals: PostgresText.decode(row.signals)
})

const selectRuns = (
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<RunRow>, SqlError> =>
  Effect.map(select<RunRow>(connection, sql, parameters), (found) => found.map(decoded))

export const byId = (connection: Connection, runId: RunId): Effect.Effect<RunRow | undefined, SqlError> =>
  Effect.map(selectRuns(connection, `${rows} WHERE run_id = $1`, [PostgresText.encode(runId)]), ([row]) => row)

/** Locks the run until the end of the transaction, and says which number it has. */
export const lock = (connection: Connection, runId: RunId): Effect.Effect<number | undefined, SqlError> =>
  Effect.map(
    select<{ readonly id: number }>(connection, "SELECT id FROM heddle.runs WHERE run_id = $1 FOR UPDATE", [
      PostgresText.encode(runId)
    ]),
    ([row]) => row?.id
  )

/** What the database's clock says. */
export const clock = (connection: Connection): Effect.Effect<number, SqlError> =>
  Effect.map(
    select<{ readonly now: number }>(
      connection,
      "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now",
      []
    ),
    ([row]) => row?.now ?? 0
  )

/** Locks those of the runs that there are, in the order that every transaction keeps. */
export const known = (
  connection: Connection,
  runs: ReadonlyArray<{ readonly runId: RunId }>
): Effect.Effect<ReadonlyMap<RunId, Known>, SqlError> =>
  Effect.map(
    select<KnownRow & Pick<RunRow, "runId"> & { readonly id: number }>(
      connection,
      `SELECT id, run_id AS "runId", epoch, seq, status, finished_at AS "finishedAt", wake_at AS "wakeAt",
          recoveries, quarantined
        FROM heddle.runs WHERE run_id = ANY($1::text[]) ORDER BY id FOR UPDATE`,
      [runs.map(({ runId }) => PostgresText.encode(runId))]
    ),
    // an encoded id is one
    (found) => new Map(found.map((row) => [PostgresText.decode(row.runId) as RunId, { id: row.id, row }]))
  )

/**
 * `RunStore.heartbeat` as one statement, so that it needs no turn of the connection on which batches are written. Rows are
 * locked in the order in which a commit locks them, and looked at again then: one that was lost meanwhile is not held.
 */
export const heartbeat = (
  connection: Connection,
  time: Time,
  driven: ReadonlyArray<{ readonly runId: RunId; readonly epoch: number }>,
  now: number
): Effect.Effect<ReadonlyArray<RunId>, SqlError> =>
  Effect.map(
    select<Pick<RunRow, "runId">>(
      connection,
      `WITH driven AS (SELECT id COLLATE "C" AS run_id, epoch FROM unnest($1::text[], $2::bigint[]) AS driven (id, epoch)),
        held AS (
          SELECT runs.id, run_id, epoch FROM heddle.runs JOIN driven USING (run_id, epoch) ORDER BY runs.id FOR UPDATE OF runs
        ),
        confirmed AS (
          UPDATE heddle.runs SET heartbeat_at = ${time.now(3)} FROM held
            WHERE runs.id = held.id AND owner <> '' AND status IN ('running', 'suspended')
        )
        SELECT run_id AS "runId" FROM driven WHERE (run_id, epoch) NOT IN (SELECT run_id, epoch FROM held)`,
      [
        driven.map(({ runId }) => PostgresText.encode(runId)),
        driven.map(({ epoch }) => epoch),
        time.isGiven ? now : null
      ]
    ),
    // an encoded id is one
    (lost) => lost.map(({ runId }) => PostgresText.decode(runId) as RunId)
  )

export const release = (
  connection: Connection,
  { epoch, failed, runId }: Parameters<RunStore["Type"]["release"]>[0]
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `UPDATE heddle.runs SET owner = '', heartbeat_at = 0, recoveries = recoveries + $3
        WHERE run_id = $1 AND epoch = $2 AND status IN ('running', 'suspended')`,
      [PostgresText.encode(runId), epoch, failed === true ? 1 : 0]
    )
  )

/** Makes those of these runs due that are suspended and have a signal for a suspended module. */
export const wakeSignalled = (connection: Connection, ids: ReadonlyArray<number>): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `UPDATE heddle.runs SET wake_at = 0
        WHERE id = ANY($1::bigint[]) AND status = 'suspended' AND EXISTS (
          SELECT FROM heddle.signals JOIN heddle.modules USING (run, module)
            WHERE signals.run = runs.id AND modules.status = 'suspended'
        )`,
      [ids]
    )
  )

/** What a claim may change of a run. */
export const updateClaimed = (connection: Connection, id: number, run: RunRow): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    connection.executeRaw(
      `UPDATE heddle.runs SET owner = $2, epoch = $3, heartbeat_at = $4, status = $5, reopened_at = $6,
          finished_at = $7, wake_at = $8, recoveries = $9, quarantined = $10
        WHERE id = $1`,
      [
        id,
        PostgresText.encode(run.owner),
        run.epoch,
        run.heartbeatAt,
        run.status,
        run.startedAt === run.createdAt ? null : run.startedAt,
        run.finishedAt,
        run.wakeAt,
        run.recoveries,
        run.quarantined
      ]
    )
  )

// The first two conditions are those of the index that is made for these; each fingerprint is a range of it.
const undriven = `finished_at IS NULL AND NOT quarantined AND (owner = '' OR heartbeat_at < ${expiredBefore(1)})
  AND md5(runs.fingerprint) = md5(given.fingerprint) AND runs.fingerprint = given.fingerprint`

const dueRuns = ["status = 'running'", "status = 'suspended' AND wake_at <= $4"].map(
  (condition) => `SELECT id, wake_at, created_at, run_id
    FROM unnest($3::text[]) AS given (fingerprint), heddle.runs WHERE ${undriven} AND ${condition}`
)

/** Two statements: they must see the same moment. */
export const due = (
  connection: Connection,
  time: Time,
  request: Parameters<RunStore["Type"]["due"]>[0]
): Effect.Effect<Due, SqlError> =>
  Effect.gen(function* () {
    const fingerprints = Array.from(new Set(request.fingerprints), PostgresText.encode)
    const [before, age] = expiry(time, request)
    const runs = yield* selectRuns(
      connection,
      `${rows} WHERE runs.id IN (
          SELECT id FROM (${dueRuns.join(" UNION ALL ")}) AS due
            ORDER BY wake_at NULLS FIRST, created_at, run_id LIMIT $5
        ) ORDER BY wake_at NULLS FIRST, created_at, run_id`,
      [before, age, fingerprints, request.now, rowLimit(request.limit)]
    )
    const [next] = yield* select<{ readonly nextAt: number | null }>(
      connection,
      `SELECT min(at) AS "nextAt" FROM (
          SELECT (
            SELECT wake_at FROM heddle.runs
              WHERE ${undriven} AND status = 'suspended' AND wake_at > $4
              ORDER BY wake_at LIMIT 1
          ) AS at FROM unnest($3::text[]) AS given (fingerprint)
        ) AS next`,
      [before, age, fingerprints, request.now]
    )
    return { runs, nextAt: next?.nextAt ?? null }
  })

export const list = (
  connection: Connection,
  { before, dag, limit, status }: Parameters<RunStore["Type"]["list"]>[0]
): Effect.Effect<ReadonlyArray<RunRow>, SqlError> => {
  const values: Array<unknown> = []
  const given = (value: unknown): string => `$${values.push(value)}`
  const conditions: Array<string> = []
  if (dag !== undefined) {
    const text = given(PostgresText.encode(dag))
    conditions.push(`md5(dag) = md5(${text}) AND dag = ${text}`)
  }
  if (status !== undefined) conditions.push(`status = ${given(status)}`)
  if (before !== undefined) {
    const [createdAt, runId] = [given(before.createdAt), given(PostgresText.encode(before.runId))]
    conditions.push(`(created_at, run_id) < (${createdAt}, ${runId})`)
  }
  return selectRuns(
    connection,
    `${rows}${conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`}
      ORDER BY created_at DESC, run_id DESC LIMIT ${given(rowLimit(limit))}`,
    values
  )
}
