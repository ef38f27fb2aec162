/**
 * A run that one engine after the other drives over one store in memory, each but the last until it is cut off, and what
 * must hold of it under every seed.
 */
import { assert } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, HashMap, Layer, Option, Random, Stream } from "effect"
import { Engine, Heddle, ModuleStatus, RunId, RunSnapshot, Timeline } from "heddle"
import type { Dag, Transition } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"
import * as VirtualClock from "../run/VirtualClock.js"

/** What modules and items say of themselves: the paths of those that began since the present driver did. */
export interface Log {
  readonly began: Array<string>
}

export const emptyLog = (): Log => ({ began: [] })

export const begin = (log: Log, path: string) => Effect.sync(() => void log.began.push(path))

/** What one driver did. */
interface Leg {
  /** The paths of what was stored as completed before. */
  readonly completed: ReadonlySet<string>
  readonly began: ReadonlyArray<string>
  /** What was told of the run as committed: the state at first, and then each transition. */
  readonly first: RunSnapshot.RunSnapshot
  readonly published: ReadonlyArray<Transition.Transition>
  /** The numbers of the persisted events that a viewer was given. */
  readonly viewed: ReadonlyArray<number>
}

export interface Driven<O> {
  readonly outputs: O
  readonly live: RunSnapshot.RunSnapshot
  readonly stored: RunSnapshot.RunSnapshot
  readonly history: ReadonlyArray<Transition.Transition>
  readonly legs: ReadonlyArray<Leg>
}

const runId = RunId.make("run")

const oneOf = <const A extends ReadonlyArray<unknown>>(...choices: A): Effect.Effect<A[number]> =>
  Effect.map(Random.nextIntBetween(0, choices.length), (i) => choices[i])

/** A process: its engine and its writer, small enough for batches and a full queue to matter. */
const driver = Effect.gen(function* () {
  return Layer.fresh(
    Heddle.layer({
      engine: { poll: Duration.infinity },
      lease: { heartbeat: Duration.infinity, expiry: Duration.infinity },
      writer: { batchSize: yield* oneOf(1, 3, 100), capacity: yield* oneOf(2, 10, 100), interval: "20 millis" }
    })
  )
}).pipe(Layer.unwrapEffect)

const storedRun = Effect.gen(function* () {
  const run = yield* (yield* Timeline.Timeline).get(runId)
  return Option.map(run, ({ snapshot }) => snapshot)
})

const historyOf = Effect.flatMap(Timeline.Timeline, ({ history }) => history(runId, { limit: 100_000 }))

const pathOf = (transition: Transition.Transition) =>
  transition._tag === "ModuleTransition"
    ? transition.module
    : transition._tag === "ItemTransition"
      ? `${transition.module}/${transition.index}`
      : undefined

const completedIn = (history: ReadonlyArray<Transition.Transition>) =>
  history.flatMap((transition) => {
    const path = pathOf(transition)
    return path !== undefined && "status" in transition && transition.status === "completed" ? [path] : []
  })

/**
 * Drives a run of the Dag to its end, over a store of its own. Where it is cut off, and how its drivers are made, is drawn
 * from `Random`.
 */
