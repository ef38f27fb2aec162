import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Option,
  Ref,
  Schedule,
  Schema,
  TestClock
} from "effect"
import * as EffectNode from "heddle/node/EffectNode"
import { numRuns } from "../numRuns.js"

const logged = Effect.map(Ref.make<ReadonlyArray<string>>([]), (ref) => ({
  log: (line: string) => Ref.update(ref, (lines) => [...lines, line]),
  lines: Ref.get(ref)
}))

describe("a transaction", () => {
  it.effect.prop(
    "undoes nothing when it succeeds, else all that succeeded, last first, whichever of them fails",
    {
      steps: fc.array(fc.record({ fails: fc.boolean(), undoFails: fc.boolean() }), { maxLength: 6 }),
      end: fc.constantFrom("success" as const, "failure" as const, "defect" as const, "interrupt" as const)
    },
    ({ end, steps }) =>
      Effect.gen(function* () {
        const { lines, log } = yield* logged
        const body = Effect.gen(function* () {
          for (const [index, { fails, undoFails }] of steps.entries()) {
            yield* EffectNode.compensate(
              fails ? Effect.fail(`step ${index}`) : Effect.as(log(`do ${index}`), index),
              (done, cause) =>
                Effect.zipRight(
                  log(`undo ${done} ${Cause.isEmpty(cause)}`),
                  undoFails ? Effect.fail(`undo ${done}`) : Effect.void
                )
            )
          }
          if (end === "failure") return yield* Effect.fail("end")
          if (end === "defect") return yield* Effect.die("end")
          if (end === "interrupt") return yield* Effect.interrupt
          return "done"
        })
        const exit = yield* Effect.exit(EffectNode.transaction(body))

        const firstFailure = steps.findIndex(({ fails }) => fails)
        const done = firstFailure === -1 ? steps.length : firstFailure
        const numbers = Array.from({ length: done }, (_, i) => i)
        const succeeds = firstFailure === -1 && end === "success"
        assert.deepStrictEqual(yield* lines, [
          ...numbers.map((i) => `do ${i}`),
          ...(succeeds ? [] : [...numbers].reverse().map((i) => `undo ${i} false`))
        ])
        if (succeeds) return assert.deepStrictEqual(exit, Exit.succeed("done"))
        assert.isTrue(Exit.isFailure(exit))
        const cause = Option.getOrThrow(Exit.causeOption(exit))
        const failed = [...numbers].reverse().filter((i) => steps[i]!.undoFails)
        const error = Option.getOrUndefined(Cause.failureOption(cause))
        const original = error instanceof EffectNode.CompensationFailed ? error.cause : cause
        if (firstFailure !== -1)
          assert.deepStrictEqual(Cause.failureOption(original), Option.some(`step ${firstFailure}`))
        else if (end === "failure") assert.deepStrictEqual(Cause.failureOption(original), Option.some("end"))
        else assert.isTrue(end === "defect" ? Cause.isDie(original) : Cause.isInterruptedOnly(original))
        assert.deepStrictEqual(
          error instanceof EffectNode.CompensationFailed
            ? error.failures.map(({ cause, step }) => [step, Chunk.toReadonlyArray(Cause.failures(cause))])
            : [],
          failed.map((i) => [i + 1, [`undo ${i}`]])
        )
      }),
    { fastCheck: { numRuns } }
  )

  it.effect("that is interrupted undoes what was done, and what was being done", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* logged
      const begun = yield* Deferred.make<void>()
      const step = (name: string, effect: Effect.Effect<unknown>) =>
        EffectNode.compensate(Effect.zipRight(effect, log(`do ${name}`)), () => log(`undo ${name}`))
      const fiber = yield* Effect.zipRight(
        step("one", Effect.void),
        step("two", Effect.zipRight(Deferred.succeed(begun, undefined), Effect.sleep("1 second")))
      ).pipe(EffectNode.transaction, Effect.fork)
      yield* Deferred.await(begun)
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interruption)))
      assert.deepStrictEqual(yield* lines, ["do one", "do two", "undo two", "undo one"])
    })
  )

  it.effect("is its own within another; the outer one undoes the inner as a whole, where it is told to", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* logged
      const step = (name: string) => EffectNode.compensate(log(`do ${name}`), () => log(`undo ${name}`))
      const body = Effect.gen(function* () {
        yield* step("a")
        yield* EffectNode.transaction(step("b"))
        yield* EffectNode.compensate(EffectNode.transaction(step("c")), () => log("undo c, as a whole"))
        yield* Effect.ignore(EffectNode.transaction(Effect.zipRight(step("d"), Effect.fail("d"))))
        return yield* Effect.fail("end")
      })
      assert.strictEqual(yield* Effect.flip(EffectNode.transaction(body)), "end")
      assert.deepStrictEqual(yield* lines, ["do a", "do b", "do c", "do d", "undo d", "undo c, as a whole", "undo a"])
    })
  )

  it.effect("that has ended takes nothing more: what outlives it is not run, or undone at once", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* logged
      const ended = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      const late = (undo: Effect.Effect<void, string>) =>
        EffectNode.compensate(
          Effect.zipRight(Deferred.succeed(begun, undefined), Effect.zipRight(Deferred.await(ended), log("do"))),
          () => Effect.zipRight(log("undo"), undo)
        )
      const fibers = yield* EffectNode.transaction(
        Effect.gen(function* () {
          const running = [
            yield* Effect.forkDaemon(late(Effect.void)),
            yield* Effect.forkDaemon(late(Effect.fail("no")))
          ]
          yield* Deferred.await(begun)
          const notBegun = yield* Effect.forkDaemon(
            Effect.zipRight(
              Deferred.await(ended),
              EffectNode.compensate(log("never"), () => Effect.void)
            )
          )
          yield* TestClock.adjust(0)
          return [...running, notBegun] as const
        })
      )
      yield* Deferred.succeed(ended, undefined)
      const [compensated, not, notRun] = yield* Effect.forEach(fibers, (fiber) => Effect.flip(Fiber.join(fiber)))
      assert.deepInclude(compensated, { _tag: "TransactionEnded", operation: "compensated" })
      assert.deepInclude(not, { _tag: "TransactionEnded", operation: "notCompensated" })
      assert.deepStrictEqual(not!.cause, Cause.fail("no"))
      assert.deepInclude(notRun, { _tag: "TransactionEnded", operation: "notRun" })
      assert.deepStrictEqual([...(yield* lines)].sort(), ["do", "do", "undo", "undo"])
    })
  )

  it.effect("has nodes as its steps, whose timeouts hold although a step is not interrupted", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* logged
      class Hold extends EffectNode.Service<Hold>()("test/Hold", { input: Schema.String, output: Schema.String }) {}
      class Charge extends EffectNode.Service<Charge>()("test/Charge", {
        input: Schema.String,
        output: Schema.String
      }) {}
      const order = EffectNode.transaction(
        Effect.gen(function* () {
          const [hold, charge] = [yield* Hold, yield* Charge]
          yield* EffectNode.compensate(hold.process("tea"), (id) => log(`release ${id}`))
          return yield* EffectNode.compensate(charge.process("tea"), () => log("refund"))
        })
      )
      const fiber = yield* order.pipe(
        Effect.provide(Hold.layer({ execute: (what) => Effect.succeed(`hold of ${what}`) })),
        Effect.provide(
          Charge.layer({
            execute: () => Effect.never,
            timeout: "1 second",
            idempotent: true,
            retry: Schedule.recurs(1)
          })
        ),
        Effect.flip,
        Effect.fork
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "NodeTimedOut")
      assert.deepStrictEqual(yield* lines, ["release hold of tea"])
    })
  )

  it.effect("has errors that can be stored, and say what is left to do", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        EffectNode.transaction(
          Effect.zipRight(
            EffectNode.compensate(Effect.void, () => Effect.fail("the store is away")),
            Effect.fail("declined")
          )
        )
      )
      assert.instanceOf(error, EffectNode.CompensationFailed)
      assert.match(error.message, /step 1 \(Error: the store is away\); after: Error: declined/)
      const text = JSON.stringify(yield* Schema.encode(EffectNode.CompensationFailed)(error))
      const again = yield* Schema.decode(EffectNode.CompensationFailed)(JSON.parse(text))
      assert.strictEqual(again.message, error.message)
    })
  )
})
