/**
 * State that is what its events have made of it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { AggregateConflict, AggregateUnreadable } from "../model/AggregateError.js"
import type { StoreError } from "../model/StoreError.js"
import { EventStore, type StateRow } from "../store/EventStore.js"
import * as AggregateCodec from "./internal/AggregateCodec.js"
import * as AggregateExecute from "./internal/AggregateExecute.js"
import { type Definition, keyOf, load as loadWithin, rowOf } from "./internal/AggregateLoad.js"

export { AggregateConflict, AggregateUnreadable } from "../model/AggregateError.js"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("~heddle/state/Aggregate")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * The definition of aggregates of one name: which events they have, and what state the events make. It is immutable, and
 * holds no state itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Aggregate<in out State, in out Event extends Tagged> {
  readonly [TypeId]: Definition<State, Event>
  readonly name: string
  readonly snapshotEvery: number
}

/**
 * What every event is: a struct that its `_tag` tells from the others.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tagged {
  readonly _tag: string
}

/**
 * Makes the encoded fields of one version those of the next: a pure function, of which a result that does not decode, or a
 * defect, makes the event unreadable. Events are seen without their `_tag`.
 *
 * @since 0.1.0
 * @category models
 */
export type Upcaster = (old: { readonly [field: string]: unknown }) => { readonly [field: string]: unknown }

/**
 * A state, and how many events have made it: 0 for the initial one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loaded<out State> {
  readonly state: State
  readonly version: number
}

/**
 * What a command has done: the state and version after its `events`. `repeated`: it had been executed before, with the same
 * `commandId`, and this is what it did then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Executed<out State, out Event> extends Loaded<State> {
  readonly events: ReadonlyArray<Event>
  readonly repeated: boolean
}

/**
 * An event as it was appended to the aggregate `id`. `at` is in milliseconds since the epoch; go on after `position`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change<out Event> {
  readonly id: string
  readonly event: Event
  readonly eventId: string
  readonly sequence: number
  readonly position: number
  readonly at: number
}

/**
 * - `commandId`: what the command is known by: executed again on the same aggregate, it appends nothing and gives what it
 *   gave the first time, as long as its events are kept. A command that gave no events is not remembered
 * - `retry`: when to decide again after a conflict: nine more times, after 2.5 to 250 milliseconds, unless given
 *
 * @since 0.1.0
 * @category options
 */
export interface ExecuteOptions {
  readonly commandId?: string | undefined
  readonly retry?: Schedule.Schedule<unknown, AggregateConflict> | undefined
}

