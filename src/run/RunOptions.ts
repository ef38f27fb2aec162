/**
 * How a run is to be run.
 *
 * @since 0.1.0
 */
import type { RunId } from "../model/RunId.js"

/**
 * When dependants of a module may start, and so what a crash can lose:
 *
 * - `memory`: when it has finished; nothing is stored, and a run leaves nothing behind
 * - `buffered`: when its completion is queued; a crash loses at most the writer's last interval, and those modules run
 *   again
 * - `committed`: when the batch with its output is committed; survives a crash of the process
 *
 * The end of a `buffered` or `committed` run is committed before it is reported.
 *
 * @since 0.1.0
 * @category models
 */
export type Durability = "memory" | "buffered" | "committed"

/**
 * - `runId`: a random one when it is left out
 * - `concurrency`: how many Effect modules of the run may be running; pure modules do not count. Default: unbounded
 * - `onFailure`: `failFast` (default) interrupts what is running at the first failure; `continue` runs everything that
 *   does not depend on what failed
 * - `durability`: default: that of the engine
 *
 * @since 0.1.0
 * @category models
 */
export interface RunOptions {
  readonly runId?: RunId
  readonly concurrency?: number | "unbounded"
  readonly onFailure?: "failFast" | "continue"
  readonly durability?: Durability
}
