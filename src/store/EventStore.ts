/**
 * The port behind which events are kept, in the order in which they happened. Everything is encoded: strings, numbers and
 * JSON texts.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { StoreError } from "../model/StoreError.js"

/**
 * An event that is to be appended. `payload` is a JSON text; `at` is when it happened, in milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewEvent {
  readonly eventId: string
  readonly eventType: string
  readonly schemaVersion: number
  readonly payload: string
  readonly at: number
}

/**
 * An event as it is kept.
 *
 * - `sequence`: its number among those of its aggregate: 1, 2, 3, without gaps
 * - `position`: its number among all events: a whole number that grows in the order in which readers are given them
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredEvent extends NewEvent {
  readonly aggregateId: string
  readonly sequence: number
  readonly position: number
}

/**
 * The version an aggregate must have: the sequence number of its last event, that it has no events, or any.
 *
 * @since 0.1.0
 * @category models
 */
export type Expected = number | "noStream" | "any"

/**
 * - `Appended`: the events are stored, the first with the sequence number `first`, the last with `version`; `repeated`: they
 *   had been before, and nothing has changed
 * - `Conflict`: the aggregate has another `version` (0: no events), and nothing has changed
 * - `EventIdTaken`: the id is that of another event (of this request, too), or only some of these events had been appended
 *   before; nothing has changed
 *
 * @since 0.1.0
 * @category models
 */
export type Appended =
  | { readonly _tag: "Appended"; readonly first: number; readonly version: number; readonly repeated: boolean }
  | { readonly _tag: "Conflict"; readonly version: number }
  | { readonly _tag: "EventIdTaken"; readonly eventId: string }

/**
 * The state of an aggregate after its event `sequence` (1 or more), as a JSON text of which `schemaVersion` is the version.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateRow {
  readonly aggregateId: string
  readonly sequence: number
  readonly schemaVersion: number
  readonly state: string
}

/**
 * Which events to read: those after the number `after` (0), ascending, at most `limit`. What is after the last one is
 * nothing.
 *
 * @since 0.1.0
 * @category options
 */
export interface EventPage {
  readonly after?: number | undefined
  readonly limit: number
}

/**
 * Aggregate ids, event ids and types are texts as the keys of a `StateStore` are: not empty, well-formed, at most 1,000
 * bytes of UTF-8 (an id `after` which to go on, and a prefix, may be empty). What is not, a payload or state that is no
 * well-formed JSON text, a version, sequence, position or limit that is not a whole number of at least 0 (1 for a
 * `schemaVersion` and for the sequence of a state or snapshot), a time that is not finite, or no events at all fails with a
 * `StoreError` (`failed`) that names it, and nothing has changed. Payloads and states come back as the texts that they were.
 *
 * Each method is atomic: whoever calls it at the same time, in this process or in another, sees all of it or nothing.
 *
 * **Interruption**: a method that was interrupted has taken place or not; nothing is left in between.
 *
 * @since 0.1.0
 * @category services
 */
export class EventStore extends Context.Tag("heddle/store/EventStore")<
  EventStore,
  {
    /**
     * Appends the events, all of them or none, after the last one of the aggregate, if it has the `expected` version.
     * Events that were all appended to it before (the same ids, one after the other in the same order, with the same types,
     * schema versions and payload texts) are not appended again, whatever is expected: who does not know whether an append
     * has taken place repeats it. Ids are looked at before the version is.
     *
     * `state` replaces the current-state row of the aggregate in the same transaction; its sequence must be that of the
     * last of these events, any other is a `StoreError` (`failed`). Events that are repeated leave the row as it is.
     */
    readonly append: (request: {
      readonly aggregateId: string
      readonly expected: Expected
      readonly events: ReadonlyArray<NewEvent>
      readonly state?: Omit<StateRow, "aggregateId"> | undefined
    }) => Effect.Effect<Appended, StoreError>

    /** The sequence number of the last event of an aggregate; 0 when it has none. */
    readonly version: (aggregateId: string) => Effect.Effect<number, StoreError>

    /** The event with this id, unless it was deleted. */
    readonly event: (eventId: string) => Effect.Effect<Option.Option<StoredEvent>, StoreError>

    /** The events of one aggregate, by sequence; those that were deleted are left out. */
    readonly read: (aggregateId: string, page: EventPage) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreError>

    /**
     * The events of all aggregates, by position. Who goes on after the last position that it was given misses none and is
     * given none twice, also of those whose transaction had not been committed then.
     */
    readonly readAll: (page: EventPage) => Effect.Effect<ReadonlyArray<StoredEvent>, StoreError>

    /**
     * The events of all aggregates after a position (0), and then those that are appended, for ever: without gap and
     * without repetition, in the order of `readAll`. After a position that no event has yet, it waits for the events that
     * will have a higher one. It reads ahead by one page at most, so a slow reader holds up nobody; events that are
     * deleted before it gets to them are left out. It fails with the error of the store.
     *
     * **Interruption**: ends it; go on after the position of the last event that was taken.
     */
    readonly subscribe: (after?: number) => Stream.Stream<StoredEvent, StoreError>

    /** The current-state row of an aggregate. */
    readonly state: (aggregateId: string) => Effect.Effect<Option.Option<StateRow>, StoreError>

    /** The current-state rows by aggregate id, in the order of UTF-8 bytes, those after the id `after`, at most `limit`. */
    readonly states: (page: {
      readonly after?: string | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<StateRow>, StoreError>

    /**
     * Puts these rows in the place of the current-state rows of their aggregates, unless a stored one has a higher
     * sequence, or the same and a higher `schemaVersion`. A row of an aggregate that has fewer events than its sequence is
     * a `StoreError` (`failed`), and no row is put.
     */
    readonly putStates: (rows: ReadonlyArray<StateRow>) => Effect.Effect<void, StoreError>

    /** Removes the current-state rows of the aggregates whose id begins with the prefix, and gives how many they were. */
    readonly dropStates: (prefix: string) => Effect.Effect<number, StoreError>

    /**
     * Keeps the state after an event of the aggregate, to begin with in place of the events before it: in the place of one
     * with the same sequence, unless that has a higher `schemaVersion`. `at` is the time of the event. An aggregate that has
     * fewer events than the sequence is a `StoreError` (`failed`).
     */
    readonly keepSnapshot: (snapshot: StateRow & { readonly at: number }) => Effect.Effect<void, StoreError>

    /**
     * The snapshot of an aggregate with the highest sequence, of those at this sequence or before it and, with `until`, of
     * an event at this time or before it.
     */
    readonly snapshot: (
      aggregateId: string,
      bound: { readonly sequence: number; readonly until?: number | undefined }
    ) => Effect.Effect<Option.Option<StateRow & { readonly at: number }>, StoreError>

    /** Ids of aggregates that have or had events, in the order of UTF-8 bytes, those after the id `after`, at most `limit`. */
    readonly aggregates: (page: {
      readonly after?: string | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<string>, StoreError>

    /**
     * Deletes the events of an aggregate up to the sequence `upTo`, and its snapshots before `upTo`. A snapshot must be kept
     * at `upTo` or later: else fails with a `StoreError` (`failed`), except for `upTo` 0. Gives how many events were deleted.
     * The version and the current-state row stay, positions are not given again, and the ids of deleted events are free.
     */
    readonly prune: (request: {
      readonly aggregateId: string
      readonly upTo: number
    }) => Effect.Effect<number, StoreError>
  }
>() {}
