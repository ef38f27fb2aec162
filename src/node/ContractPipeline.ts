/**
 * The functions that compute contracts declare.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { ComputeContract } from "./ComputeContract.js"
import * as Pipeline from "./internal/Pipeline.js"
import type { Json } from "./Json.js"

/**
 * A pipeline did not get through: a validation refused a value, or a value is not what a transformation is for. `index`
 * is that of the transformation in the pipeline, `item` that of the item, where the value is a list.
 *
 * @since 0.1.0
 * @category errors
 */
export class PipelineRefused extends Schema.TaggedError<PipelineRefused>("heddle/PipelineRefused")("PipelineRefused", {
  contract: Schema.String,
  index: Schema.Int,
  transformation: Schema.String,
  item: Schema.optional(Schema.Int),
  reason: Schema.String
}) {
  override get message() {
    const item = this.item === undefined ? "" : ` of item ${this.item}`
    return `"${this.contract}": ${this.transformation} (pipeline.${this.index})${item}: ${this.reason}`
  }
}

/**
 * The function that a contract declares: pure, and total, for any JSON. That a value has the `input` and `output` of the
 * contract is for the schemas of the node to say that it implements, see `Shape.toSchema`.
 *
 * @example
 * ```ts
 * import { Effect, Either } from "effect"
 * import * as Contract from "heddle/node/Contract"
 * import * as ContractPipeline from "heddle/node/ContractPipeline"
 *
 * const text = `
 * kind: compute
 * name: cheapest
 * pipeline:
 *   - { do: sort, by: value.price }
 *   - { do: take, count: 1 }
 * `
 * const cheapest = Effect.gen(function* () {
 *   const contract = yield* Contract.ofKind(yield* Contract.parse(text), "compute")
 *   return Either.getOrThrow(ContractPipeline.make(contract)([{ price: 3 }, { price: 2 }]))
 * }) // [{ price: 2 }]
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (contract: ComputeContract): ((input: Json) => Either.Either<Json, PipelineRefused>) => {
  return (input) => {
    let value = input
    for (const [index, transformation] of contract.pipeline.entries()) {
      const next = Pipeline.apply(transformation, value, input)
      if (Either.isLeft(next)) {
        const { item, reason } = next.left
        return Either.left(
          new PipelineRefused({ contract: contract.name, index, transformation: transformation.do, item, reason })
        )
      }
      value = next.right
    }
    return Either.right(value)
  }
}
