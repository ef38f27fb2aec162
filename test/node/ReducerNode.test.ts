import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Option,
  Ref,
  Schedule,
  Schema,
  Scope,
  Stream,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, RunId } from "heddle"
import * as Machine from "heddle/node/Machine"
import * as ReducerNode from "heddle/node/ReducerNode"
import * as Instances from "heddle/node/internal/Instances"
import * as InstanceStore from "heddle/node/internal/InstanceStore"
import * as InstanceTimers from "heddle/node/internal/InstanceTimers"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as FaultyStateStore from "heddle/testing/FaultyStateStore"

const dateOf = (millis: number) => new Date(millis)

const machine = Machine.make({
  id: "test/order",
  context: Schema.Struct({ cents: Schema.Int, notes: Schema.Array(Schema.String) }),
  events: {
    Pay: { cents: Schema.Int },
    Note: { text: Schema.String },
    Cancel: {},
    Break: {},
    Overflow: {},
    Mend: {}
  },
  intents: { Mail: { text: Schema.String } },
  initial: "open",
  initialContext: { cents: 0, notes: [] },
  history: 3,
  states: {
    open: {
      entry: [{ emit: () => ({ _tag: "Mail", text: "welcome" }) }],
      after: { delay: "1 hour", to: "expired" }
    },
    paid: { entry: [{ emit: ({ cents }) => ({ _tag: "Mail", text: `paid ${cents}` }) }] },
    expired: { kind: "error" },
    cancelled: { kind: "terminal" }
  },
  transitions: [
    {
      from: "open",
      on: "Pay",
      to: "paid",
      guard: { name: "is positive", test: (_, { cents }) => cents > 0 },
      actions: [{ update: (context, { cents }) => ({ ...context, cents: context.cents + cents }) }]
    },
    { from: "*", on: "Note", actions: [{ update: (c, { text }) => ({ ...c, notes: [...c.notes, text] }) }] },
    { from: "*", on: "Cancel", to: "cancelled" },
    { from: "expired", on: "Mend", to: "open" },
    {
      from: "*",
      on: "Break",
      actions: [
        {
          name: "break",
          update: () => {
            throw new Error("broken")
          }
        }
      ]
    },
    { from: "*", on: "Overflow", actions: [{ update: (c) => ({ ...c, cents: 0.5 }) }] }
  ]
})

class Orders extends ReducerNode.Service<Orders>()("test/Orders", { machine }) {}

/** What was mailed. */
class Mails extends Context.Tag("Mails")<Mails, Ref.Ref<ReadonlyArray<string>>>() {}
const MailsLive = Layer.effect(Mails, Ref.make<ReadonlyArray<string>>([]))

const layer = Orders.layer({
  intents: ({ text }, { id }) =>
    Effect.flatMap(
      Mails,
      Ref.update((mails) => [...mails, `${id} ${text}`])
    )
})

const mails = Effect.flatMap(Mails, Ref.get)

const all = {
  "in memory": Layer.provideMerge(layer, MailsLive),
  "in a store": Layer.provideMerge(layer, Layer.merge(MailsLive, StateStoreMemory.layer()))
}

