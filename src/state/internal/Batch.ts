import { evolveModule, type ModuleState } from "../../model/RunSnapshot.js"
import type { Failure, RunTransition, Transition } from "../../model/Transition.js"
import type { Batch, ItemRow, ModuleChange, RunChanges, StateChange } from "../../store/RunStore.js"
import type { Claim, RunUpdate } from "../Update.js"
import { isRun, type Entry, type Patch, type Unit } from "./Entry.js"

const unknown: ModuleState = { status: "pending", attempt: 0 }

/** What a batch holds of one unit. */
export interface Part {
  readonly unit: Unit
  readonly entries: ReadonlyArray<Entry>
}

/** Units in the order of their first entry, the entries of each in theirs. */
export const byUnit = (entries: ReadonlyArray<Entry>): ReadonlyArray<Part> => {
  const parts = new Map<Unit, Array<Entry>>()
  for (const entry of entries) {
    const part = parts.get(entry.unit)
    if (part === undefined) parts.set(entry.unit, [entry])
    else part.push(entry)
  }
  return Array.from(parts, ([unit, entries]) => ({ unit, entries }))
}

const failureText = (failure: Failure | undefined): string | null =>
  failure === undefined ? null : JSON.stringify(failure)

/**
 * Folds the transitions of each module into one row, keeps the latest value of each shared cell and all transitions for
 * the history. Throws when a failure holds what JSON cannot.
 */
const changesOf = (claim: Claim, updates: ReadonlyArray<RunUpdate>): RunChanges => {
  const transitions: Array<Transition> = []
  const states = new Map<string, { readonly state: ModuleState; readonly output: string | null }>()
  const items: Array<ItemRow> = []
  const cells = new Map<string, unknown>()
  let run: RunTransition | undefined
  for (const { output, transition } of updates) {
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
  !("shared" in transition) || transition.shared === undefined ? [] : Object.entries(transition.shared)

/** Merges the changes of one key: of each field the last one counts. */
const patchOf = (key: string, patches: ReadonlyArray<Patch>): StateChange => {
  const set = new Map<string, string>()
  const clear = new Set<string>()
  for (const patch of patches) {
    for (const [field, value] of patch.set) {
      set.set(field, value)
      clear.delete(field)
    }
    for (const field of patch.clear) {
      clear.add(field)
      set.delete(field)
    }
  }
  return { key, set, clear }
}

/** What is to be committed; `changes` has those of the parts that are runs. */
export const make = (parts: ReadonlyArray<Part>) => {
  const runs: Array<RunChanges> = []
  const states: Array<StateChange> = []
  const changes = new Map<Part, RunChanges>()
  let synced = false
  for (const part of parts) {
    const { entries, unit } = part
    synced ||= entries.some(({ update }) => update.durability === "fsynced")
    if (unit._tag === "Run") {
      const change = changesOf(
        unit.claim,
        entries.filter(isRun).map(({ update }) => update)
      )
      runs.push(change)
      changes.set(part, change)
    } else
      states.push(
        patchOf(
          unit.key,
          entries.flatMap((entry) => (isRun(entry) ? [] : [entry.update]))
        )
      )
  }
  const batch: Batch = { runs, states, synced }
  return { batch, changes }
}

/** How many updates of a part left no row of latest state, since later ones wrote the same rows. */
export const coalescedOf = (part: Part, changes: RunChanges | undefined): number =>
  changes === undefined ? coalescedPatches(part.entries) : coalesced(changes)

const coalescedPatches = (entries: ReadonlyArray<Entry>): number => {
  const fields = new Map<string, Entry>()
  for (const entry of entries) {
    if (isRun(entry)) continue
    for (const field of entry.update.set.keys()) fields.set(field, entry)
    for (const field of entry.update.clear) fields.set(field, entry)
  }
  return entries.length - new Set(fields.values()).size
}

/** How many transitions of a batch left no row of latest state, since later ones wrote the same rows. */
const coalesced = ({ transitions }: RunChanges): number => {
  const modules = new Map<string, Transition>()
  const cells = new Map<string, Transition>()
  const writers = new Set<Transition>()
  let run: Transition | undefined
  for (const transition of transitions) {
    if (transition._tag === "ModuleTransition") modules.set(transition.module, transition)
    else if (transition._tag === "RunTransition") run = transition
    // an item ends once in a batch
    else if (transition._tag === "ItemTransition") writers.add(transition)
    if (!("shared" in transition) || transition.shared === undefined) continue
    for (const cell of Object.keys(transition.shared)) cells.set(cell, transition)
  }
  for (const transition of modules.values()) writers.add(transition)
  for (const transition of cells.values()) writers.add(transition)
  if (run !== undefined) writers.add(run)
  return transitions.length - writers.size
}
