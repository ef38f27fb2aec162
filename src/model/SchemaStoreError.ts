/**
 * The errors of a `SchemaStore`, beside those of the store below it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * What is stored cannot be read, and was put aside: it is kept as it was, and nobody is given a part of it. It stays so
 * until `restore`, `discard`, `set` or `delete`.
 *
 * - `reason`: why it could not be read; `cause` is there for who found that out: a `ParseError` or a `SyntaxError`
 * - `version`: that of its schema; null when its text does not say
 * - `at`: when it was put aside, in milliseconds since the epoch
 *
 * @since 0.1.0
 * @category errors
 */
export class StateQuarantined extends Data.TaggedError("StateQuarantined")<{
  readonly store: string
  readonly key: string
  readonly version: number | null
  readonly reason: string
  readonly at: number
  readonly cause?: unknown
}> {
  override get message() {
    return (
      `the value of "${this.key}" in "${this.store}" could not be read and is quarantined: ${this.reason}; ` +
      "look at it with `quarantined`, then `restore`, `discard` or `set` it"
    )
  }
}

/**
 * A later release has written what is stored, which was left as it is. `version` is that of its schema, null when only
 * that release can tell; `known` is the highest that this release knows.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateNewer extends Data.TaggedError("StateNewer")<{
  readonly store: string
  readonly key: string
  readonly version: number | null
  readonly known: number
}> {
  override get message() {
    return (
      `the value of "${this.key}" in "${this.store}" has a later version than ${this.known}, which this release knows: ` +
      "it was left as it is; use the release that wrote it"
    )
  }
}

/**
 * The value that was to be stored does not fit the schema, or is nothing that JSON can hold. Nothing has changed.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateInvalid extends Data.TaggedError("StateInvalid")<{
  readonly store: string
  readonly key: string
  readonly faults: string
  readonly cause: unknown
}> {
  override get message() {
    return `the new value of "${this.key}" in "${this.store}" does not fit its schema: ${this.faults}`
  }
}

/**
 * Each time that a value was to be modified, somebody else had changed it before; as often as the schedule says. Nothing
 * has changed by this call.
 *
 * @since 0.1.0
 * @category errors
 */
export class StateContended extends Data.TaggedError("StateContended")<{
  readonly store: string
  readonly key: string
}> {
  override get message() {
    return `others keep changing "${this.key}" in "${this.store}": modify it less often, or give a longer schedule`
  }
}
