/**
 * What a module's failure is to others when the module declared no `error` schema.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A module failed. This is what is stored of a failure for which the module declared no `error` schema: its name and
 * the error's message.
 *
 * @since 0.1.0
 * @category errors
 */
export class Failed extends Schema.TaggedError<Failed>("heddle/model/Failed")("Failed", {
  module: Schema.String,
  message: Schema.String
}) {}