export const drive = <O, I, E>(dag: Dag.Dag<O, I, E>, input: NoInfer<I>, log: Log) =>
  Effect.gen(function* () {
    const options = {
      runId,
      durability: yield* oneOf("buffered", "committed"),
      concurrency: yield* oneOf(1, 2, 4, "unbounded")
    } as const
    const legs: Array<Leg> = []

    /** Undefined when it was cut off before its end. */
    const leg = (cut: number) =>
      Effect.gen(function* () {
        const completed = new Set(completedIn(yield* historyOf))
        log.began.length = 0
        // cut off by the interruption of who began it, or when its engine closes
        const starter = yield* Effect.fork(
          (yield* Random.nextBoolean) ? Effect.exit(Engine.execute(dag, input, options)) : Effect.void
        )
        const handle = yield* Engine.start(dag, input, options)
        const published: Array<Transition.Transition> = []
        const reached = yield* Deferred.make<void>()
        let first: RunSnapshot.RunSnapshot | undefined
        const watching = yield* handle.changes.pipe(
          Stream.runForEach((change) => {
            if (change._tag === "RunSnapshot") return Effect.sync(() => (first = change))
            published.push(change)
            return published.length === cut ? Deferred.succeed(reached, undefined) : Effect.void
          }),
          Effect.forkDaemon
        )
        const viewed: Array<number> = []
        const viewing = yield* Effect.fork(
          Stream.runForEach(Engine.watch(runId), (event) =>
            "sub" in event ? Effect.void : Effect.sync(() => void viewed.push(event.seq))
          )
        )
        const outputs = yield* Effect.raceFirst(
          Effect.asSome(handle.await),
          Effect.as(Deferred.await(reached), Option.none<O>())
        )
        yield* Option.isSome(outputs) ? Fiber.join(viewing) : Fiber.interrupt(viewing)
        yield* Fiber.interrupt(starter)
        const live = yield* handle.snapshot
        return { completed, outputs, live, watching, seen: () => ({ first: first!, published, viewed }) }
      }).pipe(
        Effect.provide(driver),
        Effect.flatMap(({ completed, live, outputs, seen, watching }) =>
          Effect.gen(function* () {
            yield* Fiber.join(watching)
            legs.push({ completed, began: [...log.began], ...seen() })
            return Option.map(outputs, (outputs) => ({ outputs, live }))
          })
        )
      )

    const cuts = yield* Effect.replicateEffect(Random.nextIntBetween(1, 15), yield* Random.nextIntBetween(0, 3))
    for (const cut of [...cuts, Infinity]) {
      const ended = yield* leg(cut)
      if (Option.isNone(ended)) continue
      const driven: Driven<O> = {
        ...ended.value,
        stored: Option.getOrThrow(yield* storedRun),
        history: yield* historyOf,
        legs
      }
      return driven
    }
    return yield* Effect.dieMessage("a run that nobody cut off ended without its outputs")
  }).pipe(Effect.provide(Timeline.layer), Effect.provide(RunStoreMemory.layer()))

/** Runs the program under a clock of its own, which goes on when nothing else does. */
export const inTime = <A, E>(program: Effect.Effect<A, E>) => VirtualClock.test((time) => time.until(program))

const plain = (snapshot: RunSnapshot.RunSnapshot) => ({
  ...snapshot,
  modules: Object.fromEntries(HashMap.entries(snapshot.modules)),
  shared: Object.fromEntries(snapshot.shared)
})

const fold = (first: RunSnapshot.RunSnapshot, transitions: ReadonlyArray<Transition.Transition>) =>
  plain(transitions.reduce(RunSnapshot.evolve, first))

/** No acknowledged update is lost, reordered or duplicated, nothing completes twice, and all views are one. */
export const assertSound = <O>({ history, legs, live, stored }: Driven<O>, paths: ReadonlyArray<string>) => {
  assert.deepStrictEqual(
    history.map(({ seq }) => seq),
    history.map((_, i) => i + 1),
    "the history is numbered without gaps"
  )
  const empty = RunSnapshot.make({ ...live, startedAt: live.startedAt })
  assert.deepStrictEqual(fold(empty, history), plain(stored), "the fold of the history is the stored state")
  assert.deepStrictEqual(plain(live), plain(stored), "the live state is the stored one")
  assert.deepStrictEqual(completedIn(history).sort(), [...paths].sort(), "everything completes, once")
  const final = new Set<string>()
  for (const transition of history) {
    if (transition._tag !== "ModuleTransition") continue
    assert.isFalse(final.has(transition.module), `nothing follows the end of ${transition.module}`)
    if (ModuleStatus.isFinal(transition.status)) final.add(transition.module)
  }
  for (const { began, completed, first, published, viewed } of legs) {
    assert.deepStrictEqual(
      viewed,
      viewed.map((_, i) => i + 1),
      "a viewer is given every event once, in order"
    )
    for (const path of began) assert.isFalse(completed.has(path), `${path} was acknowledged and ran again`)
    assert.deepStrictEqual(
      published,
      history.slice(first.seq, first.seq + published.length),
      "what is published is the stored history, in its order"
    )
  }
  const last = legs.at(-1)!
  assert.lengthOf(last.viewed, history.length, "a viewer is given all of a run that has ended")
  assert.deepStrictEqual(fold(last.first, last.published), plain(live), "the fold of the changes is the live state")
}
