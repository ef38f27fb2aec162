import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  Deferred,
  Duration,
  Effect,
  Either,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  Ref,
  Schedule,
  Schema,
  TestClock
} from "effect"
import { Dag, Engine, Heddle, Module, Node, RunId } from "heddle"
import { NodeTimedOut } from "heddle/model/NodeError"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import * as EffectNode from "heddle/node/EffectNode"
import { numRuns } from "../numRuns.js"
import * as VirtualClock from "../run/VirtualClock.js"

class CardError extends Schema.TaggedError<CardError>()("CardError", { declined: Schema.Boolean }) {}
class Charge extends Schema.Class<Charge>("Charge")({ order: Schema.String, cents: Schema.Int }) {}
class ChargeCard extends EffectNode.Service<ChargeCard>()("app/ChargeCard", {
  input: Charge,
  output: Schema.NonEmptyString,
  error: CardError,
  version: 2
}) {}

const charge = new Charge({ order: "42", cents: 1990 })
const process = Effect.flatMap(ChargeCard, (node) => node.process(charge))

/** What each attempt does; the last one is done again. */
const script = (...attempts: ReadonlyArray<Effect.Effect<string, CardError>>) =>
  Effect.map(Ref.make<ReadonlyArray<EffectNode.Call>>([]), (calls) => ({
    calls: Ref.get(calls),
    execute: (_: Charge, call: EffectNode.Call) =>
      Effect.flatMap(
        Ref.getAndUpdate(calls, (before) => [...before, call]),
        ({ length }) => attempts[Math.min(length, attempts.length - 1)]!
      )
  }))

/** Of an attempt, in milliseconds. */
const timeout = 25

const down = new CardError({ declined: false })
const declined = new CardError({ declined: true })

