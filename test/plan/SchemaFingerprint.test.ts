import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Brand, Duration, Effect, Either, FastCheck as fc, Option, Order, Schema } from "effect"
import * as CanonicalJson from "heddle/model/CanonicalJson"
import * as SchemaFingerprint from "heddle/plan/internal/SchemaFingerprint"
import type { AST } from "effect/SchemaAST"
import { numRuns } from "../numRuns.js"

const runs = { fastCheck: { numRuns } }

interface Ast {
  readonly ast: AST
}

const text = (schema: Ast): string =>
  Either.getOrThrow(
    CanonicalJson.stringify(
      Either.getOrThrowWith(
        SchemaFingerprint.describe(schema),
        (opaque) => new Error(opaque.map(({ message, path }) => `${path.join(".")}: ${message}`).join("\n"))
      )
    )
  )

const opaque = (schema: Ast) => Either.getOrThrow(Either.flip(SchemaFingerprint.describe(schema)))

const N = Schema.NumberFromString
const S = Schema.String
const isEven = (n: number) => n % 2 === 0
const Even = Schema.Number.pipe(Schema.filter(isEven, { identifier: "Even" }))
enum Fruit {
  Apple,
  Pear
}
enum Renamed {
  Birne = 1,
  Apfel = 0
}
class Money extends Schema.Class<Money>("Money")({ amount: N, currency: S }) {}
class Account extends Schema.TaggedClass<Account>("Account")("Account", {
  balance: Money,
  limit: Schema.Option(Money)
}) {}
class Overdrawn extends Schema.TaggedError<Overdrawn>("Overdrawn")("Overdrawn", {
  account: Account,
  at: Schema.Date
}) {}
class Savings extends Account.extend<Savings>("Savings")({ rate: Schema.Number }) {}
class Pay extends Schema.TaggedRequest<Pay>()("Pay", { failure: S, success: Schema.Void, payload: { money: Money } }) {}

class Category extends Schema.Class<Category>("Category")({
  name: S,
  parts: Schema.Array(Schema.suspend((): Schema.Schema<Category, CategoryEncoded> => Category)),
  above: Schema.Option(Schema.suspend((): Schema.Schema<Category, CategoryEncoded> => Category))
}) {}
interface CategoryEncoded {
  readonly name: string
  readonly parts: ReadonlyArray<CategoryEncoded>
  readonly above: { readonly _tag: "None" } | { readonly _tag: "Some"; readonly value: CategoryEncoded }
}

