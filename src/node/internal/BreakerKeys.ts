/** The breakers that a process knows, by key. */
import type * as Deferred from "effect/Deferred"
import * as Breaker from "./Breaker.js"

/** An event that the store is not known to have; `told` is there where a call waits until it has. */
export interface Unwritten {
  readonly event: Breaker.Event
  readonly told: Deferred.Deferred<Breaker.Verdict> | undefined
  /** Whether the store has to be looked at first. */
  readonly looks: boolean
}

/**
 * Changed in place, inside of the Ref that has the keys. Without a store only `base` and `inFlight` change.
 *
 * - `base`: what was last read from the store or written to it, at `version`; `state` is that after `unwritten`
 * - `batch`: so many of `unwritten` are being written now; `conflicts`: so often in a row somebody else was faster
 * - `differs`: the store was away when `base` was changed
 * - `lookedAt`, `awayAt`: when the store was last read, and when it last failed
 */
export interface Entry {
  base: Breaker.State
  state: Breaker.State
  version: number
  unwritten: Array<Unwritten>
  batch: number
  conflicts: number
  differs: boolean
  lookedAt: number | undefined
  awayAt: number | undefined
  syncing: boolean
  inFlight: number
}

const fresh = (): Entry => ({
  base: Breaker.initial,
  state: Breaker.initial,
  version: 0,
  unwritten: [],
  batch: 0,
  conflicts: 0,
  differs: false,
  lookedAt: undefined,
  awayAt: undefined,
  syncing: false,
  inFlight: 0
})

/** Closed, and nobody is at it: what is lost with it is what it has counted. */
const isIdle = ({ base, inFlight, state, syncing }: Entry) =>
  inFlight === 0 && !syncing && state._tag === "Closed" && base._tag === "Closed"

/**
 * At most `capacity` keys, and besides them those that are not idle. Of the idle ones, the one that was used last comes
 * last.
 */
export class BreakerKeys {
  private readonly idle = new Map<string, Entry>()
  private readonly busy = new Map<string, Entry>()

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.idle.size + this.busy.size
  }

  peek(key: string): Entry | undefined {
    return this.idle.get(key) ?? this.busy.get(key)
  }

  use<A>(key: string, f: (entry: Entry) => A): A {
    const entry = this.peek(key) ?? fresh()
    const result = f(entry)
    this.idle.delete(key)
    if (isIdle(entry)) {
      this.busy.delete(key)
      this.idle.set(key, entry)
    } else this.busy.set(key, entry)
    for (const [oldest] of this.idle) {
      if (this.size <= this.capacity) break
      this.idle.delete(oldest)
    }
    return result
  }
}
