/** Whether expressions can come to something, by the shapes of what they are asked of. */
import * as Condition from "../Condition.js"
import { Problem } from "../ContractFault.js"
import type { Shape } from "../Shape.js"
import * as Template from "../Template.js"

export interface Scope {
  readonly [root: string]: Shape
}

export const any: Shape = { type: "any" }

export const objectOf = (properties: { readonly [name: string]: Shape }): Shape => ({ type: "object", properties })

/** The shape of what a path leads to, or the names that there are where it leads nowhere. */
const follow = (path: Condition.Path, scope: Scope): Shape | { readonly names: ReadonlyArray<string> } => {
  if (!Object.hasOwn(scope, path.root)) return { names: Object.keys(scope) }
  let shape = scope[path.root]!
  for (const segment of path.segments) {
    if (shape.type === "any") return shape
    if (shape.type === "array" && typeof segment === "number") shape = shape.items
    else if (shape.type === "object" && typeof segment === "string" && Object.hasOwn(shape.properties, segment))
      shape = shape.properties[segment]!
    else return { names: shape.type === "object" ? Object.keys(shape.properties) : [] }
  }
  return shape
}

const pathProblems = (paths: ReadonlyArray<Condition.Path>, scope: Scope): ReadonlyArray<Problem> =>
  paths.flatMap((path) => {
    const found = follow(path, scope)
    return "names" in found ? [Problem.UnknownPath({ reference: Condition.print(path), known: found.names })] : []
  })

/** A shape that every value of the operand has; any where that is not known. */
const shapeOf = (operand: Condition.Operand, scope: Scope): Shape => {
  switch (operand._tag) {
    case "Path": {
      const found = follow(operand, scope)
      return "names" in found ? any : found
    }
    case "Literal": {
      const { value } = operand
      if (value === null) return { type: "null" }
      if (typeof value === "string") return { type: "string", enum: [value] }
      return { type: typeof value === "boolean" ? "boolean" : "number" }
    }
    case "List":
      return { type: "array", items: any }
    case "Arithmetic": {
      if (operand.operator !== "+") return { type: "number" }
      const types = [shapeOf(operand.left, scope), shapeOf(operand.right, scope)].map(({ type }) => type)
      return types.includes("string") ? { type: "string" } : types.includes("any") ? any : { type: "number" }
    }
  }
}

const family = ({ type }: Shape): string => (type === "integer" ? "number" : type)

const named = (shape: Shape): string =>
  shape.type === "string" && shape.enum !== undefined
    ? shape.enum.map((text) => JSON.stringify(text)).join(" or ")
    : family(shape)

/** Whether there may be a value of both. */
const meet = (left: Shape, right: Shape): boolean => {
  if (left.type === "any" || right.type === "any") return true
  if (left.type === "string" && right.type === "string") {
    const { enum: texts } = right
    return left.enum === undefined || texts === undefined || left.enum.some((text) => texts.includes(text))
  }
  return family(left) === family(right)
}

const ordered = (left: Shape, right: Shape): boolean => {
  const families = new Set([family(left), family(right)])
  families.delete("any")
  return families.size === 0 || (families.size === 1 && (families.has("number") || families.has("string")))
}

const comparisons = (condition: Condition.Condition, scope: Scope): ReadonlyArray<Problem> => {
  const never = (left: string, right: string) => [
    Problem.NeverComparable({ expression: Condition.print(condition), left, right })
  ]
  switch (condition._tag) {
    case "And":
    case "Or":
      return [...comparisons(condition.left, scope), ...comparisons(condition.right, scope)]
    case "Not":
      return comparisons(condition.condition, scope)
    case "Exists":
      return []
    case "Holds": {
      const shape = shapeOf(condition.operand, scope)
      return meet(shape, { type: "boolean" }) ? [] : never(named(shape), "true")
    }
    case "Membership": {
      const item = shapeOf(condition.item, scope)
      const list = shapeOf(condition.list, scope)
      if (list.type !== "array") return list.type === "any" ? [] : never("a member", named(list))
      const members = condition.list._tag === "List" ? condition.list.items.map((m) => shapeOf(m, scope)) : [list.items]
      return members.some((member) => meet(item, member)) ? [] : never(named(item), members.map(named).join(" or "))
    }
    case "Comparison": {
      const left = shapeOf(condition.left, scope)
      const right = shapeOf(condition.right, scope)
      const sensible = condition.operator === "==" || condition.operator === "!=" ? meet : ordered
      return sensible(left, right) ? [] : never(named(left), named(right))
    }
  }
}

export const conditionProblems = (condition: Condition.Condition, scope: Scope): ReadonlyArray<Problem> => [
  ...pathProblems(Condition.paths(condition), scope),
  ...comparisons(condition, scope)
]

export const templateProblems = (template: Template.Template, scope: Scope): ReadonlyArray<Problem> =>
  pathProblems(Template.paths(template), scope)
