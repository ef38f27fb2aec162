/**
 * What a database has of a run, decoded. What cannot be read fails as `corrupt`, with the location of the database.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunId } from "../../model/RunId.js"
import * as SignalPaths from "../../model/SignalPaths.js"
import { StoreError } from "../../model/StoreError.js"
import type { Transition } from "../../model/Transition.js"
import type { Kept, RunRow } from "../RunStore.js"
import * as KeptText from "./KeptText.js"
import * as TransitionRows from "./TransitionRows.js"

export const corrupt = (location: string, operation: string, message: string, cause?: unknown): StoreError =>
  new StoreError({ reason: "corrupt", location, operation, message: `${location}: ${message}`, cause })

/** `RunStore.history`. */
export const history = (
  location: string,
  runId: RunId,
  rows: ReadonlyArray<TransitionRows.TransitionRow>
): Effect.Effect<ReadonlyArray<Transition>, StoreError> =>
  Effect.mapError(TransitionRows.decode(rows), (cause) =>
    corrupt(location, "history", `a transition of the run ${runId} is not readable: ${cause.message}`, cause)
  )

/** `RunStore.snapshot`. */
export const kept = (
  location: string,
  row: KeptText.KeptRow | undefined
): Effect.Effect<Option.Option<Kept>, StoreError> => {
  if (row === undefined) return Effect.succeedNone
  const { at, run, seq, value } = row
  return Effect.mapBoth(KeptText.decode(value, run), {
    onSuccess: (stored) => Option.some({ seq, at, stored }),
    onFailure: (cause) => {
      const message = `what was kept of the run ${run.runId} as of ${seq} cannot be read: ${cause.message}`
      return corrupt(location, "snapshot", message, cause)
    }
  })
}

/** Whether the Dag of the run has a signal at this path. */
export const hasSignal = (
  location: string,
  { runId, signals }: RunRow,
  module: string
): Effect.Effect<boolean, StoreError> =>
  Effect.try({
    try: () => SignalPaths.has(signals, module),
    catch: (cause) => corrupt(location, "signal", `the signals of the run ${runId} cannot be read`, cause)
  })