describe("an effect node", () => {
  it.effect("is a node, described by its schemas; its errors are stored", () =>
    Effect.gen(function* () {
      assert.isTrue(Node.isNode(ChargeCard))
      assert.strictEqual(ChargeCard.key, "app/ChargeCard")
      assert.deepInclude(ChargeCard.description, { kind: "effect", version: "2" })
      // none of its schemas requires anything
      const error = ChargeCard.description.error as Schema.Schema<unknown>
      const errors = [
        down,
        new NodeTimedOut({ node: "app/ChargeCard", timeout: 5 }),
        new CircuitBreaker.CircuitOpen({ operation: "a", retryAfter: 1 })
      ]
      for (const one of errors) {
        const text = JSON.stringify(yield* Schema.encode(error)(one))
        assert.deepStrictEqual(yield* Schema.decode(error)(JSON.parse(text)), one)
      }
    })
  )

  it.effect("runs nothing for an input that does not fit, and does not repeat what gave a wrong output", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make()
      const { calls, execute } = yield* script(Effect.succeed(""))
      const layer = ChargeCard.layer({
        execute,
        idempotent: true,
        retry: Schedule.recurs(3),
        circuitBreaker: breaker,
        operation: ({ order }) => `charge/${order}`
      })
      yield* Effect.gen(function* () {
        const node = yield* ChargeCard
        // what no types have checked
        const odd = JSON.parse('{"order":42,"cents":0.5}') as Charge
        const input = yield* Effect.flip(node.process(odd))
        assert.deepInclude(input, { _tag: "NodeValueInvalid", value: "input", node: "app/ChargeCard" })
        assert.deepStrictEqual(yield* calls, [])
        const output = yield* Effect.flip(node.process(charge))
        assert.deepInclude(output, { _tag: "NodeValueInvalid", value: "output" })
        assert.lengthOf(yield* calls, 1)
      }).pipe(Effect.provide(layer))
      assert.strictEqual((yield* breaker.state("charge/42")).failuresInARow, 1)
    })
  )

  it.effect("looks at its input when it runs, and not when it is called", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const input = Schema.Struct({ n: Schema.Positive }).pipe(
        Schema.filter(({ n }) => {
          if (n === 13) throw new Error("odd")
          return true
        })
      )
      class Count extends EffectNode.Service<Count>()("test/Count", { input, output: Schema.Void }) {}
      const layer = Count.layer({ execute: ({ n }) => Effect.sync(() => void seen.push(n)) })
      yield* Effect.gen(function* () {
        const node = yield* Count
        const value = { n: 1 }
        const later = node.process(value)
        value.n = -5
        assert.strictEqual((yield* Effect.flip(later))._tag, "NodeValueInvalid")
        value.n = 2
        yield* later
        assert.deepStrictEqual(seen, [2])
        const odd = yield* Effect.exit(node.process({ n: 13 }))
        assert.isTrue(Exit.isFailure(odd))
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("tries nothing again that is not declared as idempotent", () =>
    Effect.gen(function* () {
      const { calls, execute } = yield* script(Effect.fail(down))
      const layer = ChargeCard.layer({ execute, idempotencyKey: ({ order }) => order })
      assert.deepStrictEqual(yield* Effect.flip(Effect.provide(process, layer)), down)
      assert.deepStrictEqual(yield* calls, [{ attempt: 1, idempotencyKey: "42" }])
    })
  )

  it.effect("tries again what it may, with one key, each attempt with its own time", () =>
    Effect.gen(function* () {
      const ended = yield* Ref.make(0)
      const hangs = Effect.onInterrupt(Effect.never, () => Ref.update(ended, (n) => n + 1))
      const { calls, execute } = yield* script(
        hangs,
        Effect.fail(down),
        hangs,
        Effect.delay(Effect.succeed("ok"), "900 millis")
      )
      const layer = ChargeCard.layer({
        execute,
        timeout: "1 second",
        idempotencyKey: ({ order }) => order,
        retry: Schedule.spaced("10 seconds"),
        retryWhile: (error) => error._tag === "NodeTimedOut" || !error.declined
      })
      // also where the caller cannot be interrupted
      const fiber = yield* Effect.fork(Effect.uninterruptible(Effect.provide(process, layer)))
      yield* TestClock.adjust("32900 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "ok")
      assert.deepStrictEqual(
        yield* calls,
        [1, 2, 3, 4].map((attempt) => ({ attempt, idempotencyKey: "42" }))
      )
      assert.strictEqual(yield* Ref.get(ended), 2)
    })
  )

  it.effect("does not try again what `retryWhile` does not name, a defect, or what is interrupted", () =>
    Effect.gen(function* () {
      for (const attempt of [Effect.fail(declined), Effect.die("odd"), Effect.interrupt]) {
        const { calls, execute } = yield* script(attempt)
        const layer = ChargeCard.layer({
          execute,
          idempotent: true,
          retry: Schedule.recurs(3),
          retryWhile: (error) => error._tag === "CardError" && !error.declined
        })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(process, layer))))
        assert.lengthOf(yield* calls, 1)
      }
    })
  )

  it.effect("counts a call once in its breaker, by how it ended; an open one is not asked again by retries", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ failureThreshold: 2 })
      const { calls, execute } = yield* script(Effect.fail(down), Effect.succeed("ok"), Effect.fail(down))
      const layer = ChargeCard.layer({ execute, idempotent: true, retry: Schedule.recurs(2), circuitBreaker: breaker })
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* process, "ok")
        assert.strictEqual((yield* breaker.state("app/ChargeCard")).failuresInARow, 0)
        yield* Effect.flip(process)
        assert.strictEqual((yield* breaker.state("app/ChargeCard")).failuresInARow, 1)
        yield* Effect.flip(process)
        const made = yield* calls
        assert.lengthOf(made, 2 + 3 + 3)
        const open = yield* Effect.flip(process)
        assert.deepStrictEqual(
          open,
          new CircuitBreaker.CircuitOpen({ operation: "app/ChargeCard", retryAfter: 30_000 })
        )
        assert.lengthOf(yield* calls, made.length)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("has a breaker of its own by its options, and refuses those that none can have", () =>
    Effect.gen(function* () {
      const { execute } = yield* script(Effect.fail(down))
      const layer = ChargeCard.layer({ execute, circuitBreaker: { failureThreshold: 1 } })
      yield* Effect.gen(function* () {
        yield* Effect.flip(process)
        assert.strictEqual((yield* Effect.flip(process))._tag, "CircuitOpen")
      }).pipe(Effect.provide(layer))
      for (const options of [{ circuitBreaker: { failureRate: 0 } }, { timeout: 0 }, { timeout: -5 }]) {
        const exit = yield* Effect.exit(Effect.provide(process, ChargeCard.layer({ execute, ...options })))
        assert.isTrue(Exit.isFailure(exit) && exit.cause._tag === "Die")
        assert.include(String(exit), "app/ChargeCard")
      }
    })
  )

  it.effect("takes its services where the Layer is built, and ends its resources with it", () =>
    Effect.gen(function* () {
      class Gateway extends Context.Tag("test/Gateway")<Gateway, string>() {}
      const closed = yield* Ref.make(false)
      const layer = ChargeCard.layerEffect(
        Effect.as(
          Effect.acquireRelease(Effect.void, () => Ref.set(closed, true)),
          { execute: () => Gateway }
        )
      ).pipe(Layer.provide(Layer.succeed(Gateway, "gateway")))
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* Effect.provideService(process, Gateway, "another"), "gateway")
        assert.isFalse(yield* Ref.get(closed))
      }).pipe(Effect.provide(layer))
      assert.isTrue(yield* Ref.get(closed))
    })
  )

  it.effect.prop(
    "makes attempts until one succeeds, in the time that they take",
    {
      attempts: fc.array(
        fc.record({
          takes: fc.integer({ min: 1, max: 40 }).filter((millis) => millis !== timeout),
          succeeds: fc.boolean()
        }),
        {
          minLength: 1,
          maxLength: 6
        }
      ),
      retries: fc.integer({ min: 0, max: 5 })
    },
    ({ attempts, retries }) =>
      VirtualClock.test((time) =>
        Effect.gen(function* () {
          const pause = 7
          let [expected, elapsed, made] = ["failed", 0, 0]
          for (const { succeeds, takes } of Array.from(
            { length: retries + 1 },
            (_, i) => attempts[Math.min(i, attempts.length - 1)]!
          )) {
            if (made++ > 0) elapsed += pause
            elapsed += Math.min(takes, timeout)
            expected = takes >= timeout ? "NodeTimedOut" : succeeds ? "ok" : "CardError"
            if (expected === "ok") break
          }
          const { calls, execute } = yield* script(
            ...attempts.map(({ succeeds, takes }) =>
              Effect.delay(succeeds ? Effect.succeed("ok") : Effect.fail(down), takes)
            )
          )
          const layer = ChargeCard.layer({
            execute,
            idempotent: true,
            timeout,
            retry: Schedule.intersect(Schedule.spaced(pause), Schedule.recurs(retries))
          })
          const [took, result] = yield* time.until(Effect.timed(Effect.either(Effect.provide(process, layer))))
          assert.strictEqual(Either.match(result, { onLeft: ({ _tag }) => _tag, onRight: (value) => value }), expected)
          assert.strictEqual(Duration.toMillis(took), elapsed)
          assert.deepStrictEqual(
            (yield* calls).map(({ attempt }) => attempt),
            Array.from({ length: made }, (_, i) => i + 1)
          )
        })
      ),
    { fastCheck: { numRuns } }
  )
})

