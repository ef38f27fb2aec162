/**
 * The state of an aggregate: from a snapshot, and the events after it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AggregateUnreadable } from "../../model/AggregateError.js"
import { StoreError } from "../../model/StoreError.js"
import type { EventStore, StateRow, StoredEvent } from "../../store/EventStore.js"
import type { Codec } from "./AggregateCodec.js"

type Store = EventStore["Type"]

/** What loading needs of a definition. */
export interface Definition<State, Event> {
  readonly name: string
  readonly initial: State
  readonly evolve: (state: State, event: Event) => State
  readonly codec: Codec<State, Event>
}

/**
 * - `version`: how many events have made the state; `at`: the time of the last of them, negative infinity before any
 * - `snapshot`: the sequence of the snapshot that it began with, or of a later one; 0: none
 */
export interface Loaded<State> {
  readonly state: State
  readonly version: number
  readonly at: number
  readonly snapshot: number
}

/**
 * How far to go: to the event `sequence` (the last one), and not beyond the time `until`. The times of the events of an
 * aggregate never go back.
 */
export interface Bound {
  readonly sequence?: number | undefined
  readonly until?: number | undefined
}

const pageSize = 256

/** The id of an aggregate in the store. */
export const keyOf = (name: string, id: string): string => `${name}/${id}`

const latest = Number.MAX_SAFE_INTEGER

/** The last snapshot within the bound that can be read: those that cannot be are passed over. */
const fromSnapshot = <State, Event>(
  store: Store,
  definition: Definition<State, Event>,
  key: string,
  { sequence = latest, until }: Bound
): Effect.Effect<Loaded<State>, StoreError> =>
  Effect.flatMap(
    sequence === 0 ? Effect.succeedNone : store.snapshot(key, { sequence, until }),
    Option.match({
      onNone: () =>
        Effect.succeed<Loaded<State>>({ state: definition.initial, version: 0, at: -Infinity, snapshot: 0 }),
      onSome: (row) =>
        Option.match(definition.codec.decodeState(row), {
          onNone: () => fromSnapshot(store, definition, key, { sequence: row.sequence - 1, until }),
          onSome: (state) =>
            Effect.succeed<Loaded<State>>({ state, version: row.sequence, at: row.at, snapshot: row.sequence })
        })
    })
  )

/** What the events after `loaded` make of it; undefined when one of them is missing. */
const advance = <State, Event>(
  store: Store,
  { codec, evolve, name }: Definition<State, Event>,
  id: string,
  loaded: Loaded<State>,
  { sequence: last = latest, until = Infinity }: Bound
): Effect.Effect<Loaded<State> | undefined, AggregateUnreadable | StoreError> =>
  Effect.gen(function* () {
    const key = keyOf(name, id)
    const fold = (events: ReadonlyArray<StoredEvent>, from: Loaded<State>) =>
      Effect.gen(function* () {
        let { at, state, version } = from
        for (const stored of events) {
          if (stored.sequence !== version + 1) return { missing: true, ended: true, at, state, version }
          if (stored.at > until) return { missing: false, ended: true, at, state, version }
          state = evolve(state, yield* codec.decodeEvent(id, stored))
          version = stored.sequence
          at = stored.at
        }
        return { missing: false, ended: false, at, state, version }
      })
    let present = loaded
    for (;;) {
      const limit = Math.min(pageSize, last - present.version)
      if (limit <= 0) return present
      let events = yield* store.read(key, { after: present.version, limit })
      // nothing at all: there are no events, or they were deleted
      if (events.length === 0 && present.version === 0 && (yield* store.version(key)) > 0) {
        events = yield* store.read(key, { limit })
        if (events.length === 0) return undefined
      }
      const { at, ended, missing, state, version } = yield* fold(events, present)
      if (missing) return undefined
      present = { state, version, at, snapshot: loaded.snapshot }
      if (ended || events.length < limit) return present
    }
  })

/**
 * The state of an aggregate within a bound, or, given one that was loaded before, that one with what is new. The cost is
 * that of the events since the snapshot before.
 */
export const load = <State, Event>(
  store: Store,
  definition: Definition<State, Event>,
  id: string,
  bound: Bound = {},
  before?: Loaded<State>
): Effect.Effect<Loaded<State>, AggregateUnreadable | StoreError> =>
  Effect.gen(function* () {
    const key = keyOf(definition.name, id)
    if (id === "") {
      const message = `the id of an aggregate of ${definition.name} is empty: name it`
      return yield* new StoreError({ reason: "failed", location: definition.name, operation: "load", message })
    }
    let start = before ?? (yield* fromSnapshot(store, definition, key, bound))
    for (;;) {
      const loaded = yield* advance(store, definition, id, start, bound)
      if (loaded !== undefined) return loaded
      // events that were there may have been deleted meanwhile, and then there is a later snapshot
      const next = yield* fromSnapshot(store, definition, key, bound)
      if (next.version <= start.version) {
        return yield* new AggregateUnreadable({
          aggregate: definition.name,
          id,
          sequence: start.version + 1,
          type: "",
          version: 0,
          reason: "pruned",
          detail: "it was deleted, and no snapshot at it or after it, that is within what is asked for, can be read"
        })
      }
      start = next
    }
  })

/** The row of a state after an event. */
export const rowOf = <State, Event>(
  { codec, name }: Definition<State, Event>,
  id: string,
  { state, version }: Pick<Loaded<State>, "state" | "version">
): StateRow => ({ aggregateId: keyOf(name, id), sequence: version, ...codec.encodeState(state) })
