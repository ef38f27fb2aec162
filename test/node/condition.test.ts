import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck, Schema } from "effect"
import * as CanonicalJson from "heddle/model/CanonicalJson"
import * as Condition from "heddle/node/Condition"
import type { Json } from "heddle/node/Json"
import { numRuns } from "../numRuns.js"

const names = ["context", "event", "a", "b"]
const segment = FastCheck.oneof(
  FastCheck.constantFrom("a", "b", "odd name", "it's", '"', "", "and", "toString", "length", "é"),
  FastCheck.nat(3)
)
const path = FastCheck.record({
  _tag: FastCheck.constant("Path" as const),
  root: FastCheck.constantFrom(...names),
  segments: FastCheck.array(segment, { maxLength: 3 })
})
const number = FastCheck.oneof(FastCheck.integer(), FastCheck.double({ noNaN: true, noDefaultInfinity: true })).map(
  (n) => (n === 0 ? 0 : n)
)
const literal = FastCheck.oneof(
  FastCheck.constant<null | boolean | number | string>(null),
  FastCheck.boolean(),
  number,
  FastCheck.fullUnicodeString({ maxLength: 5 })
).map((value) => ({ _tag: "Literal" as const, value }))

const { condition, operand } = FastCheck.letrec<{ operand: Condition.Operand; condition: Condition.Condition }>(
  (tie) => ({
    operand: FastCheck.oneof(
      { maxDepth: 3, withCrossShrink: true },
      path,
      literal,
      FastCheck.record({
        _tag: FastCheck.constant("List" as const),
        items: FastCheck.array(tie("operand"), { maxLength: 3 })
      }),
      FastCheck.record({
        _tag: FastCheck.constant("Arithmetic" as const),
        operator: FastCheck.constantFrom(...(["+", "-", "*", "/"] as const)),
        left: tie("operand"),
        right: tie("operand")
      })
    ),
    condition: FastCheck.oneof(
      { maxDepth: 4, withCrossShrink: true },
      FastCheck.record({
        _tag: FastCheck.constant("Holds" as const),
        operand: FastCheck.oneof(
          path,
          FastCheck.boolean().map((value) => ({ _tag: "Literal" as const, value }))
        )
      }),
      FastCheck.record({ _tag: FastCheck.constant("Exists" as const), path }),
      FastCheck.record({
        _tag: FastCheck.constant("Comparison" as const),
        operator: FastCheck.constantFrom(...(["==", "!=", "<", "<=", ">", ">="] as const)),
        left: tie("operand"),
        right: tie("operand")
      }),
      FastCheck.record({
        _tag: FastCheck.constant("Membership" as const),
        item: tie("operand"),
        list: tie("operand")
      }),
      FastCheck.record({ _tag: FastCheck.constant("Not" as const), condition: tie("condition") }),
      FastCheck.record({
        _tag: FastCheck.constantFrom("And" as const, "Or" as const),
        left: tie("condition"),
        right: tie("condition")
      })
    )
  })
)

const json = FastCheck.letrec<{ json: Json }>((tie) => ({
  json: FastCheck.oneof(
    { maxDepth: 3 },
    FastCheck.constant(null),
    FastCheck.boolean(),
    FastCheck.integer({ min: -2, max: 2 }),
    FastCheck.constantFrom("a", "b", ""),
    FastCheck.array(tie("json"), { maxLength: 3 }),
    FastCheck.dictionary(FastCheck.constantFrom("a", "b", "odd name"), tie("json"), { maxKeys: 3 })
  )
})).json

const roots = FastCheck.dictionary(FastCheck.constantFrom(...names), json, { maxKeys: 4 })

/** The meaning of conditions, written a second time, as plainly as can be: values are lists of none or one. */
const naiveValue = (operand: Condition.Operand, roots: { readonly [root: string]: Json }): ReadonlyArray<Json> => {
  if (operand._tag === "Literal") return [operand.value]
  if (operand._tag === "List") {
    const items = operand.items.map((item) => naiveValue(item, roots))
    return items.some((item) => item.length === 0) ? [] : [items.flat(1)]
  }
  if (operand._tag === "Path") {
    let found: ReadonlyArray<Json> = Object.entries(roots).flatMap(([key, value]) =>
      key === operand.root ? [value] : []
    )
    for (const segment of operand.segments) {
      found = found.flatMap((value): ReadonlyArray<Json> => {
        if (Array.isArray(value)) return (value as ReadonlyArray<Json>).filter((_, at) => at === segment)
        if (value === null || typeof value !== "object") return []
        return Object.entries(value).flatMap(([key, inner]) => (key === segment ? [inner] : []))
      })
    }
    return found
  }
  const [left] = naiveValue(operand.left, roots)
  const [right] = naiveValue(operand.right, roots)
  if (typeof left === "string" && typeof right === "string" && operand.operator === "+") return [`${left}${right}`]
  if (typeof left !== "number" || typeof right !== "number") return []
  const result = { "+": left + right, "-": left - right, "*": left * right, "/": left / right }[operand.operator]
  return Number.isFinite(result) ? [result] : []
}

