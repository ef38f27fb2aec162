/**
 * Commands: decide by the state, append if nobody came between, or decide again.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { AggregateConflict, type AggregateUnreadable } from "../../model/AggregateError.js"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { isTransient, type StoreError } from "../../model/StoreError.js"
import type { EventStore, NewEvent, StoredEvent } from "../../store/EventStore.js"
import { type Definition, keyOf, load, type Loaded, rowOf } from "./AggregateLoad.js"

type Store = EventStore["Type"]

export interface Executed<State, Event> {
  readonly state: State
  readonly version: number
  readonly events: ReadonlyArray<Event>
  readonly repeated: boolean
}

interface Request<State, Event, E, R> {
  readonly id: string
  readonly command: (state: State, version: number) => Effect.Effect<ReadonlyArray<Event>, E, R>
  readonly retry: Schedule.Schedule<unknown, AggregateConflict>
  readonly commandId: string | undefined
  readonly snapshotEvery: number
}

/** Nine more times, after pauses of 2.5 to 250 milliseconds. */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.exponential("5 millis").pipe(
  Schedule.union(Schedule.spaced("250 millis")),
  Schedule.jittered,
  Schedule.intersect(Schedule.recurs(9))
)

/** An append whose answer was lost is repeated with the same ids, which takes effect once. */
const whileTransient = <A>(append: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
  Effect.retry(append, {
    while: isTransient,
    schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(6)))
  })

/** Short, whatever the ids are. */
const hashOf = (parts: ReadonlyArray<string | number>): string => CanonicalJson.hash(JSON.stringify(parts))

/** Two processes that draw the same numbers do not mean the same event by them, unless it is the same. */
const randomIds = (key: string, sequence: number, at: number): Effect.Effect<string> =>
  Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (drawn) =>
    hashOf([key, sequence, at, ...drawn]).slice(0, 40)
  )

/** The events that a command has appended before. */
const executedBefore = <State, Event>(
  store: Store,
  definition: Definition<State, Event>,
  id: string,
  prefix: string
): Effect.Effect<Option.Option<Executed<State, Event>>, AggregateUnreadable | StoreError> =>
  Effect.gen(function* () {
    const first = yield* store.event(`${prefix}/0`)
    if (Option.isNone(first)) return Option.none()
    const key = keyOf(definition.name, id)
    const limit = 100
    const own: Array<StoredEvent> = []
    for (let after = first.value.sequence - 1; ; after += limit) {
      const page = yield* store.read(key, { after, limit })
      const some = page.filter(({ eventId }) => eventId.startsWith(`${prefix}/`))
      own.push(...some)
      if (some.length < limit) break
    }
    const events = yield* Effect.forEach(own, (stored) => definition.codec.decodeEvent(id, stored))
    const version = first.value.sequence + own.length - 1
    const { state } = yield* load(store, definition, id, { sequence: version })
    return Option.some({ state, version, events, repeated: true })
  })

const keepSnapshot = <State, Event>(
  store: Store,
  definition: Definition<State, Event>,
  id: string,
  loaded: Loaded<State>
): Effect.Effect<void> =>
  store.keepSnapshot({ ...rowOf(definition, id, loaded), at: loaded.at }).pipe(
    Effect.catchAll((error) =>
      Effect.logWarning(`no snapshot of ${definition.name}/${id} was kept; the next command tries again`, error)
    ),
    Effect.annotateLogs({ package: "heddle", module: "Aggregate" })
  )

/** One try; a version that was not the expected one is a conflict, with what was loaded. */
const attempt = <State, Event, E, R>(
  store: Store,
  definition: Definition<State, Event>,
  { command, commandId, id, snapshotEvery }: Request<State, Event, E, R>,
  loaded: Loaded<State>
): Effect.Effect<Option.Option<Executed<State, Event>>, E | AggregateUnreadable | StoreError, R> =>
  Effect.gen(function* () {
    const { codec, evolve, name } = definition
    const key = keyOf(name, id)
    const prefixOfCommand = commandId === undefined ? undefined : `command/${hashOf([key, commandId])}`
    if (prefixOfCommand !== undefined) {
      const before = yield* executedBefore(store, definition, id, prefixOfCommand)
      if (Option.isSome(before)) return before
    }
    const { state, version } = loaded
    const decided = yield* command(state, version)
    if (decided.length === 0) return Option.some({ state, version, events: [], repeated: false })

    // times never go back, so that what was true at a time is what the events up to it say
    const at = Math.max(yield* Clock.currentTimeMillis, loaded.at)
    const prefix = prefixOfCommand ?? (yield* randomIds(key, version + 1, at))
    const encoded = decided.map((event, i): NewEvent => ({
      ...codec.encodeEvent(event),
      eventId: `${prefix}/${i}`,
      at
    }))
    // the state is that of the events as they are read again
    const events = yield* Effect.forEach(encoded, (event, i) =>
      codec.decodeEvent(id, { ...event, aggregateId: key, sequence: version + i + 1, position: 0 })
    )
    const after: Loaded<State> = {
      state: events.reduce(evolve, state),
      version: version + events.length,
      at,
      snapshot: loaded.snapshot
    }
    const append = store.append({
      aggregateId: key,
      expected: version,
      events: encoded,
      state: rowOf(definition, id, after)
    })
    const answer = yield* whileTransient(append)
    if (answer._tag !== "Appended") return Option.none()
    if (after.version - after.snapshot >= snapshotEvery) yield* keepSnapshot(store, definition, id, after)
    return Option.some({ state: after.state, version: after.version, events, repeated: false })
  })

export const execute = <State, Event, E, R>(
  store: Store,
  definition: Definition<State, Event>,
  request: Request<State, Event, E, R>
): Effect.Effect<Executed<State, Event>, E | AggregateConflict | AggregateUnreadable | StoreError, R> =>
  Effect.gen(function* () {
    const { id, retry } = request
    const { name: aggregate } = definition
    const driver = yield* Schedule.driver(retry)
    let loaded = yield* load(store, definition, id)
    for (let tries = 1; ; tries++) {
      const executed = yield* attempt(store, definition, request, loaded)
      if (Option.isSome(executed)) return executed.value
      loaded = yield* load(store, definition, id, {}, loaded)
      const conflict = new AggregateConflict({ aggregate, id, version: loaded.version, tries })
      yield* Effect.mapError(driver.next(conflict), () => conflict)
    }
  })
