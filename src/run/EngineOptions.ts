/**
 * What an engine may be told.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Dag from "../dag/Dag.js"
import type { Durability } from "../model/RunPolicy.js"
import type { Policy } from "../state/Retention.js"

/**
 * Which runs that have ended are kept; the others are deleted when the engine begins, and then each time that `every` (1
 * hour) has passed. Policies that no store can have, and an `every` of no time, are defects of the layer.
 *
 * @since 0.1.0
 * @category options
 */
export interface RetentionOptions extends Policy {
  readonly every?: Duration.DurationInput | undefined
}

/**
 * - `durability`: of runs that do not say otherwise
 * - `dags`: the Dags that this engine owns, several versions of one name among them: it drives their suspended runs on
 *   when they are due, takes over those that were cut off, and takes up those that were submitted
 * - `maxRuns`: how many runs it drives at once that it took up by itself: a whole number of at least 1, or `Infinity` (the
 *   default); any other is a defect of the layer. One that is full leaves the others to the engines of other processes, or
 *   for when one of its own ends or is suspended. Runs that were started, resumed or recovered by hand do not count
 * - `recover`: whether it takes over those that were cut off by itself. If not, they are left alone until
 *   `Engine.recover` is called; those that were submitted, and suspended ones that are due, are driven all the same
 * - `maxRecoveries`: how often a run is taken over without any progress: a whole number of at least 0; any other is a
 *   defect of the layer. Once it has lost more drivers than that, or more could not drive it, it is quarantined: left
 *   alone until somebody resumes it
 * - `retention`: which runs that have ended are kept; all of them when it is undefined
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
  readonly maxRuns: number
  readonly recover: boolean
  readonly maxRecoveries: number
  readonly retention: RetentionOptions | undefined
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
  maxRuns: Infinity,
  recover: true,
  maxRecoveries: 5,
  retention: undefined,
  poll: "1 second",
  limits: {},
  maxItems: 100_000,
  alwaysDecode: false
}
