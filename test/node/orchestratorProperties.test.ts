/** Executions of random Dags, in every way in which they may end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, Layer, Option, Schema } from "effect"
import { Dag, Engine, Module, Run, RunId } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import { numRuns } from "../numRuns.js"
import { alone, engine, store } from "../run/Harness.js"
import * as RandomDag from "../run/RandomDag.js"
import * as VirtualClock from "../run/VirtualClock.js"

const id = RunId.make("run")

const seed = 11

const property = { fastCheck: { numRuns } }

const ended = ["completed", "failed", "skipped", "cancelled"] as const

const lists = [...ended, "pending", "running", "suspended"] as const

/** Every step is in exactly one list; of an execution that has ended, in one of the four. */
const assertListed = (progress: OrchestratorNode.Progress, steps: ReadonlyArray<string>) => {
  const listed = lists.flatMap((list) => progress[list])
  assert.deepStrictEqual([...listed].sort(), [...steps].sort(), "each step is in exactly one list")
  if (progress.status === "running" || progress.status === "suspended") return
  for (const list of ["pending", "running", "suspended"] as const) {
    assert.deepStrictEqual(progress[list], [], `an execution that has ${progress.status} leaves nothing ${list}`)
  }
}

const assertGiven = (
  { values }: OrchestratorNode.StepValues,
  { completed }: OrchestratorNode.Progress,
  vertices: ReadonlyArray<RandomDag.Vertex>
) => {
  const expected = RandomDag.expected(vertices, seed).values
  assert.deepStrictEqual(
    values,
    Object.fromEntries(
      completed.map((name) => [name, name.startsWith("m") ? expected[Number(name.slice(1))] : undefined])
    ),
    "what completed steps gave"
  )
  assert.isTrue(Object.isFrozen(values))
}

/** The random Dag, and a step that stops the run after so many milliseconds. */
const withStop = (vertices: ReadonlyArray<RandomDag.Vertex>, after: number | undefined) => {
  const { outputs } = RandomDag.dag(vertices, RandomDag.emptyLog())
  const stopper = Module.make("stopper", {
    output: Schema.Void,
    run: () => (after === undefined ? Effect.void : Effect.zipRight(Effect.sleep(after), Run.stop))
  })
  // of the modules of a random Dag only their common type is lost
  return Dag.make("random", { outputs: { ...outputs, stopper } }) as unknown as Dag.Dag<
    unknown,
    { readonly seed: number }
  >
}

const stepsOf = (vertices: ReadonlyArray<RandomDag.Vertex>) => [
  ...vertices.map((_, index) => RandomDag.nameOf(index)),
  "stopper"
]

const mode = fc.record({
  onFailure: fc.constantFrom("failFast" as const, "continue" as const),
  concurrency: fc.constantFrom(1, 3, "unbounded" as const),
  ends: fc.constantFrom("byItself", "cancelled", "timedOut", "stopped"),
  at: fc.nat(30)
})

describe("each step ends in exactly one list", () => {
  it.effect.prop(
    "failing fast or not, cancelled, timed out and stopped, and what completed gave is in the context",
    [RandomDag.failing, mode],
    ([vertices, { at, concurrency, ends, onFailure }]) =>
      VirtualClock.test((time) => {
        const dag = withStop(vertices, ends === "stopped" ? at : undefined)
        const Random = OrchestratorNode.Service<"Random">()("test/Random", { dag })
        const steps = stepsOf(vertices)
        const timeout = ends === "timedOut" ? { timeout: at + 1 } : {}
        return Effect.gen(function* () {
          const node = yield* Random
          const { await: end } = yield* node.start({ seed }, { runId: id, concurrency, onFailure, ...timeout })
          assertListed(yield* node.progress(id), steps)
          yield* time.advance(at)
          assertListed(yield* node.progress(id), steps)
          if (ends === "cancelled") yield* time.until(node.cancel(id))
          const exit = yield* time.until(Effect.exit(end))
          const progress = yield* node.progress(id)
          assertListed(progress, steps)
          assert.notInclude(["running", "suspended"], progress.status)
          assert.strictEqual(exit._tag === "Success", progress.status === "completed")
          assertGiven(yield* node.context(id), progress, vertices)
          assert.deepStrictEqual(yield* node.active, [])
        }).pipe(Effect.provide(Layer.provideMerge(Random.layer(), alone())))
      }),
    property
  )
})

