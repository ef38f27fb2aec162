/**
 * Keeps runs in a SQLite file.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { RunId } from "../model/RunId.js"
import * as SignalPaths from "../model/SignalPaths.js"
import { StoreError } from "../model/StoreError.js"
import { isEnded } from "../model/Transition.js"
import { advance, claim } from "./internal/Changes.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteHistory from "./internal/SqliteHistory.js"
import * as SqliteRuns from "./internal/SqliteRuns.js"
import * as SqliteState from "./internal/SqliteState.js"
import { RunStore } from "./RunStore.js"
import type { Claim, Opened, RunChanges, Signalled } from "./RunStore.js"

/**
 * `lockTimeout`: how long an operation waits while another connection holds the lock of the file, before it fails with
 * the reason `busy`. Less than the time after which a driver's heartbeat expires, so that waiting does not cost it its
 * runs; the writer tries a batch again on top of it.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: { readonly lockTimeout: Duration.DurationInput } = { lockTimeout: "2 seconds" }

const make = (database: SqliteDatabase.SqliteDatabase): RunStore["Type"] => {
  const corrupt = (operation: string, message: string, cause?: unknown) =>
    new StoreError({
      reason: "corrupt",
      location: database.location,
      operation,
      message: `${database.location}: ${message}`,
      cause
    })

  return {
    open: ({ seed, ...run }) =>
      database.write("open", (connection) =>
        Effect.gen(function* () {
          const begun = seed ?? { modules: [], items: [], transitions: [] }
          const { seq, transitions } = advance(
            { seq: 0, status: "running", wakeAt: null },
            { transitions: begun.transitions, status: undefined, wakeAt: null }
          )
          const [created] = yield* SqliteRuns.select<{ readonly id: number }>(
            connection,
            `INSERT INTO runs
              (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, finished_at)
              VALUES (?, ?, ?, ?, 'running', 1, ?, ?, ?, ?, NULL)
              ON CONFLICT (run_id) DO NOTHING RETURNING id`,
            [run.runId, run.dag, run.fingerprint, run.total, run.owner, run.createdAt, seq, run.createdAt]
          )
          if (created !== undefined) {
            yield* connection.executeRaw("INSERT INTO inputs (run, input, policy, signals) VALUES (?, ?, ?, ?)", [
              created.id,
              run.input,
              run.policy,
              run.signals
            ])
            const rows = SqliteState.gather()
            rows.add(created.id, { ...begun, shared: [] }, transitions)
            yield* rows.write(connection)
            return { _tag: "Created" } satisfies Opened
          }
          const stored = yield* SqliteRuns.byId(connection, run.runId)
          if (stored === undefined) return yield* corrupt("open", `the run ${run.runId} has no inputs`)
          return { _tag: "Exists", run: stored } satisfies Opened
        })
      ),

    claim: (request) =>
      database.write("claim", (connection) =>
        Effect.gen(function* () {
          const stored = yield* SqliteRuns.byId(connection, request.runId)
          if (stored === undefined) return { _tag: "Unknown" } satisfies Claim
          const claimed = claim(stored, request)
          if (claimed._tag !== "Claimed") return claimed
          yield* SqliteRuns.updateClaimed(connection, claimed.run)
          if (claimed.reopened) yield* SqliteState.reopen(connection, request.runId)
          return { _tag: "Claimed", run: claimed.run } satisfies Claim
        })
      ),

    heartbeat: (driven, now) =>
      database.write("heartbeat", (connection) =>
        Effect.gen(function* () {
          const known = yield* SqliteRuns.known(connection, driven)
          const lost: Array<RunId> = []
          const confirmed: Array<number> = []
          for (const { epoch, runId } of driven) {
            const run = known.get(runId)
            if (run === undefined || run.epoch !== epoch) lost.push(runId)
            else if (!isEnded(run.status) && run.owner !== "") confirmed.push(run.id)
          }
          yield* connection.executeRaw(
            "UPDATE runs SET heartbeat_at = ? WHERE id IN (SELECT value FROM json_each(?))",
            [now, JSON.stringify(confirmed)]
          )
          return lost
        })
      ),

    release: ({ epoch, runId }) =>
      database.write("release", (connection) =>
        Effect.asVoid(
          connection.executeRaw(
            `UPDATE runs SET owner = '', heartbeat_at = 0
              WHERE run_id = ? AND epoch = ? AND status IN ('running', 'suspended')`,
            [runId, epoch]
          )
        )
      ),

    commit: (batch) =>
      database.write("commit", (connection) =>
        Effect.gen(function* () {
          const known = yield* SqliteRuns.known(connection, batch)
          const refused: Array<RunChanges> = []
          const written = new Set<SqliteRuns.Known>()
          const rows = SqliteState.gather()
          for (const changes of batch) {
            const run = known.get(changes.runId)
            if (run === undefined || run.epoch !== changes.epoch || isEnded(run.status)) {
              refused.push(changes)
              continue
            }
            const next = advance(run, changes)
            run.seq = next.seq
            run.status = next.status
            run.finishedAt = next.finishedAt
            run.wakeAt = next.wakeAt
            written.add(run)
            rows.add(run.id, changes, next.transitions)
          }
          yield* SqliteRuns.update(connection, written)
          yield* rows.write(connection)
          const suspended = Array.from(written).filter(({ status }) => status === "suspended")
          if (suspended.length > 0) {
            yield* SqliteRuns.wakeSignalled(
              connection,
              suspended.map(({ id }) => id)
            )
          }
          return refused
        })
      ),

    signal: (signal) =>
      database.write("signal", (connection) =>
        Effect.gen(function* () {
          const run = yield* SqliteRuns.byId(connection, signal.runId)
          if (run === undefined) return { _tag: "Unknown" } satisfies Signalled
          if (isEnded(run.status)) return { _tag: "Finished", run } satisfies Signalled
          const exists = yield* Effect.try({
            try: () => SignalPaths.has(run.signals, signal.module),
            catch: (cause) => corrupt("signal", `the signals of the run ${run.runId} cannot be read`, cause)
          })
          if (!exists) return { _tag: "UnknownSignal" } satisfies Signalled
          return { _tag: "Settled", was: yield* SqliteState.settle(connection, signal) } satisfies Signalled
        })
      ),

    signals: (runIds) => database.read("signals", (connection) => SqliteState.signals(connection, runIds)),

    due: (request) => database.readTogether("due", (connection) => SqliteRuns.due(connection, request)),

    run: (runId) =>
      database.read("run", (connection) => Effect.map(SqliteRuns.byId(connection, runId), Option.fromNullable)),

    get: (runId) =>
      database.readTogether("get", (connection) =>
        Effect.gen(function* () {
          const run = yield* SqliteRuns.byId(connection, runId)
          if (run === undefined) return Option.none()
          return Option.some({
            run,
            modules: yield* SqliteState.modules(connection, runId),
            items: yield* SqliteState.itemCounts(connection, runId),
            shared: yield* SqliteState.shared(connection, runId)
          })
        })
      ),

    items: (runId, modules) => database.read("items", (connection) => SqliteState.items(connection, runId, modules)),

    outputs: (runId, modules) =>
      database.read("outputs", (connection) => SqliteState.outputs(connection, runId, modules)),

    history: (runId, page) =>
      database
        .read("history", (connection) => SqliteHistory.page(connection, runId, page))
        .pipe(
          Effect.flatMap((rows) =>
            Effect.mapError(SqliteHistory.decode(rows), (cause) =>
              corrupt("history", `a transition of the run ${runId} is not readable: ${cause.message}`, cause)
            )
          )
        ),

    list: (filter) => database.read("list", (connection) => SqliteRuns.list(connection, filter))
  }
}

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
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Layer } from "effect"
 *
 * const HeddleLive = Heddle.layer().pipe(
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db", lockTimeout: "1 second" }))
 * )
 * ```
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
