import * as Either from "effect/Either"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import type { Json, SchemaDocument } from "../../model/SchemaDocument.js"

/** What a struct, its parent or a schema around it says of how it is decoded. */
export interface Options {
  readonly excess: "ignore" | "error" | "preserve"
  readonly exact: boolean
}

export interface Property {
  readonly key: string
  readonly name: string
  readonly isSymbol: boolean
  readonly isOptional: boolean
  readonly type: number
}

/**
 * How a property is decoded by something else than its schema. `of` is there where the other side has its own schema;
 * `isTotal`: it takes whatever the schema takes, as `optionalWith` and its defaults do.
 */
export interface Pair {
  readonly from: string
  readonly text: string
  readonly isTotal: boolean
  readonly of: number | undefined
}

type Shape =
  | { readonly tag: "keyword"; readonly keyword: string }
  | { readonly tag: "literal"; readonly literal: Json }
  | { readonly tag: "union"; readonly of: ReadonlyArray<number>; readonly what: string }
  | { readonly tag: "template" }
  | {
      readonly tag: "struct"
      readonly properties: ReadonlyArray<Property>
      readonly indexes: ReadonlyArray<{ readonly parameter: number; readonly type: number }>
    }
  | {
      readonly tag: "tuple"
      readonly elements: ReadonlyArray<{ readonly isOptional: boolean; readonly type: number }>
      readonly rest: ReadonlyArray<number>
    }
  | { readonly tag: "refinement"; readonly filter: Json; readonly from: number }
  | { readonly tag: "class"; readonly name: string; readonly from: number }
  | { readonly tag: "properties"; readonly from: number; readonly pairs: ReadonlyArray<Pair> }
  | { readonly tag: "transformation"; readonly name: string; readonly from: number; readonly to: number | undefined }
  | { readonly tag: "container"; readonly name: string; readonly of: ReadonlyArray<number> }
  | { readonly tag: "other"; readonly name: string }

/**
 * A part of a document as it is compared. `text` and `children` are what the document says of it, so that parts are equal when
 * these are; `options` where it says how it and all below it are decoded.
 */
export type SchemaPart = Shape & {
  readonly text: string
  readonly children: ReadonlyArray<number>
  readonly options: Partial<Options> | undefined
}

export type Fields = { readonly [key: string]: Json }

export const isFields = (json: Json | undefined): json is Fields =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const isList = (json: Json | undefined): json is ReadonlyArray<Json> => Array.isArray(json)

/** Effect's collections, which are decoded item by item: what their items take, they take. */
const collections = new Set([
  ...[
    "Option",
    "Either",
    "Cause",
    "Exit",
    "Redacted",
    "Chunk",
    "Chunk.NonEmptyChunk",
    "List",
    "HashSet",
    "HashMap"
  ].map((name) => `effect/${name}`),
  "effect/Data",
  "ReadonlySet",
  "ReadonlyMap",
  "Array",
  "NonEmptyArray"
])

/** One text for equal JSON: a document that was stored has its keys in another order. */
export const textOf = (json: Json | undefined): string =>
  Either.getOrElse(CanonicalJson.stringify(json ?? null), () => JSON.stringify(json))

/** A literal or a name for people. */
export const show = (json: Json | undefined): string => {
  if (isFields(json)) {
    const [[key, of] = ["", null]] = Object.entries(json)
    if (key === "symbol" || key === "symbolFor") return `Symbol(${show(of)})`
    if (key === "bigint") return `${show(of)}n`
    if (typeof of === "string") return of
  }
  return typeof json === "string" ? json : JSON.stringify(json)
}

const options = (json: Json | undefined): Partial<Options> | undefined => {
  if (!isList(json)) return undefined
  const [excess, exact] = json
  // a document does not tell "ignore" and no exactness from what was left out, and so is what is around it
  return {
    ...(excess === "error" || excess === "preserve" ? { excess } : undefined),
    ...(exact === true ? { exact } : undefined)
  }
}

const struct = (part: Fields, of: ReadonlyArray<number>): Shape | undefined => {
  const { indexes, properties } = part
  if (!isList(properties) || typeof indexes !== "number") return undefined
  if (of.length !== properties.length + 2 * indexes) return undefined
  return {
    tag: "struct",
    properties: properties.map((property, at) => {
      const [name, isOptional] = isList(property) ? property : []
      return {
        key: textOf(name),
        name: show(name),
        isSymbol: isFields(name) && !("escaped" in name),
        isOptional: isOptional === true,
        type: of[at]!
      }
    }),
    indexes: Array.from({ length: indexes }, (_, at) => {
      const first = properties.length + 2 * at
      return { parameter: of[first]!, type: of[first + 1]! }
    })
  }
}

const tuple = ({ rest, tuple }: Fields, of: ReadonlyArray<number>): Shape | undefined => {
  if (!isList(tuple) || typeof rest !== "number" || of.length !== tuple.length + rest) return undefined
  return {
    tag: "tuple",
    elements: tuple.map((isOptional, at) => ({ isOptional: isOptional === true, type: of[at]! })),
    rest: of.slice(tuple.length)
  }
}

