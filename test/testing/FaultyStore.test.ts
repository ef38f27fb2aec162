import { assert, describe, it, vi } from "@effect/vitest"
import { Array, Context, Effect, Exit, FastCheck, Fiber, Layer, Option, Ref, TestClock } from "effect"
import { isTransient, StoreError } from "heddle/model/StoreError"
import { RunStore } from "heddle/store/RunStore"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { FaultyStore, RunStoreContract } from "heddle/testing"
import { contents } from "../../src/testing/internal/contract/Answers.js"
import { anyOperation, type Operation, perform } from "../../src/testing/internal/contract/Operation.js"
import { batchOf, become, newRun, runId, step } from "../../src/testing/internal/contract/Rows.js"
import { numRuns } from "../numRuns.js"

type Store = typeof RunStore.Service
type FaultyLayer = Layer.Layer<RunStore | FaultyStore.FaultyStore, never, RunStore>

const memory = Effect.map(Layer.build(RunStoreMemory.layer()), Context.get(RunStore))

/** A faulty store, the one below it, and what has happened. */
const build = (layer: FaultyLayer, below?: Store) =>
  Effect.gen(function* () {
    const under = below ?? (yield* memory)
    const context = yield* Effect.provideService(Layer.build(layer), RunStore, under)
    const { calls, injected } = Context.get(context, FaultyStore.FaultyStore)
    return { store: Context.get(context, RunStore), below: under, calls, injected }
  })

/** How a call ends, if it does; one that is delayed has ten minutes. */
const outcome = <A, E>(call: Effect.Effect<A, E>, delayed = false) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(call)
    yield* Effect.repeatN(Effect.yieldNow(), 9)
    if (delayed) {
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("10 minutes")
    }
    const exit = yield* Fiber.poll(fiber)
    yield* Fiber.interrupt(fiber)
    return exit
  })

const isWrite = (operation: string) =>
  ["open", "claim", "heartbeat", "release", "commit", "bury", "prune", "signal", "keepSnapshot"].includes(operation)

const { array, constantFrom, integer, oneof, option, record } = FastCheck

const anyWhen = constantFrom<FaultyStore.When>("before", "after")
const anyFault: FastCheck.Arbitrary<FaultyStore.Fault> = oneof(
  FastCheck.tuple(
    constantFrom("busy" as const, "unavailable" as const, "full" as const, "failed" as const),
    anyWhen
  ).map(([reason, when]) => FaultyStore.fail(reason, when)),
  anyWhen.map((when) => FaultyStore.delay("1 minute", when)),
  anyWhen.map((when) => FaultyStore.hang(when)),
  { weight: 1, arbitrary: anyWhen.map((when) => FaultyStore.kill(when)) }
)
const anyPlan: FastCheck.Arbitrary<FaultyStore.Plan> = array(
  record({
    operation: constantFrom<FaultyStore.Target>("commit", "commit", "open", "signal", "due", "list", "any write"),
    nth: integer({ min: 1, max: 8 }),
    times: option(constantFrom(1, 2, 3, Infinity), { nil: undefined }),
    fault: anyFault
  }),
  { maxLength: 4 }
)
const anyOperations = array(anyOperation, { maxLength: 16, size: "max" })

const one = (fault: FaultyStore.Fault, options?: Partial<FaultyStore.Options>) =>
  build(FaultyStore.layer([{ operation: "commit", nth: 1, fault }], options))

