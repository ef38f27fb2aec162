import * as Predicate from "effect/Predicate"
import * as crypto from "node:crypto"
import * as util from "node:util"
import * as Reachable from "./Reachable.js"

/** A number for whatever has an identity. */
export type Identify = (value: object | symbol) => number

/** Numbers what it has not seen before. */
export const identities = (): Identify => {
  const numbers = new WeakMap<object, number>()
  const symbols = new Map<symbol, number>()
  let next = 0
  return (value) => {
    const known = typeof value === "symbol" ? symbols.get(value) : numbers.get(value)
    if (known !== undefined) return known
    const number = next++
    if (typeof value === "symbol") symbols.set(value, number)
    else numbers.set(value, number)
    return number
  }
}

const bytesOf = (object: object): Uint8Array | undefined =>
  ArrayBuffer.isView(object)
    ? new Uint8Array(object.buffer, object.byteOffset, object.byteLength)
    : util.types.isAnyArrayBuffer(object)
      ? new Uint8Array(object)
      : undefined

/**
 * The hash of what an object holds now: what is in turn an object in it counts by its identity, for it has a digest of
 * its own or is frozen. So of several digests exactly those differ whose objects were changed.
 */
export const of = (object: object, identify: Identify): string => {
  const hash = crypto.createHash("sha256")
  const bytes = bytesOf(object)
  if (bytes !== undefined) return hash.update(bytes).digest("base64")
  const add = (value: unknown) => {
    hash.update(
      Predicate.isObject(value) || typeof value === "symbol"
        ? `#${identify(value)}`
        : typeof value === "string"
          ? JSON.stringify(value)
          : Object.is(value, -0)
            ? "-0"
            : `${typeof value} ${String(value)}`
    )
    hash.update(",")
  }
  if (util.types.isMap(object)) {
    for (const [key, value] of object) {
      add(key)
      add(value)
    }
  } else if (util.types.isSet(object)) object.forEach(add)
  else if (util.types.isDate(object)) add(object.getTime())
  else if (util.types.isRegExp(object)) add(object.lastIndex)
  else if (object instanceof URL) add(object.href)
  else if (Array.isArray(object)) object.forEach(add)
  else {
    for (const [key, value] of Reachable.properties(object)) {
      add(key)
      add(value)
    }
  }
  return hash.digest("base64")
}
