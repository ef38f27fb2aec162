/** The result cache and the slots of the executor, in one interleaving of their fibers after the other. */
import { assert, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Either, Exit, Fiber, Layer, Option, Random, Ref, Schema } from "effect"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as Slots from "heddle/node/internal/Slots"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"

class Refused extends Schema.TaggedError<Refused>()("Refused", { call: Schema.Int }) {}
class Square extends ComputeNode.Service<Square>()("seeds/Square", {
  input: Schema.Int,
  output: Schema.Int,
  error: Refused
}) {}

const pause = Effect.flatMap(Random.nextIntBetween(0, 4), (n) => Effect.repeatN(Effect.yieldNow(), n))

interface Log {
  readonly begun: number
  readonly completed: number
  readonly running: ReadonlyArray<number>
  readonly mostRunning: number
}

const empty: Log = { begun: 0, completed: 0, running: [], mostRunning: 0 }

const begin = (log: Log, n: number): Log => {
  const running = [...log.running, n]
  const mostRunning = Math.max(log.mostRunning, running.filter((other) => other === n).length)
  return { ...log, begun: log.begun + 1, running, mostRunning }
}

const end = (log: Log, n: number, completed: boolean): Log => {
  const at = log.running.indexOf(n)
  return { ...log, completed: log.completed + Number(completed), running: log.running.filter((_, i) => i !== at) }
}

/** Computes slowly, writes down what runs, and fails on request. */
const slowly = (log: Ref.Ref<Log>, fails: (call: number) => boolean) =>
  Square.layer({
    compute: (n) =>
      Effect.acquireUseRelease(
        Ref.updateAndGet(log, (log) => begin(log, n)),
        ({ begun }) => Effect.zipRight(pause, fails(begun) ? new Refused({ call: begun }) : Effect.succeed(n * n)),
        (_, exit) =>
          Effect.zipRight(
            pause,
            Ref.update(log, (log) => end(log, n, Exit.isSuccess(exit)))
          )
      )
  })

/** Ends like a caller who wants the result, or is interrupted on the way. */
const calling = (n: number, stays: boolean) =>
  Effect.gen(function* () {
    yield* pause
    const fiber = yield* Effect.fork(Square.call(n))
    if (!stays) {
      yield* pause
      yield* Fiber.interrupt(fiber)
    }
    return yield* Fiber.await(fiber)
  })

const isInterrupted = <A, E>(exit: Exit.Exit<A, E>) => Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)

it.live(
  "one computation serves all who ask for its result, also when the first caller is interrupted",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const log = yield* Ref.make(empty)
        yield* Effect.gen(function* () {
          const first = yield* Effect.fork(Square.call(3))
          const second = yield* Effect.fork(Square.call(3))
          // both are in
          for (;;) {
            const { hits, joins, misses } = yield* ComputeCache.stats
            if (hits + joins + misses >= 2) break
            yield* Effect.yieldNow()
          }
          const later = yield* Effect.forEach([1, 2, 3], () => Effect.fork(calling(3, true)))
          yield* pause
          yield* Fiber.interrupt(first)
          assert.deepStrictEqual(yield* Fiber.await(second), Exit.succeed(9))
          for (const fiber of later) assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.succeed(9))
          assert.deepStrictEqual(yield* Ref.get(log), { begun: 1, completed: 1, running: [], mostRunning: 1 })
          assert.deepInclude(yield* ComputeCache.stats, { misses: 1, size: 1, running: 0 })
        }).pipe(Effect.provide(slowly(log, () => false)), Effect.provide(ComputeCache.layer()))
      })
    }),
  300_000
)

for (const [what, cache] of [
  ["memory", ComputeCache.layer({ capacity: 2 })],
  ["a store", Layer.provide(ComputeCache.layerStore({ capacity: 2 }), StateStoreMemory.layer())]
] as const) {
  it.live(
    `with ${what}, no caller is lost, of each key one computation runs, no failure is kept, and there is always room`,
    () =>
      SeededScheduler.explore({
        seeds: numRuns,
        effect: Effect.gen(function* () {
          const log = yield* Ref.make(empty)
          yield* Effect.gen(function* () {
            const calls = yield* Effect.forEach(Array.from({ length: 6 }), () =>
              Effect.gen(function* () {
                const n = yield* Random.nextIntBetween(0, 4)
                const stays = (yield* Random.next) < 0.6
                return { n, stays, fiber: yield* Effect.fork(calling(n, stays)) }
              })
            )
            const watcher = yield* Effect.fork(
              Effect.forever(
                Effect.flatMap(ComputeCache.stats, ({ size }) =>
                  Effect.zipRight(
                    Effect.sync(() => assert.isAtMost(size, 2)),
                    Effect.yieldNow()
                  )
                )
              )
            )
            for (const { fiber, n, stays } of calls) {
              const exit = yield* Fiber.join(fiber)
              if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, n * n)
              else {
                // who leaves as the computation fails is told both
                const isRefused = Option.exists(Cause.failureOption(exit.cause), ({ _tag }) => _tag === "Refused")
                assert.isTrue(isRefused || (!stays && isInterrupted(exit)))
              }
            }
            const exit = yield* Effect.zipRight(Fiber.interrupt(watcher), Fiber.await(watcher))
            assert.isTrue(isInterrupted(exit), "the cache is never over its capacity")
            const { completed, mostRunning, running } = yield* Ref.get(log)
            assert.deepStrictEqual({ mostRunning, running }, { mostRunning: Math.min(1, mostRunning), running: [] })
            const { evictions, misses, size, ...rest } = yield* ComputeCache.stats
            assert.strictEqual(rest.running, 0)
            assert.isAtLeast(misses, completed)
            // one that was stopped between its end and its encoding is not kept
            assert.isAtMost(size + evictions, completed)
            // a failure is that of a computation that begins now
            for (const n of [0, 1, 2, 3]) {
              const { begun } = yield* Ref.get(log)
              const again = yield* Effect.either(Square.call(n))
              if (Either.isLeft(again)) assert.deepStrictEqual(again.left, new Refused({ call: begun + 1 }))
            }
          }).pipe(Effect.provide(slowly(log, (call) => call % 3 === 0)), Effect.provide(Layer.fresh(cache)))
        })
      }),
    300_000
  )
}

