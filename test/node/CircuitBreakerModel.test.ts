/** Random calls, outcomes and jumps of the clock, against a model that is written in another way. */
import { assert, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, FastCheck as fc, Fiber } from "effect"
import * as CircuitBreaker from "heddle/node/CircuitBreaker"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { numRuns } from "../numRuns.js"
import { BreakerModel, type Policy } from "./BreakerModel.js"

/** A clock that is set; what measures durations only goes on. Nothing sleeps until the end. */
const manual = () => {
  const time = { now: 1_000_000, passed: 0 }
  const clock: Clock.Clock = {
    ...Clock.make(),
    unsafeCurrentTimeMillis: () => time.now,
    unsafeCurrentTimeNanos: () => BigInt(time.passed) * 1_000_000n,
    currentTimeMillis: Effect.sync(() => time.now),
    currentTimeNanos: Effect.sync(() => BigInt(time.passed) * 1_000_000n),
    sleep: () => Effect.never
  }
  return { time, clock }
}

const between = (min: number, max: number) => fc.integer({ min, max })
const perhaps = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const rate = perhaps(fc.constantFrom(0.25, 0.5, 1))

const policy: fc.Arbitrary<Policy> = fc
  .record({
    failureThreshold: perhaps(between(1, 4)),
    failureRate: rate,
    slowRate: rate,
    window: fc.oneof(fc.record({ calls: between(1, 6) }), fc.record({ duration: between(5, 60) })),
    minimumCalls: between(1, 5),
    resetAfter: between(1, 40),
    halfOpenProbes: between(1, 3),
    closeAfter: between(1, 3),
    probeExpiry: between(10, 60)
  })
  .map((policy) =>
    policy.failureRate === undefined && policy.slowRate === undefined && policy.failureThreshold === undefined
      ? { ...policy, failureThreshold: 2 }
      : policy
  )

const slowAfter = 5

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ _tag: "ask" as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("end" as const),
      which: fc.nat(),
      outcome: fc.constantFrom(
        "success" as const,
        "success" as const,
        "failure" as const,
        "defect" as const,
        "interrupt" as const
      )
    })
  },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("pass" as const), millis: between(0, 30) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("set" as const), millis: between(-200, 200) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("hand" as const), to: fc.constantFrom("open", "closed") }) }
)

const check = (policy: Policy, steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>) =>
  Effect.suspend(() => {
    const { clock, time } = manual()
    const program = Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ ...policy, slowAfter, refresh: 0 })
      const model = new BreakerModel(policy)
      const calls: Array<{
        readonly id: number
        readonly end: Deferred.Deferred<void, string>
        readonly fiber: Fiber.RuntimeFiber<void, string | CircuitBreaker.CircuitOpen>
        readonly began: number
      }> = []
      let id = 0
      for (const step of steps) {
        switch (step._tag) {
          case "pass":
            time.now += step.millis
            time.passed += step.millis
            break
          case "set":
            time.now += step.millis
            break
          case "hand":
            yield* step.to === "open" ? breaker.open("key") : breaker.close("key")
            model.byHand(step.to as "open" | "closed")
            break
          case "ask": {
            const end = yield* Deferred.make<void, string>()
            const answer = yield* Deferred.make<"admitted" | { readonly retryAfter: number | undefined }>()
            const fiber = yield* Effect.zipRight(Deferred.succeed(answer, "admitted"), Deferred.await(end)).pipe(
              breaker.protect("key"),
              Effect.tapErrorTag("CircuitOpen", ({ retryAfter }) => Deferred.succeed(answer, { retryAfter })),
              Effect.fork
            )
            const expected = model.ask(++id, time.now)
            assert.deepStrictEqual(yield* Deferred.await(answer), expected)
            if (expected === "admitted") calls.push({ id, end, fiber, began: time.passed })
            break
          }
          case "end": {
            const [call] = calls.splice(step.which % Math.max(1, calls.length), 1)
            if (call === undefined) break
            if (step.outcome === "interrupt") yield* Fiber.interrupt(call.fiber)
            else {
              const exits = { success: Exit.void, failure: Exit.fail("no"), defect: Exit.die("no") }
              yield* Deferred.done(call.end, exits[step.outcome])
              yield* Fiber.await(call.fiber)
            }
            const outcome = { success: "success", failure: "failure", defect: "failure", interrupt: "neither" } as const
            model.end(call.id, outcome[step.outcome], time.passed - call.began > slowAfter, time.now)
          }
        }
        const { reason: _, ...state } = yield* breaker.state("key")
        assert.deepStrictEqual(state, model.view(time.now))
      }
      for (const { fiber } of calls) yield* Fiber.interrupt(fiber)
    })
    return Effect.withClock(program, clock)
  })

const cases = { steps: fc.array(step, { maxLength: 30 }), policy }
const options = { fastCheck: { numRuns } }

it.effect.prop("does what its model does", cases, ({ policy, steps }) => check(policy, steps), options)

it.effect.prop(
  "does the same over a store",
  cases,
  ({ policy, steps }) => Effect.provide(check(policy, steps), StateStoreMemory.layer()),
  options
)
