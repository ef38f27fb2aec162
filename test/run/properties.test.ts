import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, HashMap, Layer, Stream } from "effect"
import { Engine, Heddle, ModuleStatus, RunId, RunSnapshot, Timeline } from "heddle"
import type { Transition } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { numRuns } from "../numRuns.js"
import * as RandomDag from "./RandomDag.js"
import { withTime } from "./Harness.js"

const runId = RunId.make("property")
const fastCheck = { numRuns }

/** Engine and reader over one store in memory. */
const layer = Layer.merge(Heddle.layer(), Timeline.layer).pipe(Layer.provide(RunStoreMemory.layer()))

const options = fc.record({
  concurrency: fc.integer({ min: 1, max: 16 }),
  onFailure: fc.constantFrom("failFast" as const, "continue" as const),
  durability: fc.constantFrom("memory" as const, "buffered" as const, "committed" as const)
})

/** Runs a random Dag once, watching it from its first transition to its last. */
const observe = (vertices: ReadonlyArray<RandomDag.Vertex>, seed: number, options: Engine.RunOptions) =>
  Effect.gen(function* () {
    const log = RandomDag.emptyLog()
    const handle = yield* Engine.start(RandomDag.dag(vertices, log), { seed }, { ...options, runId })
    const watching = yield* Effect.fork(
      Stream.runFold(handle.changes, undefined as RunSnapshot.RunSnapshot | undefined, (seen, change) =>
        change._tag === "RunSnapshot" ? change : RunSnapshot.evolve(seen!, change)
      )
    )
    const exit = yield* withTime(Effect.exit(handle.await))
    const live = yield* handle.snapshot
    const seen = yield* Fiber.join(watching)
    const history = yield* (yield* Timeline.Timeline).history(runId, { limit: 100_000 })
    return { exit, history, live, log, seen }
  }).pipe(Effect.provide(layer))

const modulesOf = (snapshot: RunSnapshot.RunSnapshot) =>
  Object.fromEntries(Array.from(HashMap.entries(snapshot.modules)).sort(([a], [b]) => (a < b ? -1 : 1)))

const plain = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: modulesOf(snapshot),
  shared: Object.fromEntries(snapshot.shared)
})

const statusesOf = (snapshot: RunSnapshot.RunSnapshot, size: number) =>
  Array.from({ length: size }, (_, index) => RunSnapshot.module(snapshot, RandomDag.nameOf(index)).status)

/** What holds for every run, however it ends. */
const invariants = (
  vertices: ReadonlyArray<RandomDag.Vertex>,
  { history, live, log, seen }: Effect.Effect.Success<ReturnType<typeof observe>>,
  { concurrency, durability, onFailure }: { concurrency: number; durability: string; onFailure: string }
) => {
  assert.isAtMost(log.peak, concurrency, "the concurrency limit")
  assert.strictEqual(new Set(log.started).size, log.started.length, "no module runs twice")
  assert.deepStrictEqual(plain(seen!), plain(live), "the fold of the changes is the live state")
  assert.strictEqual(RunSnapshot.counts(live).pending, 0)
  for (const status of statusesOf(live, vertices.length)) assert.isTrue(ModuleStatus.isFinal(status), status)

  const { statuses } = RandomDag.expected(vertices, 0)
  statusesOf(live, vertices.length).forEach((status, index) => {
    const inOrder = RandomDag.needsOf(vertices, index).every(
      (need) => RunSnapshot.module(live, RandomDag.nameOf(need)).status === "completed"
    )
    if (status === "completed" || status === "failed") {
      assert.isTrue(inOrder, "what ran had all its needs")
      assert.strictEqual(status, statuses[index])
    }
    if (onFailure === "continue") assert.strictEqual(status, statuses[index])
  })
  const anyFailed = statuses.includes("failed")
  assert.strictEqual(live.status, anyFailed ? "failed" : "completed")

  if (durability === "memory") return assert.deepStrictEqual(history, [], "nothing is stored")
  assert.deepStrictEqual(
    history.map(({ seq }) => seq),
    history.map((_, i) => i + 1),
    "transitions are numbered without gaps"
  )
  const empty = RunSnapshot.make({ ...live, startedAt: live.startedAt })
  assert.deepStrictEqual(plain(history.reduce(RunSnapshot.evolve, empty)), plain(live), "the fold of the history")
  const finals = new Map<string, Transition.ModuleTransition>()
  for (const transition of history) {
    if (transition._tag !== "ModuleTransition") continue
    const index = Number(transition.module.slice(1))
    if (transition.status === "running" || transition.status === "completed") {
      for (const need of transition.module === "seed" ? [] : RandomDag.needsOf(vertices, index)) {
        assert.strictEqual(finals.get(RandomDag.nameOf(need))?.status, "completed", "needs end before dependants start")
      }
    }
    if (!ModuleStatus.isFinal(transition.status)) continue
    assert.isFalse(finals.has(transition.module), "one final status")
    finals.set(transition.module, transition)
  }
  assert.strictEqual(finals.size, vertices.length + 1)
}

