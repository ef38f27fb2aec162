/**
 * Keeps events in memory: for tests, and for what may end with the process.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { StoreError } from "../model/StoreError.js"
import { EventStore } from "./EventStore.js"
import * as EventRequest from "./internal/EventRequest.js"
import * as EventTail from "./internal/EventTail.js"
import * as MemoryEvents from "./internal/MemoryEvents.js"

/**
 * - `page`: how many events a subscription reads at once
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly page: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { page: EventTail.defaultPage }

const location = ":memory:"

const make = (ref: Ref.Ref<MemoryEvents.Events>, notice: EventTail.Notice, page: number): EventStore["Type"] => {
  const check = EventRequest.make(location)
  const get = <A>(
    checked: Effect.Effect<void, StoreError>,
    f: (events: MemoryEvents.Events) => A
  ): Effect.Effect<A, StoreError> => Effect.zipRight(checked, Effect.map(Ref.get(ref), f))
  const unlessFault =
    (operation: string) =>
    (fault: string | undefined): Effect.Effect<void, StoreError> =>
      fault === undefined ? Effect.void : EventRequest.refusal(location, operation, fault)

  const readAll: EventStore["Type"]["readAll"] = (page) =>
    get(check.readAll(page), (events) => MemoryEvents.readAll(events, page))
  const tail = EventTail.make({ readAll, notice, poll: Duration.infinity, page })

  return {
    append: (request) =>
      check.append(request).pipe(
        Effect.zipRight(Ref.modify(ref, (events) => MemoryEvents.append(events, request))),
        Effect.flatMap((answer) =>
          answer._tag === "Refuse"
            ? EventRequest.refusal(location, "append", answer.fault)
            : answer._tag === "Appended" && !answer.repeated
              ? Effect.as(notice.give, answer)
              : Effect.succeed(answer)
        ),
        // events without the notice of them would wait for the next ones
        Effect.uninterruptible
      ),

    version: (aggregateId) =>
      get(check.aggregate("version", aggregateId), (events) => MemoryEvents.version(events, aggregateId)),

    event: (eventId) => get(check.event(eventId), (events) => MemoryEvents.event(events, eventId)),

    read: (aggregateId, page) =>
      get(check.read(aggregateId, page), (events) => MemoryEvents.read(events, aggregateId, page)),

    readAll,

    subscribe: (after = 0) => Stream.unwrap(Effect.as(check.subscribe(after), tail(after))),

    state: (aggregateId) =>
      get(check.aggregate("state", aggregateId), (events) => MemoryEvents.state(events, aggregateId)),

    states: (page) => get(check.ids("states", page), (events) => MemoryEvents.states(events, page)),

    putStates: (rows) =>
      check
        .putStates(rows)
        .pipe(
          Effect.zipRight(Ref.modify(ref, (events) => MemoryEvents.putStates(events, rows))),
          Effect.flatMap(unlessFault("putStates"))
        ),

    dropStates: (prefix) =>
      Effect.zipRight(
        check.dropStates(prefix),
        Ref.modify(ref, (events) => MemoryEvents.dropStates(events, prefix))
      ),

    keepSnapshot: (snapshot) =>
      check
        .keepSnapshot(snapshot)
        .pipe(
          Effect.zipRight(Ref.modify(ref, (events) => MemoryEvents.keepSnapshot(events, snapshot))),
          Effect.flatMap(unlessFault("keepSnapshot"))
        ),

    snapshot: (aggregateId, bound) =>
      get(check.snapshot(aggregateId, bound), (events) => MemoryEvents.snapshot(events, aggregateId, bound)),

    aggregates: (page) => get(check.ids("aggregates", page), (events) => MemoryEvents.aggregates(events, page)),

    prune: (request) =>
      check.prune(request).pipe(
        Effect.zipRight(Ref.modify(ref, (events) => MemoryEvents.prune(events, request))),
        Effect.flatMap((pruned) =>
          typeof pruned === "number" ? Effect.succeed(pruned) : EventRequest.refusal(location, "prune", pruned.fault)
        )
      )
  }
}

/**
 * A store that is empty when it is built and gone with its scope. Subscriptions hear of events as they are appended, and
 * need no clock. Two calls of `layer` are two stores, also in one application.
 *
 * @example
 * ```ts
 * import { EventStore } from "heddle/store/EventStore"
 * import * as EventStoreMemory from "heddle/store/EventStoreMemory"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* EventStore
 *   yield* store.append({
 *     aggregateId: "cart/42",
 *     expected: "noStream",
 *     events: [{ eventId: "e1", eventType: "Added", schemaVersion: 1, payload: '{"item":"tea"}', at: 0 }]
 *   })
 *   return yield* store.read("cart/42", { limit: 10 })
 * }).pipe(Effect.provide(EventStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: { readonly page?: number | undefined }): Layer.Layer<EventStore> =>
  Layer.effect(
    EventStore,
    Effect.zipWith(Ref.make(MemoryEvents.empty), EventTail.notice, (ref, notice) =>
      make(ref, notice, options?.page ?? defaults.page)
    )
  )
