/**
 * Runs in a PostgreSQL schema.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunId } from "../../model/RunId.js"
import { StoreError } from "../../model/StoreError.js"
import { isEnded } from "../../model/Transition.js"
import type { Claim, Opened, RunStore, Signalled } from "../RunStore.js"
import { begin, claim, commit, type Known } from "./Changes.js"
import * as PostgresChanges from "./PostgresChanges.js"
import type { PostgresDatabase } from "./PostgresDatabase.js"
import * as PostgresHistory from "./PostgresHistory.js"
import * as PostgresLetters from "./PostgresLetters.js"
import * as PostgresMigration from "./PostgresMigration.js"
import * as PostgresRuns from "./PostgresRuns.js"
import * as PostgresState from "./PostgresState.js"
import * as PostgresStates from "./PostgresStates.js"
import * as PostgresStorage from "./PostgresStorage.js"
import * as PostgresText from "./PostgresText.js"
import * as RunDecoder from "./RunDecoder.js"

/**
 * Who drives a run is judged by the database's clock, so that machines whose clocks differ do not take each other's runs
 * over early: of the times that the caller gives, only how far they are apart counts. Where the database was opened with a
 * `clock`, the caller's times are used as they are.
 */
export const make = (database: PostgresDatabase, options: { readonly isClockGiven: boolean }): RunStore["Type"] => {
  const time: PostgresRuns.Time = { now: database.now, isGiven: options.isClockGiven }

  return {
    open: (run) =>
      database.write("open", (connection) =>
        Effect.gen(function* () {
          const { seed, seq, transitions } = begin(run.seed)
          const [created] = yield* PostgresRuns.select<{ readonly id: number }>(
            connection,
            `WITH created AS (
                INSERT INTO heddle.runs
                  (run_id, dag, fingerprint, total, status, epoch, owner, heartbeat_at, seq, created_at, version)
                  VALUES ($1, $2, $3, $4, 'running', $5, $6, ${time.now(9)}, $7, $8, $13)
                  ON CONFLICT (run_id) DO NOTHING RETURNING id
              )
              INSERT INTO heddle.inputs (run, input, policy, signals) SELECT id, $10, $11, $12 FROM created
                RETURNING run AS id`,
            [
              PostgresText.encode(run.runId),
              PostgresText.encode(run.dag),
              PostgresText.encode(run.fingerprint),
              run.total,
              run.epoch ?? 1,
              PostgresText.encode(run.owner),
              seq,
              run.createdAt,
              time.isGiven ? run.createdAt : null,
              PostgresText.encode(run.input),
              PostgresText.encode(run.policy),
              PostgresText.encode(run.signals),
              PostgresText.encodeNullable(run.version ?? null)
            ]
          )
          if (created !== undefined) {
            if (run.seed !== undefined) {
              const rows = PostgresChanges.gather()
              rows.add(created.id, seed, transitions)
              yield* rows.write(connection, [])
            }
            return { _tag: "Created" } satisfies Opened
          }
          const stored = yield* PostgresRuns.byId(connection, run.runId)
          if (stored === undefined) {
            return yield* new StoreError({
              reason: "busy",
              location: database.location,
              operation: "open",
              message: `${database.location}: the run ${run.runId} was deleted just now; trying again helps`
            })
          }
          return { _tag: "Exists", run: stored } satisfies Opened
        })
      ),

    claim: (request) =>
      database.write("claim", (connection) =>
        Effect.gen(function* () {
          const id = yield* PostgresRuns.lock(connection, request.runId)
          const stored = id === undefined ? undefined : yield* PostgresRuns.byId(connection, request.runId)
          if (id === undefined || stored === undefined) return { _tag: "Unknown" } satisfies Claim
          const now = time.isGiven ? request.now : yield* PostgresRuns.clock(connection)
          /** By how much the clock of the database is ahead of the caller's. */
          const ahead = now - request.now
          const claimed = claim(stored, { ...request, expiredBefore: request.expiredBefore + ahead })
          const run = claimed._tag === "Claimed" ? { ...claimed.run, heartbeatAt: now } : claimed.run
          if (claimed.run !== stored) yield* PostgresRuns.updateClaimed(connection, id, run)
          // the caller counts from it how long it is held
          const answer = { ...run, heartbeatAt: run.heartbeatAt === 0 ? 0 : run.heartbeatAt - ahead }
          if (claimed._tag !== "Claimed") return { _tag: claimed._tag, run: answer } satisfies Claim
          if (claimed.reopened) yield* PostgresState.reopen(connection, id, request.runId)
          return { _tag: "Claimed", run: answer } satisfies Claim
        })
      ),

    heartbeat: (driven, now) =>
      database.writeOnce("heartbeat", (connection) => PostgresRuns.heartbeat(connection, time, driven, now)),

    release: (run) => database.write("release", (connection) => PostgresRuns.release(connection, run)),

    commit: ({ runs, states, synced }) =>
      database.write(
        "commit",
        (connection) =>
          Effect.gen(function* () {
            const known = runs.length === 0 ? new Map<RunId, Known>() : yield* PostgresRuns.known(connection, runs)
            const rows = PostgresChanges.gather()
            const { refused, suspended, written } = commit(runs, known, ({ id }, changes, transitions) =>
              rows.add(id, changes, transitions)
            )
            if (written.size > 0) yield* rows.write(connection, written)
            if (states.length > 0) yield* PostgresStates.write(connection, states)
            if (suspended.length > 0) {
              yield* PostgresRuns.wakeSignalled(
                connection,
                suspended.map(({ id }) => id)
              )
            }
            return refused
          }),
        { synced }
      ),

    migrate: (migration) =>
      database.write("migrate", (connection) => PostgresMigration.migrate(connection, migration), { synced: true }),

    state: (key) => database.read("state", (connection) => PostgresStates.read(connection, key)),

    bury: (letter) => database.write("bury", (connection) => PostgresLetters.bury(connection, letter)),

    deadLetters: (filter) => database.read("deadLetters", (connection) => PostgresLetters.list(connection, filter)),

    prune: (request) => database.write("prune", (connection) => PostgresStorage.prune(connection, request)),

    storage: database.readTogether("storage", PostgresStorage.read),

    signal: (signal) =>
      database.write("signal", (connection) =>
        Effect.gen(function* () {
          const id = yield* PostgresRuns.lock(connection, signal.runId)
          const run = id === undefined ? undefined : yield* PostgresRuns.byId(connection, signal.runId)
          if (id === undefined || run === undefined) return { _tag: "Unknown" } satisfies Signalled
          if (isEnded(run.status)) return { _tag: "Finished", run } satisfies Signalled
          if (!(yield* RunDecoder.hasSignal(database.location, run, signal.module)))
            return { _tag: "UnknownSignal" } satisfies Signalled
          return { _tag: "Settled", was: yield* PostgresState.settle(connection, id, signal) } satisfies Signalled
        })
      ),

    signals: (runIds) => database.read("signals", (connection) => PostgresState.signals(connection, runIds)),

    due: (request) => database.readTogether("due", (connection) => PostgresRuns.due(connection, time, request)),

    run: (runId) =>
      database.read("run", (connection) => Effect.map(PostgresRuns.byId(connection, runId), Option.fromNullable)),

    get: (runId) =>
      database.readTogether("get", (connection) =>
        Effect.map(PostgresHistory.stored(connection, runId), Option.fromNullable)
      ),

    items: (runId, modules) => database.read("items", (connection) => PostgresState.items(connection, runId, modules)),

    outputs: (runId, modules) =>
      database.read("outputs", (connection) => PostgresState.outputs(connection, runId, modules)),

    history: (runId, page) =>
      database
        .read("history", (connection) => PostgresHistory.page(connection, runId, page))
        .pipe(Effect.flatMap((rows) => RunDecoder.history(database.location, runId, rows))),

    keepSnapshot: (run) => database.write("keepSnapshot", (connection) => PostgresHistory.keep(connection, run)),

    snapshot: (runId, bound) =>
      database
        .readTogether("snapshot", (connection) => PostgresHistory.latest(connection, runId, bound))
        .pipe(Effect.flatMap((row) => RunDecoder.kept(database.location, row))),

    list: (filter) => database.read("list", (connection) => PostgresRuns.list(connection, filter))
  }
}
