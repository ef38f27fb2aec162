/**
 * The errors of starting, driving and resuming a run. Each names the run, says what to do and keeps its cause.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type { RunId } from "./RunId.js"
import type { RunSnapshot } from "./RunSnapshot.js"
import type { StoreError } from "./StoreError.js"
import type { Failure, RunStatus } from "./Transition.js"

/**
 * One fault in a value: where it is, and what is wrong there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

const faultList = (faults: ReadonlyArray<Fault>) =>
  faults.map(({ message, path }) => `\n- ${path.map(String).join(".")}: ${message}`).join("")

/**
 * The inputs given to a run do not fit the Dag: all faults of all inputs. Nothing has run and nothing was stored.
 *
 * @since 0.1.0
 * @category errors
 */
export class InputInvalid extends Data.TaggedError("InputInvalid")<{
  readonly dag: string
  readonly faults: ReadonlyArray<Fault>
}> {
  override get message() {
    return `the inputs do not fit the Dag "${this.dag}":${faultList(this.faults)}`
  }
}

/**
 * A run with this id exists, with another Dag or other inputs, or it was to be that of a rerun or a fork. Nothing has run; choose
 * another id.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunConflict extends Data.TaggedError("RunConflict")<{
  readonly runId: RunId
  readonly differs: "dag" | "input" | "origin"
}> {
  override get message() {
    const how = { dag: " with another Dag", input: " with other inputs", origin: " and is not this rerun or fork" }
    return `run "${this.runId}" exists${how[this.differs]}: choose another id`
  }
}

/**
 * No run has this id.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownRun extends Data.TaggedError("UnknownRun")<{ readonly runId: RunId }> {
  override get message() {
    return `there is no run "${this.runId}"`
  }
}

/**
 * The run has ended, so there is nothing to resume, to cancel or to signal. `Engine.execute` with its Dag, id and inputs
 * gives its result. (Runs that failed, were cancelled or timed out can be resumed.)
 *
 * @since 0.1.0
 * @category errors
 */
export class RunFinished extends Data.TaggedError("RunFinished")<{
  readonly runId: RunId
  readonly status: Exclude<RunStatus, "running" | "suspended">
}> {
  override get message() {
    return `run "${this.runId}" has ended (${this.status})`
  }
}

/**
 * Another process drives the run. It can be taken over `retryAfter` milliseconds from now, should `owner` have gone
 * without letting go of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunHeld extends Data.TaggedError("RunHeld")<{
  readonly runId: RunId
  readonly owner: string
  readonly retryAfter: number
}> {
  override get message() {
    return `run "${this.runId}" is driven by "${this.owner}": try again in ${this.retryAfter} ms, should that process have died`
  }
}

/**
 * The run was started with another version of the Dag: its fingerprint differs. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class DagChanged extends Data.TaggedError("DagChanged")<{
  readonly runId: RunId
  readonly dag: string
  readonly stored: string
  readonly given: string
}> {
  override get message() {
    return `run "${this.runId}" was started with another Dag than "${this.dag}" is now (${this.stored} is stored, ${this.given} was given): resume it with the Dag it was started with, or start a new run`
  }
}

/**
 * A stored input or output does not decode with the schema of its module, or the stored value of a shared cell with
 * that of the cell, whose path is `module` then. Nothing has run. The stored value of a signal is looked at when the run
 * gets there: it fails its module.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoredValueInvalid extends Data.TaggedError("StoredValueInvalid")<{
  readonly runId: RunId
  readonly module: string
  readonly faults: ReadonlyArray<Fault>
}> {
  override get message() {
    return `what is stored of module "${this.module}" in run "${this.runId}" does not decode:${faultList(this.faults)}`
  }
}

/**
 * A failed module of a run. `cause` is the cause itself, for a run that was driven in this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleFailure {
  readonly module: string
  readonly attempt: number
  readonly failure: Failure
  readonly cause?: Cause.Cause<unknown>
}

/**
 * Modules failed with something other than their own typed error: a defect, a timeout, an output that does not encode,
 * or an error that was stored without a schema. `failures` names every failed module of the run.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunFailed extends Data.TaggedError("RunFailed")<{
  readonly runId: RunId
  readonly failures: ReadonlyArray<ModuleFailure>
  readonly snapshot: RunSnapshot
}> {
  override get message() {
    return `run "${this.runId}" failed:${faultList(
      this.failures.map(({ attempt, failure, module }) => ({
        path: [module],
        message: `${failure.kind} in attempt ${attempt}: ${failure.message}`
      }))
    )}`
  }
}

/**
 * Modules of a child Dag failed with something other than their own typed error. `module` is the path of the module that
 * the child is; `failures` names its modules by their paths.
 *
 * @since 0.1.0
 * @category errors
 */
export class ChildFailed extends Data.TaggedError("ChildFailed")<{
  readonly module: string
  readonly kind: Failure["kind"]
  readonly failures: ReadonlyArray<ModuleFailure>
}> {
  override get message() {
    return `the child Dag "${this.module}" failed:${faultList(
      this.failures.map(({ attempt, failure, module }) => ({
        path: [module],
        message: `${failure.kind} in attempt ${attempt}: ${failure.message}`
      }))
    )}`
  }
}

