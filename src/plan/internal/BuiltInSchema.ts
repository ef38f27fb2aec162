// What effect's own schemas are made of: their functions by name, their filters with parameters, and the
// transformations that its constructors build without naming them.
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A literal, a name or a parameter as JSON: different values differ, also those that JSON does not have. */
export const value = (given: unknown): Json => {
  switch (typeof given) {
    case "string":
      return /\p{Surrogate}/u.test(given) ? { escaped: JSON.stringify(given) } : given
    case "number":
      return Number.isFinite(given) && !Object.is(given, -0) ? given : { number: given === 0 ? "-0" : String(given) }
    case "bigint":
      return { bigint: String(given) }
    case "symbol":
      return Symbol.keyFor(given) === undefined
        ? { symbol: value(given.description ?? "") }
        : { symbolFor: value(given.description) }
    case "boolean":
      return given
    default:
      if (given instanceof RegExp) return { pattern: value(given.source), flags: given.flags }
      if (given instanceof Date) return { date: value(given.getTime()) }
      if (BigDecimal.isBigDecimal(given)) return { decimal: BigDecimal.format(given) }
      if (Duration.isDuration(given)) {
        return { nanos: Option.getOrElse(Option.map(Duration.toNanos(given), String), () => "infinity") }
      }
      return null
  }
}

const identifierOf = (ast: AST.AST): string | undefined => Option.getOrUndefined(AST.getIdentifierAnnotation(ast))

/**
 * Functions of the schemas that effect exports ready-made, by the identifier that they have there. `annotations` and
 * `brand` drop an identifier from a schema, but keep its functions.
 */
const named = (() => {
  let names: Map<object, string> | undefined
  const collect = (): Map<object, string> => {
    const found = new Map<object, string>()
    const seen = new Set<AST.AST>()
    const visit = (ast: AST.AST, outer: string): void => {
      if (seen.has(ast)) return
      seen.add(ast)
      const name = identifierOf(ast) ?? outer
      switch (ast._tag) {
        case "Refinement":
          found.set(ast.filter, name)
          return visit(ast.from, name)
        case "Declaration":
          found.set(ast.decodeUnknown, name)
          return ast.typeParameters.forEach((parameter) => visit(parameter, name))
        case "Transformation":
          if (AST.isFinalTransformation(ast.transformation)) found.set(ast.transformation, name)
          visit(ast.from, name)
          return visit(ast.to, name)
        case "Union":
          return ast.types.forEach((type) => visit(type, name))
        case "TupleType":
          return [...ast.elements, ...ast.rest].forEach(({ type }) => visit(type, name))
        case "TypeLiteral":
          return ast.propertySignatures.forEach(({ type }) => visit(type, name))
      }
    }
    for (const [name, exported] of Object.entries(Schema)) {
      if (Schema.isSchema(exported)) visit(exported.ast, name)
    }
    return found
  }
  return () => (names ??= collect())
})()

/** The name of a function or a transformation of one of effect's ready-made schemas. */
export const nameOf = (part: object): string | undefined => named().get(part)

