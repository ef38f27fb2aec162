/**
 * Values that nobody can change.
 *
 * @since 0.1.0
 */

/**
 * Freezes plain records and arrays at every depth, and gives the value back. Values of classes and Effect's data types
 * stay as they are: those keep what they have computed in themselves, such as a hash. What is frozen already is not looked
 * into, so it is for values that were just made or decoded.
 *
 * @since 0.1.0
 * @category freezing
 */
export const deep = <A>(value: A): A => {
  if (!isPlain(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const item of Object.values(value)) deep(item)
  return value
}

/**
 * Whether nothing of it can be changed: plain data that is frozen at every depth.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isDeep = (value: unknown): boolean => {
  if (typeof value === "function") return false
  if (typeof value !== "object" || value === null) return true
  return isPlain(value) && Object.isFrozen(value) && Object.values(value).every(isDeep)
}

const isPlain = (value: unknown): value is object => {
  if (typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
