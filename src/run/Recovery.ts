/**
 * What a look for runs that have no driver came to.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type { RunId } from "../model/RunId.js"

/**
 * - `recovered`: the runs that go on, driven by this engine
 * - `quarantined`: those that were found to have lost too many drivers without any progress, and are left alone from now
 *   on
 * - `failed`: those that could not be driven on, and why: their store failed, or what is stored does not decode
 *
 * @since 0.1.0
 * @category models
 */
export interface Recovery {
  readonly recovered: ReadonlyArray<RunId>
  readonly quarantined: ReadonlyArray<RunId>
  readonly failed: ReadonlyArray<{ readonly runId: RunId; readonly cause: Cause.Cause<unknown> }>
}