describe("in a run", () => {
  const order = Module.input("order", Schema.String)
  const charged = Module.node("charged", {
    node: ChargeCard,
    needs: { order },
    input: ({ order }) => new Charge({ order, cents: 1 })
  })
  const shipped = Module.make("shipped", {
    needs: { charged },
    output: Schema.String,
    run: ({ charged }) => Effect.flatMap(Shipping, (ship) => ship(charged))
  })
  class Shipping extends Context.Tag("test/Shipping")<Shipping, (receipt: string) => Effect.Effect<string>>() {}
  const Order = Dag.make("order", { outputs: { shipped } })

  it.effect("is called once, also when the run is resumed from its store", () =>
    Effect.gen(function* () {
      const { calls, execute } = yield* script(Effect.succeed("receipt"))
      const runId = RunId.make("order-42")
      const ChargeCardLive = ChargeCard.layer({ execute })
      const shipping = yield* Deferred.make<void>()
      const first = yield* Engine.execute(Order, { order: "42" }, { runId }).pipe(
        Effect.provideService(Shipping, () => Effect.zipRight(Deferred.succeed(shipping, undefined), Effect.never)),
        Effect.provide(ChargeCardLive),
        Effect.fork
      )
      yield* Deferred.await(shipping)
      yield* Fiber.interrupt(first)
      const result = yield* Engine.resume(Order, runId).pipe(
        Effect.provideService(Shipping, (receipt) => Effect.succeed(`shipped by ${receipt}`)),
        Effect.provide(ChargeCardLive)
      )
      assert.deepStrictEqual(result, { shipped: "shipped by receipt" })
      assert.lengthOf(yield* calls, 1)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )

  it.effect("fails the module with its own errors, which are stored", () =>
    Effect.gen(function* () {
      const { execute } = yield* script(Effect.fail(declined))
      const runId = RunId.make("order-43")
      const run = Engine.execute(Order, { order: "43" }, { runId }).pipe(
        Effect.provideService(Shipping, () => Effect.succeed("")),
        Effect.provide(ChargeCard.layer({ execute, circuitBreaker: { failureThreshold: 1 } }))
      )
      assert.deepStrictEqual(yield* Effect.flip(run), declined)
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})
