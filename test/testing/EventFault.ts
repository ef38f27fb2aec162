/**
 * One thing that a store of events does wrong, and what such stores are made of.
 */
import { Effect, Layer, Option, Stream } from "effect"
import { EventStore, type NewEvent, type StoredEvent } from "heddle/store/EventStore"
import * as EventStoreMemory from "heddle/store/EventStoreMemory"

export type Store = typeof EventStore.Service
export type Append = Parameters<Store["append"]>[0]
export type Change = (store: Store) => Partial<Store>

/** `found`: how the names begin of the checks that state the promise which is broken. */
export interface Fault {
  readonly fault: string
  readonly change: Change
  readonly found: ReadonlyArray<string>
}

/** The store in memory, with some methods of another behaviour. */
export const broken = (change: Change) =>
  Layer.effect(
    EventStore,
    Effect.map(EventStore, (store) => ({ ...store, ...change(store) }))
  ).pipe(Layer.provide(EventStoreMemory.layer()))

/** Others have their turn before it. */
export const later = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.zipRight(Effect.yieldNow(), effect)

export const everything = { after: 0, limit: Number.MAX_SAFE_INTEGER }

/** Appends what else is asked for. */
export const appending =
  (f: (request: Append) => Append): Change =>
  (store) => ({ append: (request) => store.append(f(request)) })

/** Gives events as they are not, whoever asks for them. */
export const giving =
  (f: (event: StoredEvent) => StoredEvent): Change =>
  (store) => ({
    event: (id) => Effect.map(store.event(id), Option.map(f)),
    read: (id, page) => Effect.map(store.read(id, page), (events) => events.map(f)),
    readAll: (page) => Effect.map(store.readAll(page), (events) => events.map(f)),
    subscribe: (after) => Stream.map(store.subscribe(after), f)
  })

/** The events of a request that are stored are given with what is stored under their ids. */
export const whereStored =
  (f: (event: NewEvent, stored: StoredEvent) => NewEvent): Change =>
  (store) => ({
    append: (request) =>
      Effect.flatMap(
        Effect.forEach(request.events, (event) =>
          Effect.map(
            store.event(event.eventId),
            Option.match({ onNone: () => event, onSome: (stored) => f(event, stored) })
          )
        ),
        (events) => store.append({ ...request, events })
      )
  })

const mark = "\u0001"

/** Its events have ids of their own, which nobody sees: what comes after the mark in them. */
export const marked: Change = giving((event) => ({ ...event, eventId: event.eventId.split(mark)[0]! }))

export const marking = (event: NewEvent, as: string | number): NewEvent => ({
  ...event,
  eventId: `${event.eventId}${mark}${as}`
})
