/** When dependants start, what is synced, and what becomes of a run whose writes fail. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Logger, LogLevel, Option, Schema, TestClock } from "effect"
import { Dag, Engine, Heddle, Module, RunError, RunId } from "heddle"
import { down, engineOver, memory, type Store } from "./FaultyStore.js"
import { id, quiet, withTime } from "./Harness.js"

const silent = Logger.withMinimumLogLevel(LogLevel.None)

type Level = Engine.Durability
const levels: ReadonlyArray<Level> = ["memory", "buffered", "committed", "fsynced"]

/** Two modules, one after the other, of which the first says how durable it is. */
const pair = (durability: Level | undefined) => {
  const ran: Array<string> = []
  const say = (name: string) => Effect.sync(() => void ran.push(name))
  const first = Module.make("first", {
    output: Schema.Int,
    run: () => Effect.as(say("first"), 1),
    ...(durability === undefined ? undefined : { durability })
  })
  const second = Module.make("second", { needs: { first }, output: Schema.Void, run: () => say("second") })
  return { dag: Dag.make("pair", { outputs: { second } }), ran }
}

interface Written {
  readonly what: ReadonlyArray<string>
  readonly synced: boolean
}

/** A store that holds commits back until it is told otherwise, and says what was completed in them, and which were to be synced. */
const gated = Effect.gen(function* () {
  const store = yield* memory
  const gate = yield* Effect.makeLatch(false)
  const written: Array<Written> = []
  const held: Store = {
    ...store,
    commit: (batch) =>
      Effect.zipRight(
        Effect.sync(() =>
          written.push({
            what: batch.runs.flatMap(({ modules, status }) => [
              ...modules.flatMap(({ module, status }) => (status === "completed" ? [module] : [])),
              ...(status === "completed" ? ["end"] : [])
            ]),
            synced: batch.synced
          })
        ),
        gate.whenOpen(store.commit(batch))
      )
  }
  /** Whether the batches with this in them were synced. */
  const isSynced = (what: string) => written.filter((batch) => batch.what.includes(what)).map(({ synced }) => synced)
  return { store: held, gate, written, isSynced }
})

describe("a module's own durability", () => {
  for (const run of levels) {
    for (const module of levels) {
      const waits = run !== "memory" && (module === "committed" || module === "fsynced")
      it.scoped(
        `${module} in a run that is ${run}: its dependants start ${waits ? "after" : "before"} the commit`,
        () =>
          Effect.gen(function* () {
            const { gate, store } = yield* gated
            const { dag, ran } = pair(module)
            const layer = engineOver(store, { engine: { durability: run } })
            yield* Effect.gen(function* () {
              const handle = yield* Engine.start(dag, {}, { runId: id })
              yield* TestClock.adjust("1 second")
              assert.deepStrictEqual(ran, waits ? ["first"] : ["first", "second"])
              yield* gate.open
              yield* withTime(handle.await)
              assert.deepStrictEqual(ran, ["first", "second"])
            }).pipe(Effect.provide(layer))
          })
      )
    }
  }

  it.scoped("is that of the run when it says nothing", () =>
    Effect.gen(function* () {
      const { gate, store } = yield* gated
      const { dag, ran } = pair(undefined)
      yield* Effect.gen(function* () {
        const handle = yield* Engine.start(dag, {}, { runId: id, durability: "fsynced" })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(ran, ["first"])
        yield* gate.open
        yield* withTime(handle.await)
      }).pipe(Effect.provide(engineOver(store)))
    })
  )

  it.scoped("may be changed between a run and its resume", () =>
    Effect.gen(function* () {
      const store = yield* memory
      const plan = (durability: Level) =>
        Module.make("m", { output: Schema.Int, run: () => Effect.succeed(1), durability })
      const runs = (durability: Level) =>
        Engine.execute(Dag.make("d", { outputs: { m: plan(durability) } }), {}, { runId: id }).pipe(
          withTime,
          Effect.provide(engineOver(store))
        )
      assert.deepStrictEqual(yield* runs("committed"), { m: 1 })
      assert.deepStrictEqual(yield* runs("memory"), { m: 1 })
    })
  )

  it.scoped("memory does not wait for room in the queue", () =>
    Effect.gen(function* () {
      const { gate, store } = yield* gated
      const ran: Array<number> = []
      const chain = (durability: Level) => {
        let last: Module.Of<number, never, never, never> = Module.make("m0", {
          output: Schema.Int,
          durability,
          run: () => Effect.sync(() => ran.push(0))
        })
        for (let i = 1; i < 10; i++) {
          last = Module.make(`m${i}`, {
            needs: { last },
            output: Schema.Int,
            durability,
            run: () => Effect.sync(() => ran.push(i))
          })
        }
        return Dag.make("chain", { outputs: { last } })
      }
      for (const durability of ["buffered", "memory"] as const) {
        ran.length = 0
        yield* gate.close
        yield* Effect.gen(function* () {
          const handle = yield* Engine.start(
            chain(durability),
            {},
            { runId: RunId.make(durability), durability: "buffered" }
          )
          yield* TestClock.adjust("1 second")
          if (durability === "memory") assert.lengthOf(ran, 10)
          else assert.isBelow(ran.length, 5)
          yield* gate.open
          assert.deepStrictEqual(yield* withTime(handle.await), { last: 10 })
        }).pipe(Effect.provide(engineOver(store, { writer: { capacity: 3 } })))
      }
    })
  )
})

