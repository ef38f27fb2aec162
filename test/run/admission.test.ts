/** Which runs an engine begins where there is somebody to ask, and that none of those that are there is stopped. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FastCheck as fc, HashMap, Layer, Option, Ref, Schema, Stream } from "effect"
import { Dag, Engine, Module, RunId, Timeline } from "heddle"
import * as FlowAdmission from "heddle/run/FlowAdmission"
import { FlowRefused } from "heddle/model/FlowError"
import type { FlowStatus } from "heddle/model/Flow"
import * as Plan from "heddle/plan/Plan"
import { numRuns } from "../numRuns.js"
import { engine, eventually, id, store } from "./Harness.js"

const n = Module.input("n", Schema.Number)
const ask = Module.signal("ask", { value: Schema.Number })
const make = (factor: number, version?: number) =>
  Dag.make("asking", {
    outputs: {
      sum: Module.make("sum", {
        needs: { n, ask },
        output: Schema.Number,
        version: String(factor),
        run: ({ ask, n }) => Effect.succeed((n + ask) * factor)
      })
    },
    ...(version === undefined ? undefined : { version })
  })
const [one, two] = [make(1), make(2, 7)]

const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
const Doubling = Dag.make("doubling", { outputs: { double } })

interface Entry {
  readonly version: string
  readonly status: FlowStatus
}

/** Flows by fingerprint, and how often was asked. */
class Flows extends Effect.Service<Flows>()("Flows", {
  effect: Effect.gen(function* () {
    const entries = yield* Ref.make(HashMap.empty<string, Entry>())
    const asked = yield* Ref.make(0)
    const set = (dag: Dag.Any, entry: Entry) =>
      Effect.flatMap(Effect.orDie(Plan.make(dag)), ({ fingerprint }) =>
        Ref.update(entries, HashMap.set(fingerprint, entry))
      )
    return { entries, asked, set }
  })
}) {}

const admission = Layer.effect(
  FlowAdmission.FlowAdmission,
  Effect.map(Flows, ({ asked, entries }) => ({
    admit: ({ dag, fingerprint }) =>
      Effect.gen(function* () {
        yield* Ref.update(asked, (times) => times + 1)
        const entry = Option.getOrUndefined(HashMap.get(yield* Ref.get(entries), fingerprint))
        if (entry?.status === "active") return entry.version
        return yield* new FlowRefused({ dag, fingerprint, flows: entry === undefined ? [] : [entry] })
      }),
    versionOf: (fingerprint) =>
      Effect.map(Ref.get(entries), (all) => Option.getOrUndefined(HashMap.get(all, fingerprint))?.version)
  }))
)

const flows = Flows.Default

/** A process with an engine that asks. */
const asking = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  engine<D>(options).pipe(Layer.provide(admission))

const alone = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  asking<D>(options).pipe(Layer.provideMerge(Layer.merge(store, flows)))

const count = Effect.flatMap(Timeline.Timeline, (timeline) =>
  Effect.map(timeline.list({ limit: 1000 }), ({ length }) => length)
)

const refusedBy = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.instanceOf(error, FlowRefused)
    return error
  })

