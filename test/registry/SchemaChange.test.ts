import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Either, FastCheck as fc, Inspectable, Option, Schema } from "effect"
import * as CanonicalJson from "heddle/model/CanonicalJson"
import type { Json, SchemaDocument } from "heddle/model/SchemaDocument"
import * as SchemaFingerprint from "heddle/plan/internal/SchemaFingerprint"
import * as SchemaChange from "heddle/registry/internal/SchemaChange"
import { numRuns } from "../numRuns.js"
import * as SchemaSpec from "./SchemaSpec.js"

type Any = Schema.Schema<any, any>

const document = (schema: Any): SchemaDocument =>
  Either.getOrThrowWith(SchemaFingerprint.describe(schema), (opaque) => new Error(JSON.stringify(opaque)))

const text = (document: SchemaDocument) => Either.getOrThrow(CanonicalJson.stringify(document))

const compare = (before: Any, now: Any) => SchemaChange.compare(document(before), document(now))

const takes = (schema: Any, encoded: unknown) => Either.isRight(Schema.decodeUnknownEither(schema)(encoded))

/** What JSON makes of a value; undefined where it has no JSON. */
const stored = (value: unknown): Option.Option<unknown> =>
  Option.flatMap(Option.liftThrowable(() => JSON.stringify(value) as string | undefined)(), (text) =>
    text === undefined ? Option.none() : Option.some(JSON.parse(text) as unknown)
  )

/** Encoded values of a schema, also as JSON keeps them: those that it decodes itself. */
const encodedOf = (schema: Any, seed: number, count: number, from = schema): ReadonlyArray<unknown> => {
  // a schema may have no values, and a filter that lets few of them pass
  const values = Either.try(() => fc.sample(Arbitrary.make(from), { numRuns: count, seed }))
  return Either.getOrElse(values, () => []).flatMap((value) => {
    const encoded = Schema.encodeUnknownEither(schema)(value)
    if (Either.isLeft(encoded)) return []
    const kept = [encoded.right, ...Option.toArray(stored(encoded.right))]
    return kept.filter((value) => takes(schema, value))
  })
}

const edited = fc.tuple(SchemaSpec.spec, fc.array(SchemaSpec.edit, { minLength: 1, maxLength: 3 }))
const follow = (spec: SchemaSpec.Spec, edits: ReadonlyArray<SchemaSpec.Edit>) => edits.reduce(SchemaSpec.apply, spec)

/** A schema that cannot be built, such as one with two members that are told apart in the same way, is not looked at. */
const build = (spec: SchemaSpec.Spec) =>
  Either.getOrUndefined(
    Either.try(() => {
      const built = SchemaSpec.build(spec)
      // one with a function that has no name has no document
      document(built)
      return built
    })
  )

/** What values are made of: a filter that lets few of them pass, or none, would take for ever. */
const unfiltered = (spec: SchemaSpec.Spec, built: Any): Any => {
  const text = JSON.stringify(spec)
  return text.includes(`"filtered"`)
    ? SchemaSpec.build(JSON.parse(text.replaceAll(`"filtered"`, `"plain"`)) as SchemaSpec.Spec)
    : built
}

const { Boolean, Number, String } = Schema
const Even = Number.pipe(Schema.filter((n) => n % 2 === 0, { identifier: "Even" }))
// what no value has is no schema of any value
const Never = Schema.Never as unknown as Any
const hasSome = (value: object) => Object.keys(value).length > 0
const hasTwo = (value: object) => Object.keys(value).length === 2
const strict = { parseOptions: { onExcessProperty: "error" } } as const
const A = Schema.TaggedStruct("A", { a: String })
const B = Schema.TaggedStruct("B", { b: Number })
class Money extends Schema.Class<Money>("Money")({ amount: Number }) {}
class Price extends Schema.Class<Price>("Price")({ amount: Number, currency: Schema.optional(String) }) {}
const LongMoney = Schema.Struct({ amount: Number, currency: Schema.optional(String) })

