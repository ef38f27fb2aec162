import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Option from "effect/Option"
import type { StoreError } from "../../model/StoreError.js"

/** What is known of a key, or what came while it was being read. */
type Known<V, U> =
  | { readonly _tag: "Known"; value: Option.Option<V> }
  | {
      readonly _tag: "Loading"
      readonly updates: Array<U>
      readonly loaded: Deferred.Deferred<Option.Option<V> | "again", StoreError>
    }

/** The latest state of keys that somebody asked for: what is stored, with what is accepted and not yet written. */
export interface Latest<V, U> {
  /** One read for all who ask for a key that is not known. */
  readonly get: (key: string) => Effect.Effect<Option.Option<V>, StoreError>
  /** An update was accepted. */
  readonly accepted: (key: string, update: U) => void
  /** What was accepted of the key may never be stored, or it is not looked at any more. */
  readonly forget: (key: string) => void
}

/**
 * Knows at most `capacity` keys: those that were asked for last. `pending` gives what is accepted of a key and not yet
 * written, in its order; `evolve` must give the same when it meets an update again that the value already has. What
 * `isKept` refuses is read each time.
 */
export const make = <V, U>(options: {
  readonly capacity: number
  readonly load: (key: string) => Effect.Effect<Option.Option<V>, StoreError>
  readonly pending: (key: string) => ReadonlyArray<U>
  readonly evolve: (value: Option.Option<V>, update: U) => Option.Option<V>
  readonly isKept: (key: string) => boolean
  readonly fork: (effect: Effect.Effect<void>) => void
}): Latest<V, U> => {
  const known = new Map<string, Known<V, U>>()

  /** What is being read stays: somebody waits for it. */
  const evict = () => {
    if (known.size <= options.capacity) return
    for (const [oldest, { _tag }] of known) {
      if (_tag === "Known") known.delete(oldest)
      if (known.size <= options.capacity) return
    }
  }

  const load = (key: string): Effect.Effect<Option.Option<V>, StoreError> => {
    const loading: Known<V, U> = {
      _tag: "Loading",
      updates: [...options.pending(key)],
      loaded: Deferred.unsafeMake(FiberId.none)
    }
    known.set(key, loading)
    evict()
    const read = Effect.suspend(() => options.load(key)).pipe(
      Effect.map((stored) => {
        if (known.get(key) !== loading) return "again" as const
        const value = loading.updates.reduce(options.evolve, stored)
        known.delete(key)
        if (options.isKept(key)) known.set(key, { _tag: "Known", value })
        evict()
        return value
      }),
      Effect.tapErrorCause(() => Effect.sync(() => known.get(key) === loading && known.delete(key)))
    )
    // in a fiber of its own: whoever asked first may be interrupted, and others wait
    options.fork(Effect.asVoid(Deferred.complete(loading.loaded, read)))
    return awaited(key, loading)
  }

  const awaited = (key: string, { loaded }: Extract<Known<V, U>, { _tag: "Loading" }>) =>
    Effect.flatMap(Deferred.await(loaded), (value) => (value === "again" ? get(key) : Effect.succeed(value)))

  const get = (key: string): Effect.Effect<Option.Option<V>, StoreError> =>
    Effect.suspend(() => {
      const entry = known.get(key)
      if (entry === undefined) return load(key)
      if (entry._tag === "Loading") return awaited(key, entry)
      known.delete(key)
      if (!options.isKept(key)) return load(key)
      known.set(key, entry)
      return Effect.succeed(entry.value)
    })

  return {
    get,
    accepted: (key, update) => {
      if (known.size === 0) return
      const entry = known.get(key)
      if (entry === undefined) return
      if (entry._tag === "Loading") entry.updates.push(update)
      else entry.value = options.evolve(entry.value, update)
    },
    forget: (key) => void known.delete(key)
  }
}