describe("an engine that asks", () => {
  it.effect("refuses every way to begin a run of a Dag that is not active, and stores nothing", () =>
    Effect.gen(function* () {
      const { set } = yield* Flows
      yield* set(Doubling, { version: "1.0.0", status: "active" })
      yield* Engine.execute(Doubling, { n: 1 }, { runId: id })
      yield* set(Doubling, { version: "1.0.0", status: "needsReview" })
      const input = { n: 1 }
      const runId = RunId.make("other")
      const ways: ReadonlyArray<Effect.Effect<unknown, unknown, Engine.Engine>> = [
        Engine.start(Doubling, input),
        Engine.start(Doubling, input, { runId }),
        Engine.start(Doubling, input, { runId, durability: "memory" }),
        // the id is that of a run that is stored: one that is not stored is another
        Engine.start(Doubling, input, { runId: id, durability: "memory" }),
        Engine.execute(Doubling, input, { runId, force: false }),
        Stream.runDrain(Engine.stream(Doubling, input, { runId })),
        Engine.submit(Doubling, input),
        Engine.submit(Doubling, input, { runId }),
        Engine.rerun(Doubling, id, { from: [double], runId }),
        Engine.fork(Doubling, id, { at: 0, runId })
      ]
      for (const way of ways) {
        const { dag, flows } = yield* refusedBy(way)
        assert.deepStrictEqual([dag, flows], ["doubling", [{ version: "1.0.0", status: "needsReview" }]])
        assert.strictEqual(yield* count, 1)
      }
      assert.deepStrictEqual((yield* refusedBy(Engine.start(one, input))).flows, [])
    }).pipe(Effect.provide(alone()))
  )

  it.effect("begins it with force, as the version that it is registered as, else its own", () =>
    Effect.gen(function* () {
      const { asked, set } = yield* Flows
      yield* set(one, { version: "1.2.3", status: "disabled" })
      const begun = [RunId.make("a"), RunId.make("b"), RunId.make("c"), RunId.make("d")] as const
      yield* Effect.exit(Engine.execute(one, { n: 1 }, { runId: begun[0], force: true }))
      yield* Engine.submit(one, { n: 1 }, { runId: begun[1], force: true })
      yield* Engine.submit(two, { n: 1 }, { runId: begun[2], force: true })
      yield* Engine.submit(Doubling, { n: 1 }, { runId: begun[3], force: true })
      const versions = yield* Effect.forEach(begun, (runId) => Effect.map(Engine.get(runId), ({ version }) => version))
      assert.deepStrictEqual(versions, ["1.2.3", "1.2.3", "7", undefined])
      assert.strictEqual(yield* Ref.get(asked), 0)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("never refuses a call for a run that is there, in this process or only in the store", () =>
    Effect.gen(function* () {
      const { set } = yield* Flows
      yield* set(Doubling, { version: "1.0.0", status: "active" })
      yield* set(one, { version: "1.0.0", status: "active" })
      const [ended, live, unstored] = [RunId.make("ended"), RunId.make("live"), RunId.make("unstored")]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(asking())
          yield* Effect.gen(function* () {
            yield* Engine.execute(Doubling, { n: 1 }, { runId: ended })
            yield* Effect.exit(Engine.execute(one, { n: 1 }, { runId: id }))
            const handle = yield* Engine.start(one, { n: 1 }, { runId: unstored, durability: "memory" })
            yield* Engine.submit(one, { n: 1 }, { runId: live })
            for (const dag of [one, Doubling]) yield* set(dag, { version: "1.0.0", status: "disabled" })
            assert.strictEqual(
              (yield* Engine.start(one, { n: 1 }, { runId: unstored, durability: "memory" })).id,
              unstored
            )
            yield* handle.interrupt
          }).pipe(Effect.provide(context))
        })
      )
      assert.deepStrictEqual(yield* Engine.execute(Doubling, { n: 1 }, { runId: ended }), { double: 2 })
      assert.strictEqual(yield* Engine.submit(Doubling, { n: 1 }, { runId: ended }), ended)
      assert.strictEqual(yield* Engine.submit(one, { n: 1 }, { runId: live }), live)
      const suspended = yield* Effect.flip(Engine.execute(one, { n: 1 }, { runId: id }))
      assert.strictEqual(suspended._tag, "RunSuspended")
      assert.strictEqual((yield* Effect.flip(Engine.execute(one, { n: 2 }, { runId: id })))._tag, "RunConflict")
      assert.strictEqual((yield* Effect.flip(Engine.submit(two, { n: 1 }, { runId: id })))._tag, "RunConflict")
      const taken = { from: [double] as const, runId: id }
      assert.strictEqual((yield* Effect.flip(Engine.rerun(Doubling, ended, taken)))._tag, "RunConflict")
      // one that was submitted and has had no driver
      assert.strictEqual((yield* Effect.flip(Engine.execute(one, { n: 1 }, { runId: live })))._tag, "RunSuspended")
      yield* Engine.signal(id, ask, 4)
      assert.deepStrictEqual(yield* Engine.resume(one, id), { sum: 5 })
      yield* Engine.cancel(one, live)
      assert.strictEqual((yield* Engine.get(live)).status, "cancelled")
    }).pipe(Effect.provide(alone()))
  )

  it.effect("leaves a suspended run on the version that it was begun as, also when a newer one is there", () =>
    Effect.gen(function* () {
      const { set } = yield* Flows
      yield* set(one, { version: "1.0.0", status: "active" })
      const waits = yield* Effect.flip(Engine.execute(one, { n: 1 }, { runId: id }))
      assert.strictEqual(waits._tag, "RunSuspended")
      yield* set(two, { version: "2.0.0", status: "active" })
      yield* set(one, { version: "1.0.1", status: "disabled" })
      yield* Engine.signal(id, ask, 2)
      yield* eventually(Effect.map(Engine.get(id), ({ status }) => status === "completed"))
      assert.strictEqual((yield* Engine.get(id)).version, "1.0.0")
      assert.deepStrictEqual(yield* Engine.execute(one, { n: 1 }, { runId: id }), { sum: 3 })
    }).pipe(Effect.provide(alone({ dags: [one, two] })))
  )
})

