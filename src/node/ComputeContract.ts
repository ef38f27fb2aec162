/**
 * Pure computations as data: a pipeline of built-in transformations.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Name, optional, Version, withDefault } from "./internal/ContractFields.js"
import { Shape } from "./Shape.js"
import { Transformation } from "./Transformation.js"

/**
 * The schema of contracts that declare a computation.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ComputeContract = Schema.Struct({
  kind: Schema.Literal("compute"),
  name: Name,
  version: optional(Version),
  input: withDefault(Shape, { type: "any" }),
  output: withDefault(Shape, { type: "any" }),
  pipeline: Schema.Array(Transformation)
}).annotations({ identifier: "ComputeContract" })

/**
 * @since 0.1.0
 * @category models
 */
export interface ComputeContract extends Schema.Schema.Type<typeof ComputeContract> {}
