import { evolveModule, type ModuleState } from "../../model/RunSnapshot.js"
import type { RunStatus, Transition } from "../../model/Transition.js"
import type { ModuleChange, RunChanges } from "../../store/RunStore.js"
import type { Claim, Update } from "../Update.js"

/** What a batch holds of one driver's run. */
export interface RunEntries<Entry> {
  readonly claim: Claim
  readonly entries: ReadonlyArray<Entry>
}

const unknown: ModuleState = { status: "pending", attempt: 0 }

/** Runs in the order of their first entry, the entries of each in theirs. */
export const byRun = <Entry extends { readonly update: Update }>(
  entries: ReadonlyArray<Entry>
): ReadonlyArray<RunEntries<Entry>> => {
  const runs = new Map<Claim, Array<Entry>>()
  for (const entry of entries) {
    const run = runs.get(entry.update.claim)
    if (run === undefined) runs.set(entry.update.claim, [entry])
    else run.push(entry)
  }
  return Array.from(runs, ([claim, entries]) => ({ claim, entries }))
}

/**
 * Folds the transitions of each module into one row and keeps all of them for the history. Throws when a failure holds
 * what JSON cannot.
 */
export const changesOf = ({ claim, entries }: RunEntries<{ readonly update: Update }>): RunChanges => {
  const transitions: Array<Transition> = []
  const states = new Map<string, { readonly state: ModuleState; readonly output: string | null }>()
  let status: RunStatus | undefined
  for (const {
    update: { output, transition }
  } of entries) {
    transitions.push(transition)
    if (transition._tag === "RunTransition") status = transition.status
    else {
      const known = states.get(transition.module)
      const before = known?.state ?? unknown
      const state = evolveModule(before, transition)
      // one that may not follow changes nothing, as it would in a batch of its own
      if (state !== before) states.set(transition.module, { state, output: output ?? known?.output ?? null })
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
