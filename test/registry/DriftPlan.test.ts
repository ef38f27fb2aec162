import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Ref, Schema } from "effect"
import { Dag, Drift, Engine, FlowRegistry, Heddle, Module, RunId, RunSnapshot } from "heddle"
import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"

const runId = RunId.make("order-1")
const approval = Module.signal("approval", { value: Schema.Literal("yes") })

/** `quote` has run when the run waits for its approval; `version` is that of `send`, which has not. */
const orderOf = (ran: Ref.Ref<ReadonlyArray<string>>, version: string, { quote = 1, send = 1 } = {}) => {
  const note = (name: string) => Ref.update(ran, (all) => [...all, name])
  const quoted = Module.make("quote", {
    version: quote,
    output: Schema.Int,
    run: () => Effect.as(note(`quote ${quote}`), 100 * quote)
  })
  const sent = Module.make("send", {
    version: send,
    needs: { quoted, approval },
    output: Schema.Int,
    run: ({ quoted }) => Effect.as(note(`send ${send}`), quoted + send)
  })
  return Dag.make("order", { version, outputs: { sent } })
}

const actions = (plan: Drift.MigrationPlan) => Object.fromEntries(plan.steps.map(({ action, path }) => [path, action]))

const Live = Heddle.layerMemory.pipe(Layer.provideMerge(FlowRegistry.layer()), Layer.provide(FlowStoreMemory.layer()))

/** A run that waits, of a flow that is registered or not. */
const suspended = (isRegistered: boolean) =>
  Effect.gen(function* () {
    const ran = yield* Ref.make<ReadonlyArray<string>>([])
    const before = orderOf(ran, "1.0.0")
    if (isRegistered) yield* FlowRegistry.register(before)
    const started = Effect.flip(Engine.execute(before, {}, { runId, force: true }))
    assert.strictEqual((yield* started)._tag, "RunSuspended")
    return { ran, before }
  })

describe("what a deploy would do to a run", () => {
  it.effect("is told from the flow that the registry has, and is then done", () =>
    Effect.gen(function* () {
      const { ran } = yield* suspended(true)
      const now = orderOf(ran, "2.0.0", { send: 2 })
      yield* FlowRegistry.register(now)
      const before = yield* Engine.get(runId)
      const plan = yield* Drift.plan(now, runId)
      assert.deepStrictEqual(actions(plan), { quote: "reuse", approval: "reuse", send: "run" })
      assert.deepStrictEqual(yield* Engine.get(runId), before, "a plan changes nothing")

      // also when a newer version is registered the run stays what it is, until it is moved
      assert.strictEqual(before.version, "1.0.0")
      yield* Engine.migrate(now, runId, plan)
      const moved = yield* Engine.get(runId)
      assert.deepStrictEqual([moved.version, moved.status], ["2.0.0", "suspended"])
      assert.strictEqual(RunSnapshot.module(moved, "quote").status, "completed")
      yield* Engine.signal(runId, approval, "yes")
      assert.deepStrictEqual(yield* Engine.resume(now, runId), { sent: 102 })
      assert.deepStrictEqual(yield* Ref.get(ran), ["quote 1", "send 2"])
    }).pipe(Effect.provide(Live))
  )

  it.effect("is a conflict where what has completed is another module now, until somebody decides", () =>
    Effect.gen(function* () {
      const { ran } = yield* suspended(true)
      const now = orderOf(ran, "2.0.0", { quote: 2 })
      const plan = yield* Drift.plan(now, runId)
      assert.strictEqual(actions(plan)["quote"], "conflict")
      const before = yield* Engine.get(runId)
      const refused = yield* Effect.flip(Engine.migrate(now, runId, plan))
      assert.deepInclude(refused, { _tag: "MigrationRefused", reason: "conflicts", paths: ["quote"] })
      assert.deepStrictEqual(yield* Engine.get(runId), before)

      const decided = Either.getOrThrow(Drift.resolve(plan, { quote: "runAgain" }))
      yield* Engine.migrate(now, runId, decided)
      yield* Engine.signal(runId, approval, "yes")
      assert.deepStrictEqual(yield* Engine.resume(now, runId), { sent: 201 })
      assert.deepStrictEqual(yield* Ref.get(ran), ["quote 1", "quote 2", "send 1"])
    }).pipe(Effect.provide(Live))
  )

  it.effect("needs the flow of the run, or its Dag", () =>
    Effect.gen(function* () {
      const { before, ran } = yield* suspended(false)
      const now = orderOf(ran, "2.0.0", { send: 2 })
      const unknown = yield* Effect.flip(Drift.plan(now, runId))
      assert.deepInclude(unknown, { _tag: "UnknownFlow", name: "order", version: "1.0.0" })
      assert.strictEqual(actions(yield* Drift.plan(now, runId, { from: before }))["quote"], "reuse")
      const nobody = yield* Effect.flip(Drift.plan(now, RunId.make("nobody")))
      assert.strictEqual(nobody._tag, "UnknownRun")
    }).pipe(Effect.provide(Live))
  )

  it.effect("is old when the run has gone on", () =>
    Effect.gen(function* () {
      const { before, ran } = yield* suspended(true)
      const now = orderOf(ran, "2.0.0", { send: 2 })
      const plan = yield* Drift.plan(now, runId)
      yield* Engine.signal(runId, approval, "yes")
      yield* Engine.resume(before, runId)
      assert.strictEqual((yield* Effect.flip(Engine.migrate(now, runId, plan)))._tag, "RunFinished")
    }).pipe(Effect.provide(Live))
  )
})
