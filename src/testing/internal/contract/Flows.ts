/**
 * Flows that are written and read.
 */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type FlowFilter, type FlowRow, FlowStore } from "../../../store/FlowStore.js"
import * as Check from "./Check.js"
import { equal, isTrue } from "./Expect.js"
import {
  change,
  changeOf,
  type Changes,
  type Checked,
  conflict,
  conflicts,
  everything,
  is,
  limit,
  listed,
  rowOf,
  written
} from "./FlowRows.js"

const namesOf = (rows: ReadonlyArray<FlowRow>): ReadonlyArray<string> =>
  rows.map(({ name, revision, version }) => `${name} ${version} ${revision}`)

/** In the order of UTF-8 bytes, which is neither that of UTF-16 nor one of a language. */
const ordered: ReadonlyArray<readonly [name: string, version: string]> = [
  ["A", "1"],
  ["a", "1"],
  ["a", "1.0.0"],
  ["a", "10"],
  ["a", "2"],
  ["a", "B"],
  ["a", "b"],
  ["a ", "0"],
  ["a/1", "1"],
  ["aa", "1"],
  ["b", "1"],
  ["z", "\uffee"],
  ["z", "😀"],
  ["é", "1"],
  ["\uffee", "1"],
  ["😀", "1"]
]

/** Each page goes on after the last row of the one before. */
const pagesOf = (filter: Omit<FlowFilter, "limit" | "after">, limit: number) =>
  Effect.gen(function* () {
    const store = yield* FlowStore
    const rows: Array<FlowRow> = []
    for (;;) {
      const last = rows.at(-1)
      const after = last === undefined ? undefined : { name: last.name, version: last.version }
      const page = yield* store.list({ ...filter, after, limit })
      yield* isTrue(page.length <= limit, "no more than were asked for")
      rows.push(...page)
      if (page.length < limit) return rows
      yield* isTrue(rows.length < 1000, "the pages come to an end")
    }
  })

/** Six flows, one of them removed. */
const some = [
  change("a", "1", 1, { fingerprint: "x" }),
  change("a", "2", 1, { fingerprint: "y", status: "disabled" }),
  change("b", "1", 1, { fingerprint: "x", status: "disabled" }),
  change("b", "2", 1, { fingerprint: "x" }),
  change("c", "1", 1, { fingerprint: "x", status: "needsReview" }),
  change("b", "3", 1, { fingerprint: "x", text: null })
] as const

