/**
 * Stores that keep current states wrongly.
 */
import { Effect, Option } from "effect"
import type { StateRow } from "heddle/store/EventStore"
import { appending, type Change, everything, type Fault, later, type Store } from "./EventFault.js"

/** Puts a row in the place of any other: no other aggregate may have an id that begins as its own does. */
const replace = (store: Store, row: StateRow) =>
  Effect.zipRight(store.dropStates(row.aggregateId), store.putStates([row]))

/** Puts each row by itself, as it is told to. */
const putting =
  (put: (store: Store, row: StateRow, is: StateRow | undefined) => ReturnType<Store["putStates"]>): Change =>
  (store) => ({
    putStates: (rows) =>
      Effect.forEach(
        rows,
        (row) => Effect.flatMap(store.state(row.aggregateId), (is) => put(store, row, Option.getOrUndefined(is))),
        { discard: true }
      )
  })

const dropping =
  (isDropped: (aggregateId: string, prefix: string) => boolean): Change =>
  (store) => ({
    dropStates: (prefix) =>
      Effect.gen(function* () {
        const rows = yield* store.states({ limit: everything.limit })
        const left = rows.filter(({ aggregateId }) => !isDropped(aggregateId, prefix))
        yield* store.dropStates("")
        yield* store.putStates(left)
        return rows.length - left.length
      })
  })

export const faults: ReadonlyArray<Fault> = [
  {
    fault: "keeps no states with events",
    change: appending(({ state: _, ...request }) => request),
    found: ["current states: a state is replaced by that of the next append"]
  },
  {
    fault: "keeps the first state",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(store.state(request.aggregateId), (is) =>
          store.append(Option.isSome(is) ? { ...request, state: undefined } : request)
        )
    }),
    found: ["current states: a state is replaced by that of the next append"]
  },
  {
    fault: "keeps a state of a higher schema version over that of the next append",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(store.state(request.aggregateId), (is) =>
          store.append(
            Option.isSome(is) && is.value.schemaVersion > (request.state?.schemaVersion ?? 0)
              ? { ...request, state: undefined }
              : request
          )
        )
    }),
    found: ["current states: a state is replaced by that of the next append"]
  },
  {
    fault: "removes the state with events that come without one",
    change: (store) => ({
      append: (request) =>
        Effect.tap(store.append(request), () =>
          request.state === undefined ? store.dropStates(request.aggregateId) : Effect.succeed(0)
        )
    }),
    found: ["current states: a state is replaced by that of the next append"]
  },
  {
    fault: "takes any state for that after the last event",
    change: (store) => ({
      append: ({ state, ...request }) =>
        Effect.flatMap(store.version(request.aggregateId), (version) =>
          store.append({ ...request, state: state && { ...state, sequence: version + request.events.length } })
        )
    }),
    found: ["current states: a state that is not that after the last event"]
  },
  {
    fault: "puts older states in the place of newer ones",
    change: putting(replace),
    found: ["current states: putStates puts what is not older"]
  },
  {
    fault: "puts states of a lower schema version",
    change: putting((store, row, is) => (is?.sequence === row.sequence ? replace(store, row) : store.putStates([row]))),
    found: ["current states: putStates puts what is not older"]
  },
  {
    fault: "keeps a state of a higher schema version over newer ones",
    change: putting((store, row, is) =>
      is !== undefined && is.schemaVersion > row.schemaVersion ? Effect.void : store.putStates([row])
    ),
    found: ["current states: putStates puts what is not older"]
  },
  {
    fault: "keeps a state over another one that is as new",
    change: putting((store, row, is) =>
      is?.sequence === row.sequence && is.schemaVersion === row.schemaVersion ? Effect.void : store.putStates([row])
    ),
    found: ["current states: putStates puts what is not older"]
  },
  {
    fault: "puts no states where there are none",
    change: putting((store, row, is) => (is === undefined ? Effect.void : store.putStates([row]))),
    found: ["current states: putStates puts what is not older", "current states: many rows"]
  },
  {
    fault: "puts 256 states at most",
    change: (store) => ({ putStates: (rows) => store.putStates(rows.slice(0, 256)) }),
    found: ["current states: many rows"]
  },
  {
    fault: "puts states one by one",
    change: putting((store, row) => later(store.putStates([row]))),
    found: [
      "current states: a state that is ahead",
      "at the same time: states that are put or dropped, and events that are deleted, are seen as a whole",
      "at the same time: an interrupted change of states, or deletion"
    ]
  },
  {
    fault: "leaves out the states that are ahead of the events",
    change: (store) => ({
      putStates: (rows) =>
        Effect.flatMap(
          Effect.filter(rows, ({ aggregateId, sequence }) =>
            Effect.map(store.version(aggregateId), (version) => version >= sequence)
          ),
          (rows) => store.putStates(rows)
        )
    }),
    found: ["current states: a state that is ahead"]
  },
  {
    fault: "compares states first, and puts them then",
    change: putting((store, row, is) =>
      is !== undefined && is.sequence > row.sequence ? Effect.void : later(replace(store, row))
    ),
    found: ["at the same time: states that are put do not replace"]
  },
  {
    fault: "drops states whose id is like the prefix",
    change: dropping((id, prefix) => {
      const pattern = prefix
        .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
        .replaceAll("%", ".*")
        .replaceAll("_", ".")
      return new RegExp(`^${pattern}`, "su").test(id)
    }),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "drops states whose id begins with the prefix in another case",
    change: dropping((id, prefix) => id.toLowerCase().startsWith(prefix.toLowerCase())),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "drops states whose id comes after the prefix",
    change: dropping((id, prefix) => id >= prefix),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "drops the state of this id",
    change: dropping((id, prefix) => id === prefix),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "drops no states",
    change: (store) => ({
      dropStates: (prefix) =>
        Effect.map(
          store.states({ limit: everything.limit }),
          (rows) => rows.filter(({ aggregateId }) => aggregateId.startsWith(prefix)).length
        )
    }),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "does not count the states that it drops",
    change: (store) => ({ dropStates: (prefix) => Effect.as(store.dropStates(prefix), 0) }),
    found: ["current states: dropStates removes"]
  },
  {
    fault: "drops states one by one",
    change: (store) => ({
      dropStates: (prefix) =>
        Effect.flatMap(store.states({ limit: everything.limit }), (rows) =>
          Effect.reduce(
            rows.filter(({ aggregateId }) => aggregateId.startsWith(prefix)),
            0,
            (dropped, { aggregateId }) => Effect.map(later(store.dropStates(aggregateId)), (count) => dropped + count)
          )
        )
    }),
    found: [
      "at the same time: states that are put or dropped, and events that are deleted, are seen as a whole",
      "at the same time: an interrupted change of states, or deletion"
    ]
  }
]
