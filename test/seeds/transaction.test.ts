/** Transactions that fail and are interrupted, in one interleaving after the other. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Ref } from "effect"
import * as EffectNode from "heddle/node/EffectNode"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"

it.live(
  "what a transaction has done is undone once unless it succeeds, wherever it is interrupted",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const done = yield* Ref.make<ReadonlyArray<string>>([])
        const undone = yield* Ref.make<ReadonlyArray<string>>([])
        const put = (ref: Ref.Ref<ReadonlyArray<string>>, name: string) => Ref.update(ref, (names) => [...names, name])
        // what takes place has taken place before its answer is there
        const step = (name: string) =>
          EffectNode.compensate(Effect.zipLeft(put(done, name), Effect.yieldNow()), () => put(undone, name))
        const body = Effect.gen(function* () {
          yield* step("first")
          const beside = yield* Effect.forEach(["a", "b", "c"], (name) => Effect.fork(step(name)))
          yield* Effect.forEach(beside, (fiber) => Fiber.join(fiber))
          yield* step("last")
          return yield* Effect.fail("end")
        })
        const fiber = yield* Effect.fork(EffectNode.transaction(body))
        const isInterrupted = yield* Random.nextBoolean
        for (let wait = yield* Random.nextIntBetween(0, 30); isInterrupted && wait > 0; wait--) yield* Effect.yieldNow()
        const exit = yield* isInterrupted ? Fiber.interrupt(fiber) : Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit))
        const [all, gone] = [yield* Ref.get(done), yield* Ref.get(undone)]
        assert.deepStrictEqual([...gone].sort(), [...all].sort())
        if (!isInterrupted) {
          assert.deepStrictEqual([...all].sort(), ["a", "b", "c", "first", "last"])
          assert.deepStrictEqual([gone[0], gone[4]], ["last", "first"])
        }
      })
    }),
  300_000
)