export const checks = [
  ...Check.group("write", {
    "nothing is there where nothing was written": Effect.gen(function* () {
      const store = yield* FlowStore
      yield* equal(yield* store.get("a", "1"), Option.none())
      yield* equal(yield* listed, [])
      yield* equal(yield* everything, [])
      yield* equal(yield* store.position, 0)
    }),

    "what was written comes back as it was, with its entry in the log": Effect.gen(function* () {
      const store = yield* FlowStore
      const first = change("a", "1.0.0", 1, { at: 0, status: "needsReview" })
      const second = change("a", "1.0.0", 2, { at: -1.5, actor: "two", reason: "", action: "setFlowStatus" })
      const other = change("b", "1.0.0", 1, { at: 1_700_000_000_000.25, status: "disabled", fingerprint: "" })
      const positions: Array<number> = []
      for (const one of [first, second, other]) positions.push(yield* written(one))
      yield* is(second)
      yield* is(other)
      yield* equal(yield* store.get("a", "1"), Option.none())
      yield* equal(yield* store.get("1.0.0", "a"), Option.none())
      yield* equal(yield* listed, [rowOf(second), rowOf(other)])
      yield* equal(
        yield* everything,
        [first, second, other].map((one, i) => ({ ...one, position: positions[i]! }))
      )
      yield* equal(yield* store.position, positions[2])
    }),

    "a flow with another revision than the one before is a conflict that tells it": Effect.gen(function* () {
      for (const revision of [2, 3, Number.MAX_SAFE_INTEGER]) {
        yield* conflicts(conflict("a", "1", 0), change("a", "1", revision))
      }
      yield* written(change("a", "1", 1))
      yield* written(change("a", "1", 2))
      for (const revision of [1, 2, 4, Number.MAX_SAFE_INTEGER]) {
        yield* conflicts(conflict("a", "1", 2), change("a", "1", revision, { text: "other" }))
        yield* conflicts(conflict("a", "1", 2), change("a", "1", revision, { text: null }))
      }
      yield* is(change("a", "1", 2))
      yield* written(change("a", "1", 3))
    }),

    "several flows are written at once, with entries in the order in which they were given": Effect.gen(function* () {
      const store = yield* FlowStore
      yield* written(change("b", "1", 1))
      const changes: Changes = [change("c", "1", 1), change("b", "1", 2), change("a", "2", 1), change("a", "1", 1)]
      const position = yield* written(...changes)
      for (const one of changes) yield* is(one)
      const entries = yield* everything
      yield* equal(entries.slice(1).map(changeOf), [...changes])
      yield* equal(entries.at(-1)?.position, position, "the position of the write is that of its last change")
      yield* equal(yield* store.position, position)
      yield* equal(namesOf(yield* listed), ["a 1 1", "a 2 1", "b 1 2", "c 1 1"])
    }),

    "one conflict, the first, keeps all from being written": Effect.gen(function* () {
      yield* written(change("b", "1", 1), change("c", "1", 1))
      yield* written(change("c", "1", 2))
      const expected = conflict("b", "1", 1)
      yield* conflicts(expected, change("a", "1", 1), change("b", "1", 1), change("c", "1", 3))
      yield* conflicts(expected, change("b", "1", 3), change("a", "1", 1), change("c", "1", 9), change("d", "1", 2))
      yield* conflicts(conflict("c", "1", 2), change("c", "1", 9), change("b", "1", 9))
      yield* conflicts(conflict("a", "1", 0), change("c", "1", 3), change("b", "1", 2), change("a", "1", 2))
      yield* written(change("a", "1", 1), change("b", "1", 2), change("c", "1", 3))
    }),

    "many flows are written at once": Effect.gen(function* () {
      const changes = Array.makeBy(600, (i) => change(`f${String(i).padStart(3, "0")}`, "1", 1))
      yield* written(...changes)
      yield* equal((yield* everything).map(changeOf), changes)
      yield* equal(yield* listed, changes.map(rowOf))
      const last = change("f599", "1", 1)
      yield* conflicts(
        conflict("f599", "1", 1),
        ...Array.append(
          changes.slice(0, -1).map((one) => ({ ...one, revision: 2 })),
          last
        )
      )
    }),

    "a flow that was removed is still there, but not in the list, and its revisions go on": Effect.gen(function* () {
      const store = yield* FlowStore
      const removed = change("a", "1", 2, { text: null, status: "disabled", action: "remove" })
      yield* written(change("a", "1", 1), change("a", "2", 1))
      yield* written(removed)
      yield* is(removed)
      yield* equal(yield* listed, [rowOf(change("a", "2", 1))])
      yield* equal(yield* store.list({ name: "a", status: "disabled", limit }), [])
      yield* equal((yield* everything).map(changeOf).at(-1), removed)
      yield* conflicts(conflict("a", "1", 2), change("a", "1", 1))
      yield* written(change("a", "1", 3))
      yield* is(change("a", "1", 3))
      yield* equal(namesOf(yield* listed), ["a 1 3", "a 2 1"])
      yield* written(change("a", "1", 4, { text: null }), change("a", "2", 2, { text: null }))
      yield* equal(yield* listed, [])
    }),

    "positions grow, and a conflict uses up none that anybody sees": Effect.gen(function* () {
      const store = yield* FlowStore
      const positions: Array<number> = []
      for (let i = 1; i <= 5; i++) {
        positions.push(yield* written(change("a", "1", i)))
        yield* conflicts(conflict("a", "1", i), change("a", "1", i))
        yield* equal(yield* store.position, positions.at(-1))
      }
      yield* equal(
        (yield* everything).map(({ position }) => position),
        positions
      )
    }),

    "what was given, and what is given, can be changed without the store": Effect.gen(function* () {
      const store = yield* FlowStore
      const given = { ...change("a", "1", 1) }
      const changes: [typeof given] = [given]
      yield* written(...changes)
      const spoil = (value: object) => {
        // one that is frozen says so
        Reflect.set(value, "status", "disabled")
        Reflect.set(value, "text", "spoilt")
      }
      spoil(given)
      changes.pop()
      const row = yield* store.get("a", "1")
      if (Option.isSome(row)) spoil(row.value)
      for (const one of [...(yield* listed), ...(yield* everything)]) spoil(one)
      yield* is(change("a", "1", 1))
      yield* equal(yield* listed, [rowOf(change("a", "1", 1))])
      yield* equal((yield* everything).map(changeOf), [change("a", "1", 1)])
    })
  } satisfies Record<string, Checked>),

  ...Check.group("list", {
    "is in the order of UTF-8 bytes, of names and then of versions, page by page": Effect.gen(function* () {
      const store = yield* FlowStore
      for (const [name, version] of [...ordered].reverse()) yield* written(change(name, version, 1))
      const rows = ordered.map(([name, version]) => rowOf(change(name, version, 1)))
      yield* equal(yield* listed, rows)
      for (const size of [1, 2, 5, 16, 100]) yield* equal(yield* pagesOf({}, size), rows, `in pages of ${size}`)
      const of = rows.filter(({ name }) => name === "a")
      for (const size of [1, 2, 6]) yield* equal(yield* pagesOf({ name: "a" }, size), of, `of a, in pages of ${size}`)
      yield* equal(yield* store.list({ limit: 0 }), [])
      yield* equal(yield* store.list({ limit: Number.MAX_SAFE_INTEGER }), rows)
      const after = (name: string, version: string) =>
        Effect.map(store.list({ after: { name, version }, limit: 2 }), namesOf)
      yield* equal(yield* after("", ""), ["A 1 1", "a 1 1"])
      yield* equal(yield* after("a", ""), ["a 1 1", "a 1.0.0 1"])
      yield* equal(yield* after("a", "0"), ["a 1 1", "a 1.0.0 1"], "after what is not there")
      yield* equal(yield* after("a", "c"), ["a  0 1", "a/1 1 1"])
      yield* equal(yield* after("😀", "1"), [])
      yield* equal(yield* store.list({ name: "a", after: { name: "b", version: "" }, limit }), [])
      yield* equal(yield* store.list({ name: "a", after: { name: "A", version: "9" }, limit }), of)
    }),

    "has those that are as all of the filter says": Effect.gen(function* () {
      const store = yield* FlowStore
      yield* written(...some)
      const of = (filter: Omit<FlowFilter, "limit">) => Effect.map(store.list({ ...filter, limit }), namesOf)
      yield* equal(yield* of({ name: "a" }), ["a 1 1", "a 2 1"])
      yield* equal(yield* of({ name: "b" }), ["b 1 1", "b 2 1"])
      yield* equal(yield* of({ name: "d" }), [])
      yield* equal(yield* of({ fingerprint: "x" }), ["a 1 1", "b 1 1", "b 2 1", "c 1 1"])
      yield* equal(yield* of({ fingerprint: "" }), [])
      yield* equal(yield* of({ status: "active" }), ["a 1 1", "b 2 1"])
      yield* equal(yield* of({ status: "needsReview" }), ["c 1 1"])
      yield* equal(yield* of({ fingerprint: "x", status: "active" }), ["a 1 1", "b 2 1"])
      yield* equal(yield* of({ name: "b", fingerprint: "x", status: "disabled" }), ["b 1 1"])
      yield* equal(yield* of({ name: "a", fingerprint: "y", status: "active" }), [])
      yield* equal(yield* of({ fingerprint: "x", after: { name: "b", version: "1" } }), ["b 2 1", "c 1 1"])
      for (const size of [1, 2]) {
        yield* equal(namesOf(yield* pagesOf({ fingerprint: "x" }, size)), ["a 1 1", "b 1 1", "b 2 1", "c 1 1"])
      }
    }),

    "has what a flow is now, and not what it was": Effect.gen(function* () {
      const store = yield* FlowStore
      yield* written(change("a", "1", 1, { fingerprint: "x" }))
      yield* written(change("a", "1", 2, { fingerprint: "y", status: "disabled" }))
      yield* equal(yield* store.list({ fingerprint: "x", limit }), [])
      yield* equal(yield* store.list({ status: "active", limit }), [])
      yield* equal(namesOf(yield* store.list({ fingerprint: "y", status: "disabled", limit })), ["a 1 2"])
    })
  } satisfies Record<string, Checked>),

  ...Check.group("log", {
    "goes on after the last position that was read, up to the end": Effect.gen(function* () {
      const store = yield* FlowStore
      for (let i = 1; i <= 3; i++) yield* written(change("a", "1", i), change("a", "2", i), change("b", "1", i))
      const all = yield* everything
      for (const [name, version] of [[], ["a"], ["b"], ["a", "2"], [undefined, "1"], ["c"], ["b", "2"]]) {
        const expected = all.filter(
          (entry) => (name ?? entry.name) === entry.name && (version ?? entry.version) === entry.version
        )
        for (const size of [1, 2, 4, 100, Number.MAX_SAFE_INTEGER]) {
          const read = []
          for (let after = 0; ;) {
            const page = yield* store.log({ name, version, after, limit: size })
            yield* isTrue(page.length <= size, "no more than were asked for")
            yield* isTrue(
              page.every(({ position }) => position > after),
              `all of them come after ${after}`
            )
            if (page.length === 0) break
            read.push(...page)
            after = page.at(-1)?.position ?? after
          }
          yield* equal(read, expected, `of ${name} ${version} in pages of ${size}`)
        }
      }
      yield* equal(yield* store.log({ after: 0, limit: 0 }), [])
      for (const after of [yield* store.position, Number.MAX_SAFE_INTEGER]) {
        yield* equal(yield* store.log({ after, limit }), [], `after ${after}`)
      }
      yield* equal(yield* store.log({ after: all[3]!.position, limit: 2 }), all.slice(4, 6))
    }),

    "keeps what flows were, also of those that were removed": Effect.gen(function* () {
      const store = yield* FlowStore
      const changes = [
        change("a", "1", 1),
        change("a", "1", 2, { status: "disabled", fingerprint: "y", action: "setFlowStatus" }),
        change("a", "1", 3, { text: null, action: "remove" }),
        change("a", "1", 4, { actor: "two", reason: "again", at: 5 })
      ]
      for (const one of changes) yield* written(one)
      yield* equal((yield* store.log({ name: "a", version: "1", after: 0, limit })).map(changeOf), changes)
    })
  } satisfies Record<string, Checked>)
]
