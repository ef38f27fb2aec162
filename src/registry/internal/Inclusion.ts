import type { Options, SchemaPart } from "./SchemaPart.js"
import * as Part from "./SchemaPart.js"

/**
 * What is asked of an earlier part and one of now:
 *
 * - `equal`: they say the same, however far they are followed
 * - `accepts`: what the earlier one encodes, the one of now decodes
 * - `same`: and decodes to the value that was encoded, so that functions that are applied to it see what they saw
 */
export type Mode = "equal" | "accepts" | "same"

export interface Scope {
  readonly before: Options
  readonly now: Options
}

/** Positions in two documents, and what the parts around them say of how they are decoded. */
export interface Question {
  readonly mode: Mode
  readonly before: number
  readonly now: number
  readonly scope: Scope
  /** Whether it is one of the members of a union, of whose other members the union tells. */
  readonly isMember: boolean
}

/** What was found out about a question: a difference, or a question on which it depends. */
export type Finding =
  | { readonly step?: string | undefined; readonly breaks: boolean; readonly message: string }
  | { readonly step?: string | undefined; readonly question: Question }

/** Whether the answer to a question is yes, as far as is known; it never becomes yes again. */
export type Ask = (question: Question) => boolean

export type Parts = ReadonlyArray<SchemaPart>

export const breaks = (message: string, step?: string): Finding => ({ step, breaks: true, message })
export const note = (message: string, step?: string): Finding => ({ step, breaks: false, message })

/** Options as they are at a part: its own, or those around it. */
export const enter = (around: Options, part: SchemaPart): Options =>
  part.options === undefined ? around : { ...around, ...part.options }

/** A part with the options around it. */
export interface Place {
  readonly at: number
  readonly options: Options
}

/** The members of a union, of the unions among these, and of what is suspended; else the part itself. */
export const members = (parts: Parts, place: Place): ReadonlyArray<Place> => {
  const found: Array<Place> = []
  const seen = new Set<number>()
  const stack = [place]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (seen.has(next.at)) continue
    seen.add(next.at)
    const part = parts[next.at]!
    if (part.tag !== "union") found.push(next)
    else {
      const options = enter(next.options, part)
      for (const at of [...part.of].reverse()) stack.push({ at, options })
    }
  }
  return found
}

/** Whether it takes every value, and says nothing of those it encodes. */
export const isAnything = (part: SchemaPart): boolean =>
  part.tag === "keyword" && ["UnknownKeyword", "AnyKeyword", "VoidKeyword"].includes(part.keyword)

/** Whether what it encodes and decodes is the value itself. */
export const isPrimitive = (part: SchemaPart): boolean =>
  part.tag === "literal" || part.tag === "template" || (part.tag === "keyword" && !isAnything(part))

/** `{}`: it takes all but null and undefined, as they are. */
export const isEmpty = (part: SchemaPart): boolean =>
  part.tag === "struct" && part.properties.length === 0 && part.indexes.length === 0

/** What is below refinements, and with `filters` those. */
export const unrefined = (parts: Parts, at: number) => {
  const filters: Array<Extract<SchemaPart, { tag: "refinement" }>["filter"]> = []
  const seen = new Set<number>()
  for (let part = parts[at]!; ; part = parts[at]!) {
    if (part.tag !== "refinement" || seen.has(at)) return { filters, at, part }
    seen.add(at)
    filters.push(part.filter)
    at = part.from
  }
}

/** Whether it may encode something as `undefined`; true where it is not known. */
export const mayBeUndefined = (parts: Parts, at: number): boolean => {
  const seen = new Set<number>()
  const look = (at: number): boolean => {
    if (seen.has(at)) return false
    seen.add(at)
    const part = parts[at]!
    switch (part.tag) {
      case "keyword":
        return isAnything(part) || part.keyword === "UndefinedKeyword"
      case "union":
        return part.of.some(look)
      case "refinement":
      case "class":
      case "properties":
      case "transformation":
        return look(part.from)
      default:
        return part.tag === "other"
    }
  }
  return look(at)
}

const none: ReadonlyMap<string, string> = new Map()

/** The literals by which structs of a union are told apart, by the name of their property. */
export const tags = (parts: Parts, part: SchemaPart): ReadonlyMap<string, string> =>
  part.tag !== "struct"
    ? none
    : new Map(
        part.properties.flatMap(({ isOptional, name, type }) => {
          const of = parts[type]!
          return of.tag === "literal" && !isOptional ? [[name, Part.name(of)] as const] : []
        })
      )

/** The name of a part; of a struct with its tag. */
export const label = (parts: Parts, at: number): string => {
  const part = parts[at]!
  const { part: core } = unrefined(parts, at)
  if (part.tag === "class") return Part.name(part)
  const [tag] = tags(parts, core.tag === "properties" ? parts[core.from]! : core)
  return tag === undefined ? Part.name(core) : `${Part.name(core)} with ${tag[0]} ${tag[1]}`
}
