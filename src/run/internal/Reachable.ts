import * as Chunk from "effect/Chunk"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as List from "effect/List"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as util from "node:util"

/**
 * What becomes of an object under the guard: plain data is frozen; what cannot be, or must not be because it may have
 * state of its own, is compared; a container of Effect's is immutable itself, and is only looked into.
 */
export type Treatment = "freeze" | "compare" | "lookInto"

/** An object of a value. Its path is empty for the value itself. */
export interface Reached {
  readonly object: object
  readonly path: string
  readonly treatment: Treatment
}

const join = (path: string, key: string | number) => (path === "" ? String(key) : `${path}.${key}`)

const isPlain = (object: object) => {
  const prototype: unknown = Object.getPrototypeOf(object)
  return (prototype === Object.prototype || prototype === null) && !util.types.isModuleNamespaceObject(object)
}

/** Functions and what nobody may look into: these have an identity, and no content. */
const isOpaque = (object: object) =>
  util.types.isProxy(object) ||
  util.types.isPromise(object) ||
  util.types.isWeakMap(object) ||
  util.types.isWeakSet(object) ||
  util.types.isModuleNamespaceObject(object)

const isBytes = (object: object) => ArrayBuffer.isView(object) || util.types.isAnyArrayBuffer(object)

type Child = readonly [key: string | number, value: unknown]

/** The own enumerable properties that are data: getters are not called. */
export const properties = (object: object): ReadonlyArray<Child> =>
  Object.keys(object).flatMap((key): ReadonlyArray<Child> => {
    const property = Object.getOwnPropertyDescriptor(object, key)
    return property !== undefined && "value" in property ? [[key, property.value]] : []
  })

const nameOf = (key: unknown, index: number) => (Predicate.isObject(key) ? index : String(key))

const entries = (all: Iterable<readonly [unknown, unknown]>): ReadonlyArray<Child> =>
  Array.from(all).flatMap(([key, value], index): ReadonlyArray<Child> => {
    const name = nameOf(key, index)
    return Predicate.isObject(key)
      ? [
          [`${name}.key`, key],
          [name, value]
        ]
      : [[name, value]]
  })

const listed = (all: Iterable<unknown>): ReadonlyArray<Child> => Array.from(all, (value, index) => [index, value])

/** What is in a container of Effect's, undefined when it is none. */
const contained = (object: object): ReadonlyArray<Child> | undefined => {
  if (Option.isOption(object)) return Option.isSome(object) ? [["value", object.value]] : []
  if (Either.isEither(object)) return [Either.isRight(object) ? ["right", object.right] : ["left", object.left]]
  if (Exit.isExit(object)) return Exit.isSuccess(object) ? [["value", object.value]] : []
  if (Chunk.isChunk(object) || List.isList(object) || HashSet.isHashSet(object)) return listed(object)
  return HashMap.isHashMap(object) ? entries(object) : undefined
}

/**
 * Every object of a value, each once, those nearer to its root first. An instance of a class owns what it holds: none of
 * that is frozen, all of it is compared. Effect's data types, and whatever can be piped like them, are taken as
 * immutable, as `DeepReadonly` takes them.
 */
export const from = (value: unknown, visit: (reached: Reached) => void): void => {
  if (!Predicate.isObject(value)) return
  const seen = new Set<object>()
  const queue: Array<{ readonly object: object; readonly path: string; readonly isOwned: boolean }> = []
  const add = (children: ReadonlyArray<Child>, path: string, isOwned: boolean) => {
    for (const [key, object] of children) {
      if (typeof object !== "object" || object === null || seen.has(object)) continue
      seen.add(object)
      queue.push({ object, path: join(path, key), isOwned })
    }
  }
  add([["", value]], "", false)
  for (let head = 0; head < queue.length; head++) {
    const { isOwned, object, path } = queue[head]!
    if (isOpaque(object)) continue
    const reached = (treatment: Treatment, children: ReadonlyArray<Child>, owned = isOwned) => {
      visit({ object, path, treatment })
      add(children, path, owned)
    }
    if (isBytes(object)) reached("compare", [])
    else if (Array.isArray(object)) reached(isOwned ? "compare" : "freeze", listed(object))
    else if (isPlain(object)) reached(isOwned ? "compare" : "freeze", properties(object))
    else if (util.types.isMap(object)) reached("compare", entries(object))
    else if (util.types.isSet(object)) reached("compare", listed(object))
    else {
      const inside = contained(object)
      if (inside !== undefined) reached("lookInto", inside)
      else if (!("pipe" in object)) reached("compare", properties(object), true)
    }
  }
}

/** Freezes what can be frozen. */
export const freeze = (value: unknown): void =>
  from(value, ({ object, treatment }) => {
    if (treatment === "freeze") Object.freeze(object)
  })
