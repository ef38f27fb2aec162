/**
 * Whatever is asked of a store, in whatever order, it answers as a plain model does.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { type Appended, EventStore, type Expected, type StateRow, type StoredEvent } from "../../../store/EventStore.js"
import * as Check from "./Check.js"
import { event, stateRow } from "./EventLog.js"
import { equal, isTrue } from "./Expect.js"
import { type Options, property } from "./Property.js"

const { array, boolean, constant, constantFrom, integer, oneof, option, record } = FastCheck

const aggregate = constantFrom("a", "b", "é")
const small = integer({ min: 0, max: 12 })
const schemaVersion = integer({ min: 1, max: 2 })
const id = constantFrom("a", "b", "é")

/** Event ids and versions are few, so that they meet. */
const anyOperation = oneof(
  {
    weight: 6,
    arbitrary: record({
      _tag: constant("append" as const),
      id: aggregate,
      expected: constantFrom("right" as const, "right" as const, "any" as const, "noStream" as const, "other" as const),
      events: array(integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 3 }),
      fresh: boolean(),
      payload: constantFrom("1", "1", "2"),
      state: option(boolean(), { nil: undefined })
    })
  },
  { weight: 1, arbitrary: record({ _tag: constant("again" as const), back: integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: record({ _tag: constant("read" as const), id, after: small, limit: small }) },
  { weight: 2, arbitrary: record({ _tag: constant("readAll" as const), after: small, limit: small }) },
  { weight: 1, arbitrary: record({ _tag: constant("event" as const), event: integer({ min: 0, max: 30 }) }) },
  { weight: 1, arbitrary: record({ _tag: constant("lists" as const), after: id, limit: small }) },
  { weight: 2, arbitrary: record({ _tag: constant("putState" as const), id, sequence: small, schemaVersion }) },
  { weight: 1, arbitrary: record({ _tag: constant("dropStates" as const), prefix: constantFrom("", "a", "x") }) },
  {
    weight: 2,
    arbitrary: record({ _tag: constant("keepSnapshot" as const), id, sequence: small, schemaVersion, at: small })
  },
  {
    weight: 2,
    arbitrary: record({
      _tag: constant("snapshot" as const),
      id,
      sequence: small,
      until: option(small, { nil: undefined })
    })
  },
  { weight: 1, arbitrary: record({ _tag: constant("prune" as const), id, upTo: small }) }
)

interface Request {
  readonly aggregateId: string
  readonly expected: Expected
  readonly events: ReadonlyArray<ReturnType<typeof event>>
  readonly state: StateRow | undefined
}

type Answer = Appended | "refused"

/** The obvious store: lists that are searched from the beginning. */
class Model {
  events: Array<Omit<StoredEvent, "position">> = []
  versions = new Map<string, number>()
  states: Array<StateRow> = []
  snapshots: Array<StateRow & { readonly at: number }> = []

  version(id: string): number {
    return this.versions.get(id) ?? 0
  }

  append({ aggregateId, events, expected, state }: Request): Answer {
    const known = events.map(({ eventId }) => this.events.find((one) => one.eventId === eventId))
    const first = known[0]?.sequence ?? 0
    const twice = events.findIndex(({ eventId }, i) => events.slice(0, i).some((one) => one.eventId === eventId))
    if (twice >= 0) return { _tag: "EventIdTaken", eventId: events[twice]!.eventId }
    const other = known.findIndex(
      (one, i) =>
        one !== undefined &&
        (one.aggregateId !== aggregateId || one.sequence !== first + i || one.payload !== events[i]!.payload)
    )
    if (other >= 0) return { _tag: "EventIdTaken", eventId: events[other]!.eventId }
    const some = known.findIndex((one) => one !== undefined)
    if (some >= 0) {
      return known.includes(undefined)
        ? { _tag: "EventIdTaken", eventId: events[some]!.eventId }
        : { _tag: "Appended", first, version: first + events.length - 1, repeated: true }
    }
    const version = this.version(aggregateId)
    if (expected !== "any" && (expected === "noStream" ? 0 : expected) !== version) return { _tag: "Conflict", version }
    if (state !== undefined && state.sequence !== version + events.length) return "refused"
    events.forEach((one, i) => this.events.push({ ...one, aggregateId, sequence: version + i + 1 }))
    this.versions.set(aggregateId, version + events.length)
    if (state !== undefined) this.states = [...this.states.filter((row) => row.aggregateId !== aggregateId), state]
    return { _tag: "Appended", first: version + 1, version: version + events.length, repeated: false }
  }

  putState(row: StateRow): boolean {
    if (row.sequence > this.version(row.aggregateId)) return false
    const is = this.states.find(({ aggregateId }) => aggregateId === row.aggregateId)
    if (is !== undefined && (is.sequence - row.sequence || is.schemaVersion - row.schemaVersion) > 0) return true
    this.states = [...this.states.filter((one) => one !== is), row]
    return true
  }

  keepSnapshot(row: StateRow & { readonly at: number }): boolean {
    if (row.sequence > this.version(row.aggregateId)) return false
    const is = this.snapshots.find(
      ({ aggregateId, sequence }) => aggregateId === row.aggregateId && sequence === row.sequence
    )
    if (is !== undefined && is.schemaVersion > row.schemaVersion) return true
    this.snapshots = [...this.snapshots.filter((one) => one !== is), row]
    return true
  }

  snapshot(id: string, upTo: number, until: number = Infinity) {
    return this.snapshots
      .filter(({ aggregateId, at, sequence }) => aggregateId === id && sequence <= upTo && at <= until)
      .sort((a, b) => b.sequence - a.sequence)[0]
  }

  prune(id: string, upTo: number): number | "refused" {
    const isOf = (one: { readonly aggregateId: string }) => one.aggregateId === id
    if (upTo > 0 && !this.snapshots.some((one) => isOf(one) && one.sequence >= upTo)) return "refused"
    const before = this.events.length
    this.events = this.events.filter((one) => !isOf(one) || one.sequence > upTo)
    this.snapshots = this.snapshots.filter((one) => !isOf(one) || one.sequence >= upTo)
    return before - this.events.length
  }
}

const withoutPosition = ({ position: _, ...rest }: StoredEvent): Omit<StoredEvent, "position"> => rest

const byId = <A extends { readonly aggregateId: string }>(rows: ReadonlyArray<A>): ReadonlyArray<A> =>
  [...rows].sort((a, b) => (a.aggregateId < b.aggregateId ? -1 : 1))

export const checks = (options: Options): ReadonlyArray<Check.Check<EventStore>> =>
  Check.group("any operations", {
    "are answered as by a model": property(
      options,
      array(anyOperation, { maxLength: 40, size: "max" }),
      (operations, index) =>
        Effect.gen(function* () {
          const store = yield* EventStore
          const model = new Model()
          const requests: Array<Request> = []
          const positions = new Map<string, number>()
          const nameOf = (name: string) => `${index}/${name}`
          const before = (yield* store.readAll({ limit: 1_000_000 })).at(-1)?.position ?? 0
          let last = before
          let fresh = 100

          const isRefused = (call: Effect.Effect<unknown, { readonly reason: string }>, what: string) =>
            Effect.flatMap(Effect.either(call), (result) =>
              equal(result._tag === "Left" ? result.left.reason : "it succeeds", "failed", what)
            )
          const perform = (request: Request) =>
            Effect.gen(function* () {
              const known = new Set(model.events)
              const expected = model.append(request)
              if (expected === "refused") return yield* isRefused(store.append(request), "append")
              yield* equal(yield* store.append(request), expected, "append")
              for (const added of model.events.filter((one) => !known.has(one))) {
                const stored = yield* store.event(added.eventId)
                yield* equal(Option.map(stored, withoutPosition), Option.some(added))
                const position = Option.match(stored, { onNone: () => 0, onSome: ({ position }) => position })
                yield* isTrue(Number.isSafeInteger(position) && position > last, `${position} comes after ${last}`)
                last = position
                positions.set(added.eventId, position)
              }
            })
          const withPositions = (events: ReadonlyArray<Omit<StoredEvent, "position">>) =>
            events.map((one) => ({ ...one, position: positions.get(one.eventId) ?? 0 }))

          for (const operation of operations) {
            switch (operation._tag) {
              case "append": {
                const aggregateId = nameOf(operation.id)
                const version = model.version(aggregateId)
                const events = operation.events.map((one) =>
                  event(nameOf(`e${operation.fresh ? fresh++ : one}`), { payload: operation.payload })
                )
                const state =
                  operation.state === undefined
                    ? undefined
                    : stateRow(aggregateId, version + events.length + (operation.state ? 0 : 1))
                const expected =
                  operation.expected === "right"
                    ? version
                    : operation.expected === "other"
                      ? version + 1
                      : operation.expected
                const request = { aggregateId, expected, events, state }
                requests.push(request)
                yield* perform(request)
                break
              }
              case "again": {
                const request = requests.at(-1 - operation.back)
                if (request !== undefined) yield* perform(request)
                break
              }
              case "read": {
                const aggregateId = nameOf(operation.id)
                const { after, limit } = operation
                const own = model.events.filter((one) => one.aggregateId === aggregateId && one.sequence > after)
                const page = yield* store.read(aggregateId, { after, limit })
                yield* equal(page, withPositions(own.slice(0, limit)), "read")
                yield* equal(yield* store.version(aggregateId), model.version(aggregateId), "version")
                break
              }
              case "readAll": {
                const { after, limit } = operation
                const from = [...positions.values()][after - 1] ?? before
                const all = withPositions(model.events).filter(({ position }) => position > from)
                yield* equal(yield* store.readAll({ after: from, limit }), all.slice(0, limit), "readAll")
                break
              }
              case "event": {
                const eventId = nameOf(`e${operation.event}`)
                const is = model.events.find((one) => one.eventId === eventId)
                yield* equal(Option.map(yield* store.event(eventId), withoutPosition), Option.fromNullable(is), "event")
                break
              }
              case "lists": {
                const after = nameOf(operation.after)
                const { limit } = operation
                const isHere = (id: string) => id > after && id.startsWith(nameOf(""))
                const states = (yield* store.states({ after, limit })).filter((row) => isHere(row.aggregateId))
                const expected = byId(model.states).filter((row) => isHere(row.aggregateId))
                yield* equal(states, expected.slice(0, limit), "states")
                const ids = (yield* store.aggregates({ after, limit })).filter(isHere)
                yield* equal(ids, [...model.versions.keys()].filter(isHere).sort().slice(0, limit), "aggregates")
                break
              }
              case "putState": {
                const row = stateRow(nameOf(operation.id), Math.max(1, operation.sequence), {
                  schemaVersion: operation.schemaVersion,
                  state: String(requests.length)
                })
                const put = store.putStates([row])
                yield* model.putState(row) ? put : isRefused(put, "putStates")
                break
              }
              case "dropStates": {
                const prefix = nameOf(operation.prefix)
                const dropped = model.states.filter(({ aggregateId }) => aggregateId.startsWith(prefix))
                model.states = model.states.filter((row) => !dropped.includes(row))
                yield* equal(yield* store.dropStates(prefix), dropped.length, "dropStates")
                break
              }
              case "keepSnapshot": {
                const { at, id, schemaVersion } = operation
                const row = { ...stateRow(nameOf(id), Math.max(1, operation.sequence), { schemaVersion }), at }
                const keep = store.keepSnapshot(row)
                yield* model.keepSnapshot(row) ? keep : isRefused(keep, "keepSnapshot")
                break
              }
              case "snapshot": {
                const { sequence, until } = operation
                const aggregateId = nameOf(operation.id)
                const is = model.snapshot(aggregateId, sequence, until)
                const found = yield* store.snapshot(aggregateId, { sequence, until })
                yield* equal(found, Option.fromNullable(is), "snapshot")
                break
              }
              case "prune": {
                const aggregateId = nameOf(operation.id)
                const prune = store.prune({ aggregateId, upTo: operation.upTo })
                const expected = model.prune(aggregateId, operation.upTo)
                if (expected === "refused") yield* isRefused(prune, "prune")
                else yield* equal(yield* prune, expected, "prune")
              }
            }
          }
          const left = yield* store.readAll({ after: before, limit: 1000 })
          yield* equal(left, withPositions(model.events), "all events at the end")
          const states = yield* store.states({ after: nameOf(""), limit: 10 })
          yield* equal(
            states.filter((row) => row.aggregateId.startsWith(nameOf(""))),
            byId(model.states),
            "all states at the end"
          )
        })
    )
  })
