/**
 * The errors of aggregates.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * An event of an aggregate, or what was kept in its place, cannot be read: nothing is skipped, so its state is not known.
 *
 * - `reason`: `unknownType` (no event of the definition has the type), `newer` (the version is higher than that of the
 *   definition: later code wrote it), `invalid` (an upcaster or the schema refused the payload: see `cause`) or `pruned` (the
 *   event was deleted, and no snapshot after it can be read)
 * - `id`: that of the aggregate, without its name; `sequence`, `type` and `version` are those of the event, type and version
 *   empty and 0 for `pruned`
 *
 * @since 0.1.0
 * @category errors
 */
export class AggregateUnreadable extends Data.TaggedError("AggregateUnreadable")<{
  readonly aggregate: string
  readonly id: string
  readonly sequence: number
  readonly type: string
  readonly version: number
  readonly reason: "unknownType" | "newer" | "invalid" | "pruned"
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message() {
    const what = this.type === "" ? "" : ` (${this.type}, version ${this.version})`
    return `event ${this.sequence}${what} of ${this.aggregate}/${this.id} cannot be read: ${this.detail}`
  }
}

/**
 * A command was decided again and again, and each time others had appended to the aggregate meanwhile: nothing of it was
 * appended. `version` is the one that was there at last, `tries` how often it was decided.
 *
 * @since 0.1.0
 * @category errors
 */
export class AggregateConflict extends Data.TaggedError("AggregateConflict")<{
  readonly aggregate: string
  readonly id: string
  readonly version: number
  readonly tries: number
}> {
  override get message() {
    return (
      `${this.aggregate}/${this.id} has changed each of the ${this.tries} times the command was decided, and has version ` +
      `${this.version} now: try again later, or give \`retry\` more patience`
    )
  }
}
