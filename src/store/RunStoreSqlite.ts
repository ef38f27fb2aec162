/**
 * Keeps runs in a SQLite file.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import { isEnded } from "../model/Transition.js"
import { begin, claim, commit } from "./internal/Changes.js"
import * as RunDecoder from "./internal/RunDecoder.js"
import * as SqliteDatabase from "./internal/SqliteDatabase.js"
import * as SqliteFile from "./internal/SqliteFile.js"
import * as SqliteHistory from "./internal/SqliteHistory.js"
import * as SqliteLetters from "./internal/SqliteLetters.js"
import * as SqliteMigration from "./internal/SqliteMigration.js"
import * as SqliteRuns from "./internal/SqliteRuns.js"
import * as SqliteSnapshots from "./internal/SqliteSnapshots.js"
import * as SqliteState from "./internal/SqliteState.js"
import * as SqliteStates from "./internal/SqliteStates.js"
import * as SqliteStorage from "./internal/SqliteStorage.js"
import { RunStore } from "./RunStore.js"
import type { Claim, Opened, Signalled } from "./RunStore.js"

/**
 * - `lockTimeout`: how long an operation waits while another connection holds the lock of the file, before it fails with
 *   the reason `busy`. Less than the time after which a driver's heartbeat expires, so that waiting does not cost it its
 *   runs; the writer tries a batch again on top of it
 * - `spillBytes`: outputs of more bytes are kept apart from the rows of their modules and items. Below the default they are
 *   read faster where they are; above it they would not fit into the page of their row
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly lockTimeout: Duration.DurationInput
  readonly spillBytes: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { lockTimeout: "2 seconds", spillBytes: 800 }

const make = (database: SqliteDatabase.SqliteDatabase, spillBytes: number): RunStore["Type"] => {
  return {
    open: (run) =>
      database.write("open", (connection) =>
        Effect.gen(function* () {
          const { seed, seq, transitions } = begin(run.seed)
          const [created] = yield* SqliteRuns.select<{ readonly id: number }>(
            connection,
            `INSERT INTO runs
              (run_id, dag, fingerprint, version, total, status, epoch, owner, heartbeat_at, seq, created_at, finished_at)
              VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, NULL)
              ON CONFLICT (run_id) DO NOTHING RETURNING id`,
            [
              run.runId,
              run.dag,
              run.fingerprint,
              run.version ?? null,
              run.total,
              run.epoch ?? 1,
              run.owner,
              run.createdAt,
              seq,
              run.createdAt
            ]
          )
          if (created !== undefined) {
            yield* connection.executeRaw("INSERT INTO inputs (run, input, policy, signals) VALUES (?, ?, ?, ?)", [
              created.id,
              run.input,
              run.policy,
              run.signals
            ])
            const rows = SqliteState.gather(spillBytes)
            rows.add(created.id, seed, transitions)
            yield* rows.write(connection)
            return { _tag: "Created" } satisfies Opened
          }
          const stored = yield* SqliteRuns.byId(connection, run.runId)
          if (stored === undefined)
            return yield* RunDecoder.corrupt(database.location, "open", `the run ${run.runId} has no inputs`)
          return { _tag: "Exists", run: stored } satisfies Opened
        })
      ),

    claim: (request) =>
      database.write("claim", (connection) =>
        Effect.gen(function* () {
          const stored = yield* SqliteRuns.byId(connection, request.runId)
          if (stored === undefined) return { _tag: "Unknown" } satisfies Claim
          const claimed = claim(stored, request)
          if (claimed.run !== stored) yield* SqliteRuns.updateClaimed(connection, claimed.run)
          if (claimed._tag !== "Claimed") return claimed
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
            if (run === undefined || run.row.epoch !== epoch) lost.push(runId)
            else if (!isEnded(run.row.status) && run.row.owner !== "") confirmed.push(run.id)
          }
          yield* connection.executeRaw(
            "UPDATE runs SET heartbeat_at = ? WHERE id IN (SELECT value FROM json_each(?))",
            [now, JSON.stringify(confirmed)]
          )
          return lost
        })
      ),

    release: ({ epoch, failed, runId }) =>
      database.write("release", (connection) =>
        Effect.asVoid(
          connection.executeRaw(
            `UPDATE runs SET owner = '', heartbeat_at = 0, recoveries = recoveries + ?
              WHERE run_id = ? AND epoch = ? AND status IN ('running', 'suspended')`,
            [failed === true ? 1 : 0, runId, epoch]
          )
        )
      ),

    commit: ({ runs, states, synced }) =>
      database.write(
        "commit",
        (connection) =>
          Effect.gen(function* () {
            const known = yield* SqliteRuns.known(connection, runs)
            const rows = SqliteState.gather(spillBytes)
            const { refused, suspended, written } = commit(runs, known, ({ id }, changes, transitions) =>
              rows.add(id, changes, transitions)
            )
            yield* SqliteRuns.update(connection, written)
            yield* rows.write(connection)
            yield* SqliteStates.write(connection, states)
            if (suspended.length > 0) {
              yield* SqliteRuns.wakeSignalled(
                connection,
                suspended.map(({ id }) => id)
              )
            }
            return refused
          }),
        { synced }
      ),

    migrate: (migration) =>
      database.write("migrate", (connection) => SqliteMigration.migrate(connection, migration), { synced: true }),

    state: (key) => database.read("state", (connection) => SqliteStates.read(connection, key)),

    bury: (letter) => database.write("bury", (connection) => SqliteLetters.bury(connection, letter)),

    deadLetters: (filter) => database.read("deadLetters", (connection) => SqliteLetters.list(connection, filter)),

    prune: (request) => database.write("prune", (connection) => SqliteStorage.prune(connection, request)),

    storage: database.readTogether("storage", (connection) =>
      Effect.flatMap(SqliteFile.logSize(database.location), (logBytes) => SqliteStorage.read(connection, logBytes))
    ),

    signal: (signal) =>
      database.write("signal", (connection) =>
        Effect.gen(function* () {
          const run = yield* SqliteRuns.byId(connection, signal.runId)
          if (run === undefined) return { _tag: "Unknown" } satisfies Signalled
          if (isEnded(run.status)) return { _tag: "Finished", run } satisfies Signalled
          if (!(yield* RunDecoder.hasSignal(database.location, run, signal.module)))
            return { _tag: "UnknownSignal" } satisfies Signalled
          return { _tag: "Settled", was: yield* SqliteState.settle(connection, signal) } satisfies Signalled
        })
      ),

    signals: (runIds) => database.read("signals", (connection) => SqliteState.signals(connection, runIds)),

    due: (request) => database.readTogether("due", (connection) => SqliteRuns.due(connection, request)),

    run: (runId) =>
      database.read("run", (connection) => Effect.map(SqliteRuns.byId(connection, runId), Option.fromNullable)),

    get: (runId) =>
      database.readTogether("get", (connection) =>
        Effect.map(SqliteSnapshots.stored(connection, runId), Option.fromNullable)
      ),

    items: (runId, modules) => database.read("items", (connection) => SqliteState.items(connection, runId, modules)),

    outputs: (runId, modules) =>
      database.read("outputs", (connection) => SqliteState.outputs(connection, runId, modules)),

    history: (runId, page) =>
      database
        .read("history", (connection) => SqliteHistory.page(connection, runId, page))
        .pipe(Effect.flatMap((rows) => RunDecoder.history(database.location, runId, rows))),

    keepSnapshot: (run) => database.write("keepSnapshot", (connection) => SqliteSnapshots.keep(connection, run)),

    snapshot: (runId, bound) =>
      database
        .readTogether("snapshot", (connection) => SqliteSnapshots.latest(connection, runId, bound))
        .pipe(Effect.flatMap((row) => RunDecoder.kept(database.location, row))),

    list: (filter) => database.read("list", (connection) => SqliteRuns.list(connection, filter))
  }
}

/**
 * A store in the file `filename`, which is created when it does not exist; `":memory:"` keeps it in memory. The
 * connection is the store's own and closes with the scope. Several processes may use one file.
 *
 * A commit survives the crash of the process; the latest ones may be lost with the power, unless one that is `synced`
 * came after them. Waiting for the lock of another process does not block this one.
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
export const layer = (
  options: {
    readonly filename: string
  } & { readonly [K in keyof Options]?: Options[K] | undefined }
): Layer.Layer<RunStore, StoreError> => {
  const { filename, lockTimeout = defaults.lockTimeout, spillBytes = defaults.spillBytes } = options
  return Layer.scoped(
    RunStore,
    Effect.map(SqliteDatabase.open({ filename, lockTimeout }), (database) => make(database, spillBytes))
  )
}

/**
 * `layer` with its options from the configuration.
 *
 * @example
 * ```ts
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Config } from "effect"
 *
 * const Store = RunStoreSqlite.layerConfig({ filename: Config.nonEmptyString("HEDDLE_FILE") })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Parameters<typeof layer>[0]>
): Layer.Layer<RunStore, StoreError | ConfigError> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