describe("fsynced", () => {
  it.scoped("syncs the batches with the completions and the end of the run, and no other", () =>
    Effect.gen(function* () {
      const { gate, isSynced, store, written } = yield* gated
      yield* gate.open
      const run = (durability: Level, module?: Level) =>
        Effect.gen(function* () {
          written.length = 0
          const runId = RunId.make(`${durability} ${module}`)
          yield* withTime(Engine.execute(pair(module).dag, {}, { runId, durability }))
          return ["first", "second", "end"].map((what) => isSynced(what).every(Boolean))
        }).pipe(Effect.provide(engineOver(store)))
      assert.deepStrictEqual(yield* run("fsynced"), [true, true, true])
      assert.deepStrictEqual(yield* run("committed"), [false, false, false])
      const [first, second, end] = yield* run("buffered", "fsynced")
      assert.isTrue(first)
      assert.isFalse(second)
      assert.isFalse(end)
      assert.deepStrictEqual((yield* run("fsynced", "buffered")).slice(1), [true, true])
    })
  )

  it.scoped("is what a resume goes on with", () =>
    Effect.gen(function* () {
      const { gate, store, written } = yield* gated
      yield* gate.open
      const layer = engineOver(store)
      const reached = yield* Deferred.make<void>()
      let isFirst = true
      const m = Module.make("m", {
        output: Schema.Void,
        run: () => {
          if (!isFirst) return Effect.void
          isFirst = false
          return Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
        }
      })
      const dag = Dag.make("d", { outputs: { m } })
      const fiber = yield* Effect.fork(
        Effect.provide(Engine.execute(dag, {}, { runId: id, durability: "fsynced" }), layer)
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      written.length = 0
      yield* withTime(Effect.provide(Engine.resume(dag, id), layer))
      assert.isTrue(written.some(({ synced }) => synced))
    })
  )
})

describe("a store that refuses for good what a run did", () => {
  /** Refuses every commit with something of `module` in it, and what follows. */
  const refusing = Effect.map(memory, (store): Store => ({
    ...store,
    commit: (batch) =>
      batch.runs.some(({ modules }) => modules.some(({ module }) => module === "second")) ? down : store.commit(batch)
  }))

  it.scoped("fails the run, with a dead letter of what was not written", () =>
    Effect.gen(function* () {
      const store = yield* refusing
      const error = yield* pairRun(store, { durability: "buffered" }).pipe(Effect.flip)
      assert.instanceOf(error, RunError.WriteFailed)
      assert.strictEqual(error.cause, down)
      const letters = yield* store.deadLetters({ key: id, limit: 10 })
      assert.isAbove(letters.length, 0)
      assert.isTrue(letters.every(({ kind, reason }) => kind === "run" && reason === "failed"))
      assert.include(letters.map(({ updates }) => updates).join(""), '"module":"second"')
    })
  )

  it.scoped('does not stop a run with onWriteFailure "record": what was not written is in dead letters', () =>
    Effect.gen(function* () {
      const store = yield* refusing
      assert.deepStrictEqual(yield* pairRun(store, { durability: "buffered", onWriteFailure: "record" }), {
        second: undefined
      })
      const letters = yield* store.deadLetters({ key: id, limit: 10 })
      const updates = letters
        .map(({ updates }) => updates)
        .reverse()
        .join("")
      assert.include(updates, '"module":"second"')
      assert.include(updates, '"status":"completed","epoch":1')
      // the store has a prefix, and a later engine can carry it on
      const stored = Option.getOrThrow(yield* store.get(id))
      assert.strictEqual(stored.run.status, "running")
      assert.strictEqual(stored.run.owner, "")
    })
  )

  it.scoped('stops a run with "record" all the same where a module waits for its commit', () =>
    Effect.gen(function* () {
      const store = yield* refusing
      const first = Module.make("first", { output: Schema.Int, run: () => Effect.succeed(1) })
      const second = Module.make("second", {
        needs: { first },
        output: Schema.Int,
        durability: "committed",
        run: () => Effect.succeed(2)
      })
      const error = yield* Engine.execute(
        Dag.make("d", { outputs: { second } }),
        {},
        { runId: id, durability: "buffered", onWriteFailure: "record" }
      ).pipe(withTime, Effect.flip, silent, Effect.provide(engineOver(store)))
      assert.strictEqual(error._tag, "WriteFailed")
    })
  )

  it.scoped('stops a run with "record" that another driver has taken over', () =>
    Effect.gen(function* () {
      const store = yield* memory
      const reached = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const m = Module.make("m", {
        output: Schema.Void,
        run: () => Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(go))
      })
      yield* Effect.gen(function* () {
        const handle = yield* Engine.start(
          Dag.make("d", { outputs: { m } }),
          {},
          { runId: id, durability: "buffered", onWriteFailure: "record" }
        )
        yield* Deferred.await(reached)
        yield* TestClock.adjust("1 second")
        yield* store.claim({ runId: id, owner: "other", now: 0, expiredBefore: Infinity, reopen: false })
        yield* Deferred.succeed(go, undefined)
        const error = yield* withTime(Effect.flip(handle.await))
        assert.strictEqual(error._tag, "RunLost")
      }).pipe(silent, Effect.provide(engineOver(store)))
    })
  )

  for (const durability of ["committed", "fsynced"] as const) {
    it.scoped(`with "record" is for no run that is ${durability}: refused before anything is stored`, () =>
      Effect.gen(function* () {
        const store = yield* memory
        const exit = yield* Effect.exit(pairRun(store, { durability, onWriteFailure: "record" }))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.isTrue(Option.isNone(yield* store.run(id)))
      })
    )
  }

  const pairRun = (store: Store, options: Engine.RunOptions) =>
    Engine.execute(pair(undefined).dag, {}, { runId: id, ...options }).pipe(
      withTime,
      silent,
      Effect.provide(engineOver(store))
    )
})