/** What comes with effect and passes as it is; each differs from all others. */
const plain: Record<string, Ast> = {
  String: S,
  Number: Schema.Number,
  Boolean: Schema.Boolean,
  BigIntFromSelf: Schema.BigIntFromSelf,
  SymbolFromSelf: Schema.SymbolFromSelf,
  Undefined: Schema.Undefined,
  Void: Schema.Void,
  Null: Schema.Null,
  Never: Schema.Never,
  Unknown: Schema.Unknown,
  Any: Schema.Any,
  Object: Schema.Object,
  Literal: Schema.Literal("a"),
  "Literal, another": Schema.Literal("b"),
  "Literal, as number": Schema.Literal(1),
  "Literal, as text": Schema.Literal("1"),
  "Literal, as bigint": Schema.Literal(1n),
  "Literal -0": Schema.Literal(-0),
  "Literal 0": Schema.Literal(0),
  "Literal NaN": Schema.Literal(NaN),
  "Literal with a lone surrogate": Schema.Literal("\ud800"),
  "Literal, many": Schema.Literal("a", "b"),
  "Literal, in another order": Schema.Literal("b", "a"),
  UniqueSymbol: Schema.UniqueSymbolFromSelf(Symbol.for("a")),
  "UniqueSymbol, local": Schema.UniqueSymbolFromSelf(Symbol("a")),
  Enums: Schema.Enums(Fruit),
  TemplateLiteral: Schema.TemplateLiteral("a", S, "b", Schema.Number),
  "TemplateLiteral, another": Schema.TemplateLiteral("a", S, "c", Schema.Number),
  TemplateLiteralParser: Schema.TemplateLiteralParser("a", N, Schema.Literal("b", 1), Schema.Number, true),
  Array: Schema.Array(S),
  NonEmptyArray: Schema.NonEmptyArray(S),
  Tuple: Schema.Tuple(S, Schema.Number),
  "Tuple, optional": Schema.Tuple(S, Schema.optionalElement(Schema.Number)),
  "Tuple, rest": Schema.Tuple([S], Schema.Number),
  "Tuple, rest and more": Schema.Tuple([S], Schema.Number, Schema.Boolean),
  Struct: Schema.Struct({ a: S, b: N }),
  "Struct, symbol": Schema.Struct({ [Symbol.for("a")]: S }),
  "Struct, empty": Schema.Struct({}),
  "Struct, open": Schema.Struct({ a: S }, { key: S, value: Schema.Unknown }),
  Record: Schema.Record({ key: S, value: N }),
  "Record, refined": Schema.Record({ key: S.pipe(Schema.minLength(2)), value: N }),
  "Record, template": Schema.Record({ key: Schema.TemplateLiteral("a", S), value: N }),
  Union: Schema.Union(S, Schema.Number),
  TaggedStruct: Schema.TaggedStruct("A", { a: S }),
  NullOr: Schema.NullOr(S),
  UndefinedOr: Schema.UndefinedOr(S),
  NullishOr: Schema.NullishOr(S),
  partial: Schema.partial(Schema.Struct({ a: S })),
  extend: Schema.extend(Schema.Struct({ a: S }), Schema.Struct({ c: N })),
  keyof: Schema.keyof(Schema.Struct({ x: S, y: S })),

  optional: Schema.Struct({ a: Schema.optional(N) }),
  "optional, exact": Schema.Struct({ a: Schema.optionalWith(N, { exact: true }) }),
  "optional, nullable": Schema.Struct({ a: Schema.optionalWith(N, { nullable: true }) }),
  "optional, nullable and exact": Schema.Struct({ a: Schema.optionalWith(N, { nullable: true, exact: true }) }),
  "optional, as Option": Schema.Struct({ a: Schema.optionalWith(N, { as: "Option" }) }),
  "optional, as Option, exact": Schema.Struct({ a: Schema.optionalWith(N, { as: "Option", exact: true }) }),
  "optional, as Option, nullable": Schema.Struct({ a: Schema.optionalWith(N, { as: "Option", nullable: true }) }),
  "optional, as Option, both": Schema.Struct({
    a: Schema.optionalWith(N, { as: "Option", nullable: true, exact: true })
  }),
  "optional, as Option of an Option": Schema.Struct({ a: Schema.optionalWith(Schema.Option(N), { as: "Option" }) }),
  "optional, as Option of a nullable": Schema.Struct({ a: Schema.optionalWith(Schema.NullOr(N), { as: "Option" }) }),
  fromKey: Schema.Struct({ a: Schema.propertySignature(N).pipe(Schema.fromKey("b")) }),
  "fromKey, optional": Schema.Struct({ a: Schema.optional(N).pipe(Schema.fromKey("b")) }),
  "fromKey, another": Schema.Struct({ a: Schema.propertySignature(N).pipe(Schema.fromKey("c")) }),
  rename: Schema.rename(Schema.Struct({ a: N, c: S }), { a: "b" }),
  attachPropertySignature: Schema.Struct({ a: N }).pipe(Schema.attachPropertySignature("kind", "x")),
  "attachPropertySignature, another": Schema.Struct({ a: N }).pipe(Schema.attachPropertySignature("kind", "y")),
  "attachPropertySignature, twice": Schema.Struct({ a: Schema.optionalWith(N, { as: "Option" }) }).pipe(
    Schema.attachPropertySignature("kind", "x"),
    Schema.attachPropertySignature("of", Symbol.for("y"))
  ),
  "attachPropertySignature, on a union": Schema.Union(Schema.Struct({ a: N }), Schema.Struct({ b: N })).pipe(
    Schema.attachPropertySignature("kind", "x")
  ),

  trimmed: S.pipe(Schema.trimmed()),
  lowercased: S.pipe(Schema.lowercased()),
  uppercased: S.pipe(Schema.uppercased()),
  capitalized: S.pipe(Schema.capitalized()),
  uncapitalized: S.pipe(Schema.uncapitalized()),
  minLength: S.pipe(Schema.minLength(3)),
  "minLength, another": S.pipe(Schema.minLength(4)),
  maxLength: S.pipe(Schema.maxLength(3)),
  length: S.pipe(Schema.length(3)),
  "length, a range": S.pipe(Schema.length({ min: 3, max: 4 })),
  pattern: S.pipe(Schema.pattern(/a/)),
  "pattern, another": S.pipe(Schema.pattern(/b/)),
  "pattern, other flags": S.pipe(Schema.pattern(/a/i)),
  startsWith: S.pipe(Schema.startsWith("a")),
  "startsWith, another": S.pipe(Schema.startsWith("b")),
  endsWith: S.pipe(Schema.endsWith("a")),
  includes: S.pipe(Schema.includes("a")),
  UUID: Schema.UUID,
  ULID: Schema.ULID,
  finite: Schema.Number.pipe(Schema.finite()),
  int: Schema.Number.pipe(Schema.int()),
  nonNaN: Schema.Number.pipe(Schema.nonNaN()),
  JsonNumber: Schema.JsonNumber,
  greaterThan: Schema.Number.pipe(Schema.greaterThan(1)),
  "greaterThan, -Infinity": Schema.Number.pipe(Schema.greaterThan(-Infinity)),
  greaterThanOrEqualTo: Schema.Number.pipe(Schema.greaterThanOrEqualTo(1)),
  lessThan: Schema.Number.pipe(Schema.lessThan(1)),
  lessThanOrEqualTo: Schema.Number.pipe(Schema.lessThanOrEqualTo(1)),
  between: Schema.Number.pipe(Schema.between(1, 2)),
  "between, another": Schema.Number.pipe(Schema.between(1, 3)),
  multipleOf: Schema.Number.pipe(Schema.multipleOf(2)),
  greaterThanBigInt: Schema.BigIntFromSelf.pipe(Schema.greaterThanBigInt(1n)),
  "greaterThanBigInt, another": Schema.BigIntFromSelf.pipe(Schema.greaterThanBigInt(2n)),
  greaterThanOrEqualToBigInt: Schema.BigIntFromSelf.pipe(Schema.greaterThanOrEqualToBigInt(1n)),
  lessThanBigInt: Schema.BigIntFromSelf.pipe(Schema.lessThanBigInt(1n)),
  lessThanOrEqualToBigInt: Schema.BigIntFromSelf.pipe(Schema.lessThanOrEqualToBigInt(1n)),
  betweenBigInt: Schema.BigIntFromSelf.pipe(Schema.betweenBigInt(1n, 2n)),
  greaterThanBigDecimal: Schema.BigDecimal.pipe(Schema.greaterThanBigDecimal(BigDecimal.make(1n, 1))),
  "greaterThanBigDecimal, another": Schema.BigDecimal.pipe(Schema.greaterThanBigDecimal(BigDecimal.make(1n, 2))),
  greaterThanOrEqualToBigDecimal: Schema.BigDecimal.pipe(Schema.greaterThanOrEqualToBigDecimal(BigDecimal.make(1n, 1))),
  lessThanBigDecimal: Schema.BigDecimal.pipe(Schema.lessThanBigDecimal(BigDecimal.make(1n, 1))),
  lessThanOrEqualToBigDecimal: Schema.BigDecimal.pipe(Schema.lessThanOrEqualToBigDecimal(BigDecimal.make(1n, 1))),
  betweenBigDecimal: Schema.BigDecimal.pipe(Schema.betweenBigDecimal(BigDecimal.make(1n, 1), BigDecimal.make(2n, 1))),
  positiveBigDecimal: Schema.BigDecimal.pipe(Schema.positiveBigDecimal()),
  nonNegativeBigDecimal: Schema.BigDecimal.pipe(Schema.nonNegativeBigDecimal()),
  negativeBigDecimal: Schema.BigDecimal.pipe(Schema.negativeBigDecimal()),
  nonPositiveBigDecimal: Schema.BigDecimal.pipe(Schema.nonPositiveBigDecimal()),
  greaterThanDuration: Schema.Duration.pipe(Schema.greaterThanDuration("1 seconds")),
  "greaterThanDuration, another": Schema.Duration.pipe(Schema.greaterThanDuration("2 seconds")),
  greaterThanOrEqualToDuration: Schema.Duration.pipe(Schema.greaterThanOrEqualToDuration("1 seconds")),
  lessThanDuration: Schema.Duration.pipe(Schema.lessThanDuration("1 seconds")),
  "lessThanDuration, infinite": Schema.Duration.pipe(Schema.lessThanDuration(Duration.infinity)),
  lessThanOrEqualToDuration: Schema.Duration.pipe(Schema.lessThanOrEqualToDuration("1 seconds")),
  betweenDuration: Schema.Duration.pipe(Schema.betweenDuration("1 seconds", "2 seconds")),
  validDate: Schema.DateFromSelf.pipe(Schema.validDate()),
  greaterThanDate: Schema.Date.pipe(Schema.greaterThanDate(new Date(1))),
  "greaterThanDate, another": Schema.Date.pipe(Schema.greaterThanDate(new Date(2))),
  greaterThanOrEqualToDate: Schema.Date.pipe(Schema.greaterThanOrEqualToDate(new Date(1))),
  lessThanDate: Schema.Date.pipe(Schema.lessThanDate(new Date(1))),
  lessThanOrEqualToDate: Schema.Date.pipe(Schema.lessThanOrEqualToDate(new Date(1))),
  betweenDate: Schema.Date.pipe(Schema.betweenDate(new Date(1), new Date(2))),
  "betweenDate, another": Schema.Date.pipe(Schema.betweenDate(new Date(1), new Date(3))),
  minItems: Schema.Array(S).pipe(Schema.minItems(2)),
  "minItems, another": Schema.Array(S).pipe(Schema.minItems(3)),
  maxItems: Schema.Array(S).pipe(Schema.maxItems(2)),
  itemsCount: Schema.Array(S).pipe(Schema.itemsCount(2)),

  Option: Schema.Option(N),
  OptionFromSelf: Schema.OptionFromSelf(N),
  OptionFromNullOr: Schema.OptionFromNullOr(N),
  OptionFromUndefinedOr: Schema.OptionFromUndefinedOr(N),
  OptionFromNullishOr: Schema.OptionFromNullishOr(N, null),
  OptionFromNonEmptyTrimmedString: Schema.OptionFromNonEmptyTrimmedString,
  Either: Schema.Either({ left: S, right: N }),
  "Either, the other way": Schema.Either({ left: N, right: S }),
  Exit: Schema.Exit({ success: Money, failure: Overdrawn, defect: Schema.Defect }),
  Cause: Schema.Cause({ error: N, defect: Schema.Defect }),
  Redacted: Schema.Redacted(N),
  Chunk: Schema.Chunk(N),
  NonEmptyChunk: Schema.NonEmptyChunk(N),
  List: Schema.List(N),
  HashSet: Schema.HashSet(N),
  HashMap: Schema.HashMap({ key: N, value: Schema.Date }),
  Set: Schema.Set(N),
  Map: Schema.Map({ key: N, value: Money }),
  MapFromRecord: Schema.MapFromRecord({ key: N, value: Schema.Option(S) }),
  "MapFromRecord, other keys": Schema.MapFromRecord({ key: Schema.Date, value: Schema.Option(S) }),
  Data: Schema.Data(Schema.Struct({ a: N })),
  ArrayEnsure: Schema.ArrayEnsure(N),
  NonEmptyArrayEnsure: Schema.NonEmptyArrayEnsure(N),
  transformLiterals: Schema.transformLiterals([0, "cat"], [1, "dog"]),
  "transformLiterals, another": Schema.transformLiterals([0, "dog"], [1, "cat"]),
  parseJson: Schema.parseJson(Schema.Struct({ a: N })),
  "parseJson, of anything": Schema.parseJson(),
  compose: Schema.compose(Schema.Trim, N),
  typeSchema: Schema.typeSchema(Schema.Struct({ a: Schema.Date })),
  instanceOf: Schema.instanceOf(Error),
  Class: Money,
  TaggedClass: Account,
  TaggedError: Overdrawn,
  "Class, extended": Savings,
  TaggedRequest: Pay,
  "Class, recursive": Category,
  brand: N.pipe(Schema.brand("B"), Schema.positive())
}

