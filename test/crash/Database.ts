/**
 * Looks into a database file from outside, as any application could: read-only, with plain SQL, whoever else has it open.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert } from "@effect/vitest"
import { Array, Effect, HashMap, Option, type Scope } from "effect"
import { type ModuleStatus, type RunId, RunSnapshot, type Transition } from "heddle"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryDirectory } from "./Process.js"

export interface ModuleRow {
  readonly module: string
  readonly status: ModuleStatus.ModuleStatus
  readonly attempt: number
  readonly scheduledAt: number | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly output: string | null
}

export interface StoredRun {
  readonly id: number
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly status: Transition.RunStatus
  readonly owner: string
  readonly heartbeatAt: number
  readonly epoch: number
  readonly seq: number
  readonly total: number
  readonly startedAt: number
  readonly modules: ReadonlyMap<string, ModuleRow>
  readonly history: ReadonlyArray<Transition.Transition>
}

type Select = <Row>(sql: string) => Effect.Effect<ReadonlyArray<Row>>

const connect = (filename: string, readonly: boolean): Effect.Effect<Select, never, Scope.Scope> =>
  SqliteClient.make({ filename, readonly, disableWAL: true }).pipe(
    Effect.flatMap(({ reserve }) => reserve),
    Effect.provide(Reactivity.layer),
    Effect.orDie,
    Effect.map(
      (connection) =>
        <Row>(sql: string) =>
          // the caller says which columns it selects
          Effect.suspend(() => connection.executeUnprepared(sql, [], undefined)).pipe(Effect.orDie) as Effect.Effect<
            ReadonlyArray<Row>
          >
    )
  )

/**
 * A journal is left by a process that was killed while it turned a new file into a database; what it undoes only a
 * connection that writes may undo, so that is done to a copy.
 */
const open = (filename: string): Effect.Effect<Select, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (!Fs.existsSync(`${filename}-journal`)) return yield* connect(filename, true)
    const copy = Path.join(yield* temporaryDirectory, "copy.db")
    for (const end of ["", "-journal", "-wal"]) {
      if (Fs.existsSync(`${filename}${end}`)) Fs.copyFileSync(`${filename}${end}`, `${copy}${end}`)
    }
    return yield* connect(copy, false)
  })

const tablesOf = (select: Select) =>
  Effect.map(
    select<{ readonly name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ),
    Array.map(({ name }) => name)
  )

interface TransitionRow {
  readonly seq: number
  readonly at: number
  readonly module: string | null
  readonly status: string
  readonly attempt: number | null
  readonly epoch: number | null
}

// What the store wrote; that it is what its types say is what the tests check.
const transitionOf = ({ at, attempt, epoch, module, seq, status }: TransitionRow) =>
  (module === null
    ? { _tag: "RunTransition", seq, at, status, epoch }
    : { _tag: "ModuleTransition", seq, at, module, status, attempt }) as Transition.Transition

/** The run as it is stored, after a check of the whole file; none when there is no such run, or no file yet. */
export const read = (filename: string, runId: RunId): Effect.Effect<Option.Option<StoredRun>> =>
  Effect.scoped(
    Effect.gen(function* () {
      if (!Fs.existsSync(filename)) return Option.none()
      const select = yield* open(filename)
      assert.deepStrictEqual(yield* select("PRAGMA integrity_check"), [{ integrity_check: "ok" }])
      // either all tables are there, or none is
      const tables = yield* tablesOf(select)
      if (tables.length === 0) return Option.none()
      assert.deepStrictEqual(tables, [
        "aggregates",
        "blobs",
        "dead_letters",
        "entries",
        "entry_versions",
        "event_snapshots",
        "event_states",
        "events",
        "flow_log",
        "flows",
        "inputs",
        "items",
        "lease_waiters",
        "leases",
        "modules",
        "run_snapshots",
        "runs",
        "shared",
        "signals",
        "states",
        "syncs",
        "transitions"
      ])
      yield* select("BEGIN")
      const [run] = yield* select<Omit<StoredRun, "modules" | "history">>(
        `SELECT id, run_id AS runId, dag, fingerprint, status, owner, heartbeat_at AS heartbeatAt, epoch, seq,
            total, created_at AS startedAt
          FROM runs JOIN inputs ON inputs.run = runs.id WHERE run_id = '${runId}'`
      )
      if (run === undefined) return Option.none()
      const modules = yield* select<ModuleRow>(
        `SELECT module, status, attempt, scheduled_at AS scheduledAt, started_at AS startedAt,
          finished_at AS finishedAt, output FROM module_list WHERE run_id = '${runId}'`
      )
      const history = yield* select<TransitionRow>(
        `SELECT seq, at, module, status, attempt, epoch FROM transitions WHERE run = ${run.id} ORDER BY seq`
      )
      return Option.some({
        ...run,
        modules: new Map(modules.map((row) => [row.module, row])),
        history: history.map(transitionOf)
      })
    })
  )