/**
 * The run was cancelled.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunCancelled extends Data.TaggedError("RunCancelled")<{
  readonly runId: RunId
  readonly snapshot: RunSnapshot
}> {
  override get message() {
    return `run "${this.runId}" was cancelled`
  }
}

/**
 * The run took longer than its `timeout` (milliseconds): what ran was interrupted. `outputs` has those that were
 * completed, by their key, and `snapshot` says which modules were. The run can be resumed, with the same time again.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunTimedOut extends Data.TaggedError("RunTimedOut")<{
  readonly runId: RunId
  readonly millis: number
  readonly outputs: { readonly [key: string]: unknown }
  readonly snapshot: RunSnapshot
}> {
  override get message() {
    return `run "${this.runId}" took longer than ${this.millis} ms`
  }
}

/**
 * A module stopped the run (`Run.stop`) before all its outputs were there. `outputs` has those that were completed, by
 * their key.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunStopped extends Data.TaggedError("RunStopped")<{
  readonly runId: RunId
  readonly outputs: { readonly [key: string]: unknown }
  readonly snapshot: RunSnapshot
}> {
  override get message() {
    return `run "${this.runId}" was stopped by one of its modules`
  }
}

/**
 * All that is left of the run waits for a signal or a time, so nobody drives it: `until` is when it goes on by itself, in
 * milliseconds since the epoch. An engine that owns its Dag (`dags`) carries it on, as does `Engine.resume`.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunSuspended extends Data.TaggedError("RunSuspended")<{
  readonly runId: RunId
  readonly until: number | undefined
  readonly snapshot: RunSnapshot
}> {
  override get message() {
    return `run "${this.runId}" is suspended${this.until === undefined ? "" : ` until ${this.until}`}: it waits for a signal or a time`
  }
}

/**
 * The value does not fit the schema of the signal. Nothing was delivered.
 *
 * @since 0.1.0
 * @category errors
 */
export class SignalInvalid extends Data.TaggedError("SignalInvalid")<{
  readonly runId: RunId
  readonly signal: string
  readonly faults: ReadonlyArray<Fault>
}> {
  override get message() {
    return `the value does not fit the signal "${this.signal}" of run "${this.runId}":${faultList(this.faults)}`
  }
}

/**
 * The Dag of the run has no signal of this path. Nothing was delivered.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownSignal extends Data.TaggedError("UnknownSignal")<{
  readonly runId: RunId
  readonly signal: string
}> {
  override get message() {
    return `run "${this.runId}" has no signal "${this.signal}": a signal inside of a child Dag is named by its path, as in "orders/3/approval"`
  }
}

/**
 * The signal has its value already; this one was not delivered.
 *
 * @since 0.1.0
 * @category errors
 */
export class AlreadyDelivered extends Data.TaggedError("AlreadyDelivered")<{
  readonly runId: RunId
  readonly signal: string
}> {
  override get message() {
    return `the signal "${this.signal}" of run "${this.runId}" was delivered already`
  }
}

/**
 * Nobody waits for the signal any more: its time ran out, or its module was skipped or has failed. The value was not
 * delivered.
 *
 * @since 0.1.0
 * @category errors
 */
export class SignalClosed extends Data.TaggedError("SignalClosed")<{
  readonly runId: RunId
  readonly signal: string
}> {
  override get message() {
    return `run "${this.runId}" does not wait for the signal "${this.signal}" any more`
  }
}

/**
 * The Dag has no such module. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownModule extends Data.TaggedError("UnknownModule")<{
  readonly dag: string
  readonly module: string
}> {
  override get message() {
    return `the Dag "${this.dag}" has no module "${this.module}": name one of its own, not one inside of a child Dag`
  }
}

/**
 * A module takes a permit of a limit that the engine does not have. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownLimit extends Data.TaggedError("UnknownLimit")<{
  readonly dag: string
  readonly module: string
  readonly limit: string
}> {
  override get message() {
    return `module "${this.module}" of the Dag "${this.dag}" is under the limit "${this.limit}", which this engine does not have: name it in the engine's \`limits\``
  }
}

/**
 * Another driver has taken the run over: this one was stopped, and the store refused what it still had to write.
 *
 * @since 0.1.0
 * @category errors
 */
export class RunLost extends Data.TaggedError("RunLost")<{
  readonly runId: RunId
  readonly epoch: number
}> {
  override get message() {
    return `run "${this.runId}" was taken over by another driver (this one had epoch ${this.epoch})`
  }
}

/**
 * What the run did could not be written, so the run was stopped. The store holds a prefix of what it did; once the
 * cause is mended the run can be resumed.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriteFailed extends Data.TaggedError("WriteFailed")<{
  readonly runId: RunId
  readonly cause: StoreError
}> {
  override get message() {
    return `the state of run "${this.runId}" could not be written, so the run was stopped: ${this.cause.message}`
  }
}

/**
 * The writer was closed before this could be written, or its fiber has ended: `cause` says of what.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriterClosed extends Data.TaggedError("WriterClosed")<{
  readonly runId: RunId
  readonly cause?: Cause.Cause<unknown>
}> {
  override get message() {
    return `the state of run "${this.runId}" could not be written: the writer ${
      this.cause === undefined ? "is closed" : "has failed, so the program has to be started again"
    }`
  }
}

/**
 * The writer's queue is full (`capacity` updates), and it was told not to wait for room (`whenFull`). The update was not
 * queued; a run of which this happens is cut off, and can be resumed.
 *
 * @since 0.1.0
 * @category errors
 */
export class WriterFull extends Data.TaggedError("WriterFull")<{
  readonly runId: RunId
  readonly capacity: number
}> {
  override get message() {
    return `the state of run "${this.runId}" could not be written: the writer's queue has no room for more than ${this.capacity} updates`
  }
}