for (const [where, live] of Object.entries(all)) {
  describe(where, () => {
    it.effect("an event leads to a transition, and the intents are done", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        assert.deepStrictEqual(yield* orders.get("a"), { state: "open", context: { cents: 0, notes: [] }, seq: 0 })
        assert.isTrue(Option.isNone(yield* orders.snapshot("a")))
        const paid = yield* orders.send("a", { _tag: "Pay", cents: 5 })
        assert.deepStrictEqual(paid, { state: "paid", context: { cents: 5, notes: [] }, seq: 1 })
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(yield* mails, ["test/order:a:0:0 welcome", "test/order:a:1:0 paid 5"])
        assert.deepStrictEqual(Option.getOrThrow(yield* orders.snapshot("a")).pending, [])
      }).pipe(Effect.provide(live))
    )

    it.effect("an event that is refused, or fails, changes nothing and says why", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        yield* orders.send("a", { _tag: "Note", text: "x" })
        const before = yield* orders.snapshot("a")
        const refused = (event: Parameters<typeof orders.send>[1]) => Effect.flip(orders.send("a", event))
        const guarded = yield* refused({ _tag: "Pay", cents: 0 })
        assert.deepInclude(guarded, {
          _tag: "TransitionRefused",
          reason: "guards",
          guards: ["is positive"],
          state: "open"
        })
        assert.deepInclude(yield* refused({ _tag: "Mend" }), { reason: "noTransition", event: "Mend" })
        assert.deepInclude(yield* refused({ _tag: "Break" }), {
          _tag: "TransitionFailed",
          part: "action",
          faults: "broken"
        })
        const overflow = yield* refused({ _tag: "Overflow" })
        assert.deepInclude(overflow, { reason: "contextInvalid" })
        assert.include(overflow.message, "at cents")
        assert.deepInclude(yield* refused({ _tag: "Pay", cents: 0.5 }), { _tag: "NodeValueInvalid", value: "input" })
        assert.deepInclude(yield* Effect.flip(orders.get("")), { _tag: "NodeValueInvalid" })
        assert.isFalse(yield* orders.can("a", { _tag: "Pay", cents: 0 }))
        assert.isTrue(yield* orders.can("a", { _tag: "Pay", cents: 1 }))
        yield* TestClock.adjust(0)
        const after = yield* orders.snapshot("a")
        assert.deepStrictEqual(
          Option.map(after, (snapshot) => ({ ...snapshot, pending: [] })),
          Option.map(before, (snapshot) => ({ ...snapshot, pending: [] }))
        )
        yield* orders.send("a", { _tag: "Cancel" })
        assert.deepInclude(yield* refused({ _tag: "Note", text: "y" }), { reason: "terminal", state: "cancelled" })
      }).pipe(Effect.provide(live))
    )

    it.effect("an event counts as it is when it is sent, not when the sending is described", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        const event = { _tag: "Pay" as const, cents: 1 }
        const sent = orders.send("late", event)
        const can = orders.can("late", event)
        event.cents = 0.5
        assert.deepInclude(yield* Effect.flip(sent), { _tag: "NodeValueInvalid", value: "input" })
        assert.deepInclude(yield* Effect.flip(can), { _tag: "NodeValueInvalid", value: "input" })
      }).pipe(Effect.provide(live))
    )

    it.effect("the last transitions are remembered, and no more", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        for (const text of ["1", "2", "3", "4"]) {
          yield* orders.send("a", { _tag: "Note", text })
          yield* TestClock.adjust(10)
        }
        const entry = (seq: number) => ({
          seq,
          at: (seq - 1) * 10,
          event: "Note",
          from: "open",
          to: "open",
          intents: []
        })
        assert.deepStrictEqual(yield* orders.history("a"), [entry(2), entry(3), entry(4)])
        assert.deepStrictEqual(yield* orders.history("b"), [])
      }).pipe(Effect.provide(live))
    )

    it.effect("a timed transition is taken in its time, and not when the state was left", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        yield* orders.start("stays")
        yield* orders.start("leaves")
        yield* orders.send("leaves", { _tag: "Pay", cents: 1 })
        yield* TestClock.adjust("59 minutes")
        // the state is not left by it, and its time goes on
        yield* orders.send("stays", { _tag: "Note", text: "x" })
        assert.strictEqual((yield* orders.get("stays")).state, "open")
        yield* TestClock.adjust("1 minutes")
        assert.strictEqual((yield* orders.get("stays")).state, "expired")
        assert.strictEqual((yield* orders.get("leaves")).state, "paid")
        yield* orders.send("stays", { _tag: "Mend" })
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(
          (yield* orders.history("stays")).map(({ at, event }) => [event, at / 3_600_000]),
          [
            ["@after", 1],
            ["Mend", 1],
            ["@after", 2]
          ]
        )
      }).pipe(Effect.provide(live))
    )

    it.effect("a snapshot is restored elsewhere as it was, and only when all of it fits", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        yield* orders.send("a", { _tag: "Note", text: "x" })
        yield* orders.send("a", { _tag: "Pay", cents: 5 })
        const taken = Option.getOrThrow(yield* orders.snapshot("a"))
        const other = yield* Layer.build(
          Layer.provide(layer, Layer.merge(Layer.succeed(Mails, yield* Mails), StateStoreMemory.layer()))
        )
        const elsewhere = Context.get(other, Orders)
        const refusal = (changes: Partial<typeof taken>) =>
          Effect.map(Effect.flip(elsewhere.restore({ ...taken, ...changes })), ({ message }) =>
            message.replace(/^the snapshot of ".*?" of "test\/order" is refused: /, "")
          )
        const entry = taken.history[1]!
        assert.include(yield* refusal({ machine: "test/other" }), "at machine")
        assert.include(yield* refusal({ state: "gone" as never }), "at state")
        assert.include(yield* refusal({ context: { cents: 0.5, notes: [] } }), "at context.cents")
        assert.include(yield* refusal({ seq: -1 }), "at seq")
        assert.include(yield* refusal({ seq: 3 }), "at history: it has too few entries")
        assert.include(yield* refusal({ history: [entry] }), "too few")
        assert.include(yield* refusal({ history: [entry, entry] }), "at history.0: its seq")
        assert.include(yield* refusal({ history: [...taken.history, ...taken.history] }), "the machine remembers 3")
        assert.include(yield* refusal({ state: "open" }), 'it leads to "paid"')
        assert.include(yield* refusal({ history: [taken.history[0]!, { ...entry, from: "expired" }] }), "at history.1")
        assert.include(yield* refusal({ history: [taken.history[0]!, { ...entry, to: "gone" }] }), "at history.1")
        assert.include(yield* refusal({ due: 5 }), "at due")
        const intent = { _tag: "Mail", text: "x" } as const
        assert.include(yield* refusal({ pending: [{ id: "test/order:b:1:0", intent }] }), "at pending.0")
        assert.include(yield* refusal({ pending: [{ id: "test/order:a:9:0", intent }] }), "at pending.0")
        const pending = { id: "test/order:a:2:0", intent }
        assert.include(yield* refusal({ pending: [pending, pending] }), "there twice")
        assert.isTrue(Option.isNone(yield* elsewhere.snapshot("a")))

        yield* elsewhere.restore({ ...taken, pending: [pending] })
        yield* TestClock.adjust(0)
        assert.include(yield* mails, "test/order:a:2:0 x")
        assert.deepStrictEqual(yield* elsewhere.snapshot("a"), Option.some({ ...taken, pending: [] }))
        // once more is fine, and so is a later one; an older one is not
        yield* elsewhere.restore({ ...taken, pending: [] })
        yield* elsewhere.send("a", { _tag: "Note", text: "y" })
        const older = yield* Effect.flip(elsewhere.restore(taken))
        assert.deepInclude(older, { _tag: "SnapshotRefused", reason: "older" })
        assert.strictEqual((yield* elsewhere.get("a")).seq, 3)
      }).pipe(Effect.scoped, Effect.provide(live))
    )

    it.effect("the latest views are streamed", () =>
      Effect.gen(function* () {
        const orders = yield* Orders
        const seen = yield* Effect.fork(Stream.runCollect(Stream.take(orders.changes("a"), 3)))
        yield* TestClock.adjust(0)
        yield* orders.send("a", { _tag: "Note", text: "x" })
        yield* TestClock.adjust(0)
        yield* TestClock.adjust("1 hour")
        const views = Array.from(yield* Fiber.join(seen))
        assert.deepStrictEqual(
          views.map(({ seq, state }) => [state, seq]),
          [
            ["open", 0],
            ["open", 1],
            ["expired", 2]
          ]
        )
      }).pipe(Effect.provide(live))
    )
  })
}

