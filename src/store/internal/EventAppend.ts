/**
 * What becomes of an append: decided in the transaction, by what is stored.
 */
import type { Appended, NewEvent, StoredEvent } from "../EventStore.js"
import { type Append, shown } from "./EventRequest.js"

/**
 * - `Append`: the events are to be stored, the first with the sequence `first`, the last with `version`
 * - `Refuse`: with a `StoreError` (`failed`) of this message
 */
export type Verdict =
  | Appended
  | { readonly _tag: "Append"; readonly first: number; readonly version: number }
  | { readonly _tag: "Refuse"; readonly fault: string }

const isSame = (event: NewEvent, stored: StoredEvent): boolean =>
  event.eventType === stored.eventType &&
  event.schemaVersion === stored.schemaVersion &&
  event.payload === stored.payload

const repeatedId = (events: ReadonlyArray<NewEvent>): string | undefined => {
  const ids = new Set<string>()
  return events.find(({ eventId }) => ids.size === ids.add(eventId).size)?.eventId
}

/** `stored`: what is stored under the ids of the request, of any aggregate, in any order; `version`: that of the aggregate. */
export const decide = (request: Append, version: number, stored: ReadonlyArray<StoredEvent>): Verdict => {
  const { aggregateId, events, expected, state } = request
  const twice = repeatedId(events)
  if (twice !== undefined) return { _tag: "EventIdTaken", eventId: twice }

  if (stored.length > 0) {
    const byId = new Map(stored.map((event) => [event.eventId, event]))
    const first = byId.get(events[0]?.eventId ?? "")?.sequence ?? 0
    const isRepeated = (event: NewEvent, at: number) => {
      const before = byId.get(event.eventId)
      return before?.aggregateId === aggregateId && before.sequence === first + at && isSame(event, before)
    }
    const other = events.find((event, at) => byId.has(event.eventId) && !isRepeated(event, at))
    if (other !== undefined) return { _tag: "EventIdTaken", eventId: other.eventId }
    return stored.length === events.length
      ? { _tag: "Appended", first, version: first + events.length - 1, repeated: true }
      : { _tag: "EventIdTaken", eventId: events.find(({ eventId }) => byId.has(eventId))?.eventId ?? "" }
  }

  if (expected !== "any" && version !== (expected === "noStream" ? 0 : expected)) return { _tag: "Conflict", version }
  const last = version + events.length
  if (state !== undefined && state.sequence !== last) {
    const fault = `the state of ${shown(aggregateId)} is that after the event ${state.sequence}, but the last of these events is ${last}`
    return { _tag: "Refuse", fault: `${fault}: give the state after all of them` }
  }
  return { _tag: "Append", first: version + 1, version: last }
}

/** The fault of a row that is ahead of the events of its aggregate. */
export const ahead = (what: "state" | "snapshot", aggregateId: string, sequence: number, version: number): string =>
  `the ${what} of ${shown(aggregateId)} is that after the event ${sequence}, but it has had ${version}: append the events first`

/** The fault of a deletion without a snapshot. */
export const unkept = (aggregateId: string, upTo: number): string =>
  `no snapshot of ${shown(aggregateId)} is kept at ${upTo} or later: keep one before the events are deleted`
