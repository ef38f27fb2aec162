/**
 * JSON values.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../model/CanonicalJson.js"

/**
 * A value as JSON has it, read-only.
 *
 * @since 0.1.0
 * @category models
 */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

const fits = (value: unknown, depth: number): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value)
    case "object": {
      if (value === null) return true
      if (depth === 0) return false
      if (Array.isArray(value)) return value.every((item) => fits(item, depth - 1))
      const prototype: unknown = Object.getPrototypeOf(value)
      if (prototype !== Object.prototype && prototype !== null) return false
      return Object.values(value).every((item) => fits(item, depth - 1))
    }
    default:
      return false
  }
}

/**
 * Whether JSON can hold a value as it is: plain objects, arrays, finite numbers, strings, booleans and `null`, nested in
 * each other at most `CanonicalJson.maxDepth` deep.
 *
 * @since 0.1.0
 * @category guards
 */
export const isJson = (value: unknown): value is Json => fits(value, CanonicalJson.maxDepth)

/**
 * The schema of all of them. It gives the very value that it was given.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Json: Schema.Schema<Json> = Schema.declare(isJson, {
  identifier: "Json",
  description: "a JSON value",
  jsonSchema: { type: ["null", "boolean", "number", "string", "array", "object"] }
})
