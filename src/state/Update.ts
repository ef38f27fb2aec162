/**
 * What is written: one transition in the name of one driver, or a change of keyed state.
 *
 * @since 0.1.0
 */
import type { RunId } from "../model/RunId.js"
import type { Durability } from "../model/RunPolicy.js"
import type { Transition } from "../model/Transition.js"

/**
 * The right to write for a run: who drives it, with the epoch of that driver. The same object for as long as it drives:
 * once the store has refused one of its writes, the later ones are refused as well, so that for every run the store
 * holds a prefix of what it did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claim {
  readonly runId: RunId
  readonly epoch: number
}

/**
 * When an update is written: `committed` as soon as the writer is free; `fsynced` the same, and its batch is there also
 * after a loss of power; `buffered` when the interval is over or a batch is full, whichever is first.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = Exclude<Durability, "memory">

/**
 * How long a run's `buffered` updates wait, where it is not as long as those of others: until so many of them are queued
 * (`batchSize`), and for `interval` milliseconds at most.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pace {
  readonly batchSize?: number | undefined
  readonly interval?: number | undefined
}

/**
 * One transition of a run to be written. `output` is the JSON text of a completed module's or item's output, null when
 * there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunUpdate {
  readonly claim: Claim
  readonly transition: Transition
  readonly output: string | null
  readonly durability: Level
  readonly pace?: Pace | undefined
}

/**
 * A change of the state under `key`, which belongs to no run: the fields in `set` take these JSON values, those in `clear`
 * are gone, all others stay. A state of which every field is cleared is gone. No field is in both. `durability` is
 * `buffered` when it is left out.
 *
 * A key has one writer at a time: of two processes that write the same field, the later one wins.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateUpdate {
  readonly key: string
  readonly set?: { readonly [field: string]: unknown } | undefined
  readonly clear?: ReadonlyArray<string> | undefined
  readonly durability?: Level | undefined
}