/**
 * How many events there may be after the last snapshot before another one is kept.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: { readonly snapshotEvery: number } = { snapshotEvery: 100 }

/**
 * Defines the aggregates of a name.
 *
 * - `name`: without a slash; the aggregate `id` is `name/id` in the `EventStore`, so that aggregates of several names share one
 * - `state`: the schema by which snapshots and current states are stored; `initial`: the state before any event
 * - `events`: schemas that encode to structs with a literal `_tag`, such as those of `Schema.TaggedClass`
 * - `evolve`: the state after an event. It is pure, and total: an event has happened, and cannot be refused any more
 * - `upcast`: for each tag, in order, what makes version 1 of the event version 2, version 2 version 3, and so on. The version of
 *   an event that is appended is one more than there are upcasters
 * - `stateVersion` (1): the version of the state. Raise it when `state` or the meaning of `evolve` changes: what was stored by
 *   an older version is then made of the events again, or by the functions in `upcastState`, by the version that they take.
 *   Those are needed where events were pruned
 * - `snapshotEvery` (100): after how many events a snapshot is kept
 *
 * A definition that is wrong is a defect: it throws.
 *
 * @example
 * ```ts
 * import { Aggregate } from "heddle"
 * import { Schema } from "effect"
 *
 * class Deposited extends Schema.TaggedClass<Deposited>()("Deposited", { amount: Schema.Int, by: Schema.String }) {}
 * class Withdrawn extends Schema.TaggedClass<Withdrawn>()("Withdrawn", { amount: Schema.Int }) {}
 *
 * const Account = Aggregate.make("account", {
 *   state: Schema.Struct({ balance: Schema.Int }),
 *   initial: { balance: 0 },
 *   events: [Deposited, Withdrawn],
 *   evolve: ({ balance }, event) => ({
 *     balance: event._tag === "Deposited" ? balance + event.amount : balance - event.amount
 *   }),
 *   // `by` is new in version 2
 *   upcast: { Deposited: [(old) => ({ ...old, by: "unknown" })] }
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <State, StateEncoded, const Events extends ReadonlyArray<Schema.Schema.AnyNoContext>>(
  name: string,
  options: {
    readonly state: Schema.Schema<State, StateEncoded>
    readonly initial: NoInfer<State>
    readonly events: Events
    readonly evolve: (state: NoInfer<State>, event: Schema.Schema.Type<Events[number]>) => NoInfer<State>
    readonly upcast?:
      | { readonly [Tag in Extract<Schema.Schema.Type<Events[number]>, Tagged>["_tag"]]?: ReadonlyArray<Upcaster> }
      | undefined
    readonly stateVersion?: number | undefined
    readonly upcastState?: { readonly [version: number]: Upcaster } | undefined
    readonly snapshotEvery?: number | undefined
  }
): Aggregate<State, Extract<Schema.Schema.Type<Events[number]>, Tagged>> => {
  const { events, evolve, initial, snapshotEvery = defaults.snapshotEvery, state } = options
  if (name === "" || name.includes("/")) {
    throw new AggregateCodec.Mistake(`${JSON.stringify(name)} is no name of aggregates: give one without a slash`)
  }
  if (!(Number.isSafeInteger(snapshotEvery) && snapshotEvery >= 1)) {
    throw new AggregateCodec.Mistake(`${name}: snapshotEvery is ${snapshotEvery}: give a whole number of at least 1`)
  }
  type Event = Extract<Schema.Schema.Type<Events[number]>, Tagged>
  const codec = AggregateCodec.make({
    name,
    events,
    upcast: options.upcast ?? {},
    state,
    stateVersion: options.stateVersion ?? 1,
    upcastState: options.upcastState ?? {}
  })
  return Object.freeze<Aggregate<State, Event>>({
    // it decodes by the schemas that State and Event are the types of
    [TypeId]: { name, initial, evolve, codec: codec as unknown as AggregateCodec.Codec<State, Event> },
    name,
    snapshotEvery
  })
}

/**
 * The state of an aggregate: from its last snapshot, and the events after it. An aggregate without events has the initial
 * state, and version 0. An event that cannot be read is never skipped: it fails with `AggregateUnreadable`.
 *
 * @since 0.1.0
 * @category operations
 */
export const load = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string
): Effect.Effect<Loaded<State>, AggregateUnreadable | StoreError, EventStore> =>
  Effect.flatMap(EventStore, (store) =>
    Effect.map(loadWithin(store, aggregate[TypeId], id), ({ state, version }) => ({ state, version }))
  )

/**
 * The current state of an aggregate, read from its row: one look-up, however many events there are. It is that after the last
 * command that `execute` has acknowledged, or a later one. Where there is no row that this definition can read, the state is
 * loaded.
 *
 * @since 0.1.0
 * @category operations
 */
export const state = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string
): Effect.Effect<Loaded<State>, AggregateUnreadable | StoreError, EventStore> =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const { codec, name } = aggregate[TypeId]
    const row = yield* store.state(keyOf(name, id))
    const state = Option.flatMap(row, codec.decodeState)
    return Option.isSome(row) && Option.isSome(state)
      ? { state: state.value, version: row.value.sequence }
      : yield* load(aggregate, id)
  })

/**
 * Executes a command: it is given the state, and gives the events that it makes happen, or fails. They are appended together,
 * with the new current state, in one transaction, if nobody has appended to the aggregate meanwhile; else what is new is
 * loaded and the command decides again, so it may run several times. No events append nothing. Fails with
 * `AggregateConflict` when `retry` has come to its end.
 *
 * The events of a command happen at one time: that of the Clock, or of the event before them if that is later. An append of
 * which the store has not answered is repeated, and takes effect once.
 *
 * An event that its schema refuses, or a state that JSON cannot hold, is a defect, and nothing is appended.
 *
 * **Interruption**: the events were all appended or none of them; execute it again with the same `commandId`, and they are
 * appended once.
 *
 * @example
 * ```ts
 * import { Aggregate } from "heddle"
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
 * // at most 10
 * const count = (id: string, commandId: string) =>
 *   Aggregate.execute(
 *     Counter,
 *     id,
 *     (count) => (count < 10 ? Effect.succeed([new Counted({ by: 1 })]) : Effect.fail("full" as const)),
 *     { commandId }
 *   )
 * ```
 *
 * @since 0.1.0
 * @category operations
 */
