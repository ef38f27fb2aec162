/**
 * An execution of an orchestrator, and what can be seen of it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { DeepReadonly } from "../dag/DeepReadonly.js"
import type * as Module from "../dag/Module.js"
import type { ModuleStatus } from "../model/ModuleStatus.js"
import type { RunId } from "../model/RunId.js"
import type { RunStatus } from "../model/Transition.js"
import type { RunError } from "../run/Handle.js"
import type { OrchestrationFailed } from "./OrchestratorError.js"

/**
 * An execution that was started or resumed, by this call or another.
 *
 * - `await`: its outputs, or why there are none, as `Engine.Handle` has them; `OrchestrationFailed` (`notStarted`) when it
 *   was to be resumed and could not be.
 *
 * **Interruption** of `await`: of the waiting only. When the execution is cut off, `await` is interrupted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Execution<out O, out E> {
  readonly id: RunId
  readonly await: Effect.Effect<O, E | RunError | OrchestrationFailed>
}

/**
 * A live execution. `waiting`: it has not begun, since there is no place for it; `since`: when it began to wait or to run,
 * in milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Active {
  readonly id: RunId
  readonly status: "waiting" | "running"
  readonly since: number
}

type Listed = Exclude<ModuleStatus, "scheduled">

/**
 * How far an execution is: each step of its Dag, by name, is in exactly one of the lists, in the order of the Dag. Once the
 * execution has ended that is one of `completed`, `failed`, `skipped` and `cancelled`. Run inputs are no steps.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress extends Readonly<Record<Listed, ReadonlyArray<string>>> {
  readonly id: RunId
  readonly status: RunStatus
}

/**
 * What the completed steps of an execution gave, as it was when it was asked for.
 *
 * - `get`: what this module gave; none when it has not completed. A module that is no step of the Dag is a defect
 * - `values`: the same by name
 *
 * @since 0.1.0
 * @category models
 */
export interface StepValues {
  readonly get: <M extends Module.Any>(module: M) => Option.Option<DeepReadonly<M[Module.TypeId]["A"]>>
  readonly values: { readonly [step: string]: unknown }
}
