/**
 * The errors of orchestrators. They are schemas, so that the failure of a module can be stored.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import { RunId } from "../model/RunId.js"

/**
 * What became of an execution that has no outputs, other than by its steps' own errors.
 *
 * - `failed`: steps failed with something else than an error of their own, such as a defect
 * - `cancelled`, `timedOut`, `stopped`: so it ended
 * - `notWritten`: what it did could not be written; it can be resumed
 * - `notStarted`: it could not be begun or carried on, and nothing has run
 *
 * @since 0.1.0
 * @category schemas
 */
export const FailureReason = Schema.Literal("failed", "cancelled", "timedOut", "stopped", "notWritten", "notStarted")

/**
 * @since 0.1.0
 * @category models
 */
export type FailureReason = typeof FailureReason.Type

/**
 * An execution has no outputs, for another reason than an error of its steps. `cause` is the error of the engine, such as
 * `RunFailed`, with the snapshot of the run; of a stored failure it has name and message.
 *
 * @since 0.1.0
 * @category errors
 */
export class OrchestrationFailed extends Schema.TaggedError<OrchestrationFailed>("heddle/OrchestrationFailed")(
  "OrchestrationFailed",
  { node: Schema.String, runId: RunId, reason: FailureReason, faults: Schema.String, cause: Schema.Defect }
) {
  override get message() {
    return `an execution of "${this.node}" gave nothing (${this.reason}): ${this.faults}`
  }
}

/**
 * The orchestrator runs as many executions as it may (`concurrency`), and as many callers as may wait for a place do.
 * Nothing has run: try again later.
 *
 * @since 0.1.0
 * @category errors
 */
export class OrchestratorFull extends Schema.TaggedError<OrchestratorFull>("heddle/OrchestratorFull")(
  "OrchestratorFull",
  { node: Schema.String, runId: RunId, concurrency: Schema.Number, waiting: Schema.Int }
) {
  override get message() {
    return `"${this.node}" did not begin "${this.runId}": ${this.concurrency} executions run and ${this.waiting} callers wait, so try again later`
  }
}

/**
 * The execution has not ended, and this orchestrator does not drive it: it was cut off, or another engine or process
 * does. `resume` carries it on, `Engine.watch` waits for whoever does.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotActive extends Data.TaggedError("NotActive")<{ readonly node: string; readonly runId: RunId }> {
  override get message() {
    return `"${this.node}" does not drive "${this.runId}", which has not ended: resume it, or watch it`
  }
}
