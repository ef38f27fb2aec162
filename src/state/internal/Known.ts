import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { StoreError } from "../../model/StoreError.js"
import type { RunStore } from "../../store/RunStore.js"
import type { RunUpdate } from "../Update.js"
import { isRun, type Entry, type Patch, type Unit } from "./Entry.js"
import * as Latest from "./Latest.js"
import * as StoredRun from "./StoredRun.js"

/** What is known of the latest state of runs and of keyed states. */
export interface Known {
  readonly accepted: (entry: Entry) => void
  readonly forget: (unit: Unit) => void
  readonly state: (key: string) => Effect.Effect<Option.Option<ReadonlyMap<string, string>>, StoreError>
  readonly run: (runId: RunId) => Effect.Effect<Option.Option<RunSnapshot.RunSnapshot>, StoreError>
}

const isState = (fields: ReadonlyMap<string, string>) => fields.size > 0

const patched = (state: Option.Option<ReadonlyMap<string, string>>, { clear, set }: Patch) => {
  const fields = new Map(Option.getOrElse(state, () => new Map<string, string>()))
  for (const field of clear) fields.delete(field)
  for (const [field, text] of set) fields.set(field, text)
  return Option.liftPredicate(fields, isState)
}

/** `pending`: what is accepted and not settled, in its order. */
export const make = (options: {
  readonly capacity: number
  readonly store: typeof RunStore.Service
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly pending: () => ReadonlyArray<Entry>
  /** Whether anything is written any more. */
  readonly isOpen: () => boolean
  readonly isDrivenHere: (runId: string) => boolean
}): Known => {
  const { capacity, fork, isDrivenHere, isOpen, pending, store } = options

  const states = Latest.make<ReadonlyMap<string, string>, Patch>({
    capacity,
    fork,
    load: (key) => Effect.map(store.state(key), Option.liftPredicate(isState)),
    pending: (key) => pending().flatMap((entry) => (isRun(entry) || entry.unit.key !== key ? [] : [entry.update])),
    evolve: patched,
    isKept: isOpen
  })

  const runs = Latest.make<RunSnapshot.RunSnapshot, RunUpdate>({
    capacity,
    fork,
    // the key of a run is its id
    load: (key) =>
      Effect.map(
        StoredRun.read(store, key as RunId),
        Option.map(({ snapshot }) => snapshot)
      ),
    pending: (key) =>
      pending().flatMap((entry) =>
        isRun(entry) && entry.unit.key === key && entry.unit.refused === undefined ? [entry.update] : []
      ),
    evolve: (run, { transition }) => Option.map(run, (snapshot) => RunSnapshot.evolve(snapshot, transition)),
    // what others drive changes unseen
    isKept: (key) => isOpen() && isDrivenHere(key)
  })

  return {
    accepted: (entry) => {
      if (!isRun(entry)) states.accepted(entry.unit.key, entry.update)
      else if (entry.unit.refused === undefined) runs.accepted(entry.unit.key, entry.update)
    },
    forget: ({ _tag, key }) => (_tag === "Run" ? runs : states).forget(key),
    state: states.get,
    run: runs.get
  }
}
