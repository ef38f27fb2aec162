/**
 * The transformations of which the pipelines of compute contracts are made.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Condition from "./Condition.js"
import { withDefault } from "./internal/ContractFields.js"
import * as Template from "./Template.js"

const Names = Schema.Array(Schema.String).pipe(Schema.minItems(1))

/**
 * One transformation, by its name in `do`. Expressions see `value`, what the ones before gave, and `input`, what the
 * pipeline was given.
 *
 * Of an object, or of each object of a list:
 *
 * - `pick`: keeps these fields, `omit`: keeps all but these; one that is not there is passed over
 * - `rename`: from the old to the new names
 * - `set`: sets fields; one whose expression has no value is removed
 *
 * Of any value, or of each item of a list:
 *
 * - `map`: replaces it by what the template makes; by `null` when that has no value
 * - `validate`: refuses it, with the message, when the condition is false
 *
 * Of a list:
 *
 * - `filter`: keeps the items for which the condition holds
 * - `sort`: by an expression of the item; what has no value is before `null`, booleans, numbers, texts and the rest. Items
 *   that are equal stay in their order
 * - `unique`: keeps the first of those whose expression gives the same
 * - `skip`, `take`: leaves out, or keeps, so many from the beginning
 *
 * @since 0.1.0
 * @category schemas
 */
export const Transformation = Schema.Union(
  Schema.Struct({ do: Schema.Literal("pick", "omit"), fields: Names }),
  Schema.Struct({ do: Schema.Literal("rename"), fields: Schema.Record({ key: Schema.String, value: Schema.String }) }),
  Schema.Struct({ do: Schema.Literal("set"), fields: Schema.Record({ key: Schema.String, value: Template.FromJson }) }),
  Schema.Struct({ do: Schema.Literal("map"), to: Template.FromJson }),
  Schema.Struct({ do: Schema.Literal("validate"), when: Condition.FromText, message: Schema.NonEmptyString }),
  Schema.Struct({ do: Schema.Literal("filter"), when: Condition.FromText }),
  Schema.Struct({
    do: Schema.Literal("sort"),
    by: Condition.OperandFromText,
    order: withDefault(Schema.Literal("ascending", "descending"), "ascending")
  }),
  Schema.Struct({ do: Schema.Literal("unique"), by: Condition.OperandFromText }),
  Schema.Struct({ do: Schema.Literal("skip", "take"), count: Schema.NonNegativeInt })
)

/**
 * @since 0.1.0
 * @category models
 */
export type Transformation = Schema.Schema.Type<typeof Transformation>
