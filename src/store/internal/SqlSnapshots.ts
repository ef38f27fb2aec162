/**
 * Runs that are kept, in whichever database.
 */
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { RunRow, RunStore, Stored } from "../RunStore.js"
import * as KeptText from "./KeptText.js"

type Keep = Parameters<RunStore["Type"]["keepSnapshot"]>[0]
type Bound = Parameters<RunStore["Type"]["snapshot"]>[1]

/** The last transition of a run. */
export interface Last {
  readonly id: number
  readonly at: number
  /** When it is due as its transition says it, if it is suspended. */
  readonly wakeAt: number | null
}

export type Text = Omit<KeptText.KeptRow, "run">

/** What a database reads and writes of a run. Those that give several rows are asked for the first. */
export interface Statements {
  readonly run: (connection: Connection, runId: RunId) => Effect.Effect<RunRow | undefined, SqlError>
  readonly modules: (connection: Connection, runId: RunId) => Effect.Effect<Stored["modules"], SqlError>
  readonly items: (connection: Connection, runId: RunId) => Effect.Effect<Stored["items"], SqlError>
  readonly shared: (connection: Connection, runId: RunId) => Effect.Effect<Stored["shared"], SqlError>
  /** None when the run has another epoch, or is kept as of this transition. */
  readonly last: (connection: Connection, run: Keep) => Effect.Effect<ReadonlyArray<Last>, SqlError>
  /** Whether it was not there. */
  readonly insert: (connection: Connection, row: Text & { readonly id: number }) => Effect.Effect<boolean, SqlError>
  readonly latest: (
    connection: Connection,
    runId: RunId,
    bound: { readonly seq: number; readonly at: number }
  ) => Effect.Effect<ReadonlyArray<Text>, SqlError>
}

/** Each is of several statements, which must see the same moment. */
export interface Snapshots {
  /** A run and what is stored of it. */
  readonly stored: (connection: Connection, runId: RunId) => Effect.Effect<Stored | undefined, SqlError>
  /** `RunStore.keepSnapshot`, in the transaction of the connection. */
  readonly keep: (connection: Connection, run: Keep) => Effect.Effect<number, SqlError>
  /** `RunStore.snapshot`, not decoded. */
  readonly latest: (
    connection: Connection,
    runId: RunId,
    bound: Bound
  ) => Effect.Effect<KeptText.KeptRow | undefined, SqlError>
}

export const make = (statements: Statements): Snapshots => {
  const stored: Snapshots["stored"] = (connection, runId) =>
    Effect.gen(function* () {
      const run = yield* statements.run(connection, runId)
      if (run === undefined) return undefined
      return {
        run,
        modules: yield* statements.modules(connection, runId),
        items: yield* statements.items(connection, runId),
        shared: yield* statements.shared(connection, runId)
      }
    })

  return {
    stored,

    keep: (connection, run) =>
      Effect.gen(function* () {
        const [last] = yield* statements.last(connection, run)
        if (last === undefined) return 0
        const now = yield* stored(connection, run.runId)
        if (now === undefined) return 0
        const value = KeptText.encode({ ...now, run: { ...now.run, wakeAt: last.wakeAt } })
        const row = { id: last.id, seq: now.run.seq, at: last.at, value }
        return (yield* statements.insert(connection, row)) ? KeptText.sizeOf(now) : 0
      }),

    latest: (connection, runId, { at = Infinity, seq = Infinity }) =>
      Effect.gen(function* () {
        const [kept] = yield* statements.latest(connection, runId, { at, seq })
        if (kept === undefined) return undefined
        const run = yield* statements.run(connection, runId)
        return run === undefined ? undefined : { ...kept, run }
      })
  }
}
