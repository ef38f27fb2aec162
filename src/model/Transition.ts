/**
 * One change of status: the unit that is persisted, published and folded.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ModuleStatus } from "./ModuleStatus.js"

/**
 * The status of a run. `running` also covers a run that nobody drives at the moment: the heartbeat tells.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunStatus = Schema.Literal("running", "completed", "failed", "cancelled")

/**
 * @since 0.1.0
 * @category models
 */
export type RunStatus = typeof RunStatus.Type

/**
 * What is kept of a module's failure.
 *
 * - `kind`: `error` (the module's own), `defect`, `timeout`, `output` (did not encode) or `interrupted` (by itself)
 * - `error`: the error encoded with the module's `error` schema, where it declared one and the error fits it
 * - `message`: for people; `cause`: the rendered cause chain with stack traces
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failure = Schema.Struct({
  kind: Schema.Literal("error", "defect", "timeout", "output", "interrupted"),
  message: Schema.String,
  cause: Schema.String,
  error: Schema.optional(Schema.Unknown)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Failure = typeof Failure.Type

/**
 * A module took a status. `seq` numbers the transitions of a run from 1 without gaps, also across resumes; `at` is in
 * milliseconds since the epoch; `attempt` counts from 1 and is 0 for a module that never started.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ModuleTransition = Schema.TaggedStruct("ModuleTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  module: Schema.String,
  status: ModuleStatus,
  attempt: Schema.Int,
  failure: Schema.optional(Failure)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ModuleTransition = typeof ModuleTransition.Type

/**
 * The run took a status. `epoch` counts its drivers: 1 for the first, one more for each resume.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunTransition = Schema.TaggedStruct("RunTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  status: RunStatus,
  epoch: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunTransition = typeof RunTransition.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Transition = Schema.Union(ModuleTransition, RunTransition)

/**
 * @since 0.1.0
 * @category models
 */
export type Transition = typeof Transition.Type