export const execute = <State, Event extends Tagged, E, R>(
  aggregate: Aggregate<State, Event>,
  id: string,
  command: (state: State, version: number) => Effect.Effect<ReadonlyArray<Event>, E, R>,
  options: ExecuteOptions = {}
): Effect.Effect<Executed<State, Event>, E | AggregateConflict | AggregateUnreadable | StoreError, R | EventStore> =>
  Effect.flatMap(EventStore, (store) =>
    AggregateExecute.execute(store, aggregate[TypeId], {
      id,
      command,
      commandId: options.commandId,
      retry: options.retry ?? AggregateExecute.defaultRetry,
      snapshotEvery: aggregate.snapshotEvery
    })
  )

/**
 * The events of all aggregates of the definition after a position of the store (0), and then those that are appended, for
 * ever: without gap and without repetition. Fails at an event that cannot be read.
 *
 * **Interruption**: ends it; go on after the `position` of the last change that was taken.
 *
 * @since 0.1.0
 * @category operations
 */
export const changes = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  after?: number
): Stream.Stream<Change<Event>, AggregateUnreadable | StoreError, EventStore> => {
  const { codec, name } = aggregate[TypeId]
  const prefix = keyOf(name, "")
  return Stream.unwrap(Effect.map(EventStore, (store) => store.subscribe(after))).pipe(
    Stream.filter(({ aggregateId }) => aggregateId.startsWith(prefix)),
    Stream.mapEffect((stored) => {
      const { aggregateId, at, eventId, position, sequence } = stored
      const id = aggregateId.slice(prefix.length)
      return Effect.map(codec.decodeEvent(id, stored), (event) => ({ id, event, eventId, sequence, position, at }))
    })
  )
}

const pageSize = 100

/** The ids of the aggregates of a definition, without its name. */
const idsAfter = (
  store: EventStore["Type"],
  name: string,
  after: string
): Effect.Effect<ReadonlyArray<string>, StoreError> => {
  const prefix = keyOf(name, "")
  return Effect.map(store.aggregates({ after: prefix + after, limit: pageSize }), (keys) =>
    keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
  )
}

/**
 * The ids of all aggregates of the definition, in the order of UTF-8 bytes.
 *
 * @since 0.1.0
 * @category operations
 */
export const ids = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>
): Stream.Stream<string, StoreError, EventStore> =>
  Stream.unwrap(
    Effect.map(EventStore, (store) =>
      Stream.paginateEffect("", (after) =>
        Effect.map(idsAfter(store, aggregate.name, after), (ids) => {
          const next = ids.length < pageSize ? Option.none<string>() : Option.fromNullable(ids[ids.length - 1])
          return [ids, next] as const
        })
      )
    )
  ).pipe(Stream.flattenIterables)

/**
 * Drops the current-state rows of all aggregates of the definition and derives them again, from the events and the snapshots
 * that this definition can read; gives how many there are. Others may execute commands meanwhile: a row that is newer than
 * what was derived stays.
 *
 * **Interruption**: rows may be missing afterwards, as they may while it goes on: `state` then loads what they would have
 * told.
 *
 * @since 0.1.0
 * @category operations
 */
export const rebuild = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>
): Effect.Effect<number, AggregateUnreadable | StoreError, EventStore> =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const definition = aggregate[TypeId]
    yield* store.dropStates(keyOf(aggregate.name, ""))
    let count = 0
    for (let after = ""; ;) {
      const ids = yield* idsAfter(store, aggregate.name, after)
      const rows: Array<StateRow> = []
      for (const id of ids) rows.push(rowOf(definition, id, yield* loadWithin(store, definition, id)))
      yield* store.putStates(rows)
      count += rows.length
      const last = ids[ids.length - 1]
      if (last === undefined || ids.length < pageSize) return count
      after = last
    }
  })

/**
 * Deletes the events of an aggregate that its last snapshot stands for, except for the last `keep` (0) events of the aggregate,
 * and the snapshots before; gives how many events were deleted. A snapshot that this definition cannot read stands for
 * nothing. The state stays what it was; the past of what was deleted cannot be told any more, and commands that appended it
 * are no longer known by their `commandId`.
 *
 * @since 0.1.0
 * @category operations
 */
export const prune = <State, Event extends Tagged>(
  aggregate: Aggregate<State, Event>,
  id: string,
  options: { readonly keep?: number | undefined } = {}
): Effect.Effect<number, AggregateUnreadable | StoreError, EventStore> =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const { snapshot, version } = yield* loadWithin(store, aggregate[TypeId], id)
    const upTo = Math.max(0, Math.min(snapshot, version - (options.keep ?? 0)))
    return upTo === 0 ? 0 : yield* store.prune({ aggregateId: keyOf(aggregate.name, id), upTo })
  })
