/** A shop of four nodes: each is declared here, and provided by a Layer. */
import { Context, Effect, Exit, Layer, Ref, Schedule, Schema } from "effect"
import { Dag, Heddle, Module } from "heddle"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as EffectNode from "heddle/node/EffectNode"
import * as Machine from "heddle/node/Machine"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"

export const Line = Schema.Struct({ sku: Schema.NonEmptyString, quantity: Schema.Int.pipe(Schema.between(1, 100)) })
const Lines = Schema.NonEmptyArray(Line)
const Cents = Schema.NonNegativeInt

// --- compute: what an order costs

export class UnknownSku extends Schema.TaggedError<UnknownSku>()("UnknownSku", { sku: Schema.String }) {}

/** The price of all lines, in cents. */
class Quote extends ComputeNode.Service<Quote>()("shop/Quote", {
  input: Lines,
  output: Cents,
  error: UnknownSku
}) {}

const prices: { readonly [sku: string]: number } = { loom: 49_900, heddle: 350, shuttle: 1_290 }

const QuoteLive = Quote.layer({
  compute: (lines) =>
    Effect.reduce(lines, 0, (sum, { quantity, sku }) => {
      const price = Object.hasOwn(prices, sku) ? prices[sku] : undefined
      return price === undefined ? new UnknownSku({ sku }) : Effect.succeed(sum + price * quantity)
    })
}).pipe(Layer.provide(ComputeCache.layer({ capacity: 1000, ttl: "1 hour" })))

// --- effect: the payment

export class Declined extends Schema.TaggedError<Declined>()("Declined", { cents: Cents }) {}
export class GatewayDown extends Schema.TaggedError<GatewayDown>()("GatewayDown", {}) {}

/** The company that takes the money; it charges once for each key. */
export class Gateway extends Context.Tag("shop/Gateway")<
  Gateway,
  { readonly charge: (cents: number, idempotencyKey: string) => Effect.Effect<string, Declined | GatewayDown> }
>() {}

/** Takes the money for an order, and gives the number of the receipt. */
class ChargeCard extends EffectNode.Service<ChargeCard>()("shop/ChargeCard", {
  input: Schema.Struct({ order: Schema.NonEmptyString, cents: Cents }),
  output: Schema.String,
  error: Schema.Union(Declined, GatewayDown)
}) {}

const ChargeCardLive = ChargeCard.layer({
  execute: ({ cents, order }) => Effect.flatMap(Gateway, (gateway) => gateway.charge(cents, order)),
  idempotencyKey: ({ order }) => order,
  timeout: "5 seconds",
  retry: Schedule.intersect(Schedule.exponential("10 millis"), Schedule.recurs(2)),
  retryWhile: ({ _tag }) => _tag !== "Declined",
  circuitBreaker: {
    failureThreshold: 3,
    resetAfter: "30 seconds",
    // a card that is declined says nothing against the gateway
    isFailure: (cause) => !(cause._tag === "Fail" && cause.error instanceof Declined)
  }
})

/** A gateway in memory, that declines what is above its limit. */
export const gatewayUpTo = (limit: number) =>
  Layer.effect(
    Gateway,
    Effect.map(Ref.make<ReadonlyArray<string>>([]), (charged) => ({
      charge: (cents, key) =>
        cents > limit
          ? new Declined({ cents })
          : Ref.modify(charged, (keys) => {
              const known = keys.includes(key) ? keys : [...keys, key]
              return [`receipt-${known.indexOf(key) + 1}`, known]
            })
    }))
  )

// --- reducer: what has become of an order

const OrderContext = Schema.Struct({ cents: Cents, receipt: Schema.NullOr(Schema.String) })

const pay = {
  update: (context: typeof OrderContext.Type, { receipt }: { readonly receipt: string }) => ({ ...context, receipt }),
  emit: (_: typeof OrderContext.Type, { receipt }: { readonly receipt: string }) => ({ _tag: "Ship" as const, receipt })
}