interface List {
  readonly next: List | null
}
const list = (fields: Schema.Struct.Fields): Any => {
  const whole: Any = Schema.Struct({
    ...fields,
    next: Schema.NullOr(Schema.suspend((): Schema.Schema<List> => whole))
  } as Schema.Struct.Fields) as unknown as Any
  return whole
}

/** What is compatible, with the path of one reason. */
const compatible: Record<string, readonly [before: any, now: any, path: string]> = {
  "an added optional field": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String, b: Schema.optional(Number) }),
    "b"
  ],
  "an added exact optional field": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String, b: Schema.optionalWith(Number, { exact: true }) }),
    "b"
  ],
  "an added field with a default": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String, b: Schema.optionalWith(Number, { default: () => 1 }) }).annotations({
      identifier: "One"
    }),
    "b"
  ],
  "an added field as Option": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String, b: Schema.optionalWith(Number, { as: "Option" }) }),
    "b"
  ],
  "an added field that may be undefined": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String, b: Schema.UndefinedOr(Number) }),
    "b"
  ],
  "a field that became optional": [Schema.Struct({ a: String }), Schema.Struct({ a: Schema.optional(String) }), "a"],
  "an optional field that became required, and may be undefined": [
    Schema.Struct({ a: Schema.optional(String) }),
    Schema.Struct({ a: Schema.UndefinedOr(String) }),
    ""
  ],
  "a removed field": [Schema.Struct({ a: String, b: Number }), Schema.Struct({ a: String }), "b"],
  "a field that became one of many": [
    Schema.Struct({ a: String, b: Number }),
    Schema.Struct({ a: String }, { key: String, value: Schema.Union(String, Number) }),
    "b"
  ],
  "unknown properties, refused now": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: String }).annotations(strict),
    ""
  ],
  "unknown properties, not refused any more": [
    Schema.Struct({ a: String }).annotations(strict),
    Schema.Struct({ a: String }),
    ""
  ],
  "a union with more members": [Schema.Union(A, B), Schema.Union(A, B, Number), ""],
  "a union in another order": [Schema.Union(A, B), Schema.Union(B, A), ""],
  "a schema that became one of a union": [Schema.Struct({ a: A }), Schema.Struct({ a: Schema.Union(B, A) }), "a"],
  "a union with a changed member": [
    Schema.Union(A, B),
    Schema.Union(Schema.TaggedStruct("A", { a: String, c: Schema.optional(String) }), B),
    "c"
  ],
  "a union that became what all members are": [Schema.Literal("a", "b"), String, ""],
  "a nested union": [Schema.Union(A, B), Schema.Union(Schema.Union(A, Number), B), ""],
  "null, added": [String, Schema.NullOr(String), ""],
  "a dropped refinement": [Schema.NonEmptyString, String, ""],
  "a dropped refinement of the user": [Even, Number, ""],
  "one of two refinements": [Even.pipe(Schema.int()), Even, ""],
  "refinements in another order": [
    Even.pipe(Schema.int()),
    Schema.Int.pipe(Schema.filter((n) => n % 2 === 0, { identifier: "Even" })),
    ""
  ],
  "wider bounds": [Number.pipe(Schema.between(1, 2)), Number.pipe(Schema.between(0, 2)), ""],
  "bounds that are implied by two": [
    Number.pipe(Schema.greaterThan(0), Schema.lessThan(5)),
    Number.pipe(Schema.between(0, 5)),
    ""
  ],
  "a shorter least length": [String.pipe(Schema.minLength(3)), Schema.NonEmptyString, ""],
  "fewer items, of structs that changed": [
    Schema.Array(Money).pipe(Schema.minItems(2)),
    Schema.Array(LongMoney).pipe(Schema.minItems(1)),
    "*"
  ],
  "whole numbers that became finite": [Schema.Int, Schema.Finite, ""],
  "a refined struct, with an added optional field": [
    Schema.Struct({ a: String }).pipe(Schema.filter(hasSome, { identifier: "Some" })),
    Schema.Struct({ a: String, b: Schema.optional(String) }).pipe(Schema.filter(hasSome, { identifier: "Some" })),
    "b"
  ],
  "a literal that became its type": [Schema.Literal("a"), String, ""],
  "a number that became its type": [Schema.Literal(1), Number, ""],
  "a bigint that became its type": [Schema.Literal(1n), Schema.BigIntFromSelf, ""],
  "a symbol that became its type": [Schema.UniqueSymbolFromSelf(Symbol.for("a")), Schema.SymbolFromSelf, ""],
  "a literal, added": [Schema.Literal("a"), Schema.Literal("b", "a"), ""],
  "an enum with more members": [Schema.Enums({ a: "a" } as const), Schema.Enums({ a: "a", b: "b" } as const), ""],
  "an enum that became literals": [Schema.Enums({ a: "a", b: 1 } as const), Schema.Literal("a", 1), ""],
  "a boolean that became literals": [Boolean, Schema.Literal(true, false), ""],
  "a literal that became a boolean": [Schema.Literal(true), Boolean, ""],
  "a template that became a string": [Schema.TemplateLiteral("a", String), String, ""],
  "anything, from a struct": [Money, Schema.Unknown, ""],
  "anything, from unknown": [Schema.Unknown, Schema.Any, ""],
  "anything, as void": [String, Schema.Void, ""],
  "an object, from a struct": [Schema.Struct({ a: String }), Schema.Object, ""],
  "{}, from a string": [String, Schema.Struct({}), ""],
  "{}, from a struct": [Schema.Struct({ a: String }), Schema.Struct({}), ""],
  "never, that became something": [
    Schema.Struct({ a: Schema.Array(Never) }),
    Schema.Struct({ a: Schema.Array(A) }),
    ""
  ],
  "an optional element, added": [Schema.Tuple(String), Schema.Tuple(String, Schema.optionalElement(Number)), "1"],
  "an element that became optional": [
    Schema.Tuple(String, Number),
    Schema.Tuple(String, Schema.optionalElement(Number)),
    "1"
  ],
  "a tuple that became an array": [Schema.Tuple(String, String), Schema.Array(String), ""],
  "an array that may be empty": [Schema.NonEmptyArray(String), Schema.Array(String), ""],
  "a tuple around a rest": [Schema.Tuple([String], Number, Money), Schema.Tuple([String], Number, LongMoney), "*+1"],
  "a class with an added optional field": [Money, Price, "currency"],
  "a class that became a struct": [Money, LongMoney, ""],
  "a struct that became a class": [Schema.Struct({ amount: Number }), Money, ""],
  "a field deep inside": [
    Schema.Struct({ a: Schema.Array(Schema.Struct({ b: Schema.Option(Money) })) }),
    Schema.Struct({ a: Schema.Array(Schema.Struct({ b: Schema.Option(Price) })) }),
    "a.*.b.value.currency"
  ],
  "the items of a map": [
    Schema.HashMap({ key: String, value: Money }),
    Schema.HashMap({ key: String, value: Price }),
    "*.1.currency"
  ],
  "a collection that became another": [Schema.Chunk(String), Schema.List(String), ""],
  "a collection that became an array": [Schema.Chunk(String), Schema.Array(String), ""],
  "an Option of a declared type": [
    Schema.OptionFromSelf(Schema.Struct({ a: String })),
    Schema.OptionFromSelf(Schema.Struct({})),
    ""
  ],
  "what JSON text holds": [Schema.parseJson(Money), Schema.parseJson(Price), "currency"],
  "what is no number any more, but its text": [Schema.NumberFromString, String, ""],
  "a record with more": [
    Schema.Record({ key: String, value: Schema.Literal("a") }),
    Schema.Record({ key: String, value: String }),
    "*"
  ],
  "a record of fewer keys": [
    Schema.Record({ key: String, value: Number }),
    Schema.Record({ key: Schema.TemplateLiteral("a", String), value: Number }),
    "*"
  ],
  "a recursive schema with an added optional field": [list({}), list({ a: Schema.optional(String) }), "a"],
  "a recursive schema, unrolled": [
    list({ a: Schema.Literal("x") }),
    Schema.Struct({ a: String, next: Schema.NullOr(list({ a: String })) }),
    "a"
  ]
}

