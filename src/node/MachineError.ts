/**
 * What machines and their instances fail with.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"

/**
 * An event was not accepted, and nothing has changed.
 *
 * - `reason`: `terminal`: its state is left by nothing; `noTransition`: its state has none for the event; `guards`: all
 *   of them are guarded and refused, see `guards`; `contextInvalid`, `intentInvalid`: what the actions gave does not fit
 *   its schema, see `faults`
 * - `guards`: the names of those that refused, in the order in which they were asked
 *
 * @since 0.1.0
 * @category errors
 */
export class TransitionRefused extends Schema.TaggedError<TransitionRefused>("heddle/TransitionRefused")(
  "TransitionRefused",
  {
    machine: Schema.String,
    key: Schema.String,
    state: Schema.String,
    event: Schema.String,
    reason: Schema.Literal("terminal", "noTransition", "guards", "contextInvalid", "intentInvalid"),
    guards: Schema.Array(Schema.String),
    faults: Schema.String
  }
) {
  override get message() {
    const where = `"${this.event}" is refused by "${this.key}" of "${this.machine}" in state "${this.state}": `
    switch (this.reason) {
      case "terminal":
        return `${where}the state is terminal`
      case "noTransition":
        return `${where}the state has no transition for it`
      case "guards":
        return `${where}refused by ${this.guards.join(", ")}`
      case "contextInvalid":
        return `${where}the next context does not fit its schema: ${this.faults}`
      case "intentInvalid":
        return `${where}an intent does not fit its schema: ${this.faults}`
    }
  }
}

/**
 * A guard or an action threw, or a guard gave no boolean. Nothing has changed. `name` is that of the guard, or of the
 * action where it has one.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransitionFailed extends Schema.TaggedError<TransitionFailed>("heddle/TransitionFailed")(
  "TransitionFailed",
  {
    machine: Schema.String,
    key: Schema.String,
    state: Schema.String,
    event: Schema.String,
    part: Schema.Literal("guard", "action"),
    name: Schema.String,
    faults: Schema.String,
    cause: Schema.optional(Schema.Defect)
  }
) {
  override get message() {
    return `"${this.event}" failed for "${this.key}" of "${this.machine}" in state "${this.state}": ${this.part} ${this.name}: ${this.faults}`
  }
}

/**
 * A snapshot was not restored, and nothing has changed.
 *
 * - `reason`: `invalid`: it is none of this machine; `faults` says why. `older`: the instance that is there has taken as
 *   many transitions or more, and would issue ids of intents twice
 *
 * @since 0.1.0
 * @category errors
 */
export class SnapshotRefused extends Schema.TaggedError<SnapshotRefused>("heddle/SnapshotRefused")("SnapshotRefused", {
  machine: Schema.String,
  key: Schema.String,
  reason: Schema.Literal("invalid", "older"),
  faults: Schema.String
}) {
  override get message() {
    return `the snapshot of "${this.key}" of "${this.machine}" is refused: ${this.faults}`
  }
}

/**
 * One thing that is wrong with the definition of a machine.
 *
 * @since 0.1.0
 * @category models
 */
export type MachineFault = Data.TaggedEnum<{
  /** A name is empty, reserved or has characters that cannot be stored. */
  InvalidName: { readonly path: Path; readonly name: string; readonly reason: string }
  /** A machine without states does nothing. */
  NoStates: { readonly path: Path }
  /** The state in which instances begin is not named. */
  MissingInitial: { readonly path: Path }
  UnknownState: { readonly path: Path; readonly state: string }
  UnknownEvent: { readonly path: Path; readonly event: string }
  /** No way leads to it from the initial state. */
  UnreachableState: { readonly path: Path; readonly state: string }
  /** There is one with the same state, event and guard at `first`. */
  DuplicateTransition: { readonly path: Path; readonly first: Path }
  /** One without guard, at `by`, is always taken before it. */
  ShadowedTransition: { readonly path: Path; readonly by: Path }
  /** Nothing leaves a terminal state. */
  EdgeOutOfTerminal: { readonly path: Path; readonly state: string }
  /** A value that an option cannot have. */
  InvalidOption: { readonly path: Path; readonly value: unknown; readonly reason: string }
  /** What an instance would begin with cannot be made: see `message`. */
  InvalidInitial: { readonly path: Path; readonly message: string }
}>

/**
 * Where in a definition: keys of objects and indices of lists.
 *
 * @since 0.1.0
 * @category models
 */
export type Path = ReadonlyArray<string | number>

/**
 * Constructors, and `$match` and `$is`.
 *
 * @since 0.1.0
 * @category models
 */
export const MachineFault = Data.taggedEnum<MachineFault>()

const at = (path: Path): string => path.join(".")

/**
 * What is wrong, and what to do about it, in one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const message: (fault: MachineFault) => string = MachineFault.$match({
  InvalidName: ({ name, path, reason }) => `${at(path)}: the name ${JSON.stringify(name)} ${reason}`,
  NoStates: ({ path }) => `${at(path)}: there are no states: give at least one`,
  MissingInitial: ({ path }) => `${at(path)}: name the state in which instances begin`,
  UnknownState: ({ path, state }) => `${at(path)}: there is no state ${JSON.stringify(state)}`,
  UnknownEvent: ({ event, path }) => `${at(path)}: there is no event ${JSON.stringify(event)}`,
  UnreachableState: ({ path, state }) =>
    `${at(path)}: nothing leads to state ${JSON.stringify(state)}: add a transition to it, or remove it`,
  DuplicateTransition: ({ first, path }) =>
    `${at(path)}: ${at(first)} has the same state, event and guard: remove one, or guard them differently`,
  ShadowedTransition: ({ by, path }) =>
    `${at(path)}: it is never taken, because ${at(by)} comes before it and has no guard: guard that one, or raise the priority of this one`,
  EdgeOutOfTerminal: ({ path, state }) =>
    `${at(path)}: state ${JSON.stringify(state)} is terminal, and nothing leaves it`,
  InvalidOption: ({ path, reason, value }) => `${at(path)}: ${String(value)} ${reason}`,
  InvalidInitial: ({ message, path }) => `${at(path)}: ${message}`
})

/**
 * A definition that is not sound, with everything that is wrong with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineInvalid extends Data.TaggedError("MachineInvalid")<{
  readonly machine: string
  readonly faults: Arr.NonEmptyReadonlyArray<MachineFault>
}> {
  override get message() {
    return `the machine "${this.machine}" is not sound:${this.faults.map((fault) => `\n- ${message(fault)}`).join("")}`
  }
}
