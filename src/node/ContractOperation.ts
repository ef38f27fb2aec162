/**
 * The operations that effect contracts declare.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ContractInvalid, Problem } from "./ContractFault.js"
import type { EffectContract } from "./EffectContract.js"
import type * as EffectNode from "./EffectNode.js"
import * as Operations from "./internal/Operations.js"
import type { Json } from "./Json.js"
import type { OperationRefused } from "./OperationRefused.js"

/**
 * What does an operation, by the name in its `use`: one attempt. It is given what `EffectNode` gives an implementation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Implementation<out E, out R> {
  (input: Json, call: EffectNode.Call): Effect.Effect<Json, E, R>
}

/**
 * What the `layer` of an `EffectNode` is given for an operation of a contract: the implementation with the timeout, the
 * retries, the idempotency key, the circuit breaker and the success conditions of the contract. The node declares `input`
 * and `output` as JSON, such as by `Shape.toSchema`, and `error` with `OperationRefused`.
 *
 * An attempt that a success condition refuses is tried again as `retry` says, and the breaker counts it as a failure. An
 * input that has not the shape of the contract, or makes no idempotency key, is refused before anything has run; neither
 * that nor an output without its shape is tried again.
 *
 * Left is `ContractInvalid` when the contract has no such operation, or there is no such implementation.
 *
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import * as Contract from "heddle/node/Contract"
 * import * as ContractOperation from "heddle/node/ContractOperation"
 * import * as EffectNode from "heddle/node/EffectNode"
 * import { Json } from "heddle/node/Json"
 * import { OperationRefused } from "heddle/node/OperationRefused"
 *
 * class Charge extends EffectNode.Service<Charge>()("app/Charge", {
 *   input: Json,
 *   output: Json,
 *   error: OperationRefused
 * }) {}
 *
 * const text = `
 * kind: effect
 * name: payments
 * operations:
 *   charge:
 *     use: gateway.charge
 *     timeout: 5 seconds
 *     idempotency_key: input.order
 *     retry: { times: 3, delay: 200 millis, factor: 2 }
 *     success: [output.status == 'paid']
 * `
 * const ChargeLive = Layer.unwrapEffect(
 *   Effect.gen(function* () {
 *     const contract = yield* Contract.ofKind(yield* Contract.parse(text), "effect")
 *     const implementations = { "gateway.charge": () => Effect.succeed({ status: "paid" }) }
 *     return Charge.layer(yield* ContractOperation.make(contract, "charge", implementations))
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E, R>(
  contract: EffectContract,
  operation: string,
  implementations: { readonly [name: string]: Implementation<E, R> }
): Either.Either<
  EffectNode.Implementation<Json, Json, E | OperationRefused, R> & EffectNode.Retry<Json, E | OperationRefused, never>,
  ContractInvalid
> => {
  const invalid = (problem: Problem, ...path: ReadonlyArray<string>) =>
    Either.left(
      new ContractInvalid({
        contract: contract.name,
        faults: [{ ...problem, path: ["operations", ...path], line: undefined, column: undefined }]
      })
    )
  if (!Object.hasOwn(contract.operations, operation)) return invalid(Problem.MissingField({ field: operation }))
  const declared = contract.operations[operation]!
  if (!Object.hasOwn(implementations, declared.use)) {
    const problem = Problem.UnknownImplementation({ name: declared.use, names: Object.keys(implementations) })
    return invalid(problem, operation, "use")
  }
  const name = `${contract.name}.${operation}`
  return Either.right(Operations.make(name, declared, implementations[declared.use]!))
}
