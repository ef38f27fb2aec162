/**
 * The error of an attempt that took too long.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An attempt of a module took longer than its `timeout` and was interrupted. `millis` is that timeout in milliseconds.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModuleTimedOut extends Schema.TaggedError<ModuleTimedOut>("heddle/model/ModuleTimedOut")(
  "ModuleTimedOut",
  { module: Schema.String, attempt: Schema.Int, millis: Schema.Number }
) {
  override get message() {
    return `module "${this.module}" took longer than ${this.millis} ms in attempt ${this.attempt}`
  }
}