/** A Layer that a test ends when it wants to: a process. */
const processOf = <A, R>(layer: Layer.Layer<A, never, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { context, end: Scope.close(scope, Exit.void) }
  })

const over = <R>(store: typeof StateStore.Service, layer: Layer.Layer<Orders, never, R>) =>
  Layer.provide(layer, Layer.succeed(StateStore, store))

const memory = Effect.map(Layer.build(StateStoreMemory.layer()), (context) => Context.get(context, StateStore))

const note = (text: string) => ({ _tag: "Note", text }) as const

describe("with a store", () => {
  it.scoped("timed transitions survive a restart", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const first = yield* processOf(over(store, layer))
      yield* Context.get(first.context, Orders).start("late")
      yield* Context.get(first.context, Orders).start("soon")
      yield* first.end
      yield* TestClock.adjust("30 minutes")
      const second = yield* processOf(over(store, layer))
      yield* Context.get(second.context, Orders).recover(["soon"])
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual(
        (yield* Context.get(second.context, Orders).history("soon")).map(({ at }) => at),
        [3_600_000]
      )
      yield* second.end
      yield* TestClock.adjust("1 hour")
      const third = yield* processOf(over(store, layer))
      // what is due comes before the event
      yield* Context.get(third.context, Orders).send("late", { _tag: "Mend" })
      assert.deepStrictEqual(
        (yield* Context.get(third.context, Orders).history("late")).map(({ at, event }) => [event, at]),
        [
          ["@after", 7_200_000],
          ["Mend", 7_200_000]
        ]
      )
      yield* third.end
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("what was not acknowledged is done again, with its id, when the instance is opened", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const done = yield* Ref.make<ReadonlyArray<string>>([])
      const hangs = Orders.layer({
        intents: (_, { id }) =>
          Effect.zipRight(
            Ref.update(done, (ids) => [...ids, id]),
            Effect.never
          )
      })
      const first = yield* processOf(over(store, hangs))
      yield* Context.get(first.context, Orders).send("a", { _tag: "Pay", cents: 5 })
      yield* TestClock.adjust(0)
      yield* first.end
      assert.deepStrictEqual(yield* Ref.get(done), ["test/order:a:0:0"])
      const second = yield* processOf(over(store, layer))
      yield* Context.get(second.context, Orders).get("a")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* mails, ["test/order:a:0:0 welcome", "test/order:a:1:0 paid 5"])
      yield* second.end
      const third = yield* processOf(over(store, layer))
      yield* Context.get(third.context, Orders).recover(["a"])
      yield* TestClock.adjust(0)
      assert.lengthOf(yield* mails, 2)
      yield* third.end
      assert.deepInclude(yield* Effect.flip(Context.get(third.context, Orders).get("a")), {
        _tag: "NodeStateUnavailable",
        key: "a"
      })
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("an intent that fails is done again, then stays pending, and those behind it are done", () =>
    Effect.gen(function* () {
      const tries = yield* Ref.make<ReadonlyArray<string>>([])
      const heals = yield* Ref.make(false)
      const failing = Orders.layer({
        retry: Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(2)),
        intents: ({ text }) =>
          Effect.gen(function* () {
            yield* Ref.update(tries, (all) => [...all, text])
            if (text === "welcome" && !(yield* Ref.get(heals))) return yield* Effect.fail("no post today")
          })
      })
      const { context, end } = yield* processOf(over(yield* memory, failing))
      const orders = Context.get(context, Orders)
      const pending = Effect.map(
        orders.snapshot("a"),
        Option.match({ onNone: () => [], onSome: ({ pending }) => pending.map(({ id }) => id) })
      )
      yield* orders.send("a", { _tag: "Pay", cents: 5 })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Ref.get(tries), ["welcome", "welcome", "welcome", "paid 5"])
      assert.deepStrictEqual(yield* pending, ["test/order:a:0:0"])
      yield* Ref.set(heals, true)
      yield* orders.recover()
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* pending, [])
      assert.lengthOf(yield* Ref.get(tries), 5)
      yield* end
    })
  )

  const faulty = (plan: FaultyStateStore.Plan) =>
    Effect.map(Layer.build(Layer.provide(FaultyStateStore.layer(plan), StateStoreMemory.layer())), (context) =>
      Context.get(context, StateStore)
    )

  it.scoped("a write that fails leaves everything as it was; one whose answer is lost is found", () =>
    Effect.gen(function* () {
      const store = yield* faulty([
        { operation: "compareAndSet", nth: 1, fault: FaultyStateStore.fail("full") },
        { operation: "compareAndSet", nth: 2, fault: FaultyStateStore.lostAcknowledgement },
        { operation: "compareAndSet", nth: 3, fault: FaultyStateStore.fail("busy") }
      ])
      const quiet = Orders.layer({ intents: () => Effect.never })
      const orders = Context.get(yield* Layer.build(over(store, quiet)), Orders)
      const failed = yield* Effect.flip(orders.send("a", note("1")))
      assert.deepInclude(failed, { _tag: "NodeStateUnavailable", node: "test/Orders", key: "a" })
      assert.isTrue(Option.isNone(yield* orders.snapshot("a")))
      assert.strictEqual((yield* orders.send("a", note("2"))).seq, 1)
      const third = yield* Effect.fork(orders.send("a", note("3")))
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual((yield* Fiber.join(third)).context.notes, ["2", "3"])
      assert.deepStrictEqual((yield* orders.get("a")).context.notes, ["2", "3"])
    })
  )

  it.scoped("events of a key are applied in the order in which they came, and other keys do not wait", () =>
    Effect.gen(function* () {
      const store = yield* faulty([
        { operation: "compareAndSet", nth: 1, fault: FaultyStateStore.delay("1 minute") },
        { operation: "compareAndSet", nth: 3, fault: FaultyStateStore.delay("1 minute") }
      ])
      const orders = Context.get(yield* Layer.build(over(store, Orders.layer({ intents: () => Effect.never }))), Orders)
      const sent = []
      for (const text of ["1", "2", "3", "4", "5"]) {
        sent.push(yield* Effect.fork(orders.send("a", note(text))))
        yield* TestClock.adjust(0)
      }
      assert.strictEqual((yield* orders.send("b", note("x"))).seq, 1)
      // one that waits does not take effect when it is interrupted, and one that is being written does
      yield* Fiber.interrupt(sent[0]!)
      yield* Fiber.interrupt(sent[2]!)
      const seen = yield* Effect.fork(orders.get("a"))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual((yield* Fiber.join(seen)).context.notes, ["1", "2", "4", "5"])
      assert.deepStrictEqual(
        yield* Effect.forEach([sent[1]!, sent[3]!, sent[4]!], (fiber) =>
          Effect.map(Fiber.join(fiber), ({ seq }) => seq)
        ),
        [2, 3, 4]
      )
    })
  )

  it.scoped("intents are done, and views change, only when the transition is stored", () =>
    Effect.gen(function* () {
      const store = yield* faulty([{ operation: "compareAndSet", nth: 1, fault: FaultyStateStore.delay("1 minute") }])
      const orders = Context.get(yield* Layer.build(over(store, layer)), Orders)
      const seqs = yield* Ref.make<ReadonlyArray<number>>([])
      yield* Effect.fork(Stream.runForEach(orders.changes("a"), ({ seq }) => Ref.update(seqs, (all) => [...all, seq])))
      yield* TestClock.adjust(0)
      yield* Effect.fork(orders.send("a", { _tag: "Pay", cents: 1 }))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* Ref.get(seqs), [0])
      assert.deepStrictEqual(yield* mails, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Ref.get(seqs), [0, 1])
      assert.lengthOf(yield* mails, 2)
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("an instance that cannot be read stops no other from being recovered", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const scope = yield* Scope.make()
      const first = Context.get(yield* Scope.extend(Layer.build(over(store, layer)), scope), Orders)
      for (const key of ["a", "d"]) yield* first.start(key)
      yield* Scope.close(scope, Exit.void)
      for (const key of ["b", "c"]) yield* store.set(`heddle/reducer/test/order:${key}`, "not json")
      const second = Context.get(yield* Layer.build(over(store, layer)), Orders)
      const error = yield* Effect.flip(second.recover(["a", "b", "c", "", "d"]))
      assert.deepInclude(error, { _tag: "NodeStateUnavailable", key: "b" })
      // the last of them is waited for all the same
      const before = yield* store.get("heddle/reducer/test/order:d")
      yield* TestClock.adjust("1 hour")
      const after = yield* store.get("heddle/reducer/test/order:d")
      assert.include(Option.getOrThrow(after).value, '"state":"expired"')
      assert.include(Option.getOrThrow(before).value, '"state":"open"')
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("without keys it recovers all instances of the store, and of no other machine", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const keys = Array.from({ length: 120 }, (_, i) => `k${i}`)
      const first = yield* processOf(over(store, layer))
      for (const key of keys) yield* Context.get(first.context, Orders).start(key)
      yield* first.end
      yield* store.set("heddle/reducer/test/order2:a", "not json")
      yield* store.set("heddle/reducer/test/order", "not json")
      const second = yield* processOf(over(store, layer))
      yield* Context.get(second.context, Orders).recover()
      yield* TestClock.adjust("1 hour")
      for (const key of keys) {
        const stored = Option.getOrThrow(yield* store.get(`heddle/reducer/test/order:${key}`))
        assert.include(stored.value, '"state":"expired"')
      }
      yield* store.set("heddle/reducer/test/order:bad", "not json")
      const error = yield* Effect.flip(Context.get(second.context, Orders).recover())
      assert.deepInclude(error, { _tag: "NodeStateUnavailable", key: "bad" })
      yield* second.end
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("fails to recover when the keys cannot be listed, after it has tried again", () =>
    Effect.gen(function* () {
      const busy = (times: number) =>
        faulty([{ operation: "list", nth: 1, times, fault: FaultyStateStore.fail("busy") }])
      for (const times of [2, Infinity]) {
        const orders = Context.get(yield* Layer.build(over(yield* busy(times), layer)), Orders)
        const fiber = yield* Effect.fork(Effect.either(orders.recover()))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, times === 2 ? "Right" : "Left")
      }
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("what does not fit the machine is not read", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const orders = Context.get(yield* Layer.build(over(store, layer)), Orders)
      for (const [key, text] of Object.entries({ a: "not json", b: "{}", c: '{"format":2}' })) {
        yield* store.set(`heddle/reducer/test/order:${key}`, text)
        const error = yield* Effect.flip(orders.send(key, { _tag: "Cancel" }))
        assert.deepInclude(error, { _tag: "NodeStateUnavailable", key })
        assert.include(error.message, "does not fit the machine")
      }
      yield* orders.send("d", { _tag: "Cancel" })
    }).pipe(Effect.provide(MailsLive))
  )

  it.scoped("no more instances than the capacity stay in memory that nobody uses", () =>
    Effect.gen(function* () {
      type Snap = Machine.Snapshot<string, unknown, Machine.Tagged>
      const Snap = Machine.snapshot(
        machine as unknown as Machine.Machine<string, Machine.Tagged, unknown, Machine.Tagged>
      )
      const store = InstanceStore.make<Snap>({ node: "n", store: yield* memory, prefix: "p:", schema: Snap })
      const latch = yield* Deferred.make<void>()
      const instances = yield* Instances.make<Snap>({
        ...{ node: "n", store, capacity: 3, timers: yield* InstanceTimers.make },
        perform: () => Deferred.await(latch)
      })
      const begun = (key: string, seq = 0): Snap => ({
        ...{ machine: "test/order", key, state: "open", context: { cents: 0, notes: [] }, seq, due: null, history: [] },
        pending: []
      })
      const begin = (key: string) => instances.change(key, () => ({ next: begun(key), result: Either.void }))
      for (let i = 0; i < 20; i++) {
        yield* begin(`k${i}`)
        yield* TestClock.adjust(0)
        assert.isAtMost(yield* instances.size, 3)
      }
      // what is watched stays, and what waits for it sees a change
      const seen = yield* Effect.fork(Stream.runCollect(Stream.take(instances.changes("k0"), 2)))
      yield* TestClock.adjust(0)
      for (let i = 1; i < 20; i++) yield* begin(`k${i}`)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* instances.size, 4)
      yield* instances.change("k0", () => ({ next: begun("k0", 1), result: Either.void }))
      assert.lengthOf(Array.from(yield* Fiber.join(seen)), 2)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* instances.size, 3)
    })
  )
})

