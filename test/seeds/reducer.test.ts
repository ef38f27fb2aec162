/** Instances of reducer nodes, in one interleaving of their callers after the other. */
import { it } from "@effect/vitest"
import { Array, Context, Effect, Fiber, Layer, Option, Random, Schema } from "effect"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as FaultyStateStore from "heddle/testing/FaultyStateStore"
import * as Linearizability from "heddle/testing/Linearizability"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { inTime } from "./Drive.js"
import { check } from "./Violation.js"

const most = 2

const whole = ({
  balance,
  log,
  twin
}: {
  readonly balance: number
  readonly twin: number
  readonly log: ReadonlyArray<string>
}) => balance === twin && log.length === new Set(log).size

/** Its context is never seen torn: a transition changes the balance at first and its twin at last. */
const account = Machine.make({
  id: "seeds/account",
  context: Schema.Struct({ balance: Schema.Int, twin: Schema.Int, log: Schema.Array(Schema.String) }),
  events: { Add: { who: Schema.String }, Take: { who: Schema.String }, Close: { who: Schema.String } },
  intents: { Told: { who: Schema.String } },
  initial: "open",
  initialContext: { balance: 0, twin: 0, log: [] },
  history: 100,
  states: {
    open: { exit: [], entry: [{ update: (context) => ({ ...context, twin: context.balance }) }] },
    closed: { kind: "terminal" }
  },
  transitions: [
    {
      from: "open",
      on: "Add",
      to: "open",
      guard: { name: "has room", test: (context) => whole(context) && context.balance < most },
      actions: [
        { update: (context) => ({ ...context, balance: context.balance + 1 }) },
        { update: (context, { who }) => ({ ...context, log: [...context.log, who] }) },
        { emit: (_, { who }) => ({ _tag: "Told", who }) }
      ]
    },
    {
      from: "open",
      on: "Take",
      to: "open",
      guard: { name: "is covered", test: (context) => whole(context) && context.balance > 0 },
      actions: [
        { update: (context, { who }) => ({ ...context, balance: context.balance - 1, log: [...context.log, who] }) },
        { emit: (_, { who }) => ({ _tag: "Told", who }) }
      ]
    },
    {
      from: "open",
      on: "Close",
      to: "closed",
      actions: [
        { update: (context, { who }) => ({ ...context, log: [...context.log, who] }) },
        { emit: (_, { who }) => ({ _tag: "Told", who }) }
      ]
    }
  ]
})

class Accounts extends ReducerNode.Service<Accounts>()("seeds/Accounts", { machine: account }) {}

type Tag = "Add" | "Take" | "Close"
type Answer = number | "refused"

/** A state is a text, so that two that are the same are equal: balance, seq, whether it is closed. */
const serial = Linearizability.deterministic<string, Tag, Answer>({
  init: JSON.stringify([0, 0, false]),
  step: (state, tag) => {
    const [balance, seq, isClosed] = JSON.parse(state) as [number, number, boolean]
    const by = tag === "Add" ? 1 : tag === "Take" ? -1 : 0
    if (isClosed || balance + by < 0 || balance + by > most) return [state, "refused"]
    return [JSON.stringify([balance + by, seq + 1, tag === "Close"]), seq + 1]
  }
})

const oneOf = <const A extends ReadonlyArray<unknown>>(...choices: A): Effect.Effect<A[number]> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (i) => choices[i])

const keys = ["a", "b"]

/** What became of an event. */
interface Sent {
  readonly key: string
  readonly who: string
  readonly became: "applied" | "refused" | "unchanged" | "unknown"
  readonly seq: number | undefined
}

