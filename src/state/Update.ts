/**
 * What is written: one transition, in the name of one driver.
 *
 * @since 0.1.0
 */
import type { RunId } from "../model/RunId.js"
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
 * One transition to be written. `output` is the JSON text of a completed module's or item's output, null when there is none. A
 * `durable` update is written as soon as the writer is free; others may wait for the interval, to share a batch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Update {
  readonly claim: Claim
  readonly transition: Transition
  readonly output: string | null
  readonly durable: boolean
}
