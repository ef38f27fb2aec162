import type * as Exit from "effect/Exit"
import type { RunLost, WriteFailed, WriterClosed, WriterFull } from "../../model/RunError.js"
import type { StateNotWritten } from "../../model/StateNotWritten.js"
import type { Claim, Level, RunUpdate } from "../Update.js"
import type { Counts } from "../WriterStats.js"

/** Why an update of a run was not written. */
export type RunWriteError = RunLost | WriteFailed | WriterClosed | WriterFull

/** A change of keyed state, encoded. */
export interface Patch {
  readonly key: string
  readonly set: ReadonlyMap<string, string>
  readonly clear: ReadonlySet<string>
  readonly durability: Level
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** Counts are changed by the writer alone. */
export type Tally = Mutable<Counts>

export const tally = (): Tally => ({ queued: 0, processed: 0, failed: 0, depth: 0, inFlight: 0, coalesced: 0 })

/** What is rejected as a whole: the run of one driver, or a keyed state. `left`: how many of its entries are not settled. */
export type Unit =
  | {
      readonly _tag: "Run"
      readonly key: string
      readonly claim: Claim
      readonly tally: Tally
      left: number
      /** From which transition on it is to be kept as it is then; 0 where that is not known yet. */
      keepAt: number
      /** The store has refused one of its updates: it takes no more of them. */
      refused: RunWriteError | undefined
    }
  | { readonly _tag: "State"; readonly key: string; readonly tally: Tally; left: number; readonly refused: undefined }

export type RunUnit = Extract<Unit, { _tag: "Run" }>

/** Where an update is: it was `refused` when it was to be offered. */
export type Place = "offered" | "refused" | "queued" | "inFlight" | "settled"

interface Position {
  /** Counts all entries, in the order in which they were offered. */
  readonly number: number
  /** These three are changed by the writer alone. */
  place: Place
  acceptedAt: number
  dueAt: number
  readonly accepted: (() => void) | undefined
}

export interface RunEntry extends Position {
  readonly unit: RunUnit
  readonly update: RunUpdate
  readonly settled: (result: Exit.Exit<void, RunWriteError>) => void
}

export interface StateEntry extends Position {
  readonly unit: Extract<Unit, { _tag: "State" }>
  readonly update: Patch
  readonly settled: (result: Exit.Exit<void, StateNotWritten>) => void
}

export type Entry = RunEntry | StateEntry

export const isRun = (entry: Entry): entry is RunEntry => entry.unit._tag === "Run"