describe("an execution that is cut off", () => {
  it.effect.prop(
    "keeps what it gave for the next process, which goes on with the rest",
    [RandomDag.healthy, fc.nat(30), fc.boolean()],
    ([vertices, at, byItsLayer]) =>
      VirtualClock.test((time) => {
        const log = RandomDag.emptyLog()
        const dag = RandomDag.dag(vertices, log)
        const Random = OrchestratorNode.Service<"Random">()("test/Random", { dag })
        const steps = vertices.map((_, index) => RandomDag.nameOf(index))
        const look = Effect.gen(function* () {
          const node = yield* Random
          const progress = yield* node.progress(id)
          assertListed(progress, steps)
          assertGiven(yield* node.context(id), progress, vertices)
          return progress
        })
        const process = Effect.provide(Layer.provideMerge(Random.layer(), engine()))
        return Effect.gen(function* () {
          yield* Effect.gen(function* () {
            const caller = yield* Effect.fork(Effect.flatMap(Random, (node) => node.process({ seed }, { runId: id })))
            yield* time.advance(at)
            if (!byItsLayer) yield* Fiber.interrupt(caller)
          }).pipe(process)
          yield* Effect.gen(function* () {
            const before = yield* look
            log.started.length = 0
            const node = yield* Random
            const outputs = yield* time.until(node.process({ seed }, { runId: id }))
            const { values } = RandomDag.expected(vertices, seed)
            assert.deepStrictEqual(
              outputs,
              Object.fromEntries(values.map((value, index) => [RandomDag.nameOf(index), value]))
            )
            const effects = (names: ReadonlyArray<string>) =>
              names.filter((name) => vertices[Number(name.slice(1))]!.kind !== "pure")
            const again = effects(log.started).filter((name) => before.completed.includes(name))
            assert.deepStrictEqual(again, [], "what had completed did not run again")
            assert.lengthOf((yield* look).completed, steps.length)
          }).pipe(process)
        }).pipe(Effect.provide(store))
      }),
    property
  )
})

describe("what stands in the way of a child", () => {
  it.effect.prop(
    "its parent is cut off again and again, and one child is begun, whose steps complete once",
    [fc.array(fc.nat(20), { maxLength: 3 })],
    ([cuts]) =>
      VirtualClock.test((time) => {
        const ran: Array<string> = []
        const step = (name: string, millis: number) =>
          Module.make(name, {
            output: Schema.String,
            run: () =>
              Effect.as(
                Effect.zipRight(
                  Effect.sleep(millis),
                  Effect.sync(() => ran.push(name))
                ),
                name
              )
          })
        const Child = OrchestratorNode.Service<"Child">()("test/Child", {
          dag: Dag.make("child", { outputs: { a: step("a", 5), b: step("b", 9), c: step("c", 13) } })
        })
        const called = Module.node("called", { node: Child, input: () => ({}) })
        const after = Module.make("after", {
          needs: { called },
          output: Schema.String,
          run: ({ called }) => Effect.succeed(called.a + called.b + called.c)
        })
        const dag = Dag.make("parent", { outputs: { after } })
        const process = Effect.provide(Layer.provideMerge(Child.layer({ concurrency: 1 }), engine()))
        return Effect.gen(function* () {
          for (const cut of cuts) {
            yield* Effect.gen(function* () {
              const caller = yield* Effect.fork(Engine.execute(dag, {}, { runId: id }))
              yield* time.advance(cut)
              yield* Fiber.interrupt(caller)
            }).pipe(process)
          }
          const outputs = yield* process(time.until(Engine.execute(dag, {}, { runId: id })))
          assert.deepStrictEqual(outputs, { after: "abc" })
          const childId = OrchestratorNode.childId(Child, { runId: id, path: "called" })
          const { listed, progress } = yield* process(
            Effect.all({
              listed: Engine.list({ dag: "child" }),
              progress: Effect.flatMap(Child, (node) => node.progress(childId))
            })
          )
          assert.deepStrictEqual(
            listed.map(({ runId }) => runId),
            [childId]
          )
          assert.deepStrictEqual(progress.completed, ["a", "b", "c"])
          assert.isTrue(Option.isSome(listed[0]!.finishedAt))
          assert.deepStrictEqual([...new Set(ran)].sort(), ["a", "b", "c"])
        }).pipe(Effect.provide(store))
      }),
    property
  )
})
