/**
 * The events of an `EventStore` in memory, with the states and snapshots that were made of them.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as RedBlackTree from "effect/RedBlackTree"
import type { Appended, EventPage, NewEvent, StateRow, StoredEvent } from "../EventStore.js"
import type { Append } from "./EventRequest.js"
import * as EventAppend from "./EventAppend.js"
import * as TextOrder from "./TextOrder.js"

type Tree<K, V> = RedBlackTree.RedBlackTree<K, V>
type Snapshot = StateRow & { readonly at: number }

interface Aggregate {
  readonly version: number
  readonly events: Tree<number, StoredEvent>
  readonly state: StateRow | undefined
  readonly snapshots: Tree<number, Snapshot>
}

/**
 * - `position`: the one that was given last
 * - `log`: all events by their position; `ids`: the same by their id
 */
export interface Events {
  readonly position: number
  readonly ids: HashMap.HashMap<string, StoredEvent>
  readonly log: Tree<number, StoredEvent>
  readonly aggregates: Tree<string, Aggregate>
}

const byText: Order.Order<string> = Order.make((a, b) => {
  const difference = TextOrder.compare(a, b)
  return difference < 0 ? -1 : difference > 0 ? 1 : 0
})

export const empty: Events = {
  position: 0,
  ids: HashMap.empty(),
  log: RedBlackTree.empty(Order.number),
  aggregates: RedBlackTree.empty(byText)
}

const none: Aggregate = {
  version: 0,
  events: RedBlackTree.empty(Order.number),
  state: undefined,
  snapshots: RedBlackTree.empty(Order.number)
}

/** A tree may have several values of one key. */
const put = <K, V>(tree: Tree<K, V>, key: K, value: V): Tree<K, V> =>
  RedBlackTree.insert(RedBlackTree.removeFirst(tree, key), key, value)

const page = <K, V, A>(
  tree: Tree<K, V>,
  after: K,
  limit: number,
  give: (key: K, value: V) => A | undefined
): ReadonlyArray<A> => {
  const given: Array<A> = []
  if (limit === 0) return given
  for (const [key, value] of RedBlackTree.greaterThan(tree, after)) {
    const one = give(key, value)
    if (one !== undefined && given.push(one) === limit) break
  }
  return given
}

const find = ({ aggregates }: Events, aggregateId: string): Aggregate =>
  Option.getOrElse(RedBlackTree.findFirst(aggregates, aggregateId), () => none)

const change = (events: Events, aggregateId: string, aggregate: Aggregate): Events => ({
  ...events,
  aggregates: put(events.aggregates, aggregateId, aggregate)
})

export const version = (events: Events, aggregateId: string): number => find(events, aggregateId).version

export const event = ({ ids }: Events, eventId: string): Option.Option<StoredEvent> => HashMap.get(ids, eventId)

export const read = (
  events: Events,
  aggregateId: string,
  { after = 0, limit }: EventPage
): ReadonlyArray<StoredEvent> => page(find(events, aggregateId).events, after, limit, (_, event) => event)

export const readAll = ({ log }: Events, { after = 0, limit }: EventPage): ReadonlyArray<StoredEvent> =>
  page(log, after, limit, (_, event) => event)

const store = (events: Events, aggregateId: string, first: number, added: ReadonlyArray<NewEvent>): Events => {
  const aggregate = find(events, aggregateId)
  let own = aggregate.events
  let { ids, log, position } = events
  for (const [i, { at, eventId, eventType, payload, schemaVersion }] of added.entries()) {
    position++
    const sequence = first + i
    const stored: StoredEvent = { eventId, eventType, schemaVersion, payload, at, aggregateId, sequence, position }
    own = RedBlackTree.insert(own, sequence, stored)
    log = RedBlackTree.insert(log, position, stored)
    ids = HashMap.set(ids, eventId, stored)
  }
  const version = first + added.length - 1
  return { position, ids, log, aggregates: put(events.aggregates, aggregateId, { ...aggregate, events: own, version }) }
}

const rowOf = ({ aggregateId, schemaVersion, sequence, state }: StateRow): StateRow => ({
  aggregateId,
  sequence,
  schemaVersion,
  state
})

/** What has become of it, and the events afterwards: the same ones when nothing has changed. */
export const append = (
  events: Events,
  request: Append
): readonly [Appended | { readonly _tag: "Refuse"; readonly fault: string }, Events] => {
  const { aggregateId, state } = request
  const stored = request.events.flatMap(({ eventId }) => Option.toArray(HashMap.get(events.ids, eventId)))
  const verdict = EventAppend.decide(request, version(events, aggregateId), stored)
  if (verdict._tag !== "Append") return [verdict, events]
  const { first, version: last } = verdict
  const after = store(events, aggregateId, first, request.events)
  const answer: Appended = { _tag: "Appended", first, version: last, repeated: false }
  if (state === undefined) return [answer, after]
  return [answer, change(after, aggregateId, { ...find(after, aggregateId), state: rowOf({ ...state, aggregateId }) })]
}

