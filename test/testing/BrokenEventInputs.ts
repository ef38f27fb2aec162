/**
 * Stores that take other texts and numbers than they should, or others for those that they are given.
 */
import { Effect, Stream } from "effect"
import type { StateRow } from "heddle/store/EventStore"
import { appending, type Append, type Change, type Fault, giving, type Store } from "./EventFault.js"

const toWellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text))

/** Any text as one that is taken; one that is taken, as it is. */
const mendText = (text: string): string => {
  const well = toWellFormed(text)
  return well === ""
    ? "empty"
    : well === text && new TextEncoder().encode(text).length <= 1000
      ? text
      : well.slice(0, 200)
}

const mendPrefix = (text: string): string => (text === "" ? text : mendText(text))

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return toWellFormed(text) === text
  } catch {
    return false
  }
}

const mendJson = (text: string): string => (isJson(text) ? text : JSON.stringify(toWellFormed(text)))

const mendWhole =
  (least: 0 | 1) =>
  (number: number): number =>
    Number.isSafeInteger(number) && number >= least ? number : least

const [from0, from1] = [mendWhole(0), mendWhole(1)]

const mendTime = (time: number): number => (Number.isFinite(time) ? time : 0)

const mendRow = <Row extends Omit<StateRow, "aggregateId">>(row: Row): Row => ({
  ...row,
  sequence: from1(row.sequence),
  schemaVersion: from1(row.schemaVersion)
})

const events = (f: (event: Append["events"][number]) => Append["events"][number]): Change =>
  appending((request) => ({ ...request, events: request.events.map(f) }))

/** By what they take. */
const texts: { readonly [what: string]: Change } = {
  "aggregate ids of events": appending((request) => ({ ...request, aggregateId: mendText(request.aggregateId) })),
  "event ids": events((event) => ({ ...event, eventId: mendText(event.eventId) })),
  "event types": events((event) => ({ ...event, eventType: mendText(event.eventType) })),
  "aggregate ids of versions": (store) => ({ version: (id) => store.version(mendText(id)) }),
  "event ids to look for": (store) => ({ event: (id) => store.event(mendText(id)) }),
  "aggregate ids to read": (store) => ({ read: (id, page) => store.read(mendText(id), page) }),
  "aggregate ids of states": (store) => ({ state: (id) => store.state(mendText(id)) }),
  "aggregate ids of states to put": (store) => ({
    putStates: (rows) => store.putStates(rows.filter(({ aggregateId }) => aggregateId === mendText(aggregateId)))
  }),
  "ids after which to list states": (store) => ({
    states: ({ after = "", limit }) => store.states({ after: mendPrefix(after), limit })
  }),
  "ids after which to list aggregates": (store) => ({
    aggregates: ({ after = "", limit }) => store.aggregates({ after: mendPrefix(after), limit })
  }),
  "prefixes of states to drop": (store) => ({ dropStates: (prefix) => store.dropStates(mendPrefix(prefix)) }),
  "aggregate ids of snapshots to keep": (store) => ({
    keepSnapshot: (row) => (row.aggregateId === mendText(row.aggregateId) ? store.keepSnapshot(row) : Effect.void)
  }),
  "aggregate ids of snapshots": (store) => ({ snapshot: (id, bound) => store.snapshot(mendText(id), bound) }),
  "aggregate ids of events to delete": (store) => ({
    prune: (request) =>
      request.aggregateId === mendText(request.aggregateId) ? store.prune(request) : Effect.succeed(0)
  })
}

const json: { readonly [what: string]: Change } = {
  payloads: events((event) => ({ ...event, payload: mendJson(event.payload) })),
  "states of events": appending(({ state, ...request }) => ({
    ...request,
    state: state && { ...state, state: mendJson(state.state) }
  })),
  "states to put": (store) => ({
    putStates: (rows) => store.putStates(rows.map((row) => ({ ...row, state: mendJson(row.state) })))
  }),
  snapshots: (store) => ({ keepSnapshot: (row) => store.keepSnapshot({ ...row, state: mendJson(row.state) }) })
}

const numbers: { readonly [what: string]: Change } = {
  "versions to expect": appending(({ expected, ...request }) => ({
    ...request,
    expected: typeof expected === "number" ? from0(expected) : expected
  })),
  "schema versions of events": events((event) => ({ ...event, schemaVersion: from1(event.schemaVersion) })),
  "times of events": events((event) => ({ ...event, at: mendTime(event.at) })),
  "numbers of the states of events": appending(({ state, ...request }) => ({
    ...request,
    state: state && mendRow(state)
  })),
  "sequences to read after": (store) => ({
    read: (id, { after = 0, limit }) => store.read(id, { after: from0(after), limit })
  }),
  "limits to read": (store) => ({ read: (id, { limit, ...page }) => store.read(id, { ...page, limit: from0(limit) }) }),
  "positions to read after": (store) => ({
    readAll: ({ after = 0, limit }) => store.readAll({ after: from0(after), limit })
  }),
  "limits to read all": (store) => ({
    readAll: ({ limit, ...page }) => store.readAll({ ...page, limit: from0(limit) })
  }),
  "positions to subscribe after": (store) => ({
    subscribe: (after = 0) => (from0(after) === after ? store.subscribe(after) : Stream.empty)
  }),
  "limits of states": (store) => ({ states: ({ limit, ...page }) => store.states({ ...page, limit: from0(limit) }) }),
  "numbers of states to put": (store) => ({ putStates: (rows) => store.putStates(rows.map(mendRow)) }),
  "numbers of snapshots to keep": (store) => ({ keepSnapshot: (row) => store.keepSnapshot(mendRow(row)) }),
  "times of snapshots to keep": (store) => ({
    keepSnapshot: (row) => store.keepSnapshot({ ...row, at: mendTime(row.at) })
  }),
  "sequences of snapshots": (store) => ({
    snapshot: (id, { sequence, ...bound }) => store.snapshot(id, { ...bound, sequence: from0(sequence) })
  }),
  "times of snapshots": (store) => ({
    snapshot: (id, { until = 0, ...bound }) => store.snapshot(id, { ...bound, until: mendTime(until) })
  }),
  "limits of aggregates": (store) => ({
    aggregates: ({ limit, ...page }) => store.aggregates({ ...page, limit: from0(limit) })
  }),
  "sequences to delete up to": (store) => ({
    prune: ({ aggregateId, upTo }) => store.prune({ aggregateId, upTo: from0(upTo) })
  })
}

