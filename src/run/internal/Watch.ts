import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { UnknownRun } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import type { StoreError } from "../../model/StoreError.js"
import { isEnded } from "../../model/Transition.js"
import * as Wait from "../../model/Wait.js"
import type { Timeline } from "../../state/Timeline.js"
import type { RunEvent } from "../RunEvent.js"
import * as EventFeed from "./EventFeed.js"
import type { Obtained, LiveRuns } from "./LiveRuns.js"

/** Transitions that are read from the store at once. */
const page = 1000

interface Sources {
  readonly liveRuns: LiveRuns
  readonly timeline: typeof Timeline.Service
  /** How often a run that another process drives is looked at. */
  readonly poll: Duration.DurationInput
}

type Pulled = ReadonlyArray<RunEvent>

/**
 * The events of a run from the number `from` on until it ends, whoever drives it. What is live comes as it happens; what
 * was before, or was missed, comes from the store.
 */
export const events = (
  { poll, liveRuns, timeline }: Sources,
  runId: RunId,
  from: number
): Stream.Stream<RunEvent, UnknownRun | StoreError> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const cursor = yield* Ref.make(from - 1)
      const viewer = yield* Ref.make<EventFeed.Viewer | undefined>(undefined)
      const ended = yield* Ref.make(false)
      const isStored = yield* Ref.make(true)
      yield* Effect.addFinalizer(() => Effect.map(Ref.get(viewer), (viewing) => viewing?.close()))

      const stored: Effect.Effect<Pulled, StoreError> = Effect.gen(function* () {
        const transitions = yield* timeline.history(runId, { after: yield* Ref.get(cursor), limit: page })
        const last = transitions.at(-1)
        if (last !== undefined) yield* Ref.set(cursor, last.seq)
        return transitions.map(EventFeed.eventOf)
      })

      /** Those that were not given yet: persisted ones are numbered, and what is said comes after its number. */
      const fresh = (events: Pulled) =>
        Ref.modify(cursor, (at) => {
          let latest = at
          const kept = events.filter((event) => {
            if (event._tag === "Token" || event._tag === "Progressed") return event.seq >= latest
            if (event.seq <= latest) return false
            latest = event.seq
            return true
          })
          return [kept, latest]
        })

      const attach = Effect.gen(function* () {
        const live = yield* liveRuns.find(runId)
        if (Option.isNone(live)) return undefined
        const { feed } = live.value.driven
        const viewing = feed.view(false)
        yield* Ref.set(viewer, viewing)
        yield* Ref.set(isStored, live.value.isStored)
        return viewing
      })

      /** What there is next; none at the end of the run. */
      const pull: Effect.Effect<Pulled, Option.Option<UnknownRun | StoreError>> = Effect.gen(function* () {
        while (!(yield* Ref.get(ended))) {
          const viewing = yield* Ref.get(viewer)
          const pulled = viewing === undefined ? yield* Effect.mapError(offline, Option.some) : yield* online(viewing)
          if (pulled.length > 0) return pulled
        }
        return yield* Effect.fail(Option.none())
      })

      const online = (viewing: EventFeed.Viewer) =>
        Effect.gen(function* () {
          const taken = yield* viewing.take
          if (taken === undefined) {
            viewing.close()
            yield* Ref.set(viewer, undefined)
            // of a run that is not stored nothing more is to be had
            if (!(yield* Ref.get(isStored))) yield* Ref.set(ended, true)
            return []
          }
          const missed: Array<RunEvent> = []
          // what was published is committed: the store has all up to the first of what was taken
          const first = taken.events.find(({ _tag }) => _tag !== "Token" && _tag !== "Progressed")?.seq ?? 0
          if (taken.missed) {
            while ((yield* Ref.get(cursor)) < first - 1) {
              const read = yield* Effect.mapError(stored, Option.some)
              if (read.length === 0) break
              missed.push(...read)
            }
          }
          return [...missed, ...(yield* fresh(taken.events))]
        })

      const offline = Effect.gen(function* () {
        const version = yield* liveRuns.version
        // the store first: what the live feed gives then begins before the end of what was read
        const attached = yield* attach
        const read = yield* stored
        if (read.length === page) {
          // there is more: the live feed is taken up where the store ends
          attached?.close()
          yield* Ref.set(viewer, undefined)
          return read
        }
        if (read.length > 0 || attached !== undefined) return read
        const run = yield* timeline.get(runId)
        if (Option.isNone(run)) return yield* new UnknownRun({ runId })
        const { seq, status } = run.value.snapshot
        if (seq > (yield* Ref.get(cursor))) return []
        if (isEnded(status)) {
          yield* Ref.set(ended, true)
          return []
        }
        yield* Wait.atMost(liveRuns.changedSince(version), Duration.toMillis(poll))
        return []
      })

      return Stream.repeatEffectChunkOption(Effect.map(pull, Chunk.unsafeFromArray))
    })
  )

/**
 * The events of a run for the one who starts it, who is not outrun; then why it has no outputs, if so. Closing the stream
 * cuts a run off that it began.
 */
export const starter = <E, R>(
  begin: Effect.Effect<Obtained, E, R>,
  otherwise: (runId: RunId) => Stream.Stream<RunEvent, UnknownRun | StoreError>
): Stream.Stream<RunEvent, unknown, R> =>
  Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(begin, ({ driver, live }) =>
        Effect.zipRight(
          Effect.sync(() => live?.driven.viewer?.close()),
          driver === undefined ? Effect.void : Fiber.interrupt(driver)
        )
      ),
      ({ driver, handle, live }) => {
        const viewer = driver === undefined ? undefined : live?.driven.viewer
        const seen: Stream.Stream<RunEvent, unknown> =
          viewer === undefined
            ? otherwise(handle.id)
            : Stream.repeatEffectChunkOption(
                Effect.flatMap(viewer.take, (taken) =>
                  taken === undefined ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(taken.events))
                )
              )
        return Stream.concat(seen, Stream.drain(Stream.fromEffect(handle.await)))
      }
    )
  )
