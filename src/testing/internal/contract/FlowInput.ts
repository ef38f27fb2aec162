/**
 * Which texts and numbers a `FlowStore` takes, and which not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FlowStatus } from "../../../model/Flow.js"
import { type FlowChange, FlowStore } from "../../../store/FlowStore.js"
import { maxKeyBytes } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { equal } from "./Expect.js"
import {
  change,
  changeOf,
  type Changes,
  type Checked,
  everything,
  is,
  limit,
  listed,
  refused,
  rowOf,
  written
} from "./FlowRows.js"

const longest = "x".repeat(maxKeyBytes)

/** Each of them another one, in the order of UTF-8 bytes. */
const names: ReadonlyArray<string> = [
  "\u0000",
  "\u0000\u0000",
  "\u0000\u0001".repeat(maxKeyBytes / 2),
  "\u0001",
  " ",
  "%",
  "*",
  "..",
  "../x",
  "/etc/passwd",
  "1.0.0",
  "K",
  "\\",
  "\\x00",
  "__proto__",
  "e\u0301",
  "flows.log",
  "k",
  "k\u0000",
  "k\u0000l",
  "k\nl",
  "k ",
  'k"l',
  "k'l",
  "k/l",
  "null",
  longest,
  "é",
  "éx",
  "\u2028",
  "\ufeff",
  "😀".repeat(maxKeyBytes / 4)
]

const [highSurrogate, lowSurrogate] = ["\ud83d", "\ude00"]

/** With a part of it that the error shows. */
const badNames: ReadonlyArray<readonly [text: string, shown: string]> = [
  ["", "empty"],
  [`lone${highSurrogate}text`, "lone\\ud83dtext"],
  [lowSurrogate, "\\ude00"],
  [`${longest}x`, "xxxxxxxxxx"],
  [`${"é".repeat(maxKeyBytes / 2)}x`, "éééééééééé"],
  ["long ".repeat(2000), "long long"]
]

const notWhole = [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53]

const texts: ReadonlyArray<string> = [
  "",
  "null",
  "\u0000",
  "\u0001\u0000\u0001",
  "\n",
  "\r\n",
  "\u2028",
  "it's",
  '"',
  "\\",
  "é😀",
  "\ufeff{}",
  ' { "a" : 1, "a" : 2 } ',
  '{"__proto__":null}',
  "word ".repeat(2000)
]

const big = JSON.stringify({ text: "é".repeat(5_000_000) })

/** All that a write could have changed. */
const present = Effect.flatMap(FlowStore, (store) => Effect.all([store.position, everything, listed]))

const status = (text: string) =>
  // what a program without types can give
  text as FlowStatus