export const state = (events: Events, aggregateId: string): Option.Option<StateRow> =>
  Option.fromNullable(find(events, aggregateId).state)

export interface Ids {
  readonly after?: string | undefined
  readonly limit: number
}

export const states = ({ aggregates }: Events, { after = "", limit }: Ids): ReadonlyArray<StateRow> =>
  page(aggregates, after, limit, (_, { state }) => state)

export const aggregates = ({ aggregates }: Events, { after = "", limit }: Ids): ReadonlyArray<string> =>
  page(aggregates, after, limit, (aggregateId) => aggregateId)

/** Whether a row is kept when `other` is to be put in its place. */
const isKept = (row: StateRow | undefined, other: StateRow): boolean =>
  row !== undefined &&
  (row.sequence > other.sequence || (row.sequence === other.sequence && row.schemaVersion > other.schemaVersion))

/** The fault of a row is given, and then nothing has changed. */
export const putStates = (events: Events, rows: ReadonlyArray<StateRow>): readonly [string | undefined, Events] => {
  let after = events
  for (const row of rows) {
    const { aggregateId, sequence } = row
    const aggregate = find(after, aggregateId)
    if (sequence > aggregate.version) {
      return [EventAppend.ahead("state", aggregateId, sequence, aggregate.version), events]
    }
    if (!isKept(aggregate.state, row)) after = change(after, aggregateId, { ...aggregate, state: rowOf(row) })
  }
  return [undefined, after]
}

export const dropStates = (events: Events, prefix: string): readonly [number, Events] => {
  let after = events
  let dropped = 0
  for (const [aggregateId, aggregate] of RedBlackTree.greaterThanEqual(events.aggregates, prefix)) {
    if (!aggregateId.startsWith(prefix)) break
    if (aggregate.state === undefined) continue
    dropped++
    after = change(after, aggregateId, { ...aggregate, state: undefined })
  }
  return [dropped, after]
}

export const keepSnapshot = (events: Events, snapshot: Snapshot): readonly [string | undefined, Events] => {
  const { aggregateId, at, sequence } = snapshot
  const aggregate = find(events, aggregateId)
  if (sequence > aggregate.version) {
    return [EventAppend.ahead("snapshot", aggregateId, sequence, aggregate.version), events]
  }
  if (isKept(Option.getOrUndefined(RedBlackTree.findFirst(aggregate.snapshots, sequence)), snapshot)) {
    return [undefined, events]
  }
  const snapshots = put(aggregate.snapshots, sequence, { ...rowOf(snapshot), at })
  return [undefined, change(events, aggregateId, { ...aggregate, snapshots })]
}

export const snapshot = (
  events: Events,
  aggregateId: string,
  { sequence, until = Infinity }: { readonly sequence: number; readonly until?: number | undefined }
): Option.Option<Snapshot> => {
  for (const [, kept] of RedBlackTree.lessThanEqualReversed(find(events, aggregateId).snapshots, sequence)) {
    if (kept.at <= until) return Option.some(kept)
  }
  return Option.none()
}

export const prune = (
  events: Events,
  { aggregateId, upTo }: { readonly aggregateId: string; readonly upTo: number }
): readonly [number | { readonly fault: string }, Events] => {
  if (upTo === 0) return [0, events]
  const aggregate = find(events, aggregateId)
  const last = Option.map(RedBlackTree.last(aggregate.snapshots), ([sequence]) => sequence)
  if (Option.getOrElse(last, () => 0) < upTo) return [{ fault: EventAppend.unkept(aggregateId, upTo) }, events]
  let { ids, log } = events
  let own = aggregate.events
  let { snapshots } = aggregate
  let pruned = 0
  for (const [sequence, { eventId, position }] of aggregate.events) {
    if (sequence > upTo) break
    pruned++
    own = RedBlackTree.removeFirst(own, sequence)
    log = RedBlackTree.removeFirst(log, position)
    ids = HashMap.remove(ids, eventId)
  }
  for (const [sequence] of aggregate.snapshots) {
    if (sequence >= upTo) break
    snapshots = RedBlackTree.removeFirst(snapshots, sequence)
  }
  return [pruned, change({ ...events, ids, log }, aggregateId, { ...aggregate, events: own, snapshots })]
}
