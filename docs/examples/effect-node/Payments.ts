/** A card that is charged and stock that is held, by services that fail now and then. */
import { Cause, Context, Effect, HashMap, Layer, Option, Ref, Schedule, Schema } from "effect"
import * as EffectNode from "heddle/node/EffectNode"

export class GatewayError extends Schema.TaggedError<GatewayError>()("GatewayError", {
  reason: Schema.Literal("away", "declined")
}) {
  override get message() {
    return this.reason === "away" ? "the gateway did not answer" : "the card was declined"
  }
}

const Order = Schema.Struct({ id: Schema.String, cents: Schema.Int })

class ChargeCard extends EffectNode.Service<ChargeCard>()("shop/ChargeCard", {
  input: Order,
  output: Schema.String,
  error: GatewayError
}) {}

class HoldStock extends EffectNode.Service<HoldStock>()("shop/HoldStock", {
  input: Schema.String,
  output: Schema.String
}) {}

/** What is outside: it is told what becomes of each request. When its answer is lost, it has charged the card. */
export class Gateway extends Context.Tag("shop/Gateway")<
  Gateway,
  {
    readonly charge: (cents: number, key: string) => Effect.Effect<string, GatewayError>
    readonly requests: Effect.Effect<number>
    readonly charged: Effect.Effect<number>
  }
>() {}

export type Answer = "ok" | "lost" | "declined" | "away"

export const gateway = (script: ReadonlyArray<Answer>): Layer.Layer<Gateway> =>
  Layer.effect(
    Gateway,
    Effect.gen(function* () {
      const requests = yield* Ref.make(0)
      const charges = yield* Ref.make(HashMap.empty<string, number>())
      return {
        charge: (cents, key) =>
          Effect.gen(function* () {
            const answer = script[yield* Ref.getAndUpdate(requests, (n) => n + 1)] ?? "away"
            if (answer === "declined" || answer === "away") return yield* new GatewayError({ reason: answer })
            // one charge for each key
            yield* Ref.update(charges, HashMap.set(key, cents))
            return answer === "ok" ? `receipt for ${key}` : yield* new GatewayError({ reason: "away" })
          }),
        requests: Ref.get(requests),
        charged: Effect.map(Ref.get(charges), HashMap.size)
      }
    })
  )

const isDeclined = (cause: Cause.Cause<unknown>) =>
  Option.exists(Cause.failureOption(cause), (error) => error instanceof GatewayError && error.reason === "declined")

export const ChargeCardLive = ChargeCard.layer({
  execute: ({ cents, id }, { idempotencyKey = id }) =>
    Effect.flatMap(Gateway, ({ charge }) => charge(cents, idempotencyKey)),
  idempotencyKey: ({ id }) => id,
  timeout: "2 seconds",
  retry: Schedule.exponential("20 millis").pipe(Schedule.intersect(Schedule.recurs(2))),
  retryWhile: (error) => error._tag === "NodeTimedOut" || error.reason === "away",
  // a card that is declined is no fault of the gateway
  circuitBreaker: { failureThreshold: 1, resetAfter: "10 seconds", isFailure: (cause) => !isDeclined(cause) }
})

export const HoldStockLive = HoldStock.layer({ execute: (order) => Effect.succeed(`hold for ${order}`) })

/** Stock is held, and let go of when the card cannot be charged. */
export const buy = (order: typeof Order.Type, release: (hold: string) => Effect.Effect<void>) =>
  EffectNode.transaction(
    Effect.gen(function* () {
      const [stock, card] = [yield* HoldStock, yield* ChargeCard]
      yield* EffectNode.compensate(stock.process(order.id), release)
      return yield* card.process(order)
    })
  )
