/**
 * Time travel over aggregates: what they were, and what has happened to them.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AggregateUnreadable } from "../model/AggregateError.js"
import * as JsonDiff from "../model/JsonDiff.js"
import type { StoreError } from "../model/StoreError.js"
import { isKnown, UnknownSequence } from "../model/UnknownSequence.js"
import { EventStore } from "../store/EventStore.js"
import { type Aggregate, type Change, type Loaded, type Tagged, TypeId } from "./Aggregate.js"
import { type Bound, keyOf, load } from "./internal/AggregateLoad.js"
import * as Pace from "./internal/Pace.js"

export type { Difference } from "../model/JsonDiff.js"
export { UnknownSequence } from "../model/UnknownSequence.js"

type Store = EventStore["Type"]

/**
 * A point of the history of an aggregate: after the event `sequence`, 0 before all of them, or at a time in milliseconds
 * since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type Point = { readonly sequence: number } | { readonly at: number }

/**
 * A step of a replay: what happened, nothing at its beginning, and the state then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step<out State, out Event> extends Loaded<State> {
  readonly change: Option.Option<Change<Event>>
}

/**
 * Which events to replay, and how fast: see `AggregateTimeline.replay`.
 *
 * @since 0.1.0
 * @category options
 */
export interface ReplayOptions {
  readonly from?: number
  readonly to?: number
  readonly rate?: number
  readonly maxGap?: Duration.DurationInput
}

const versionAt = (store: Store, name: string, id: string, sequence: number | undefined) =>
  Effect.flatMap(store.version(keyOf(name, id)), (last) =>
    isKnown(sequence ?? last, last)
      ? Effect.succeed(sequence ?? last)
      : Effect.fail(new UnknownSequence({ of: "aggregate", id: keyOf(name, id), sequence: sequence ?? last, last }))
  )

/** A time that is none, or before all, is before the first event. */
const boundOf = (at: number): Bound => (at === Infinity ? {} : Number.isFinite(at) ? { until: at } : { sequence: 0 })

/**
 * What an aggregate was after an event, or at a time, with the events of that time: from the nearest snapshot before that,
 * so that the cost grows with the distance to it and not with the length of the history.
 *
 * Before its first event it has the initial state. `UnknownSequence`: it has no such event, or not yet.
 * `AggregateUnreadable`: an event cannot be read, or what is asked for was deleted.
 *
 * @example
 * ```ts
 * import { Aggregate, AggregateTimeline } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * class Counted extends Schema.TaggedClass<Counted>()("Counted", { by: Schema.Int }) {}
 *
 * const Counter = Aggregate.make("counter", {
 *   state: Schema.Int,
 *   initial: 0,
 *   events: [Counted],
 *   evolve: (count, { by }) => count + by
 * })
 *
 * const tenth = Effect.map(AggregateTimeline.stateAt(Counter, "clicks", { sequence: 10 }), ({ state }) => state)
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const stateAt = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string,
  point: Point
): Effect.Effect<Loaded<State>, UnknownSequence | AggregateUnreadable | StoreError, EventStore> =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const definition = aggregate[TypeId]
    const bound =
      "sequence" in point
        ? { sequence: yield* versionAt(store, definition.name, id, point.sequence) }
        : boundOf(point.at)
    const { state, version } = yield* load(store, definition, id, bound)
    return { state, version }
  })

/**
 * Where two states of an aggregate differ, in their encoded form: the paths that lead there, and what is there in each.
 *
 * @since 0.1.0
 * @category reading
 */
export const diff = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  before: State,
  after: State
): ReadonlyArray<JsonDiff.Difference> => {
  const { encodeState } = aggregate[TypeId].codec
  const [left, right] = [before, after].map((state): unknown => JSON.parse(encodeState(state).state))
  return JsonDiff.make(left, right)
}

const pageSize = 256

const changesOf = <State, Event extends Tagged>(
  store: Store,
  aggregate: Aggregate<State, Event>,
  id: string,
  after: number,
  to: number
) => {
  const { codec, name } = aggregate[TypeId]
  return Stream.paginateChunkEffect(after, (after) => {
    const limit = Math.min(pageSize, to - after)
    return Effect.map(limit <= 0 ? Effect.succeed([]) : store.read(keyOf(name, id), { after, limit }), (page) => {
      const last = page.at(-1)
      const isLast = last === undefined || page.length < limit || last.sequence >= to
      return [Chunk.unsafeFromArray(page), isLast ? Option.none() : Option.some(last.sequence)] as const
    })
  }).pipe(
    // it may be that some have been deleted
    Stream.takeWhile(({ sequence }) => sequence <= to),
    Stream.mapEffect((stored) => {
      const { at, eventId, position, sequence } = stored
      return Effect.map(codec.decodeEvent(id, stored), (event): Change<Event> => ({
        id,
        event,
        eventId,
        sequence,
        position,
        at
      }))
    })
  )
}

/**
 * The events of an aggregate above the number `after` (0), up to the end that it has when that is reached; those that were
 * deleted are left out. They are read page by page as they are consumed.
 *
 * @since 0.1.0
 * @category reading
 */
export const history = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string,
  options: { readonly after?: number } = {}
): Stream.Stream<Change<Event>, AggregateUnreadable | StoreError, EventStore> =>
  Stream.unwrap(
    Effect.map(EventStore, (store) => changesOf(store, aggregate, id, options.after ?? 0, Number.MAX_SAFE_INTEGER))
  )

/**
 * What an aggregate was after the event `from` (0), at once, then after each one up to `to` (the last that there is now), in
 * the time that it took divided by `rate` (1): 2 is twice as fast, `Infinity` does not wait. A gap counts as at most
 * `maxGap` (infinite) before it is divided. A consumer that is slower is given what it is behind with at once. A rate that
 * is not above 0 is a defect.
 *
 * **Interruption**: ends the waiting.
 *
 * @since 0.1.0
 * @category reading
 */
export const replay = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string,
  options: ReplayOptions = {}
): Stream.Stream<Step<State, Event>, UnknownSequence | AggregateUnreadable | StoreError, EventStore> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const store = yield* EventStore
      const { evolve, name } = aggregate[TypeId]
      const to = yield* versionAt(store, name, id, options.to)
      const from = yield* versionAt(store, name, id, options.from ?? 0)
      const { state, version } = yield* load(store, aggregate[TypeId], id, { sequence: from })
      const begin: Step<State, Event> = { change: Option.none(), state, version }
      const steps = changesOf(store, aggregate, id, from, to).pipe(
        Stream.mapAccum(state, (before, change) => {
          const state = evolve(before, change.event)
          return [state, { change: Option.some(change), state, version: change.sequence }]
        })
      )
      return Stream.concat(Stream.succeed(begin), steps)
    })
  ).pipe((steps) => Pace.paced(steps, options, ({ change }) => Option.map(change, ({ at }) => at)))