const dags = [one, two] as const
const event = fc.oneof(
  fc.record({
    _tag: fc.constant("set" as const),
    dag: fc.nat(1),
    status: fc.constantFrom("active", "needsReview", "disabled"),
    version: fc.constantFrom("1.0.0", "2.0.0")
  }),
  fc.record({
    _tag: fc.constantFrom("start" as const, "submit" as const),
    dag: fc.nat(1),
    run: fc.nat(2),
    force: fc.boolean()
  }),
  fc.record({ _tag: fc.constantFrom("signal" as const, "resume" as const, "cancel" as const), run: fc.nat(2) })
)

it.effect.prop(
  "in whatever order: what begins was active or forced, records the version of that moment, and goes on whatever becomes of it",
  { events: fc.array(event, { maxLength: 16 }) },
  ({ events }) =>
    Effect.gen(function* () {
      const { set } = yield* Flows
      const flows = new Map<number, Entry>()
      const runs = new Map<number, { readonly dag: number; readonly version: string | undefined }>()
      const idOf = (run: number) => RunId.make(`run-${run}`)
      for (const event of events) {
        if (event._tag === "set") {
          const entry: Entry = { version: event.version, status: event.status as FlowStatus }
          flows.set(event.dag, entry)
          yield* set(dags[event.dag]!, entry)
          continue
        }
        const runId = idOf(event.run)
        const there = runs.get(event.run)
        if (event._tag === "start" || event._tag === "submit") {
          const { dag, force } = event
          const call: Effect.Effect<unknown, { readonly _tag: string }, Engine.Engine> =
            event._tag === "start"
              ? Engine.execute(dags[dag]!, { n: 1 }, { runId, force })
              : Engine.submit(dags[dag]!, { n: 1 }, { runId, force })
          const exit = yield* Effect.exit(call)
          const tag = Exit.match(exit, {
            onSuccess: () => "",
            onFailure: (cause) => (cause._tag === "Fail" ? cause.error._tag : cause._tag)
          })
          const flow = flows.get(dag)
          if (there !== undefined) {
            assert.strictEqual(tag === "RunConflict", there.dag !== dag)
            assert.notStrictEqual(tag, "FlowRefused")
          } else if (force || flow?.status === "active") {
            assert.include(["", "RunSuspended"], tag)
            runs.set(event.run, { dag, version: flow?.version ?? (dag === 1 ? "7" : undefined) })
          } else assert.strictEqual(tag, "FlowRefused")
        } else if (there !== undefined) {
          const dag = dags[there.dag]!
          const call: Effect.Effect<unknown, { readonly _tag: string }, Engine.Engine> =
            event._tag === "signal"
              ? Engine.signal(runId, ask, 1)
              : event._tag === "resume"
                ? Engine.resume(dag, runId)
                : Engine.cancel(dag, runId)
          const tag = yield* Effect.match(call, { onSuccess: () => "", onFailure: ({ _tag }) => _tag })
          assert.include(["", "RunSuspended", "RunFinished", "RunCancelled", "AlreadyDelivered", "SignalClosed"], tag)
        }
        assert.strictEqual(yield* count, runs.size)
        for (const [run, { version }] of runs) {
          assert.strictEqual((yield* Engine.get(idOf(run))).version, version)
        }
      }
    }).pipe(Effect.provide(Layer.fresh(alone()))),
  { fastCheck: { numRuns } }
)
