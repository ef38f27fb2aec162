/** What the tests of runs have in common: engines over a shared store, and waiting for what a run does. */
import { Duration, Effect, Fiber, Layer, Option, Schema, TestClock } from "effect"
import { Heddle, RunId, RunSnapshot, Timeline, type Dag, type Engine } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import { turn } from "./VirtualClock.js"

export const id = RunId.make("run")

/** An error of a module's own. */
export class Bad extends Schema.TaggedError<Bad>()("Bad", { why: Schema.String }) {}

/** A store that outlives engines, and a reader of it. */
export const store = Layer.provideMerge(
  Timeline.layer,
  Layer.suspend(() => RunStoreMemory.layer())
)

/** An engine of its own over the store, as a process is: no heartbeats, and nothing that looks at the store by itself. */
export const engine = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: Partial<Engine.Options<D>> = {}
) =>
  Layer.fresh(
    Heddle.layer<D>({
      engine: { poll: Duration.infinity, ...options },
      lease: { heartbeat: Duration.infinity, expiry: Duration.infinity }
    })
  )

/** The same, and its store with it. */
export const alone = <const D extends ReadonlyArray<Dag.Any> = readonly []>(options: Partial<Engine.Options<D>> = {}) =>
  Layer.provideMerge(engine<D>(options), store)

/** Gives the others their turns until the check holds. */
export const eventually = <E, R>(check: Effect.Effect<boolean, E, R>, what = "it"): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    for (let i = 0; i < 2000; i++) {
      if (yield* check) return
      // now and then a whole turn of Node: what rests for a timer goes on
      yield* i % 50 === 49 ? turn : Effect.yieldNow()
    }
    return yield* Effect.dieMessage(`${what} never came true`)
  })

/** Gives the others as many turns as anything takes here that waits for no time. */
export const quiet = Effect.repeatN(Effect.yieldNow(), 200)

/** Lets the test's clock run, a batch interval at a time, until the effect has ended. */
export const withTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  })

export const stateOf = (snapshot: RunSnapshot.RunSnapshot, module: string) => RunSnapshot.module(snapshot, module)

export const statusOf = (snapshot: RunSnapshot.RunSnapshot, module: string) => stateOf(snapshot, module).status

export const statusesOf = (snapshot: RunSnapshot.RunSnapshot) =>
  Object.fromEntries(
    Array.from(snapshot.modules, ([module, { status }]) => [module, status] as const).sort(([a], [b]) =>
      a < b ? -1 : 1
    )
  )

export const reaches = (handle: Engine.Handle<unknown, unknown>, module: string, status: string) =>
  eventually(
    Effect.map(handle.snapshot, (snapshot) => statusOf(snapshot, module) === status),
    `"${module}" is ${status}`
  )

/** The store has it, not only the engine. */
export const isStored = (module: string, status: string, runId = id) =>
  eventually(
    Effect.gen(function* () {
      const run = yield* (yield* Timeline.Timeline).get(runId)
      return Option.isSome(run) && statusOf(run.value.snapshot, module) === status
    }),
    `"${module}" is stored as ${status}`
  )

export const storedRun = (runId = id) =>
  Effect.gen(function* () {
    const run = yield* (yield* Timeline.Timeline).get(runId)
    return Option.getOrThrow(run).snapshot
  })

export const historyOf = (runId = id) =>
  Effect.flatMap(Timeline.Timeline, (timeline) => timeline.history(runId, { limit: 10_000 }))

/** The statuses of a module in the order in which they were stored, with the numbers of their attempts. */
export const stepsOf = (module: string, runId = id) =>
  Effect.map(historyOf(runId), (history) =>
    history.flatMap((transition) =>
      transition._tag === "ModuleTransition" && transition.module === module
        ? [`${transition.status} ${transition.attempt}`]
        : []
    )
  )

/** Starts the effect, and cuts it off once the check holds; its finalizers are awaited. */
export const cutOffWhen = <A, E, R, E2, R2>(effect: Effect.Effect<A, E, R>, check: Effect.Effect<void, E2, R2>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* check
    yield* Fiber.interrupt(fiber)
  })
