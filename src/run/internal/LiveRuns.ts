import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { RunId } from "../../model/RunId.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Plan } from "../../plan/Plan.js"
import type { Driven, ErasedHandle } from "./Driver.js"

/** A run that this process drives: what another call for the same id is compared with. */
export interface LiveRun {
  readonly plan: Plan
  readonly input: string
  readonly handle: ErasedHandle
  readonly driven: Driven
  readonly isStored: boolean
}

/** How a call came by its handle. `driver` is the fiber that it began itself, `live` what others may attach to. */
export interface Obtained {
  readonly handle: ErasedHandle
  readonly driver?: Fiber.Fiber<unknown, unknown>
  readonly live?: LiveRun
}

/** None when the call that entered it did not begin the run. */
export type Entry = Deferred.Deferred<Option.Option<LiveRun>>

export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * The runs of this process by id. An id is entered before anything is asked of the store, so that of simultaneous calls
 * for one id one begins the run and the others get what it began.
 */
export interface LiveRuns {
  /** The live run of an id, through `attach`, or what `begin` makes of it. When another call fails to, this one tries. */
  readonly obtain: <E, E2>(
    runId: RunId,
    restore: Restore,
    attach: (live: LiveRun) => Effect.Effect<Obtained, E>,
    begin: (entry: Entry) => Effect.Effect<Obtained, E2, unknown>
  ) => Effect.Effect<Obtained, E | E2, unknown>
  readonly remove: (runId: RunId, entry: Entry) => Effect.Effect<void>
  readonly find: (runId: RunId) => Effect.Effect<Option.Option<LiveRun>>
  readonly all: Effect.Effect<ReadonlyArray<LiveRun>>
  /** How often a run of this process has begun or ended. */
  readonly version: Effect.Effect<number>
  /** Waits until that is another number. */
  readonly changedSince: (version: number) => Effect.Effect<void>
}

export const make: Effect.Effect<LiveRuns> = Effect.gen(function* () {
  const entries = yield* Ref.make(HashMap.empty<RunId, Entry>())
  const listeners = new Set<() => void>()
  let version = 0

  const announce = Effect.sync(() => {
    version++
    for (const listener of [...listeners]) listener()
  })

  const measure = Effect.flatMap(Ref.get(entries), (map) =>
    Effect.sync(() => Telemetry.runsActive.unsafeUpdate(HashMap.size(map), []))
  )

  const remove = (runId: RunId, entry: Entry) =>
    Ref.update(entries, (map) =>
      Option.contains(HashMap.get(map, runId), entry) ? HashMap.remove(map, runId) : map
    ).pipe(Effect.zipRight(measure), Effect.zipRight(announce))

  const obtain: LiveRuns["obtain"] = (runId, restore, attach, begin) =>
    Effect.gen(function* () {
      const mine = yield* Deferred.make<Option.Option<LiveRun>>()
      const other = yield* Ref.modify(entries, (map) => {
        const found = HashMap.get(map, runId)
        return [found, Option.isSome(found) ? map : HashMap.set(map, runId, mine)]
      })
      if (Option.isSome(other)) {
        const live = yield* restore(Deferred.await(other.value))
        // a run that is being cut off is over for its callers: who comes now waits for that and takes it over
        if (Option.isSome(live) && !live.value.driven.isCutOff()) return yield* attach(live.value)
        if (Option.isSome(live)) yield* restore(Effect.exit(live.value.handle.await))
        return yield* obtain(runId, restore, attach, begin)
      }
      const begun = yield* Effect.exit(begin(mine))
      const live = Exit.isSuccess(begun) ? Option.fromNullable(begun.value.live) : Option.none()
      if (Option.isNone(live)) yield* remove(runId, mine)
      yield* Deferred.succeed(mine, live)
      yield* Effect.zipRight(measure, announce)
      return yield* begun
    })

  const liveOf = (entry: Entry) => Deferred.await(entry)

  return {
    obtain,
    remove,
    find: (runId) =>
      Effect.flatMap(Ref.get(entries), (map) => {
        const entry = HashMap.get(map, runId)
        return Option.isSome(entry) ? liveOf(entry.value) : Effect.succeedNone
      }),
    all: Effect.flatMap(Ref.get(entries), (map) =>
      Effect.map(
        Effect.forEach(Array.from(HashMap.values(map)), (entry) =>
          Effect.flatMap(Deferred.isDone(entry), (done) => (done ? liveOf(entry) : Effect.succeedNone))
        ),
        (all) => all.flatMap(Option.toArray)
      )
    ),
    version: Effect.sync(() => version),
    changedSince: (since) =>
      Effect.async<void>((resume) => {
        if (version !== since) return resume(Effect.void)
        const listener = () => {
          listeners.delete(listener)
          resume(Effect.void)
        }
        listeners.add(listener)
        return Effect.sync(() => listeners.delete(listener))
      })
  }
})
