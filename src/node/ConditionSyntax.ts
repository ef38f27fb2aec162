/**
 * What the text of a condition becomes.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Where in what a condition is asked of: a root, such as `context`, and the way down from it. A number is the index of
 * an item.
 *
 * @since 0.1.0
 * @category models
 */
export interface Path {
  readonly _tag: "Path"
  readonly root: string
  readonly segments: ReadonlyArray<string | number>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Literal {
  readonly _tag: "Literal"
  readonly value: null | boolean | number | string
}

/**
 * What has a value, or none: a path that leads nowhere has none, and so has arithmetic with what is no number.
 *
 * @since 0.1.0
 * @category models
 */
export type Operand =
  | Literal
  | Path
  | { readonly _tag: "List"; readonly items: ReadonlyArray<Operand> }
  | {
      readonly _tag: "Arithmetic"
      readonly operator: "+" | "-" | "*" | "/"
      readonly left: Operand
      readonly right: Operand
    }

/**
 * What is true or false.
 *
 * - `Holds`: the value is `true`
 * - `Membership`: `item in list`
 * - `Exists`: the path leads to a value; `null` is one
 *
 * @since 0.1.0
 * @category models
 */
export type Condition =
  | { readonly _tag: "Holds"; readonly operand: Path | (Literal & { readonly value: boolean }) }
  | {
      readonly _tag: "Comparison"
      readonly operator: "==" | "!=" | "<" | "<=" | ">" | ">="
      readonly left: Operand
      readonly right: Operand
    }
  | { readonly _tag: "Membership"; readonly item: Operand; readonly list: Operand }
  | { readonly _tag: "Exists"; readonly path: Path }
  | { readonly _tag: "Not"; readonly condition: Condition }
  | { readonly _tag: "And"; readonly left: Condition; readonly right: Condition }
  | { readonly _tag: "Or"; readonly left: Condition; readonly right: Condition }

const PathSchema = Schema.TaggedStruct("Path", {
  root: Schema.String,
  segments: Schema.Array(Schema.Union(Schema.String, Schema.NonNegativeInt))
})
const LiteralSchema = Schema.TaggedStruct("Literal", {
  value: Schema.Union(Schema.Null, Schema.Boolean, Schema.JsonNumber, Schema.String)
})
const FlagSchema = Schema.TaggedStruct("Literal", { value: Schema.Boolean })
const operandInside = Schema.suspend((): Schema.Schema<Operand> => OperandSyntax)
const conditionInside = Schema.suspend((): Schema.Schema<Condition> => ConditionSyntax)

/**
 * The syntax of an operand, as it is in a decoded contract.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OperandSyntax: Schema.Schema<Operand> = Schema.Union(
  LiteralSchema,
  PathSchema,
  Schema.TaggedStruct("List", { items: Schema.Array(operandInside) }),
  Schema.TaggedStruct("Arithmetic", {
    operator: Schema.Literal("+", "-", "*", "/"),
    left: operandInside,
    right: operandInside
  })
)

/**
 * The syntax of a condition, as it is in a decoded contract.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ConditionSyntax: Schema.Schema<Condition> = Schema.Union(
  Schema.TaggedStruct("Holds", { operand: Schema.Union(PathSchema, FlagSchema) }),
  Schema.TaggedStruct("Comparison", {
    operator: Schema.Literal("==", "!=", "<", "<=", ">", ">="),
    left: operandInside,
    right: operandInside
  }),
  Schema.TaggedStruct("Membership", { item: operandInside, list: operandInside }),
  Schema.TaggedStruct("Exists", { path: PathSchema }),
  Schema.TaggedStruct("Not", { condition: conditionInside }),
  Schema.TaggedStruct("And", { left: conditionInside, right: conditionInside }),
  Schema.TaggedStruct("Or", { left: conditionInside, right: conditionInside })
)
