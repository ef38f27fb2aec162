/**
 * The orders of runs, as a database has them.
 */
import type { RunCursor, RunRow } from "../RunStore.js"

// The order of UTF-8 bytes, which databases use: that of code points. Code units differ from it above U+D800.
const codeUnit = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = codeUnit(a.charCodeAt(i)) - codeUnit(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

const compareCreated = (a: RunCursor, b: RunCursor): number =>
  a.createdAt - b.createdAt || compareText(a.runId, b.runId)

export const newestFirst = (a: RunCursor, b: RunCursor): number => compareCreated(b, a)

/** Those that run first, then those that are suspended, by the time at which they are due. */
export const earliestFirst = (a: RunRow, b: RunRow): number =>
  (a.wakeAt ?? -Infinity) - (b.wakeAt ?? -Infinity) || compareCreated(a, b)

/** Of runs that have ended: those that did first. */
export const endedFirst = (a: RunRow, b: RunRow): number =>
  (a.finishedAt ?? -Infinity) - (b.finishedAt ?? -Infinity) || compareCreated(a, b)
