/**
 * Lists of what is there, page by page.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type { StoreError } from "../../../model/StoreError.js"
import { type KeyedEntry, maxKeyBytes, type Page, StateStore } from "../../../store/StateStore.js"
import * as Check from "./Check.js"
import { refused } from "./EntryTexts.js"
import { equal, type Mismatch } from "./Expect.js"
import { at } from "./Moment.js"
import { type Options, property } from "./Property.js"

const all = Number.MAX_SAFE_INTEGER

const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const isListed = (
  page: Page,
  expected: ReadonlyArray<KeyedEntry>
): Effect.Effect<void, Mismatch | StoreError, StateStore> =>
  Effect.flatMap(StateStore, (store) =>
    Effect.flatMap(store.list(page), (found) => equal(found, expected, `the list of ${JSON.stringify(page)}`))
  )

const areKeys = (page: Page, expected: ReadonlyArray<string>): Effect.Effect<void, Mismatch | StoreError, StateStore> =>
  Effect.flatMap(StateStore, (store) =>
    Effect.flatMap(store.list(page), (found) =>
      equal(
        found.map(({ key }) => key),
        expected,
        `the keys of ${JSON.stringify(page)}`
      )
    )
  )

const put = (keys: Iterable<string>) =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const entries: Array<KeyedEntry> = []
    for (const key of keys) entries.push({ key, value: `of ${key}`, version: yield* store.set(key, `of ${key}`) })
    return entries.sort((a, b) => compareBytes(a.key, b.key))
  })

/** The texts in the order of their bytes, which that of UTF-16 is not. */
const inOrder: ReadonlyArray<string> = [
  "\u0000",
  "\u0000\u0000",
  "\u0001",
  " ",
  "%",
  "*",
  "A",
  "K",
  "[a]",
  "\\",
  "^",
  "_",
  "a",
  "a\u0000",
  "a\u0000b",
  "a ",
  "aa",
  "ab",
  "b",
  "é",
  "\ud7ff",
  "\ue000",
  "\ufeff",
  "\uffee",
  "\uffff",
  "\u{10000}",
  "😀",
  "\u{10ffff}",
  "\u{10ffff}a",
  "\u{10ffff}\u{10ffff}"
]

/** Those that mean something in a pattern of SQL, of Redis or of a regular expression, and texts that they would match. */
const meta: ReadonlyArray<string> = [
  "%",
  "_",
  "*",
  "?",
  "[ab]",
  "[",
  "]",
  "\\",
  "^",
  ".",
  "a%",
  "a_",
  "a*",
  "a?",
  "a\\"
]

const { array, constantFrom, record, uniqueArray } = FastCheck

const anyText = (length: { readonly minLength: number; readonly maxLength: number }) =>
  array(constantFrom("a", "b", "%", "_", "*", "\\", "\u0000", "é", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"), {
    ...length,
    size: "max"
  }).map((characters) => characters.join(""))

