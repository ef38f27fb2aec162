/**
 * What an engine may be told.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Dag from "../dag/Dag.js"
import type { Durability } from "../model/RunPolicy.js"

/**
 * - `durability`: of runs that do not say otherwise
 * - `dags`: the Dags that this engine owns, several versions of one name among them: it drives their suspended runs on
 *   when they are due, and takes over those that were cut off
 * - `poll`: how long it takes at most until a signal from another process, or a run that another process left, is seen
 * - `limits`: how many modules under the named limit this engine runs at once, whichever run they belong to: a whole
 *   number of at least 1; any other is a defect of the layer
 * - `maxItems`: the most items that a map may have; a number of the same kind
 * - `alwaysDecode`: for tests: every value that is stored passes through its encoding before a dependant sees it, so
 *   that what would differ after a resume differs at once. The inputs of a child Dag are not stored
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<out D extends ReadonlyArray<Dag.Any> = readonly []> {
  readonly durability: Durability
  readonly dags: D
  readonly poll: Duration.DurationInput
  readonly limits: { readonly [name: string]: number }
  readonly maxItems: number
  readonly alwaysDecode: boolean
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  durability: "committed",
  dags: [],
  poll: "1 second",
  limits: {},
  maxItems: 100_000,
  alwaysDecode: false
}
