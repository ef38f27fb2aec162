/**
 * What the modules of a stored run gave, for those who look at it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Dag from "../dag/Dag.js"
import { DagChanged, UnknownRun, type StoredValueInvalid } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import * as RunSnapshot from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import * as Plan from "../plan/Plan.js"
import { Timeline, type StoredRun } from "../state/Timeline.js"
import type { RunError } from "./Handle.js"
import * as Inputs from "./internal/Inputs.js"
import * as Recall from "./internal/Recall.js"
import * as Results from "./internal/Results.js"

/**
 * Why what a run gave cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export type ReadError = Plan.PlanInvalid | UnknownRun | DagChanged | StoredValueInvalid | StoreError

interface Found {
  readonly plan: Plan.Plan
  readonly run: StoredRun
}

/** A run of another Dag is one that this Dag does not have. */
const find = (
  dag: Dag.Any,
  runId: RunId
): Effect.Effect<Found, Plan.PlanInvalid | UnknownRun | DagChanged | StoreError, Timeline> =>
  Effect.gen(function* () {
    const plan = yield* Plan.make(dag)
    const stored = yield* (yield* Timeline).get(runId)
    if (Option.isNone(stored) || stored.value.snapshot.dag !== plan.dag) return yield* new UnknownRun({ runId })
    const { fingerprint } = stored.value.snapshot
    if (fingerprint !== plan.fingerprint) {
      return yield* new DagChanged({ runId, dag: plan.dag, stored: fingerprint, given: plan.fingerprint })
    }
    return { plan, run: stored.value }
  })

const recall = ({ plan, run: { input, snapshot } }: Found, everything: boolean) =>
  Effect.gen(function* () {
    const timeline = yield* Timeline
    return yield* Recall.make(
      plan,
      yield* Inputs.decode(plan, snapshot.runId, input),
      {
        snapshot,
        outputs: (modules) => timeline.outputs(snapshot.runId, modules),
        items: (modules) => timeline.items(snapshot.runId, modules)
      },
      everything
    )
  })

/**
 * The inputs of a run.
 *
 * @example
 * ```ts
 * import { Dag, Module, RunId } from "heddle"
 * import * as StoredResult from "heddle/run/StoredResult"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const program = Effect.map(StoredResult.input(Doubling, RunId.make("double-21")), ({ n }) => n)
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const input = <O, I, E, R>(dag: Dag.Dag<O, I, E, R>, runId: RunId): Effect.Effect<I, ReadError, Timeline | R> =>
  Effect.gen(function* () {
    const { plan, run } = yield* find(dag, runId)
    const values = yield* Inputs.decode(plan, runId, run.input)
    return Object.fromEntries(Array.from(values, ([index, value]) => [plan.modules[index]!.name, value]))
    // the types of a Dag are in its type alone
  }) as Effect.Effect<I, ReadError, Timeline | R>

/**
 * What the completed modules of a run gave, by name: those of the Dag itself, without its run inputs. It is what is
 * committed, whoever drives the run and whether it has ended; each call decodes it anew. A pure module without an output
 * schema is computed again.
 *
 * @example
 * ```ts
 * import { Dag, Module, RunId } from "heddle"
 * import * as StoredResult from "heddle/run/StoredResult"
 * import { Effect, Schema } from "effect"
 *
 * const one = Module.pure("one", { output: Schema.Int, run: () => 1 })
 * const Ones = Dag.make("ones", { outputs: { one } })
 *
 * const program = Effect.map(StoredResult.values(Ones, RunId.make("ones-7")), (values) => values.get("one"))
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const values = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId
): Effect.Effect<ReadonlyMap<string, unknown>, ReadError, Timeline | R> =>
  Effect.gen(function* () {
    const found = yield* find(dag, runId)
    const recalled = yield* recall(found, true)
    const completed = found.plan.modules.flatMap(({ definition, name }, index) =>
      definition.kind !== "input" && RunSnapshot.module(found.run.snapshot, name).status === "completed"
        ? [[name, recalled.values[index]] as const]
        : []
    )
    return new Map(completed)
    // what its schemas require is among the requirements of the Dag
  }) as Effect.Effect<ReadonlyMap<string, unknown>, ReadError, Timeline | R>

/**
 * The outputs of a run that has ended, or why it has none, as `Engine.execute` gives them; of one that is suspended,
 * `RunSuspended`. None: it is running, or was cut off.
 *
 * @example
 * ```ts
 * import { Dag, Module, RunId } from "heddle"
 * import * as StoredResult from "heddle/run/StoredResult"
 * import { Schema } from "effect"
 *
 * const one = Module.pure("one", { output: Schema.Int, run: () => 1 })
 * const Ones = Dag.make("ones", { outputs: { one } })
 *
 * const program = StoredResult.outputs(Ones, RunId.make("ones-7"))
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const outputs = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId
): Effect.Effect<Option.Option<O>, E | RunError | ReadError, Timeline | R> =>
  Effect.gen(function* () {
    const found = yield* find(dag, runId)
    const { plan, run } = found
    const { status } = run.snapshot
    if (status === "running") return Option.none()
    const hasNothing = status === "cancelled" || status === "suspended"
    const { causes, values } = hasNothing ? Recall.fresh(plan, new Map()) : yield* recall(found, false)
    return Option.some(yield* Results.ended(plan, run.snapshot, causes, values, run.policy))
    // the types of a Dag are in its type alone
  }) as Effect.Effect<Option.Option<O>, E | RunError | ReadError, Timeline | R>
