/**
 * What becomes of a run that is moved to another version of its Dag.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Dag from "../dag/Dag.js"
import { DecisionRefused, type MigrationRefused } from "../model/MigrationError.js"
import type { StoredValueInvalid, UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type { PlanInvalid } from "../plan/Plan.js"
import { Signals } from "../state/Signals.js"
import { Timeline } from "../state/Timeline.js"
import * as Evidence from "./internal/Evidence.js"
import * as Steps from "./internal/Steps.js"

export { DecisionRefused, MigrationRefused } from "../model/MigrationError.js"

/**
 * How a conflict is decided: what is stored counts, or it is forgotten and runs again.
 *
 * @since 0.1.0
 * @category models
 */
export type Decision = Steps.Decision

/**
 * What becomes of a part of a run.
 *
 * - `path`: of a module, also inside of child Dags and items of maps where something is stored of it, or of a shared cell
 * - `reuse`: what is stored stays: it ended for good, or waits and goes on waiting
 * - `run`: it has not begun
 * - `runAgain`: it began and did not complete, or it is to be run again by a decision
 * - `conflict`: it completed, or an attempt that may be made only once began, and it is another module now, or needs one
 *   that is; or what is stored does not decode. `decisions`: how that can be decided, none where it can't, as for what is
 *   inside of a child Dag or a map: that goes with it
 * - `orphan`: it is stored and is not in the new Dag
 * - `because`: why, for people
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Steps.Step

/**
 * What a migration would do. A value: it can be looked at, kept, and compared.
 *
 * - `seq`: the number of the run's latest transition when it was made
 * - `from`, `to`: the fingerprints of the Dags; `evidence` is what the steps follow from
 *
 * @since 0.1.0
 * @category models
 */
export interface MigrationPlan {
  readonly runId: RunId
  readonly dag: string
  readonly seq: number
  readonly from: string
  readonly to: string
  readonly steps: ReadonlyArray<Step>
  readonly decisions: { readonly [path: string]: Decision }
  readonly evidence: Evidence.Evidence
}

/**
 * The Dag that a run is of: itself, or what is registered of it, the fingerprints of its modules by path.
 *
 * Of a module whose fingerprint alone is known it is not known whether it was made at most once: where it is another one
 * now and had begun, that is a conflict.
 *
 * @since 0.1.0
 * @category models
 */
export type Origin = Dag.Any | { readonly fingerprint: string; readonly modules: { readonly [path: string]: string } }

/**
 * What moving a run to this Dag would do, from what is stored: nothing is changed, and no driver is needed. It says the
 * same of a run that has ended, which can't be moved.
 *
 * Modules are compared by their fingerprints, along what they need: one that is the same, and needs only what is the same,
 * is reused. A fingerprint sees neither the functions of a module nor what they call: give its `version` another value
 * when its function changes. A child Dag, or a map of one, is the same only as a whole.
 *
 * Fails with `UnknownRun`, `PlanInvalid`, `MigrationRefused` (the Dag has another name, or `from` is not the run's), or a
 * `StoreError`.
 *
 * @example
 * ```ts
 * import { Dag, Module, RunId } from "heddle"
 * import * as Migration from "heddle/run/Migration"
 * import { Effect, Schema } from "effect"
 *
 * const make = (version: number) =>
 *   Dag.make("mail", {
 *     outputs: { send: Module.make("send", { version, output: Schema.Void, run: () => Effect.log("sending") }) }
 *   })
 * const [Before, Now] = [make(1), make(2)]
 *
 * const conflicts = Effect.map(Migration.plan(Now, RunId.make("mail-7"), { from: Before }), ({ steps }) =>
 *   steps.filter(({ action }) => action === "conflict")
 * )
 * ```
 *
 * @since 0.1.0
 * @category planning
 */
export const plan = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options: { readonly from: Origin }
): Effect.Effect<
  MigrationPlan,
  UnknownRun | PlanInvalid | MigrationRefused | StoredValueInvalid | StoreError,
  R | Timeline | Signals
> =>
  // erasure: what decoding requires is what the Dag does
  Effect.gen(function* () {
    const timeline = yield* Timeline
    const signals = yield* Signals
    const evidence = yield* Evidence.gather({ timeline, signals }, dag, runId, options.from)
    return planOf(evidence, {})
  }) as Effect.Effect<
    MigrationPlan,
    UnknownRun | PlanInvalid | MigrationRefused | StoredValueInvalid | StoreError,
    R | Timeline | Signals
  >

const planOf = (evidence: Evidence.Evidence, decisions: MigrationPlan["decisions"]): MigrationPlan => {
  const { dag, from, runId, seq, to } = evidence
  return {
    runId,
    dag,
    seq,
    from,
    to: to.fingerprint,
    steps: Steps.make(evidence, decisions).steps,
    decisions,
    evidence
  }
}

/**
 * Decides conflicts: the plan as it is with these decisions, and those that it had. What is decided by one decision may
 * end other conflicts, as where what a module needs is kept. `DecisionRefused`: it may not be decided so.
 *
 * @example
 * ```ts
 * import * as Migration from "heddle/run/Migration"
 *
 * const decide = (plan: Migration.MigrationPlan) => Migration.resolve(plan, { charge: "keep", mail: "runAgain" })
 * ```
 *
 * @since 0.1.0
 * @category planning
 */
export const resolve = (
  plan: MigrationPlan,
  decisions: { readonly [path: string]: Decision }
): Either.Either<MigrationPlan, DecisionRefused> => {
  const { runId, steps } = plan
  const stepOf = new Map(steps.map((step) => [step.path, step]))
  for (const [path, decision] of Object.entries(decisions)) {
    const allowed = stepOf.get(path)?.decisions ?? []
    if (!allowed.includes(decision)) return Either.left(new DecisionRefused({ runId, path, decision, allowed }))
  }
  return Either.right(planOf(plan.evidence, { ...plan.decisions, ...decisions }))
}
