/**
 * What differs between two values of JSON.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * A place at which two values differ: the keys and indices that lead to it. None: there is nothing on that side.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  readonly path: ReadonlyArray<string | number>
  readonly before: Option.Option<unknown>
  readonly after: Option.Option<unknown>
}

type Children = ReadonlyMap<string | number, unknown>

/** What is inside of an object or an array; a field that is undefined is not there. */
const childrenOf = (value: unknown): Children | undefined => {
  if (Array.isArray(value)) return new Map(value.entries())
  if (typeof value !== "object" || value === null) return undefined
  return new Map(Object.entries(value).filter(([, field]) => field !== undefined))
}

/**
 * The places at which two values differ, as deep as they can be told apart: objects by their keys, arrays by their
 * indices, an object and an array as a whole. In the order of the first value, then of the second.
 *
 * @example
 * ```ts
 * import * as JsonDiff from "heddle/model/JsonDiff"
 *
 * const differences = JsonDiff.make({ status: "open", lines: [1, 2] }, { status: "paid", lines: [1] })
 * // the paths ["status"] and ["lines", 1]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (before: unknown, after: unknown): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  // not recursive: a value may be as deep as it likes
  const stack: Array<Difference> = [{ path: [], before: Option.some(before), after: Option.some(after) }]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { after, before, path } = at
    const left = Option.isSome(before) ? childrenOf(before.value) : undefined
    const right = Option.isSome(after) ? childrenOf(after.value) : undefined
    const isSame = Option.isSome(before) && Option.isSome(after) && Object.is(before.value, after.value)
    if (isSame) continue
    const areAlike =
      left !== undefined &&
      right !== undefined &&
      Array.isArray(Option.getOrNull(before)) === Array.isArray(Option.getOrNull(after))
    if (!areAlike) {
      found.push(at)
      continue
    }
    const keys = [...new Set([...left.keys(), ...right.keys()])]
    for (const key of keys.reverse()) {
      stack.push({ path: [...path, key], before: valueAt(left, key), after: valueAt(right, key) })
    }
  }
  return found
}

const valueAt = (children: Children, key: string | number): Option.Option<unknown> =>
  children.has(key) ? Option.some(children.get(key)) : Option.none()