class Visit extends Schema.Class<Visit>("test/Visit")({ at: Schema.Int }) {}

const Parts = Schema.Struct({
  since: Schema.Date,
  tags: Schema.Set(Schema.String),
  visits: Schema.Map({ key: Schema.String, value: Visit }),
  bytes: Schema.Uint8ArrayFromBase64
})

/** Changes all that can be changed in a context. */
const spoil = ({ bytes, since, tags, visits }: typeof Parts.Type): boolean => {
  since.setTime(1e12)
  tags.clear()
  visits.clear()
  bytes[0] = 9
  return false
}

/** Its context and its intents have parts that cannot be frozen. */
const dated = Machine.make({
  id: "test/dated",
  context: Parts,
  events: { Begin: {}, Refuse: {}, Tell: {}, Tag: { tag: Schema.String }, Touch: {} },
  intents: { Remind: { on: Schema.Date } },
  initial: "open",
  initialContext: {
    since: new Date(0),
    tags: new Set(["a"]),
    visits: new Map([["x", new Visit({ at: 1 })]]),
    bytes: new Uint8Array([1])
  },
  states: { open: { after: { delay: "1 hour", to: "open", guard: { name: "late", test: (c) => spoil(c) } } } },
  transitions: [
    { from: "open", on: "Begin" },
    { from: "open", on: "Refuse", guard: { name: "spoils", test: (c) => spoil(c) } },
    {
      from: "open",
      on: "Tell",
      actions: [
        {
          emit: (c) => {
            spoil(c)
            return []
          }
        }
      ]
    },
    { from: "open", on: "Tag", actions: [{ update: (c, { tag }) => ({ ...c, tags: new Set([...c.tags, tag]) }) }] },
    {
      from: "open",
      on: "Touch",
      guard: { name: "spoils first", test: (c) => !spoil(c) },
      actions: [{ emit: () => ({ _tag: "Remind", on: new Date(5) }) }]
    }
  ]
})

