/** What contracts must say of themselves besides what their schemas say; asked of values that need not fit these. */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Condition from "../Condition.js"
import { type Path, Problem } from "../ContractFault.js"
import { Shape } from "../Shape.js"
import type * as Template from "../Template.js"
import * as ContractScope from "./ContractScope.js"

/** A value of a document and the way to it. What is not there, or of another type, is looked at as if it were empty. */
export interface View {
  readonly path: Path
  readonly value: unknown
}

export type Report = (path: Path, problem: Problem) => void

/** What rules are given: where to report, and in which line a value is. */
export interface Context {
  readonly report: Report
  readonly line: (path: Path) => number | undefined
}

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const field = ({ path, value }: View, key: string): View => ({
  path: [...path, key],
  value: isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
})

export const entries = ({ path, value }: View): ReadonlyArray<readonly [string, View]> =>
  isRecord(value) ? Object.entries(value).map(([key, value]) => [key, { path: [...path, key], value }]) : []

export const items = ({ path, value }: View): ReadonlyArray<View> =>
  Array.isArray(value) ? value.map((value: unknown, at) => ({ path: [...path, at], value })) : []

export const text = ({ value }: View): string | undefined => (typeof value === "string" ? value : undefined)

export const names = (view: View): ReadonlyArray<string> => entries(view).map(([name]) => name)

const decodeShape = Schema.decodeUnknownEither(Shape)

/** Any, where there is none or it is at fault. */
export const shape = ({ value }: View): Shape => Either.getOrElse(decodeShape(value), () => ContractScope.any)

const bounds = [
  ["minLength", "maxLength"],
  ["minimum", "maximum"],
  ["minItems", "maxItems"]
] as const

/** What is wrong with a shape besides what its schema says. */
export const shapeFaults = (view: View, { report }: Pick<Context, "report">): void => {
  for (const [least, most] of bounds) {
    const [low, high] = [field(view, least).value, field(view, most)] as const
    if (typeof low === "number" && typeof high.value === "number" && high.value < low)
      report(
        high.path,
        Problem.OutOfRange({ value: high.value, reason: `it is less than ${least}, so that nothing fits` })
      )
  }
  const properties = field(view, "properties")
  for (const required of items(field(view, "required"))) {
    const name = text(required)
    if (name === undefined || names(properties).includes(name)) continue
    report(required.path, Problem.UnknownField({ field: name, fields: names(properties) }))
  }
  for (const [, property] of entries(properties)) shapeFaults(property, { report })
  if (field(view, "items").value !== undefined) shapeFaults(field(view, "items"), { report })
}

export const fieldsShape = (view: View): Shape =>
  ContractScope.objectOf(Object.fromEntries(entries(view).map(([name, field]) => [name, shape(field)])))

/** An expression that does not parse is reported where it is decoded. */
export const condition = ({ path, value }: View, scope: ContractScope.Scope, { report }: Context): void => {
  if (typeof value !== "string") return
  const parsed = Condition.parse(value)
  if (Either.isRight(parsed))
    for (const problem of ContractScope.conditionProblems(parsed.right, scope)) report(path, problem)
}

/** Walks into the value, so that each fault has its own path. */
export const template = (view: View, scope: ContractScope.Scope, context: Context): void => {
  if (typeof view.value === "string") {
    const parsed = Condition.parseOperand(view.value)
    if (Either.isRight(parsed))
      for (const problem of ContractScope.templateProblems(parsed.right satisfies Template.Template, scope))
        context.report(view.path, problem)
    return
  }
  for (const [, inner] of entries(view)) template(inner, scope, context)
  for (const inner of items(view)) template(inner, scope, context)
}