const properties = (list: Json | undefined, [from, ...of]: ReadonlyArray<number>): Shape | undefined => {
  if (!isList(list) || from === undefined) return undefined
  let next = 0
  const pairs = list.map((pair): Pair => {
    const [name, , how] = isList(pair) ? pair : []
    const hidden = isFields(how) && "derived" in how
    const isOwn = how === "attach" || (hidden && how.derived === false)
    return {
      from: textOf(name),
      text: textOf(pair),
      isTotal:
        how === "rename" ||
        how === "attach" ||
        how === "option" ||
        how === "nullable" ||
        (hidden && how.derived === true),
      of: isOwn ? of[next++] : undefined
    }
  })
  return next === of.length ? { tag: "properties", from, pairs } : undefined
}

const transformation = (part: Fields, of: ReadonlyArray<number>): Shape | undefined => {
  const { name, transformation: kind } = part
  const [from, to] = of
  if (kind === "properties") return properties(part.of, of)
  if (from === undefined || of.length > 2) return undefined
  const known = typeof name === "string" ? name : isFields(kind) ? show(kind.hidden) : show(kind)
  return { tag: "transformation", name: known, from, to }
}

const shape = (part: Json, of: ReadonlyArray<number>): Shape => {
  const other: Shape = { tag: "other", name: "a part of an unknown kind" }
  if (!isFields(part)) return other
  const [first] = of
  if ("type" in part) {
    if (part.type === "suspend") return first === undefined ? other : { tag: "union", of, what: "a recursive schema" }
    return typeof part.type === "string" ? { tag: "keyword", keyword: part.type } : other
  }
  if (part.literal !== undefined) return { tag: "literal", literal: part.literal }
  if ("properties" in part) return struct(part, of) ?? other
  if ("tuple" in part) return tuple(part, of) ?? other
  if (typeof part.union === "number") return { tag: "union", of, what: "a union" }
  if ("template" in part) return { tag: "template" }
  if (part.filter !== undefined) {
    return first === undefined ? other : { tag: "refinement", filter: part.filter, from: first }
  }
  if (part.class !== undefined) {
    return first === undefined ? other : { tag: "class", name: show(part.class), from: first }
  }
  if ("transformation" in part) return transformation(part, of) ?? other
  if ("declaration" in part) {
    const name = show(part.declaration)
    const isCollection = collections.has(name) && part.hidden === null
    return isCollection ? { tag: "container", name, of } : { tag: "other", name: `the declared type ${name}` }
  }
  return other
}

export const isCollection = (name: string): boolean => collections.has(name)

/** The literals of an enum or of a boolean, which are compared as a union of these. */
const literals = (part: Json): ReadonlyArray<Json> | undefined => {
  if (!isFields(part)) return undefined
  if (part.type === "BooleanKeyword") return [false, true]
  if (!isList(part.enum)) return undefined
  return part.enum.flatMap((member) => {
    const text = typeof member === "string" ? member : ""
    // what is not from `SchemaFingerprint.describe` may be no JSON
    try {
      return [JSON.parse(text) as Json]
    } catch {
      return [{ not: text }]
    }
  })
}

/** The part that a document gets as its last: `undefined`, which a missing property is. */
const nothing: Json = { type: "UndefinedKeyword" }

/** The parts of a document, and of the literals that stand for some of them. Never fails: what it cannot read is `other`. */
export const read = (document: SchemaDocument): ReadonlyArray<SchemaPart> => {
  const added: Array<SchemaPart> = []
  const add = (part: Json): number =>
    document.length + added.push({ ...shape(part, []), text: textOf(part), children: [], options: undefined }) - 1
  const parts = document.map(([part, of]): SchemaPart => {
    const members = literals(part)
    const known: Shape =
      members === undefined
        ? shape(part, of)
        : {
            tag: "union",
            of: members.map((literal) => add({ literal })),
            what: isFields(part) && "enum" in part ? "an enum" : "a boolean"
          }
    return { ...known, text: textOf(part), children: of, options: isFields(part) ? options(part.options) : undefined }
  })
  add(nothing)
  return [...parts, ...added]
}

/** The part as people would say it. */
export const name = (part: SchemaPart): string => {
  switch (part.tag) {
    case "keyword":
      return part.keyword.replace(/Keyword$/, "").toLowerCase()
    case "literal":
      return typeof part.literal === "string" ? JSON.stringify(part.literal) : show(part.literal)
    case "union":
      return part.what
    case "template":
      return "a template literal"
    case "struct":
      return part.properties.length === 0 && part.indexes.length === 0 ? "a value that is not null" : "a struct"
    case "tuple":
      return part.elements.length === 0 && part.rest.length === 1 ? "an array" : "a tuple"
    case "refinement":
      return "a refined value"
    case "class":
      return `the class ${part.name}`
    case "properties":
      return "a struct"
    case "transformation":
      return `what ${part.name} decodes`
    default:
      return part.name
  }
}
