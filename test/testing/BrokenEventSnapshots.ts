/**
 * Stores that keep snapshots wrongly, or delete other events than those in whose place one is.
 */
import { Effect, Option } from "effect"
import type { StoredEvent } from "heddle/store/EventStore"
import { type Change, everything, type Fault, giving, later, type Store } from "./EventFault.js"

type Snapshot = Parameters<Store["keepSnapshot"]>[0]

/** Keeps the snapshots itself. */
const keeping =
  (rules: {
    readonly keep?: (kept: ReadonlyArray<Snapshot>, row: Snapshot) => ReadonlyArray<Snapshot>
    readonly isGiven?: (row: Snapshot, bound: { readonly sequence: number; readonly until: number }) => boolean
    readonly first?: (a: Snapshot, b: Snapshot) => number
    readonly isDeleted?: (row: Snapshot, upTo: number) => boolean
  }): Change =>
  (store) => {
    let kept: ReadonlyArray<Snapshot> = []
    const isOne = (a: Snapshot, b: Snapshot) => a.aggregateId === b.aggregateId && a.sequence === b.sequence
    const keep =
      rules.keep ??
      ((kept, row) => {
        const is = kept.find((one) => isOne(one, row))
        return is !== undefined && is.schemaVersion > row.schemaVersion
          ? kept
          : [row, ...kept.filter((one) => one !== is)]
      })
    const isGiven = rules.isGiven ?? ((row, { sequence, until }) => row.sequence <= sequence && row.at <= until)
    const isDeleted = rules.isDeleted ?? ((row, upTo) => row.sequence < upTo)
    return {
      keepSnapshot: (row) => Effect.map(store.keepSnapshot(row), () => void (kept = keep(kept, row))),
      snapshot: (id, { sequence, until = Infinity }) =>
        Effect.sync(() =>
          Option.fromNullable(
            kept
              .filter((row) => row.aggregateId === id && isGiven(row, { sequence, until }))
              .sort(rules.first ?? ((a, b) => b.sequence - a.sequence))[0]
          )
        ),
      prune: (request) =>
        Effect.tap(store.prune(request), () => {
          kept = kept.filter((row) => row.aggregateId !== request.aggregateId || !isDeleted(row, request.upTo))
        })
    }
  }

