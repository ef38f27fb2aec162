/**
 * Which requests an `EventStore` takes: the same ones on every backend. Each check fails with a `StoreError` (`failed`) that
 * names what is wrong, and a store makes it before anything else.
 */
import { isWellFormed } from "../../model/CanonicalJson.js"
import type { EventPage, NewEvent, StateRow } from "../EventStore.js"
import { type Fault, faultOfName, faultOfPrefix, shown, unless } from "./PlainText.js"

export { refusal, shown } from "./PlainText.js"

const faultOfNumber = (what: string, number: number, least: 0 | 1): Fault =>
  Number.isSafeInteger(number) && number >= least
    ? undefined
    : `the ${what} is ${number}: give a whole number of at least ${least}`

const faultOfTime = (what: string, millis: number): Fault =>
  Number.isFinite(millis) ? undefined : `the ${what} is ${millis}: give milliseconds since the epoch`

const faultOfJson = (what: string, text: string): Fault => {
  if (!isWellFormed(text)) return `the ${what} has a lone surrogate: use well-formed JSON text`
  try {
    JSON.parse(text)
    return undefined
  } catch {
    return `the ${what} ${shown(text)} is no JSON text: encode it`
  }
}

const faultOfEvent = (event: NewEvent): Fault =>
  faultOfName("event id", event.eventId) ??
  faultOfName(`event type of ${shown(event.eventId)}`, event.eventType) ??
  faultOfNumber(`schema version of the event ${shown(event.eventId)}`, event.schemaVersion, 1) ??
  faultOfTime(`time of the event ${shown(event.eventId)}`, event.at) ??
  faultOfJson(`payload of the event ${shown(event.eventId)}`, event.payload)

const faultOfState = (what: string, aggregateId: string, row: Omit<StateRow, "aggregateId">): Fault =>
  faultOfNumber(`sequence of the ${what} of ${shown(aggregateId)}`, row.sequence, 1) ??
  faultOfNumber(`schema version of the ${what} of ${shown(aggregateId)}`, row.schemaVersion, 1) ??
  faultOfJson(`${what} of ${shown(aggregateId)}`, row.state)

const firstFault = <A>(values: Iterable<A>, faultOf: (value: A) => Fault): Fault => {
  for (const value of values) {
    const fault = faultOf(value)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What a request for an append has, of which `state` is checked as far as it can be without the version. */
export interface Append {
  readonly aggregateId: string
  readonly expected: number | "noStream" | "any"
  readonly events: ReadonlyArray<NewEvent>
  readonly state?: Omit<StateRow, "aggregateId"> | undefined
}

/** The checks of a store, by the method that makes them. */
export const make = (location: string) => ({
  append: ({ aggregateId, events, expected, state }: Append) =>
    unless(
      location,
      "append",
      () =>
        faultOfName("aggregate id", aggregateId) ??
        (typeof expected === "number" ? faultOfNumber("expected version", expected, 0) : undefined) ??
        (events.length === 0 ? `no events for ${shown(aggregateId)}: give at least one` : undefined) ??
        firstFault(events, faultOfEvent) ??
        (state === undefined ? undefined : faultOfState("state", aggregateId, state))
    ),

  aggregate: (operation: "version" | "state", aggregateId: string) =>
    unless(location, operation, () => faultOfName("aggregate id", aggregateId)),

  event: (eventId: string) => unless(location, "event", () => faultOfName("event id", eventId)),

  read: (aggregateId: string, { after = 0, limit }: EventPage) =>
    unless(
      location,
      "read",
      () =>
        faultOfName("aggregate id", aggregateId) ??
        faultOfNumber("sequence after which to read", after, 0) ??
        faultOfNumber("limit", limit, 0)
    ),

  readAll: ({ after = 0, limit }: EventPage) =>
    unless(
      location,
      "readAll",
      () => faultOfNumber("position after which to read", after, 0) ?? faultOfNumber("limit", limit, 0)
    ),

  subscribe: (after: number) =>
    unless(location, "subscribe", () => faultOfNumber("position after which to read", after, 0)),

  ids: (
    operation: "states" | "aggregates",
    { after = "", limit }: { readonly after?: string | undefined; readonly limit: number }
  ) =>
    unless(
      location,
      operation,
      () => faultOfPrefix("aggregate id after which to read", after) ?? faultOfNumber("limit", limit, 0)
    ),

  putStates: (rows: ReadonlyArray<StateRow>) =>
    unless(location, "putStates", () =>
      firstFault(
        rows,
        (row) => faultOfName("aggregate id", row.aggregateId) ?? faultOfState("state", row.aggregateId, row)
      )
    ),

  dropStates: (prefix: string) => unless(location, "dropStates", () => faultOfPrefix("prefix", prefix)),

  keepSnapshot: (row: StateRow & { readonly at: number }) =>
    unless(
      location,
      "keepSnapshot",
      () =>
        faultOfName("aggregate id", row.aggregateId) ??
        faultOfState("snapshot", row.aggregateId, row) ??
        faultOfTime(`time of the snapshot of ${shown(row.aggregateId)}`, row.at)
    ),

  snapshot: (
    aggregateId: string,
    { sequence, until = 0 }: { readonly sequence: number; readonly until?: number | undefined }
  ) =>
    unless(
      location,
      "snapshot",
      () =>
        faultOfName("aggregate id", aggregateId) ??
        faultOfNumber("sequence of a snapshot", sequence, 0) ??
        faultOfTime("time of a snapshot", until)
    ),

  prune: ({ aggregateId, upTo }: { readonly aggregateId: string; readonly upTo: number }) =>
    unless(
      location,
      "prune",
      () => faultOfName("aggregate id", aggregateId) ?? faultOfNumber("sequence up to which to delete", upTo, 0)
    )
})
