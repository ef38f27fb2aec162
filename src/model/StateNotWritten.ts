/**
 * The error of keyed state.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A change of keyed state was not written.
 *
 * - `reason`: `invalid` (a field is both set and cleared, or has a value that JSON cannot hold unchanged), `full` (the
 *   writer's queue is, and it was told not to wait for room), `failed` (a permanent error of the store: all changes of
 *   the key that were queued then were dropped, and are in a dead letter) or `closed` (the writer was closed, or its
 *   fiber has ended, before it was written)
 *
 * @since 0.1.0
 * @category errors
 */
export class StateNotWritten extends Data.TaggedError("StateNotWritten")<{
  readonly key: string
  readonly reason: "invalid" | "full" | "failed" | "closed"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message() {
    return `the state "${this.key}" was not written: ${this.detail}`
  }
}