const snapshots: ReadonlyArray<Fault> = [
  {
    fault: "keeps no snapshots",
    change: keeping({ keep: (kept) => kept }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "keeps one snapshot of an aggregate",
    change: keeping({ keep: (kept, row) => [row, ...kept.filter((one) => one.aggregateId !== row.aggregateId)] }),
    found: ["snapshots: the last one that is not after the bound", "snapshots: one takes the place of another"]
  },
  {
    fault: "keeps no snapshot that is older than another one",
    change: keeping({
      keep: (kept, row) =>
        kept.some((one) => one.aggregateId === row.aggregateId && one.sequence > row.sequence) ? kept : [row, ...kept]
    }),
    found: ["snapshots: the last one that is not after the bound", "snapshots: one takes the place of another"]
  },
  {
    fault: "gives the snapshot that was kept last",
    change: keeping({ first: () => 0 }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "gives the first snapshot",
    change: keeping({ first: (a, b) => a.sequence - b.sequence }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "gives snapshots that are after the bound",
    change: keeping({ isGiven: (row, { until }) => row.at <= until }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "gives snapshots before the bound, and not at it",
    change: keeping({ isGiven: (row, { sequence, until }) => row.sequence < sequence && row.at <= until }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "gives snapshots of any time",
    change: keeping({ isGiven: (row, { sequence }) => row.sequence <= sequence }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "gives snapshots before a time, and not at it",
    change: keeping({ isGiven: (row, { sequence, until }) => row.sequence <= sequence && row.at < until }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "takes 0 for the time of a snapshot",
    change: (store) => ({ keepSnapshot: (row) => store.keepSnapshot({ ...row, at: 0 }) }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "keeps snapshots as current states",
    change: (store) => ({
      keepSnapshot: (row) =>
        Effect.zipRight(
          store.keepSnapshot(row),
          store.putStates([
            { aggregateId: row.aggregateId, sequence: row.sequence, schemaVersion: 1, state: row.state }
          ])
        )
    }),
    found: ["snapshots: the last one that is not after the bound"]
  },
  {
    fault: "keeps the first snapshot of a sequence",
    change: (store) => ({
      keepSnapshot: (row) =>
        Effect.flatMap(store.snapshot(row.aggregateId, row), (is) =>
          Option.isSome(is) && is.value.sequence === row.sequence && is.value.schemaVersion === row.schemaVersion
            ? Effect.void
            : store.keepSnapshot(row)
        )
    }),
    found: ["snapshots: one takes the place of another"]
  },
  {
    fault: "keeps the last snapshot of a sequence",
    change: keeping({ keep: (kept, row) => [row, ...kept.filter((one) => one.sequence !== row.sequence)] }),
    found: ["snapshots: one takes the place of another"]
  },
  {
    fault: "leaves out snapshots that are ahead of the events",
    change: (store) => ({
      keepSnapshot: (row) =>
        Effect.flatMap(store.version(row.aggregateId), (version) =>
          row.sequence > version ? Effect.void : store.keepSnapshot(row)
        )
    }),
    found: ["snapshots: one that is ahead"]
  }
]

const pruning =
  (
    prune: (
      store: Store,
      request: { readonly aggregateId: string; readonly upTo: number }
    ) => ReturnType<Store["prune"]>
  ): Change =>
  (store) => ({ prune: (request) => prune(store, request) })

const snapshotAt = (aggregateId: string, sequence: number): Snapshot => ({
  aggregateId,
  sequence,
  schemaVersion: 1,
  state: "{}",
  at: 0
})

const deletions: ReadonlyArray<Fault> = [
  {
    fault: "deletes one event too many",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.orElse(store.prune({ aggregateId, upTo: upTo + 1 }), () => store.prune({ aggregateId, upTo }))
    ),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "deletes one event too few",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.zipLeft(store.prune({ aggregateId, upTo: Math.max(0, upTo - 1) }), store.version(aggregateId))
    ),
    found: ["events that are deleted: are those up to a sequence", "events that are deleted: may be all of them"]
  },
  {
    fault: "deletes nothing",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.map(store.read(aggregateId, { limit: upTo }), (events) => events.length)
    ),
    found: ["events that are deleted: are those up to a sequence", "subscribe: leaves out what was deleted"]
  },
  {
    fault: "deletes events of all aggregates",
    change: pruning((store, request) =>
      Effect.tap(store.prune(request), () =>
        Effect.flatMap(store.aggregates({ limit: 100 }), (ids) =>
          Effect.forEach(ids, (aggregateId) =>
            Effect.flatMap(store.version(aggregateId), (version) => {
              const upTo = Math.min(version, request.upTo)
              return upTo === 0 || aggregateId === request.aggregateId
                ? Effect.void
                : Effect.zipRight(store.keepSnapshot(snapshotAt(aggregateId, upTo)), store.prune({ aggregateId, upTo }))
            })
          )
        )
      )
    ),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "does not count what it deletes",
    change: pruning((store, request) => Effect.as(store.prune(request), request.upTo)),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "keeps the snapshots of what it deletes",
    change: keeping({ isDeleted: () => false }),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "deletes the snapshot that takes the place of events",
    change: keeping({ isDeleted: (row, upTo) => row.sequence <= upTo }),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "deletes the state with events",
    change: pruning((store, request) => Effect.zipLeft(store.prune(request), store.dropStates(request.aggregateId))),
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "finds deleted events by their id",
    change: (store) => {
      const deleted = new Map<string, StoredEvent>()
      return {
        prune: (request) =>
          Effect.zipRight(
            Effect.map(store.read(request.aggregateId, { limit: request.upTo }), (events) => {
              for (const event of events) deleted.set(event.eventId, event)
            }),
            store.prune(request)
          ),
        event: (id) =>
          Effect.map(
            store.event(id),
            Option.orElse(() => Option.fromNullable(deleted.get(id)))
          )
      }
    },
    found: ["events that are deleted: are those up to a sequence"]
  },
  {
    fault: "counts the events that are left for the version",
    change: (store) => ({ version: (id) => Effect.map(store.read(id, everything), (events) => events.length) }),
    found: ["events that are deleted: are those up to a sequence", "events that are deleted: may be all of them"]
  },
  {
    fault: "does not list aggregates whose events were all deleted",
    change: (store) => ({
      aggregates: (page) =>
        Effect.flatMap(store.aggregates(page), (ids) =>
          Effect.filter(ids, (id) => Effect.map(store.read(id, { limit: 1 }), (events) => events.length > 0))
        )
    }),
    found: ["events that are deleted: may be all of them"]
  },
  {
    fault: "gives the positions of deleted events again",
    change: (store) => {
      let given = 0
      const events = giving((event) => ({ ...event, position: event.position - given }))(store)
      return {
        ...events,
        readAll: ({ after = 0, limit }) => events.readAll!({ after: Math.min(after + given, 2 ** 50), limit }),
        prune: (request) => Effect.tap(store.prune(request), (deleted) => Effect.sync(() => (given += deleted)))
      }
    },
    found: ["events that are deleted: may be all of them"]
  },
  {
    fault: "deletes events without a snapshot",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.orElse(store.prune({ aggregateId, upTo }), () =>
        Effect.zipRight(
          Effect.ignore(store.keepSnapshot(snapshotAt(aggregateId, upTo))),
          store.prune({ aggregateId, upTo })
        )
      )
    ),
    found: ["events that are deleted: have a snapshot in their place"]
  },
  {
    fault: "deletes events that come after the last snapshot",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.flatMap(store.snapshot(aggregateId, { sequence: upTo }), (is) =>
        Effect.zipRight(
          Effect.ignore(Option.isSome(is) ? store.keepSnapshot(snapshotAt(aggregateId, upTo)) : Effect.void),
          store.prune({ aggregateId, upTo })
        )
      )
    ),
    found: ["events that are deleted: have a snapshot in their place"]
  },
  {
    fault: "deletes events for which another aggregate has a snapshot",
    change: (store) => {
      let last = 0
      return {
        keepSnapshot: (row) =>
          Effect.tap(store.keepSnapshot(row), () => Effect.sync(() => (last = Math.max(last, row.sequence)))),
        prune: (request) =>
          Effect.zipRight(
            request.upTo > 0 && request.upTo <= last
              ? Effect.ignore(store.keepSnapshot(snapshotAt(request.aggregateId, last)))
              : Effect.void,
            store.prune(request)
          )
      }
    },
    found: ["events that are deleted: have a snapshot in their place"]
  },
  {
    fault: "deletes only up to a snapshot",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.flatMap(store.snapshot(aggregateId, { sequence: upTo }), (is) =>
        Effect.flatMap(store.snapshot(aggregateId, { sequence: 2 ** 50 }), (last) =>
          Option.isSome(is) || Option.isNone(last) || last.value.sequence < upTo
            ? store.prune({ aggregateId, upTo })
            : Effect.succeed(0)
        )
      )
    ),
    found: ["events that are deleted: have a snapshot in their place"]
  },
  {
    fault: "takes the ids of deleted events for those of others",
    change: (store) => {
      const deleted = new Set<string>()
      return {
        prune: (request) =>
          Effect.zipRight(
            Effect.map(store.read(request.aggregateId, { limit: request.upTo }), (events) => {
              for (const { eventId } of events) deleted.add(eventId)
            }),
            store.prune(request)
          ),
        append: (request) => {
          const eventId = request.events.map(({ eventId }) => eventId).find((id) => deleted.has(id))
          return eventId === undefined ? store.append(request) : Effect.succeed({ _tag: "EventIdTaken", eventId })
        }
      }
    },
    found: ["events that are deleted: free their ids"]
  },
  {
    fault: "deletes events one by one",
    change: pruning((store, { aggregateId, upTo }) =>
      Effect.flatMap(store.read(aggregateId, { limit: everything.limit }), (events) =>
        Effect.reduce(
          events.filter(({ sequence }) => sequence <= upTo),
          0,
          (deleted, { sequence }) =>
            Effect.map(later(store.prune({ aggregateId, upTo: sequence })), (count) => deleted + count)
        )
      )
    ),
    found: [
      "at the same time: states that are put or dropped, and events that are deleted, are seen as a whole",
      "at the same time: an interrupted change of states, or deletion"
    ]
  }
]

export const faults = [...snapshots, ...deletions]
