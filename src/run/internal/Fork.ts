import type * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { isFinal } from "../../model/ModuleStatus.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { Seed } from "../../state/RunLease.js"
import type { Source } from "./Recall.js"
import * as Seeding from "./Seeding.js"

/**
 * What a fork takes over of a run as it was at a transition. As in a resume, what ended for good stays: what completed,
 * and what was skipped for a reason of its own; a module that had not ended, or had failed, and all that this had
 * brought down, has yet to run. Of a map or a child Dag that had not ended, what had ended for good inside of it stays,
 * and its completed items.
 */
export const seed = ({ snapshot, ...source }: Source, at: number): Effect.Effect<Seed, StoreError> => {
  const { modules, seq, shared } = snapshot
  const stateOf = (path: string) => Option.getOrUndefined(HashMap.get(modules, path))
  const isKept = (path: string, state: RunSnapshot.ModuleState) =>
    isFinal(state.status) && !RunSnapshot.isReopened(path, state, stateOf)

  const kept = Array.from(modules).filter(([path, state]) => isKept(path, state))
  const isTaken = new Set(kept.map(([path]) => path))
  const begun = new Map<string, RunSnapshot.ModuleState>()
  const begin = (path: string) => {
    const state = stateOf(path)
    // the index of an item is no module
    if (state === undefined || isTaken.has(path)) return
    const { attempt, items } = state
    begun.set(path, {
      status: "running",
      attempt,
      ...(items === undefined ? undefined : { items: { ...items, failed: 0 } })
    })
  }
  for (const [path] of kept) {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) begin(path.slice(0, end))
  }
  for (const [path, { items }] of modules) if (items !== undefined && items.completed > 0) begin(path)

  return Seeding.make(
    {
      modules: [...begun, ...kept],
      shared,
      isTaken: ({ module, seq: endedAt, status }) => isTaken.has(module) || (endedAt <= seq && status === "completed")
    },
    source,
    at
  )
}
