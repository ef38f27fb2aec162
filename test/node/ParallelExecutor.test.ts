import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ParallelExecutor from "heddle/node/ParallelExecutor"
import { eventually } from "../run/Harness.js"

const url = new URL("./fixtures/work.mjs", import.meta.url)

const run = (name: string, input?: unknown) =>
  Effect.gen(function* () {
    const executor = yield* ParallelExecutor.ParallelExecutor
    const output = yield* executor.run({ url, export: name }, input === undefined ? null : JSON.stringify(input))
    return output === null ? undefined : (JSON.parse(output) as unknown)
  })

const stats = Effect.flatMap(ParallelExecutor.ParallelExecutor, (executor) => executor.stats)
const reaches = (expected: Partial<ParallelExecutor.Stats>) =>
  eventually(
    Effect.map(stats, (now) =>
      Object.entries(expected).every(([name, value]) => now[name as keyof typeof now] === value)
    ),
    JSON.stringify(expected)
  )

/** What holds wherever a function runs. */
const contract = (layer: Layer.Layer<ParallelExecutor.ParallelExecutor>) => {
  it.layer(layer)((it) => {
    it.effect("gives what the function gives or promises", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* run("double", 21), 42)
        assert.strictEqual(yield* run("later", 1), 2)
        assert.strictEqual(yield* run("nothing"), undefined)
        assert.strictEqual(yield* run("chatty"), "done")
      })
    )

    it.effect("fails with what it threw", () =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(run("fails", "no"))
        assert.strictEqual(failed._tag, "WorkerFunctionThrew")
        assert.strictEqual(failed.message, `"fails" of ${String(url)} threw: no`)
        assert.include("stack" in failed ? failed.stack : "", "work.mjs")
        assert.deepInclude(yield* Effect.flip(run("rejects", { why: "so" })), { thrown: `{"why":"so"}` })
        assert.match((yield* Effect.flip(run("circular"))).message, /circular structure/)
      })
    )

    it.effect("gives JSON as it is, but for what JSON leaves out", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run("json"), {
          "": [{ list: [] }, { list: [] }],
          bare: { here: 1 },
          '"__proto__\u2028': [-0.5, 1e21, true, null, "\ud800\n"]
        })
        assert.deepStrictEqual(yield* run("getterOnce"), { reads: 1 })
      })
    )

    it.effect("fails with what is not JSON, and says where it is", () =>
      Effect.gen(function* () {
        for (const kind of Schema.decodeUnknownSync(Schema.Array(Schema.String))(yield* run("notJsonKinds"))) {
          const exit = yield* Effect.exit(run("gives", kind))
          const failure = Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none()
          const tag = Option.map(failure, ({ _tag }) => _tag)
          assert.deepStrictEqual(tag, Option.some("WorkerFunctionThrew"), `${kind}: ${String(exit)}`)
        }
        const messageOf = (kind: string) => Effect.map(Effect.flip(run("gives", kind)), ({ message }) => message)
        assert.match(yield* messageOf("nan"), / threw: what it gave is not JSON: NaN$/)
        assert.match(yield* messageOf("map"), /not JSON: an instance of Map$/)
        assert.match(yield* messageOf("infinite"), /not JSON: -Infinity at 1\.n$/)
        // it was not thrown: no error of a node is decoded of it
        assert.notProperty(yield* Effect.flip(run("gives", "nan")), "thrown")
      })
    )

    it.effect("fails before anything runs when there is no such function", () =>
      Effect.gen(function* () {
        const missing = yield* Effect.flip(run("none"))
        assert.strictEqual(missing._tag, "WorkerFunctionMissing")
        assert.match(missing.message, /its functions are: .*double/)
        assert.strictEqual((yield* Effect.flip(run("notAFunction")))._tag, "WorkerFunctionMissing")
        assert.strictEqual((yield* Effect.flip(run("toString")))._tag, "WorkerFunctionMissing")
        const executor = yield* ParallelExecutor.ParallelExecutor
        const missingOf = (url: string | URL) => Effect.flip(executor.run({ url, export: "x" }, null))
        const broken = yield* missingOf(new URL("./fixtures/broken.mjs", import.meta.url))
        assert.match(broken.message, /it does not load/)
        assert.strictEqual((yield* missingOf(new URL("./none.mjs", import.meta.url)))._tag, "WorkerFunctionMissing")
        assert.match((yield* missingOf("./work.mjs")).message, /the URL is not absolute/)
        assert.strictEqual(yield* run("double", 1), 2)
      })
    )
  })
}

describe("layerInline", () => {
  contract(ParallelExecutor.layerInline)

  it.effect("runs in this thread", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* run("threadCalls"), { isMainThread: true })
    }).pipe(Effect.provide(ParallelExecutor.layerInline))
  )
})

