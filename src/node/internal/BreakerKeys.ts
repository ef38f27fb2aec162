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

interface Resting {
  readonly entry: Entry
  readonly lapsesAt: number
}

/** So many of the resting keys are looked at for each use of a key: more than a use can add. */
const maxLooks = 8

/**
 * - `idle`: closed, without calls; at most `capacity`, the one that was used last comes last
 * - `resting`: not closed, without calls, and not opened by hand; where there are more than `capacity` of these and the
 *   idle ones, those that have lapsed are forgotten. That is when a call could have been let through for `resetAfter`,
 *   and none was, or none that came to an end
 * - `busy`: the others, however many
 *
 * The key that is used is not forgotten.
 */
export class BreakerKeys {
  private readonly idle = new Map<string, Entry>()
  private readonly resting = new Map<string, Resting>()
  private readonly busy = new Map<string, Entry>()
  /** Goes round and round. */
  private looks = this.resting.entries()

  constructor(
    private readonly capacity: number,
    private readonly resetAfter: number
  ) {}

  get size(): number {
    return this.idle.size + this.resting.size + this.busy.size
  }

  peek(key: string): Entry | undefined {
    return this.idle.get(key) ?? this.busy.get(key) ?? this.resting.get(key)?.entry
  }

  use<A>(key: string, now: number, f: (entry: Entry) => A): A {
    const entry = this.peek(key) ?? fresh()
    const result = f(entry)
    this.put(key, entry, now)
    for (const [oldest] of this.idle) {
      if (this.idle.size <= this.capacity) break
      this.idle.delete(oldest)
    }
    this.forgetLapsed(key, now)
    return result
  }

  private put(key: string, entry: Entry, now: number): void {
    this.idle.delete(key)
    this.resting.delete(key)
    const lapsesAt = this.lapseOf(entry, now)
    if (lapsesAt === undefined && !isIdle(entry)) {
      this.busy.set(key, entry)
      return
    }
    this.busy.delete(key)
    if (lapsesAt === undefined) this.idle.set(key, entry)
    else this.resting.set(key, { entry, lapsesAt })
  }

  /** undefined: not by itself. */
  private lapseOf({ inFlight, state, syncing }: Entry, now: number): number | undefined {
    if (inFlight > 0 || syncing || state._tag === "Closed") return undefined
    if (state._tag === "Open") return state.until === null ? undefined : state.until + this.resetAfter
    // probes of other processes
    return state.probes.reduce((latest, { until }) => Math.max(latest, until), now) + this.resetAfter
  }

  private forgetLapsed(used: string, now: number): void {
    for (let n = 0; n < maxLooks && this.idle.size + this.resting.size > this.capacity; n++) {
      const look = this.looks.next()
      if (look.done === true) this.looks = this.resting.entries()
      else if (look.value[0] !== used && look.value[1].lapsesAt <= now) this.resting.delete(look.value[0])
    }
  }
}
