/**
 * Values that contracts make of other values.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Condition from "./Condition.js"
import { Json } from "./Json.js"

/**
 * What a value is made of: an operand, or an object or a list whose parts are templates.
 *
 * @since 0.1.0
 * @category models
 */
export type Template =
  | Condition.Operand
  | { readonly _tag: "Fields"; readonly fields: { readonly [name: string]: Template } }
  | { readonly _tag: "Items"; readonly items: ReadonlyArray<Template> }

/**
 * The value that a template makes of these roots. A field whose operand has no value is left out, and an item is `null`.
 * Undefined where the template as a whole has no value.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import * as Template from "heddle/node/Template"
 *
 * const template = Schema.decodeSync(Template.FromJson)({ total: "input.price * 2", currency: "'EUR'" })
 * Template.valueOf(template, { input: { price: 3 } }) // { total: 6, currency: "EUR" }
 * ```
 *
 * @since 0.1.0
 * @category evaluation
 */
export const valueOf = (template: Template, roots: { readonly [root: string]: Json }): Json | undefined => {
  switch (template._tag) {
    case "Fields":
      return fieldsOf(template.fields, roots)
    case "Items":
      return template.items.map((item) => valueOf(item, roots) ?? null)
    default:
      return Condition.valueOf(template, roots)
  }
}

/**
 * The same for the fields of an object.
 *
 * @since 0.1.0
 * @category evaluation
 */
export const fieldsOf = (
  fields: { readonly [name: string]: Template },
  roots: { readonly [root: string]: Json }
): { readonly [name: string]: Json } =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]) => {
      const value = valueOf(field, roots)
      return value === undefined ? [] : [[name, value] as const]
    })
  )

const inside = Schema.suspend((): Schema.Schema<Template> => Syntax)

/**
 * Templates, as they are in a decoded contract.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Syntax: Schema.Schema<Template> = Schema.Union(
  Condition.OperandSyntax,
  Schema.TaggedStruct("Fields", { fields: Schema.Record({ key: Schema.String, value: inside }) }),
  Schema.TaggedStruct("Items", { items: Schema.Array(inside) })
)

const decode = (json: Json): Either.Either<Template, ParseResult.ParseIssue> => {
  if (typeof json === "string") return ParseResult.decodeUnknownEither(Condition.OperandFromText)(json)
  if (json === null || typeof json !== "object") return Either.right({ _tag: "Literal", value: json })
  const issues: Array<ParseResult.ParseIssue> = []
  const part = (key: string | number, value: Json): Template => {
    const decoded = decode(value)
    if (Either.isRight(decoded)) return decoded.right
    issues.push(new ParseResult.Pointer(key, value, decoded.left))
    return { _tag: "Literal", value: null }
  }
  const template: Template = isList(json)
    ? { _tag: "Items", items: json.map((item, at) => part(at, item)) }
    : {
        _tag: "Fields",
        fields: Object.fromEntries(Object.entries(json).map(([key, value]) => [key, part(key, value)]))
      }
  const [first, ...others] = issues
  return first === undefined
    ? Either.right(template)
    : Either.left(new ParseResult.Composite(Syntax.ast, json, [first, ...others]))
}

/** `Array.isArray` does not narrow a readonly array. */
const isList = (json: Json): json is ReadonlyArray<Json> => Array.isArray(json)

const encode = (template: Template): Json => {
  switch (template._tag) {
    case "Fields":
      return Object.fromEntries(Object.entries(template.fields).map(([name, field]) => [name, encode(field)]))
    case "Items":
      return template.items.map(encode)
    case "Literal":
      return typeof template.value === "string" ? Condition.print(template) : template.value
    default:
      return Condition.print(template)
  }
}

/**
 * A template, from JSON: each text in it is an expression, so that a text itself is in quotes (`"'EUR'"`); numbers,
 * `true`, `false` and `null` are what they are.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromJson: Schema.Schema<Template, Json> = Schema.transformOrFail(Json, Syntax, {
  strict: true,
  decode,
  encode: (template) => Either.right(encode(template))
}).annotations({
  identifier: "Template",
  description: "a value, in which each text is an expression, such as: { total: input.price * 2, currency: \"'EUR'\" }"
})

/**
 * All paths that a template has.
 *
 * @since 0.1.0
 * @category accessors
 */
export const paths = (template: Template): ReadonlyArray<Condition.Path> => {
  switch (template._tag) {
    case "Fields":
      return Object.values(template.fields).flatMap(paths)
    case "Items":
      return template.items.flatMap(paths)
    default:
      return Condition.paths(template)
  }
}
