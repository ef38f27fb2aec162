/**
 * What the service of an orchestrator does.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { NodeValueInvalid } from "../model/NodeError.js"
import type { DagChanged, StoredValueInvalid, UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type * as Engine from "../run/Engine.js"
import type { Active, Execution, Progress, StepValues } from "./Execution.js"
import type { NotActive, OrchestrationFailed, OrchestratorFull } from "./OrchestratorError.js"

/**
 * - `concurrency`: how many executions run at once: a whole number of at least 1, or `unbounded`; any other is a defect
 *   of the layer. One that is suspended does not count. A step that starts an execution of its own orchestrator holds its
 *   place meanwhile: when all places are held so, nothing goes on
 * - `whenFull`: whether a caller waits for a place, first come, first served, or is refused (`OrchestratorFull`)
 * - `maxWaiting`: how many callers may wait; any more are refused
 * - `poll`: how long it takes at most until `process` sees that an execution which is suspended, or which another process
 *   drives, goes on or has ended: longer than zero, and finite; any other is a defect of the layer
 * - `run`: how executions are run where their caller does not say otherwise
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly concurrency: number | "unbounded"
  readonly whenFull: "wait" | "fail"
  readonly maxWaiting: number
  readonly poll: Duration.DurationInput
  readonly run: Omit<Engine.RunOptions, "runId">
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  concurrency: "unbounded",
  whenFull: "wait",
  maxWaiting: 1000,
  poll: "1 second",
  run: {}
}

/**
 * Why an execution did not begin.
 *
 * @since 0.1.0
 * @category errors
 */
export type StartError = Engine.StartError | NodeValueInvalid | OrchestratorFull

/**
 * Why nothing is known of an execution: `UnknownRun` also where the id is that of a run of another Dag.
 *
 * @since 0.1.0
 * @category errors
 */
export type LookError = UnknownRun | DagChanged | StoreError

/**
 * Why what an execution gave cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export type ReadError = LookError | StoredValueInvalid

/**
 * Runs a Dag. Executions are runs of the engine: their ids are run ids, and their state is that of their runs, so that
 * they are found again after a restart. `O`, `I` and `E` are the outputs, inputs and errors of the Dag.
 *
 * @since 0.1.0
 * @category services
 */
export interface Orchestrator<out O, in I, out E> {
  /**
   * The outputs of an execution, from its begin to its end, also while it is suspended or another process drives it
   * meanwhile. `runId`: a random one when it is left out.
   *
   * Inside of a module of a run it is a child of that: its id is `OrchestratorNode.childId` when it is left out, so that
   * each attempt of the module finds the same execution, carries it on where it was cut off or failed, and begins no
   * second one.
   *
   * Fails with the steps' own errors, `NodeValueInvalid` and `OrchestratorFull` (nothing has run), and
   * `OrchestrationFailed` for every other end.
   *
   * **Interruption**: an execution that this call began is cut off; what has completed is kept, and it can be resumed. A
   * child is cut off when its parent is; when its parent is cancelled, fails or times out, and when the module itself
   * interrupts the call, it is cancelled. Who waits for a place gives it up.
   */
  readonly process: (
    input: I,
    options?: { readonly runId?: RunId }
  ) => Effect.Effect<O, E | OrchestrationFailed | OrchestratorFull | NodeValueInvalid>

  /**
   * Begins an execution, once there is a place for it, and does not wait for its end. With an id that exists, as for
   * `Engine.start`: live, it is that execution; ended, its stored result; cut off, it goes on.
   *
   * **Interruption**: nothing has begun; or it goes on, when another call waits for the same id.
   */
  readonly start: (input: I, options?: Engine.RunOptions) => Effect.Effect<Execution<O, E>, StartError>

  /**
   * Carries on an execution that was cut off, is due, or has ended without its outputs, as `Engine.resume` does. It fails
   * when there is no such execution or no place; any other reason why it does not go on is in `await`.
   *
   * **Interruption**: as for `start`.
   */
  readonly resume: (
    id: RunId,
    options?: Omit<Engine.RunOptions, "runId">
  ) => Effect.Effect<Execution<O, E>, ReadError | NodeValueInvalid | OrchestratorFull>

  /**
   * The outputs of an execution, or why there are none: of one that is live here once it has ended, of any other what is
   * stored. `NotActive`: it has not ended, and is not live here.
   *
   * **Interruption**: of the waiting only. It is interrupted when the execution is cut off.
   */
  readonly await: (id: RunId) => Effect.Effect<O, E | Engine.RunError | OrchestrationFailed | NotActive | ReadError>

  /** What is live in this orchestrator, longest first: what it has started or resumed and what waits for a place. */
  readonly active: Effect.Effect<ReadonlyArray<Active>>

  /** The same, now and each time that it changes. Who is slow misses what was between, never the last. */
  readonly changes: Stream.Stream<ReadonlyArray<Active>>

  /**
   * How far an execution is, by step: live when this engine drives it, which may be ahead of the store by what is queued;
   * otherwise as it is stored.
   */
  readonly progress: (id: RunId) => Effect.Effect<Progress, LookError>

  /**
   * What the completed steps of an execution gave, as it is committed, whoever drives it. It is decoded anew for each
   * call and frozen: plain records and arrays at every depth. What a pure step without an output schema gives is computed
   * again, and stays as its function gives it. Of an execution with the durability `memory` nothing is stored:
   * `UnknownRun`.
   */
  readonly context: (id: RunId) => Effect.Effect<StepValues, ReadError>

  /**
   * Cancels an execution and waits for its end, as `Engine.cancel` does, whoever began it. One that waits for a place has
   * no run yet: `UnknownRun`.
   *
   * **Interruption**: of the waiting only.
   */
  readonly cancel: (id: RunId) => Effect.Effect<void, Engine.CancelError>
}
