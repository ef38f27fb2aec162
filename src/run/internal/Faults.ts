import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import { RunLost, WriteFailed, WriterClosed, WriterFull } from "../../model/RunError.js"
import { isTransient, StoreError } from "../../model/StoreError.js"

/*
 * A fault is why a run is not driven, or no longer, though what is stored of it has neither ended nor been suspended.
 */

const errorOf = (cause: Cause.Cause<unknown>): unknown => Option.getOrUndefined(Cause.failureOption(cause))

/** Whether it is one: a run that was cut off, or is driven by somebody else, has none. An empty cause is none. */
export const isFault = (cause: Cause.Cause<unknown>): boolean =>
  !Cause.isInterruptedOnly(cause) && !(errorOf(cause) instanceof RunLost)

/** Whether it may be over by itself. What the store refused to write it will refuse again; what it could not read may do. */
export const isPassing = (cause: Cause.Cause<unknown>): boolean => {
  const error = errorOf(cause)
  if (error instanceof WriteFailed) return isTransient(error.cause)
  return error instanceof WriterFull || (error instanceof StoreError && error.reason !== "corrupt")
}

/** Whether it is the run that cannot be driven, and not its engine that cannot drive. */
export const isOfRun = (cause: Cause.Cause<unknown>): boolean =>
  isFault(cause) && !isPassing(cause) && !(errorOf(cause) instanceof WriterClosed)