/** The filters of effect and their parameters, which are in an annotation under the id, or in the `jsonSchema`. */
const filters: ReadonlyMap<unknown, ReadonlyArray<string>> = new Map<unknown, ReadonlyArray<string>>([
  [Schema.TrimmedSchemaId, []],
  [Schema.LowercasedSchemaId, []],
  [Schema.UppercasedSchemaId, []],
  [Schema.CapitalizedSchemaId, []],
  [Schema.UncapitalizedSchemaId, []],
  [Schema.UUIDSchemaId, []],
  [Schema.ULIDSchemaId, []],
  [Schema.MinLengthSchemaId, ["minLength"]],
  [Schema.MaxLengthSchemaId, ["maxLength"]],
  [Schema.LengthSchemaId, ["minLength", "maxLength"]],
  [Schema.PatternSchemaId, ["regex"]],
  [Schema.StartsWithSchemaId, ["startsWith"]],
  [Schema.EndsWithSchemaId, ["endsWith"]],
  [Schema.IncludesSchemaId, ["includes"]],
  [Schema.FiniteSchemaId, []],
  [Schema.IntSchemaId, []],
  [Schema.NonNaNSchemaId, []],
  [Schema.JsonNumberSchemaId, []],
  [Schema.GreaterThanSchemaId, ["exclusiveMinimum"]],
  [Schema.GreaterThanOrEqualToSchemaId, ["minimum"]],
  [Schema.LessThanSchemaId, ["exclusiveMaximum"]],
  [Schema.LessThanOrEqualToSchemaId, ["maximum"]],
  [Schema.BetweenSchemaId, ["minimum", "maximum"]],
  [Schema.MultipleOfSchemaId, ["multipleOf"]],
  [Schema.GreaterThanBigIntSchemaId, ["min"]],
  [Schema.GreaterThanOrEqualToBigIntSchemaId, ["min"]],
  [Schema.LessThanBigIntSchemaId, ["max"]],
  [Schema.LessThanOrEqualToBigIntSchemaId, ["max"]],
  [Schema.BetweenBigIntSchemaId, ["min", "max"]],
  [Schema.GreaterThanBigDecimalSchemaId, ["min"]],
  [Schema.GreaterThanOrEqualToBigDecimalSchemaId, ["min"]],
  [Schema.LessThanBigDecimalSchemaId, ["max"]],
  [Schema.LessThanOrEqualToBigDecimalSchemaId, ["max"]],
  [Schema.BetweenBigDecimalSchemaId, ["minimum", "maximum"]],
  [Schema.PositiveBigDecimalSchemaId, []],
  [Schema.NonNegativeBigDecimalSchemaId, []],
  [Schema.NegativeBigDecimalSchemaId, []],
  [Schema.NonPositiveBigDecimalSchemaId, []],
  [Schema.GreaterThanDurationSchemaId, ["min"]],
  [Schema.GreaterThanOrEqualToDurationSchemaId, ["min"]],
  [Schema.LessThanDurationSchemaId, ["max"]],
  [Schema.BetweenDurationSchemaId, ["minimum", "maximum"]],
  [Schema.ValidDateSchemaId, []],
  [Schema.GreaterThanDateSchemaId, ["min"]],
  [Schema.GreaterThanOrEqualToDateSchemaId, ["min"]],
  [Schema.LessThanDateSchemaId, ["max"]],
  [Schema.LessThanOrEqualToDateSchemaId, ["max"]],
  [Schema.BetweenDateSchemaId, ["min", "max"]],
  [Schema.MinItemsSchemaId, ["minItems"]],
  [Schema.MaxItemsSchemaId, ["maxItems"]],
  [Schema.ItemsCountSchemaId, ["minItems", "maxItems"]]
])

const durations: ReadonlySet<unknown> = new Set([
  Schema.GreaterThanDurationSchemaId,
  Schema.GreaterThanOrEqualToDurationSchemaId,
  Schema.LessThanDurationSchemaId,
  Schema.BetweenDurationSchemaId
])

/** A filter of effect with its parameters; undefined for any other, and where an annotation hides a parameter. */
export const filterOf = (ast: AST.Refinement): Json | undefined => {
  const id = Option.getOrUndefined(AST.getSchemaIdAnnotation(ast))
  const parameters = filters.get(id)
  if (typeof id !== "symbol" || parameters === undefined) {
    const name = nameOf(ast.filter)
    return name === undefined ? undefined : { name }
  }
  const holders = [ast.annotations[id], Option.getOrUndefined(AST.getJSONSchemaAnnotation(ast))]
  const described: Record<string, Json> = {}
  for (const parameter of parameters) {
    const holder = holders.find((holder) => Predicate.hasProperty(holder, parameter))
    if (!Predicate.hasProperty(holder, parameter)) return undefined
    const given = holder[parameter]
    described[parameter] = value(durations.has(id) ? Duration.decode(given as Duration.DurationInput) : given)
    if (id === Schema.LessThanDurationSchemaId) {
      // effect gives lessThanOrEqualToDuration this id too: they differ in what they say of the limit itself
      const limit = Duration.decode(given as Duration.DurationInput)
      described.inclusive = Option.isNone(ast.filter(limit, AST.defaultParseOption, ast))
    }
  }
  return { name: value(id), ...described }
}

const dataPretty = Schema.DataFromSelf(Schema.Struct({})).ast.annotations[AST.PrettyAnnotationId]

