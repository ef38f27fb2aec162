/**
 * A run in the hands of a caller.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { FlowRefused } from "../model/FlowError.js"
import type { MigrationRefused } from "../model/MigrationError.js"
import type {
  AlreadyDelivered,
  DagChanged,
  InputInvalid,
  RunCancelled,
  RunConflict,
  RunFailed,
  RunFinished,
  RunHeld,
  RunStopped,
  RunSuspended,
  RunTimedOut,
  SignalClosed,
  SignalInvalid,
  StoredValueInvalid,
  UnknownLimit,
  UnknownModule,
  UnknownRun,
  UnknownSignal
} from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { Transition } from "../model/Transition.js"
import type { UnknownSequence } from "../model/UnknownSequence.js"
import type { PlanInvalid } from "../plan/Plan.js"
import type { WriteError } from "../state/StateWriter.js"

/**
 * Why a run has no outputs, other than by its modules' own errors: how it ended, or that it is suspended.
 *
 * @since 0.1.0
 * @category errors
 */
export type RunError = RunFailed | RunCancelled | RunTimedOut | RunStopped | RunSuspended | WriteError

/**
 * Why a run could not be started. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError =
  PlanInvalid | UnknownLimit | InputInvalid | FlowRefused | RunConflict | RunHeld | StoredValueInvalid | StoreError

/**
 * Why a run could not be submitted. Nothing is stored.
 *
 * @since 0.1.0
 * @category errors
 */
export type SubmitError = PlanInvalid | InputInvalid | FlowRefused | RunConflict | StoreError

/**
 * Why a run could not be resumed. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export type ResumeError =
  PlanInvalid | UnknownLimit | UnknownRun | RunFinished | RunHeld | DagChanged | StoredValueInvalid | StoreError

/**
 * Why a run could not be run again from some of its modules. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export type RerunError =
  | PlanInvalid
  | UnknownLimit
  | UnknownRun
  | UnknownModule
  | FlowRefused
  | RunConflict
  | DagChanged
  | StoredValueInvalid
  | StoreError

/**
 * Why a run could not be forked. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export type ForkError =
  | PlanInvalid
  | UnknownLimit
  | UnknownRun
  | UnknownSequence
  | FlowRefused
  | RunConflict
  | DagChanged
  | StoredValueInvalid
  | StoreError

/**
 * Why a run was not moved to another Dag. Nothing has changed.
 *
 * @since 0.1.0
 * @category errors
 */
export type MigrateError = PlanInvalid | UnknownRun | RunFinished | RunHeld | MigrationRefused | StoreError

/**
 * Why a run could not be cancelled by its id.
 *
 * @since 0.1.0
 * @category errors
 */
export type CancelError =
  PlanInvalid | UnknownLimit | UnknownRun | RunHeld | DagChanged | StoredValueInvalid | StoreError | WriteError

/**
 * Why a signal was not delivered. An engine with other Dags than the run's may deliver to it all the same.
 *
 * @since 0.1.0
 * @category errors
 */
export type SignalError =
  UnknownRun | UnknownSignal | SignalInvalid | AlreadyDelivered | SignalClosed | RunFinished | StoreError

/**
 * A run that was started, by this call or another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handle<out O, out E> {
  readonly id: RunId

  /**
   * The outputs, or why there are none. The modules' own errors keep their type; with several failures (`continue`)
   * the cause holds all of them, in parallel. A run that is suspended ends this with `RunSuspended`, though it goes on
   * later.
   *
   * **Interruption**: of the waiting only; the run goes on. When the run itself is cut off (its engine's scope closes),
   * this is interrupted.
   */
  readonly await: Effect.Effect<O, E | RunError>

  /** The live state: it may be ahead of the store by what is queued. */
  readonly snapshot: Effect.Effect<RunSnapshot>

  /**
   * The run as it is, then every transition that follows, then the end of the stream when the run ends or is cut off. A
   * transition comes after its commit. Folding the stream with `RunSnapshot.evolve` gives the live snapshot. Who falls
   * more than 1,024 transitions behind is given a fresh snapshot in their place: a viewer never holds up a run.
   */
  readonly changes: Stream.Stream<RunSnapshot | Transition>

  /**
   * Cancels the run and waits for its end: running modules are interrupted and their finalizers awaited, everything
   * that has not ended becomes cancelled, except for `always` modules, which run. Harmless when repeated; without effect
   * on a run whose modules have all ended. A run that was suspended meanwhile is cancelled as well.
   * Fails when the cancellation could not be written; of a run that was suspended also as `Engine.cancel` does, as when
   * another process drives it now. It is interrupted when the run is cut off meanwhile: it was not cancelled then, and
   * can be resumed.
   */
  readonly cancel: Effect.Effect<void, CancelError>

  /**
   * Cuts the run off, and waits for that: what is running is interrupted, its finalizers are awaited, what has completed
   * is kept, and the run can be resumed at once. Without effect on a run that this engine does not drive.
   */
  readonly interrupt: Effect.Effect<void>
}
