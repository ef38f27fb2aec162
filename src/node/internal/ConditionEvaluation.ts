/** What conditions and operands come to. */
import type { Condition, Operand, Path } from "../ConditionSyntax.js"
import type { Json } from "../Json.js"

interface Roots {
  readonly [root: string]: Json
}

/** What a value has of its own under a key; of a list its items, not its length. */
const property = (value: Json, key: string | number): Json | undefined => {
  if (value === null || typeof value !== "object") return undefined
  // Array.isArray does not narrow a readonly array away
  if (Array.isArray(value)) return typeof key === "number" ? (value as ReadonlyArray<Json>)[key] : undefined
  return typeof key === "string" && Object.hasOwn(value, key)
    ? (value as { readonly [key: string]: Json })[key]
    : undefined
}

const read = ({ root, segments }: Path, roots: Roots): Json | undefined => {
  let value: Json | undefined = Object.hasOwn(roots, root) ? roots[root] : undefined
  for (const segment of segments) {
    if (value === undefined) return undefined
    value = property(value, segment)
  }
  return value
}

const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined)

const calculate = (operator: "+" | "-" | "*" | "/", left: number, right: number): number => {
  switch (operator) {
    case "+":
      return left + right
    case "-":
      return left - right
    case "*":
      return left * right
    case "/":
      return left / right
  }
}

export const valueOf = (operand: Operand, roots: Roots): Json | undefined => {
  switch (operand._tag) {
    case "Literal":
      return operand.value
    case "Path":
      return read(operand, roots)
    case "List": {
      const items: Array<Json> = []
      for (const item of operand.items) {
        const value = valueOf(item, roots)
        if (value === undefined) return undefined
        items.push(value)
      }
      return items
    }
    case "Arithmetic": {
      const left = valueOf(operand.left, roots)
      const right = valueOf(operand.right, roots)
      if (typeof left === "number" && typeof right === "number") return finite(calculate(operand.operator, left, right))
      return operand.operator === "+" && typeof left === "string" && typeof right === "string"
        ? left + right
        : undefined
    }
  }
}

const equal = (left: Json | undefined, right: Json | undefined): boolean => {
  if (left === undefined || right === undefined) return false
  if (left === null || right === null || typeof left !== "object" || typeof right !== "object") return left === right
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const entries = Object.entries(left)
  const others = new Map<string, Json>(Object.entries(right))
  return entries.length === others.size && entries.every(([key, value]) => equal(value, others.get(key)))
}

const compare = (operator: "<" | "<=" | ">" | ">=", left: number | string, right: number | string): boolean => {
  switch (operator) {
    case "<":
      return left < right
    case "<=":
      return left <= right
    case ">":
      return left > right
    case ">=":
      return left >= right
  }
}

export const evaluate = (condition: Condition, roots: Roots): boolean => {
  switch (condition._tag) {
    case "Holds":
      return valueOf(condition.operand, roots) === true
    case "Exists":
      return read(condition.path, roots) !== undefined
    case "Not":
      return !evaluate(condition.condition, roots)
    case "And":
      return evaluate(condition.left, roots) && evaluate(condition.right, roots)
    case "Or":
      return evaluate(condition.left, roots) || evaluate(condition.right, roots)
    case "Membership": {
      const item = valueOf(condition.item, roots)
      const list = valueOf(condition.list, roots)
      return Array.isArray(list) && list.some((member: Json) => equal(item, member))
    }
    case "Comparison": {
      const left = valueOf(condition.left, roots)
      const right = valueOf(condition.right, roots)
      if (condition.operator === "==") return equal(left, right)
      if (condition.operator === "!=") return !equal(left, right)
      const ordered =
        (typeof left === "number" && typeof right === "number") ||
        (typeof left === "string" && typeof right === "string")
      return ordered && compare(condition.operator, left, right)
    }
  }
}
