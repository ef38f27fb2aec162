import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  FiberRef,
  HashMap,
  Layer,
  Logger,
  Metric,
  Option,
  Ref,
  Schema,
  Scope,
  TestClock
} from "effect"
import { StateStore, Telemetry } from "heddle"
import { StoreError } from "heddle/model/StoreError"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as StateStoreMemory from "heddle/store/StateStoreMemory"
import { numRuns } from "../numRuns.js"
import { eventually, quiet } from "../run/Harness.js"

class Bad extends Schema.TaggedError<Bad>()("test/Bad", {}) {}
const schemas = { input: Schema.Int, output: Schema.Int, error: Bad }
class Square extends ComputeNode.Service<Square>()("test/Square", schemas) {}
class Cube extends ComputeNode.Service<Cube>()("test/Cube", schemas) {}

describe("a cache", () => {
  const key = fc.nat(4)
  const step = fc.oneof(
    { weight: 12, arbitrary: fc.record({ do: fc.constant("get"), key, cube: fc.boolean(), fails: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("jump"), by: fc.integer({ min: -15, max: 30 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("forget"), key, cube: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("forgetNode"), cube: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("forgetAll") }) }
  ) as fc.Arbitrary<
    | { readonly do: "get"; readonly key: number; readonly cube: boolean; readonly fails: boolean }
    | { readonly do: "jump"; readonly by: number }
    | { readonly do: "forget"; readonly key: number; readonly cube: boolean }
    | { readonly do: "forgetNode"; readonly cube: boolean }
    | { readonly do: "forgetAll" }
  >

  /** A list, the one that was used last at its end. */
  const naive = (capacity: number, ttl: number) => {
    let list: ReadonlyArray<{ readonly id: string; readonly until: number }> = []
    const counts = { hits: 0, misses: 0, evictions: 0 }
    return {
      get: (id: string, succeeds: boolean, now: number): boolean => {
        const known = list.find((entry) => entry.id === id)
        list = list.filter((entry) => entry !== known)
        if (known !== undefined && now < known.until) {
          list = [...list, known]
          counts.hits++
          return true
        }
        counts.misses++
        if (succeeds && ttl > 0) {
          if (list.length === capacity) counts.evictions++
          list = [...list, { id, until: now + ttl }].slice(-capacity)
        }
        return false
      },
      forget: (prefix: string) => (list = list.filter(({ id }) => !id.startsWith(prefix))),
      stats: () => ({ ...counts, joins: 0, running: 0, size: list.length })
    }
  }

  it.effect.prop(
    "does what a list does",
    [fc.integer({ min: 1, max: 5 }), fc.constantFrom(0, 1, 10, 25, Infinity), fc.array(step, { maxLength: 30 })],
    ([capacity, ttl, steps]) => {
      let now = 1000
      let fails = false
      let calls = 0
      const compute = (power: number) => (n: number) =>
        Effect.suspend(() => (calls++, fails ? Effect.fail(new Bad()) : Effect.succeed(n ** power)))
      const model = naive(capacity, ttl)
      const clock = { ...Clock.make(), currentTimeMillis: Effect.sync(() => now) }
      return Effect.gen(function* () {
        for (const step of steps) {
          switch (step.do) {
            case "get": {
              fails = step.fails
              const before = calls
              const node = step.cube ? Cube : Square
              const exit = yield* step.cube ? Effect.exit(Cube.call(step.key)) : Effect.exit(Square.call(step.key))
              const isHit = model.get(`${node.key}/${step.key}/`, !fails, now)
              assert.strictEqual(calls - before, isHit ? 0 : 1)
              assert.deepStrictEqual(
                exit,
                !isHit && fails ? Exit.fail(new Bad()) : Exit.succeed(step.key ** (step.cube ? 3 : 2))
              )
              break
            }
            case "jump":
              now += step.by
              break
            case "forget": {
              const node = step.cube ? Cube : Square
              yield* ComputeCache.invalidate(node as typeof Square, step.key)
              model.forget(`${node.key}/${step.key}/`)
              break
            }
            case "forgetNode": {
              const node = step.cube ? Cube : Square
              yield* ComputeCache.invalidateNode(node as typeof Square)
              model.forget(`${node.key}/`)
              break
            }
            case "forgetAll":
              yield* ComputeCache.invalidateAll
              model.forget("")
          }
          assert.deepStrictEqual({ ...(yield* ComputeCache.stats) }, model.stats())
        }
      }).pipe(
        Effect.provide(Layer.merge(Square.layer({ compute: compute(2) }), Cube.layer({ compute: compute(3) }))),
        Effect.provide(ComputeCache.layer({ capacity, ttl })),
        Effect.withClock(clock as Clock.Clock)
      )
    },
    { fastCheck: { numRuns } }
  )

  it.effect("counts in the metrics", () => {
    const values = Effect.all([
      Metric.value(Telemetry.computeLookups.hit),
      Metric.value(Telemetry.computeLookups.missed),
      Metric.value(Telemetry.computeEvictions),
      Metric.value(Telemetry.computeDuration)
    ])
    return Effect.gen(function* () {
      const before = yield* values
      const fiber = yield* Effect.fork(Effect.forEach([1, 1, 2, 1], (n) => Square.call(n)))
      for (let i = 0; i < 4; i++) yield* TestClock.adjust("3 millis")
      yield* Fiber.join(fiber)
      const after = yield* values
      assert.strictEqual(after[0].count - before[0].count, 1)
      assert.strictEqual(after[1].count - before[1].count, 3)
      assert.strictEqual(after[2].count - before[2].count, 2)
      assert.strictEqual(after[3].count - before[3].count, 3)
      assert.strictEqual(after[3].sum - before[3].sum, 9)
    }).pipe(
      Effect.provide(Square.layer({ compute: (n) => Effect.delay(Effect.succeed(n), "3 millis") })),
      Effect.provide(ComputeCache.layer({ capacity: 1 }))
    )
  })

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function* () {
      const refused = (layer: Layer.Layer<ComputeCache.ComputeCache>) =>
        Effect.map(Effect.exit(Effect.scoped(Layer.build(layer))), (exit) =>
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "built"
        )
      const store = (options: Partial<ComputeCache.StoreOptions>) =>
        refused(Layer.provide(ComputeCache.layerStore(options), StateStoreMemory.layer()))
      assert.match(yield* refused(ComputeCache.layer({ capacity: 0 })), /capacity .* at least 1, not 0/)
      assert.match(yield* refused(ComputeCache.layer({ capacity: 1.5 })), /not 1.5/)
      assert.match(yield* refused(ComputeCache.layer({ ttl: -1 })), /the ttl of a compute cache .* not -1/)
      assert.match(yield* store({ storeTtl: -1 }), /the storeTtl/)
      assert.match(yield* store({ patience: NaN }), /the patience/)
      assert.match(yield* store({ prefix: "ü".repeat(401) }), /at most 800 bytes, not 802/)
    })
  )
})

