/**
 * Stores that append events wrongly, or keep others than those.
 */
import { Array, Effect, Option } from "effect"
import {
  appending,
  type Change,
  type Fault,
  giving,
  later,
  marked,
  marking,
  type Store,
  whereStored
} from "./EventFault.js"

const answering =
  (f: (answer: Effect.Effect.Success<ReturnType<Store["append"]>>) => typeof answer): Change =>
  (store) => ({ append: (request) => Effect.map(store.append(request), f) })

/** Expects another version than it was asked to, once it knows that of the aggregate. */
const expecting =
  (isAny: (expected: number, version: number) => boolean): Change =>
  (store) => ({
    append: (request) =>
      Effect.flatMap(store.version(request.aggregateId), (version) =>
        store.append(
          typeof request.expected === "number" && isAny(request.expected, version)
            ? { ...request, expected: "any" }
            : request
        )
      )
  })

const storedOf = (store: Store, ids: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(ids, (id) => store.event(id)),
    Array.getSomes
  )

const conflicts: ReadonlyArray<Fault> = [
  {
    fault: "ignores the version that is expected",
    change: appending((request) => ({ ...request, expected: "any" })),
    found: ["append and read: another version is a conflict", "any operations"]
  },
  {
    fault: "takes noStream for any version",
    change: appending(({ expected, ...request }) => ({
      ...request,
      expected: expected === "noStream" ? "any" : expected
    })),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "takes 0 for any version",
    change: appending(({ expected, ...request }) => ({ ...request, expected: expected === 0 ? "any" : expected })),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "takes a version that the aggregate has had",
    change: expecting((expected, version) => expected < version),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "takes a version that the aggregate has not had yet",
    change: expecting((expected, version) => expected > version),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "takes any version for none",
    change: appending(({ expected, ...request }) => ({
      ...request,
      expected: expected === "any" ? "noStream" : expected
    })),
    found: ["append and read: an append goes on"]
  },
  {
    fault: "tells the version that was expected with a conflict",
    change: (store) => ({
      append: (request) =>
        Effect.map(store.append(request), (answer) =>
          answer._tag === "Conflict" && typeof request.expected === "number"
            ? { ...answer, version: request.expected }
            : answer
        )
    }),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "puts the state of what it does not append",
    change: (store) => ({
      append: (request) =>
        Effect.tap(store.append(request), (answer) =>
          answer._tag === "Conflict" && answer.version > 0 && request.state !== undefined
            ? store.putStates([{ ...request.state, aggregateId: request.aggregateId, sequence: answer.version }])
            : Effect.void
        )
    }),
    found: ["append and read: another version is a conflict"]
  },
  {
    fault: "remembers the ids of what it does not append",
    change: (store) => {
      const refused = new Set<string>()
      return {
        append: (request) => {
          const eventId = request.events.map(({ eventId }) => eventId).find((id) => refused.has(id))
          if (eventId !== undefined) return Effect.succeed({ _tag: "EventIdTaken", eventId })
          return Effect.tap(store.append(request), ({ _tag }) => {
            if (_tag === "Conflict") for (const { eventId } of request.events) refused.add(eventId)
          })
        }
      }
    },
    found: ["repeated event ids: what a conflict did not append"]
  }
]

