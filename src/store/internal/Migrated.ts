/**
 * What a migration makes of a run.
 */
import { isEnded } from "../../model/Transition.js"
import type { Migration, RunRow, Stored } from "../RunStore.js"

/** Its row after it; undefined when it may not take place: then nothing is changed. */
export const row = (run: RunRow | undefined, { epoch, input, signals, transition }: Migration): RunRow | undefined => {
  if (run === undefined || run.epoch !== epoch || isEnded(run.status) || transition.seq !== run.seq + 1)
    return undefined
  const { at, fingerprint, seq, total, version = null } = transition
  return {
    ...run,
    fingerprint,
    version,
    total,
    input,
    signals,
    seq,
    wakeAt: run.status === "suspended" ? at : null
  }
}

/** As it was when it was created, as one of the Dag that it is of before its first migration. */
export const begun = (run: RunRow): Stored => ({
  run: {
    ...run,
    status: "running",
    epoch: 1,
    owner: "",
    heartbeatAt: 0,
    seq: 0,
    startedAt: run.createdAt,
    finishedAt: null,
    wakeAt: null,
    recoveries: 0,
    quarantined: false
  },
  modules: [],
  items: [],
  shared: []
})
