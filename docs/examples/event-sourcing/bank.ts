/** Accounts whose state is what has happened to them. It says nothing of where the events are kept. */
import { Effect, Schema } from "effect"
import { Aggregate } from "heddle"

class Deposited extends Schema.TaggedClass<Deposited>()("Deposited", {
  cents: Schema.Int,
  reference: Schema.String
}) {}

class Withdrawn extends Schema.TaggedClass<Withdrawn>()("Withdrawn", {
  cents: Schema.Int,
  reference: Schema.String
}) {}

class NotEnough extends Schema.TaggedError<NotEnough>()("NotEnough", { balance: Schema.Int }) {}

export const Account = Aggregate.make("account", {
  state: Schema.Struct({ balance: Schema.Int }),
  initial: { balance: 0 },
  events: [Deposited, Withdrawn],
  evolve: ({ balance }, event) => ({
    balance: event._tag === "Deposited" ? balance + event.cents : balance - event.cents
  }),
  // deposits had no reference before version 2
  upcast: { Deposited: [(old) => ({ ...old, reference: "" })] },
  snapshotEvery: 50
})

export const deposit = (account: string, cents: number, reference: string) =>
  Aggregate.execute(Account, account, () => Effect.succeed([new Deposited({ cents, reference })]), {
    commandId: `deposit ${reference}`
  })

export const withdraw = (account: string, cents: number, reference: string) =>
  Aggregate.execute(
    Account,
    account,
    ({ balance }) =>
      balance < cents ? new NotEnough({ balance }) : Effect.succeed([new Withdrawn({ cents, reference })]),
    { commandId: `withdraw ${reference}` }
  )

/** Cut off between its halves, it is sent again: each half takes effect once. */
export const transfer = (from: string, to: string, cents: number, reference: string) =>
  Effect.zipRight(withdraw(from, cents, reference), deposit(to, cents, reference))

export const balance = (account: string) => Effect.map(Aggregate.state(Account, account), ({ state }) => state.balance)