/** What is breaking: an encoded value that shows it, where there is one, and the path of one reason. */
const breaking: Record<string, readonly [before: any, now: any, path: string, witness?: unknown]> = {
  "an added required field": [Schema.Struct({ a: String }), Schema.Struct({ a: String, b: Number }), "b", { a: "" }],
  "a field that became required": [
    Schema.Struct({ a: Schema.optional(String) }),
    Schema.Struct({ a: String }),
    "a",
    {}
  ],
  "a field of another name": [
    Schema.Struct({ a: String }),
    Schema.Struct({ a: Schema.propertySignature(String).pipe(Schema.fromKey("b")) }),
    "b",
    { a: "" }
  ],
  "a field that may be undefined, exact now": [
    Schema.Struct({ a: Schema.UndefinedOr(String) }),
    Schema.Struct({ a: Schema.UndefinedOr(String) }).annotations({ parseOptions: { exact: true } }),
    "a",
    {}
  ],
  "a removed field, where others are refused": [
    Schema.Struct({ a: String, b: Number }),
    Schema.Struct({ a: String }).annotations(strict),
    "b",
    { a: "", b: 1 }
  ],
  "a removed field deep inside of what refuses others": [
    Schema.Struct({ a: Schema.Struct({ b: Number }) }),
    Schema.Struct({ a: Schema.Struct({ c: Schema.optional(Number) }) }).annotations(strict),
    "a.b",
    { a: { b: 1 } }
  ],
  "an added field, where unknown ones were kept": [
    Schema.Struct({ a: String }).annotations({ parseOptions: { onExcessProperty: "preserve" } }),
    Schema.Struct({ a: String, b: Schema.optional(Number) }),
    "b",
    { a: "", b: "x" }
  ],
  "an added field, where {} kept all": [
    Schema.Struct({}),
    Schema.Struct({ b: Schema.optional(Number) }),
    "",
    { b: "x" }
  ],
  "an added field, which was one of many": [
    Schema.Struct({ a: String }, { key: String, value: String }),
    Schema.Struct({ a: String, b: Schema.optional(Number) }),
    "b",
    { a: "", b: "x" }
  ],
  "a field that is one of many of another type now": [
    Schema.Struct({ a: String, b: Number }),
    Schema.Struct({ a: String }, { key: String, value: String }),
    "b",
    { a: "", b: 1 }
  ],
  "a type that became another": [Schema.Struct({ a: String }), Schema.Struct({ a: Number }), "a", { a: "" }],
  "a union with fewer members": [Schema.Union(A, B), Schema.Union(A, Number), "", { _tag: "B", b: 1 }],
  "a member that changed": [
    Schema.Struct({ u: Schema.Union(A, B) }),
    Schema.Struct({ u: Schema.Union(Schema.TaggedStruct("A", { a: Number }), B) }),
    "u.a",
    { u: { _tag: "A", a: "" } }
  ],
  "null, taken away": [Schema.NullOr(String), String, "", null],
  "a literal, taken away": [Schema.Literal("a", "b"), Schema.Literal("a"), "", "b"],
  "a type that became a literal": [String, Schema.Literal("a"), "", "b"],
  "an enum with fewer members": [Schema.Enums({ a: "a", b: "b" } as const), Schema.Enums({ a: "a" } as const), "", "b"],
  "an added refinement": [String, Schema.NonEmptyString, "", ""],
  "narrower bounds": [Number.pipe(Schema.between(0, 5)), Number.pipe(Schema.between(0, 4)), "", 5],
  "bounds without their end": [Number.pipe(Schema.greaterThanOrEqualTo(0)), Number.pipe(Schema.greaterThan(0)), "", 0],
  "bounds on one side": [Number.pipe(Schema.lessThan(5)), Number.pipe(Schema.between(0, 5)), "", -1],
  "length and number are not the same": [
    Schema.Struct({ a: String.pipe(Schema.minLength(1)) }),
    Schema.Struct({ a: String.pipe(Schema.maxLength(2)) }),
    "a",
    { a: "abc" }
  ],
  "an exact optional field that became required": [
    Schema.Struct({ a: Schema.optionalWith(String, { exact: true }) }),
    Schema.Struct({ a: String }),
    "a",
    {}
  ],
  "fewer items than there were": [
    Schema.Array(String).pipe(Schema.minItems(1)),
    Schema.Array(String).pipe(Schema.minItems(2)),
    "",
    [""]
  ],
  "a refined struct that lost a field": [
    Schema.Struct({ a: String, b: String }).pipe(Schema.filter(hasTwo, { identifier: "Two" })),
    Schema.Struct({ a: String }).pipe(Schema.filter(hasTwo, { identifier: "Two" })),
    "b",
    { a: "", b: "" }
  ],
  "a refinement of the user, added": [Number, Even, "", 1],
  "finite numbers that have to be whole": [Schema.Finite, Schema.Int, "", 0.5],
  "anything that became something": [Schema.Unknown, String, "", 1],
  "void that became something": [Schema.Void, Schema.Undefined, "", 1],
  "{} that became an object": [Schema.Struct({}), Schema.Object, "", "x"],
  "null, which is not {}": [Schema.Null, Schema.Struct({}), "", null],
  "an object that became a struct": [Schema.Object, Schema.Struct({ a: Schema.optional(String) }), "", { a: 1 }],
  "an array that became a struct": [Schema.Array(String), Schema.Struct({ a: Schema.optional(String) }), "", []],
  "an element, added": [Schema.Tuple(String), Schema.Tuple(String, Number), "1", [""]],
  "an element, removed": [Schema.Tuple(String, Number), Schema.Tuple(String), "1", ["", 1]],
  "an array that became a tuple": [Schema.Array(String), Schema.Tuple(String), "0", []],
  "an array of at least one": [Schema.Array(String), Schema.NonEmptyArray(String), "0", []],
  "elements around a rest": [
    Schema.Tuple([String], Number, Boolean),
    Schema.Tuple([String], Number, Boolean, Boolean),
    "",
    ["", true]
  ],
  "a class with an added field": [
    Money,
    Schema.Struct({ amount: Number, currency: String }),
    "currency",
    { amount: 1 }
  ],
  "text that is a number now": [String, Schema.NumberFromString, "", "x"],
  "what JSON text holds": [
    Schema.parseJson(Schema.Struct({})),
    Schema.parseJson(Schema.Struct({ a: String })),
    "",
    "{}"
  ],
  "what is composed with something else": [
    Schema.compose(Schema.Trim, Schema.NonEmptyString),
    Schema.compose(Schema.Trim, String.pipe(Schema.minLength(2))),
    "",
    "a"
  ],
  "a record with other keys, where others are refused": [
    Schema.Record({ key: String, value: Number }),
    Schema.Record({ key: Schema.TemplateLiteral("a", String), value: Number }).annotations(strict),
    "*",
    { b: 1 }
  ],
  "a record with other values": [
    Schema.Record({ key: String, value: Number }),
    Schema.Record({ key: String, value: String }),
    "*",
    { b: 1 }
  ],
  "a recursive schema with an added field": [list({}), list({ a: String }), "a", { next: null }],
  "a recursive schema that changed on the second level": [
    list({ a: String }),
    Schema.Struct({ a: String, next: Schema.NullOr(list({ a: Number })) }),
    "next.a",
    { a: "", next: { a: "", next: null } }
  ]
}

