/**
 * One change of status: the unit that is persisted, published and folded.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ModuleStatus } from "./ModuleStatus.js"

/**
 * The status of a run. `running` also covers a run that nobody drives at the moment: the heartbeat tells. `suspended`:
 * all that is left of it waits for a signal or a time, and nobody drives it. The others are final; a run that `failed`,
 * was `cancelled` or `timedOut` can be resumed from what is unfinished, one that `completed` or was `stopped` can't.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunStatus = Schema.Literal(
  "running",
  "suspended",
  "completed",
  "failed",
  "cancelled",
  "timedOut",
  "stopped"
)

/**
 * @since 0.1.0
 * @category models
 */
export type RunStatus = typeof RunStatus.Type

/**
 * What is kept of a module's failure.
 *
 * - `kind`: `error` (the module's own), `defect`, `timeout`, `output` (it, or a shared cell, did not encode), `interrupted`
 *   (by itself), `cutOff` (an attempt that is made at most once did not end) or `refused` (it asked for what the engine
 *   does not do: a branch that is not one, too many items, a negative duration, inputs that do not fit a child)
 * - `error`: the error encoded with the module's `error` schema, where it declared one and the error fits it
 * - `message`: for people; `cause`: the rendered cause chain with stack traces
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failure = Schema.Struct({
  kind: Schema.Literal("error", "defect", "timeout", "output", "interrupted", "cutOff", "refused"),
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
 * Why a module was skipped or cancelled that would have run otherwise: because of another one's failure (`failure`), or
 * because the run was stopped (`stop`). One that was skipped for its own failure, or with a branch that was not taken, has
 * no such reason, and neither has one that was cancelled with its run.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SkipReason = Schema.Literal("failure", "stop")

/**
 * @since 0.1.0
 * @category models
 */
export type SkipReason = typeof SkipReason.Type

/**
 * Shared cells and the values that they took, as JSON values, by the path of the cell: the path of the child Dag that
 * declares it, if any, the name of its group and its own.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SharedValues = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * @since 0.1.0
 * @category models
 */
export type SharedValues = typeof SharedValues.Type

/**
 * A module took a status. `seq` numbers the transitions of a run from 1 without gaps, also across resumes; `at` is in
 * milliseconds since the epoch; `attempt` counts from 1 and is 0 for a module that never started.
 *
 * - `module`: its path: its name, after the names of the modules and the indices of the items that it is inside of, as in
 *   `orders/3/charge`
 * - `because`: of a module that is `skipped` or `cancelled`: why
 * - `until`: of a module that is `suspended`: when it goes on by itself, in milliseconds since the epoch
 * - `items`: of a map that is `running`: over how many items
 * - `shared`: the shared cells that took a value as it completed
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
  failure: Schema.optional(Failure),
  because: Schema.optional(SkipReason),
  until: Schema.optional(Schema.Number),
  items: Schema.optional(Schema.Int),
  shared: Schema.optional(SharedValues)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ModuleTransition = typeof ModuleTransition.Type

/**
 * An item of a map ended; `index` counts from 0.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ItemTransition = Schema.TaggedStruct("ItemTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  module: Schema.String,
  index: Schema.Int,
  status: Schema.Literal("completed", "failed"),
  failure: Schema.optional(Failure),
  shared: Schema.optional(SharedValues)
})

/**
 * @since 0.1.0
 * @category models
 */
export type ItemTransition = typeof ItemTransition.Type

/**
 * Live cells took a value, apart from any completion.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SharedTransition = Schema.TaggedStruct("SharedTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  shared: SharedValues
})

/**
 * @since 0.1.0
 * @category models
 */
export type SharedTransition = typeof SharedTransition.Type

/**
 * The run took a status. `epoch` counts its drivers: 1 for the first, one more for each resume. `until`, of a run that is
 * `suspended`: when it goes on by itself, in milliseconds since the epoch. A run that had ended and is `running` again
 * was resumed: its modules that failed or were cancelled, and those that were skipped for it, are `pending` again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RunTransition = Schema.TaggedStruct("RunTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  status: RunStatus,
  epoch: Schema.Int,
  until: Schema.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export type RunTransition = typeof RunTransition.Type

/**
 * The run is one of another Dag from here on; nobody drove it. One that was suspended still is, and is due at `at`.
 *
 * - `fingerprint`, `version`, `total`: of the Dag that it is of now
 * - `removed`: the modules of the former Dag itself that are there no more, with all that is inside of them
 * - `reset`: those that are `pending` again: the number of their attempts goes on, their items, and all that is inside of
 *   them, are forgotten
 * - `cells`: the paths of the shared cells that have their first value again, or are there no more
 *
 * @since 0.1.0
 * @category schemas
 */
export const DagTransition = Schema.TaggedStruct("DagTransition", {
  seq: Schema.Int,
  at: Schema.Number,
  epoch: Schema.Int,
  fingerprint: Schema.String,
  version: Schema.optional(Schema.String),
  total: Schema.Int,
  removed: Schema.Array(Schema.String),
  reset: Schema.Array(Schema.String),
  cells: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type DagTransition = typeof DagTransition.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Transition = Schema.Union(ModuleTransition, ItemTransition, SharedTransition, RunTransition, DagTransition)

/**
 * @since 0.1.0
 * @category models
 */
export type Transition = typeof Transition.Type

/**
 * Whether a run of this status has ended.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEnded = (status: RunStatus): status is Exclude<RunStatus, "running" | "suspended"> =>
  status !== "running" && status !== "suspended"

/**
 * Whether a run that has ended so can be resumed.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isResumable = (status: RunStatus): boolean =>
  status === "failed" || status === "cancelled" || status === "timedOut"
