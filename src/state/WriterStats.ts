/**
 * What a writer has done so far, and what it has yet to do.
 *
 * @since 0.1.0
 */

/**
 * Numbers of updates: `queued` were accepted; of these `processed` are committed, `failed` never will be, `depth` are in
 * the queue, and `inFlight` are in the batch that is being written. In every state
 * `queued = processed + failed + depth + inFlight`.
 *
 * `coalesced`: those of the processed that left no row of latest state, since a later one in their batch wrote the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  readonly queued: number
  readonly processed: number
  readonly failed: number
  readonly depth: number
  readonly inFlight: number
  readonly coalesced: number
}

/**
 * The counts of all updates, and
 *
 * - `waiting`: updates that wait for room in the queue, and so are not queued
 * - `batches`: transactions that were committed; `retries`: those that were tried again, since the store was busy or away
 * - `oldestAge`: for how many milliseconds the oldest update has been in the queue or in flight; 0 when there is none
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats extends Counts {
  readonly waiting: number
  readonly batches: number
  readonly retries: number
  readonly oldestAge: number
}

/**
 * What a writer could not write before it was closed: how many updates, by the id of the run or the key of the state (one entry where these are the same).
 * Those that were in flight may have been written all the same.
 *
 * @since 0.1.0
 * @category models
 */
export interface CloseReport {
  readonly unwritten: ReadonlyMap<string, number>
}
