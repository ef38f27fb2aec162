/**
 * Whatever is asked of a store, in whatever order, it answers as a plain model does.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import type { FlowStatus } from "../../../model/Flow.js"
import { type FlowChange, type FlowEntry, FlowStore, type Written } from "../../../store/FlowStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import { change, type Changes, rowOf } from "./FlowRows.js"
import { type Options, property } from "./Property.js"

const { array, boolean, constant, constantFrom, integer, oneof, option, record, uniqueArray } = FastCheck

const flow = record({ name: constantFrom("a", "b", "ab"), version: constantFrom("1", "2", "10") })
const status = constantFrom<Array<FlowStatus>>("active", "needsReview", "disabled")
const fingerprint = constantFrom("x", "y")
const small = integer({ min: 0, max: 8 })
const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>) => option(arbitrary, { nil: undefined })

/** `off`: by how much the revision is not the next one. */
const anyChange = record({
  flow,
  off: oneof({ weight: 12, arbitrary: constant(0) }, { weight: 1, arbitrary: integer({ min: -2, max: 2 }) }),
  status,
  fingerprint,
  removed: oneof({ weight: 3, arbitrary: constant(false) }, { weight: 1, arbitrary: boolean() })
})

const anyOperation = oneof(
  {
    weight: 5,
    arbitrary: record({
      _tag: constant("write" as const),
      changes: uniqueArray(anyChange, {
        minLength: 1,
        maxLength: 4,
        selector: ({ flow }) => `${flow.name} ${flow.version}`
      })
    })
  },
  { weight: 2, arbitrary: record({ _tag: constant("get" as const), flow }) },
  {
    weight: 3,
    arbitrary: record({
      _tag: constant("list" as const),
      name: maybe(constantFrom("a", "b", "ab")),
      status: maybe(status),
      fingerprint: maybe(fingerprint),
      after: maybe(flow),
      limit: small
    })
  },
  {
    weight: 3,
    arbitrary: record({
      _tag: constant("log" as const),
      name: maybe(constantFrom("a", "b", "ab")),
      version: maybe(constantFrom("1", "2", "10")),
      after: small,
      limit: small
    })
  }
)

/** The obvious store: the log, which is searched from its end. */
class Model {
  entries: Array<FlowEntry> = []

  last({ name, version }: { readonly name: string; readonly version: string }): FlowEntry | undefined {
    return this.entries.filter((entry) => entry.name === name && entry.version === version).at(-1)
  }

  write(changes: ReadonlyArray<FlowChange>): Written {
    for (const { name, revision, version } of changes) {
      const actual = this.last({ name, version })?.revision ?? 0
      if (actual !== revision - 1) return { _tag: "Conflict", name, version, actual }
    }
    this.entries.push(...changes.map((one, i) => ({ ...one, position: this.entries.length + i + 1 })))
    return { _tag: "Written", position: this.entries.length }
  }

  get rows(): ReadonlyArray<FlowEntry> {
    const present = this.entries.filter((entry) => this.last(entry) === entry && entry.text !== null)
    return present.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }
}

/** Sorted as names and then versions are, of which none here has a character before "0". */
const keyOf = ({ name, version }: { readonly name: string; readonly version: string }) => `${name} ${version}`

export const checks = (options: Options): ReadonlyArray<Check.Check<FlowStore>> =>
  Check.group("any operations", {
    "are answered as by a model": property(
      options,
      array(anyOperation, { maxLength: 40, size: "max" }),
      (operations, index) =>
        Effect.gen(function* () {
          const store = yield* FlowStore
          const model = new Model()
          // the store is that of all cases: each has names of its own
          const prefix = `${index}/`
          const ours = <A extends { readonly name: string }>(row: A): A => ({ ...row, name: `${prefix}${row.name}` })
          const positions: Array<number> = []
          const before = yield* store.position
          const positionOf = (n: number) => (n === 0 ? before : (positions[n - 1] ?? Number.MAX_SAFE_INTEGER))
          const placed = (entries: ReadonlyArray<FlowEntry>) =>
            entries.map((entry) => ({ ...ours(entry), position: positionOf(entry.position) }))

          for (const operation of operations) {
            switch (operation._tag) {
              case "write": {
                const changes = operation.changes.map(({ fingerprint, flow, off, removed, status }, i) => {
                  const revision = Math.max(1, (model.last(flow)?.revision ?? 0) + 1 + off)
                  const text = removed ? null : `${positions.length} ${i}`
                  return change(flow.name, flow.version, revision, { fingerprint, status, text })
                })
                const expected = model.write(changes)
                // there is at least one
                const answer = yield* store.write(changes.map(ours) as unknown as Changes)
                if (answer._tag === "Conflict" || expected._tag === "Conflict") {
                  yield* equal(answer, expected._tag === "Conflict" ? ours(expected) : expected, "write")
                  break
                }
                const entries = yield* store.log({ after: positionOf(positions.length), limit: 9 })
                yield* equal(entries.length, changes.length, "the entries of a write")
                for (const { position } of entries) {
                  const last = positionOf(positions.length)
                  yield* isTrue(Number.isSafeInteger(position) && position > last, `${position} comes after ${last}`)
                  positions.push(position)
                }
                yield* equal(answer.position, positions.at(-1), "the position of a write")
                break
              }
              case "get": {
                const { name, version } = ours(operation.flow)
                const expected = Option.map(Option.fromNullable(model.last(operation.flow)), (row) => ours(rowOf(row)))
                yield* equal(yield* store.get(name, version), expected, "get")
                break
              }
              case "list": {
                const { after, fingerprint, limit, name, status } = operation
                const isHere = (row: FlowEntry) =>
                  (name ?? row.name) === row.name &&
                  (status ?? row.status) === row.status &&
                  (fingerprint ?? row.fingerprint) === row.fingerprint &&
                  (after === undefined || keyOf(row) > keyOf(after))
                const listed = yield* store.list({
                  ...(name === undefined ? {} : { name: `${prefix}${name}` }),
                  fingerprint,
                  status,
                  after: after === undefined ? { name: prefix, version: "" } : ours(after),
                  limit
                })
                yield* equal(
                  listed.filter((row) => row.name.startsWith(prefix)),
                  model.rows.filter(isHere).map(rowOf).map(ours).slice(0, limit),
                  "list"
                )
                break
              }
              case "log": {
                const { limit, name, version } = operation
                const expected = model.entries.filter(
                  (entry) =>
                    (name ?? entry.name) === entry.name &&
                    (version ?? entry.version) === entry.version &&
                    entry.position > operation.after
                )
                const after = positionOf(operation.after)
                const filter = name === undefined ? { version } : { name: `${prefix}${name}`, version }
                yield* equal(yield* store.log({ ...filter, after, limit }), placed(expected).slice(0, limit), "log")
              }
            }
          }
          yield* equal(yield* store.log({ after: before, limit: 1000 }), placed(model.entries), "the log at the end")
          yield* equal(yield* store.position, positionOf(positions.length), "the position at the end")
        })
    )
  })
