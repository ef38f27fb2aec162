/**
 * Conditions of contracts: text that is parsed once, when a contract is loaded, into a closed, typed syntax.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Json } from "./Json.js"
import { type Condition, ConditionSyntax, type Operand, OperandSyntax, type Path } from "./ConditionSyntax.js"
import * as Evaluation from "./internal/ConditionEvaluation.js"
import * as Parser from "./internal/ConditionParser.js"
import * as Printer from "./internal/ConditionPrinter.js"

export * from "./ConditionSyntax.js"

/**
 * How many characters the text of a condition may have.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxLength = Parser.maxLength

/**
 * A text that is no condition, or no operand. `position` is that of the fault, in UTF-16 code units from 0; `operator`
 * is the one that is not supported, where that is the fault.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConditionInvalid extends Data.TaggedError("ConditionInvalid")<{
  readonly text: string
  readonly position: number
  readonly operator: string | undefined
  readonly reason: string
}> {
  override get message() {
    return `at character ${this.position + 1} of ${JSON.stringify(this.text)}: ${this.reason}`
  }
}

/**
 * Parses a condition. From the loosest to the tightest it has `or`, `and`, `not`, one of `==` `!=` `<` `<=` `>` `>=`
 * `in`, then `+` `-`, then `*` `/`; parentheses; `exists path`; the literals `true`, `false`, `null`, numbers and strings
 * in single or double quotes; lists in brackets; and paths, such as `context.items[0].price` or `event["odd name"]`.
 * A path, `true` or `false` alone is a condition, too. Whatever else there is, is refused, with its position.
 *
 * @example
 * ```ts
 * import { Either } from "effect"
 * import * as Condition from "heddle/node/Condition"
 *
 * const paid = Either.getOrThrow(Condition.parse("event.amount >= context.total and not context.cancelled"))
 * Condition.evaluate(paid, { event: { amount: 5 }, context: { total: 5, cancelled: false } }) // true
 * Condition.parse("a && b") // left: `&&` is not supported, write `and`
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Condition, ConditionInvalid> =>
  Parser.condition(text, (fault) => new ConditionInvalid({ text, ...fault }))

/**
 * Parses an operand: what may stand on one side of a comparison.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseOperand = (text: string): Either.Either<Operand, ConditionInvalid> =>
  Parser.operand(text, (fault) => new ConditionInvalid({ text, ...fault }))

/**
 * The text of a condition or an operand. Parsed again it gives the same.
 *
 * @since 0.1.0
 * @category conversions
 */
export const print: (syntax: Condition | Operand) => string = Printer.print

/**
 * Whether a condition holds for these roots. It is pure and total, and reads only what a value has of its own, never
 * what it inherits. Where an operand has no value, or the two sides are not of one type, nothing is equal, less or
 * greater and nothing is a member: `==`, `<`, `<=`, `>`, `>=` and `in` are false and `!=` is true. Numbers are compared
 * as numbers, strings by their UTF-16 code units; of booleans, `null`, lists and objects none is less than another.
 * Lists and objects are equal when all they have is.
 *
 * @since 0.1.0
 * @category evaluation
 */
export const evaluate: (condition: Condition, roots: { readonly [root: string]: Json }) => boolean = Evaluation.evaluate

/**
 * The value of an operand, or undefined where it has none. Total, as `evaluate` is: arithmetic with something that is no
 * number, or whose result is not finite, has no value; neither has a list with an item that has none. `+` also joins two
 * strings.
 *
 * @since 0.1.0
 * @category evaluation
 */
export const valueOf: (operand: Operand, roots: { readonly [root: string]: Json }) => Json | undefined =
  Evaluation.valueOf

/**
 * All paths that a condition or an operand has, from left to right.
 *
 * @since 0.1.0
 * @category accessors
 */
export const paths = (syntax: Condition | Operand): ReadonlyArray<Path> => {
  switch (syntax._tag) {
    case "Path":
      return [syntax]
    case "Literal":
      return []
    case "List":
      return syntax.items.flatMap(paths)
    case "Holds":
      return paths(syntax.operand)
    case "Exists":
      return [syntax.path]
    case "Not":
      return paths(syntax.condition)
    case "Membership":
      return [...paths(syntax.item), ...paths(syntax.list)]
    case "Arithmetic":
    case "Comparison":
    case "And":
    case "Or":
      return [...paths(syntax.left), ...paths(syntax.right)]
  }
}

/**
 * A condition, from its text. What is wrong with the text is a fault of the value.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FromText: Schema.Schema<Condition, string> = Schema.transformOrFail(Schema.String, ConditionSyntax, {
  strict: true,
  decode: (text, _, ast) => Either.mapLeft(parse(text), ({ message }) => new ParseResult.Type(ast, text, message)),
  encode: (condition) => Either.right(print(condition))
}).annotations({ identifier: "Condition", description: "a condition, such as: context.count < 3 and not event.late" })

/**
 * An operand, from its text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OperandFromText: Schema.Schema<Operand, string> = Schema.transformOrFail(Schema.String, OperandSyntax, {
  strict: true,
  decode: (text, _, ast) =>
    Either.mapLeft(parseOperand(text), ({ message }) => new ParseResult.Type(ast, text, message)),
  encode: (operand) => Either.right(print(operand))
}).annotations({
  identifier: "Operand",
  description: "a value by an expression, such as: context.count + 1, 'a text', event.items[0]"
})