export const checks = (options: Options): ReadonlyArray<Check.Check<StateStore>> =>
  Check.group("list", {
    "gives what is there, each in its version": Effect.gen(function* () {
      const store = yield* StateStore
      yield* isListed({ prefix: "", limit: all }, [])
      const entries = yield* put(["k", "l", "k/1"])
      yield* isListed({ prefix: "", limit: all }, entries)
      yield* isListed({ prefix: "k", limit: all }, entries.slice(0, 2))
      yield* isListed({ prefix: "m", limit: all }, [])
      const version = yield* store.set("k", "")
      yield* store.delete("l")
      yield* isListed({ prefix: "", limit: all }, [{ key: "k", value: "", version }, entries[1]!])
    }),

    "is in the order of the keys' bytes": Effect.gen(function* () {
      yield* put([...inOrder].reverse())
      yield* areKeys({ prefix: "", limit: all }, inOrder)
      for (const [i, key] of inOrder.entries()) {
        yield* areKeys({ prefix: "", after: key, limit: all }, inOrder.slice(i + 1))
        yield* areKeys(
          { prefix: key, limit: all },
          inOrder.filter((other) => other.startsWith(key))
        )
      }
    }),

    "takes characters that mean something in patterns for what they are": Effect.gen(function* () {
      const keys = ["a", "b", "aa", "ab", "a%b", "a_b", "a*b", "a?b", "a\\b", "\\%", ...meta]
      const entries = yield* put(new Set(keys))
      for (const prefix of [...meta, "a", "a[", "%a"]) {
        yield* isListed(
          { prefix, limit: all },
          entries.filter(({ key }) => key.startsWith(prefix))
        )
      }
    }),

    "begins after `after`, whether that is there or not, and ends at the limit": Effect.gen(function* () {
      yield* put(["a", "b1", "b3", "b5", "c"])
      yield* areKeys({ prefix: "b", after: "b1", limit: all }, ["b3", "b5"])
      yield* areKeys({ prefix: "b", after: "b2", limit: 1 }, ["b3"])
      yield* areKeys({ prefix: "b", after: "b", limit: 2 }, ["b1", "b3"])
      yield* areKeys({ prefix: "b", after: "b5", limit: all }, [])
      yield* areKeys({ prefix: "b", after: "", limit: all }, ["b1", "b3", "b5"])
      yield* areKeys({ prefix: "b", after: "a", limit: 1 }, ["b1"])
      yield* areKeys({ prefix: "b", after: "c", limit: all }, [])
      yield* areKeys({ prefix: "b", after: undefined, limit: 3 }, ["b1", "b3", "b5"])
      yield* areKeys({ prefix: "", after: "a", limit: 2 }, ["b1", "b3"])
      for (const prefix of ["", "b", "x"]) yield* areKeys({ prefix, limit: 0 }, [])
    }),

    "leaves out what has expired, which no limit counts": Effect.gen(function* () {
      const store = yield* StateStore
      for (let i = 10; i < 30; i++) yield* at(1000)(store.set(`k${i}`, "a", i % 4 === 0 ? {} : { ttl: 100 + i }))
      const kept = ["k12", "k16", "k20", "k24", "k28"]
      yield* at(1200)(areKeys({ prefix: "k", limit: all }, kept))
      yield* at(1200)(areKeys({ prefix: "", limit: 3 }, kept.slice(0, 3)))
      yield* at(1200)(areKeys({ prefix: "", after: "k17", limit: 2 }, ["k20", "k24"]))
      yield* at(1128)(areKeys({ prefix: "", after: "k25", limit: all }, ["k28", "k29"]))
      yield* at(1129)(areKeys({ prefix: "", after: "k25", limit: all }, ["k28"]))
    }),

    "takes prefixes and keys of any length that a key may have": Effect.gen(function* () {
      const longest = "x".repeat(maxKeyBytes)
      const last = "\u{10ffff}".repeat(maxKeyBytes / 4)
      yield* put([longest, `${longest.slice(1)}y`, last])
      yield* areKeys({ prefix: longest, limit: all }, [longest])
      yield* areKeys({ prefix: longest.slice(1), limit: all }, [longest, `${longest.slice(1)}y`])
      yield* areKeys({ prefix: "", after: longest, limit: all }, [`${longest.slice(1)}y`, last])
      yield* areKeys({ prefix: last, limit: all }, [last])
      yield* areKeys({ prefix: last.slice(2), limit: all }, [last])
      yield* areKeys({ prefix: "", after: last, limit: all }, [])
    }),

    "refuses other prefixes and limits": Effect.gen(function* () {
      const store = yield* StateStore
      yield* store.set("k", "a")
      for (const [text, shown] of [
        ["lone\ud83dtext", "lone\\ud83dtext"],
        ["\ude00\ud83d", "\\ude00\\ud83d"],
        ["x".repeat(maxKeyBytes + 1), "xxxxxxxxxx"],
        ["long ".repeat(2000), "long long"]
      ] as const) {
        yield* refused("list", shown, store.list({ prefix: text, limit: 1 }))
        yield* refused("list", shown, store.list({ prefix: "k", after: text, limit: 1 }))
        yield* refused("list", shown, store.list({ prefix: text, limit: 0 }))
      }
      for (const limit of [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53]) {
        yield* refused("list", `${limit}`, store.list({ prefix: "", limit }))
      }
    }),

    "pages of every size are those of a model": property(
      options,
      record({
        keys: uniqueArray(anyText({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8, size: "max" }),
        prefix: anyText({ minLength: 0, maxLength: 2 }),
        from: anyText({ minLength: 0, maxLength: 2 })
      }),
      ({ from, keys, prefix }, index) =>
        Effect.gen(function* () {
          const store = yield* StateStore
          const base = index === 0 ? "" : `${index}/`
          const entries = yield* put(keys.map((key) => `${base}${key}`))
          for (const begin of [base, `${base}${prefix}`]) {
            const expected = entries.filter(({ key }) => key.startsWith(begin))
            for (let limit = 1; limit <= expected.length + 1; limit++) {
              const listed: Array<KeyedEntry> = []
              for (let page = yield* store.list({ prefix: begin, limit }); ;) {
                listed.push(...page)
                if (page.length < limit || listed.length > expected.length) break
                page = yield* store.list({ prefix: begin, limit, after: page.at(-1)!.key })
              }
              yield* equal(listed, expected, `in pages of ${limit}, with the prefix ${JSON.stringify(begin)}`)
            }
            const after = `${base}${from}`
            yield* isListed(
              { prefix: begin, after, limit: 3 },
              expected.filter(({ key }) => compareBytes(key, after) > 0).slice(0, 3)
            )
          }
        })
    )
  })
