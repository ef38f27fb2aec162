/**
 * What a batch writes of keyed states.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type { StoreError } from "../../../model/StoreError.js"
import { RunStore, type StateChange } from "../../../store/RunStore.js"
import * as Check from "./Check.js"
import { equal, type Mismatch } from "./Expect.js"
import { type Options, property } from "./Property.js"
import { changesOf, newRun, run, runId, step } from "./Rows.js"

type Fields = Readonly<Record<string, string>>

const change = (key: string, set: Fields, clear: ReadonlyArray<string> = []): StateChange => ({
  key,
  set: new Map(Object.entries(set)),
  clear: new Set(clear)
})

const write = (...states: ReadonlyArray<StateChange>): Effect.Effect<void, StoreError, RunStore> =>
  Effect.flatMap(RunStore, (store) => store.commit({ runs: [], states, synced: false }))

/** In any order: the fields of a state have none. */
const is = (key: string, expected: Fields): Effect.Effect<void, Mismatch | StoreError, RunStore> =>
  Effect.flatMap(RunStore, (store) =>
    Effect.flatMap(store.state(key), (fields) => equal(Object.fromEntries(fields), expected, `the state of ${key}`))
  )

const states = Effect.flatMap(RunStore, (store) => Effect.map(store.storage, ({ states }) => states))

const anyField = FastCheck.constantFrom("f", "g", "h", "__proto__", "o'f", "nul\u0000f")

/** Batches of changes: of each key and each field of it, the value, or null where it is cleared. */
const anyBatches = FastCheck.array(
  FastCheck.dictionary(
    FastCheck.constantFrom("k", "l", "run"),
    FastCheck.uniqueArray(FastCheck.tuple(anyField, FastCheck.option(FastCheck.json({ maxDepth: 1 }))), {
      maxLength: 4,
      selector: ([field]) => field
    }),
    { maxKeys: 3 }
  ),
  { maxLength: 6 }
)

export const checks = (options: Options): ReadonlyArray<Check.Check> =>
  Check.group("states", {
    "has no fields of a key that nothing was written of": is("k", {}),

    "writes the fields of a change, and only those": Effect.gen(function* () {
      yield* write(change("k", { f: "1", g: '"two"' }))
      yield* write(change("k", { g: "null", h: "[3]" }))
      yield* is("k", { f: "1", g: "null", h: "[3]" })
      yield* is("l", {})
    }),

    "the later one of two values of a field is there": Effect.gen(function* () {
      for (const f of ["1", "2", "2", "1", "3"]) yield* write(change("k", { f }))
      yield* is("k", { f: "3" })
    }),

    "clears fields, also those that there are not": Effect.gen(function* () {
      yield* write(change("k", { f: "1", g: "2", h: "3" }))
      yield* write(change("k", { h: "4" }, ["f", "never"]))
      yield* is("k", { g: "2", h: "4" })
      yield* write(change("k", { f: "5" }))
      yield* is("k", { f: "5", g: "2", h: "4" })
    }),

    "of which all fields are cleared is no state": Effect.gen(function* () {
      yield* write(change("k", { f: "1", g: "2" }), change("l", { f: "1" }))
      yield* equal(yield* states, 2)
      yield* write(change("k", {}, ["g", "f"]), change("m", {}, ["f"]), change("n", {}))
      yield* is("k", {})
      yield* equal(yield* states, 1)
    }),

    "keeps keys and fields of any name apart": Effect.gen(function* () {
      const names = [
        "",
        " ",
        "a",
        "A",
        "a\u0000",
        "a\u0000b",
        "%",
        "o'k",
        "é",
        "e\u0301",
        "😀",
        "\uffee",
        "x".repeat(5000)
      ]
      yield* write(
        ...names.map((key) => change(key, Object.fromEntries(names.map((name) => [name, JSON.stringify([key, name])]))))
      )
      for (const key of names) {
        yield* is(key, Object.fromEntries(names.map((name) => [name, JSON.stringify([key, name])])))
      }
      yield* write(...names.slice(1).map((key) => change(key, {}, names.slice(1))))
      for (const key of names.slice(1)) yield* is(key, { "": JSON.stringify([key, ""]) })
    }),

    "takes many and large ones": Effect.gen(function* () {
      const fields = Object.fromEntries(Array.makeBy(700, (i) => [`f${i}`, JSON.stringify("x".repeat(i))]))
      yield* write(change("k", fields), change("l", { f: JSON.stringify("y".repeat(1_000_000)) }))
      yield* is("k", fields)
      yield* is("l", { f: JSON.stringify("y".repeat(1_000_000)) })
      yield* write(change("k", {}, Object.keys(fields).slice(1)))
      yield* is("k", { f0: '""' })
    }),

    "is written in the batch of runs, of which none or all is there": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      const refused = yield* store.commit({
        runs: [step("a", 1, "m", "completed", { output: "1" })],
        states: [change("k", { f: "1" })],
        synced: true
      })
      yield* equal(refused, [])
      yield* is("k", { f: "1" })
      yield* equal((yield* run("a")).seq, 1)
    }),

    "is written whatever becomes of the runs of its batch": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      const runs = [{ ...step("a", 1, "m", "running"), epoch: 2 }, changesOf("unknown")]
      yield* equal(yield* store.commit({ runs, states: [change("k", { f: "1" })], synced: false }), runs)
      yield* is("k", { f: "1" })
    }),

    "has nothing to do with a run of that id": Effect.gen(function* () {
      const store = yield* RunStore
      yield* store.open(newRun("a"))
      yield* write(change("a", { f: "1" }))
      yield* store.commit({
        runs: [
          changesOf("a", {
            status: "completed",
            transitions: [{ _tag: "RunTransition", seq: 1, at: 1, status: "completed", epoch: 1 }]
          })
        ],
        states: [],
        synced: false
      })
      yield* equal(yield* store.prune({ keep: 0, endedBefore: Infinity, limit: 9 }), 1)
      yield* equal(yield* store.signals([runId("a")]), [])
      yield* is("a", { f: "1" })
    }),

    "is what its changes make of it, one after the other": property(options, anyBatches, (batches, index) =>
      Effect.gen(function* () {
        const keyOf = (key: string) => `${key} ${index}`
        const expected = new Map<string, Map<string, string>>()
        for (const batch of batches) {
          const changes = Object.entries(batch).map(([key, entries]) => {
            const fields = expected.get(key) ?? new Map<string, string>()
            expected.set(key, fields)
            for (const [field, value] of entries) {
              if (value === null) fields.delete(field)
              else fields.set(field, value)
            }
            return {
              key: keyOf(key),
              set: new Map(entries.flatMap(([field, value]) => (value === null ? [] : [[field, value] as const]))),
              clear: new Set(entries.flatMap(([field, value]) => (value === null ? [field] : [])))
            }
          })
          yield* write(...changes)
          const store = yield* RunStore
          for (const [key, fields] of expected) {
            yield* equal(new Map([...(yield* store.state(keyOf(key)))].sort()), new Map([...fields].sort()), key)
          }
        }
      })
    )
  })
