import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Schema } from "effect"
import { hash, maxDepth, NotJson, stringify } from "heddle/model/CanonicalJson"
import { numRuns } from "../numRuns.js"

const runs = { fastCheck: { numRuns } }

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const key = fc.oneof(
  fc.fullUnicodeString(),
  fc.string(),
  fc.nat(20).map(String),
  fc.constantFrom("__proto__", "toJSON")
)
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.fullUnicodeString(),
    fc.string({ maxLength: 60 }),
    fc.array(tie("json"), { maxLength: 5 }),
    fc.dictionary(key, tie("json"), { maxKeys: 5, noNullPrototype: true })
  )
}))

const isRecord = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The same value with its objects rebuilt by `f`. */
const rebuild = (value: Json, f: (entries: Array<[string, Json]>) => Array<[string, Json]>): Json =>
  Array.isArray(value)
    ? value.map((item: Json) => rebuild(item, f))
    : isRecord(value)
      ? Object.fromEntries(f(Object.entries(value).map(([key, item]) => [key, rebuild(item, f)])))
      : value === 0
        ? 0
        : value

const text = (value: unknown): string => Either.getOrThrow(stringify(value))
const refused = (value: unknown) => {
  const fault = Either.getOrThrow(Either.flip(stringify(value)))
  assert.instanceOf(fault, NotJson)
  return { path: fault.path, message: fault.message }
}

const hasToJson: object = { toJSON: () => 1 }
class Point {
  constructor(readonly x: number) {}
}

/** What JSON cannot hold, and where in it the fault is. */
const notJson: ReadonlyArray<readonly [name: string, value: unknown, path: ReadonlyArray<string>, message: string]> = [
  ["NaN", NaN, [], "NaN"],
  ["an infinity", -Infinity, [], "-Infinity"],
  ["a bigint", 1n, [], "a bigint"],
  ["a symbol", Symbol("s"), [], "a symbol"],
  ["a function", () => 1, [], "a function"],
  ["a Date", new Date(0), [], "an instance of Date"],
  ["a Map", new Map(), [], "an instance of Map"],
  ["a Set", new Set(), [], "an instance of Set"],
  ["a typed array", new Uint8Array(1), [], "an instance of Uint8Array"],
  ["an instance", new Point(1), [], "an instance of Point"],
  ["a boxed number", Object(1), [], "an instance of Number"],
  ["an instance of an anonymous class", new (class {})(), [], "an instance of a class"],
  ["a subclass of Array", new (class List extends Array<number> {})(), [], "an instance of List"],
  ["a prototype without constructor", Object.create(Object.create(null)), [], "an instance of a class"],
  ["an object with toJSON", hasToJson, ["toJSON"], "a function"],
  ["a symbol key", { [Symbol("s")]: 1 }, [], "an object with a symbol as key"],
  ["a lone high surrogate", "a\ud800", [], "a string with a lone surrogate"],
  ["a lone low surrogate", "x".repeat(100) + "\udc00", [], "a string with a lone surrogate"],
  ["a key with a lone surrogate", { "\ud800": 1 }, [], "a key with a lone surrogate"]
]