/** Every row of every table. */
export const dump = (filename: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const select = yield* open(filename)
      const rows = yield* Effect.forEach(yield* tablesOf(select), (table) =>
        Effect.map(select(`SELECT * FROM ${table}`), (rows) => [table, rows] as const)
      )
      return Object.fromEntries(rows)
    })
  )

/** Whether nobody is in a transaction that writes. */
export const isUnlocked = (filename: string): Effect.Effect<boolean> =>
  Effect.scoped(
    Effect.gen(function* () {
      const select = yield* connect(filename, false)
      yield* select("PRAGMA busy_timeout = 0")
      yield* select("BEGIN IMMEDIATE")
      yield* select("ROLLBACK")
      return true
    })
  ).pipe(Effect.catchAllDefect(() => Effect.succeed(false)))

/** The modules that are completed in the rows. */
export const completed = (run: StoredRun): ReadonlySet<string> =>
  new Set(
    Array.filterMap(run.modules, ([name, { status }]) => Option.liftPredicate(name, () => status === "completed"))
  )

/** The fold of the first `seq` transitions. */
export const foldOf = (
  { dag, fingerprint, history, runId, startedAt, total }: StoredRun,
  seq: number
): RunSnapshot.RunSnapshot =>
  history.slice(0, seq).reduce(RunSnapshot.evolve, RunSnapshot.make({ runId, dag, fingerprint, total, startedAt }))

const stateOf = (row: ModuleRow): RunSnapshot.ModuleState => ({
  status: row.status,
  attempt: row.attempt,
  ...(row.scheduledAt === null ? undefined : { scheduledAt: row.scheduledAt }),
  ...(row.startedAt === null ? undefined : { startedAt: row.startedAt }),
  ...(row.finishedAt === null ? undefined : { finishedAt: row.finishedAt })
})

/**
 * The history has no gaps and says the same as the rows; its drivers follow each other by ever higher epochs; each
 * module was completed at most once, and nothing after that.
 */
export const assertConsistent = (run: StoredRun): void => {
  const { history, modules } = run
  assert.deepStrictEqual(
    history.map(({ seq }) => seq),
    Array.makeBy(run.seq, (i) => i + 1).slice(0, run.seq),
    "the numbers of the transitions"
  )
  const epochs = history.flatMap((change) =>
    change._tag === "RunTransition" && change.status === "running" ? [change.epoch] : []
  )
  for (const [i, epoch] of epochs.entries()) {
    assert.isAbove(epoch, epochs[i - 1] ?? 0, `the epochs ${epochs.join(", ")}`)
    assert.isAtMost(epoch, run.epoch, "an epoch that nobody was given")
  }
  const final = new Set<string>()
  for (const change of history) {
    if (change._tag !== "ModuleTransition") continue
    assert.isFalse(final.has(change.module), `${change.module} is ${change.status} after it was completed`)
    if (change.status === "completed") final.add(change.module)
  }
  const fold = foldOf(run, run.seq)
  assert.strictEqual(fold.status, run.status)
  assert.deepStrictEqual(
    Object.fromEntries(HashMap.toEntries(fold.modules).sort()),
    Object.fromEntries(
      Array.fromIterable(modules.values())
        .map((row) => [row.module, stateOf(row)] as const)
        .sort()
    )
  )
}

/** Has the lock of those that write while the effect runs, as an application with a long transaction does. */
export const whileLocked = <A, E, R>(filename: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const select = yield* connect(filename, false)
    yield* select("PRAGMA busy_timeout = 5000")
    yield* select("BEGIN IMMEDIATE")
    return yield* Effect.ensuring(effect, select("ROLLBACK"))
  }).pipe(Effect.scoped)
