/**
 * What a deploy would do to a run that is not finished, as the registry knows its flow.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Dag from "../dag/Dag.js"
import { type FlowInvalid, UnknownFlow } from "../model/FlowError.js"
import type { MigrationRefused } from "../model/MigrationError.js"
import { UnknownRun, type StoredValueInvalid } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type { PlanInvalid } from "../plan/Plan.js"
import * as Migration from "../run/Migration.js"
import type { Signals } from "../state/Signals.js"
import { Timeline } from "../state/Timeline.js"
import { FlowRegistry } from "./FlowRegistry.js"

export { resolve, type Decision, type MigrationPlan, type Step } from "../run/Migration.js"

/**
 * `Migration.plan`, with the fingerprints of the modules that the run is of from the registry: a flow with the fingerprint
 * of the run, whatever its status. `UnknownFlow`: none is registered; `from`, the Dag that the run is of, needs none, and
 * says more.
 *
 * @since 0.1.0
 * @category planning
 */
export const plan = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options: { readonly from?: Dag.Any | undefined } = {}
): Effect.Effect<
  Migration.MigrationPlan,
  UnknownRun | UnknownFlow | FlowInvalid | PlanInvalid | MigrationRefused | StoredValueInvalid | StoreError,
  R | FlowRegistry | Timeline | Signals
> =>
  Effect.gen(function* () {
    if (options.from !== undefined) return yield* Migration.plan(dag, runId, { from: options.from })
    const found = yield* Effect.flatMap(Timeline, (timeline) => timeline.get(runId))
    if (Option.isNone(found)) return yield* new UnknownRun({ runId })
    const { dag: name, fingerprint, version } = found.value.snapshot
    const [flow] = yield* Effect.flatMap(FlowRegistry, (registry) => registry.list({ fingerprint }))
    if (flow === undefined) return yield* new UnknownFlow({ name, version })
    return yield* Migration.plan(dag, runId, { from: flow })
  })