/** A node whose computations wait until they are let go. */
const gated = Effect.gen(function* () {
  const gate = yield* Deferred.make<void>()
  const log = yield* Ref.make<ReadonlyArray<string>>([])
  const say = (text: string) => Ref.update(log, (all) => [...all, text])
  const layer = Square.layer({
    compute: (n) =>
      say(`begin ${n}`).pipe(
        Effect.zipRight(Deferred.await(gate)),
        Effect.as(n * n),
        Effect.tap(() => say(`end ${n}`)),
        Effect.onInterrupt(() => say(`stop ${n}`))
      )
  })
  return { open: Deferred.succeed(gate, undefined), log: Ref.get(log), layer }
})

const begun = (count: number) =>
  eventually(Effect.map(ComputeCache.stats, ({ joins, misses }) => joins + misses === count))

describe("a computation", () => {
  it.effect("goes on when its first caller is interrupted, for those who wait", () =>
    Effect.gen(function* () {
      const { layer, log, open } = yield* gated
      yield* Effect.gen(function* () {
        const first = yield* Effect.fork(Square.call(3))
        yield* begun(1)
        const others = yield* Effect.forEach([1, 2, 3], () => Effect.fork(Square.call(3)))
        yield* begun(4)
        yield* Fiber.interrupt(first)
        yield* open
        assert.deepStrictEqual(yield* Effect.forEach(others, Fiber.join), [9, 9, 9])
        assert.deepStrictEqual(yield* log, ["begin 3", "end 3"])
        assert.deepInclude(yield* ComputeCache.stats, { misses: 1, joins: 3, running: 0, size: 1 })
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(ComputeCache.layer()))
  )

  it.effect("is stopped with the last of its callers, who waits for its finalizers", () =>
    Effect.gen(function* () {
      const { layer, log, open } = yield* gated
      yield* Effect.gen(function* () {
        const callers = yield* Effect.forEach([1, 2], () => Effect.fork(Square.call(3)))
        yield* begun(2)
        yield* Fiber.interrupt(callers[0]!)
        assert.deepStrictEqual(yield* log, ["begin 3"])
        yield* Fiber.interrupt(callers[1]!)
        assert.deepStrictEqual(yield* log, ["begin 3", "stop 3"])
        assert.deepInclude(yield* ComputeCache.stats, { running: 0, size: 0 })
        yield* open
        assert.strictEqual(yield* Square.call(3), 9)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(ComputeCache.layer()))
  )

  it.effect("that is being stopped is waited for, before another begins", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const stopped = yield* Deferred.make<void>()
      const layer = Square.layer({
        compute: (n) =>
          log.length === 0
            ? Effect.sync(() => log.push("first")).pipe(
                Effect.zipRight(Effect.never),
                Effect.onInterrupt(() =>
                  Effect.zipRight(
                    Deferred.await(stopped),
                    Effect.sync(() => log.push("stopped"))
                  )
                )
              )
            : Effect.sync(() => (log.push("second"), n))
      })
      yield* Effect.gen(function* () {
        const first = yield* Effect.fork(Square.call(1))
        yield* begun(1)
        const interrupted = yield* Effect.fork(Fiber.interrupt(first))
        yield* quiet
        const second = yield* Effect.fork(Square.call(1))
        const third = yield* Effect.fork(Square.call(1))
        yield* quiet
        yield* Fiber.interrupt(third)
        assert.deepStrictEqual(log, ["first"])
        yield* Deferred.succeed(stopped, undefined)
        yield* Fiber.join(interrupted)
        assert.strictEqual(yield* Fiber.join(second), 1)
        assert.deepStrictEqual(log, ["first", "stopped", "second"])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(ComputeCache.layer()))
  )

  it.effect("ends with the scope of the cache: its callers are interrupted, and so are those that come later", () =>
    Effect.gen(function* () {
      const { layer, log } = yield* gated
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.provideMerge(layer, ComputeCache.layer()), scope)
      const fibers = yield* Effect.forEach([1, 2], () => Effect.fork(Effect.provide(Square.call(3), context)))
      yield* Effect.provide(begun(2), context)
      yield* quiet
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [...fibers, yield* Effect.fork(Effect.provide(Square.call(3), context))]) {
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      }
      assert.deepStrictEqual(yield* log, ["begin 3", "stop 3"])
    })
  )

  it.scoped("has the FiberRefs of who began it, and keeps what it does to them to itself", () =>
    Effect.gen(function* () {
      const ref = yield* FiberRef.make("nobody")
      const seen: Array<string> = []
      const layer = Square.layer({
        compute: (n) =>
          Effect.gen(function* () {
            const annotations = yield* Effect.logAnnotations
            seen.push(yield* FiberRef.get(ref), String(Option.getOrNull(HashMap.get(annotations, "order"))))
            yield* FiberRef.set(ref, "the computation")
            return n
          })
      })
      yield* FiberRef.set(ref, "the caller")
      yield* Square.call(1).pipe(
        Effect.annotateLogs("order", "17"),
        Effect.provide(Layer.provide(layer, ComputeCache.layer()))
      )
      assert.deepStrictEqual(seen, ["the caller", "17"])
      assert.strictEqual(yield* FiberRef.get(ref), "the caller")
    })
  )

  it.effect("gives failures, defects and its own interruption to who waits, and to nobody else", () =>
    Effect.gen(function* () {
      const ends: ReadonlyArray<Effect.Effect<number, Bad>> = [
        Effect.fail(new Bad()),
        Effect.dieMessage("broken"),
        Effect.interrupt,
        Effect.succeed(1)
      ]
      let calls = 0
      const layer = Square.layer({
        compute: () =>
          Effect.zipRight(
            Effect.yieldNow(),
            Effect.suspend(() => ends[calls++]!)
          )
      })
      const exits = yield* Effect.forEach(ends, () =>
        Effect.gen(function* () {
          const fibers = yield* Effect.forEach([1, 2], () => Effect.fork(Square.call(1)))
          return yield* Effect.forEach(fibers, Fiber.await)
        })
      ).pipe(Effect.provide(layer))
      assert.strictEqual(calls, 4)
      const causes = exits.map((pair) => pair.map((exit) => (Exit.isFailure(exit) ? exit.cause._tag : exit.value)))
      assert.deepStrictEqual(causes, [
        ["Fail", "Fail"],
        ["Die", "Die"],
        ["Interrupt", "Interrupt"],
        [1, 1]
      ])
    }).pipe(Effect.provide(ComputeCache.layer()))
  )

  it.effect("that waits for its own result dies with the circle, also when two begin it at both ends", () => {
    class A extends ComputeNode.Service<A>()("test/A", { input: Schema.Int, output: Schema.Int }) {}
    class B extends ComputeNode.Service<B>()("test/B", { input: Schema.Int, output: Schema.Int }) {}
    class Calls extends ComputeNode.Service<Calls>()("test/Calls", { input: Schema.Int, output: Schema.Int }) {}
    return Effect.gen(function* () {
      const services = yield* Deferred.make<{
        readonly a: Effect.Effect<number, unknown>
        readonly b: Effect.Effect<number, unknown>
      }>()
      const context = yield* Layer.build(
        Layer.mergeAll(
          A.layer({ compute: () => Effect.orDie(Effect.flatMap(Deferred.await(services), ({ b }) => b)) }),
          B.layer({ compute: () => Effect.orDie(Effect.flatMap(Deferred.await(services), ({ a }) => a)) }),
          Calls.layer({ compute: (n) => Effect.succeed(n) })
        )
      )
      const a = Effect.provide(A.call(1), context)
      const b = Effect.provide(B.call(1), context)
      const fibers = [yield* Effect.fork(a), yield* Effect.fork(b)]
      yield* begun(2)
      yield* Deferred.succeed(services, { a, b })
      for (const exit of yield* Effect.forEach(fibers, Fiber.await)) {
        assert.match(
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
          /waits for its own result: test\/[AB] -> test\/[AB]/
        )
      }
      assert.match(Cause.pretty(yield* Effect.flip(Effect.sandbox(a))), /its own result: test\/A -> test\/B -> test\/A/)
      assert.deepInclude(yield* ComputeCache.stats, { running: 0, size: 0 })
      assert.strictEqual(yield* Effect.provide(Calls.call(1), context), 1)
    }).pipe(Effect.scoped, Effect.provide(ComputeCache.layer()))
  })

  it.effect("that is forgotten meanwhile is not kept, and who comes later has it computed again", () =>
    Effect.gen(function* () {
      const { layer, log, open } = yield* gated
      yield* Effect.gen(function* () {
        const before = yield* Effect.fork(Square.call(3))
        yield* begun(1)
        yield* ComputeCache.invalidate(Square, 3)
        const after = yield* Effect.fork(Square.call(3))
        yield* begun(2)
        assert.deepInclude(yield* ComputeCache.stats, { misses: 2, running: 2 })
        yield* open
        assert.deepStrictEqual([yield* Fiber.join(before), yield* Fiber.join(after)], [9, 9])
        assert.deepStrictEqual(yield* log, ["begin 3", "begin 3", "end 3", "end 3"])
        assert.deepInclude(yield* ComputeCache.stats, { size: 1, running: 0 })
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(ComputeCache.layer()))
  )
})

describe("a cache over a store", () => {
  const unavailable = Effect.fail(
    new StoreError({ reason: "unavailable", location: "here", operation: "test", message: "it is away" })
  )

  /** Counts its computations; caches that are built over one store are as those of different processes. */
  const program = (options: Partial<ComputeCache.StoreOptions> = {}, node = Square) => {
    let calls = 0
    const layer = Layer.fresh(
      Layer.provideMerge(
        node.layer({ compute: (n) => Effect.sync(() => (calls++, n * n)) }),
        ComputeCache.layerStore(options)
      )
    )
    return { layer, calls: () => calls }
  }
  const call = (n: number) => Square.call(n)

  const keysOf = (store: typeof StateStore.StateStore.Service) => {
    const keys = new Set<string>()
    const noted: typeof store = {
      ...store,
      compareAndSet: (key, ...rest) => (keys.add(key), store.compareAndSet(key, ...rest))
    }
    return { keys, noted }
  }

  it.effect("is read by other processes, for as long as its time lasts", () => {
    const one = program()
    const two = program({ ttl: "1 hour", storeTtl: "1 minute" })
    const three = program({ storeTtl: "1 minute" })
    return Effect.gen(function* () {
      assert.strictEqual(yield* Effect.provide(call(3), one.layer), 9)
      assert.strictEqual(yield* Effect.provide(call(3), two.layer), 9)
      assert.deepStrictEqual([one.calls(), two.calls()], [1, 0])
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* call(4), 16)
        yield* TestClock.adjust("40 seconds")
        yield* Effect.gen(function* () {
          assert.strictEqual(yield* call(4), 16)
          assert.strictEqual(three.calls(), 0)
          yield* TestClock.adjust("20 seconds")
          assert.strictEqual(yield* call(4), 16)
          assert.strictEqual(three.calls(), 1, "no longer in memory than in the store")
        }).pipe(Effect.provide(three.layer))
      }).pipe(Effect.provide(two.layer))
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  })

  it.effect("keeps undefined and null", () => {
    class Maybe extends ComputeNode.Service<Maybe>()("test/Maybe", {
      input: Schema.Boolean,
      output: Schema.Union(Schema.Undefined, Schema.Null)
    }) {}
    let calls = 0
    const layer = () =>
      Layer.provide(
        Maybe.layerPure({ compute: (some) => (calls++, some ? null : undefined) }),
        Layer.fresh(ComputeCache.layerStore())
      )
    const both = Effect.all([Maybe.call(true), Maybe.call(false)])
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(both, layer()), [null, undefined])
      assert.deepStrictEqual(yield* Effect.provide(both, layer()), [null, undefined])
      assert.strictEqual(calls, 2)
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  })

  it.effect("computes again what does not decode, and puts it in its place", () =>
    Effect.gen(function* () {
      const store = yield* StateStore.StateStore
      const { keys, noted } = keysOf(store)
      const one = program()
      yield* call(3).pipe(Effect.provide(one.layer), Effect.provideService(StateStore.StateStore, noted))
      const [key] = keys
      const good = Option.getOrThrow(yield* store.get(key!)).value
      for (const bad of ["no JSON", "{}", good.replace(`"format":1`, `"format":2`), good.replace("9", `"nine"`)]) {
        yield* store.set(key!, bad)
        const next = program()
        assert.strictEqual(yield* Effect.provide(call(3), next.layer), 9)
        assert.strictEqual(next.calls(), 1, bad)
        assert.strictEqual(Option.getOrThrow(yield* store.get(key!)).value, good)
      }
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  )

  it.effect("forgets by input, by node and all of it, for other processes too", () => {
    const computed = Effect.gen(function* () {
      const squares = program()
      const cubes = program({}, Cube as unknown as typeof Square)
      yield* Effect.forEach([1, 2], call).pipe(Effect.provide(squares.layer))
      yield* Effect.provide(Cube.call(1), cubes.layer as unknown as Layer.Layer<Cube, never, StateStore.StateStore>)
      return [squares.calls(), cubes.calls()]
    })
    return Effect.gen(function* () {
      const forgetting = <E, R>(effect: Effect.Effect<void, E, R>) =>
        Effect.zipRight(Effect.provide(effect, Layer.fresh(ComputeCache.layerStore())), computed)
      assert.deepStrictEqual(yield* computed, [2, 1])
      assert.deepStrictEqual(yield* computed, [0, 0])
      assert.deepStrictEqual(yield* forgetting(ComputeCache.invalidate(Square, 1)), [1, 0])
      assert.deepStrictEqual(yield* forgetting(ComputeCache.invalidateNode(Square)), [2, 0])
      assert.deepStrictEqual(yield* forgetting(ComputeCache.invalidateAll), [2, 1])
      assert.deepStrictEqual(yield* computed, [0, 0])
    }).pipe(Effect.provide(StateStoreMemory.layer()))
  })

  for (const [what, forget] of [
    ["its input", ComputeCache.invalidate(Square, 3)],
    ["its node", ComputeCache.invalidateNode(Square)],
    ["everything", ComputeCache.invalidateAll]
  ] as const) {
    it.effect(`does not store what was computed while another process forgot ${what}`, () =>
      Effect.gen(function* () {
        const { layer, open } = yield* gated
        yield* Effect.gen(function* () {
          const old = yield* Effect.fork(Square.call(3))
          yield* begun(1)
          yield* quiet
          yield* Effect.provide(forget, Layer.fresh(ComputeCache.layerStore()))
          yield* open
          assert.strictEqual(yield* Fiber.join(old), 9)
        }).pipe(Effect.provide(Layer.fresh(Layer.provideMerge(layer, ComputeCache.layerStore()))))
        const next = program()
        assert.strictEqual(yield* Effect.provide(call(3), next.layer), 9)
        assert.strictEqual(next.calls(), 1)
      }).pipe(Effect.provide(StateStoreMemory.layer()))
    )
  }

  /** Its methods are what is given, the others those of a store in memory. */
  const storeWith = (methods: Partial<typeof StateStore.StateStore.Service>) =>
    Layer.provide(
      Layer.effect(
        StateStore.StateStore,
        Effect.map(StateStore.StateStore, (store) => ({ ...store, ...methods }))
      ),
      StateStoreMemory.layer()
    )

  const messages = () => {
    const said: Array<string> = []
    const logger = Logger.make(({ message }) => void said.push(String(Array.isArray(message) ? message[0] : message)))
    return { said, layer: Logger.replace(Logger.defaultLogger, logger) }
  }

  it.effect("goes on without a store that fails, and says so", () => {
    const { layer, said } = messages()
    const one = program()
    return Effect.gen(function* () {
      const before = (yield* Metric.value(Telemetry.computeStoreReads.failed)).count
      assert.strictEqual(yield* call(3), 9)
      assert.strictEqual(yield* call(3), 9)
      assert.strictEqual(one.calls(), 1)
      assert.deepStrictEqual(said, [`a result of "test/Square" could not be read`])
      assert.strictEqual((yield* Metric.value(Telemetry.computeStoreReads.failed)).count - before, 1)
      const failed = yield* Effect.flip(ComputeCache.invalidateNode(Square))
      assert.strictEqual(failed._tag, "StoreError")
      assert.strictEqual((yield* ComputeCache.stats).size, 0)
    }).pipe(
      Effect.provide(one.layer),
      Effect.provide(storeWith({ get: () => unavailable, set: () => unavailable })),
      Effect.provide(layer)
    )
  })

  it.effect("goes on without a store that takes nothing", () => {
    const { layer, said } = messages()
    const one = program()
    return Effect.gen(function* () {
      const before = (yield* Metric.value(Telemetry.computeStoreWritesFailed)).count
      assert.strictEqual(yield* call(3), 9)
      assert.deepStrictEqual(said, [`a result of "test/Square" could not be stored`])
      assert.strictEqual((yield* Metric.value(Telemetry.computeStoreWritesFailed)).count - before, 1)
    }).pipe(
      Effect.provide(one.layer),
      Effect.provide(storeWith({ compareAndSet: () => unavailable })),
      Effect.provide(layer)
    )
  })

  it.effect.each([
    ["that can be interrupted", Effect.never],
    ["that cannot be interrupted", Effect.uninterruptible(Effect.never)]
  ] as const)("does not wait for a store that does not answer, %s", ([, never]) => {
    const one = program({ patience: "2 seconds" })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(call(3))
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(one.calls(), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), 9)
    }).pipe(
      Effect.provide(one.layer),
      Effect.provide(storeWith({ get: () => never, compareAndSet: () => never })),
      Effect.provide(messages().layer)
    )
  })
})
