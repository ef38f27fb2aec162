import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Predicate from "effect/Predicate"
import * as Reachable from "./Reachable.js"

/** A write to a frozen object, as the error that it threw tells of it. */
export interface FrozenWrite {
  readonly error: TypeError
  /** Undefined where the engine does not tell. */
  readonly key: string | undefined
  /** Whether the object had it: it was to be replaced or deleted, not added. */
  readonly had: boolean
  readonly isArray: boolean | undefined
}

/** As V8 words it. */
const forms: ReadonlyArray<readonly [RegExp, had: boolean]> = [
  [/^Cannot assign to read only property '(?<key>.*)' of object '(?<object>.*)'$/s, true],
  [/^Cannot delete property '(?<key>.*)' of (?<object>.*)$/s, true],
  [/^Cannot redefine property: (?<key>.*)$/s, true],
  [/^Cannot (?:add|define) property (?<key>.*), object is not extensible$/s, false],
  [/^(?<object>.*) is not extensible$/s, false]
]

const read = (error: TypeError): FrozenWrite | undefined => {
  for (const [form, had] of forms) {
    const groups = form.exec(error.message)?.groups
    if (groups === undefined) continue
    const { key, object } = groups
    return { error, key, had, isArray: object === undefined ? undefined : object === "[object Array]" }
  }
  return undefined
}

/** Errors are wrapped: by `Effect.try`, as causes, by a module's own error. */
const maxWraps = 8

/** The write that an error is, or that is behind it. */
export const of = (thrown: unknown, depth = 0): FrozenWrite | undefined => {
  if (depth > maxWraps || !Predicate.isObject(thrown)) return undefined
  if (thrown instanceof TypeError) {
    const write = read(thrown)
    if (write !== undefined) return write
  }
  for (const key of ["cause", "error"]) {
    const inner: unknown = Object.getOwnPropertyDescriptor(thrown, key)?.value
    const write = inner === undefined ? undefined : of(inner, depth + 1)
    if (write !== undefined) return write
  }
  return undefined
}

/** The first such write of a cause. */
export const ofCause = (cause: Cause.Cause<unknown>): FrozenWrite | undefined => {
  for (const error of [
    ...Chunk.toReadonlyArray(Cause.defects(cause)),
    ...Chunk.toReadonlyArray(Cause.failures(cause))
  ]) {
    const write = of(error)
    if (write !== undefined) return write
  }
  return undefined
}

/** How well the write fits an object: 0 is best, undefined not at all. */
const fit = ({ had, isArray, key }: FrozenWrite, object: object): 0 | 1 | undefined => {
  if (!Object.isFrozen(object) || (isArray !== undefined && isArray !== Array.isArray(object))) return undefined
  if (key === undefined) return 0
  if (Object.hasOwn(object, key) !== had) return undefined
  if (had) return 0
  // what is appended to a list is its length, and what is named is rarely put into a list
  const isIndex = /^\d+$/.test(key)
  return Array.isArray(object) ? (String(object.length) === key ? 0 : 1) : isIndex ? 1 : 0
}

/** The places of a value that the write may have been to, as well as that: the error names no object. */
export const places = (write: FrozenWrite, value: unknown, rank: 0 | 1): ReadonlyArray<string> => {
  const found: Array<string> = []
  Reachable.from(value, ({ object, path, treatment }) => {
    if (treatment !== "freeze" || fit(write, object) !== rank) return
    found.push([path, write.key ?? ""].filter((part) => part !== "").join("."))
  })
  return found
}

/** How many places are named. */
const maxPlaces = 3

/** One place as it is; of several, what they have in common stands for them. */
export const render = (places: ReadonlyArray<string>): string => {
  const patterns =
    places.length === 1
      ? places
      : Array.from(new Set(places.map((place) => place.replace(/(^|\.)\d+(?=\.|$)/g, "$1*"))))
  const more = patterns.length > maxPlaces ? " or another" : ""
  return patterns.slice(0, maxPlaces).join(" or ") + more
}
