/**
 * How a module that was needed ended, other than by completing or failing: what an `always` module is given in its place.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The module did not run: its branch was not taken, or something that it needs did not complete.
 *
 * @since 0.1.0
 * @category errors
 */
export class Skipped extends Schema.TaggedError<Skipped>("heddle/model/Skipped")("Skipped", { module: Schema.String }) {
  override get message() {
    return `module "${this.module}" was skipped`
  }
}

/**
 * The run was ended before the module was.
 *
 * @since 0.1.0
 * @category errors
 */
export class Cancelled extends Schema.TaggedError<Cancelled>("heddle/model/Cancelled")("Cancelled", {
  module: Schema.String
}) {
  override get message() {
    return `module "${this.module}" was cancelled`
  }
}