describe("layerWorkers", () => {
  contract(ParallelExecutor.layerWorkers({ size: 1 }))

  it.effect("runs in threads that are used again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* stats, { busy: 0, idle: 0, waiting: 0 })
      assert.deepStrictEqual(yield* run("threadCalls"), { isMainThread: false, calls: 1 })
      assert.deepStrictEqual(yield* run("threadCalls"), { isMainThread: false, calls: 2 })
      assert.deepStrictEqual(yield* stats, { busy: 0, idle: 1, waiting: 0 })
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 2 })))
  )

  it.effect("replaces a worker that crashes, and names the function", () =>
    Effect.gen(function* () {
      const exited = yield* Effect.flip(run("exit", 3))
      assert.strictEqual(exited._tag, "WorkerCrashed")
      assert.strictEqual(exited.message, `the worker of "exit" of ${String(url)} crashed: it exited with code 3`)
      const uncaught = yield* Effect.flip(run("uncaught"))
      assert.strictEqual(uncaught._tag, "WorkerCrashed")
      assert.match(uncaught.message, /nobody catches this/)
      assert.deepInclude(yield* run("threadCalls"), { calls: 1 })
      const memory = yield* Effect.flip(run("outOfMemory"))
      assert.strictEqual(memory._tag, "WorkerCrashed")
      assert.match(memory.message, /memory/)
      assert.strictEqual(yield* run("double", 2), 4)
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 1, resourceLimits: { maxOldGenerationSizeMb: 16 } })))
  )

  it.effect("hurts no other call with a crash", () =>
    Effect.gen(function* () {
      const calls = Array.from({ length: 12 }, (_, i) => (i % 4 === 1 ? run("exit", 0) : run("double", i)))
      const exits = yield* Effect.forEach(calls, Effect.exit, { concurrency: "unbounded" })
      exits.forEach((exit, i) => assert.strictEqual(Exit.isSuccess(exit), i % 4 !== 1, `call ${i}`))
      assert.deepStrictEqual(
        exits.filter(Exit.isSuccess).map(({ value }) => value),
        [0, 4, 6, 8, 12, 14, 16, 20, 22]
      )
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 2 })))
  )

  it.effect("hurts the call that runs then, with a crash that an earlier one left behind, and no other", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* run("throwsWhenNextIsCalled"), undefined)
      const hurt = yield* Effect.flip(run("never"))
      assert.strictEqual(hurt._tag, "WorkerCrashed")
      assert.match(hurt.message, /"never" .* crashed: left behind/)
      assert.strictEqual(yield* run("double", 2), 4)
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 1 })))
  )

  it.effect("stops a function that never ends when its call is interrupted", () =>
    Effect.gen(function* () {
      const spinning = yield* Effect.fork(run("spin"))
      yield* reaches({ busy: 1 })
      const waiting = yield* Effect.fork(run("double", 4))
      yield* reaches({ waiting: 1 })
      yield* Fiber.interrupt(spinning)
      assert.strictEqual(yield* Fiber.join(waiting), 8)
      assert.deepStrictEqual(yield* stats, { busy: 0, idle: 1, waiting: 0 })
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 1 })))
  )

  it.effect("lets calls wait in order, refuses more than the queue holds, and forgets one that is interrupted", () =>
    Effect.gen(function* () {
      const spinning = yield* Effect.fork(run("spin"))
      yield* reaches({ busy: 1 })
      const first = yield* Effect.fork(run("double", 1))
      yield* reaches({ waiting: 1 })
      const second = yield* Effect.fork(run("double", 2))
      yield* reaches({ waiting: 2 })
      const refused = yield* Effect.flip(run("double", 3))
      assert.strictEqual(refused._tag, "WorkersBusy")
      assert.match(refused.message, /"double" .* was refused: 2 calls wait/)
      yield* Fiber.interrupt(first)
      yield* reaches({ waiting: 1 })
      yield* Fiber.interrupt(spinning)
      assert.strictEqual(yield* Fiber.join(second), 4)
    }).pipe(Effect.provide(ParallelExecutor.layerWorkers({ size: 1, queue: 2 })))
  )

  it.effect("interrupts what runs and what waits when its scope closes", () =>
    Effect.gen(function* () {
      const built = yield* Deferred.make<ParallelExecutor.Stats>()
      const fibers = yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(ParallelExecutor.layerWorkers({ size: 1 }))
          const fibers = [
            yield* Effect.forkDaemon(Effect.provide(run("spin"), context)),
            yield* Effect.forkDaemon(Effect.provide(run("spin"), context))
          ]
          yield* Effect.provide(reaches({ busy: 1, waiting: 1 }), context)
          yield* Deferred.succeed(built, yield* Effect.provide(stats, context))
          return fibers
        })
      )
      for (const fiber of fibers) {
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      }
    })
  )

  it.effect("refuses options that make no sense", () =>
    Effect.gen(function* () {
      const refused = (options: Partial<ParallelExecutor.Options>) =>
        Effect.map(Effect.exit(Effect.scoped(Layer.build(ParallelExecutor.layerWorkers(options)))), (exit) =>
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "built"
        )
      assert.match(yield* refused({ size: 0 }), /whole number of at least 1, not 0/)
      assert.match(yield* refused({ queue: -1 }), /not -1/)
    })
  )
})

describe("ComputeNode.layerWorker", () => {
  class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { n: Schema.String }) {}
  class Double extends ComputeNode.Service<Double>()("test/Double", {
    input: Schema.NumberFromString,
    output: Schema.Number,
    error: TooLarge
  }) {}
  const by = (name: string) => Effect.provide(Double.call(3), Double.layerWorker({ url, export: name }))

  it.layer(ParallelExecutor.layerWorkers({ size: 1 }))((it) => {
    it.effect("hands over encoded values, and gives decoded ones", () =>
      Effect.gen(function* () {
        // "3" * 2
        assert.strictEqual(yield* by("double"), 6)
      })
    )

    it.effect("fails with the node's own error, with that of the worker, or for an output that does not fit", () =>
      Effect.gen(function* () {
        const own = yield* Effect.flip(by("refuses"))
        assert.instanceOf(own, TooLarge)
        assert.strictEqual((yield* Effect.flip(by("fails")))._tag, "WorkerFunctionThrew")
        assert.strictEqual((yield* Effect.flip(by("exit")))._tag, "WorkerCrashed")
        const unfit = yield* Effect.flip(by("wrongType"))
        assert.strictEqual(unfit._tag, "NodeValueInvalid")
        assert.match(unfit.message, /^the output of "test\/Double" does not fit/)
      })
    )
  })
})
