/**
 * Keeps runs in a SQLite file.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { RunId } from "../model/RunId.js"
import { StoreError } from "../model/StoreError.js"
import { Transition } from "../model/Transition.js"
import type { RunStatus } from "../model/Transition.js"
import { advance } from "./internal/Changes.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteRows from "./internal/SqliteRows.js"
import { RunStore } from "./RunStore.js"
import type { Claim, ModuleRow, Opened, RunChanges, RunRow } from "./RunStore.js"

/**
 * `lockTimeout`: how long an operation waits while another connection holds the lock of the file, before it fails with
 * the reason `busy`. Less than the time after which a driver's heartbeat expires, so that waiting does not cost it its
 * runs; the writer tries a batch again on top of it.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: { readonly lockTimeout: Duration.DurationInput } = { lockTimeout: "2 seconds" }

/** A run as far as a write must know it. Changed within one transaction, so that it stays what the row is. */
interface Known {
  readonly id: number
  readonly runId: RunId
  readonly epoch: number
  readonly owner: string
  seq: number
  status: RunStatus
}

// The rows of our own STRICT tables have the types that their columns declare, so `select` may name them.
const select = <Row>(
  connection: Connection,
  sql: string,
  parameters: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<Row>, SqlError> => connection.execute(sql, parameters, undefined)

const selectRun = `SELECT run_id AS runId, dag, fingerprint, total, input, policy, status, epoch, owner,
    heartbeat_at AS heartbeatAt, seq, created_at AS createdAt, finished_at AS finishedAt
  FROM runs JOIN inputs ON inputs.run = runs.id`

const runById = (connection: Connection, runId: RunId): Effect.Effect<RunRow | undefined, SqlError> =>
  Effect.map(select<RunRow>(connection, `${selectRun} WHERE run_id = ?`, [runId]), ([row]) => row)

const knownRuns = (
  connection: Connection,
  runs: ReadonlyArray<{ readonly runId: RunId }>
): Effect.Effect<ReadonlyMap<RunId, Known>, SqlError> =>
  Effect.map(
    select<Known>(
      connection,
      `SELECT id, run_id AS runId, epoch, owner, seq, status FROM runs
        WHERE run_id IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(runs.map(({ runId }) => runId))]
    ),
    (rows) => new Map(rows.map((row) => [row.runId, row]))
  )

const updateRuns = SqliteRows.make(
  4,
  (rows) => `UPDATE runs SET seq = change.column2, status = change.column3, finished_at = change.column4
    FROM (${rows}) AS change WHERE runs.id = change.column1`
)

const rank = (status: string): string =>
  `CASE ${status} WHEN 'pending' THEN 0 WHEN 'scheduled' THEN 1 WHEN 'running' THEN 2 WHEN 'suspended' THEN 3 ELSE 4 END`

const kept = (column: string): string =>
  `${column} = coalesce(excluded.${column}, iif(attempt = excluded.attempt, ${column}, NULL))`

// `WHERE` is `ModuleStatus.canFollow`.
const upsertModules = SqliteRows.make(
  9,
  (rows) => `INSERT INTO modules
      (run, module, status, attempt, scheduled_at, started_at, finished_at, failure, output)
    ${rows}
    ON CONFLICT (run, module) DO UPDATE SET
      status = excluded.status,
      attempt = excluded.attempt,
      ${["scheduled_at", "started_at", "finished_at", "failure"].map(kept).join(", ")},
      output = excluded.output
    WHERE ${rank("status")} < 4 AND (
      excluded.attempt > attempt OR
      (excluded.attempt = attempt AND ${rank("excluded.status")} > ${rank("status")})
    )`
)

const insertTransitions = SqliteRows.make(
  8,
  (rows) => `INSERT INTO transitions (run, seq, at, status, module, attempt, failure, epoch) ${rows}`
)

interface TransitionRow {
  readonly seq: number
  readonly at: number
  readonly status: string
  readonly module: string | null
  readonly attempt: number | null
  readonly failure: string | null
  readonly epoch: number | null
}

const decodeTransitions = Schema.decodeUnknown(Schema.Array(Transition))

const transitionOf = ({ at, attempt, epoch, failure, module, seq, status }: TransitionRow): unknown =>
  module === null
    ? { _tag: "RunTransition", seq, at, status, epoch }
    : {
        _tag: "ModuleTransition",
        seq,
        at,
        module,
        status,
        attempt,
        ...(failure === null ? undefined : { failure: JSON.parse(failure) as unknown })
      }

const rowLimit = (limit: number): number => Math.max(0, Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER))

const make = (database: SqliteDatabase.SqliteDatabase): RunStore["Type"] => ({
  open: (run) =>
    database.write("open", (connection) =>
      Effect.gen(function* () {
        const [created] = yield* select<{ readonly id: number }>(
          connection,
          `INSERT INTO runs
            (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, finished_at)
            VALUES (?, ?, ?, ?, 'running', 1, ?, ?, 0, ?, NULL)
            ON CONFLICT (run_id) DO NOTHING RETURNING id`,
          [run.runId, run.dag, run.fingerprint, run.total, run.owner, run.createdAt, run.createdAt]
        )
        if (created !== undefined) {
          yield* connection.executeRaw("INSERT INTO inputs (run, input, policy) VALUES (?, ?, ?)", [
            created.id,
            run.input,
            run.policy
          ])
          return { _tag: "Created" } satisfies Opened
        }
        const stored = yield* runById(connection, run.runId)
        if (stored === undefined) {
          return yield* new StoreError({
            reason: "corrupt",
            location: database.location,
            operation: "open",
            message: `${database.location}: the run ${run.runId} has no inputs`
          })
        }
        return { _tag: "Exists", run: stored } satisfies Opened
      })
    ),

  claim: ({ expiredBefore, now, owner, runId }) =>
    database.write("claim", (connection) =>
      Effect.gen(function* () {
        const run = yield* runById(connection, runId)
        if (run === undefined) return { _tag: "Unknown" } satisfies Claim
        if (run.status !== "running") return { _tag: "Finished", run } satisfies Claim
        if (run.owner !== "" && run.heartbeatAt >= expiredBefore) return { _tag: "Held", run } satisfies Claim
        const epoch = run.epoch + 1
        yield* connection.executeRaw("UPDATE runs SET owner = ?, epoch = ?, heartbeat_at = ? WHERE run_id = ?", [
          owner,
          epoch,
          now,
          runId
        ])
        return { _tag: "Claimed", run: { ...run, owner, epoch, heartbeatAt: now } } satisfies Claim
      })
    ),

  heartbeat: (driven, now) =>
    database.write("heartbeat", (connection) =>
      Effect.gen(function* () {
        const known = yield* knownRuns(connection, driven)
        const lost: Array<RunId> = []
        const confirmed: Array<number> = []
        for (const { epoch, runId } of driven) {
          const run = known.get(runId)
          if (run === undefined || run.epoch !== epoch) lost.push(runId)
          else if (run.status === "running" && run.owner !== "") confirmed.push(run.id)
        }
        yield* connection.executeRaw("UPDATE runs SET heartbeat_at = ? WHERE id IN (SELECT value FROM json_each(?))", [
          now,
          JSON.stringify(confirmed)
        ])
        return lost
      })
    ),

  release: ({ epoch, runId }) =>
    database.write("release", (connection) =>
      Effect.asVoid(
        connection.executeRaw(
          "UPDATE runs SET owner = '', heartbeat_at = 0 WHERE run_id = ? AND epoch = ? AND status = 'running'",
          [runId, epoch]
        )
      )
    ),

  commit: (batch) =>
    database.write("commit", (connection) =>
      Effect.gen(function* () {
        const known = yield* knownRuns(connection, batch)
        const refused: Array<RunChanges> = []
        const runs: Array<unknown> = []
        const modules: Array<unknown> = []
        const transitions: Array<unknown> = []
        for (const changes of batch) {
          const run = known.get(changes.runId)
          if (run === undefined || run.epoch !== changes.epoch || run.status !== "running") {
            refused.push(changes)
            continue
          }
          const { id } = run
          const next = advance(run, changes)
          run.seq = next.seq
          run.status = next.status
          runs.push(id, next.seq, next.status, next.finishedAt)
          for (const row of changes.modules) {
            modules.push(id, row.module, row.status, row.attempt)
            modules.push(row.scheduledAt, row.startedAt, row.finishedAt, row.failure, row.output)
          }
          for (const transition of next.transitions) {
            transitions.push(id, transition.seq, transition.at, transition.status)
            if (transition._tag === "ModuleTransition") {
              const failure = transition.failure === undefined ? null : JSON.stringify(transition.failure)
              transitions.push(transition.module, transition.attempt, failure, null)
            } else {
              transitions.push(null, null, null, transition.epoch)
            }
          }
        }
        yield* updateRuns(connection, runs)
        yield* upsertModules(connection, modules)
        yield* insertTransitions(connection, transitions)
        return refused
      })
    ),

  run: (runId) => database.read("run", (connection) => Effect.map(runById(connection, runId), Option.fromNullable)),

  get: (runId) =>
    database.readTogether("get", (connection) =>
      Effect.gen(function* () {
        const run = yield* runById(connection, runId)
        if (run === undefined) return Option.none()
        const modules = yield* select<ModuleRow>(
          connection,
          `SELECT module, status, attempt, scheduled_at AS scheduledAt, started_at AS startedAt,
              finished_at AS finishedAt, failure
            FROM modules WHERE run = (SELECT id FROM runs WHERE run_id = ?)`,
          [runId]
        )
        return Option.some({ run, modules })
      })
    ),

  outputs: (runId, modules) =>
    database.read("outputs", (connection) =>
      Effect.map(
        select<{ readonly module: string; readonly output: string }>(
          connection,
          `SELECT module, output FROM modules
            WHERE run = (SELECT id FROM runs WHERE run_id = ?) AND output IS NOT NULL
              AND module IN (SELECT value FROM json_each(?))`,
          [runId, JSON.stringify(modules)]
        ),
        (rows) => new Map(rows.map(({ module, output }) => [module, output]))
      )
    ),

  history: (runId, { after, limit }) =>
    database
      .read("history", (connection) =>
        select<TransitionRow>(
          connection,
          `SELECT seq, at, status, module, attempt, failure, epoch FROM transitions
            WHERE run = (SELECT id FROM runs WHERE run_id = ?) AND seq > ? ORDER BY seq LIMIT ?`,
          [runId, after, rowLimit(limit)]
        )
      )
      .pipe(
        Effect.flatMap((rows) =>
          Effect.try(() => rows.map(transitionOf)).pipe(
            Effect.flatMap(decodeTransitions),
            Effect.mapError(
              (cause) =>
                new StoreError({
                  reason: "corrupt",
                  location: database.location,
                  operation: "history",
                  message: `${database.location}: a transition of the run ${runId} is not readable: ${cause.message}`,
                  cause
                })
            )
          )
        )
      ),

  list: ({ before, dag, limit, status }) =>
    database.read("list", (connection) => {
      const conditions = [
        ...(dag === undefined ? [] : ["dag = ?"]),
        ...(status === undefined ? [] : ["status = ?"]),
        ...(before === undefined ? [] : ["(created_at, run_id) < (?, ?)"])
      ]
      return select<RunRow>(
        connection,
        `${selectRun}${conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`}
          ORDER BY created_at DESC, run_id DESC LIMIT ?`,
        [
          ...(dag === undefined ? [] : [dag]),
          ...(status === undefined ? [] : [status]),
          ...(before === undefined ? [] : [before.createdAt, before.runId]),
          rowLimit(limit)
        ]
      )
    })
})

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. Several processes may use one file.
 *
 * A commit survives the crash of the process; the latest ones may be lost with the power. Waiting for the lock of
 * another process does not block this one.
 *
 * Fails, and leaves the file as it is, when it is not a database (`corrupt`), is that of another application (`foreign`)
 * or was written by a later release (`newer`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: {
  readonly filename: string
  readonly lockTimeout?: Duration.DurationInput | undefined
}): Layer.Layer<RunStore, StoreError> =>
  Layer.scoped(
    RunStore,
    Effect.map(
      SqliteDatabase.open({ filename: options.filename, lockTimeout: options.lockTimeout ?? defaults.lockTimeout }),
      make
    )
  )
