import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, FastCheck, Fiber, Layer, Option, Ref, TestClock } from "effect"
import { isTransient, StoreError } from "heddle/model/StoreError"
import { StateStore } from "heddle/store/StateStore"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { FaultyStateStore, StateStoreContract } from "heddle/testing"
import { numRuns } from "../numRuns.js"

type Store = typeof StateStore.Service
type FaultyLayer = Layer.Layer<StateStore | FaultyStateStore.FaultyStateStore, never, StateStore>

const memory = Effect.map(Layer.build(StateStoreMemory.layer()), Context.get(StateStore))

/** A faulty store, the one below it, and what has happened. */
const build = (layer: FaultyLayer, below?: Store) =>
  Effect.gen(function* () {
    const under = below ?? (yield* memory)
    const context = yield* Effect.provideService(Layer.build(layer), StateStore, under)
    const { calls, injected } = Context.get(context, FaultyStateStore.FaultyStateStore)
    return { store: Context.get(context, StateStore), below: under, calls, injected }
  })

/** Each of the methods, on a key of which `a` is the present value. */
const methods: { readonly [O in FaultyStateStore.Operation]: (store: Store) => Effect.Effect<unknown, StoreError> } = {
  get: (store) => store.get("k"),
  set: (store) => store.set("k", "b"),
  delete: (store) => store.delete("k"),
  compareAndSet: (store) => store.compareAndSet("k", 1, "b"),
  getMany: (store) => store.getMany(["k"]),
  list: (store) => store.list({ prefix: "", limit: 1 })
}

/** What a method leaves behind when it has taken effect. */
const after = { get: "a", set: "b", delete: undefined, compareAndSet: "b", getMany: "a", list: "a" } as const

const valueOf = (store: Store) => Effect.map(store.get("k"), (entry) => Option.getOrUndefined(entry)?.value)

const operations = ["get", "set", "delete", "compareAndSet", "getMany", "list"] as const

