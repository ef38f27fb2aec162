/**
 * Writes the changes of runs: in one statement, whatever they are.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Transition } from "../../model/Transition.js"
import type { ItemRow, ModuleChange, RunChanges, SharedRow } from "../RunStore.js"
import type { Known } from "./Changes.js"
import * as PostgresKey from "./PostgresKey.js"
import * as PostgresText from "./PostgresText.js"
import * as TransitionRows from "./TransitionRows.js"

/** Columns and their types. Those of transitions are in the order of `TransitionRows.valuesOf`. */
const modules = `run bigint, module text, module_text text, status text, attempt bigint, scheduled_at float8,
  started_at float8, finished_at float8, failure text, because text, output text, until float8, items bigint`
const items = `run bigint, module text, module_text text, item bigint, seq bigint, status text, failure text,
  output text`
const shared = "run bigint, cell text, cell_text text, value text"
const transitions = `run bigint, seq bigint, at float8, status text, module text, attempt bigint, failure text,
  epoch bigint, because text, item bigint, until float8, shared text`
const runs = `id bigint, seq bigint, status text, finished_at float8, wake_at float8, recoveries bigint,
  quarantined boolean`

const parts = (columns: string): ReadonlyArray<readonly [name: string, type: string]> =>
  columns.split(",").map((column) => column.trim().split(" ") as [string, string])

const namesOf = (columns: string): string =>
  parts(columns)
    .map(([name]) => name)
    .join(", ")

/** The parameters from `from` on, as a table of these columns. */
const given = (columns: string, from: number): string =>
  `unnest(${parts(columns)
    .map(([, type], i) => `$${from + i}::${type}[]`)
    .join(", ")}) AS given (${namesOf(columns)})`

const insert = (table: string, columns: string, from: number): string =>
  `INSERT INTO heddle.${table} AS stored (${namesOf(columns)}) SELECT * FROM ${given(columns, from)}`

const rank = (status: string): string =>
  `CASE ${status} WHEN 'pending' THEN 0 WHEN 'scheduled' THEN 1 WHEN 'running' THEN 2 WHEN 'suspended' THEN 3 ELSE 4 END`

const kept = (column: string): string =>
  `${column} = coalesce(excluded.${column}, CASE WHEN stored.attempt = excluded.attempt THEN stored.${column} END)`

const tables = [modules, items, shared, transitions, runs]
const widths = tables.map((columns) => parts(columns).length)
const [ofModules, ofItems, ofShared, ofTransitions, ofRuns] = widths.map(
  (_, i) => 1 + widths.slice(0, i).reduce((sum, width) => sum + width, 0)
) as [number, number, number, number, number]

// The first `WHERE` is `ModuleStatus.canFollow`.
const write = `WITH
  written_modules AS (
    ${insert("modules", modules, ofModules)}
    ON CONFLICT (run, module) DO UPDATE SET
      status = excluded.status,
      attempt = excluded.attempt,
      ${["scheduled_at", "started_at", "finished_at", "failure"].map(kept).join(", ")},
      because = excluded.because,
      output = excluded.output,
      until = excluded.until,
      items = coalesce(excluded.items, stored.items)
    WHERE ${rank("stored.status")} < 4 AND (
      excluded.attempt > stored.attempt OR
      (excluded.attempt = stored.attempt AND ${rank("excluded.status")} > ${rank("stored.status")})
    )
  ),
  written_items AS (
    ${insert("items", items, ofItems)}
    ON CONFLICT (run, module, item) DO UPDATE SET
      seq = excluded.seq, status = excluded.status, failure = excluded.failure, output = excluded.output
    WHERE stored.status = 'failed'
  ),
  written_shared AS (
    ${insert("shared", shared, ofShared)}
    ON CONFLICT (run, cell) DO UPDATE SET value = excluded.value
  ),
  written_transitions AS (
    ${insert("transitions", transitions, ofTransitions)}
  )
  UPDATE heddle.runs SET
      seq = given.seq, status = given.status, finished_at = given.finished_at, wake_at = given.wake_at,
      recoveries = given.recoveries, quarantined = given.quarantined
    FROM ${given(runs, ofRuns)} WHERE runs.id = ANY($${ofRuns}::bigint[]) AND runs.id = given.id`

/** One array for each parameter. */
type Columns = ReadonlyArray<Array<unknown>>

/** Rows of which no two are the same: a statement may not write one row twice. */
interface Round {
  readonly rows: Set<string>
  readonly columns: Columns
}

const emptyRound = (): Round => ({
  rows: new Set(),
  columns: widths.flatMap((width) => Array.from({ length: width }, () => []))
})

const push = (columns: Columns, from: number, values: ReadonlyArray<unknown>): void => {
  for (const [i, value] of values.entries()) columns[from - 1 + i]?.push(value)
}

/** The changes of several runs, gathered so that their rows share a statement. */
export interface Gathered {
  /** `transitions`: those of the changes that the run does not have yet. */
  readonly add: (
    run: number,
    changes: Pick<RunChanges, "modules" | "items" | "shared">,
    transitions: ReadonlyArray<Transition>
  ) => void

  /** Writes them, and the rows of these runs, each of them once. */
  readonly write: (connection: Connection, runs: Iterable<Known>) => Effect.Effect<void, SqlError>
}

export const gather = (): Gathered => {
  let last = emptyRound()
  const rounds = [last]

  /** The round into which the row goes: after any in which it is already. */
  const roundOf = (row: string): Columns => {
    if (last.rows.has(row)) rounds.push((last = emptyRound()))
    last.rows.add(row)
    return last.columns
  }

  const addModule = (run: number, row: ModuleChange) => {
    const { key, text } = PostgresKey.of(row.module)
    push(roundOf(`${run} ${key}`), ofModules, [
      ...[run, key, text, row.status, row.attempt, row.scheduledAt, row.startedAt, row.finishedAt],
      ...[PostgresText.encodeNullable(row.failure), row.because],
      ...[PostgresText.encodeNullable(row.output), row.until, row.items]
    ])
  }

  const addItem = (run: number, row: ItemRow) => {
    const { key, text } = PostgresKey.of(row.module)
    push(roundOf(`${run}:${row.index} ${key}`), ofItems, [
      ...[run, key, text, row.index, row.seq, row.status],
      ...[PostgresText.encodeNullable(row.failure), PostgresText.encodeNullable(row.output)]
    ])
  }

  const addShared = (run: number, { cell, value }: SharedRow) => {
    const { key, text } = PostgresKey.of(cell)
    push(roundOf(`${run}. ${key}`), ofShared, [run, key, text, PostgresText.encode(value)])
  }

  return {
    add: (run, changes, added) => {
      for (const row of changes.modules) addModule(run, row)
      for (const row of changes.items) addItem(run, row)
      for (const row of changes.shared) addShared(run, row)
      for (const transition of added) {
        const values = TransitionRows.valuesOf(run, transition)
        push(
          last.columns,
          ofTransitions,
          values.map((value) => (typeof value === "string" ? PostgresText.encode(value) : value))
        )
      }
    },
    write: (connection, changed) =>
      Effect.suspend(() => {
        for (const { id, row } of changed) {
          const { finishedAt, quarantined, recoveries, seq, status, wakeAt } = row
          push(last.columns, ofRuns, [id, seq, status, finishedAt, wakeAt, recoveries, quarantined])
        }
        return Effect.forEach(rounds, ({ columns }) => connection.executeRaw(write, columns), { discard: true })
      })
  }
}
