import { evolveModule, type ModuleState } from "../../model/RunSnapshot.js"
import type { RunStatus, Transition } from "../../model/Transition.js"
import type { ModuleChange, RunChanges } from "../../store/RunStore.js"
import type { Claim, Update } from "../Update.js"

/** What a batch holds of one driver's run, with the entries that it came from. */
export interface RunBatch<Entry> {
  readonly claim: Claim
  readonly changes: RunChanges
  readonly entries: ReadonlyArray<Entry>
}

const unknown: ModuleState = { status: "pending", attempt: 0 }

/**
 * Folds the transitions of each module into one row and keeps all of them for the history; runs are in the order of
 * their first entry, transitions in theirs.
 */
export const make = <Entry extends { readonly update: Update }>(
  entries: ReadonlyArray<Entry>
): ReadonlyArray<RunBatch<Entry>> => {
  const runs = new Map<Claim, Array<Entry>>()
  for (const entry of entries) {
    const run = runs.get(entry.update.claim)
    if (run === undefined) runs.set(entry.update.claim, [entry])
    else run.push(entry)
  }
  return Array.from(runs, ([claim, of]) => ({ claim, changes: changesOf(claim, of), entries: of }))
}

const changesOf = (claim: Claim, entries: ReadonlyArray<{ readonly update: Update }>): RunChanges => {
  const transitions: Array<Transition> = []
  const states = new Map<string, { state: ModuleState; output: string | null }>()
  let status: RunStatus | undefined
  for (const {
    update: { output, transition }
  } of entries) {
    transitions.push(transition)
    if (transition._tag === "RunTransition") status = transition.status
    else {
      const known = states.get(transition.module)
      states.set(transition.module, {
        state: evolveModule(known?.state ?? unknown, transition),
        output: output ?? known?.output ?? null
      })
    }
  }
  const modules = Array.from(states, ([module, { output, state }]): ModuleChange => ({
    module,
    status: state.status,
    attempt: state.attempt,
    scheduledAt: state.scheduledAt ?? null,
    startedAt: state.startedAt ?? null,
    finishedAt: state.finishedAt ?? null,
    failure: state.failure === undefined ? null : JSON.stringify(state.failure),
    output
  }))
  return { runId: claim.runId, epoch: claim.epoch, modules, transitions, status }
}

/** How many rows of latest state a batch writes for a run; its other updates were coalesced. */
export const rows = (changes: RunChanges): number => changes.modules.length + (changes.status === undefined ? 0 : 1)