describe("FaultyStateStore", () => {
  for (const operation of operations) {
    const call = methods[operation]
    // the first call has put the value there, or got it
    const begun = (fault: FaultyStateStore.Fault) =>
      Effect.gen(function* () {
        const nth = operation === "set" ? 2 : 1
        const built = yield* build(FaultyStateStore.layer([{ operation, nth, fault }]))
        yield* built.store.set("k", "a")
        return built
      })

    it.scoped(`${operation} fails without effect, and works when it is called again`, () =>
      Effect.gen(function* () {
        const { below, store } = yield* begun(FaultyStateStore.fail("full"))
        const error = yield* Effect.flip(call(store))
        assert.deepStrictEqual([error.reason, error.operation, error.location], ["full", operation, "FaultyStateStore"])
        assert.strictEqual(yield* valueOf(below), "a")
        yield* call(store)
        assert.strictEqual(yield* valueOf(below), after[operation])
      })
    )

    it.scoped(`${operation} takes effect, and its answer is lost: a transient error`, () =>
      Effect.gen(function* () {
        const { below, store } = yield* begun(FaultyStateStore.lostAcknowledgement)
        assert.isTrue(isTransient(yield* Effect.flip(call(store))))
        assert.strictEqual(yield* valueOf(below), after[operation])
      })
    )

    for (const when of ["before", "after"] as const) {
      it.scoped(`${operation} is late: its delay comes ${when} its effect`, () =>
        Effect.gen(function* () {
          const { below, store } = yield* begun(FaultyStateStore.delay("10 seconds", when))
          const fiber = yield* Effect.fork(call(store))
          yield* TestClock.adjust("9999 millis")
          assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
          assert.strictEqual(yield* valueOf(below), when === "after" ? after[operation] : "a")
          yield* TestClock.adjust("1 millis")
          yield* Fiber.join(fiber)
          assert.strictEqual(yield* valueOf(below), after[operation])
        })
      )

      it.scoped(`${operation} hangs ${when} its effect until it is interrupted`, () =>
        Effect.gen(function* () {
          const { below, store } = yield* begun(FaultyStateStore.hang(when))
          const fiber = yield* Effect.fork(call(store))
          yield* TestClock.adjust("1 day")
          assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          assert.strictEqual(yield* valueOf(below), when === "after" ? after[operation] : "a")
        })
      )
    }
  }

  it.scoped("counts any write, which get is not, and stays broken as often as it is told", () =>
    Effect.gen(function* () {
      const plan: FaultyStateStore.Plan = [
        { operation: "any write", nth: 3, times: 2, fault: FaultyStateStore.fail("busy") },
        { operation: "get", nth: 2, times: Infinity, fault: FaultyStateStore.fail("unavailable") }
      ]
      const { calls, injected, store } = yield* build(FaultyStateStore.layer(plan))
      const succeeded: Array<boolean> = []
      for (const operation of ["set", "get", "delete", "compareAndSet", "set", "set", "get", "get"] as const) {
        succeeded.push(Exit.isSuccess(yield* Effect.exit(methods[operation](store))))
      }
      assert.deepStrictEqual(succeeded, [true, true, true, false, false, true, false, false])
      assert.deepStrictEqual(
        (yield* calls).map(({ nth, nthWrite }) => [nth, nthWrite]),
        [
          [1, 1],
          [1, undefined],
          [1, 2],
          [1, 3],
          [2, 4],
          [3, 5],
          [2, undefined],
          [3, undefined]
        ]
      )
      assert.deepStrictEqual(
        (yield* injected).map(({ nth, operation }) => [operation, nth]),
        [
          ["compareAndSet", 1],
          ["set", 2],
          ["get", 2],
          ["get", 3]
        ]
      )
    })
  )

  it.scoped("a store that fails by itself gives its own error, and no fault follows", () =>
    Effect.gen(function* () {
      const own = new StoreError({ reason: "full", location: "here", operation: "set", message: "full" })
      const plan = [{ operation: "set", nth: 1, fault: FaultyStateStore.lostAcknowledgement }] as const
      const below = { ...(yield* memory), set: () => Effect.fail(own) }
      const { store } = yield* build(FaultyStateStore.layer(plan), below)
      assert.strictEqual(yield* Effect.flip(store.set("k", "a")), own)
    })
  )

  it.scoped("kills once, with what the test gives, and is gone then", () =>
    Effect.gen(function* () {
      const killed = yield* Ref.make(0)
      const { below, calls, store } = yield* build(
        FaultyStateStore.layer([{ operation: "set", nth: 1, fault: FaultyStateStore.kill("after") }], {
          kill: Ref.update(killed, (n) => n + 1)
        })
      )
      const fibers = yield* Effect.forEach(["a", "b"], (value) => Effect.fork(store.set("k", value)))
      yield* TestClock.adjust("1 day")
      for (const fiber of fibers) assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* Fiber.interruptAll(fibers)
      assert.deepStrictEqual([yield* Ref.get(killed), (yield* calls).length, yield* valueOf(below)], [1, 1, "a"])
    })
  )

  it.scoped.prop(
    "a seed has the same faults again, and so has the plan that it made",
    {
      seed: FastCheck.integer(),
      rate: FastCheck.constantFrom(0, 0.3, 1),
      made: FastCheck.array(FastCheck.constantFrom(...operations), { maxLength: 16, size: "max" })
    },
    ({ made, rate, seed }) =>
      Effect.gen(function* () {
        const outcomes = (layer: FaultyLayer) =>
          Effect.gen(function* () {
            const { calls, injected, store } = yield* build(layer)
            const exits = yield* Effect.forEach(made, (operation) => Effect.exit(methods[operation](store)))
            return { exits, calls: yield* calls, injected: yield* injected }
          })
        const faults = [FaultyStateStore.fail("busy"), FaultyStateStore.lostAcknowledgement]
        const seeded = FaultyStateStore.layerSeeded({
          seed,
          rate,
          faults,
          operations: ["get", "getMany", "list", "any write"]
        })
        const first = yield* outcomes(seeded)
        assert.deepStrictEqual(yield* outcomes(seeded), first)
        assert.deepStrictEqual(yield* outcomes(FaultyStateStore.layer(first.injected)), first)
        if (rate !== 0.3) assert.strictEqual(first.injected.length, made.length * rate)
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("without faults it keeps the contract of the store", () =>
    StateStoreContract.verify(FaultyStateStore.layer([]).pipe(Layer.provide(StateStoreMemory.layer())), { cases: 20 })
  )
})