it.live(
  "who asks after results were forgotten is given none from before",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        // what is computed is what the world is at that time
        const world = yield* Ref.make(0)
        const layer = Square.layer({ compute: () => Effect.zipLeft(Ref.get(world), pause) })
        const forgottenAt = yield* Ref.make(0)
        // two processes over one store, of which neither has anything in memory; or one that has
        const ttl = (yield* Random.nextBoolean) ? 0 : Infinity
        const cache = ComputeCache.layerStore({ ttl })
        const build = Layer.build(Layer.fresh(Layer.provideMerge(layer, cache)))
        yield* Effect.gen(function* () {
          const one = yield* build
          const two = ttl === 0 ? yield* build : one
          const asking = (process: typeof one) =>
            Effect.repeatN(
              Effect.gen(function* () {
                yield* pause
                // forgotten by then
                const known = yield* Ref.get(forgottenAt)
                const given = yield* Effect.provide(Square.call(1), process)
                assert.isAtLeast(given, known)
              }),
              2
            )
          const changing = Effect.gen(function* () {
            const input = ComputeCache.invalidate(Square, 1)
            const forgets = [ComputeCache.invalidateNode(Square), input, ComputeCache.invalidateAll, input]
            for (const [i, forget] of forgets.entries()) {
              yield* pause
              yield* Ref.set(world, i + 1)
              yield* Effect.provide(forget, one)
              yield* Ref.set(forgottenAt, i + 1)
            }
          })
          const changes = yield* Effect.fork(changing)
          const fibers = yield* Effect.forEach([one, two, two], (process) => Effect.fork(asking(process)))
          for (const fiber of fibers) yield* Fiber.join(fiber)
          yield* Fiber.join(changes)
          for (const process of [one, two]) assert.strictEqual(yield* Effect.provide(Square.call(1), process), 4)
        }).pipe(Effect.scoped, Effect.provide(StateStoreMemory.layer()))
      })
    }),
  300_000
)

it.live(
  "the slots of an executor: never more at once, and none is lost with a caller who leaves",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const slots = yield* Slots.make(2, Infinity)
        const within = yield* Ref.make(0)
        const use = slots.within(
          Effect.acquireUseRelease(
            Ref.updateAndGet(within, (n) => n + 1),
            (n) =>
              Effect.zipRight(
                Effect.sync(() => assert.isAtMost(n, 2)),
                pause
              ),
            () => Ref.update(within, (n) => n - 1)
          ),
          () => "refused" as const
        )
        const callers = yield* Effect.forEach(Array.from({ length: 8 }), () =>
          Effect.gen(function* () {
            const stays = yield* Random.nextBoolean
            const caller = Effect.gen(function* () {
              yield* pause
              const fiber = yield* Effect.fork(use)
              yield* pause
              if (!stays) yield* Fiber.interrupt(fiber)
              return yield* Fiber.await(fiber)
            })
            return { stays, fiber: yield* Effect.fork(caller) }
          })
        )
        for (const { fiber, stays } of callers) {
          const exit = yield* Fiber.join(fiber)
          if (stays) assert.isTrue(Exit.isSuccess(exit))
        }
        assert.strictEqual(yield* slots.waiting, 0)
        // both slots are there: two who wait for each other are in at the same time
        const met = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
        const meet = (mine: 0 | 1, other: 0 | 1) =>
          Effect.zipRight(Deferred.succeed(met[mine], undefined), Deferred.await(met[other]))
        const left = yield* Effect.fork(slots.within(meet(0, 1), () => "refused"))
        yield* slots.within(meet(1, 0), () => "refused")
        yield* Fiber.join(left)
      })
    }),
  300_000
)
