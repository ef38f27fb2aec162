/**
 * What a Dag is made of: the types of modules and Dags, which refer to each other, and what the constructors of modules
 * recorded, with types erased, for the plan and the engine.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Skipped } from "../model/Ending.js"
import type { Failed } from "../model/Failed.js"
import type { Durability } from "../model/RunPolicy.js"
import type { AnyGroup } from "./Shared.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const ModuleTypeId: unique symbol = Symbol.for("~heddle/dag/Module")

/**
 * @since 0.1.0
 * @category type ids
 */
export type ModuleTypeId = typeof ModuleTypeId

/**
 * @since 0.1.0
 * @category type ids
 */
export const DagTypeId: unique symbol = Symbol.for("~heddle/dag/Dag")

/**
 * @since 0.1.0
 * @category type ids
 */
export type DagTypeId = typeof DagTypeId

/**
 * An immutable description of one vertex. Its type parameters hold for it and everything upstream of it:
 *
 * - `A`: what it gives
 * - `E`: the errors of it and of all it needs; `R`: their requirements
 * - `I`: the run inputs, a union of `Input<Name, A>` that `Dag.make` turns into one record
 * - `X`: how it can end other than completed, as stored: its `error` type, or `Failed`; and `Skipped`, where it may be
 *
 * A module that may be skipped is not one that may not, and the other way round: as an output of a Dag it is an
 * `Option`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Module<out Name extends string, out A, out E = never, out R = never, out I = never, X = Failed> {
  readonly [ModuleTypeId]: {
    readonly A: A
    readonly E: E
    readonly R: R
    readonly I: I
    readonly X: X
    // These keep a type from gaining `Skipped`: what is an `Option` follows from definitions, not from annotations. The
    // mapped type comes first: it has TypeScript look at the members where the type arguments alone do not fit.
    readonly S: { readonly [K in Extract<X, Skipped>["_tag"]]: true }
    readonly T: (_: Extract<X, Skipped>) => void
  }
  readonly name: Name
  readonly definition: Definition
}

/**
 * A run input by name: a phantom, one for each `Module.input`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Input<out Name extends string, out A> {
  readonly input: Name
  readonly type: A
}

/**
 * Every module; `Module.Any`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyModule extends Module<string, unknown, unknown, unknown, unknown, unknown> {}

/**
 * What a module needs: other modules, by the name under which it wants their values.
 *
 * @since 0.1.0
 * @category models
 */
export type Needs = { readonly [key: string]: AnyModule }

/**
 * An immutable definition: its output modules and, through them, everything that they need. `O` is the record of the
 * outputs, `I` the record of the run inputs, `E` and `R` are the errors and requirements of all modules.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dag<out O, in I, out E = never, out R = never> {
  readonly [DagTypeId]: { readonly O: O; readonly I: (_: I) => void; readonly E: E; readonly R: R }
  readonly name: string
  readonly version: string | undefined
  readonly outputs: Needs
  readonly shared: ReadonlyArray<AnyGroup>
}

/**
 * Every Dag; `Dag.Any`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyDag extends Dag<unknown, never, unknown, unknown> {}

/**
 * A schema whose types were erased; what reads it goes through `unknown` and the schema itself.
 *
 * @since 0.1.0
 * @category models
 */
export type ErasedSchema = Schema.Schema<unknown, unknown, unknown>

/**
 * The values of a module's needs, as its join rule gives them.
 *
 * @since 0.1.0
 * @category models
 */
export type ErasedValues = { readonly [key: string]: unknown }

type ErasedEffect = Effect.Effect<unknown, unknown, unknown>

/**
 * When a module runs, given how what it needs ended:
 *
 * - `allSucceeded`: when all of it completed
 * - `noneFailed`: when all of it completed or was skipped
 * - `anySucceeded`: as soon as any of it completed
 * - `always`: when all of it has ended, in whatever way, also when the run has failed or was cancelled
 *
 * @since 0.1.0
 * @category models
 */
export type JoinRule = "allSucceeded" | "noneFailed" | "anySucceeded" | "always"

/**
 * What all modules but inputs have. `when`: the branch of a route to which the module belongs; `durability`: when its
 * dependants may start, where it is not as the run says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Vertex {
  readonly needs: Needs
  readonly join: JoinRule
  readonly when: { readonly route: AnyModule; readonly branch: string } | undefined
  readonly version: string | undefined
  readonly durability: Durability | undefined
}

/**
 * How an effect is attempted. A duration stays as it was given, so that the plan can tell what is wrong with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempted {
  readonly output: ErasedSchema
  readonly error: ErasedSchema | undefined
  readonly timeout: Duration.DurationInput | undefined
  readonly retry: Schedule.Schedule<unknown, unknown, unknown> | undefined
}

/**
 * A named `limit` is shared between runs; among modules that are ready those of a higher `priority` start first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Queued {
  readonly limit: string | undefined
  readonly priority: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface InputDefinition {
  readonly kind: "input"
  readonly schema: ErasedSchema
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PureDefinition extends Vertex {
  readonly kind: "pure"
  readonly output: ErasedSchema | undefined
  readonly run: (needs: ErasedValues) => unknown
}

/**
 * `node`: the node that it calls, where it does, by its key, and the schema of what that is given.
 *
 * @since 0.1.0
 * @category models
 */
export interface EffectDefinition extends Vertex, Attempted, Queued {
  readonly kind: "effect"
  readonly node: { readonly key: string; readonly input: ErasedSchema } | undefined
  readonly run: (needs: ErasedValues) => ErasedEffect
  readonly execution: "atLeastOnce" | "atMostOnce"
  readonly onFailure: "fail" | "skip" | ((cause: Cause.Cause<unknown>) => ErasedEffect)
}

/**
 * `each`: what is done with an item: an effect, or a child Dag. `concurrency` is `Infinity` where it is unbounded.
 *
 * @since 0.1.0
 * @category models
 */
export interface MapDefinition extends Vertex, Queued {
  readonly kind: "map"
  readonly over: (needs: ErasedValues) => Iterable<unknown>
  readonly each:
    | (Attempted & {
        readonly kind: "effect"
        readonly run: (item: unknown, needs: ErasedValues, index: number) => ErasedEffect
      })
    | {
        readonly kind: "dag"
        readonly dag: AnyDag
        readonly input: (item: unknown, needs: ErasedValues, index: number) => unknown
      }
  readonly concurrency: number
  readonly onItemFailure: "fail" | "collect"
  readonly onFailure: "fail" | "skip"
}

/**
 * `choose` gives the name of a branch, or an effect of one.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouteDefinition extends Vertex {
  readonly kind: "route"
  readonly branches: ReadonlyArray<string>
  readonly default: string | undefined
  readonly choose: (needs: ErasedValues) => unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SignalDefinition extends Vertex {
  readonly kind: "signal"
  readonly value: ErasedSchema
  readonly timeout: Duration.DurationInput | undefined
  readonly onTimeout: (() => unknown) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SleepDefinition extends Vertex {
  readonly kind: "sleep"
  readonly duration: Duration.DurationInput | ((needs: ErasedValues) => Duration.DurationInput)
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DagDefinition extends Vertex {
  readonly kind: "dag"
  readonly dag: AnyDag
  readonly input: (needs: ErasedValues) => unknown
  readonly onFailure: "fail" | "skip"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Definition =
  | InputDefinition
  | PureDefinition
  | EffectDefinition
  | MapDefinition
  | RouteDefinition
  | SignalDefinition
  | SleepDefinition
  | DagDefinition