describe("CanonicalJson", () => {
  describe("stringify", () => {
    it("writes the examples of RFC 8785", () => {
      assert.strictEqual(
        text(
          JSON.parse(
            String.raw`{ "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }`
          )
        ),
        String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
      )
      assert.deepStrictEqual(
        [...text({ "\u20ac": 1, "\r": 1, "\ufb33": 1, "1": 1, "\ud83d\ude00": 1, "\u0080": 1, "\u00f6": 1 })]
          .filter((character) => !'{}":,1\\'.includes(character))
          .join(""),
        "r\u0080\u00f6\u20ac\ud83d\ude00\ufb33"
      )
      assert.strictEqual(text({ "10": 1, "9": 1, a: 1, "1": 1 }), '{"1":1,"10":1,"9":1,"a":1}')
    })

    it("leaves out properties that are undefined, and writes -0 as 0", () => {
      assert.strictEqual(text({ b: undefined, a: -0 }), '{"a":0}')
      assert.strictEqual(text({ a: undefined }), "{}")
    })

    it("takes objects without prototype, and the same object twice", () => {
      const shared = Object.assign(Object.create(null), { a: 1 })
      assert.strictEqual(text([shared, shared]), '[{"a":1},{"a":1}]')
    })

    it("sorts objects of many keys", () => {
      const keys = Array.from({ length: 100 }, (_, at) => `k${at}`)
      const expected = `{${[...keys]
        .sort()
        .map((key) => `"${key}":0`)
        .join(",")}}`
      assert.strictEqual(text(Object.fromEntries(keys.map((key) => [key, 0]))), expected)
    })

    it.prop(
      "reads back as it was",
      [json],
      ([value]) =>
        assert.deepStrictEqual(
          JSON.parse(text(value)),
          rebuild(value, (entries) => entries)
        ),
      runs
    )

    it.prop(
      "does not depend on the order of insertion",
      [json, fc.infiniteStream(fc.nat())],
      ([value, numbers]) => {
        const shuffle = (entries: Array<[string, Json]>) =>
          entries
            .map((entry) => [numbers.next().value as number, entry] as const)
            .sort(([a], [b]) => a - b)
            .map(([, entry]) => entry)
        assert.strictEqual(text(rebuild(value, shuffle)), text(value))
      },
      runs
    )

    it.prop(
      "is equal for equal values only",
      [json, json],
      ([a, b]) => {
        const equal = (() => {
          try {
            assert.deepStrictEqual(
              rebuild(a, (entries) => entries),
              rebuild(b, (entries) => entries)
            )
            return true
          } catch {
            return false
          }
        })()
        assert.strictEqual(text(a) === text(b), equal)
      },
      runs
    )

    it.prop(
      "says what JSON.stringify says where the keys are sorted",
      [json],
      ([value]) => {
        const sorted = JSON.parse(text(value)) as Json
        const inOrder = (value: Json): boolean =>
          Array.isArray(value)
            ? value.every(inOrder)
            : !isRecord(value) ||
              (Object.keys(value).every((key, at, keys) => at === 0 || keys[at - 1]! < key) &&
                Object.values(value).every(inOrder))
        if (inOrder(sorted)) assert.strictEqual(text(value), JSON.stringify(sorted))
      },
      runs
    )

    it.each(notJson)("refuses %s", (_, value, path, message) => {
      assert.deepStrictEqual(refused(value), { path, message })
    })

    it("refuses undefined and holes, where they are not properties", () => {
      assert.deepStrictEqual(refused(undefined), { path: [], message: "undefined" })
      assert.deepStrictEqual(refused({ a: [1, undefined] }), { path: ["a", 1], message: "undefined" })
      // eslint-disable-next-line no-sparse-arrays -- the hole is what is tested
      assert.deepStrictEqual(refused([, 1]), { path: [0], message: "undefined" })
    })

    it("refuses a cycle where it closes", () => {
      const cycle: { wide: ReadonlyArray<number>; next: Array<unknown> } = { wide: [1, 2], next: [] }
      cycle.next.push(0, cycle)
      assert.deepStrictEqual(refused({ cycle }), {
        path: ["cycle", "next", 1],
        message: "an object that contains itself"
      })
    })

    it("refuses what is nested too deep, without overflowing the stack", () => {
      const nested = (levels: number): unknown => {
        let value: unknown = 1
        for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
        return value
      }
      assert.strictEqual(JSON.stringify(nested(maxDepth)), text(nested(maxDepth)))
      for (const levels of [maxDepth + 1, 100_000]) {
        const fault = refused(nested(levels))
        assert.strictEqual(fault.message, `more than ${maxDepth} levels of nesting`)
        assert.strictEqual(fault.path.length, maxDepth)
      }
    })

    it.prop(
      "names the path to the one thing that is not JSON",
      [
        fc.array(fc.tuple(fc.array(json, { maxLength: 3 }), fc.option(key), fc.array(json, { maxLength: 3 })), {
          maxLength: 6
        }),
        fc.constantFrom(...notJson, ["a hole", [undefined], ["0"], "undefined"] as const)
      ],
      ([levels, [, fault, inside, message]]) => {
        const path: Array<string | number> = inside.map((step) => (step === "0" ? 0 : step))
        let value = fault
        for (const [before, name, after] of levels) {
          const siblings = [...before, ...after].map((sibling, at) => [`${name}${at}`, sibling] as const)
          value = name === null ? [...before, value, ...after] : Object.fromEntries([...siblings, [name, value]])
          path.unshift(name ?? before.length)
        }
        assert.deepStrictEqual(refused(value), { path, message })
      },
      runs
    )

    it("takes what a schema encodes", () => {
      const schema = Schema.Struct({ at: Schema.Date, note: Schema.optional(Schema.String), big: Schema.BigInt })
      assert.strictEqual(
        text(Schema.encodeSync(schema)({ at: new Date(0), note: undefined, big: 1n })),
        '{"at":"1970-01-01T00:00:00.000Z","big":"1"}'
      )
    })
  })

  it("hash is SHA-256 over UTF-8", () => {
    assert.strictEqual(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert.strictEqual(hash("€"), "c4cc90ed3d26f12d4b08a75140970a7904035c31cbb4515a83f19b9003c00d1d")
  })
})
