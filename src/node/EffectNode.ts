/**
 * Nodes that do something outside: call a service, charge a card, send a mail.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Node from "../dag/Node.js"
import { NodeTimedOut, NodeValueInvalid } from "../model/NodeError.js"
import * as DebugGuard from "../run/DebugGuard.js"
import { CircuitOpen } from "./CircuitBreaker.js"
import * as Calling from "./internal/Calling.js"
import type { Failure, Implementation, Retry } from "./internal/Calling.js"
import * as Declaration from "./internal/Declaration.js"

export type { Call, Failure, Implementation, Retry, Retrying } from "./internal/Calling.js"
export { compensate, CompensationFailed, transaction, Transaction, TransactionEnded } from "./internal/Compensation.js"

/**
 * An effect node as it is declared: a service, and the constructors of its Layers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Class<Self, Id extends string, in out In, in out Out, in out Er, out SR>
  extends Context.TagClass<Self, Id, Node.Service<In, Out, Er | Failure>>, Node.Node<Self, In, Out, Er | Failure, SR> {
  readonly key: Id

  /**
   * The node by its implementation. What that requires is taken where the Layer is built. A `timeout` that is no duration
   * above zero, and options that no breaker can have, are defects of the Layer.
   *
   * **Interruption**: of a call, the attempt is interrupted and its finalizers are awaited.
   */
  readonly layer: <R = never, RR = never>(
    implementation: Implementation<In, Out, Er, R> & Retry<In, Er, RR>
  ) => Layer.Layer<Self, never, R | RR | SR>

  /** The node by an implementation that is made when the Layer is built, and whose resources end with the Layer. */
  readonly layerEffect: <EX, RX, R = never, RR = never>(
    implementation: Effect.Effect<Implementation<In, Out, Er, R> & Retry<In, Er, RR>, EX, RX>
  ) => Layer.Layer<Self, EX, R | RR | Exclude<RX, Scope.Scope> | SR>
}

/**
 * Declares an effect node.
 *
 * - `input`, `output`: both are checked at every call, which fails with `NodeValueInvalid` when one does not fit, or is
 *   not encoded as JSON. With an input that does not fit nothing has run. An output that does not fit is not asked for
 *   again, since the operation has taken place
 * - `error`: the errors that its implementation may fail with; none when it is left out
 * - `version`: part of the fingerprint of a module that calls the node: a run keeps no result of another version
 *
 * @example
 * ```ts
 * import * as EffectNode from "heddle/node/EffectNode"
 * import { Context, Effect, Schedule, Schema } from "effect"
 *
 * class CardError extends Schema.TaggedError<CardError>()("CardError", { declined: Schema.Boolean }) {}
 *
 * class Gateway extends Context.Tag("app/Gateway")<
 *   Gateway,
 *   { readonly charge: (cents: number, key: string | undefined) => Effect.Effect<string, CardError> }
 * >() {}
 *
 * class ChargeCard extends EffectNode.Service<ChargeCard>()("app/ChargeCard", {
 *   input: Schema.Struct({ order: Schema.String, cents: Schema.Int }),
 *   output: Schema.String,
 *   error: CardError
 * }) {}
 *
 * const ChargeCardLive = ChargeCard.layer({
 *   execute: ({ cents }, { idempotencyKey }) =>
 *     Effect.flatMap(Gateway, (gateway) => gateway.charge(cents, idempotencyKey)),
 *   idempotencyKey: ({ order }) => order,
 *   timeout: "5 seconds",
 *   retry: Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(3))),
 *   retryWhile: (error) => error._tag === "NodeTimedOut" || !error.declined,
 *   circuitBreaker: { failureThreshold: 5, resetAfter: "30 seconds", halfOpenProbes: 1 }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const chargeCard = yield* ChargeCard
 *   return yield* chargeCard.process({ order: "42", cents: 1990 })
 * }).pipe(Effect.provide(ChargeCardLive))
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
    const errors = Schema.Union(CircuitOpen, NodeTimedOut, NodeValueInvalid)
    const node = Declaration.declare<Self, Id, Node.Service<In, Out, Er | Failure>, In, Out, Er | Failure, SR>(id, {
      kind: "effect",
      input: options.input,
      output: options.output,
      // without one there is no error of its own
      error: Schema.Union((options.error ?? Schema.Never) as Node.ValueSchema<Er, ErR>, errors),
      version: options.version
    })
    const layerEffect = <EX, RX, R, RR>(
      implementation: Effect.Effect<Implementation<In, Out, Er, R> & Retry<In, Er, RR>, EX, RX>
    ) =>
      Layer.scoped(
        node,
        Effect.flatMap(implementation, (one) => Calling.make(node, one)).pipe(
          Effect.flatMap((service) => DebugGuard.scoped(id, service))
        )
      )
    return Object.assign(node, {
      layer: <R, RR>(implementation: Implementation<In, Out, Er, R> & Retry<In, Er, RR>) =>
        layerEffect(Effect.succeed(implementation)),
      layerEffect
    })
  }
