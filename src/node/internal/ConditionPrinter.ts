/** The text of conditions and operands. */
import type { Condition, Operand, Path } from "../ConditionSyntax.js"
import { isName } from "./ConditionLexer.js"

const path = ({ root, segments }: Path): string =>
  root +
  segments
    .map((segment) => (typeof segment === "string" && isName(segment) ? `.${segment}` : `[${JSON.stringify(segment)}]`))
    .join("")

const operand = (syntax: Operand): string => {
  switch (syntax._tag) {
    case "Literal":
      return JSON.stringify(syntax.value)
    case "Path":
      return path(syntax)
    case "List":
      return `[${syntax.items.map(operand).join(", ")}]`
    case "Arithmetic": {
      const { left, operator, right } = syntax
      const tight = operator === "*" || operator === "/"
      const loose = (side: Operand) => side._tag === "Arithmetic" && (side.operator === "+" || side.operator === "-")
      const first = tight && loose(left) ? `(${operand(left)})` : operand(left)
      const second = right._tag === "Arithmetic" && (tight || loose(right)) ? `(${operand(right)})` : operand(right)
      return `${first} ${operator} ${second}`
    }
  }
}

const within = (syntax: Condition, loose: ReadonlyArray<Condition["_tag"]>): string =>
  loose.includes(syntax._tag) ? `(${print(syntax)})` : print(syntax)

export const print = (syntax: Condition | Operand): string => {
  switch (syntax._tag) {
    case "Holds":
      return operand(syntax.operand)
    case "Comparison":
      return `${operand(syntax.left)} ${syntax.operator} ${operand(syntax.right)}`
    case "Membership":
      return `${operand(syntax.item)} in ${operand(syntax.list)}`
    case "Exists":
      return `exists ${path(syntax.path)}`
    case "Not":
      return `not ${within(syntax.condition, ["And", "Or"])}`
    case "And":
      return `${within(syntax.left, ["Or"])} and ${within(syntax.right, ["And", "Or"])}`
    case "Or":
      return `${print(syntax.left)} or ${within(syntax.right, ["Or"])}`
    default:
      return operand(syntax)
  }
}
