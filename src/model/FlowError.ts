/**
 * The errors of registering, changing and running flows. Each names the flow and says what to do; whenever one is given,
 * nothing has changed.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { FlowStatus } from "./Flow.js"

const named = (name: string, version: string | undefined) =>
  version === undefined ? `the flow "${name}"` : `the flow "${name}" ${version}`

/**
 * What a registry was given is not what a flow can have: all faults, each with the path of its field. `name` is empty where
 * it was not given for one flow.
 *
 * @since 0.1.0
 * @category errors
 */
export class FlowInvalid extends Data.TaggedError("FlowInvalid")<{
  readonly name: string
  readonly faults: ReadonlyArray<{ readonly path: string; readonly message: string }>
}> {
  override get message() {
    const faults = this.faults.map(({ message, path }) => `\n- ${path}: ${message}`).join("")
    return `${this.name === "" ? "what the registry was given" : named(this.name, undefined)} is invalid:${faults}`
  }
}

/**
 * There is no such flow, or no such version of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownFlow extends Data.TaggedError("UnknownFlow")<{
  readonly name: string
  readonly version: string | undefined
}> {
  override get message() {
    return `${named(this.name, this.version)} is not registered`
  }
}

/**
 * This version is registered with something else: register what is different under another version. `differs`: which of
 * its modules and tools.
 *
 * @since 0.1.0
 * @category errors
 */
export class FlowDiffers extends Data.TaggedError("FlowDiffers")<{
  readonly name: string
  readonly version: string
  readonly differs: ReadonlyArray<string>
}> {
  override get message() {
    const what = this.differs.length === 0 ? "" : ` (${this.differs.join(", ")})`
    return `${named(this.name, this.version)} is registered with another definition${what}: choose another version`
  }
}

/**
 * The flow is not at the revision that the change was made for: look at what it is now, and decide again.
 *
 * @since 0.1.0
 * @category errors
 */
export class FlowConflict extends Data.TaggedError("FlowConflict")<{
  readonly name: string
  readonly version: string
  readonly expected: number
  readonly actual: number
}> {
  override get message() {
    return (
      `${named(this.name, this.version)} has the revision ${this.actual}, and the change was made for ${this.expected}: ` +
      "get it again and decide anew"
    )
  }
}

/**
 * The lifecycle does not let this status follow that one (`Flow.allowed`), or there is drift that nobody has accepted:
 * `drift` has the tools.
 *
 * @since 0.1.0
 * @category errors
 */
export class StatusNotAllowed extends Data.TaggedError("StatusNotAllowed")<{
  readonly name: string
  readonly version: string
  readonly from: FlowStatus
  readonly to: FlowStatus
  readonly drift: ReadonlyArray<string>
}> {
  override get message() {
    const why =
      this.drift.length === 0
        ? `it is ${this.from}, which "${this.to}" may not follow`
        : `accept its drift first (${this.drift.join(", ")})`
    return `${named(this.name, this.version)} cannot be ${this.to}: ${why}`
  }
}

/**
 * The flow has no such tools.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTool extends Data.TaggedError("UnknownTool")<{
  readonly name: string
  readonly version: string
  readonly tools: ReadonlyArray<string>
}> {
  override get message() {
    return `${named(this.name, this.version)} has no tool ${this.tools.map((tool) => `"${tool}"`).join(", ")}`
  }
}

/**
 * The registry does not let an engine begin a run of this Dag: no flow with its fingerprint is active. `flows`: those that
 * there are. Register or activate it, or run it with `force`.
 *
 * @since 0.1.0
 * @category errors
 */
export class FlowRefused extends Data.TaggedError("FlowRefused")<{
  readonly dag: string
  readonly fingerprint: string
  readonly flows: ReadonlyArray<{ readonly version: string; readonly status: FlowStatus }>
}> {
  override get message() {
    const why =
      this.flows.length === 0
        ? `no flow with the fingerprint ${this.fingerprint} is registered`
        : this.flows
            .map(({ status, version }) => `${version} ${status === "disabled" ? "is disabled" : "needs review"}`)
            .join(", ")
    return `the Dag "${this.dag}" may not be run: ${why}`
  }
}
