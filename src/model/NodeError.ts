/**
 * The errors that nodes of all kinds have in common. They are schemas, so that the failure of a module can be stored.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What a node was given, or what its implementation gave, does not fit the schema of the node. With `input` nothing has
 * run. `message` has the faults, each with its path.
 *
 * @since 0.1.0
 * @category errors
 */
export class NodeValueInvalid extends Schema.TaggedError<NodeValueInvalid>("heddle/NodeValueInvalid")(
  "NodeValueInvalid",
  { node: Schema.String, value: Schema.Literal("input", "output"), faults: Schema.String }
) {
  override get message() {
    return `the ${this.value} of "${this.node}" does not fit its schema: ${this.faults}`
  }
}

/**
 * An attempt took longer than it may; it was interrupted and its finalizers have run. `timeout` is in milliseconds.
 *
 * @since 0.1.0
 * @category errors
 */
export class NodeTimedOut extends Schema.TaggedError<NodeTimedOut>("heddle/NodeTimedOut")("NodeTimedOut", {
  node: Schema.String,
  timeout: Schema.Number
}) {
  override get message() {
    return `an attempt of "${this.node}" took longer than ${this.timeout} ms and was interrupted`
  }
}

/**
 * The state of a node could not be read or written. What the node was asked has not changed its state, unless the answer
 * to a write was lost and what is there could not be read either: then `faults`, which has what the store said, says
 * so. `cause` is the `StoreError`.
 *
 * @since 0.1.0
 * @category errors
 */
export class NodeStateUnavailable extends Schema.TaggedError<NodeStateUnavailable>("heddle/NodeStateUnavailable")(
  "NodeStateUnavailable",
  { node: Schema.String, key: Schema.String, faults: Schema.String, cause: Schema.optional(Schema.Defect) }
) {
  override get message() {
    return `the state "${this.key}" of "${this.node}" could not be read or written: ${this.faults}`
  }
}
