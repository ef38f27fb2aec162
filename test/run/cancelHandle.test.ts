/** Cancelling by a handle, and signals of a run in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Effect, Exit, Layer, Schema } from "effect"
import { Dag, Engine, Module } from "heddle"
import { down, engineOver, memory, type Store } from "./FaultyStore.js"
import { alone, engine, id, quiet, reaches, stateOf, statusOf, store, storedRun, withTime } from "./Harness.js"

class Boom extends Schema.TaggedError<Boom>()("Boom", {}) {}

const defectsOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.defects(exit.cause)) : []

describe("Handle.cancel", () => {
  const sig = Module.signal("sig", { value: Schema.Int })
  const hold = Module.make("hold", { needs: { sig }, output: Schema.Void, run: () => Effect.never })
  const dag = Dag.make("d", { outputs: { hold } })

  it.scoped("of a run that was suspended and that another engine drives now fails with RunHeld", () =>
    Effect.gen(function* () {
      const one = yield* Layer.build(engine())
      const two = yield* Layer.build(engine())
      const handle = yield* Effect.provide(Engine.start(dag, {}, { runId: id }), one)
      yield* Effect.exit(handle.await).pipe(withTime)
      yield* Effect.provide(Engine.signal(id, sig, 1), two)
      const other = yield* Effect.provide(Engine.start(dag, {}, { runId: id }), two)
      yield* reaches(other, "hold", "running")
      const error = yield* Effect.flip(handle.cancel)
      assert.strictEqual(error._tag, "RunHeld")
      assert.strictEqual(statusOf(yield* other.snapshot, "hold"), "running")
      yield* other.cancel
      // nobody drives it any more, and it has ended
      yield* handle.cancel
      assert.strictEqual((yield* storedRun()).status, "cancelled")
    }).pipe(Effect.provide(store))
  )

  for (const of of ["the run that was started", "the stored run"] as const) {
    it.scoped(`fails with the store's error when that is down, and cancels later: a handle of ${of}`, () =>
      Effect.gen(function* () {
        const stored = yield* memory
        let isDown = false
        const broken: Store = {
          ...stored,
          claim: (request) => Effect.suspend(() => (isDown ? down : stored.claim(request)))
        }
        const context = yield* Layer.build(engineOver(broken))
        const start = Effect.provide(Engine.start(dag, {}, { runId: id }), context)
        const first = yield* start
        yield* Effect.exit(first.await).pipe(withTime)
        const handle = of === "the stored run" ? yield* start : first
        isDown = true
        assert.deepStrictEqual(yield* Effect.exit(handle.cancel), Exit.fail(down))
        isDown = false
        yield* withTime(handle.cancel)
        assert.strictEqual((yield* Effect.provide(Engine.get(id), context)).status, "cancelled")
      })
    )
  }

  it.effect("is without effect on a run that has failed with an error and a defect", () =>
    Effect.gen(function* () {
      const bad = Module.make("bad", {
        output: Schema.Void,
        error: Boom,
        run: () => Effect.die("a defect"),
        onFailure: () => new Boom()
      })
      const handle = yield* Engine.start(Dag.make("d", { outputs: { bad } }), {}, { runId: id })
      const exit = yield* Effect.exit(handle.await)
      assert.deepStrictEqual(defectsOf(exit), ["a defect"])
      yield* handle.cancel
      assert.strictEqual((yield* storedRun()).status, "failed")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("while the run fails with errors and defects at once waits for its end", () =>
    Effect.gen(function* () {
      const fails = Module.make("fails", { output: Schema.Void, error: Boom, run: () => new Boom() })
      const dies = Module.make("dies", { output: Schema.Void, run: () => Effect.die("a defect") })
      const slow = Module.make("slow", {
        output: Schema.Void,
        run: () => Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second"))
      })
      const dag = Dag.make("d", { outputs: { fails, dies, slow } })
      const handle = yield* Engine.start(dag, {}, { runId: id, onFailure: "continue" })
      yield* reaches(handle, "dies", "failed")
      yield* withTime(handle.cancel)
      assert.strictEqual((yield* storedRun()).status, "cancelled")
    }).pipe(Effect.provide(alone()))
  )
})

describe("a signal of a run in memory", () => {
  const tagOf = <A>(effect: Effect.Effect<A, { readonly _tag: string }, Engine.Engine>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag)

  it.effect("is refused by a module that has ended, as of a stored run", () =>
    Effect.gen(function* () {
      const route = Module.route("route", { branches: ["a", "b"], choose: () => "a" as const })
      const skipped = Module.signal("skipped", { when: route.is("b"), value: Schema.Int })
      const late = Module.signal("late", { value: Schema.Int, timeout: "1 second", onTimeout: () => 0 })
      const taken = Module.signal("taken", { value: Schema.Int })
      const waits = Module.signal("waits", { needs: { late }, value: Schema.Int })
      const hold = Module.make("hold", { output: Schema.Void, run: () => Effect.never })
      const dag = Dag.make("d", { outputs: { skipped, late, taken, waits, hold } })
      const refusals = (durability: "memory" | "committed") =>
        Effect.gen(function* () {
          const handle = yield* Engine.start(dag, {}, { runId: id, durability })
          yield* reaches(handle, "skipped", "skipped")
          yield* Engine.signal(id, taken, 1)
          yield* withTime(Effect.zipRight(Effect.sleep("2 seconds"), reaches(handle, "late", "completed")))
          yield* reaches(handle, "taken", "completed")
          const tags = {
            skipped: yield* tagOf(Engine.signal(id, skipped, 1)),
            late: yield* tagOf(Engine.signal(id, late, 1)),
            taken: yield* tagOf(Engine.signal(id, taken, 2))
          }
          yield* Engine.signal(id, waits, 1)
          yield* reaches(handle, "waits", "completed")
          assert.strictEqual(stateOf(yield* handle.snapshot, "hold").status, "running")
          return tags
        }).pipe(Effect.provide(alone()))
      const inMemory = yield* refusals("memory")
      assert.deepStrictEqual(inMemory, { skipped: "SignalClosed", late: "SignalClosed", taken: "AlreadyDelivered" })
      assert.deepStrictEqual(yield* refusals("committed"), inMemory)
    })
  )

  it.effect("is kept while its module may still run", () =>
    Effect.gen(function* () {
      const first = Module.signal("first", { value: Schema.Int })
      const second = Module.signal("second", { needs: { first }, value: Schema.Int })
      const dag = Dag.make("d", { outputs: { second } })
      const handle = yield* Engine.start(dag, {}, { runId: id, durability: "memory" })
      yield* quiet
      yield* Engine.signal(id, second, 2)
      assert.strictEqual(yield* tagOf(Engine.signal(id, second, 3)), "AlreadyDelivered")
      yield* Engine.signal(id, first, 1)
      assert.deepStrictEqual(yield* handle.await, { second: 2 })
    }).pipe(Effect.provide(alone()))
  )
})