describe("SchemaFingerprint.describe", () => {
  describe("schemas of effect", () => {
    it.each(Object.entries(plain))("%s passes as it is", (_, schema) => {
      assert.match(text(schema), /^\[\[/)
    })

    it("are all different", () => {
      const byText = new Map<string, Array<string>>()
      for (const [name, schema] of Object.entries(plain)) {
        byText.set(text(schema), [...(byText.get(text(schema)) ?? []), name])
      }
      assert.deepStrictEqual(
        [...byText.values()].filter((names) => names.length > 1),
        []
      )
    })

    it("pass, all that effect exports ready-made, and keep their description when they are documented or branded", () => {
      const ready = Object.entries(Schema).flatMap(([name, schema]) =>
        Schema.isSchema(schema) ? [{ name, schema }] : []
      )
      assert.isAbove(ready.length, 90)
      const told = new Map<string, string>()
      for (const { name, schema } of ready) {
        const described = text(schema)
        assert.strictEqual(text(schema.annotations({ title: "T", description: "D" })), described, name)
        assert.strictEqual(text(schema.pipe(Schema.brand("B"))), described, name)
        told.set(name, described)
      }
      // what decodes alike is described alike
      const alike = new Set([...told.values()].filter((text, at, all) => all.indexOf(text) !== at))
      assert.deepStrictEqual(
        [...told].filter(([, text]) => alike.has(text)).map(([name]) => name),
        []
      )
    })
  })

  describe("functions of the user", () => {
    const transform = Schema.transform(S, Schema.Number, { decode: Number, encode: String })
    const refused: Record<string, readonly [schema: Ast, ...paths: ReadonlyArray<ReadonlyArray<string>>]> = {
      filter: [Schema.Number.pipe(Schema.filter(isEven)), []],
      "filter with a title": [Schema.Number.pipe(Schema.filter(isEven, { title: "even" })), []],
      "filter that lost its identifier": [Even.pipe(Schema.brand("Even")), []],
      "filter in a field": [Schema.Struct({ a: S, b: Schema.Number.pipe(Schema.filter(isEven)) }), ["b"]],
      "filter below": [
        Schema.Struct({ items: Schema.Array(Schema.Struct({ price: transform.pipe(Schema.int()) })) }),
        ["items", "0", "price"]
      ],
      "filters of a tuple": [
        Schema.Tuple([S, Schema.Number.pipe(Schema.filter(isEven))], S.pipe(Schema.filter((s) => s !== ""))),
        ["1"],
        ["2"]
      ],
      "filter in a record": [Schema.Record({ key: S, value: Schema.Number.pipe(Schema.filter(isEven)) }), ["*"]],
      "filter on a struct": [Schema.Struct({ a: S }).pipe(Schema.filter(({ a }) => a !== "")), []],
      "filter in a named struct": [
        Schema.Struct({ a: Schema.Number.pipe(Schema.filter(isEven)) }).annotations({ identifier: "Named" }),
        ["a"]
      ],
      "filter in a class": [
        class Odd extends Schema.Class<Odd>("Odd")({ a: Schema.Number.pipe(Schema.filter(isEven)) }) {},
        ["a"]
      ],
      "filter in an Option": [Schema.Option(Schema.Number.pipe(Schema.filter(isEven))), ["value"]],
      "filter with an id of its own": [
        Schema.Number.pipe(Schema.filter(isEven, { schemaId: Symbol.for("effect/SchemaId/Even") })),
        []
      ],
      "filter of effect, its parameter hidden": [S.pipe(Schema.minLength(3, { jsonSchema: {} })), []],
      filterEffect: [S.pipe(Schema.filterEffect(() => Effect.succeed(true))), []],
      fromBrand: [Schema.Number.pipe(Schema.fromBrand(Brand.nominal<number & Brand.Brand<"B">>())), []],
      transform: [transform, []],
      transformOrFail: [
        Schema.transformOrFail(S, S, { decode: (s) => Effect.succeed(s), encode: (s) => Effect.succeed(s) }),
        []
      ],
      "transform to an Option by hand": [
        Schema.transform(S, Schema.OptionFromSelf(S), {
          decode: (s) => (s === "" ? Option.none() : Option.some(s)),
          encode: Option.getOrElse(() => "")
        }),
        []
      ],
      default: [Schema.Struct({ a: S, b: Schema.optionalWith(N, { default: () => 0 }) }), ["b"]],
      "defaults, nullable and exact": [
        Schema.Struct({
          a: Schema.optionalWith(N, { default: () => 0, nullable: true }),
          b: Schema.optionalWith(N, { default: () => 0, exact: true }),
          c: Schema.optionalWith(N, { default: () => 0, exact: true, nullable: true })
        }),
        ["a"],
        ["b"],
        ["c"]
      ],
      withDefaults: [
        Schema.Struct({ a: Schema.optional(N).pipe(Schema.withDefaults({ constructor: () => 0, decoding: () => 0 })) }),
        ["a"]
      ],
      optionalToRequired: [
        Schema.Struct({
          a: Schema.optionalToRequired(S, Schema.OptionFromSelf(Schema.Number), {
            decode: Option.map(Number),
            encode: Option.map(String)
          })
        }),
        ["a"]
      ],
      optionalToOptional: [
        Schema.Struct({
          a: Schema.optionalToOptional(S, S, { decode: Option.filter((s) => s !== ""), encode: (s) => s })
        }),
        ["a"]
      ],
      declare: [Schema.declare((u): u is string => typeof u === "string"), []],
      SortedSet: [Schema.SortedSet(Schema.Number, Order.number), []],
      decodingFallback: [S.annotations({ decodingFallback: () => Either.right("") }), []],
      split: [Schema.split(","), []],
      pluck: [Schema.pluck(Schema.Struct({ a: N }), "a"), []],
      clamp: [Schema.Number.pipe(Schema.clamp(0, 1)), []],
      EitherFromUnion: [Schema.EitherFromUnion({ left: S, right: N }), []],
      head: [Schema.head(Schema.Array(N)), []],
      "a suspended one": [Schema.Struct({ a: Schema.suspend(() => transform) }), ["a"]],
      "a suspended schema that throws": [
        Schema.Struct({
          a: Schema.suspend((): Schema.Schema<string> => {
            throw new Error("not yet")
          })
        }),
        ["a"]
      ]
    }

    it.each(Object.entries(refused))("%s is refused", (_, [schema, ...paths]) => {
      assert.deepStrictEqual(
        opaque(schema).map(({ path }) => path),
        paths
      )
    })

    it("is told what to do", () => {
      const messages = opaque(
        Schema.Struct({
          a: Schema.Number.pipe(Schema.filter(isEven)),
          b: transform,
          c: Schema.optionalWith(N, { default: () => 0 })
        })
      ).map(({ message, path }) => `${path.join(".")}: ${message}`)
      const lost = "(a later `annotations` or `brand` removes it)"
      assert.deepStrictEqual(messages.sort(), [
        `a: this filter is a function: give it an \`identifier\` annotation ${lost}`,
        `b: this transformation is made of functions: give it an \`identifier\` annotation ${lost}`,
        `c: this property is decoded by a function, such as a default: give the property, or its struct, an \`identifier\` annotation ${lost}`
      ])
    })

    const named: Record<string, (identifier: string) => Ast> = {
      filter: (identifier) => Schema.Number.pipe(Schema.filter(isEven, { identifier })),
      "filter, branded": (identifier) => Even.pipe(Schema.brand("Even", { identifier })),
      "filter below a filter": (identifier) =>
        Schema.Number.pipe(Schema.filter(isEven), Schema.positive({ identifier })),
      "filter on one side": (identifier) =>
        Schema.transform(S, Schema.Number.pipe(Schema.filter(isEven)), { decode: Number, encode: String }).annotations({
          identifier
        }),
      "filter of a union": (identifier) =>
        Schema.Union(S, Schema.Number.pipe(Schema.filter(isEven))).annotations({ identifier }),
      transform: (identifier) => transform.annotations({ identifier }),
      "property with a default": (identifier) =>
        Schema.Struct({ a: Schema.optionalWith(N, { default: () => 0 }).annotations({ identifier }) }),
      "struct with a default": (identifier) =>
        Schema.Struct({ a: Schema.optionalWith(N, { default: () => 0 }) }).annotations({ identifier }),
      "class with a default": (identifier) =>
        class extends Schema.Class<Money>(identifier)({ a: Schema.optionalWith(N, { default: () => 0 }) }) {},
      declare: (identifier) => Schema.declare((u): u is string => typeof u === "string", { identifier }),
      SortedSet: (identifier) => Schema.SortedSet(N, Order.number).annotations({ identifier }),
      decodingFallback: (identifier) => S.annotations({ decodingFallback: () => Either.right(""), identifier }),
      split: (identifier) => Schema.split(",").annotations({ identifier }),
      EitherFromUnion: (identifier) => Schema.EitherFromUnion({ left: S, right: N }).annotations({ identifier })
    }

    it.each(Object.entries(named))("%s passes with an identifier, which is in the description", (_, make) => {
      assert.strictEqual(text(make("A")), text(make("A")))
      assert.notStrictEqual(text(make("A")), text(make("B")))
      assert.include(text(make("A identifier")), "A identifier")
    })

    it("are described with what is below the identifier", () => {
      const make = (from: Schema.Schema<string>, to: Schema.Schema<number>) =>
        text(Schema.transform(from, to, { decode: Number, encode: String }).annotations({ identifier: "T" }))
      assert.notStrictEqual(make(S, Schema.Number), make(Schema.Trimmed, Schema.Number))
      assert.notStrictEqual(make(S, Schema.Number), make(S, Schema.Int))
    })
  })

  describe("is the same", () => {
    const same: Record<string, readonly [Ast, Ast]> = {
      "for fields in another order": [Schema.Struct({ a: S, b: N, c: S }), Schema.Struct({ c: S, b: N, a: S })],
      "for transformed fields in another order": [
        Schema.Struct({
          a: Schema.optionalWith(N, { as: "Option" }),
          b: Schema.propertySignature(S).pipe(Schema.fromKey("c"))
        }),
        Schema.Struct({
          b: Schema.propertySignature(S).pipe(Schema.fromKey("c")),
          a: Schema.optionalWith(N, { as: "Option" })
        })
      ],
      "for documentation": [
        Schema.Struct({ a: Schema.Int, b: Money }),
        Schema.Struct({
          a: Schema.Int.annotations({
            title: "t",
            description: "d",
            examples: [1],
            arbitrary: () => (fc) => fc.integer()
          }),
          b: Money
        }).annotations({ identifier: "I", documentation: "d", jsonSchema: {} })
      ],
      "for brands": [
        Schema.Number.pipe(Schema.positive()),
        Schema.Number.pipe(Schema.brand("A"), Schema.positive(), Schema.brand("B"))
      ],
      "for mutable and readonly": [
        Schema.Struct({ a: Schema.Array(S) }),
        Schema.mutable(Schema.Struct({ a: Schema.mutable(Schema.Array(S)) }))
      ],
      "for enums with other names": [Schema.Enums(Fruit), Schema.Enums(Renamed)],
      "for equal durations": [
        Schema.Duration.pipe(Schema.lessThanDuration("1 seconds")),
        Schema.Duration.pipe(Schema.lessThanDuration(1000))
      ],
      "for a constructor's default": [
        Schema.Struct({ a: S }),
        Schema.Struct({
          a: S.pipe(
            Schema.propertySignature,
            Schema.withConstructorDefault(() => "")
          )
        })
      ],
      "for a tag": [Schema.TaggedStruct("A", {}), Schema.Struct({ _tag: Schema.Literal("A") })],
      "for an extended struct": [
        Schema.extend(Schema.Struct({ a: S }), Schema.Struct({ b: N })),
        Schema.Struct({ b: N, a: S })
      ],
      "for what is shared and what is built again": [
        (() => {
          const shared = Schema.Struct({ x: Schema.Option(S) })
          return Schema.Struct({ a: shared, b: shared })
        })(),
        Schema.Struct({ a: Schema.Struct({ x: Schema.Option(S) }), b: Schema.Struct({ x: Schema.Option(S) }) })
      ]
    }

    it.each(Object.entries(same))("%s", (_, [a, b]) => assert.strictEqual(text(a), text(b)))
  })

  describe("differs", () => {
    const base = Schema.Struct({ a: S, b: Schema.optional(N) })
    const different: Record<string, readonly [Ast, Ast]> = {
      "for another type": [base, Schema.Struct({ a: Schema.Number, b: Schema.optional(N) })],
      "for another encoded type": [base, Schema.Struct({ a: S, b: Schema.optional(Schema.Number) })],
      "for a required field": [base, Schema.Struct({ a: S, b: Schema.UndefinedOr(N) })],
      "for a field more": [base, Schema.Struct({ a: S, b: Schema.optional(N), c: S })],
      "for a renamed field": [base, Schema.Struct({ A: S, b: Schema.optional(N) })],
      "for types that changed places": [Schema.Struct({ a: S, b: N }), Schema.Struct({ a: N, b: S })],
      "for union members in another order": [Schema.Union(S, N), Schema.Union(N, S)],
      "for a class with another name": [Money, class Other extends Schema.Class<Other>("Other")(Money.fields) {}],
      "for a class with other fields": [Money, class Other extends Schema.Class<Other>("Money")({ amount: N }) {}],
      "for parse options": [base, base.annotations({ parseOptions: { onExcessProperty: "error" } })],
      "for a change far below": [
        Schema.Struct({ a: Schema.Array(Schema.Option(Schema.Struct({ b: Schema.Map({ key: S, value: Money }) }))) }),
        Schema.Struct({ a: Schema.Array(Schema.Option(Schema.Struct({ b: Schema.Map({ key: S, value: N }) }))) })
      ]
    }

    it.each(Object.entries(different))("%s", (_, [a, b]) => assert.notStrictEqual(text(a), text(b)))
  })

  describe("recursion", () => {
    interface Tree {
      readonly value: number
      readonly children: ReadonlyArray<Tree>
    }
    interface TreeEncoded {
      readonly value: string
      readonly children: ReadonlyArray<TreeEncoded>
    }
    const tree = (value: Schema.Schema<number, string> = N) => {
      const out: Schema.Schema<Tree, TreeEncoded> = Schema.Struct({
        value,
        children: Schema.Array(Schema.suspend(() => out))
      })
      return out
    }

    it("ends, and is the same for a schema built again or unrolled", () => {
      const once = tree()
      assert.strictEqual(text(once), text(tree()))
      assert.notStrictEqual(text(once), text(tree(Schema.compose(N, Schema.Int))))
      const unrolled: Schema.Schema<Tree, TreeEncoded> = Schema.Struct({
        value: N,
        children: Schema.Array(Schema.suspend(() => once))
      })
      assert.strictEqual(text(unrolled), text(once))
      assert.strictEqual(text(Schema.Struct({ a: once, b: once })), text(Schema.Struct({ a: tree(), b: unrolled })))
    })

    it("ends where the recursive schema is in what effect derives a type side for", () => {
      const schema = tree()
      for (const within of [
        Schema.Option(schema),
        Schema.Exit({ success: schema, failure: schema, defect: Schema.Defect }),
        Schema.Struct({ a: Schema.optionalWith(schema, { as: "Option", nullable: true }) }),
        Schema.Struct({ a: Schema.optionalWith(schema, { nullable: true }) }),
        Schema.Struct({
          a: Schema.optionalWith(schema, { default: () => ({ value: 0, children: [] }) }).annotations({
            identifier: "a"
          })
        }),
        Schema.Map({ key: S, value: schema }),
        Schema.parseJson(schema),
        schema.pipe(Schema.attachPropertySignature("kind", "tree")),
        schema.pipe(Schema.filterEffect(() => Effect.succeed(true))).annotations({ identifier: "Checked" }),
        Category
      ]) {
        assert.match(text(within), /^\[\[/)
      }
    })

    it("ends in mutual recursion, and sees a change in any of the schemas", () => {
      interface A {
        readonly b: B | null
      }
      interface B {
        readonly c: C | null
      }
      interface C {
        readonly a: A | null
        readonly leaf?: string
      }
      const ring = (leaf: boolean) => {
        const a: Schema.Schema<A> = Schema.Struct({ b: Schema.NullOr(Schema.suspend(() => b)) })
        const b: Schema.Schema<B> = Schema.Struct({ c: Schema.NullOr(Schema.suspend(() => c)) })
        const toA = Schema.NullOr(Schema.suspend(() => a))
        const c: Schema.Schema<C> = leaf
          ? Schema.Struct({ a: toA, leaf: Schema.optionalWith(S, { exact: true }) })
          : Schema.Struct({ a: toA })
        return { a, b, c }
      }
      assert.strictEqual(text(ring(true).a), text(ring(true).a))
      assert.notStrictEqual(text(ring(true).a), text(ring(true).b))
      for (const at of ["a", "b", "c"] as const) assert.notStrictEqual(text(ring(true)[at]), text(ring(false)[at]))
    })

    it("is refused where it has no end", () => {
      const endless = (at: number): Schema.Schema<unknown> =>
        Schema.Struct({ [`at${at}`]: Schema.suspend(() => endless(at + 1)) }) as never
      const [issue, ...more] = opaque(endless(0))
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(issue?.path, [])
      assert.match(issue?.message ?? "", /^it has more than 10000 parts: keep a suspended schema in a constant/)
    })
  })

  it("does not grow with sharing", () => {
    let schema: Schema.Schema<unknown> = S as never
    for (let level = 0; level < 40; level++) schema = Schema.Tuple(schema, schema) as never
    assert.isBelow(text(schema).length, 5000)
  })

  // Every stored run is compared with this text: a change of it refuses all of them.
  it("does not change from release to release", () => {
    assert.strictEqual(
      text(Schema.Struct({ id: S.pipe(Schema.minLength(1)), lines: Schema.Array(Schema.Option(N)) })),
      '[[{"indexes":0,"properties":[["id",false],["lines",false]]},[1,2]],[{"filter":{"minLength":1,"name":{"symbolFor":"effect/SchemaId/MinLength"}}},[3]],[{"rest":1,"tuple":[]},[4]],[{"type":"StringKeyword"},[]],[{"name":"effect/Option","transformation":"effect"},[5]],[{"union":2},[6,7]],[{"indexes":0,"properties":[["_tag",false]]},[8]],[{"indexes":0,"properties":[["_tag",false],["value",false]]},[9,10]],[{"literal":"None"},[]],[{"literal":"Some"},[]],[{"name":"NumberFromString","transformation":"effect"},[3,11]],[{"type":"NumberKeyword"},[]]]'
    )
  })

  describe("properties", () => {
    type Shape =
      | { readonly kind: "leaf"; readonly of: number }
      | { readonly kind: "array" | "option" | "class" | "optional"; readonly of: Shape }
      | { readonly kind: "struct"; readonly of: ReadonlyArray<readonly [string, Shape]> }
      | { readonly kind: "union"; readonly of: ReadonlyArray<Shape> }
    const leaves = [
      S,
      N,
      Schema.Int,
      Schema.Date,
      Schema.Literal("a"),
      Schema.Literal("b"),
      S.pipe(Schema.minLength(2))
    ]
    const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
      shape: fc.oneof(
        { maxDepth: 4 },
        fc.record({ kind: fc.constant("leaf" as const), of: fc.nat(leaves.length - 1) }),
        fc.record({
          kind: fc.constantFrom("array" as const, "option" as const, "class" as const, "optional" as const),
          of: tie("shape")
        }),
        fc.record({
          kind: fc.constant("struct" as const),
          of: fc.uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c"), tie("shape")), { selector: ([key]) => key })
        }),
        fc.record({ kind: fc.constant("union" as const), of: fc.array(tie("shape"), { minLength: 2, maxLength: 3 }) })
      )
    }))
    const build = (shape: Shape, reverse: boolean): Schema.Schema<unknown> => {
      switch (shape.kind) {
        case "leaf":
          return leaves[shape.of] as never
        case "array":
          return Schema.Array(build(shape.of, reverse)) as never
        case "option":
          return Schema.Option(build(shape.of, reverse)) as never
        case "class":
          return class extends Schema.Class<Money>("C")({ of: build(shape.of, reverse) }) {} as never
        case "optional":
          return Schema.Struct({ of: Schema.optionalWith(build(shape.of, reverse), { as: "Option" }) }) as never
        case "struct": {
          const fields = shape.of.map(([key, of]) => [key, build(of, reverse)] as const)
          return Schema.Struct(Object.fromEntries(reverse ? fields.reverse() : fields)) as never
        }
        case "union":
          return Schema.Union(...shape.of.map((of) => build(of, reverse)))
      }
    }
    const sorted = (shape: Shape): Shape =>
      shape.kind === "struct"
        ? {
            kind: "struct",
            of: shape.of.map(([key, of]) => [key, sorted(of)] as const).sort(([a], [b]) => (a < b ? -1 : 1))
          }
        : shape.kind === "union"
          ? { kind: "union", of: shape.of.map(sorted) }
          : shape.kind === "leaf"
            ? shape
            : { kind: shape.kind, of: sorted(shape.of) }

    it.prop(
      "schemas are described alike exactly when they are built alike, but for the order of fields",
      [shape, shape],
      ([a, b]) => {
        assert.strictEqual(text(build(a, false)), text(build(a, true)))
        const alike = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
        assert.strictEqual(text(build(a, false)) === text(build(b, true)), alike)
      },
      runs
    )
  })
})
