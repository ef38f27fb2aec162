/**
 * What the checks of an `EventStore` have in common.
 */
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../../model/StoreError.js"
import {
  type Appended,
  EventStore,
  type Expected,
  type NewEvent,
  type StateRow,
  type StoredEvent
} from "../../../store/EventStore.js"
import { equal, isTrue, Mismatch } from "./Expect.js"
import { at } from "./Moment.js"

export type Checked<A = void> = Effect.Effect<A, Mismatch | StoreError, EventStore>

/** An event whose payload tells its id. */
export const event = (eventId: string, other: Partial<NewEvent> = {}): NewEvent => ({
  eventId,
  eventType: "Happened",
  schemaVersion: 1,
  payload: JSON.stringify({ of: eventId }),
  at: 1000,
  ...other
})

export const stateRow = (aggregateId: string, sequence: number, other: Partial<StateRow> = {}): StateRow => ({
  aggregateId,
  sequence,
  schemaVersion: 1,
  state: JSON.stringify({ after: sequence }),
  ...other
})

export const added = (first: number, version = first, repeated = false): Appended => ({
  _tag: "Appended",
  first,
  version,
  repeated
})

export const conflict = (version: number): Appended => ({ _tag: "Conflict", version })

export const taken = (eventId: string): Appended => ({ _tag: "EventIdTaken", eventId })

/** Appends events with these ids. */
export const append = (
  aggregateId: string,
  expected: Expected,
  ...events: ReadonlyArray<string | NewEvent>
): Effect.Effect<Appended, StoreError, EventStore> =>
  Effect.flatMap(EventStore, (store) =>
    store.append({
      aggregateId,
      expected,
      events: events.map((one) => (typeof one === "string" ? event(one) : one))
    })
  )

/** All that an aggregate has. */
export const eventsOf = (aggregateId: string): Effect.Effect<ReadonlyArray<StoredEvent>, StoreError, EventStore> =>
  Effect.flatMap(EventStore, (store) => store.read(aggregateId, { limit: 10_000 }))

export const everything: Effect.Effect<ReadonlyArray<StoredEvent>, StoreError, EventStore> = Effect.flatMap(
  EventStore,
  (store) => store.readAll({ limit: 10_000 })
)

export const idsOf = (events: Iterable<StoredEvent>): ReadonlyArray<string> =>
  Array.from(events, ({ eventId }) => eventId)

/** The aggregate has exactly the events with these ids, numbered from 1 on. */
export const has = (aggregateId: string, ...ids: ReadonlyArray<string>): Checked =>
  Effect.gen(function* () {
    const store = yield* EventStore
    const events = yield* eventsOf(aggregateId)
    yield* equal(idsOf(events), ids, `the events of ${aggregateId}`)
    yield* equal(
      events.map(({ sequence }) => sequence),
      ids.map((_, i) => i + 1),
      `the sequence numbers of ${aggregateId}`
    )
    yield* equal(yield* store.version(aggregateId), ids.length, `the version of ${aggregateId}`)
  })

/** It fails as what is refused does, and names what is wrong. */
export const refused = (operation: string, shown: string, call: Effect.Effect<unknown, StoreError>): Checked =>
  Effect.gen(function* () {
    const error = yield* Effect.either(call)
    yield* isTrue(error._tag === "Left", `${operation} of ${shown} fails`)
    if (error._tag === "Right") return
    yield* equal([error.left.reason, error.left.operation], ["failed", operation], `${operation} of ${shown}`)
    yield* isTrue(error.left.message.includes(shown), `${shown} is in the message: ${error.left.message}`)
    yield* isTrue(error.left.message.length < 1000, "the message is short enough to be read")
  })

/** How long is waited for what has to come. */
export class Patience extends Context.Reference<Patience>()("heddle/testing/Patience", {
  defaultValue: (): Duration.Duration => Duration.seconds(15)
}) {}

/** What is awaited in real time, and not forever. */
export const within = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Mismatch, R> =>
  Effect.flatMap(Patience, (duration) =>
    at(1000)(
      Effect.timeoutFail(effect, {
        duration,
        onTimeout: () => new Mismatch({ message: `${what} has not come`, expected: what, actual: undefined })
      })
    )
  )

/** The next events of a subscription. */
export const next = (
  events: Stream.Stream<StoredEvent, StoreError>,
  count: number
): Effect.Effect<ReadonlyArray<StoredEvent>, Mismatch | StoreError> =>
  within(
    `the event ${count} of a subscription`,
    Effect.map(Stream.runCollect(Stream.take(events, count)), Chunk.toReadonlyArray)
  )