const numbers: ReadonlyArray<Fault> = [
  {
    fault: "tells the last event for the first that it has appended",
    change: answering((answer) => (answer._tag === "Appended" ? { ...answer, first: answer.version } : answer)),
    found: ["append and read: an append goes on"]
  },
  {
    fault: "tells how many it has appended for the version",
    change: answering((answer) =>
      answer._tag === "Appended" ? { ...answer, version: answer.version - answer.first + 1 } : answer
    ),
    found: ["append and read: an append goes on"]
  },
  {
    fault: "numbers the events of an aggregate from 0 on",
    change: giving((event) => ({ ...event, sequence: event.sequence - 1 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "leaves gaps between the numbers of an aggregate",
    change: giving((event) => ({ ...event, sequence: 2 * event.sequence - 1 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has one number for all aggregates",
    change: giving((event) => ({ ...event, sequence: event.position })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has positions of each aggregate by itself",
    change: giving((event) => ({ ...event, position: event.sequence })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has positions that do not grow",
    change: giving((event) => ({ ...event, position: 1_000_000 - event.position })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has the position 0",
    change: giving((event) => ({ ...event, position: event.position - 1 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has positions that are not whole",
    change: giving((event) => ({ ...event, position: event.position / 2 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "has one type for all",
    change: giving((event) => ({ ...event, eventType: "Event" })),
    found: ["append and read: events come back"]
  },
  {
    fault: "keeps no schema versions",
    change: giving((event) => ({ ...event, schemaVersion: 1 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "keeps whole milliseconds",
    change: giving((event) => ({ ...event, at: Math.round(event.at) })),
    found: ["append and read: events come back"]
  },
  {
    fault: "gives more than there is of an event",
    change: giving((event) => ({ ...event, partition: 0 })),
    found: ["append and read: events come back"]
  },
  {
    fault: "appends 512 events at most",
    change: appending((request) => ({ ...request, events: request.events.slice(0, 512) })),
    found: ["append and read: many events"]
  }
]

const repetitions: ReadonlyArray<Fault> = [
  {
    fault: "appends again what was appended before",
    change: (store) => {
      let count = 0
      return {
        ...marked(store),
        append: (request) =>
          Effect.flatMap(
            storedOf(
              store,
              request.events.map(({ eventId }) => eventId)
            ),
            (stored) =>
              store.append(
                stored.length === request.events.length
                  ? { ...request, events: request.events.map((event) => marking(event, ++count)) }
                  : request
              )
          )
      }
    },
    found: ["repeated event ids: events that were all appended"]
  },
  {
    fault: "tells of what was appended before as of something new",
    change: answering((answer) => (answer._tag === "Appended" ? { ...answer, repeated: false } : answer)),
    found: ["repeated event ids: events that were all appended"]
  },
  {
    fault: "tells of what was appended before as of a conflict",
    change: answering((answer) =>
      answer._tag === "Appended" && answer.repeated ? { _tag: "Conflict", version: answer.version } : answer
    ),
    found: ["repeated event ids: events that were all appended"]
  },
  {
    fault: "looks at the version before it looks at ids",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(store.version(request.aggregateId), (version) =>
          request.expected === "any" || version === (request.expected === "noStream" ? 0 : request.expected)
            ? store.append(request)
            : Effect.succeed({ _tag: "Conflict", version })
        )
    }),
    found: [
      "repeated event ids: events that were all appended",
      "repeated event ids: the id of another event is taken, before"
    ]
  },
  {
    fault: "puts the state of what was appended before",
    change: (store) => ({
      append: (request) =>
        Effect.tap(store.append(request), (answer) =>
          answer._tag === "Appended" && answer.repeated && request.state !== undefined
            ? store.putStates([{ ...request.state, aggregateId: request.aggregateId }])
            : Effect.void
        )
    }),
    found: ["repeated event ids: events that were all appended"]
  },
  {
    fault: "takes the time of an event for a part of it",
    change: whereStored((event, { at }) => (event.at === at ? event : { ...event, eventType: "of another time" })),
    found: ["repeated event ids: events that were all appended"]
  },
  {
    fault: "does not compare types",
    change: whereStored((event, { eventType }) => ({ ...event, eventType })),
    found: ["repeated event ids: the id of another event"]
  },
  {
    fault: "does not compare schema versions",
    change: whereStored((event, { schemaVersion }) => ({ ...event, schemaVersion })),
    found: ["repeated event ids: the id of another event"]
  },
  {
    fault: "does not compare payloads",
    change: whereStored((event, { payload }) => ({ ...event, payload })),
    found: ["repeated event ids: the id of another event", "any operations"]
  },
  {
    fault: "compares payloads as values",
    change: whereStored((event, { payload }) =>
      JSON.stringify(JSON.parse(event.payload)) === JSON.stringify(JSON.parse(payload)) ? { ...event, payload } : event
    ),
    found: ["repeated event ids: the id of another event"]
  },
  {
    fault: "knows the ids of each aggregate by themselves",
    change: (store) => ({
      ...marked(store),
      append: (request) =>
        Effect.map(
          store.append({ ...request, events: request.events.map((event) => marking(event, request.aggregateId)) }),
          (answer) =>
            answer._tag === "EventIdTaken" ? { ...answer, eventId: answer.eventId.split("\u0001")[0]! } : answer
        )
    }),
    found: ["repeated event ids: the id of another event", "at the same time: one append wins of those with the same"]
  },
  {
    fault: "does not compare the order",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(
          storedOf(
            store,
            request.events.map(({ eventId }) => eventId)
          ),
          (stored) => {
            const order = stored.sort((a, b) => a.position - b.position).map(({ eventId }) => eventId)
            const events = [...request.events].sort((a, b) => order.indexOf(a.eventId) - order.indexOf(b.eventId))
            return store.append(order.length === events.length ? { ...request, events } : request)
          }
        )
    }),
    found: ["repeated event ids: the id of another event"]
  },
  {
    fault: "appends those of some events that are new",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(
          Effect.filter(request.events, ({ eventId }) => Effect.map(store.event(eventId), Option.isNone)),
          (events) => store.append(events.length > 0 ? { ...request, events } : request)
        )
    }),
    found: ["repeated event ids: events of which only some"]
  },
  {
    fault: "does not look at what lies between the events of a repetition",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(
          storedOf(
            store,
            request.events.map(({ eventId }) => eventId)
          ),
          (stored) => {
            const sequences = stored.map(({ sequence }) => sequence)
            return stored.length === request.events.length &&
              new Set(sequences).size === sequences.length &&
              sequences.every((sequence, i) => i === 0 || sequence > sequences[i - 1]!)
              ? Effect.succeed({
                  _tag: "Appended",
                  first: sequences[0]!,
                  version: sequences[sequences.length - 1]!,
                  repeated: true
                })
              : store.append(request)
          }
        )
    }),
    found: ["repeated event ids: events of which only some"]
  },
  {
    fault: "appends only the first of those of a request with the same id",
    change: appending((request) => ({
      ...request,
      events: Array.dedupeWith(request.events, (a, b) => a.eventId === b.eventId)
    })),
    found: ["repeated event ids: an id is not taken twice"]
  },
  {
    fault: "appends all of those of a request with the same id",
    change: (store) => ({
      ...marked(store),
      ...appending((request) => ({
        ...request,
        events: request.events.map((event, i) =>
          request.events.findIndex(({ eventId }) => eventId === event.eventId) < i ? marking(event, i) : event
        )
      }))(store)
    }),
    found: ["repeated event ids: an id is not taken twice"]
  }
]

const races: ReadonlyArray<Fault> = [
  {
    fault: "asks for the version, and appends then",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(store.version(request.aggregateId), (version) =>
          request.expected === "any" || version === (request.expected === "noStream" ? 0 : request.expected)
            ? later(store.append({ ...request, expected: "any", state: undefined }))
            : store.append(request)
        )
    }),
    found: ["at the same time: one append wins of those that expect"]
  },
  {
    fault: "looks for ids, and appends then",
    change: (store) => {
      let count = 0
      return {
        ...marked(store),
        append: (request) =>
          Effect.flatMap(store.readAll({ limit: 100 }), (events) =>
            events.some(({ eventId }) => eventId.split("\u0001")[0] === request.events[0]?.eventId)
              ? Effect.succeed({ _tag: "EventIdTaken", eventId: request.events[0]!.eventId })
              : later(store.append({ ...request, events: request.events.map((event) => marking(event, count++)) }))
          )
      }
    },
    found: ["at the same time: one append wins of those with the same"]
  },
  {
    fault: "appends nothing while it appends something else",
    change: (store) => {
      let busy = false
      return {
        append: (request) =>
          Effect.suspend(() => {
            if (busy)
              return Effect.map(store.version(request.aggregateId), (version) => ({ _tag: "Conflict", version }))
            busy = true
            return Effect.ensuring(
              later(store.append(request)),
              Effect.sync(() => (busy = false))
            )
          })
      }
    },
    found: ["at the same time: all are appended"]
  },
  {
    fault: "appends the events of a request one by one",
    change: (store) => ({
      append: ({ events, state, ...request }) => {
        const [first, ...others] = events
        return Effect.flatMap(store.append({ ...request, events: first === undefined ? [] : [first] }), (answer) => {
          const { aggregateId } = request
          if (answer._tag !== "Appended" || answer.repeated) return Effect.succeed(answer)
          const rest = Effect.forEach(others, (event) =>
            later(store.append({ aggregateId, expected: "any", events: [event] }))
          )
          return rest.pipe(
            Effect.zipRight(state === undefined ? Effect.void : store.putStates([{ ...state, aggregateId }])),
            Effect.as({ ...answer, version: answer.first + others.length })
          )
        })
      }
    }),
    found: [
      "at the same time: all are appended",
      "at the same time: an append is seen as a whole",
      "at the same time: an interrupted append"
    ]
  },
  {
    fault: "puts the state in a transaction of its own",
    change: (store) => ({
      append: ({ state, ...request }) =>
        Effect.tap(store.append(request), (answer) =>
          answer._tag === "Appended" && !answer.repeated && state !== undefined
            ? later(store.putStates([{ ...state, aggregateId: request.aggregateId }]))
            : Effect.void
        )
    }),
    found: ["at the same time: an append is seen as a whole", "at the same time: an interrupted append"]
  },
  {
    fault: "appends the events of a state that it refuses",
    change: (store) => ({
      append: (request) =>
        Effect.tapError(store.append(request), () => Effect.ignore(store.append({ ...request, state: undefined })))
    }),
    found: ["current states: a state that is not that after the last event"]
  },
  {
    fault: "appends in the background, and says so at once",
    change: (store) => ({
      append: (request) =>
        Effect.flatMap(store.version(request.aggregateId), (version) =>
          Effect.as(Effect.forkDaemon(later(later(store.append(request)))), {
            _tag: "Appended",
            first: version + 1,
            version: version + request.events.length,
            repeated: false
          })
        )
    }),
    found: ["append and read: events come back", "at the same time: an interrupted append"]
  }
]

export const faults = [...conflicts, ...numbers, ...repetitions, ...races]
