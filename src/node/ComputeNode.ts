/**
 * Nodes that compute: what they give depends on their input alone.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import type * as Node from "../dag/Node.js"
import { NodeValueInvalid } from "../model/NodeError.js"
import * as DebugGuard from "../run/DebugGuard.js"
import * as Computing from "./internal/Computing.js"
import * as Declaration from "./internal/Declaration.js"
import type { ParallelExecutor, WorkerFunction } from "./ParallelExecutor.js"
import { WorkerError } from "./WorkerError.js"

/**
 * What every compute node may fail with besides its own errors: a value that does not fit, and, where `layerWorker`
 * provides it, what befalls a worker.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = NodeValueInvalid | WorkerError

/**
 * How a node computes. It gives the same output, or fails, for the same input, at any time and in any process: a cache
 * may keep what it gives, and one call may serve several callers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Implementation<in In, out Out, out Er, out R> {
  readonly compute: (input: In) => Effect.Effect<Out, Er, R>
}

/**
 * A compute node as it is declared: a service, and the constructors of its Layers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Class<Self, Id extends string, in out In, in out Out, in out Er, out SR>
  extends Context.TagClass<Self, Id, Node.Service<In, Out, Er | Failure>>, Node.Node<Self, In, Out, Er | Failure, SR> {
  readonly key: Id

  /**
   * The node by an Effect. What it requires is taken where the Layer is built; so is the `ComputeCache`, when there is
   * one. Without one the node holds no state: each call computes.
   *
   * **Interruption**: of a call, the computation is interrupted and its finalizers are awaited; with a cache, when it was the
   * last one that wanted the result.
   */
  readonly layer: <R = never>(implementation: Implementation<In, Out, Er, R>) => Layer.Layer<Self, never, R | SR>

  /** The node by a plain function. What it throws is a defect. */
  readonly layerPure: (implementation: { readonly compute: (input: In) => Out }) => Layer.Layer<Self, never, SR>

  /** The node by an implementation that is made when the Layer is built, and whose resources end with the Layer. */
  readonly layerEffect: <EX, RX, R = never>(
    implementation: Effect.Effect<Implementation<In, Out, Er, R>, EX, RX>
  ) => Layer.Layer<Self, EX, R | Exclude<RX, Scope> | SR>

  /**
   * The node by a function that the `ParallelExecutor` runs. It is given the encoded input and gives the encoded output, as plain
   * data. When it throws what is an encoded `error` of the node, the call fails with that; anything else it throws is
   * `WorkerFunctionThrew`.
   *
   * **Interruption**: as in `layer`; the executor says what becomes of the function.
   */
  readonly layerWorker: (call: WorkerFunction) => Layer.Layer<Self, never, ParallelExecutor | SR>
}

/**
 * Declares a compute node.
 *
 * - `input`, `output`: both are checked at every call, which fails with `NodeValueInvalid` when one does not fit, or is
 *   not encoded as JSON
 * - `error`: the errors that its implementation may fail with; none when it is left out
 * - `version`: change it when the node gives something else for the same input: what a cache or a run keeps of another
 *   version is not used
 *
 * @example
 * ```ts
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import { Effect, Schema } from "effect"
 *
 * class NoWords extends Schema.TaggedError<NoWords>()("NoWords", { title: Schema.String }) {}
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", {
 *   input: Schema.String,
 *   output: Schema.String,
 *   error: NoWords,
 *   version: 1
 * }) {}
 *
 * const SlugLive = Slug.layer({
 *   compute: (title) => {
 *     const words = title.toLowerCase().match(/[a-z0-9]+/g)
 *     return words === null ? new NoWords({ title }) : Effect.succeed(words.join("-"))
 *   }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const slug = yield* Slug
 *   return yield* slug.process("Hello, World")
 * }).pipe(Effect.provide(SlugLive))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Service =
  <Self>() =>
  <const Id extends string, In, InR, Out, OutR, Er = never, ErR = never>(
    id: Id,
    options: {
      readonly input: Node.ValueSchema<In, InR>
      readonly output: Node.ValueSchema<Out, OutR>
      readonly error?: Node.ValueSchema<Er, ErR>
      readonly version?: string | number
    }
  ): Class<Self, Id, In, Out, Er, InR | OutR | ErR> => {
    type SR = InR | OutR | ErR
    // without one there is no error of its own
    const error = (options.error ?? Schema.Never) as Node.ValueSchema<Er, ErR>
    const node = Declaration.declare<Self, Id, Node.Service<In, Out, Er | Failure>, In, Out, Er | Failure, SR>(id, {
      kind: "compute",
      input: options.input,
      output: options.output,
      error: Schema.Union(error, NodeValueInvalid, WorkerError),
      version: options.version
    })
    const layerEffect = <EX, RX, R>(implementation: Effect.Effect<Implementation<In, Out, Er | Failure, R>, EX, RX>) =>
      Layer.scoped(
        node,
        Effect.flatMap(implementation, ({ compute }) => Computing.make(node, compute)).pipe(
          Effect.flatMap((service) => DebugGuard.scoped(id, service))
        )
      )
    return Object.assign(node, {
      layerEffect,
      layer: <R>(implementation: Implementation<In, Out, Er, R>) => layerEffect(Effect.succeed(implementation)),
      layerPure: ({ compute }: { readonly compute: (input: In) => Out }) =>
        layerEffect(Effect.succeed({ compute: (input: In) => Effect.sync(() => compute(input)) })),
      layerWorker: (call: WorkerFunction) => layerEffect(Computing.byWorker(node, error, call))
    })
  }
