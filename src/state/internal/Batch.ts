import { evolveModule, type ModuleState } from "../../model/RunSnapshot.js"
import type { Failure, RunTransition, Transition } from "../../model/Transition.js"
import type { ItemRow, ModuleChange, RunChanges } from "../../store/RunStore.js"
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

const failureText = (failure: Failure | undefined): string | null =>
  failure === undefined ? null : JSON.stringify(failure)

/**
 * Folds the transitions of each module into one row, keeps the latest value of each shared cell and all transitions for
 * the history. Throws when a failure holds what JSON cannot.
 */
export const changesOf = ({ claim, entries }: RunEntries<{ readonly update: Update }>): RunChanges => {
  const transitions: Array<Transition> = []
  const states = new Map<string, { readonly state: ModuleState; readonly output: string | null }>()
  const items: Array<ItemRow> = []
  const cells = new Map<string, unknown>()
  let run: RunTransition | undefined
  for (const {
    update: { output, transition }
  } of entries) {
    transitions.push(transition)
    switch (transition._tag) {
      case "ModuleTransition": {
        const known = states.get(transition.module)
        const before = known?.state ?? unknown
        const state = evolveModule(before, transition)
        // one that may not follow changes nothing, as it would in a batch of its own
        if (state !== before) states.set(transition.module, { state, output: output ?? known?.output ?? null })
        break
      }
      case "ItemTransition": {
        const { index, module, seq, status } = transition
        items.push({ module, index, seq, status, output, failure: failureText(transition.failure) })
        break
      }
      case "RunTransition":
        run = transition
    }
    for (const [cell, value] of sharedOf(transition)) cells.set(cell, value)
  }
  const modules = Array.from(states, ([module, { output, state }]): ModuleChange => ({
    module,
    status: state.status,
    attempt: state.attempt,
    scheduledAt: state.scheduledAt ?? null,
    startedAt: state.startedAt ?? null,
    finishedAt: state.finishedAt ?? null,
    failure: failureText(state.failure),
    because: state.because ?? null,
    until: state.until ?? null,
    items: state.items?.total ?? null,
    output
  }))
  return {
    runId: claim.runId,
    epoch: claim.epoch,
    modules,
    items,
    shared: Array.from(cells, ([cell, value]) => ({ cell, value: JSON.stringify(value) })),
    transitions,
    status: run?.status,
    wakeAt: run?.status === "suspended" ? (run.until ?? null) : null
  }
}

const sharedOf = (transition: Transition): ReadonlyArray<readonly [cell: string, value: unknown]> =>
  transition._tag === "RunTransition" || transition.shared === undefined ? [] : Object.entries(transition.shared)

/** How many transitions of a batch left no row of latest state, since later ones wrote the same rows. */
export const coalesced = ({ transitions }: RunChanges): number => {
  const modules = new Map<string, Transition>()
  const cells = new Map<string, Transition>()
  const writers = new Set<Transition>()
  let run: Transition | undefined
  for (const transition of transitions) {
    if (transition._tag === "ModuleTransition") modules.set(transition.module, transition)
    else if (transition._tag === "RunTransition") run = transition
    // an item ends once in a batch
    else if (transition._tag === "ItemTransition") writers.add(transition)
    if (transition._tag === "RunTransition" || transition.shared === undefined) continue
    for (const cell of Object.keys(transition.shared)) cells.set(cell, transition)
  }
  for (const transition of modules.values()) writers.add(transition)
  for (const transition of cells.values()) writers.add(transition)
  if (run !== undefined) writers.add(run)
  return transitions.length - writers.size
}
