/** Orchestrators, in one interleaving of their fibers after the other. */
import { assert, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Random, Schema } from "effect"
import { Dag, Engine, Heddle, Module, Run, RunId, Timeline } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as SeededScheduler from "heddle/testing/SeededScheduler"
import { numRuns } from "../numRuns.js"
import { inTime } from "./Drive.js"

const oneOf = <const A extends ReadonlyArray<unknown>>(...choices: A): Effect.Effect<A[number]> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (i) => choices[i])

const pause = Effect.flatMap(Random.nextIntBetween(0, 6), (n) => Effect.repeatN(Effect.yieldNow(), n))

const engine = (durability: Engine.Durability) =>
  Layer.fresh(
    Heddle.layer({
      engine: { poll: Duration.infinity, durability },
      lease: { heartbeat: Duration.infinity, expiry: Duration.infinity },
      writer: { batchSize: 1 }
    })
  )

/** What runs, as the steps themselves say. */
const makeWitness = (limit: number) => {
  const running = new Set<string>()
  const during = (id: string, work: Effect.Effect<void>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        assert.isFalse(running.has(id), `${id} runs twice at once`)
        running.add(id)
        assert.isAtMost(running.size, limit, "no more run at once than may")
      }),
      () => work,
      () => Effect.sync(() => running.delete(id))
    )
  return { during }
}

it.live(
  "no more executions run than may, none twice, and no place is lost when callers are interrupted",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      effect: Effect.gen(function* () {
        const limit = yield* oneOf(1, 2)
        const { during } = makeWitness(limit)
        const faults: Array<unknown> = []
        const met = yield* Deferred.make<void>()
        let meeting = 0
        /** Until as many have come as are to meet. */
        const meet = Effect.suspend(() =>
          --meeting > 0 ? Deferred.await(met) : Effect.asVoid(Deferred.succeed(met, undefined))
        )
        const work = Effect.suspend(() => (meeting > 0 ? meet : pause))
        const step = Module.make("step", {
          output: Schema.String,
          run: () =>
            Effect.flatMap(Run.id, (id) =>
              Effect.as(during(id, work).pipe(Effect.tapDefect((defect) => Effect.sync(() => faults.push(defect)))), id)
            )
        })
        const Node = OrchestratorNode.Service<"Node">()("test/Node", { dag: Dag.make("d", { outputs: { step } }) })
        const options = {
          concurrency: limit,
          maxWaiting: yield* oneOf(1, 3, 10),
          whenFull: yield* oneOf("wait", "fail")
        }
        yield* Effect.gen(function* () {
          const node = yield* Node
          const call = Effect.gen(function* () {
            const runId = RunId.make(`run-${yield* Random.nextIntBetween(0, 4)}`)
            if (yield* Random.nextBoolean) return (yield* node.process({}, { runId })).step === runId
            const { await: ended } = yield* node.start({}, { runId })
            return (yield* ended).step === runId
          })
          const callers: Array<Fiber.RuntimeFiber<boolean, unknown>> = []
          for (let i = 0; i < 5; i++) {
            callers.push(yield* Effect.fork(call))
            yield* pause
            if (yield* Random.nextBoolean) {
              // its end is not waited for here, so that others meet it on its way
              yield* Fiber.interruptFork(callers[yield* Random.nextIntBetween(0, callers.length)]!)
            }
          }
          for (const caller of callers) {
            const exit = yield* Fiber.await(caller)
            if (Exit.isSuccess(exit)) assert.isTrue(exit.value, "each caller is given what belongs to its id")
            else if (!Exit.isInterrupted(exit)) {
              assert.include(String(exit.cause), "OrchestratorFull", "it is refused only when there is no place")
            }
          }
          assert.deepStrictEqual(faults, [])
          // what was started and not waited for
          while ((yield* node.active).length > 0) yield* Effect.sleep(1)

          // every place is there: as many as may run meet each other
          meeting = limit
          const last = yield* Effect.forEach(Array.from({ length: limit }), (_, i) =>
            Effect.fork(node.process({}, { runId: RunId.make(`last-${i}`) }))
          )
          for (const fiber of last) yield* Fiber.join(fiber)
          assert.deepStrictEqual(yield* node.active, [])
        }).pipe(Effect.provide(Layer.provideMerge(Node.layer(options), engine("memory"))))
      }).pipe(Effect.provide(RunStoreMemory.layer()), inTime)
    }),
  300_000
)

it.live(
  "a child is begun once, wherever its parent is cut off, and ends with it when it is cancelled",
  () =>
    SeededScheduler.explore({
      seeds: numRuns,
      preempt: 0.1,
      effect: Effect.gen(function* () {
        const completed: Array<string> = []
        const { during } = makeWitness(2)
        const step = (name: string) =>
          Module.make(name, {
            output: Schema.String,
            run: () =>
              Effect.flatMap(Run.id, (id) =>
                Effect.as(
                  Effect.zipRight(
                    during(`${id}/${name}`, pause),
                    Effect.sync(() => completed.push(name))
                  ),
                  name
                )
              )
          })
        const Child = OrchestratorNode.Service<"Child">()("test/Child", {
          dag: Dag.make("child", { outputs: { a: step("a"), b: step("b") } })
        })
        const called = Module.node("called", { node: Child, input: () => ({}) })
        const Parent = Dag.make("parent", { outputs: { called } })
        const runId = RunId.make("parent")
        const childId = OrchestratorNode.childId(Child, { runId, path: "called" })
        const process = Effect.provide(Layer.provideMerge(Child.layer({ concurrency: 1 }), engine("buffered")))
        const statuses = Effect.flatMap(Timeline.Timeline, ({ list }) =>
          Effect.map(list(), (runs) => Object.fromEntries(runs.map(({ runId, status }) => [runId, status])))
        )
        const begin = Engine.execute(Parent, {}, { runId })
        const cutOff = Effect.gen(function* () {
          const caller = yield* Effect.fork(begin)
          yield* Effect.repeatN(pause, yield* Random.nextIntBetween(0, 12))
          return caller
        })

        // by its caller, or when its engine closes
        if (yield* Random.nextBoolean) yield* process(cutOff)
        const isCancelled = yield* Random.nextBoolean
        const exit = yield* Effect.gen(function* () {
          if (yield* Random.nextBoolean) yield* Effect.flatMap(cutOff, Fiber.interrupt)
          const handle = yield* Engine.start(Parent, {}, { runId })
          if (isCancelled) {
            // its module has asked for the child again
            const { active } = yield* Child
            const ended = yield* Effect.fork(Effect.exit(handle.await))
            while ((yield* active).length === 0 && Option.isNone(yield* Fiber.poll(ended))) yield* Effect.yieldNow()
            yield* Effect.zipRight(pause, handle.cancel)
          }
          return yield* Effect.exit(handle.await)
        }).pipe(process)
        const ended = yield* statuses
        const { [runId]: parent, [childId]: child, ...others } = ended
        assert.deepStrictEqual(others, {}, "there is one child")
        if (Exit.isSuccess(exit)) {
          assert.deepStrictEqual(exit.value, { called: { a: "a", b: "b" } })
          assert.deepStrictEqual([parent, child], ["completed", "completed"])
        } else {
          assert.isTrue(isCancelled, String(exit.cause))
          assert.strictEqual(parent, "cancelled")
          // it may have completed before its parent learned of it
          assert.include(["cancelled", "completed"], child)
        }
      }).pipe(Effect.provide(Timeline.layer), Effect.provide(RunStoreMemory.layer()), inTime)
    }),
  300_000
)