class Dated extends ReducerNode.Service<Dated>()("test/Dated", { machine: dated }) {}

describe("a context that is not all plain data", () => {
  const untouched = (tags = ["a"]) => ({
    since: new Date(0),
    tags: new Set(tags),
    visits: new Map([["x", new Visit({ at: 1 })]]),
    bytes: new Uint8Array([1])
  })

  for (const [where, store] of Object.entries({ "in memory": Layer.empty, "in a store": StateStoreMemory.layer() })) {
    it.effect(`is changed by nobody who was given it, ${where}`, () =>
      Effect.gen(function* () {
        const reminded: Array<number> = []
        const live = Dated.layer({
          retry: Schedule.recurs(2),
          intents: ({ on }) => {
            reminded.push(on.getTime())
            on.setTime(1e12)
            return reminded.length < 3 ? Effect.fail("again") : Effect.never
          }
        })
        yield* Effect.gen(function* () {
          const node = yield* Dated
          const same = (tags?: Array<string>) =>
            Effect.gen(function* () {
              assert.deepStrictEqual((yield* node.get("k")).context, untouched(tags))
              assert.deepStrictEqual((yield* node.get("never begun")).context, untouched())
              assert.deepStrictEqual(dated.initialContext, untouched())
            })
          spoil(dated.initialContext)
          yield* same()
          spoil((yield* node.get("k")).context)
          spoil((yield* node.start("k")).context)
          yield* same()
          spoil((yield* node.send("k", { _tag: "Begin" })).context)
          assert.isFalse(yield* node.can("k", { _tag: "Refuse" }))
          yield* Effect.flip(node.send("k", { _tag: "Refuse" }))
          yield* same()
          spoil((yield* node.send("k", { _tag: "Tag", tag: "b" })).context)
          yield* same(["a", "b"])
          for (let i = 0; i < 2; i++) {
            const views = yield* Stream.runCollect(Stream.take(node.changes("k"), 1))
            for (const { context } of views) spoil(context)
          }
          spoil(Option.getOrThrow(yield* node.snapshot("k")).context)
          yield* same(["a", "b"])
          yield* node.send("k", { _tag: "Tell" })
          yield* same(["a", "b"])
          yield* TestClock.adjust("1 hour")
          yield* same(["a", "b"])

          yield* node.send("k", { _tag: "Touch" })
          yield* TestClock.adjust(0)
          assert.deepStrictEqual(reminded, [5, 5, 5])
          const pending = Option.getOrThrow(yield* node.snapshot("k")).pending
          assert.deepStrictEqual(
            pending.map(({ intent }) => intent.on),
            [dateOf(5)]
          )
          pending[0]!.intent.on.setTime(7)
          const again = Option.getOrThrow(yield* node.snapshot("k"))
          assert.deepStrictEqual(again.pending[0]?.intent.on, dateOf(5))

          const given = { ...again, seq: again.seq + 1, history: [] as typeof again.history }
          yield* Effect.flip(node.restore(given))
          spoil((yield* node.restore({ ...again, key: "other", pending: [] })).context)
          assert.deepStrictEqual((yield* node.get("other")).context, untouched(["a", "b"]))
          yield* same(["a", "b"])
        }).pipe(Effect.provide(Layer.provide(live, store)))
      })
    )
  }
})

describe("as a module", () => {
  const amount = Module.input("amount", Schema.Int)
  const pay = Module.node("pay", {
    node: Orders,
    needs: { amount },
    input: ({ amount }) => ({ key: "a", event: { _tag: "Pay" as const, cents: amount } })
  })
  const Paying = Dag.make("paying", { outputs: { pay } })
  const live = Layer.mergeAll(Layer.provide(layer, MailsLive), Heddle.layerMemory)

  it.effect("the view is the output, and the refusal the error", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(Engine.execute(Paying, { amount: 0 }, { runId: RunId.make("no") }))
      assert.deepInclude(refused, { _tag: "TransitionRefused", guards: ["is positive"] })
      assert.deepStrictEqual(yield* Engine.execute(Paying, { amount: 3 }), {
        pay: { state: "paid", context: { cents: 3, notes: [] }, seq: 1 }
      })
    }).pipe(Effect.provide(live))
  )
})
