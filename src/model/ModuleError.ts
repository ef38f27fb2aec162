/**
 * What the engine itself fails a module with. Each names the module by its path.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An attempt of a module that runs at most once was cut off: whether it took effect is not known, so it isn't made again.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModuleCutOff extends Schema.TaggedError<ModuleCutOff>("heddle/model/ModuleCutOff")("ModuleCutOff", {
  module: Schema.String,
  attempt: Schema.Int
}) {
  override get message() {
    return `attempt ${this.attempt} of module "${this.module}" was cut off, and it runs at most once: find out whether it took effect`
  }
}

/**
 * A route chose what is not one of its branches, and it has no default.
 *
 * @since 0.1.0
 * @category errors
 */
export class RouteUnmatched extends Schema.TaggedError<RouteUnmatched>("heddle/model/RouteUnmatched")(
  "RouteUnmatched",
  { module: Schema.String, chosen: Schema.String, branches: Schema.Array(Schema.String) }
) {
  override get message() {
    return `route "${this.module}" chose ${this.chosen}, which is none of its branches (${this.branches.join(", ")}): add the branch or a default`
  }
}

/**
 * A map has more items than the engine's `maxItems`. None of them has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooManyItems extends Schema.TaggedError<TooManyItems>("heddle/model/TooManyItems")("TooManyItems", {
  module: Schema.String,
  max: Schema.Int
}) {
  override get message() {
    return `map "${this.module}" has more than ${this.max} items: give it fewer, or raise the engine's maxItems`
  }
}

/**
 * A map that is resumed has another number of items than before: what `over` gives must follow from what it needs.
 *
 * @since 0.1.0
 * @category errors
 */
export class ItemsChanged extends Schema.TaggedError<ItemsChanged>("heddle/model/ItemsChanged")("ItemsChanged", {
  module: Schema.String,
  before: Schema.Int,
  now: Schema.Int
}) {
  override get message() {
    return `map "${this.module}" had ${this.before} items and has ${this.now} now that it is resumed: its \`over\` must give the same list for the same needs`
  }
}

/**
 * A duration that a module computed is negative or not a number.
 *
 * @since 0.1.0
 * @category errors
 */
export class DurationInvalid extends Schema.TaggedError<DurationInvalid>("heddle/model/DurationInvalid")(
  "DurationInvalid",
  { module: Schema.String, duration: Schema.String }
) {
  override get message() {
    return `the duration of "${this.module}" is ${this.duration}: give one that is not negative`
  }
}

/**
 * What a module may call (`Run.emit` and the like) was called after its attempt had ended: nothing was done.
 *
 * @since 0.1.0
 * @category errors
 */
export class ModuleEnded extends Schema.TaggedError<ModuleEnded>("heddle/model/ModuleEnded")("ModuleEnded", {
  module: Schema.String,
  attempt: Schema.Int
}) {
  override get message() {
    return `attempt ${this.attempt} of module "${this.module}" has ended: what it forked must not outlive it`
  }
}
