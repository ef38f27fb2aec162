import type { DeadLetter } from "../../store/RunStore.js"
import { isRun, type Entry, type Unit } from "./Entry.js"

/** What cannot be written as JSON may be the reason why it was refused. */
const textOf = (entry: Entry): string => {
  try {
    return JSON.stringify(contentOf(entry))
  } catch (cause) {
    const what = isRun(entry) ? { ...entry.update.transition, failure: undefined, shared: undefined } : {}
    return JSON.stringify({ ...what, unreadable: cause instanceof Error ? cause.message : "it is not JSON" })
  }
}

const contentOf = (entry: Entry) =>
  isRun(entry)
    ? { transition: entry.update.transition, output: entry.update.output }
    : { set: Object.fromEntries(entry.update.set), clear: [...entry.update.clear] }

export const make = (
  unit: Unit,
  entries: ReadonlyArray<Entry>,
  error: { readonly _tag: string; readonly message: string },
  at: number
): DeadLetter => ({
  at,
  kind: unit._tag === "Run" ? "run" : "state",
  key: unit.key,
  epoch: unit._tag === "Run" ? unit.claim.epoch : null,
  reason: error._tag === "RunLost" ? "lost" : "failed",
  message: error.message,
  count: entries.length,
  updates: `[${entries.map(textOf).join(",")}]`
})
