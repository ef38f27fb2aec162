/** Seats that are held for a while, and sold to who pays in time. Amounts are in cents. */
import { Console, Schema, type Duration } from "effect"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"

const Seat = Schema.Struct({ holder: Schema.NullOr(Schema.String), paid: Schema.Int })
type Seat = typeof Seat.Type

const price = 25_00

/** Whoever has paid something and does not get the seat gets it back. */
const refund = {
  emit: ({ holder, paid }: Seat) => (paid === 0 ? [] : [{ _tag: "Refund" as const, who: String(holder), cents: paid }])
}

/** For how long a seat is held is stored with each seat when it is. */
const machineOf = (hold: Duration.DurationInput) =>
  Machine.make({
    id: "example/seat",
    version: 1,
    context: Seat,
    events: { Hold: { who: Schema.String }, Pay: { who: Schema.String, cents: Schema.Int }, Release: {} },
    intents: { Ticket: { who: Schema.String }, Refund: { who: Schema.String, cents: Schema.Int } },
    initial: "free",
    initialContext: { holder: null, paid: 0 },
    states: {
      free: { entry: [{ update: (): Seat => ({ holder: null, paid: 0 }) }] },
      held: { after: { delay: hold, to: "free", actions: [refund] } },
      sold: { kind: "terminal", entry: [{ emit: ({ holder }) => ({ _tag: "Ticket", who: String(holder) }) }] }
    },
    transitions: [
      {
        from: "free",
        on: "Hold",
        to: "held",
        actions: [{ update: (_, { who }) => ({ holder: who, paid: 0 }) }]
      },
      {
        from: "held",
        on: "Pay",
        to: "sold",
        priority: 1,
        guard: {
          name: "it is all that is due",
          test: ({ holder, paid }, { cents, who }) => who === holder && paid + cents >= price
        },
        actions: [{ update: (seat, { cents }) => ({ ...seat, paid: seat.paid + cents }) }]
      },
      // a part of it: the seat stays held, and its time goes on
      {
        from: "held",
        on: "Pay",
        guard: { name: "it is who holds the seat", test: ({ holder }, { who }) => who === holder },
        actions: [{ update: (seat, { cents }) => ({ ...seat, paid: seat.paid + cents }) }]
      },
      { from: "held", on: "Release", to: "free", actions: [refund] }
    ]
  })

export const make = (hold: Duration.DurationInput) => {
  class Seats extends ReducerNode.Service<Seats>()("example/Seats", { machine: machineOf(hold) }) {}

  /** The printer and the bank: `id` is the same whenever an intent is done again, so that they do it once. */
  const layer = Seats.layer({
    intents: (intent, { id, key }) =>
      intent._tag === "Ticket"
        ? Console.log(`${id}: prints the ticket of ${intent.who} for ${key}`)
        : Console.log(`${id}: pays ${intent.cents} back to ${intent.who}`)
  })

  return { Seats, layer }
}
