/**
 * Stores that read, list or subscribe wrongly.
 */
import { Array, Chunk, Effect, Option, Order, Stream } from "effect"
import type { EventPage, StoredEvent } from "heddle/store/EventStore"
import { type Change, everything, type Fault, later, type Store } from "./EventFault.js"

/** Asks for other pages of events. */
const paging =
  (f: (page: EventPage) => EventPage): Change =>
  (store) => ({ read: (id, page) => store.read(id, f(page)), readAll: (page) => store.readAll(f(page)) })

const ordering =
  (order: Order.Order<StoredEvent>): Change =>
  (store) => ({
    read: (id, { after = 0, limit }) =>
      Effect.map(store.read(id, { after, limit }), (events) => Array.sort(events, order)),
    readAll: ({ after = 0, limit }) =>
      Effect.map(store.readAll(everything), (events) =>
        Array.sort(
          events.filter(({ position }) => position > after),
          order
        ).slice(0, limit)
      )
  })

interface Ids {
  readonly after?: string | undefined
  readonly limit: number
}

/** Asks for other pages of aggregates and of states. */
const listing =
  (f: (page: Ids) => Ids): Change =>
  (store) => ({ aggregates: (page) => store.aggregates(f(page)), states: (page) => store.states(f(page)) })

const listed = ["append and read: the aggregates are listed", "current states: they are listed"]

const reads: ReadonlyArray<Fault> = [
  {
    fault: "has the aggregates that it was asked for",
    change: (store) => {
      const asked = new Set<string>()
      return {
        version: (id) => Effect.tap(store.version(id), () => Effect.sync(() => asked.add(id))),
        aggregates: (page) =>
          Effect.map(store.aggregates(page), (ids) => Array.dedupe([...ids, ...asked]).slice(0, page.limit))
      }
    },
    found: ["append and read: nothing is there"]
  },
  {
    fault: "finds no event by its id",
    change: () => ({ event: () => Effect.succeedNone }),
    found: ["append and read: events come back"]
  },
  {
    fault: "finds another event by its id",
    change: (store) => ({
      event: (id) => Effect.map(Effect.zipRight(store.event(id), store.readAll(everything)), Array.head)
    }),
    found: ["append and read: events come back"]
  },
  {
    fault: "reads the last events first",
    change: ordering(Order.mapInput(Order.reverse(Order.number), ({ position }) => position)),
    found: ["append and read: events come back", "append and read: pages go on"]
  },
  {
    fault: "reads all events by aggregate",
    change: ordering(Order.mapInput(Order.string, ({ aggregateId }) => aggregateId)),
    found: ["append and read: events come back", "append and read: pages go on"]
  },
  {
    fault: "reads events by their time",
    change: ordering(Order.mapInput(Order.number, ({ at }) => at)),
    found: ["append and read: events come back"]
  },
  {
    fault: "reads 512 events at most",
    change: paging(({ limit, ...page }) => ({ ...page, limit: Math.min(limit, 512) })),
    found: ["append and read: many events"]
  },
  {
    fault: "reads 512 events of all at most",
    change: (store) => ({ readAll: ({ limit, ...page }) => store.readAll({ ...page, limit: Math.min(limit, 512) }) }),
    found: ["append and read: many events"]
  },
  {
    fault: "begins with the event after which to read",
    change: paging(({ after = 0, limit }) => ({ after: Math.max(0, after - 1), limit })),
    found: ["append and read: pages go on"]
  },
  {
    fault: "leaves out an event between two pages",
    change: paging(({ after = 0, limit }) => ({ after: after === 0 ? 0 : Math.min(after + 1, 2 ** 50), limit })),
    found: ["append and read: pages go on"]
  },
  {
    fault: "reads one more than were asked for",
    change: paging(({ limit, ...page }) => ({ ...page, limit: Math.min(limit + 1, 2 ** 50) })),
    found: ["append and read: pages go on"]
  },
  {
    fault: "takes a limit of 0 for none",
    change: paging(({ limit, ...page }) => ({ ...page, limit: limit === 0 ? 1000 : limit })),
    found: ["append and read: pages go on"]
  },
  {
    fault: "gives the last event again when there are no more",
    change: (store) => ({
      read: (id, page) =>
        Effect.flatMap(store.read(id, page), (events) =>
          events.length === 0 && page.limit > 0
            ? Effect.map(store.read(id, everything), (all) => all.slice(-1))
            : Effect.succeed(events)
        )
    }),
    found: ["append and read: pages go on"]
  },
  {
    fault: "begins anew after the last event of all",
    change: (store) => ({
      readAll: ({ after = 0, limit }) =>
        Effect.flatMap(store.readAll({ after, limit }), (events) =>
          events.length === 0 && after >= 2 ** 50 ? store.readAll({ limit }) : Effect.succeed(events)
        )
    }),
    found: ["append and read: pages go on"]
  },
  {
    fault: "lists in the order of UTF-16",
    change: (store) => ({
      aggregates: ({ after = "", limit }) =>
        Effect.map(store.aggregates({ limit: everything.limit }), (ids) =>
          [...ids]
            .sort()
            .filter((id) => id > after)
            .slice(0, limit)
        ),
      states: ({ after = "", limit }) =>
        Effect.map(store.states({ limit: everything.limit }), (rows) =>
          Array.sort(
            rows,
            Order.mapInput(Order.string, ({ aggregateId }: { readonly aggregateId: string }) => aggregateId)
          )
            .filter(({ aggregateId }) => aggregateId > after)
            .slice(0, limit)
        )
    }),
    found: listed
  },
  {
    fault: "lists without regard to what it is to begin after",
    change: listing(({ limit }) => ({ limit })),
    found: listed
  },
  {
    fault: "lists what it is to begin after, too",
    change: (store) => ({
      aggregates: ({ after = "", limit }) =>
        Effect.flatMap(store.aggregates({ after, limit }), (ids) =>
          Effect.map(after === "" ? Effect.succeed(0) : store.version(after), (version) =>
            (version > 0 ? [after, ...ids] : ids).slice(0, limit)
          )
        ),
      states: ({ after = "", limit }) =>
        Effect.flatMap(store.states({ after, limit }), (rows) =>
          Effect.map(after === "" ? Effect.succeedNone : store.state(after), (row) =>
            [...Option.toArray(row), ...rows].slice(0, limit)
          )
        )
    }),
    found: listed
  },
  {
    fault: "lists one more than were asked for",
    change: listing(({ limit, ...page }) => ({ ...page, limit: limit < 1000 ? limit + 1 : limit })),
    found: listed
  },
  {
    fault: "reads a page in two halves",
    change: (store) => {
      const inHalves =
        (numberOf: (event: StoredEvent) => number, read: (page: EventPage) => ReturnType<Store["readAll"]>) =>
        ({ after = 0, limit }: EventPage) =>
          Effect.flatMap(read({ after, limit: Math.min(limit, 5) }), (some) => {
            const last = some[some.length - 1]
            return last === undefined || limit <= 5
              ? Effect.succeed(some)
              : Effect.map(later(read({ after: numberOf(last), limit: limit - 5 })), (others) => [...some, ...others])
          })
      return {
        read: (id, page) =>
          inHalves(
            ({ sequence }) => sequence,
            (half) => store.read(id, half)
          )(page)
      }
    },
    found: ["at the same time: states that are put or dropped, and events that are deleted, are seen as a whole"]
  }
]

