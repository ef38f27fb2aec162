/**
 * What a store reads from the changes of a run.
 */
import type { RunStatus, Transition } from "../../model/Transition.js"
import type { RunChanges } from "../RunStore.js"

/** What a run is after its changes; `transitions` are those that it did not have yet. */
export interface Advance {
  readonly transitions: ReadonlyArray<Transition>
  readonly seq: number
  readonly status: RunStatus
  readonly finishedAt: number | null
}

export const advance = (run: { readonly seq: number; readonly status: RunStatus }, changes: RunChanges): Advance => {
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
  return { transitions, seq, status, finishedAt: status === "running" ? null : finishedAt }
}
