import type { Json } from "../../model/SchemaDocument.js"
import { isFields, show, textOf } from "./SchemaPart.js"

/** What effect's filters on numbers, lengths and items leave: an interval, whose ends may be left out of it. */
interface Bounds {
  readonly of: "number" | "length" | "items"
  readonly min: number
  readonly max: number
  readonly isOpenBelow: boolean
  readonly isOpenAbove: boolean
}

const measured: { readonly [name: string]: Bounds["of"] } = {
  MinLength: "length",
  MaxLength: "length",
  Length: "length",
  MinItems: "items",
  MaxItems: "items",
  ItemsCount: "items",
  GreaterThan: "number",
  GreaterThanOrEqualTo: "number",
  LessThan: "number",
  LessThanOrEqualTo: "number",
  Between: "number"
}

/** Filters without parameters, and those that let everything pass that they let pass. */
const weaker: { readonly [name: string]: ReadonlyArray<string> } = {
  Int: ["Finite", "JsonNumber", "NonNaN"],
  Finite: ["JsonNumber", "NonNaN"],
  JsonNumber: ["Finite", "NonNaN"]
}

const id = "effect/SchemaId/"

/** The name of a filter of effect, without what all of these begin with; undefined for one of the user. */
const ownName = (filter: Json): string | undefined => {
  const symbol = isFields(filter) && isFields(filter.name) ? filter.name.symbolFor : undefined
  return typeof symbol === "string" && symbol.startsWith(id) ? symbol.slice(id.length) : undefined
}

const lookUp = <A>(table: { readonly [name: string]: A }, name: string | undefined): A | undefined =>
  name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

/** A limit as JSON has it: the infinities are written as text. */
const limit = (given: Json | undefined): number | undefined => {
  if (typeof given === "number") return given
  return isFields(given) && typeof given.number === "string" ? Number(given.number) : undefined
}

const boundsOf = (filter: Json): Bounds | undefined => {
  const of = lookUp(measured, ownName(filter))
  if (of === undefined || !isFields(filter)) return undefined
  const below = limit(filter.exclusiveMinimum)
  const above = limit(filter.exclusiveMaximum)
  const min = below ?? limit(filter.minimum ?? filter.minLength ?? filter.minItems) ?? -Infinity
  const max = above ?? limit(filter.maximum ?? filter.maxLength ?? filter.maxItems) ?? Infinity
  if (Number.isNaN(min) || Number.isNaN(max)) return undefined
  return { of, min, max, isOpenBelow: below !== undefined, isOpenAbove: above !== undefined }
}

/**
 * Whether everything that passes all of `filters` passes `filter`: it is one of them, is known to let more pass, or its
 * bounds are not narrower than theirs together.
 */
export const isImplied = (filter: Json, filters: ReadonlyArray<Json>): boolean => {
  const text = textOf(filter)
  if (filters.some((given) => textOf(given) === text)) return true
  const wanted = ownName(filter)
  if (wanted !== undefined && filters.some((given) => lookUp(weaker, ownName(given))?.includes(wanted))) return true
  const bounds = boundsOf(filter)
  if (bounds === undefined) return false
  const given = filters.flatMap((filter) => boundsOf(filter) ?? []).filter(({ of }) => of === bounds.of)
  // NaN passes no filter of effect that compares, and these all do
  if (given.length === 0) return false
  const isBelow = ({ isOpenBelow, min }: Bounds) =>
    min > bounds.min || (min === bounds.min && (isOpenBelow || !bounds.isOpenBelow))
  const isAbove = ({ isOpenAbove, max }: Bounds) =>
    max < bounds.max || (max === bounds.max && (isOpenAbove || !bounds.isOpenAbove))
  return given.some(isBelow) && given.some(isAbove)
}

/** Whether a filter looks only at how many items an array has. */
export const countsItems = (filter: Json): boolean => boundsOf(filter)?.of === "items"

/** As people would write it, such as `MinLength(3)`. */
export const name = (filter: Json): string => {
  if (!isFields(filter) || filter.name === undefined) return show(filter)
  const { name, ...parameters } = filter
  const known = ownName(filter) ?? show(name)
  const values = Object.keys(parameters)
    .sort()
    .map((key) => show(parameters[key]))
  return values.length === 0 ? known : `${known}(${values.join(", ")})`
}
