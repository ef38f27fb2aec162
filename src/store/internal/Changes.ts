/**
 * What a request makes of the row of a run.
 */
import { isEnded, isResumable, type RunStatus, type Transition } from "../../model/Transition.js"
import type { RunChanges, RunRow } from "../RunStore.js"

/** What a run is after its changes; `transitions` are those that it did not have yet. */
export interface Advance {
  readonly transitions: ReadonlyArray<Transition>
  readonly seq: number
  readonly status: RunStatus
  readonly finishedAt: number | null
  readonly wakeAt: number | null
}

/** Signals are not looked at: a suspended run for which one is there is due at once, whatever `wakeAt` is here. */
export const advance = (
  run: { readonly seq: number; readonly status: RunStatus; readonly wakeAt: number | null },
  changes: Pick<RunChanges, "transitions" | "status" | "wakeAt">
): Advance => {
  const transitions: Array<Transition> = []
  const status = changes.status ?? run.status
  let seq = run.seq
  let finishedAt: number | null = null
  for (const transition of changes.transitions) {
    if (transition.seq <= seq) continue
    seq = transition.seq
    transitions.push(transition)
    if (transition._tag === "RunTransition" && transition.status === status) finishedAt = transition.at
  }
  return {
    transitions,
    seq,
    status,
    finishedAt: isEnded(status) ? finishedAt : null,
    wakeAt: status !== "suspended" ? null : changes.status === undefined ? run.wakeAt : changes.wakeAt
  }
}

/** Whether a driver has confirmed since `expiredBefore` that it drives the run. */
export const isDriven = (
  run: { readonly owner: string; readonly heartbeatAt: number },
  expiredBefore: number
): boolean => run.owner !== "" && run.heartbeatAt >= expiredBefore

/** What a claim makes of a run: its new row, and whether it had ended and is reopened. */
export type Claiming =
  | { readonly _tag: "Claimed"; readonly run: RunRow; readonly reopened: boolean }
  | { readonly _tag: "Held"; readonly run: RunRow }
  | { readonly _tag: "Finished"; readonly run: RunRow }

export const claim = (
  run: RunRow,
  request: {
    readonly owner: string
    readonly now: number
    readonly expiredBefore: number
    readonly reopen: boolean
  }
): Claiming => {
  const { now, owner } = request
  const claimed: RunRow = { ...run, owner, epoch: run.epoch + 1, heartbeatAt: now }
  if (isEnded(run.status)) {
    // whoever drove it to its end drives it no more, whatever the heartbeat says
    if (!request.reopen || !isResumable(run.status)) return { _tag: "Finished", run }
    const reopened: RunRow = { ...claimed, status: "running", startedAt: now, finishedAt: null, wakeAt: null }
    return { _tag: "Claimed", run: reopened, reopened: true }
  }
  if (isDriven(run, request.expiredBefore)) return { _tag: "Held", run }
  return { _tag: "Claimed", run: claimed, reopened: false }
}