const subscribing =
  (f: (subscribe: Store["subscribe"], store: Store) => Store["subscribe"]): Change =>
  (store) => ({ subscribe: f(store.subscribe, store) })

const subscriptions: ReadonlyArray<Fault> = [
  {
    fault: "begins subscriptions at the first event",
    change: subscribing((subscribe) => () => subscribe(0)),
    found: ["subscribe: gives the events of all aggregates after a position"]
  },
  {
    fault: "begins subscriptions at the position itself",
    change: subscribing(
      (subscribe) =>
        (after = 0) =>
          subscribe(Math.max(0, after - 1))
    ),
    found: ["subscribe: gives the events of all aggregates after a position"]
  },
  {
    fault: "begins subscriptions with what comes next",
    change: subscribing(
      (subscribe, store) => () =>
        Stream.unwrap(
          Effect.map(store.readAll(everything), (events) => subscribe(events[events.length - 1]?.position ?? 0))
        )
    ),
    found: ["subscribe: gives the events of all aggregates after a position"]
  },
  {
    fault: "begins subscriptions anywhere with what comes next",
    change: subscribing(
      (subscribe, store) =>
        (after = 0) =>
          Stream.unwrap(
            Effect.map(store.readAll(everything), (events) =>
              subscribe(Math.min(after, events[events.length - 1]?.position ?? 0))
            )
          )
    ),
    found: ["subscribe: waits after a position that is not there yet"]
  },
  {
    fault: "gives the events of one aggregate",
    change: subscribing(
      (subscribe) => (after) => Stream.filter(subscribe(after), ({ aggregateId }) => aggregateId === "a")
    ),
    found: ["subscribe: gives the events of all aggregates after a position"]
  },
  {
    fault: "gives events by aggregate",
    change: subscribing(
      (subscribe) => (after) =>
        Stream.mapChunks(
          subscribe(after),
          Chunk.sort(Order.mapInput(Order.string, ({ aggregateId }: StoredEvent) => aggregateId))
        )
    ),
    found: ["subscribe: gives the events of all aggregates after a position"]
  },
  {
    fault: "ends subscriptions after what is there",
    change: subscribing(
      (_, store) =>
        (after = 0) =>
          Stream.unwrap(Effect.map(store.readAll({ after, limit: everything.limit }), Stream.fromIterable))
    ),
    found: ["subscribe: goes on with what is appended", "subscribe: waits after a position that is not there yet"]
  },
  {
    fault: "gives nothing of what comes later",
    change: subscribing(
      (_, store) =>
        (after = 0) =>
          Stream.concat(
            Stream.unwrap(Effect.map(store.readAll({ after, limit: everything.limit }), Stream.fromIterable)),
            Stream.never
          )
    ),
    found: ["subscribe: goes on with what is appended"]
  },
  {
    fault: "leaves out an event between two pages of a subscription",
    change: subscribing(
      (subscribe) => (after) =>
        Stream.zipWithIndex(subscribe(after)).pipe(
          Stream.filter(([_, index]) => index % 100 !== 99),
          Stream.map(([event]) => event)
        )
    ),
    found: ["subscribe: goes on with what is appended"]
  },
  {
    fault: "repeats an event between two pages of a subscription",
    change: subscribing(
      (subscribe) => (after) =>
        Stream.flatMap(Stream.zipWithIndex(subscribe(after)), ([event, index]) =>
          Stream.fromIterable(index % 100 === 99 ? [event, event] : [event])
        )
    ),
    found: ["subscribe: goes on with what is appended"]
  },
  {
    fault: "gives each event to one subscription",
    change: subscribing((subscribe) => {
      const given = new Set<string>()
      return (after) =>
        Stream.filter(subscribe(after), ({ eventId }) => {
          const isFirst = !given.has(eventId)
          given.add(eventId)
          return isFirst
        })
    }),
    found: ["subscribe: gives all of them to each of several"]
  },
  {
    fault: "drops what a slow subscription has not taken",
    change: subscribing(
      (subscribe) => (after) =>
        Stream.rechunk(subscribe(after), 1).pipe(Stream.buffer({ capacity: 2, strategy: "dropping" }))
    ),
    found: ["subscribe: gives all of them to each of several", "subscribe: who is slow holds up nobody"]
  },
  {
    fault: "goes on after what another subscription has read ahead",
    change: subscribing((subscribe) => {
      let read = 0
      return (after = 0) =>
        Stream.suspend(() => subscribe(after === 0 ? 0 : Math.max(after, read))).pipe(
          Stream.chunks,
          Stream.tap((events) => Effect.sync(() => (read = Chunk.unsafeLast(events).position))),
          Stream.flattenChunks
        )
    }),
    found: ["subscribe: goes on where another one was interrupted"]
  },
  {
    fault: "gives subscriptions what was deleted",
    change: (store) => {
      const deleted: globalThis.Array<StoredEvent> = []
      return {
        prune: (request) =>
          Effect.zipRight(
            Effect.map(store.read(request.aggregateId, { limit: request.upTo }), (events) => deleted.push(...events)),
            store.prune(request)
          ),
        subscribe: (after = 0) =>
          Stream.concat(
            Stream.suspend(() => Stream.fromIterable(deleted.filter(({ position }) => position > after))),
            store.subscribe(after)
          )
      }
    },
    found: ["subscribe: leaves out what was deleted"]
  },
  {
    fault: "appends nothing while a subscription is slow",
    change: (store) => {
      const turn = Effect.unsafeMakeSemaphore(1)
      return {
        append: (request) => turn.withPermits(1)(store.append(request)),
        subscribe: (after) =>
          Stream.flatMap(store.subscribe(after), (event) =>
            Stream.as(
              Stream.acquireRelease(turn.take(1), () => turn.release(1)),
              event
            )
          )
      }
    },
    found: ["subscribe: who is slow holds up nobody"]
  },
  {
    fault: "shows events in another order than that of their positions",
    change: (store) => {
      const hidden = new Set<string>()
      let count = 0
      const isSeen = ({ eventId }: StoredEvent) => !hidden.has(eventId)
      return {
        append: (request) =>
          Effect.suspend(() => {
            for (const { eventId } of request.events) hidden.add(eventId)
            return Effect.zipLeft(store.append(request), Effect.repeatN(Effect.yieldNow(), count++ % 3)).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  for (const { eventId } of request.events) hidden.delete(eventId)
                })
              )
            )
          }),
        readAll: (page) => Effect.map(store.readAll(page), (events) => events.filter(isSeen)),
        subscribe: (after) => Stream.filter(store.subscribe(after), isSeen)
      }
    },
    found: ["at the same time: all are appended", "at the same time: an append is seen as a whole"]
  }
]

export const faults = [...reads, ...subscriptions]
