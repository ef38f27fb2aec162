/** A store in memory that fails now and then, yields around each commit, and knows what is committed at every moment. */
import { Context, Effect, Layer, Random } from "effect"
import { RunStore, StoreError } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"

type Store = typeof RunStore.RunStore.Service

/** Changed by the store alone. */
export interface Witness {
  readonly store: Store
  /** The numbers of the transitions that are committed, by run. */
  readonly transitions: Map<string, Set<number>>
  /** The modules that are committed as completed, by run. */
  readonly completed: Map<string, Set<string>>
  /** Commits that were answered with success. */
  commits: number
}

export interface Faults {
  /** How likely a commit is not made since the store is busy, or is made and its answer lost. */
  readonly transient: number
  /** How likely a commit with something of the run `poison` is refused for good. */
  readonly permanent: number
  readonly poison: string
}

const error = (reason: StoreError["reason"]) =>
  new StoreError({ reason, location: "here", operation: "commit", message: `it is ${reason}` })

const setOf = <A>(map: Map<string, Set<A>>, key: string) => {
  const known = map.get(key) ?? new Set<A>()
  map.set(key, known)
  return known
}

export const make = ({ permanent, poison, transient }: Faults) =>
  Effect.gen(function* () {
    const store = Context.get(yield* Layer.build(RunStoreMemory.layer()), RunStore.RunStore)
    const witness: Witness = {
      transitions: new Map(),
      completed: new Map(),
      commits: 0,
      store: {
        ...store,
        commit: (batch) =>
          Effect.gen(function* () {
            yield* Effect.yieldNow()
            const chance = yield* Random.next
            if (chance < transient) return yield* error("busy")
            if (batch.runs.some(({ runId }) => runId === poison) && chance > 1 - permanent) return yield* error("full")
            const refused = yield* store.commit(batch)
            for (const changes of batch.runs) {
              if (refused.includes(changes)) continue
              for (const { seq } of changes.transitions) setOf(witness.transitions, changes.runId).add(seq)
              for (const { module, status } of changes.modules) {
                if (status === "completed") setOf(witness.completed, changes.runId).add(module)
              }
            }
            yield* Effect.yieldNow()
            if (chance < 2 * transient) return yield* error("unavailable")
            witness.commits++
            return refused
          })
      }
    }
    return witness
  })
