/** What the transformations of compute contracts do. */
import * as Either from "effect/Either"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import * as Condition from "../Condition.js"
import type { Json } from "../Json.js"
import * as Template from "../Template.js"
import type { Transformation } from "../Transformation.js"

export interface Refusal {
  readonly item: number | undefined
  readonly reason: string
}

type Applied<A = Json> = Either.Either<A, Refusal>

const refuse = (reason: string, item?: number): Either.Either<never, Refusal> => Either.left({ item, reason })

/** `Array.isArray` does not narrow a readonly array. */
const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

type Fields = { readonly [name: string]: Json }

const isObject = (value: Json): value is Fields => typeof value === "object" && value !== null && !isList(value)

const named = (value: Json): string =>
  value === null ? "null" : isList(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`

/** Of a list, with each of its items. */
const each = (value: Json, f: (item: Json, index: number | undefined) => Applied): Applied =>
  isList(value) ? Either.all(value.map(f)) : f(value, undefined)

const eachObject = (value: Json, f: (object: Fields) => Fields): Applied =>
  each(value, (item, index) =>
    isObject(item) ? Either.right(f(item)) : refuse(`it is for objects, and this is ${named(item)}`, index)
  )

const list = (value: Json, f: (items: ReadonlyArray<Json>) => ReadonlyArray<Json>): Applied =>
  isList(value) ? Either.right(f(value)) : refuse(`it is for lists, and this is ${named(value)}`)

const keep = (object: Fields, keeps: (name: string) => boolean): Fields =>
  Object.fromEntries(Object.entries(object).filter(([name]) => keeps(name)))

const rank = (value: Json | undefined): number =>
  value === undefined
    ? 0
    : value === null
      ? 1
      : typeof value === "boolean"
        ? 2
        : typeof value === "number"
          ? 3
          : typeof value === "string"
            ? 4
            : 5

/** One text for equal values, so for lists and objects an order, too. */
const textOf = (value: Json | undefined): string =>
  value === undefined ? "" : Either.getOrElse(CanonicalJson.stringify(value), ({ message }) => message)

const compare = (a: Json | undefined, b: Json | undefined): number => {
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  if (typeof a === "number" && typeof b === "number") return a - b
  const [left, right] = typeof a === "string" && typeof b === "string" ? [a, b] : [textOf(a), textOf(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

export const apply = (transformation: Transformation, value: Json, input: Json): Applied => {
  const rootsOf = (item: Json) => ({ value: item, input })
  switch (transformation.do) {
    case "pick": {
      const fields = new Set(transformation.fields)
      return eachObject(value, (object) => keep(object, (name) => fields.has(name)))
    }
    case "omit": {
      const fields = new Set(transformation.fields)
      return eachObject(value, (object) => keep(object, (name) => !fields.has(name)))
    }
    case "rename": {
      const names = new Map(Object.entries(transformation.fields))
      return eachObject(value, (object) =>
        Object.fromEntries(Object.entries(object).map(([name, field]) => [names.get(name) ?? name, field]))
      )
    }
    case "set": {
      const replaced = new Set(Object.keys(transformation.fields))
      return eachObject(value, (object) => ({
        ...keep(object, (name) => !replaced.has(name)),
        ...Template.fieldsOf(transformation.fields, rootsOf(object))
      }))
    }
    case "map":
      return each(value, (item) => Either.right(Template.valueOf(transformation.to, rootsOf(item)) ?? null))
    case "validate":
      return each(value, (item, index) =>
        Condition.evaluate(transformation.when, rootsOf(item))
          ? Either.right(item)
          : refuse(transformation.message, index)
      )
    case "filter":
      return list(value, (items) => items.filter((item) => Condition.evaluate(transformation.when, rootsOf(item))))
    case "sort": {
      const sign = transformation.order === "ascending" ? 1 : -1
      return list(value, (items) =>
        items
          .map((item) => ({ item, key: Condition.valueOf(transformation.by, rootsOf(item)) }))
          .sort((a, b) => sign * compare(a.key, b.key))
          .map(({ item }) => item)
      )
    }
    case "unique": {
      const seen = new Set<string>()
      return list(value, (items) =>
        items.filter((item) => {
          const key = textOf(Condition.valueOf(transformation.by, rootsOf(item)))
          return !seen.has(key) && seen.add(key)
        })
      )
    }
    case "skip":
      return list(value, (items) => items.slice(transformation.count))
    case "take":
      return list(value, (items) => items.slice(0, transformation.count))
  }
}
