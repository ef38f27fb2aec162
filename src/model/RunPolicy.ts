/**
 * How a run is to be run: what is stored beside its inputs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * When dependants of a module may start, and so what a crash can lose:
 *
 * - `memory`: when it has finished. Of a run: nothing is stored, and it leaves nothing behind. Of a module of a stored run:
 *   it is written like a `buffered` one, but nobody waits for room in the queue
 * - `buffered`: when its completion is queued; a crash loses at most what was not written yet (the writer's last
 *   interval, unless the store was busy), and those modules run again
 * - `committed`: when the batch with its output is committed; survives a crash of the process
 * - `fsynced`: the same, when the batch is also synced to the disk; survives a loss of power
 *
 * The end of a stored run is committed before it is reported, and synced when the run is `fsynced`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Durability = Schema.Literal("memory", "buffered", "committed", "fsynced")

/**
 * @since 0.1.0
 * @category models
 */
export type Durability = typeof Durability.Type

/**
 * The level of what is to be committed in any case.
 *
 * @since 0.1.0
 * @category combining
 */
export const atLeastCommitted = (durability: Durability): "committed" | "fsynced" =>
  durability === "fsynced" ? "fsynced" : "committed"

/**
 * - `concurrency`: how many Effect modules, routes and items of maps of the run may be running; what is plain or
 *   waits does not count
 * - `onFailure`: `failFast` interrupts what is running at the first failure; `continue` runs everything that does not
 *   depend on what failed
 * - `timeout`: milliseconds from the start of the run, or from its resumption after it had ended, until it times out;
 *   time in which it is suspended counts
 * - `onWriteFailure`: when the store refuses for good what the run did: `failRun` (default) stops the run; `record`: it
 *   goes on, nothing more of it is stored, and what could not be written is in dead letters. Not with `committed` and
 *   `fsynced`
 * - `batchSize`, `interval` (milliseconds): how long the run's `buffered` updates wait, where that is not as the writer
 *   says: until so many of them are queued, and for this time at most
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunPolicy = Schema.Struct({
  concurrency: Schema.Union(Schema.Literal("unbounded"), Schema.Int.pipe(Schema.positive())),
  onFailure: Schema.Literal("failFast", "continue"),
  durability: Durability,
  timeout: Schema.optional(Schema.NonNegative),
  onWriteFailure: Schema.optional(Schema.Literal("failRun", "record")),
  batchSize: Schema.optional(Schema.Int.pipe(Schema.positive())),
  interval: Schema.optional(Schema.NonNegative)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunPolicy = typeof RunPolicy.Type
