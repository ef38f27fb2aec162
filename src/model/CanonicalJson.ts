/**
 * One text per JSON value, and its hash.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as crypto from "node:crypto"

/**
 * A value that JSON cannot hold unchanged. `path` leads to the fault, `message` says what is there.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotJson extends Data.TaggedError("NotJson")<{
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}> {}

/**
 * How many arrays and objects may be nested in each other.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDepth = 1000

/** What was found on the way through one value: the objects that enclose the current place, and the first fault. */
interface Walk {
  readonly enclosing: Array<object>
  readonly path: Array<string | number>
  message: string
}

const refuse = (walk: Walk, message: string): undefined => {
  walk.message = message
  return undefined
}

/** Puts the key before the path of a fault that was found below it. */
const below = (walk: Walk, key: string | number): undefined => {
  walk.path.push(key)
  return undefined
}

/**
 * Whether a text has no lone surrogate: others have no UTF-8, and cannot be stored as they are.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isWellFormed = (text: string): boolean =>
  // in the language since ES2024 and in Node 20; the `lib` of this project is older
  (text as string & { isWellFormed(): boolean }).isWellFormed()

const string = (text: string, walk: Walk): string | undefined => {
  // Short plain text, such as keys, ids and tags, is cheaper to look at here than to hand over.
  if (text.length <= 32) {
    let at = 0
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) break
    }
    if (at === text.length) return `"${text}"`
  }
  return isWellFormed(text) ? JSON.stringify(text) : refuse(walk, "a string with a lone surrogate")
}

const instance = (prototype: object | null, walk: Walk): undefined =>
  refuse(walk, `an instance of ${prototype?.constructor?.name || "a class"}`)

const array = (values: ReadonlyArray<unknown>, walk: Walk): string | undefined => {
  const prototype: object | null = Object.getPrototypeOf(values)
  if (prototype !== Array.prototype) return instance(prototype, walk)
  let text = "["
  for (let at = 0; at < values.length; at++) {
    const item = write(values[at], walk)
    if (item === undefined) return below(walk, at)
    text += at === 0 ? item : "," + item
  }
  return text + "]"
}

/** In place; insertion, since objects have few keys, and most often in order. `<` compares UTF-16 code units. */
const sort = (keys: Array<string>): Array<string> => {
  if (keys.length > 32) return keys.sort()
  for (let at = 1; at < keys.length; at++) {
    const key = keys[at]!
    let to = at
    for (; to > 0 && key < keys[to - 1]!; to--) keys[to] = keys[to - 1]!
    keys[to] = key
  }
  return keys
}

const record = (value: { readonly [key: string]: unknown }, walk: Walk): string | undefined => {
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return instance(prototype, walk)
  if (Object.getOwnPropertySymbols(value).length > 0) return refuse(walk, "an object with a symbol as key")
  let text = ""
  for (const key of sort(Object.keys(value))) {
    const property = value[key]
    if (property === undefined) continue
    const name = string(key, walk)
    if (name === undefined) return refuse(walk, "a key with a lone surrogate")
    const item = write(property, walk)
    if (item === undefined) return below(walk, key)
    text += text === "" ? name + ":" + item : "," + name + ":" + item
  }
  return "{" + text + "}"
}

const nested = (value: object, walk: Walk): string | undefined => {
  const { enclosing } = walk
  if (enclosing.includes(value)) return refuse(walk, "an object that contains itself")
  if (enclosing.length === maxDepth) return refuse(walk, `more than ${maxDepth} levels of nesting`)
  enclosing.push(value)
  const text = Array.isArray(value) ? array(value, walk) : record(value as { readonly [key: string]: unknown }, walk)
  enclosing.pop()
  return text
}

const write = (value: unknown, walk: Walk): string | undefined => {
  switch (typeof value) {
    case "string":
      return string(value, walk)
    case "number":
      return Number.isFinite(value) ? String(value) : refuse(walk, String(value))
    case "boolean":
      return value ? "true" : "false"
    case "object":
      return value === null ? "null" : nested(value, walk)
    case "undefined":
      return refuse(walk, "undefined")
    default:
      return refuse(walk, `a ${typeof value}`)
  }
}

/**
 * The canonical JSON text of a value, after RFC 8785 (JSON Canonicalization Scheme): no white space, keys sorted by
 * their UTF-16 code units, numbers and strings as ECMAScript writes them. Equal values have equal texts, however their
 * keys were inserted.
 *
 * What `JSON.stringify` would drop or change in silence is refused, with its path: NaN and the infinities, bigints,
 * symbols, functions, `undefined` at the top or in an array, holes, instances of classes (also those with a `toJSON`,
 * such as Date), symbol keys, lone surrogates, an object that contains itself. So is nesting of more than `maxDepth`.
 *
 * Some things do not come back as they were: a property whose value is `undefined` is left out, as the optional fields
 * of a schema ask for; `-0` becomes `0`, as the RFC asks for; an object without prototype gets one; properties that are
 * not enumerable, or that an array has besides its items, are not looked at.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stringify = (value: unknown): Either.Either<string, NotJson> => {
  const walk: Walk = { enclosing: [], path: [], message: "" }
  const text = write(value, walk)
  return text === undefined
    ? Either.left(new NotJson({ path: walk.path.reverse(), message: walk.message }))
    : Either.right(text)
}

/**
 * The SHA-256 of a text in UTF-8, as 64 hexadecimal digits.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hash = (text: string): string => crypto.createHash("sha256").update(text).digest("hex")