const taking = (what: string, changes: { readonly [what: string]: Change }, found: string): ReadonlyArray<Fault> =>
  Object.entries(changes).map(([of, change]) => ({ fault: `takes ${what} for ${of}`, change, found: [found] }))

/** Calls the store below with other ids and types. */
const names =
  (f: (text: string) => string): Change =>
  (store) => ({
    append: (request) =>
      store.append({
        ...request,
        aggregateId: f(request.aggregateId),
        events: request.events.map((event) => ({ ...event, eventId: f(event.eventId), eventType: f(event.eventType) }))
      }),
    version: (id) => store.version(f(id)),
    event: (id) => store.event(f(id)),
    read: (id, page) => store.read(f(id), page),
    state: (id) => store.state(f(id)),
    putStates: (rows) => store.putStates(rows.map((row) => ({ ...row, aggregateId: f(row.aggregateId) }))),
    keepSnapshot: (row) => store.keepSnapshot({ ...row, aggregateId: f(row.aggregateId) }),
    snapshot: (id, bound) => store.snapshot(f(id), bound),
    prune: (request) => store.prune({ ...request, aggregateId: f(request.aggregateId) })
  })

const kept = (what: string, f: (text: string) => string): Fault => ({
  fault: what,
  change: names(f),
  found: ["texts and numbers: ids and types of any text"]
})

const valueOf = (text: string): string => JSON.stringify(JSON.parse(text))

const cut = (text: string): string => (text.length > 1_000_000 ? '"cut"' : text)

const states = (f: (text: string) => string): Change =>
  appending(({ state, ...request }) => ({ ...request, state: state && { ...state, state: f(state.state) } }))

const snapshots =
  (f: (text: string) => string): Change =>
  (store) => ({ keepSnapshot: (row) => store.keepSnapshot({ ...row, state: f(row.state) }) })

export const faults: ReadonlyArray<Fault> = [
  ...taking("any text", texts, "texts and numbers: other texts"),
  ...taking("any text", json, "texts and numbers: what is no JSON text"),
  ...taking("any number", numbers, "texts and numbers: other numbers"),
  kept("does not tell texts apart that differ in case", (text) => text.toLowerCase()),
  kept("ends texts at a NUL", (text) => text.split("\u0000")[0]! || text),
  kept("trims texts", (text) => text.trim() || text),
  kept("normalizes texts", (text) => text.normalize("NFC")),
  kept("cuts long texts off", (text) => (text.length <= 1000 ? text.slice(0, 999) : text)),
  {
    fault: "cuts long event types off",
    change: events((event) => ({ ...event, eventType: event.eventType.slice(0, 254) })),
    found: ["texts and numbers: ids and types of any text"]
  },
  {
    fault: "keeps payloads as values",
    change: events((event) => ({ ...event, payload: isJson(event.payload) ? valueOf(event.payload) : event.payload })),
    found: ["texts and numbers: payloads and states"]
  },
  { fault: "keeps states as values", change: states(valueOf), found: ["texts and numbers: payloads and states"] },
  { fault: "keeps snapshots as values", change: snapshots(valueOf), found: ["texts and numbers: payloads and states"] },
  {
    fault: "mends the surrogates that payloads escape",
    change: giving((event) => ({ ...event, payload: event.payload.replace("\\ud83d", "\\ufffd") })),
    found: ["texts and numbers: payloads and states"]
  },
  {
    fault: "cuts large payloads off",
    change: giving((event) => ({ ...event, payload: cut(event.payload) })),
    found: ["texts and numbers: a payload may have 10 MB"]
  },
  { fault: "cuts large states off", change: states(cut), found: ["texts and numbers: a payload may have 10 MB"] },
  { fault: "cuts large snapshots off", change: snapshots(cut), found: ["texts and numbers: a payload may have 10 MB"] },
  {
    fault: "appends no events",
    change: (store: Store) => ({
      append: (request) =>
        request.events.length > 0
          ? store.append(request)
          : Effect.map(store.version(request.aggregateId), (version) => ({
              _tag: "Appended",
              first: version + 1,
              version,
              repeated: false
            }))
    }),
    found: ["texts and numbers: no events"]
  }
]