const order = Machine.make({
  id: "shop/order",
  context: OrderContext,
  events: { Place: { cents: Cents }, Pay: { receipt: Schema.String }, Refuse: {} },
  intents: { Ship: { receipt: Schema.String } },
  initial: "empty",
  initialContext: { cents: 0, receipt: null },
  states: { empty: {}, placed: {}, paid: { kind: "terminal" }, refused: { kind: "error" } },
  transitions: [
    { from: "empty", on: "Place", to: "placed", actions: [{ update: (_, { cents }) => ({ cents, receipt: null }) }] },
    { from: "placed", on: "Pay", to: "paid", actions: [pay] },
    { from: "placed", on: "Refuse", to: "refused" },
    // after a refusal it may be paid all the same, when it is tried again
    { from: "refused", on: "Pay", to: "paid", actions: [pay] }
  ]
})

export class Orders extends ReducerNode.Service<Orders>()("shop/Orders", { machine: order }) {}

/** Who brings the parcels; it brings one for each key. */
export class Parcels extends Context.Tag("shop/Parcels")<
  Parcels,
  { readonly send: (receipt: string, idempotencyKey: string) => Effect.Effect<void> }
>() {}

const OrdersLive = Layer.unwrapEffect(
  Effect.map(Parcels, (parcels) => Orders.layer({ intents: ({ receipt }, { id }) => parcels.send(receipt, id) }))
)

// --- orchestrator: from the lines to the receipt

const id = Module.input("id", Schema.NonEmptyString)
const lines = Module.input("lines", Lines)

/** Tells the order, unless it was told before: a module that was cut off runs again. */
const tell = (id: string, event: typeof order.event.Type, state: "placed" | "paid" | "refused") =>
  Effect.flatMap(Orders, (orders) =>
    Effect.catchTag(orders.send(id, event), "TransitionRefused", (refused) =>
      Effect.flatMap(orders.get(id), (view) => (view.state === state ? Effect.succeed(view) : refused))
    )
  )

const quote = Module.node("quote", { node: Quote, needs: { lines }, input: ({ lines }) => lines })
const placed = Module.make("placed", {
  needs: { id, quote },
  output: Schema.Void,
  run: ({ id, quote }) => tell(id, { _tag: "Place", cents: quote }, "placed")
})
const charge = Module.node("charge", {
  node: ChargeCard,
  needs: { id, quote, placed },
  input: ({ id, quote }) => ({ order: id, cents: quote })
})
const paid = Module.make("paid", {
  needs: { id, charge },
  output: Schema.Void,
  run: ({ charge, id }) => tell(id, { _tag: "Pay", receipt: charge }, "paid")
})
/** However the payment ends: an order that was placed and could not be charged is refused. */
const closed = Module.make("closed", {
  needs: { id, placed, charge },
  join: "always",
  output: Schema.Void,
  run: ({ charge, id, placed }) =>
    Exit.isSuccess(id) && Exit.isSuccess(placed) && Exit.isFailure(charge)
      ? tell(id.value, { _tag: "Refuse" }, "refused")
      : Effect.void
})

const CheckoutDag = Dag.make("checkout", { outputs: { receipt: charge, paid, closed } })

/** From the lines of an order to the receipt; an order has one checkout, with its own id. */
export class Checkout extends OrchestratorNode.Service<Checkout>()("shop/Checkout", { dag: CheckoutDag }) {}

const CheckoutLive = Checkout.layer({ concurrency: 10 })

// --- all of it

/**
 * The application but for the gateway and the parcels: runs and the states of orders and breakers are in one file, and go on where
 * they were when the process is started again.
 */
export const layer = (filename: string) =>
  CheckoutLive.pipe(
    Layer.provideMerge(Layer.mergeAll(QuoteLive, ChargeCardLive, OrdersLive)),
    Layer.provide(StateStoreSqlite.layer({ filename })),
    Layer.provide(Heddle.layerSqlite({ filename }))
  )
