/**
 * How a run is to be run: what is stored beside its inputs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

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
 * @category schemas
 */
export const Durability = Schema.Literal("memory", "buffered", "committed")

/**
 * @since 0.1.0
 * @category models
 */
export type Durability = typeof Durability.Type

/**
 * - `concurrency`: how many Effect modules, routes and items of maps of the run may be running; what is plain or
 *   waits does not count
 * - `onFailure`: `failFast` interrupts what is running at the first failure; `continue` runs everything that does not
 *   depend on what failed
 * - `timeout`: milliseconds from the start of the run, or from its resumption after it had ended, until it times out;
 *   time in which it is suspended counts
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunPolicy = Schema.Struct({
  concurrency: Schema.Union(Schema.Literal("unbounded"), Schema.Int.pipe(Schema.positive())),
  onFailure: Schema.Literal("failFast", "continue"),
  durability: Durability,
  timeout: Schema.optional(Schema.NonNegative)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunPolicy = typeof RunPolicy.Type