export const checks = Check.group("texts and numbers", {
  "names and versions of any text are names and versions of their own": Effect.gen(function* () {
    const store = yield* FlowStore
    for (const name of names) yield* written(change(name, "1", 1))
    for (const version of names) yield* written(change("one", version, 1, { status: "disabled" }))
    for (const text of names) {
      yield* is(change(text, "1", 1))
      yield* is(change("one", text, 1, { status: "disabled" }))
      yield* equal(yield* store.list({ name: text, limit }), [rowOf(change(text, "1", 1))])
      yield* equal((yield* store.log({ name: text, after: 0, limit })).map(changeOf), [change(text, "1", 1)])
      const one = yield* store.log({ name: "one", version: text, after: 0, limit })
      yield* equal(one.map(changeOf), [change("one", text, 1, { status: "disabled" })])
    }
    yield* equal(
      (yield* store.list({ status: "active", limit })).map(({ name }) => name),
      names
    )
    yield* equal(
      (yield* store.list({ name: "one", limit })).map(({ version }) => version),
      names
    )
    for (const [i, name] of names.entries()) {
      const [next] = yield* store.list({ status: "active", after: { name, version: "1" }, limit: 1 })
      yield* equal(next?.name, names[i + 1])
    }
  }),

  "names and versions are kept apart, whatever is between them": Effect.gen(function* () {
    const pairs = [
      ["a", "b/c"],
      ["a/b", "c"],
      ["a", "b\u0000c"],
      ["a\u0000b", "c"],
      ['a","b', "c"],
      ["a", 'b","c'],
      [longest, longest],
      ["\u0000\u0001".repeat(maxKeyBytes / 2), "\u0001\u0000".repeat(maxKeyBytes / 2)],
      ["\u0000\u0001".repeat(maxKeyBytes / 2), `${"\u0001\u0000".repeat(maxKeyBytes / 2 - 1)}\u0001\u0001`]
    ] as const
    for (const [name, version] of pairs) yield* written(change(name, version, 1))
    for (const [name, version] of pairs) yield* is(change(name, version, 1))
    for (const [name, version] of pairs) yield* written(change(name, version, 2))
    yield* equal((yield* listed).length, pairs.length)
  }),

  "other texts come back as they were": Effect.gen(function* () {
    const store = yield* FlowStore
    const changes = texts.map((text, i) =>
      change("a", "1", i + 1, { text, fingerprint: text, actor: text, reason: text, action: text })
    )
    for (const one of changes) {
      yield* written(one)
      yield* is(one)
      yield* equal(yield* store.list({ fingerprint: one.fingerprint, limit }), [rowOf(one)])
    }
    yield* equal((yield* everything).map(changeOf), changes)
  }),

  "a text may have 10 MB": Effect.gen(function* () {
    const store = yield* FlowStore
    yield* written(change("a", "1", 1, { text: big }))
    const row = yield* store.get("a", "1")
    yield* equal(Option.isSome(row) && row.value.text === big, true, "the text of the row")
    yield* equal((yield* listed)[0]?.text === big, true, "the text in the list")
    yield* equal((yield* everything)[0]?.text === big, true, "the text in the log")
    yield* written(change("a", "1", 2))
    yield* is(change("a", "1", 2))
  }),

  "names and versions that are none are refused by all methods, and change nothing": Effect.gen(function* () {
    const store = yield* FlowStore
    yield* written(change("a", "1", 1))
    const before = yield* present
    for (const [text, shown] of badNames) {
      for (const bad of [{ name: text }, { version: text }]) {
        yield* refused("write", shown, store.write([{ ...change("b", "1", 1), ...bad }]))
        yield* refused("write", shown, store.write([change("b", "1", 1), { ...change("c", "1", 1), ...bad }]))
        yield* refused("log", shown, store.log({ ...bad, after: 0, limit: 1 }))
        if (text === "") continue
        const after = { name: "a", version: "1", ...bad }
        yield* refused("list", shown, store.list({ after, limit: 1 }))
      }
      yield* refused("get", shown, store.get(text, "1"))
      yield* refused("get", shown, store.get("a", text))
      yield* refused("list", shown, store.list({ name: text, limit: 1 }))
    }
    yield* equal(yield* present, before)
  }),

  "other texts with a lone surrogate, and unknown statuses, are refused and named": Effect.gen(function* () {
    const store = yield* FlowStore
    yield* written(change("a", "1", 1))
    const before = yield* present
    for (const field of ["fingerprint", "text", "actor", "reason", "action"] as const) {
      for (const bad of [`lone${highSurrogate}text`, `${lowSurrogate}${highSurrogate}`, `${big}${highSurrogate}`]) {
        const changes: Changes = [change("b", "1", 1), change("c", "1", 1, { [field]: bad })]
        yield* refused("write", `${field} of the`, store.write(changes))
      }
    }
    for (const bad of ["", "Active", "removed", "__proto__", highSurrogate, "long ".repeat(2000)]) {
      const changes: Changes = [change("b", "1", 1), change("c", "1", 1, { status: status(bad) })]
      yield* refused("write", "status", store.write(changes))
      yield* refused("list", "status", store.list({ status: status(bad), limit: 1 }))
    }
    yield* refused("list", "fingerprint", store.list({ fingerprint: highSurrogate, limit: 1 }))
    yield* equal(yield* present, before)
  }),

  "other numbers are refused, and change nothing": Effect.gen(function* () {
    const store = yield* FlowStore
    yield* written(change("a", "1", 1))
    const before = yield* present
    const writing = (other: Partial<FlowChange>) =>
      store.write([change("b", "1", 1), { ...change("c", "1", 1), ...other }])
    for (const bad of notWhole) {
      yield* refused("write", String(bad), writing({ revision: bad }))
      yield* refused("list", String(bad), store.list({ limit: bad }))
      yield* refused("log", String(bad), store.log({ after: bad, limit: 1 }))
      yield* refused("log", String(bad), store.log({ after: 0, limit: bad }))
    }
    yield* refused("write", "0", writing({ revision: 0 }))
    for (const bad of [NaN, Infinity, -Infinity]) yield* refused("write", String(bad), writing({ at: bad }))
    yield* equal(yield* present, before)
  }),

  "no changes, and two of one flow, are refused": Effect.gen(function* () {
    const store = yield* FlowStore
    yield* written(change("a", "1", 1))
    const before = yield* present
    // what a program without types can give
    yield* refused("write", "no changes", store.write([] as unknown as Changes))
    for (const revision of [1, 2, 3]) {
      const changes: Changes = [change("b", "1", 1), change("a", "1", 2), change("a", "1", revision)]
      yield* refused("write", '"a" "1"', store.write(changes))
    }
    yield* equal(yield* present, before)
    yield* written(change("a", "1", 2), change("a", "1 ", 1), change("a ", "1", 1), change("A", "1", 1))
  })
} satisfies Record<string, Checked>)
