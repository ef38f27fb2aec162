/** Carts, and what was sold. Nothing here knows where any of it is kept. */
import { Effect, Layer, Option, Schema } from "effect"
import { SchemaStore, type StateStore } from "heddle"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"

const Cart = Schema.Struct({ items: Schema.Array(Schema.String), currency: Schema.String })

/** Carts are typed values: version 1 was a list of items, and is migrated when it is read. */
export const carts = SchemaStore.make({
  name: "carts",
  schema: Cart,
  version: 2,
  migrate: (stored) => Effect.succeed({ items: stored, currency: "EUR" })
})

const counter = (id: string) =>
  Machine.make({
    id,
    context: Schema.Int,
    events: { Sell: {} },
    initial: "counting",
    initialContext: 0,
    states: { counting: {} },
    transitions: [{ from: "counting", on: "Sell", actions: [{ update: (n) => n + 1 }] }]
  })

/** What this process has sold. */
class Session extends ReducerNode.Service<Session>()("shop/Session", { machine: counter("shop/session") }) {}

/** What all processes have ever sold. */
class Sold extends ReducerNode.Service<Sold>()("shop/Sold", { machine: counter("shop/sold") }) {}

/** Puts an item into somebody's cart; processes may do that at the same time. */
export const sell = (customer: string, item: string) =>
  Effect.gen(function* () {
    const store = yield* carts
    const { value } = yield* store.modify(
      customer,
      (cart) =>
        Effect.succeed({
          items: [...Option.match(cart, { onNone: () => [], onSome: ({ items }) => items }), item],
          currency: Option.match(cart, { onNone: () => "EUR", onSome: ({ currency }) => currency })
        }),
      { ttl: "30 days" }
    )
    const session = yield* Session.call({ key: item, event: { _tag: "Sell" } })
    const sold = yield* Sold.call({ key: item, event: { _tag: "Sell" } })
    return { items: value.items, session: session.context, sold: sold.context }
  })

/** The store is said here and nowhere else; the session has one of its own, in memory, wherever the others are. */
export const layer = <E, R>(store: Layer.Layer<StateStore.StateStore, E, R>) =>
  Layer.merge(Session.layer().pipe(Layer.provide(StateStoreMemory.layer())), Sold.layer()).pipe(
    Layer.provideMerge(store)
  )