const scenario = Effect.gen(function* () {
  const kind = yield* oneOf("memory", "store", "faulty store")
  const plain = Context.get(yield* Layer.build(StateStoreMemory.layer()), StateStore)
  const under = Layer.succeed(StateStore, plain)
  const told: globalThis.Array<{ readonly id: string; readonly who: string }> = []
  const layer = Accounts.layer({
    capacity: yield* oneOf(0, 1, 100),
    intents: ({ who }, { id }) =>
      Effect.gen(function* () {
        // it is stored by now, and seen
        yield* Effect.yieldNow()
        const isFirst = told.every((intent) => intent.id !== id)
        told.push({ id, who })
        if (isFirst && (yield* Random.nextIntBetween(0, 4)) === 0) return yield* Effect.fail("once more")
      })
  })
  const seed = yield* Random.nextIntBetween(0, 1_000_000)
  const faulty = FaultyStateStore.layerSeeded({
    ...{ seed, rate: 0.2, operations: ["get", "compareAndSet"] },
    faults: [FaultyStateStore.fail("busy"), FaultyStateStore.fail("failed"), FaultyStateStore.lostAcknowledgement]
  }).pipe(Layer.provide(under))
  const store = kind === "memory" ? Layer.empty : kind === "store" ? under : faulty
  const build = (store: Layer.Layer<never> | Layer.Layer<StateStore>) =>
    Effect.map(Layer.build(Layer.provide(layer, store)), (context) => Context.get(context, Accounts))
  const nodes = [yield* build(store)]
  if (kind !== "memory" && (yield* oneOf(true, true, false))) nodes.push(yield* build(store))

  const recorders = new Map(
    yield* Effect.forEach(keys, (key) =>
      Effect.map(Linearizability.recorder<Tag, Answer>(), (recorder) => [key, recorder] as const)
    )
  )
  const sent: globalThis.Array<Sent> = []

  const send = (who: string) =>
    Effect.gen(function* () {
      const node = nodes[yield* Random.nextIntBetween(0, nodes.length)]!
      const key = yield* oneOf("a", "a", "b")
      const _tag = yield* oneOf("Add", "Add", "Add", "Add", "Take", "Take", "Take", "Close")
      const fiber = yield* node.send(key, { _tag, who }).pipe(
        Effect.tap(({ context, seq }) =>
          check(whole(context) && context.log.length === seq, () => "a context is torn")
        ),
        Effect.map(({ seq }): Answer => seq),
        Effect.catchTag("TransitionRefused", () => Effect.succeed("refused" as const)),
        recorders.get(key)!.record(_tag),
        Effect.fork
      )
      if ((yield* Random.nextIntBetween(0, 4)) === 0) {
        yield* Effect.replicateEffect(Effect.yieldNow(), yield* Random.nextIntBetween(0, 8))
        yield* Fiber.interrupt(fiber)
      }
      const exit = yield* Fiber.await(fiber)
      const failure = exit._tag === "Failure" && exit.cause._tag === "Fail" ? exit.cause.error : undefined
      sent.push({
        ...{ key, who },
        seq: exit._tag === "Success" && exit.value !== "refused" ? exit.value : undefined,
        became:
          exit._tag === "Success"
            ? exit.value === "refused"
              ? "refused"
              : "applied"
            : failure === undefined || failure.message.includes("not found out")
              ? "unknown"
              : "unchanged"
      })
    })

  // few of them overlap little, and leave less to chance
  const count = yield* oneOf(2, 4)
  const client = (name: number) =>
    Effect.forEach(Array.range(1, 12 / count), (n) => send(`${name}.${n}`), { discard: true })
  const clients = yield* Effect.forEach(Array.range(1, count), (name) => Effect.fork(client(name)))
  yield* Effect.forEach(clients, Fiber.join, { discard: true })

  // a process that comes after them, where there can be one
  const last = kind === "memory" ? nodes[0]! : yield* build(under)
  yield* last.recover(keys)
  for (const key of keys) {
    const now = Effect.map(last.snapshot(key), Option.getOrUndefined)
    const snapshot = yield* Effect.repeat(Effect.delay(now, "1 second"), {
      until: (now) => now === undefined || now.pending.length === 0
    })
    const log = snapshot?.context.log ?? []
    const history = snapshot?.history ?? []

    // some order of the events, one after the other, that nobody can tell from what happened
    yield* Linearizability.check(serial, yield* recorders.get(key)!.history)
    yield* check((snapshot?.seq ?? 0) === log.length, () => "a transition has no trace in the context, or two")
    for (const { became, seq, who } of sent.filter((sent) => sent.key === key)) {
      const at = log.indexOf(who)
      if (became === "applied") yield* check(at === seq! - 1, () => `${who} is applied at ${at}, and was told ${seq}`)
      if (became === "refused" || became === "unchanged")
        yield* check(at === -1, () => `${who} was ${became}, and is there`)
    }
    yield* check(
      history.every(({ intents, seq }) => intents.join() === `seeds/account:${key}:${seq}:0`),
      () => "ids of intents are those of their transitions"
    )
    // every intent is done, under its one id
    for (const [index, who] of log.entries()) {
      const ids = new Set(told.filter((intent) => intent.who === who).map(({ id }) => id))
      const id = `seeds/account:${key}:${index + 1}:0`
      yield* check(ids.size === 1 && ids.has(id), () => `the intent of ${who} is done as ${[...ids].join()}, not ${id}`)
    }
  }
  yield* check(
    told.every(({ who }) => sent.some((sent) => sent.who === who && sent.became !== "refused")),
    () => "an intent of what did not take place is done"
  )
})

it.live(
  "histories equal some serial order of the events, no context is torn, and every intent is done",
  () => SeededScheduler.explore({ seeds: numRuns, effect: inTime(Effect.scoped(scenario)) }),
  300_000
)