const same = (left: Json, right: Json) =>
  Either.getOrThrow(CanonicalJson.stringify(left)) === Either.getOrThrow(CanonicalJson.stringify(right))

const naive = (condition: Condition.Condition, roots: { readonly [root: string]: Json }): boolean => {
  switch (condition._tag) {
    case "Holds":
      return naiveValue(condition.operand, roots).includes(true)
    case "Exists":
      return naiveValue(condition.path, roots).length === 1
    case "Not":
      return naive(condition.condition, roots) ? false : true
    case "And":
      return [condition.left, condition.right].every((part) => naive(part, roots))
    case "Or":
      return [condition.left, condition.right].some((part) => naive(part, roots))
    case "Membership": {
      const members = naiveValue(condition.list, roots).flatMap((list) =>
        Array.isArray(list) ? (list as ReadonlyArray<Json>) : []
      )
      return naiveValue(condition.item, roots).some((item) => members.some((member) => same(item, member)))
    }
    case "Comparison": {
      const left = naiveValue(condition.left, roots)
      const right = naiveValue(condition.right, roots)
      const both = left.length === 1 && right.length === 1
      const equal = both && same(left[0]!, right[0]!)
      if (condition.operator === "==") return equal
      if (condition.operator === "!=") return !equal
      const [a, b] = [left[0], right[0]]
      if (!both || typeof a !== typeof b || (typeof a !== "number" && typeof a !== "string")) return false
      const order = a < b! ? "<" : a > b! ? ">" : "="
      return condition.operator.includes(order)
    }
  }
}

const fits = (text: string) => text.length <= Condition.maxLength

