/**
 * A schema as a plain JSON document: what can be stored, hashed and compared without the schema itself.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The distinct parts of a schema, each with the positions of the parts that it is made of; the first is the schema itself.
 * Two schemas that accept, decode and encode the same have the same document, as far as that can be seen: functions are
 * known by name. `plan/ToolSchema` makes it.
 *
 * @since 0.1.0
 * @category models
 */
export type SchemaDocument = ReadonlyArray<readonly [part: Json, of: ReadonlyArray<number>]>

/**
 * @since 0.1.0
 * @category models
 */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

const Json: Schema.Schema<Json> = Schema.suspend((): Schema.Schema<Json> =>
  Schema.Union(
    Schema.String,
    Schema.JsonNumber,
    Schema.Boolean,
    Schema.Null,
    Schema.Array(Json),
    Schema.Record({ key: Schema.String, value: Json })
  )
)

const hasItsParts = (document: SchemaDocument) =>
  document.length > 0 && document.every(([, of]) => of.every((at) => at < document.length))

/**
 * @since 0.1.0
 * @category schemas
 */
export const SchemaDocument: Schema.Schema<SchemaDocument> = Schema.Array(
  Schema.Tuple(Json, Schema.Array(Schema.NonNegativeInt))
).pipe(Schema.filter((document) => hasItsParts(document) || "a part refers to one that is not there"))
