// of most values here only the type is looked at
/* eslint-disable @typescript-eslint/no-unused-vars */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
/** What the types of effect nodes and circuit breakers promise, checked by `npm run check:types`. Nothing here runs. */
import { Context, Effect, Schedule, Schema } from "effect"
import type { Layer } from "effect"
import { Dag, Module } from "heddle"
import type { NodeError } from "heddle"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import * as EffectNode from "heddle/node/EffectNode"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(...ok: Equal<A, B> extends true ? [] : [never]): void
type EffectE<T> = T extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
type EffectR<T> = T extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

class CardError extends Schema.TaggedError<CardError>()("CardError", {}) {}
class PricingError extends Schema.TaggedError<PricingError>()("PricingError", {}) {}
class Charge extends Schema.Class<Charge>("Charge")({ orderId: Schema.String, cents: Schema.Number }) {}
class Receipt extends Schema.Class<Receipt>("Receipt")({ no: Schema.String }) {}
class Gateway extends Context.Tag("app/Gateway")<
  Gateway,
  { readonly post: (charge: Charge) => Effect.Effect<Receipt, CardError> }
>() {}
class Pricing extends Context.Tag("app/Pricing")<Pricing, { readonly quote: Effect.Effect<number, PricingError> }>() {}
class Key extends Context.Tag("app/Key")<Key, string>() {}
declare const Encrypted: Schema.Schema<string, string, Key>
declare const post: (charge: Charge) => Effect.Effect<Receipt, CardError, Gateway>

class ChargeCard extends EffectNode.Service<ChargeCard>()("app/ChargeCard", {
  input: Charge,
  output: Receipt,
  error: CardError
}) {}
class Plain extends EffectNode.Service<Plain>()("app/Plain", { input: Schema.Number, output: Schema.DateFromString }) {}
class Sealed extends EffectNode.Service<Sealed>()("app/Sealed", { input: Encrypted, output: Schema.Void }) {}

// --- as a service

const direct = Effect.flatMap(ChargeCard, ({ process }) => process(new Charge({ orderId: "1", cents: 1 })))
same<typeof direct, Effect.Effect<Receipt, CardError | EffectNode.Failure, ChargeCard>>()
same<EffectNode.Failure, CircuitBreaker.CircuitOpen | NodeError.NodeTimedOut | NodeError.NodeValueInvalid>()
const plain = Plain.call(1)
same<typeof plain, Effect.Effect<Date, EffectNode.Failure, Plain>>()
same<typeof ChargeCard.key, "app/ChargeCard">()

// --- its Layers

const ChargeCardLive = ChargeCard.layer({
  execute: post,
  retry: Schedule.recurs(3),
  idempotencyKey: (charge) => charge.orderId,
  timeout: "5 seconds",
  circuitBreaker: { failureThreshold: 5, resetAfter: "30 seconds", halfOpenProbes: 1 }
})
same<typeof ChargeCardLive, Layer.Layer<ChargeCard, never, Gateway>>()
const idempotent = ChargeCard.layer({
  execute: (charge, { attempt, idempotencyKey }) => {
    same<typeof charge, Charge>()
    same<typeof attempt, number>()
    same<typeof idempotencyKey, string | undefined>()
    return post(charge)
  },
  retry: Schedule.recurs(3),
  retryWhile: (error) => error._tag === "NodeTimedOut",
  idempotent: true
})
same<typeof idempotent, Layer.Layer<ChargeCard, never, Gateway>>()
const shared = ChargeCard.layerEffect(
  Effect.map(CircuitBreaker.CircuitBreaker, (circuitBreaker) => ({ execute: post, circuitBreaker }))
)
same<typeof shared, Layer.Layer<ChargeCard, never, Gateway | CircuitBreaker.CircuitBreaker>>()
const scoped = Plain.layerEffect(
  Effect.as(
    Effect.acquireRelease(Effect.fail(new PricingError()), () => Effect.void),
    { execute: () => Effect.succeed(new Date(0)) }
  )
)
same<typeof scoped, Layer.Layer<Plain, PricingError>>()
const sealed = Sealed.layer({ execute: () => Effect.void })
same<typeof sealed, Layer.Layer<Sealed, never, Key>>()

// @ts-expect-error a retry of an operation that is not declared idempotent
ChargeCard.layer({ execute: post, retry: Schedule.recurs(3) })
// @ts-expect-error false is no declaration
ChargeCard.layer({ execute: post, retry: Schedule.recurs(3), idempotent: false })
// @ts-expect-error which errors, of no retry
ChargeCard.layer({ execute: post, retryWhile: () => true, idempotent: true })
// @ts-expect-error wrong output of the implementation
ChargeCard.layer({ execute: () => Effect.succeed(1) })
// @ts-expect-error an error that is not declared
Plain.layer({ execute: () => Effect.fail(new CardError()) })
// @ts-expect-error no such option of a breaker
ChargeCard.layer({ execute: post, circuitBreaker: { failures: 5 } })

// --- as a module

const price = Module.make("price", {
  output: Schema.Number,
  run: () => Effect.flatMap(Pricing, ({ quote }) => quote)
})
const charged = Module.node("charged", {
  node: ChargeCard,
  needs: { price },
  input: ({ price }) => new Charge({ orderId: "1", cents: price })
})
same<Module.Requirements<typeof charged>, ChargeCard | Pricing>()
same<Module.Error<typeof charged>, CardError | EffectNode.Failure | PricingError>()
same<Module.Output<typeof charged>, Receipt>()
// @ts-expect-error wrong input of the node
Module.node("charged2", { node: ChargeCard, needs: { price }, input: ({ price }) => price })
const encrypted = Module.node("encrypted", { node: Sealed, input: () => "text" })
same<Module.Requirements<typeof encrypted>, Sealed | Key>()
const inline = Dag.make("inline", { outputs: { a: Module.node("a", { node: Plain, input: () => 1 }) } })
same<typeof inline extends Dag.Dag<infer _O, infer _I, infer _E, infer R> ? R : never, Plain>()

// --- circuit breakers

declare const breaker: typeof CircuitBreaker.CircuitBreaker.Service
const guarded = post(new Charge({ orderId: "1", cents: 1 })).pipe(breaker.protect("gateway"))
same<typeof guarded, Effect.Effect<Receipt, CardError | CircuitBreaker.CircuitOpen, Gateway>>()

// --- transactions

declare const refund: (receipt: Receipt) => Effect.Effect<void, PricingError, Pricing>
const step = EffectNode.compensate(post(new Charge({ orderId: "1", cents: 1 })), (receipt) => refund(receipt))
same<EffectE<typeof step>, CardError | EffectNode.TransactionEnded>()
same<EffectR<typeof step>, Gateway | Pricing | EffectNode.Transaction>()
const order = EffectNode.transaction(step)
same<typeof order, Effect.Effect<Receipt, CardError | EffectNode.CompensationFailed, Gateway | Pricing>>()
declare const run: <A, E>(effect: Effect.Effect<A, E, Gateway | Pricing>) => void
run(order)
// @ts-expect-error outside of a transaction
run(step)