describe("random Dags", () => {
  it.effect.prop(
    "every module ends in exactly one final status, after all its needs",
    [RandomDag.failing, fc.integer(), options],
    ([vertices, seed, chosen]) =>
      Effect.gen(function* () {
        const observed = yield* observe(vertices, seed, chosen)
        invariants(vertices, observed, chosen)
        const { statuses, values } = RandomDag.expected(vertices, seed)
        if (statuses.every((status) => status === "completed")) {
          assert.deepStrictEqual(
            observed.exit,
            yield* Effect.exit(
              Effect.succeed(Object.fromEntries(values.map((value, index) => [RandomDag.nameOf(index), value])))
            )
          )
        } else assert.strictEqual(observed.exit._tag, "Failure")
      }),
    { fastCheck }
  )

  it.effect.prop(
    "outputs and statuses do not depend on the concurrency limit",
    [fc.oneof(RandomDag.healthy, RandomDag.failing), fc.integer(), fc.integer({ min: 2, max: 16 })],
    ([vertices, seed, concurrency]) =>
      Effect.gen(function* () {
        const one = yield* observe(vertices, seed, { concurrency: 1, onFailure: "continue" })
        const many = yield* observe(vertices, seed, { concurrency, onFailure: "continue" })
        assert.deepStrictEqual(statusesOf(many.live, vertices.length), statusesOf(one.live, vertices.length))
        assert.strictEqual(many.exit._tag, one.exit._tag)
        if (one.exit._tag === "Success") assert.deepStrictEqual(many.exit, one.exit)
      }),
    { fastCheck }
  )
})

describe("random Dags that are cut off", () => {
  it.effect.prop(
    "a resume runs what is unfinished, and nothing that was acknowledged",
    [RandomDag.failing, fc.integer(), options, fc.array(fc.nat(80), { minLength: 1, maxLength: 4 })],
    ([vertices, seed, chosen, cuts]) => {
      const durable = {
        ...chosen,
        durability: chosen.durability === "memory" ? "committed" : chosen.durability
      } as const
      const engine = Layer.fresh(Heddle.layer())
      return Effect.gen(function* () {
        const timeline = yield* Timeline.Timeline
        const acknowledged = new Set<string>()
        const notice = Effect.gen(function* () {
          const run = yield* timeline.get(runId)
          if (run._tag === "None") return
          for (const [name, { status }] of HashMap.entries(run.value.snapshot.modules)) {
            const vertex = vertices[Number(name.slice(1))]
            if (status === "completed" && vertex !== undefined && vertex.kind !== "pure") acknowledged.add(name)
          }
        })
        // cut off a few times, each time by an engine of its own, after some transitions
        for (const cut of cuts) {
          const log = RandomDag.emptyLog()
          yield* Effect.gen(function* () {
            const handle = yield* Engine.start(RandomDag.dag(vertices, log), { seed }, { ...durable, runId })
            yield* handle.changes.pipe(
              Stream.filter((change) => change._tag !== "RunSnapshot"),
              Stream.take(cut + 1),
              Stream.runDrain,
              withTime
            )
          }).pipe(Effect.provide(engine))
          for (const name of log.started)
            assert.isFalse(acknowledged.has(name), `${name} was acknowledged and ran again`)
          yield* notice
        }
        const log = RandomDag.emptyLog()
        const { exit, snapshot } = yield* Effect.gen(function* () {
          const handle = yield* Engine.start(RandomDag.dag(vertices, log), { seed }, { ...durable, runId })
          return { exit: yield* withTime(Effect.exit(handle.await)), snapshot: yield* handle.snapshot }
        }).pipe(Effect.provide(engine))
        for (const name of log.started) assert.isFalse(acknowledged.has(name), `${name} was acknowledged and ran again`)

        const { statuses, values } = RandomDag.expected(vertices, seed)
        if (durable.onFailure === "continue" || !statuses.includes("failed")) {
          assert.deepStrictEqual(statusesOf(snapshot, vertices.length), statuses)
        }
        for (const status of statusesOf(snapshot, vertices.length)) assert.isTrue(ModuleStatus.isFinal(status), status)
        if (!statuses.includes("failed")) {
          assert.deepStrictEqual(
            exit,
            yield* Effect.exit(
              Effect.succeed(Object.fromEntries(values.map((value, index) => [RandomDag.nameOf(index), value])))
            )
          )
        } else assert.strictEqual(exit._tag, "Failure")
        const history = yield* timeline.history(runId, { limit: 100_000 })
        assert.deepStrictEqual(
          history.map(({ seq }) => seq),
          history.map((_, i) => i + 1)
        )
        const empty = RunSnapshot.make({ ...snapshot, startedAt: snapshot.startedAt })
        assert.deepStrictEqual(plain(history.reduce(RunSnapshot.evolve, empty)), plain(snapshot))
        const stored = yield* timeline.get(runId)
        assert.deepStrictEqual(
          plain((stored as { value: { snapshot: RunSnapshot.RunSnapshot } }).value.snapshot),
          plain(snapshot)
        )
      }).pipe(Effect.provide(Timeline.layer), Effect.provide(RunStoreMemory.layer()))
    },
    { fastCheck }
  )
})