/** The name of a declared type, or undefined where the declaration has none. */
export const declarationOf = (ast: AST.Declaration): string | undefined => {
  const tag = Option.getOrUndefined(AST.getTypeConstructorAnnotation(ast))?._tag
  if (tag !== undefined) return tag
  if (ast.annotations[AST.PrettyAnnotationId] === dataPretty) return "effect/Data"
  const name = nameOf(ast.decodeUnknown) ?? identifierOf(ast)
  if (name !== undefined) return name
  const instanceOf = ast.annotations[Schema.InstanceOfSchemaId]
  return Predicate.hasProperty(instanceOf, "constructor") &&
    typeof instanceOf.constructor === "function" &&
    instanceOf.constructor.name !== ""
    ? `instanceOf ${instanceOf.constructor.name}`
    : undefined
}

/** What a constructor of effect would have made; `keyed` where the encoded side does not show the key's schema. */
export interface Candidate {
  readonly ast: AST.AST
  readonly keyed: boolean
}

type Any = Schema.Schema<unknown>

const constructors: {
  readonly [tag: string]: (first: Any, second: Any, third: Any) => ReadonlyArray<{ readonly ast: AST.AST }>
} = {
  "effect/Option": (item) => [
    Schema.Option(item),
    Schema.OptionFromNullOr(item),
    Schema.OptionFromUndefinedOr(item),
    Schema.OptionFromNullishOr(item, null)
  ],
  "effect/Either": (right, left) => [Schema.Either({ left, right })],
  "effect/Cause": (error, defect) => [Schema.Cause({ error, defect })],
  "effect/Exit": (success, failure, defect) => [Schema.Exit({ success, failure, defect })],
  "effect/Redacted": (item) => [Schema.Redacted(item)],
  "effect/Chunk": (item) => [Schema.Chunk(item)],
  "effect/Chunk.NonEmptyChunk": (item) => [Schema.NonEmptyChunk(item)],
  "effect/List": (item) => [Schema.List(item)],
  "effect/HashSet": (item) => [Schema.HashSet(item)],
  "effect/HashMap": (key, item) => [Schema.HashMap({ key, value: item })],
  "effect/Data": (item) => [{ ast: new AST.Transformation(item.ast, item.ast, AST.composeTransformation) }],
  ReadonlySet: (item) => [Schema.ReadonlySet(item)],
  ReadonlyMap: (key, item) => [Schema.ReadonlyMap({ key, value: item })],
  Array: (item) => [Schema.ArrayEnsure(item)],
  NonEmptyArray: (item) => [Schema.NonEmptyArrayEnsure(item)]
}

const keyed: typeof constructors = {
  ReadonlyMap: (key, item) => [
    Schema.ReadonlyMapFromRecord({ key: Schema.make<unknown, string>(key.ast), value: item })
  ]
}

const container = (ast: AST.AST): readonly [tag: string, parameters: ReadonlyArray<AST.AST>] | undefined => {
  if (AST.isDeclaration(ast)) return [declarationOf(ast) ?? "", ast.typeParameters]
  if (AST.isTupleType(ast) && ast.rest.length === 1 && ast.elements.length <= 1) {
    return [ast.elements.length === 0 ? "Array" : "NonEmptyArray", [ast.rest[0]!.type]]
  }
  return undefined
}

/** What effect's constructors would have made with the type that is on this side of a transformation. */
export const candidatesFor = (to: AST.AST): { readonly tag: string; readonly made: ReadonlyArray<Candidate> } => {
  const [tag, parameters] = container(to) ?? ["", []]
  const make = (table: typeof constructors, keyed: boolean): ReadonlyArray<Candidate> => {
    const [first = AST.neverKeyword, second = AST.neverKeyword, third = AST.neverKeyword] = parameters
    const build = Object.hasOwn(table, tag) ? table[tag] : undefined
    if (build === undefined) return []
    // a constructor throws for types that it does not take
    const built = Option.liftThrowable(build)(Schema.make(first), Schema.make(second), Schema.make(third))
    return Option.getOrElse(built, () => []).map(({ ast }) => ({ ast, keyed }))
  }
  return { tag, made: [...make(constructors, false), ...make(keyed, true)] }
}
