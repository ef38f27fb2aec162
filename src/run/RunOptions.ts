/**
 * What a caller may say about a run.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { RunId } from "../model/RunId.js"
import type { RunPolicy } from "../model/RunPolicy.js"

/**
 * The policy of a run is stored with it: a resume goes on with it, except where its own options say otherwise.
 *
 * - `runId`: a random one when it is left out
 * - `concurrency`: default `unbounded`; `onFailure`: default `failFast`; `durability`: default that of the engine. A run
 *   that is stored stays so: resumed with `memory`, it is `buffered`. A `memory` run knows nothing of the store: it does
 *   not find a stored run of the same id, and it waits where it is instead of being suspended
 * - `timeout`: of the whole run, from its start; default none
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions extends Partial<Omit<RunPolicy, "timeout">> {
  readonly runId?: RunId
  readonly timeout?: Duration.DurationInput
}
