/**
 * Why a function could not be run in a worker thread, or not to its end. They are schemas, so that the failure of a
 * module can be stored.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const fields = { url: Schema.String, export: Schema.String, detail: Schema.String }

/**
 * The worker ended before it answered: the function, or what an earlier one left behind in the same worker, ended the
 * process of the worker, ran out of memory or threw where nobody catches it. Another worker takes its place.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkerCrashed extends Schema.TaggedError<WorkerCrashed>("heddle/WorkerCrashed")("WorkerCrashed", {
  ...fields,
  cause: Schema.optional(Schema.Defect)
}) {
  override get message() {
    return `the worker of "${this.export}" of ${this.url} crashed: ${this.detail}`
  }
}

/**
 * There is no such function: the URL is not absolute, the module could not be loaded, or it exports no function of that
 * name. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkerFunctionMissing extends Schema.TaggedError<WorkerFunctionMissing>("heddle/WorkerFunctionMissing")(
  "WorkerFunctionMissing",
  fields
) {
  override get message() {
    return `there is no function "${this.export}" of ${this.url}: ${this.detail}`
  }
}

/**
 * The function threw, its promise was rejected, or what it gave is not JSON. `thrown` is the JSON text of what was thrown,
 * where it has one; `stack` where it was thrown.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkerFunctionThrew extends Schema.TaggedError<WorkerFunctionThrew>("heddle/WorkerFunctionThrew")(
  "WorkerFunctionThrew",
  { ...fields, thrown: Schema.optional(Schema.String), stack: Schema.optional(Schema.String) }
) {
  override get message() {
    return `"${this.export}" of ${this.url} threw: ${this.detail}`
  }
}

/**
 * As many calls as the executor lets wait were waiting for a worker. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkersBusy extends Schema.TaggedError<WorkersBusy>("heddle/WorkersBusy")("WorkersBusy", {
  url: Schema.String,
  export: Schema.String,
  waiting: Schema.Int
}) {
  override get message() {
    return `"${this.export}" of ${this.url} was refused: ${this.waiting} calls wait for a worker already`
  }
}

/**
 * @since 0.1.0
 * @category errors
 */
export const WorkerError = Schema.Union(WorkerCrashed, WorkerFunctionMissing, WorkerFunctionThrew, WorkersBusy)

/**
 * @since 0.1.0
 * @category errors
 */
export type WorkerError = typeof WorkerError.Type
