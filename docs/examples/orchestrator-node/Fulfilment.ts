/** What is to be done for an order, and for a day's orders. */
import { Context, Effect, Layer, Ref, Schema } from "effect"
import { Dag, Module, Run } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"

/** Takes money: at most once for each key. */
export class Payments extends Context.Tag("docs/Payments")<
  Payments,
  {
    readonly charge: (cents: number, key: string) => Effect.Effect<string, CardDeclined>
    /** How often money was taken. */
    readonly taken: Effect.Effect<number>
  }
>() {}

export class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { cents: Schema.Int }) {
  override get message() {
    return `the card was declined for ${this.cents} cents`
  }
}

/** Takes some time, and refuses what is more than a thousand. */
export const PaymentsLive = Layer.effect(
  Payments,
  Effect.map(Ref.make<ReadonlyMap<string, string>>(new Map()), (receipts) => ({
    charge: (cents, key) =>
      Effect.gen(function* () {
        yield* Effect.sleep("20 millis")
        if (cents > 100_000) return yield* new CardDeclined({ cents })
        yield* Ref.update(receipts, (known) => (known.has(key) ? known : new Map([...known, [key, `${cents} paid`]])))
        return `${cents} paid`
      }),
    taken: Effect.map(Ref.get(receipts), ({ size }) => size)
  }))
)

const lines = Module.input("lines", Schema.Array(Schema.Int))

const total = Module.pure("total", {
  needs: { lines },
  output: Schema.Int,
  run: ({ lines }) => lines.reduce((sum, cents) => sum + cents, 0)
})

export const charge = Module.make("charge", {
  needs: { total },
  output: Schema.String,
  error: CardDeclined,
  run: ({ total }) =>
    Effect.gen(function* () {
      const { charge } = yield* Payments
      return yield* charge(total, yield* Run.idempotencyKey)
    })
})

const ship = Module.make("ship", {
  needs: { charge },
  output: Schema.String,
  run: ({ charge }) => Effect.as(Effect.sleep("20 millis"), `shipped: ${charge}`)
})

/** One order at a time, or as many as its layer says. */
export class Fulfil extends OrchestratorNode.Service<Fulfil>()("docs/Fulfil", {
  dag: Dag.make("fulfil", { outputs: { ship } })
}) {}

const first = Module.input("first", Schema.Array(Schema.Int))
const second = Module.input("second", Schema.Array(Schema.Int))

/** Each order of the day is an execution of its own. */
export const Day = Dag.make("day", {
  outputs: {
    morning: Module.node("morning", { node: Fulfil, needs: { first }, input: ({ first }) => ({ lines: first }) }),
    evening: Module.node("evening", { node: Fulfil, needs: { second }, input: ({ second }) => ({ lines: second }) })
  }
})