describe("Condition", () => {
  it("is the same when it is printed and parsed again", () => {
    FastCheck.assert(
      FastCheck.property(condition, (condition) => {
        const text = Condition.print(condition)
        FastCheck.pre(fits(text))
        assert.deepStrictEqual(Either.getOrThrow(Condition.parse(text)), condition)
        assert.deepStrictEqual(Schema.decodeSync(Condition.ConditionSyntax)(condition), condition)
      }),
      { numRuns: numRuns * 5 }
    )
    FastCheck.assert(
      FastCheck.property(operand, (operand) => {
        const text = Condition.print(operand)
        FastCheck.pre(fits(text))
        assert.deepStrictEqual(Either.getOrThrow(Condition.parseOperand(text)), operand)
      }),
      { numRuns: numRuns * 5 }
    )
  })

  it("comes to what a naive interpreter says", () => {
    let held = 0
    FastCheck.assert(
      FastCheck.property(condition, roots, (condition, roots) => {
        const holds = Condition.evaluate(condition, roots)
        assert.strictEqual(holds, naive(condition, roots))
        if (holds) held++
      }),
      { numRuns: numRuns * 10 }
    )
    assert.isAbove(held, numRuns, "both outcomes are seen")
  })

  it("has the values that a naive interpreter gives", () => {
    FastCheck.assert(
      FastCheck.property(operand, roots, (operand, roots) => {
        const [value] = naiveValue(operand, roots)
        assert.deepStrictEqual(Condition.valueOf(operand, roots), value)
      }),
      { numRuns: numRuns * 10 }
    )
  })

  it("of no matter what text never throws, and a fault is within the text", () => {
    const words = FastCheck.constantFrom(
      ..."and or not in exists true null context.a [ ] ( ) , . == != < <= > >= + - * / = && || ! % 1 1e999 2.5 'a' \"b\" ' \" \\ é __proto__ f(".split(
        " "
      )
    )
    const texts = FastCheck.oneof(
      FastCheck.array(words, { maxLength: 12 }).map((words) => words.join(" ")),
      FastCheck.array(words, { maxLength: 12 }).map((words) => words.join("")),
      FastCheck.string(),
      FastCheck.fullUnicodeString()
    )
    let parsed = 0
    FastCheck.assert(
      FastCheck.property(texts, (text) => {
        const result = Condition.parse(text)
        if (Either.isRight(result)) {
          parsed++
          Condition.evaluate(result.right, {})
          return
        }
        const { position, reason } = result.left
        assert.isAtLeast(position, 0)
        assert.isAtMost(position, text.length)
        assert.isNotEmpty(reason)
      }),
      { numRuns: numRuns * 10 }
    )
    assert.isAbove(parsed, 0)
  })

  const refused = [
    ["a && b", 2, "&&", "the operator && is not supported: write `and`"],
    ["a = 1", 2, "=", "the operator = is not supported: write `==`"],
    ["not a === 1", 6, "===", "the operator === is not supported: write `==`"],
    ["!a", 0, "!", "the operator ! is not supported: write `not`"],
    ["a % 2 == 0", 2, "%", "the operator % is not supported: there is no remainder"],
    ["a matches 'x'", 2, "matches", "the operator matches is not supported"],
    ["size(a) > 1", 0, "size()", "there are no functions: size cannot be called"],
    ["a.b.c() == 1", 4, "c()", "there are no functions: c cannot be called"],
    ["a == 1 == true", 7, undefined, "comparisons cannot be chained: join two with `and`"],
    ["a + 1", 0, undefined, "this is a value, not a condition: compare it with something"],
    ["a and 1", 6, undefined, "this is a value, not a condition: compare it with something"],
    ["(a == 1) + 1 == 2", 0, undefined, "this is a condition, not a value"],
    ["a ==", 4, undefined, "a value is missing before the end"],
    ["(a", 2, undefined, "`)` is missing before the end"],
    ["a == 'b", 5, undefined, "the string is not closed"],
    ["a == '\\x'", 5, undefined, "the string has an escape that there is not"],
    ["a == '\\ud800'", 5, undefined, "the string has a lone surrogate"],
    ["a > 1e999", 4, undefined, "1e999 is too large a number"],
    ["a.constructor.name == 1", 2, undefined, "constructor is reserved"],
    ["a['__proto__']", 2, undefined, "__proto__ is reserved"],
    ["a == -b", 5, undefined, "only a number can be negative: write 0 - a"],
    ["a[1.5]", 2, undefined, "a string or an index is missing"],
    ["a == 1 )", 7, undefined, ") is too much"],
    ["a == or", 5, undefined, "`or` cannot stand here"],
    ["", 0, undefined, "a value is missing before the end"],
    [`${"(".repeat(60)}a${")".repeat(60)}`, 51, undefined, "more than 50 levels of nesting"],
    [`a == "${"b".repeat(1000)}"`, 1000, undefined, "it has 1007 characters, and at most 1000 are allowed"]
  ] as const

  for (const [text, position, operator, reason] of refused) {
    it(`refuses ${text.slice(0, 20)}`, () => {
      const fault = Either.getOrThrow(Either.flip(Condition.parse(text)))
      assert.deepInclude(fault, { position, operator, reason })
    })
  }

  const context = { count: 2, name: "b", tags: ["a", "b"], gone: null, nested: [{ deep: true }], "odd key": 1 }
  const cases = [
    ["context.count == 2", true],
    ["context.count*2+1 == 5 and context.count - -1 == 3", true],
    ["context.missing == 1", false],
    ["context.missing != 1", true],
    ["context.missing < 1 or context.missing >= 1", false],
    ["not context.missing < 1", true],
    ["context.count < '3'", false],
    ["context.count == '2'", false],
    ["context.name in context.tags", true],
    ["context.count in [1, 2, 3]", true],
    ["context.name in 'abc'", false],
    ["exists context.gone and context.gone == null", true],
    ["exists context.missing", false],
    ["context.nested[0].deep", true],
    ["context.nested[1].deep", false],
    ["context['odd key'] == 1", true],
    ["context.tags == ['a', 'b']", true],
    ["exists context.tags.length or exists context.name.length or exists context.toString", false],
    ["context.count / 0 == context.count / 0", false],
    ["true and not false", true],
    ["context.name + 'c' == 'bc'", true],
    ["not context.count == 3 and true or false", true]
  ] as const

  for (const [text, expected] of cases) {
    it(`${text} is ${expected}`, () => {
      assert.strictEqual(Condition.evaluate(Either.getOrThrow(Condition.parse(text)), { context }), expected)
    })
  }

  it("tells the paths that it has", () => {
    const parsed = Either.getOrThrow(Condition.parse("a.b == [c, d + 1] or not exists e['f'] and g in h"))
    assert.deepStrictEqual(Condition.paths(parsed).map(Condition.print), ["a.b", "c", "d", "e.f", "g", "h"])
  })

  it("of the longest text is decoded", () => {
    const text = Array.from({ length: 200 }, () => "a").join(" + ") + " == 1"
    assert.isTrue(fits(text))
    const decoded = Schema.decodeSync(Condition.FromText)(text)
    assert.strictEqual(Condition.evaluate(decoded, { a: 1 }), false)
    assert.strictEqual(Schema.encodeSync(Condition.FromText)(decoded), text)
  })
})