describe("a queue that is full and does not wait", () => {
  it.scoped("cuts the run off with WriterFull; it can be resumed", () =>
    Effect.gen(function* () {
      const { gate, store } = yield* gated
      const wide = Dag.make("wide", {
        outputs: Object.fromEntries(
          ["a", "b", "c", "d"].map((name) => [
            name,
            Module.make(name, { output: Schema.Int, run: () => Effect.succeed(1) })
          ])
        )
      })
      const layer = engineOver(store, { writer: { capacity: 2, whenFull: "fail" } })
      const error = yield* Effect.gen(function* () {
        const handle = yield* Engine.start(wide, {}, { runId: id, durability: "buffered" })
        yield* quiet
        yield* gate.open
        return yield* withTime(Effect.flip(handle.await))
      }).pipe(Effect.provide(layer))
      assert.strictEqual(error._tag, "WriterFull")
      const outputs = yield* withTime(Engine.resume(wide, id)).pipe(Effect.provide(engineOver(store)))
      assert.deepStrictEqual(outputs, { a: 1, b: 1, c: 1, d: 1 })
    })
  )
})

describe("the pace of a run", () => {
  const writes = Effect.gen(function* () {
    const store = yield* memory
    let commits = 0
    const counting: Store = {
      ...store,
      commit: (batch) =>
        Effect.zipRight(
          Effect.sync(() => void commits++),
          store.commit(batch)
        )
    }
    return { store: counting, commits: () => commits }
  })

  const slow = Dag.make("slow", {
    outputs: { m: Module.make("m", { output: Schema.Void, run: () => Effect.sleep("1 minute") }) }
  })

  it.scoped("says after how long, or how many of its updates, they are written", () =>
    Effect.gen(function* () {
      const { commits, store } = yield* writes
      const start = (options: Engine.RunOptions) => Engine.start(slow, {}, { durability: "buffered", ...options })
      yield* Effect.gen(function* () {
        yield* start({ interval: "10 seconds" })
        yield* TestClock.adjust("9 seconds")
        assert.strictEqual(commits(), 0)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(commits(), 1)
        // the run is running, and so is its module
        yield* start({ interval: "10 seconds", batchSize: 2 })
        yield* quiet
        assert.strictEqual(commits(), 2)
        yield* start({})
        yield* TestClock.adjust("99 millis")
        assert.strictEqual(commits(), 2)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(commits(), 3)
      }).pipe(Effect.provide(engineOver(store)))
    })
  )

  it.scoped("is stored with its policy, for a resume", () =>
    Effect.gen(function* () {
      const { store } = yield* writes
      yield* Effect.gen(function* () {
        yield* Engine.start(slow, {}, { runId: id, durability: "buffered", interval: "10 seconds", batchSize: 7 })
        yield* quiet
      }).pipe(Effect.provide(engineOver(store)))
      const { policy } = Option.getOrThrow(yield* store.run(id))
      assert.deepInclude(JSON.parse(policy), { interval: 10_000, batchSize: 7 })
    })
  )

  it.effect("that no run can have is a defect", () =>
    Effect.gen(function* () {
      for (const options of [{ batchSize: 0 }, { batchSize: 1.5 }, { interval: -1 }, { interval: NaN }]) {
        const exit = yield* Effect.exit(Engine.execute(slow, {}, options))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause), JSON.stringify(options))
      }
    }).pipe(Effect.provide(Heddle.layerMemory))
  )
})
