/**
 * What a JSON value of a contract must look like: a small, closed part of JSON Schema.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Json } from "./Json.js"

/**
 * - `string`: its length, or the texts that it may be
 * - `number`, `integer`: its bounds, both included
 * - `object`: its properties, of which those in `required` must be there. It has no others
 * - `any`: whatever JSON can hold
 *
 * @since 0.1.0
 * @category models
 */
export type Shape =
  | { readonly type: "any" | "null" | "boolean" }
  | {
      readonly type: "string"
      readonly enum?: ReadonlyArray<string>
      readonly minLength?: number
      readonly maxLength?: number
    }
  | { readonly type: "number" | "integer"; readonly minimum?: number; readonly maximum?: number }
  | { readonly type: "array"; readonly items: Shape; readonly minItems?: number; readonly maxItems?: number }
  | {
      readonly type: "object"
      readonly properties: { readonly [name: string]: Shape }
      readonly required?: ReadonlyArray<string>
    }

const Size = Schema.NonNegativeInt

const inside = Schema.suspend((): Schema.Schema<Shape> => Shape)

const optional = <A>(schema: Schema.Schema<A>) => Schema.optionalWith(schema, { exact: true })

/**
 * The schema of shapes. `Contract.parse` refuses those that nothing fits, too.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Shape: Schema.Schema<Shape> = Schema.Union(
  Schema.Struct({ type: Schema.Literal("any", "null", "boolean") }),
  Schema.Struct({
    type: Schema.Literal("string"),
    enum: optional(Schema.Array(Schema.String).pipe(Schema.minItems(1))),
    minLength: optional(Size),
    maxLength: optional(Size)
  }),
  Schema.Struct({
    type: Schema.Literal("number", "integer"),
    minimum: optional(Schema.JsonNumber),
    maximum: optional(Schema.JsonNumber)
  }),
  Schema.Struct({
    type: Schema.Literal("array"),
    items: inside,
    minItems: optional(Size),
    maxItems: optional(Size)
  }),
  Schema.Struct({
    type: Schema.Literal("object"),
    properties: Schema.Record({ key: Schema.String, value: inside }),
    required: optional(Schema.Array(Schema.String))
  })
).annotations({ identifier: "Shape", description: "what a value must look like: a small part of JSON Schema" })

/**
 * The schema of the values that have a shape. A property that the shape does not have is refused, not dropped.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import * as Shape from "heddle/node/Shape"
 *
 * const order = Shape.toSchema({
 *   type: "object",
 *   properties: { id: { type: "string", minLength: 1 }, cents: { type: "integer", minimum: 0 } },
 *   required: ["id"]
 * })
 * Schema.is(order)({ id: "a" }) // true
 * Schema.is(order)({ id: "a", cents: -1 }) // false
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const toSchema = (shape: Shape): Schema.Schema<Json> =>
  // what each of them takes and gives is JSON, and of the shape
  schemaOf(shape)

const schemaOf = (shape: Shape): Schema.Schema.AnyNoContext => {
  switch (shape.type) {
    case "any":
      return Json
    case "null":
      return Schema.Null
    case "boolean":
      return Schema.Boolean
    case "string": {
      const { maxLength = Infinity, minLength = 0 } = shape
      const [first, ...rest] = shape.enum ?? []
      const text: Schema.Schema<string> = first === undefined ? Schema.String : Schema.Literal(first, ...rest)
      const long = minLength === 0 ? text : text.pipe(Schema.minLength(minLength))
      return maxLength === Infinity ? long : long.pipe(Schema.maxLength(maxLength))
    }
    case "number":
    case "integer": {
      const { maximum, minimum } = shape
      const number: Schema.Schema<number> = shape.type === "integer" ? Schema.Int : Schema.JsonNumber
      const large = minimum === undefined ? number : number.pipe(Schema.greaterThanOrEqualTo(minimum))
      return maximum === undefined ? large : large.pipe(Schema.lessThanOrEqualTo(maximum))
    }
    case "array": {
      const { items, maxItems = Infinity, minItems = 0 } = shape
      const list: Schema.Schema<ReadonlyArray<unknown>> = Schema.Array(schemaOf(items))
      const long = minItems === 0 ? list : list.pipe(Schema.minItems(minItems))
      return maxItems === Infinity ? long : long.pipe(Schema.maxItems(maxItems))
    }
    case "object": {
      const required = new Set(shape.required)
      const fields = Object.fromEntries(
        Object.entries(shape.properties).map(([name, property]) => [
          name,
          required.has(name) ? schemaOf(property) : Schema.optionalWith(schemaOf(property), { exact: true })
        ])
      )
      return Schema.Struct(fields).annotations({ parseOptions: { onExcessProperty: "error" } })
    }
  }
}
