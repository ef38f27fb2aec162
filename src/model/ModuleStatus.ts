/**
 * The statuses of a module, and the one table of their order.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * - `pending`: its needs are not all settled; the status of a module without any transition
 * - `scheduled`: ready, waits for a permit of the concurrency limit
 * - `running`: an attempt is under way
 * - `suspended`: waits: for a signal or a time, without a fiber, or for the delay before its next attempt
 * - `completed`, `failed`, `skipped`, `cancelled`: final
 *
 * @since 0.1.0
 * @category schemas
 */
export const ModuleStatus = Schema.Literal(
  "pending",
  "scheduled",
  "running",
  "suspended",
  "completed",
  "failed",
  "skipped",
  "cancelled"
)

/**
 * @since 0.1.0
 * @category models
 */
export type ModuleStatus = typeof ModuleStatus.Type

const rank: { readonly [S in ModuleStatus]: number } = {
  pending: 0,
  scheduled: 1,
  running: 2,
  suspended: 3,
  completed: 4,
  failed: 4,
  skipped: 4,
  cancelled: 4
}

/**
 * Whether a module in this status has ended: of these statuses a module takes exactly one in a run.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFinal = (status: ModuleStatus): boolean => rank[status] === 4

/**
 * Whether `next` may follow `previous`: nothing follows a final status, a later attempt follows an earlier one, and
 * within one attempt the order is scheduled, running, suspended, final.
 *
 * @since 0.1.0
 * @category predicates
 */
export const canFollow = (
  previous: { readonly status: ModuleStatus; readonly attempt: number },
  next: { readonly status: ModuleStatus; readonly attempt: number }
): boolean =>
  !isFinal(previous.status) &&
  (next.attempt > previous.attempt || (next.attempt === previous.attempt && rank[next.status] > rank[previous.status]))
