/**
 * Stores of events that do one thing wrong.
 */
import * as BrokenEventAppends from "./BrokenEventAppends.js"
import * as BrokenEventInputs from "./BrokenEventInputs.js"
import * as BrokenEventReads from "./BrokenEventReads.js"
import * as BrokenEventSnapshots from "./BrokenEventSnapshots.js"
import * as BrokenEventStates from "./BrokenEventStates.js"
import type { Fault } from "./EventFault.js"

export { broken } from "./EventFault.js"

export const faults: ReadonlyArray<Fault> = [
  ...BrokenEventAppends.faults,
  ...BrokenEventReads.faults,
  ...BrokenEventStates.faults,
  ...BrokenEventSnapshots.faults,
  ...BrokenEventInputs.faults
]