describe("FaultyStore", () => {
  it.scoped.prop(
    "has the faults of its plan: what was to fail before had no effect, and what was to fail after had it",
    { plan: anyPlan, operations: anyOperations },
    ({ operations, plan }) =>
      Effect.gen(function* () {
        const { below, calls, store } = yield* build(FaultyStore.layer(plan, { kill: Effect.void }))
        const reference = yield* memory
        const seen: Array<FaultyStore.Call> = []
        let dead = false
        for (const operation of operations) {
          if (dead) {
            assert.isTrue(Option.isNone(yield* outcome(perform(store, operation))))
            continue
          }
          const nth = seen.filter((call) => call.operation === operation._tag).length + 1
          const nthWrite = isWrite(operation._tag)
            ? seen.filter((call) => isWrite(call.operation)).length + 1
            : undefined
          const planned = plan.filter(({ nth: from, operation: target, times = 1 }) => {
            const number = target === "any write" ? nthWrite : target === operation._tag ? nth : undefined
            return number !== undefined && from <= number && number < from + times
          })
          const fault = planned[0]?.fault
          seen.push({ operation: operation._tag, nth, nthWrite, fault })
          const exit = yield* outcome(perform(store, operation), fault?._tag === "Delay")
          const takesEffect = fault === undefined || fault._tag === "Delay" || fault.when === "after"
          const answer = takesEffect ? yield* Effect.exit(perform(reference, operation)) : undefined
          if (fault?._tag === "Fail") {
            const error = yield* Effect.flip(Option.getOrThrow(exit))
            assert.deepStrictEqual([error.reason, error.operation], [fault.reason, operation._tag])
          } else if (fault === undefined || fault._tag === "Delay") {
            assert.deepStrictEqual(exit, Option.fromNullable(answer))
          } else {
            assert.isTrue(Option.isNone(exit))
            dead = fault._tag === "Kill"
          }
          if (fault !== undefined) assert.deepStrictEqual(yield* contents(below), yield* contents(reference))
        }
        assert.deepStrictEqual(yield* contents(below), yield* contents(reference))
        assert.deepStrictEqual(yield* calls, seen)
      }),
    { fastCheck: { numRuns } }
  )

  const answers = (layer: FaultyLayer, operations: ReadonlyArray<Operation>) =>
    Effect.gen(function* () {
      const { calls, injected, store } = yield* build(layer)
      const exits = yield* Effect.forEach(operations, (operation) => outcome(perform(store, operation)))
      return { exits, calls: yield* calls, injected: yield* injected }
    })

  it.scoped.prop(
    "a seed makes the same faults again, and so does the plan that it made",
    {
      seed: integer(),
      rate: constantFrom(0, 0.1, 0.5, 1),
      faults: array(anyFault.filter(({ _tag }) => _tag !== "Delay")),
      operations: anyOperations
    },
    ({ faults, operations, rate, seed }) =>
      Effect.gen(function* () {
        const options = { seed, rate, faults, kill: Effect.void }
        const first = yield* answers(FaultyStore.layerSeeded(options), operations)
        assert.deepStrictEqual(yield* answers(FaultyStore.layerSeeded(options), operations), first)
        const replayed = FaultyStore.layer(first.injected, { kill: Effect.void })
        assert.deepStrictEqual(yield* answers(replayed, operations), first)
        const writes = first.calls.filter(({ operation }) => isWrite(operation)).length
        if (rate === 0 || faults.length === 0) assert.strictEqual(first.injected.length, 0)
        else if (rate === 1) assert.strictEqual(first.injected.length, writes)
      }),
    { fastCheck: { numRuns } }
  )

  const faultsOf = (seed: number, between: (store: Store) => Effect.Effect<unknown, StoreError>) =>
    Effect.gen(function* () {
      const faults = [FaultyStore.fail("busy"), FaultyStore.lostAcknowledgement]
      const { calls, store } = yield* build(
        FaultyStore.layerSeeded({ seed, rate: 0.3, faults, operations: ["commit"] })
      )
      for (const _ of Array.range(1, 100)) {
        yield* Effect.exit(store.commit(batchOf()))
        yield* between(store)
      }
      return (yield* calls).filter(({ operation }) => operation === "commit").map(({ fault }) => fault)
    })

  it.scoped("a seed has faults at its rate, of every kind, whatever is called between", () =>
    Effect.gen(function* () {
      const faults = yield* faultsOf(1, () => Effect.void)
      const count = (fault: FaultyStore.Fault) =>
        faults.filter((one) => one?._tag === "Fail" && one.when === fault.when).length
      const [before, after] = [count(FaultyStore.fail("busy")), count(FaultyStore.lostAcknowledgement)]
      for (const number of [before, after]) assert.isTrue(number >= 5 && number <= 25, `${number} of 100`)
      const between = (store: Store) => Effect.zipRight(store.heartbeat([], 1), store.list({ limit: 1 }))
      assert.deepStrictEqual(yield* faultsOf(1, between), faults)
      assert.notDeepEqual(yield* faultsOf(2, between), faults)
    })
  )

  it.effect("without faults it keeps the contract of the store", () =>
    RunStoreContract.verify(FaultyStore.layer([]).pipe(Layer.provide(RunStoreMemory.layer())), { cases: 20 })
  )

  it.scoped("a lost acknowledgement is a transient error of a commit that took effect, and can be made again", () =>
    Effect.gen(function* () {
      const { below, store } = yield* one(FaultyStore.lostAcknowledgement)
      yield* store.open(newRun("a"))
      const changes = batchOf(step("a", 1, "m", "completed", { output: "1" }))
      const error = yield* Effect.flip(store.commit(changes))
      assert.isTrue(isTransient(error))
      assert.strictEqual(Option.getOrThrow(yield* below.run(runId("a"))).seq, 1)
      assert.deepStrictEqual(yield* store.commit(changes), [])
      assert.strictEqual((yield* below.history(runId("a"), { after: 0, limit: 9 })).length, 1)
    })
  )

  for (const when of ["before", "after"] as const) {
    it.scoped(`a delay ${when} the call lasts as long as it says`, () =>
      Effect.gen(function* () {
        const { below, store } = yield* one(FaultyStore.delay("10 seconds", when))
        yield* store.open(newRun("a"))
        const fiber = yield* Effect.fork(store.commit(batchOf(become("a", 1, "completed"))))
        yield* TestClock.adjust("9999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        assert.strictEqual(Option.getOrThrow(yield* below.run(runId("a"))).seq, when === "after" ? 1 : 0)
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(fiber), [])
      })
    )

    it.scoped(`a call that hangs ${when} it took effect can be interrupted, and later ones go on`, () =>
      Effect.gen(function* () {
        const { below, store } = yield* one(FaultyStore.hang(when))
        yield* store.open(newRun("a"))
        const changes = batchOf(become("a", 1, "completed"))
        const fiber = yield* Effect.fork(store.commit(changes))
        yield* TestClock.adjust("1 day")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(Option.getOrThrow(yield* below.run(runId("a"))).seq, when === "after" ? 1 : 0)
        assert.deepStrictEqual(yield* store.commit(changes), [])
        assert.strictEqual(Option.getOrThrow(yield* below.run(runId("a"))).seq, 1)
      })
    )
  }

  it.scoped("a store that fails by itself gives its own error, and no fault follows", () =>
    Effect.gen(function* () {
      const own = new StoreError({ reason: "full", location: "here", operation: "commit", message: "full" })
      const below = { ...(yield* memory), commit: () => Effect.fail(own) }
      const plan = [{ operation: "commit", nth: 1, fault: FaultyStore.lostAcknowledgement }] as const
      const { store } = yield* build(FaultyStore.layer(plan), below)
      assert.strictEqual(yield* Effect.flip(store.commit(batchOf())), own)
    })
  )

  it.scoped("kills once, with what the test gives, and is gone then", () =>
    Effect.gen(function* () {
      const killed = yield* Ref.make(0)
      const options = { kill: Ref.update(killed, (n) => n + 1) }
      const { below, calls, store } = yield* one(FaultyStore.kill("after"), options)
      yield* store.open(newRun("a"))
      assert.isTrue(Option.isNone(yield* outcome(store.commit(batchOf(step("a", 1, "m", "running"))))))
      assert.isTrue(Option.isNone(yield* outcome(store.commit(batchOf(step("a", 2, "m", "completed"))))))
      assert.isTrue(Option.isNone(yield* outcome(store.storage)))
      assert.strictEqual(yield* Ref.get(killed), 1)
      assert.strictEqual(Option.getOrThrow(yield* below.run(runId("a"))).seq, 1)
      assert.strictEqual((yield* calls).length, 2)
    })
  )

  it.scoped("kills this process with SIGKILL unless told otherwise", () =>
    Effect.gen(function* () {
      const { store } = yield* one(FaultyStore.kill())
      const signals: Array<unknown> = []
      const spy = vi.spyOn(process, "kill").mockImplementation((...signal) => {
        signals.push(signal)
        return true
      })
      yield* Effect.ensuring(
        outcome(store.commit(batchOf())),
        Effect.sync(() => spy.mockRestore())
      )
      assert.deepStrictEqual(signals, [[process.pid, "SIGKILL"]])
    })
  )
})