/** What is breaking because it cannot be told. */
const untold: Record<string, readonly [before: any, now: any]> = {
  "a filter under another name": [Even, Number.pipe(Schema.filter((n) => n % 2 === 0, { identifier: "IsEven" }))],
  "another pattern": [String.pipe(Schema.pattern(/a/)), String.pipe(Schema.pattern(/a|b/))],
  "a literal of a template": [Schema.Literal("ab"), Schema.TemplateLiteral("a", String)],
  "another transformation": [Schema.Trim, Schema.Lowercase],
  "a function of the user, of something that changed": [
    Schema.transform(Schema.Struct({ a: String, b: String }), String, {
      strict: true,
      decode: ({ a }) => a,
      encode: (a) => ({ a, b: a })
    }).annotations({ identifier: "First" }),
    Schema.transform(Schema.Struct({ a: String }), String, {
      strict: true,
      decode: ({ a }) => a,
      encode: (a) => ({ a })
    }).annotations({ identifier: "First" })
  ],
  "a declared type": [Schema.DateFromSelf, Schema.instanceOf(Error)]
}

describe("SchemaChange.compare", () => {
  describe("is compatible", () => {
    it.each(Object.entries(compatible))("%s", (_, [before, now, path]) => {
      const { reasons, verdict } = compare(before, now)
      assert.strictEqual(verdict, "compatible", JSON.stringify(reasons))
      assert.include(
        reasons.map(({ path }) => path.join(".")),
        path
      )
      for (const encoded of encodedOf(before, 1, 20))
        assert.isTrue(takes(now, encoded), Inspectable.toStringUnknown(encoded))
    })
  })

  describe("is breaking", () => {
    it.each(Object.entries(breaking))("%s", (_, [before, now, path, witness]) => {
      const { reasons, verdict } = compare(before, now)
      assert.strictEqual(verdict, "breaking", JSON.stringify(reasons))
      assert.include(
        reasons.map(({ path }) => path.join(".")),
        path
      )
      assert.isTrue(takes(before, witness), "the witness is one")
      assert.isFalse(takes(now, witness), "the witness is refused")
    })
  })

  describe("is breaking, since it cannot be told", () => {
    it.each(Object.entries(untold))("%s", (_, [before, now]) => {
      assert.strictEqual(compare(before, now).verdict, "breaking")
    })
  })

  it("no schema encodes nothing", () => {
    const some = document(String)
    assert.strictEqual(SchemaChange.compare(null, null).verdict, "unchanged")
    assert.strictEqual(SchemaChange.compare(null, some).verdict, "compatible")
    assert.strictEqual(SchemaChange.compare(some, null).verdict, "breaking")
  })

  it.prop(
    "compatible: what the first encodes, the second decodes",
    [edited, fc.integer()],
    ([[spec, edits], seed]) => {
      const [before, now] = [build(spec), build(follow(spec, edits))]
      if (before === undefined || now === undefined) return
      const { reasons, verdict } = compare(before, now)
      if (verdict === "breaking") return assert.isNotEmpty(reasons)
      for (const encoded of encodedOf(before, seed, 12, unfiltered(spec, before))) {
        if (!takes(now, encoded))
          assert.fail(`${Inspectable.toStringUnknown(encoded)} is refused: ${JSON.stringify(reasons)}`)
      }
    },
    { fastCheck: { numRuns: numRuns * 5 } }
  )

  it.prop(
    "unchanged if and only if the documents are equal, however their keys are ordered",
    [edited],
    ([[spec, edits]]) => {
      const [before, now] = [build(spec), build(follow(spec, edits))]
      if (before === undefined || now === undefined) return
      const [first, second] = [document(before), document(now)]
      const isEqual = text(first) === text(second)
      assert.strictEqual(SchemaChange.compare(first, second).verdict === "unchanged", isEqual)
      // canonical JSON has its keys in another order
      const kept = JSON.parse(text(first)) as SchemaDocument
      assert.deepStrictEqual(SchemaChange.compare(kept, first), { verdict: "unchanged", reasons: [] })
      assert.deepStrictEqual(SchemaChange.compare(kept, second), SchemaChange.compare(first, second))
    },
    { fastCheck: { numRuns } }
  )

  it.prop(
    "what is compatible both ways is so with a third, too",
    [edited, fc.array(SchemaSpec.edit, { minLength: 1, maxLength: 2 })],
    ([[spec, edits], others]) => {
      const second = follow(spec, edits)
      const schemas = [spec, second, follow(second, others)].map(build)
      if (schemas.some((schema) => schema === undefined)) return
      const [a, b, c] = schemas.map((schema) => document(schema!)) as [SchemaDocument, SchemaDocument, SchemaDocument]
      const isFine = (before: SchemaDocument, now: SchemaDocument) =>
        SchemaChange.compare(before, now).verdict !== "breaking"
      if (isFine(a, b) && isFine(b, a) && isFine(b, c) && isFine(c, b)) {
        assert.isTrue(isFine(a, c), "from the first to the third")
        assert.isTrue(isFine(c, a), "from the third to the first")
      }
    },
    { fastCheck: { numRuns: numRuns * 2 } }
  )

  it("tells many changes apart: neither verdict is rare", () => {
    const counts = { unchanged: 0, compatible: 0, breaking: 0 }
    for (const [spec, edits] of fc.sample(edited, { numRuns: 150, seed: 7 })) {
      const [before, now] = [build(spec), build(follow(spec, edits))]
      if (before !== undefined && now !== undefined) counts[compare(before, now).verdict]++
    }
    assert.isAbove(counts.compatible, 30)
    assert.isAbove(counts.breaking, 30)
  })

  it("two large schemas are compared, or said to be too large", () => {
    const wide = (of: Any) =>
      Schema.Union(...Array.from({ length: 230 }, (_, at) => Schema.Struct({ [`f${at}`]: of }))) as unknown as Any
    const { reasons, verdict } = compare(wide(String), wide(Number))
    assert.strictEqual(verdict, "breaking")
    assert.match(reasons[0]!.message, /too large/)
  })

  const json: fc.Arbitrary<Json> = fc.oneof(
    fc.constantFrom<Json>(
      { type: "suspend" },
      { type: "StringKeyword" },
      { type: 1 },
      { union: 2 },
      { union: "x" },
      { properties: [["a", false], 3], indexes: 1 },
      { properties: [["a", true]], indexes: 0, options: ["error", true] },
      { tuple: [false, true], rest: 1 },
      { filter: { name: { symbolFor: "effect/SchemaId/MinLength" } } },
      { filter: null },
      { literal: { symbol: {} } },
      { enum: ["{", 1] },
      { template: [] },
      { class: { escaped: "x" } },
      { transformation: "compose" },
      { transformation: "properties", of: [["a", "a", "attach"], 7] },
      { transformation: { hidden: null, derived: true } },
      { transformation: "effect", name: "effect/Option" },
      { declaration: "effect/Option", hidden: null },
      { declaration: null },
      null,
      []
    ),
    fc.jsonValue().map((value) => value as Json)
  )
  const documents = fc
    .array(fc.tuple(json, fc.array(fc.nat(), { maxLength: 4 })), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.map(([part, of]) => [part, of.map((at) => at % parts.length)] as const))

  it.prop(
    "any documents can be compared, also those that nobody described",
    [documents, documents],
    ([before, now]) => {
      assert.include(["unchanged", "compatible", "breaking"], SchemaChange.compare(before, now).verdict)
      assert.strictEqual(SchemaChange.compare(before, before).verdict, "unchanged")
    },
    { fastCheck: { numRuns: numRuns * 2 } }
  )
})
