/**
 * The orders of runs, as a database has them.
 */
import type { RunCursor, RunRow } from "../RunStore.js"
import * as TextOrder from "./TextOrder.js"

const compareCreated = (a: RunCursor, b: RunCursor): number =>
  a.createdAt - b.createdAt || TextOrder.compare(a.runId, b.runId)

export const newestFirst = (a: RunCursor, b: RunCursor): number => compareCreated(b, a)

/** Those that run first, then those that are suspended, by the time at which they are due. */
export const earliestFirst = (a: RunRow, b: RunRow): number =>
  (a.wakeAt ?? -Infinity) - (b.wakeAt ?? -Infinity) || compareCreated(a, b)

/** Of runs that have ended: those that did first. */
export const endedFirst = (a: RunRow, b: RunRow): number =>
  (a.finishedAt ?? -Infinity) - (b.finishedAt ?? -Infinity) || compareCreated(a, b)
