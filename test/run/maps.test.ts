import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Schema, TestClock } from "effect"
import { Dag, Engine, Module, ModuleError, Run } from "heddle"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { alone, eventually, id, quiet, reaches, stateOf, statusOf, storedRun } from "./Harness.js"

const range = (size: number) => Array.from({ length: size }, (_, i) => i)

/** Counts who is inside of it at once. */
const gauge = () => {
  let inside = 0
  let peak = 0
  const leave = Effect.sync(() => void inside--)
  return {
    during: Effect.acquireUseRelease(
      Effect.sync(() => void (peak = Math.max(peak, ++inside))),
      () => Effect.yieldNow(),
      () => leave
    ),
    enter: Effect.sync(() => void (peak = Math.max(peak, ++inside))),
    leave,
    peak: () => peak
  }
}

const number = Module.input("number", Schema.Int)

/** A child Dag of two modules, the first of which does something. */
const childOf = <E>(effect: (number: number) => Effect.Effect<unknown, E>) => {
  const first = Module.make("first", {
    needs: { number },
    output: Schema.Int,
    run: ({ number }) => Effect.as(effect(number), number)
  })
  const last = Module.pure("last", { needs: { first }, run: ({ first }) => first * 10 })
  return Dag.make("child", { outputs: { last } })
}

