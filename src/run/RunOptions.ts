/**
 * What a caller may say about a run.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Module from "../dag/Module.js"
import type { RunId } from "../model/RunId.js"
import type { RunPolicy } from "../model/RunPolicy.js"

/**
 * The policy of a run is stored with it: a resume goes on with it, except where its own options say otherwise.
 *
 * - `runId`: a random one when it is left out
 * - `force`: begins it though the engine's `FlowAdmission` would refuse its Dag; default false. Not stored
 * - `concurrency`: default `unbounded`; `onFailure`: default `failFast`; `durability`: default that of the engine. A run
 *   that is stored stays so: resumed with `memory`, it is `buffered`. A `memory` run knows nothing of the store: it does
 *   not find a stored run of the same id, and it waits where it is instead of being suspended
 * - `timeout`: of the whole run, from its start; default none
 * - `onWriteFailure`: default `failRun`; with `record` the durability must be `buffered` or `memory`, any other is a defect
 * - `batchSize`, `interval`: of the run's `buffered` updates; default those of the writer
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions extends Partial<Omit<RunPolicy, "timeout" | "interval">> {
  readonly runId?: RunId
  readonly force?: boolean
  readonly timeout?: Duration.DurationInput
  readonly interval?: Duration.DurationInput
}

/**
 * - `from`: the modules to run again, with all that depends on them; they are modules of the Dag itself
 *
 * @since 0.1.0
 * @category options
 */
export interface RerunOptions extends RunOptions {
  readonly from: readonly [Module.Any, ...ReadonlyArray<Module.Any>]
}

/**
 * - `at`: the number of the transition of the stored run after which the new one begins; 0 for its beginning
 *
 * @since 0.1.0
 * @category options
 */
export interface ForkOptions extends RunOptions {
  readonly at: number
}