describe("the results of a map", () => {
  it.effect("are in the order of the items, whatever order they end in", () =>
    Effect.gen(function* () {
      const ended: Array<number> = []
      const mapped = Module.map("mapped", {
        over: () => range(10),
        output: Schema.Int,
        run: (item) =>
          Effect.as(
            Effect.delay(
              Effect.sync(() => ended.push(item)),
              `${10 - item} seconds`
            ),
            item * 2
          )
      })
      const handle = yield* Engine.start(Dag.make("ordered", { outputs: { mapped } }), {})
      yield* reaches(handle, "mapped", "running")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        (yield* handle.await).mapped,
        range(10).map((item) => item * 2)
      )
      assert.deepStrictEqual(ended, range(10).reverse())
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("come from any iterable of what the map needs; an item is given the needs and its index", () =>
    Effect.gen(function* () {
      const word = Module.input("word", Schema.String)
      const options = { needs: { word }, output: Schema.String }
      const told = (item: string, word: string, index: number) => Effect.succeed(`${item} ${index} of ${word}`)
      const array = Module.map("array", {
        ...options,
        over: ({ word }) => word.split(""),
        run: (item, { word }, index) => told(item, word, index)
      })
      const string = Module.map("string", {
        ...options,
        over: ({ word }) => word,
        run: (item, { word }, index) => told(item, word, index)
      })
      const set = Module.map("set", {
        ...options,
        over: ({ word }) => new Set(word),
        run: (item, { word }, index) => told(item, word, index)
      })
      const generated = Module.map("generated", {
        ...options,
        over: function* ({ word }) {
          yield* word
        },
        run: (item, { word }, index) => told(item, word, index)
      })
      const dag = Dag.make("iterables", { outputs: { array, string, set, generated } })
      const outputs = yield* Engine.execute(dag, { word: "abc" })
      for (const results of Object.values(outputs)) {
        assert.deepStrictEqual(results, ["a 0 of abc", "b 1 of abc", "c 2 of abc"])
      }
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of no items is an empty list, also of children and when failures are collected", () =>
    Effect.gen(function* () {
      const none: ReadonlyArray<number> = []
      const dag = childOf(() => Effect.die("no item"))
      const options = { over: () => none, output: Schema.Int, run: () => Effect.die("no item") }
      const effects = Module.map("effects", options)
      const collected = Module.map("collected", { ...options, onItemFailure: "collect" })
      const children = Module.map("children", {
        over: () => none,
        dag,
        input: (number) => ({ number }),
        concurrency: 1
      })
      const outputs = yield* Engine.execute(
        Dag.make("empty", { outputs: { effects, collected, children } }),
        {},
        { runId: id, concurrency: 1 }
      )
      assert.deepStrictEqual(outputs, { effects: [], collected: [], children: [] })
      assert.deepStrictEqual(stateOf(yield* storedRun(), "children").items, { total: 0, completed: 0, failed: 0 })
    }).pipe(Effect.provide(alone()))
  )

  it.effect("of maps in maps are nested lists, and each module has its path", () =>
    Effect.gen(function* () {
      const deepest = Module.map("deepest", {
        needs: { number },
        over: ({ number }) => range(number),
        output: Schema.String,
        run: (item) => Effect.map(Run.idempotencyKey, (key) => `${item} ${key}`)
      })
      const middle = Module.map("middle", {
        needs: { number },
        over: ({ number }) => range(number),
        dag: Dag.make("deep", { outputs: { deepest } }),
        input: (number) => ({ number })
      })
      const outer = Module.map("outer", {
        over: () => range(3),
        dag: Dag.make("middle", { outputs: { middle } }),
        input: (number) => ({ number })
      })
      const outputs = yield* Engine.execute(Dag.make("nested", { outputs: { outer } }), {}, { runId: id })
      const key = (path: string, index: number) => JSON.stringify([id, path, index])
      assert.deepStrictEqual(outputs.outer, [
        { middle: [] },
        { middle: [{ deepest: [] }] },
        { middle: [{ deepest: [] }, { deepest: [`0 ${key("outer/2/middle/1/deepest", 0)}`] }] }
      ])
      assert.strictEqual(statusOf(yield* storedRun(), "outer/2/middle/1/deepest"), "completed")
    }).pipe(Effect.provide(alone()))
  )
})

describe("the concurrency of a map", () => {
  for (const kind of ["effects", "children"] as const) {
    for (const [run, expected] of [
      ["unbounded", 5],
      [8, 5],
      [5, 5],
      [3, 3],
      [1, 1]
    ] as const) {
      it.effect(`of 5 over 1,000 ${kind} peaks at exactly ${expected} where that of the run is ${run}`, () =>
        Effect.gen(function* () {
          const { during, peak } = gauge()
          const options = { over: () => range(1000), concurrency: 5 }
          const dag =
            kind === "effects"
              ? Dag.make("peak", {
                  outputs: {
                    mapped: Module.map("mapped", { ...options, output: Schema.Int, run: (n) => Effect.as(during, n) })
                  }
                })
              : Dag.make("peak", {
                  outputs: {
                    mapped: Module.map("mapped", {
                      ...options,
                      dag: childOf(() => during),
                      input: (number) => ({ number })
                    })
                  }
                })
          const { mapped } = yield* Engine.execute<{ readonly mapped: ReadonlyArray<unknown> }, {}, never, never>(
            dag,
            {},
            { concurrency: run }
          )
          assert.deepStrictEqual(mapped, kind === "effects" ? range(1000) : range(1000).map((n) => ({ last: n * 10 })))
          assert.strictEqual(peak(), expected)
        }).pipe(Effect.provide(alone({ durability: "buffered" })))
      )
    }
  }

  it.effect("of nested maps is that of each: so many children at once, and so many items in each of them", () =>
    Effect.gen(function* () {
      const children = gauge()
      const items = gauge()
      const perChild = new Map<string, ReturnType<typeof gauge>>()
      const opens = Module.make("opens", { output: Schema.Void, run: () => children.enter })
      const inner = Module.map("inner", {
        needs: { opens, number },
        over: () => range(20),
        concurrency: 4,
        output: Schema.Void,
        run: (_, { number }) => {
          const own = perChild.get(`${number}`) ?? gauge()
          perChild.set(`${number}`, own)
          return Effect.zipRight(items.enter, Effect.zipRight(own.during, items.leave))
        }
      })
      const closes = Module.make("closes", { needs: { inner }, output: Schema.Void, run: () => children.leave })
      const outer = Module.map("outer", {
        over: () => range(12),
        concurrency: 3,
        dag: Dag.make("inner", { outputs: { closes } }),
        input: (number) => ({ number })
      })
      yield* Engine.execute(Dag.make("outer", { outputs: { outer } }), {})
      assert.strictEqual(children.peak(), 3)
      assert.strictEqual(items.peak(), 12)
      assert.deepStrictEqual(new Set(Array.from(perChild.values(), ({ peak }) => peak())), new Set([4]))
      assert.strictEqual(perChild.size, 12)
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  it.effect("is refilled as soon as an item ends, also one whose result is not committed yet", () =>
    Effect.gen(function* () {
      const gates = yield* Effect.forEach(range(4), () => Deferred.make<void>())
      const began: Array<number> = []
      const mapped = Module.map("mapped", {
        over: () => gates,
        concurrency: 2,
        output: Schema.Void,
        run: (gate, _, index) =>
          Effect.zipRight(
            Effect.sync(() => began.push(index)),
            Deferred.await(gate)
          )
      })
      const handle = yield* Engine.start(Dag.make("refilled", { outputs: { mapped } }), {})
      yield* eventually(Effect.sync(() => began.length === 2))
      for (const [index, expected] of [
        [1, [0, 1, 2]],
        [2, [0, 1, 2, 3]]
      ] as const) {
        yield* Deferred.succeed(gates[index]!, undefined)
        yield* quiet
        assert.deepStrictEqual(began, [...expected])
      }
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* Deferred.succeed(gates[3]!, undefined)
      yield* handle.await
    }).pipe(Effect.provide(alone()))
  )

  it.effect(
    "is one thing, a limit of the engine another: it is shared by maps, and the first in priority go first",
    () =>
      Effect.gen(function* () {
        const { during, peak } = gauge()
        const began: Array<string> = []
        const mapped = <const Name extends string>(name: Name, priority: number) =>
          Module.map(name, {
            over: () => range(4),
            concurrency: 3,
            limit: "two",
            priority,
            output: Schema.Void,
            run: (item) =>
              Effect.zipRight(
                Effect.sync(() => began.push(`${name} ${item}`)),
                during
              )
          })
        const dag = Dag.make("limited", { outputs: { low: mapped("low", 0), high: mapped("high", 1) } })
        yield* Engine.execute(dag, {})
        assert.strictEqual(peak(), 2)
        assert.deepStrictEqual(
          began,
          ["high", "low"].flatMap((name) => range(4).map((item) => `${name} ${item}`))
        )
      }).pipe(Effect.provide(alone({ durability: "buffered", limits: { two: 2 } })))
  )

  it.effect("leaves limits to the modules of its children, which share theirs", () =>
    Effect.gen(function* () {
      const { during, peak } = gauge()
      const step = Module.make("step", { needs: { number }, limit: "two", output: Schema.Void, run: () => during })
      const mapped = Module.map("mapped", {
        over: () => range(20),
        dag: Dag.make("child", { outputs: { step } }),
        input: (number) => ({ number })
      })
      yield* Engine.execute(Dag.make("limited", { outputs: { mapped } }), {})
      assert.strictEqual(peak(), 2)
    }).pipe(Effect.provide(alone({ durability: "buffered", limits: { two: 2 } })))
  )
})

describe("the size of a map", () => {
  it.effect("may be 100,000: no stack overflows, and what stays in memory are the results", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const collect = runInNewContext("gc") as () => void
      const size = 100_000
      const sampled: Array<WeakRef<object>> = []
      let heapBefore = 0
      let heapAtEnd = 0
      const list = Module.pure("list", { run: () => range(size) })
      const mapped = Module.map("mapped", {
        needs: { list },
        over: ({ list }) => list,
        output: Schema.Int,
        run: (item) =>
          Effect.suspend(() => {
            const scratch = { item, padding: new Array<number>(8).fill(item) }
            if (item % 1000 === 0) sampled.push(new WeakRef(scratch))
            if (item === 0) {
              collect()
              heapBefore = process.memoryUsage().heapUsed
            }
            if (item === size - 1) {
              collect()
              heapAtEnd = process.memoryUsage().heapUsed
            }
            return Effect.succeed(scratch.padding[0]! + 1)
          })
      })
      const total = Module.pure("total", { needs: { mapped }, run: ({ mapped }) => mapped.reduce((a, b) => a + b, 0) })
      const handle = yield* Engine.start(
        Dag.make("many", { outputs: { total } }),
        {},
        { durability: "memory", concurrency: 50 }
      )
      assert.deepStrictEqual(yield* handle.await, { total: (size * (size + 1)) / 2 })
      const snapshot = yield* handle.snapshot
      assert.deepStrictEqual(stateOf(snapshot, "mapped").items, { total: size, completed: size, failed: 0 })
      assert.deepStrictEqual(Array.from(snapshot.modules, ([path]) => path).sort(), ["list", "mapped", "total"])
      yield* Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))
      collect()
      assert.strictEqual(sampled.length, 100)
      assert.isAtMost(sampled.filter((ref) => ref.deref() !== undefined).length, 1)
      assert.isBelow((heapAtEnd - heapBefore) / size, 100)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("may be as large where it is stored, and is resumed with it", () =>
    Effect.gen(function* () {
      const size = 100_000
      let ran = 0
      const mapped = Module.map("mapped", {
        over: () => range(size),
        output: Schema.Int,
        run: (item) => Effect.sync(() => (ran++, item))
      })
      const dag = Dag.make("many", { outputs: { mapped } })
      const { mapped: results } = yield* Engine.execute(dag, {}, { runId: id })
      assert.strictEqual(results.length, size)
      assert.isTrue(results.every((item, index) => item === index))
      const again = yield* Engine.execute(dag, {}, { runId: id })
      assert.deepStrictEqual(again.mapped, results)
      assert.strictEqual(ran, size)
    }).pipe(Effect.provide(alone({ durability: "buffered" })))
  )

  for (const kind of ["effects", "children"] as const) {
    it.effect(`is at most 100,000: of ${kind}, nothing has run, and the error names the module`, () =>
      Effect.gen(function* () {
        let ran = 0
        const runs = Effect.sync(() => ran++)
        const over = () => range(100_001)
        const inner =
          kind === "effects"
            ? Module.map("large", { over, output: Schema.Void, run: () => runs })
            : Module.map("large", { over, dag: childOf(() => runs), input: (number) => ({ number }) })
        const nested = Module.dag("nested", { dag: Dag.make("inner", { outputs: { inner } }), input: () => ({}) })
        const error = yield* Effect.flip(Engine.execute(Dag.make("large", { outputs: { nested } }), {}, { runId: id }))
        assert(error._tag === "RunFailed")
        assert.include(error.message, new ModuleError.TooManyItems({ module: "nested/large", max: 100_000 }).message)
        const state = stateOf(yield* storedRun(), "nested/large")
        assert.strictEqual(state.failure?.kind, "refused")
        assert.strictEqual(state.items, undefined)
        assert.strictEqual(ran, 0)
      }).pipe(Effect.provide(alone()))
    )
  }

  it.effect("is what the engine says: an iterable without end is left after so many, and told so", () =>
    Effect.gen(function* () {
      let given = 0
      let closed = false
      const endless = Module.map("endless", {
        over: function* () {
          try {
            while (true) yield given++
          } finally {
            closed = true
          }
        },
        output: Schema.Void,
        onFailure: "skip",
        run: () => Effect.die("none may run")
      })
      const sees = Module.pure("sees", { needs: { endless }, join: "always", run: ({ endless }) => endless })
      const { sees: seen } = yield* Engine.execute(Dag.make("endless", { outputs: { sees } }), {})
      assert(Exit.isFailure(seen))
      assert.strictEqual(given, 8)
      assert.isTrue(closed)
    }).pipe(Effect.provide(alone({ maxItems: 7 })))
  )

  it.effect("is not known where its list throws, at once or on the way, or is none: the module fails", () =>
    Effect.gen(function* () {
      let ran = 0
      const notIterable: unknown = 42
      const lists: ReadonlyArray<() => Iterable<number>> = [
        () => {
          throw new Error("no list")
        },
        function* () {
          yield 1
          throw new Error("no more")
        },
        () => notIterable as Iterable<number>
      ]
      for (const [index, over] of lists.entries()) {
        const mapped = Module.map("mapped", { over, output: Schema.Void, run: () => Effect.sync(() => void ran++) })
        const error = yield* Effect.flip(Engine.execute(Dag.make(`list ${index}`, { outputs: { mapped } }), {}))
        assert(error._tag === "RunFailed")
        const { failure, module } = error.failures[0]!
        assert.strictEqual(module, "mapped")
        assert.strictEqual(failure.kind, "defect")
      }
      assert.strictEqual(ran, 0)
    }).pipe(Effect.provide(alone()))
  )
})
