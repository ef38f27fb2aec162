/** What an operation of a contract is as the implementation of an effect node. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Options as BreakerOptions } from "../BreakerOptions.js"
import * as Condition from "../Condition.js"
import type { Operation } from "../EffectContract.js"
import type * as EffectNode from "../EffectNode.js"
import type { Json } from "../Json.js"
import { OperationRefused } from "../OperationRefused.js"
import * as Shape from "../Shape.js"
import * as ContractFields from "./ContractFields.js"

/** Whether a call failed before anything outside was asked. */
const isUnasked = (error: unknown): boolean =>
  error instanceof OperationRefused && (error.part === "input" || error.part === "idempotency_key")

const breakerOf = (breaker: NonNullable<Operation["breaker"]>): Partial<BreakerOptions> => ({
  ...(breaker.failure_threshold === undefined ? {} : { failureThreshold: breaker.failure_threshold }),
  ...(breaker.failure_rate === undefined ? {} : { failureRate: breaker.failure_rate }),
  ...(breaker.slow_rate === undefined ? {} : { slowRate: breaker.slow_rate }),
  ...(breaker.slow_after === undefined ? {} : { slowAfter: breaker.slow_after }),
  ...(breaker.window === undefined ? {} : { window: breaker.window }),
  ...(breaker.minimum_calls === undefined ? {} : { minimumCalls: breaker.minimum_calls }),
  ...(breaker.reset_after === undefined ? {} : { resetAfter: breaker.reset_after }),
  ...(breaker.half_open_probes === undefined ? {} : { halfOpenProbes: breaker.half_open_probes }),
  ...(breaker.close_after === undefined ? {} : { closeAfter: breaker.close_after }),
  isFailure: (cause) => !Chunk.some(Cause.failures(cause), isUnasked)
})

export const make = <E, R>(
  operation: string,
  declared: Operation,
  implementation: (input: Json, call: EffectNode.Call) => Effect.Effect<Json, E, R>
): EffectNode.Implementation<Json, Json, E | OperationRefused, R> &
  EffectNode.Retry<Json, E | OperationRefused, never> => {
  const { breaker, idempotency_key, idempotent, retry, success, timeout } = declared
  const refuse = (part: OperationRefused["part"], reason: string) => new OperationRefused({ operation, part, reason })
  const shaped = (part: "input" | "output", shape: Shape.Shape) => {
    const decode = Schema.decodeUnknownEither(Shape.toSchema(shape), { errors: "all" })
    return (value: Json) =>
      Either.mapLeft(decode(value), (issue) => refuse(part, ParseResult.TreeFormatter.formatErrorSync(issue)))
  }
  const inputOf = shaped("input", declared.input)
  const outputOf = shaped("output", declared.output)
  const keyOf = (input: Json): string | undefined => {
    const key = idempotency_key === undefined ? undefined : Condition.valueOf(idempotency_key, { input })
    return typeof key === "number" ? String(key) : typeof key === "string" && key !== "" ? key : undefined
  }
  const execute = (given: Json, call: EffectNode.Call): Effect.Effect<Json, E | OperationRefused, R> =>
    Effect.gen(function* () {
      const input = yield* inputOf(given)
      if (idempotency_key !== undefined && keyOf(input) === undefined)
        return yield* refuse("idempotency_key", Condition.print(idempotency_key))
      const output = yield* Effect.flatMap(implementation(input, call), outputOf)
      const failed = success.find((condition) => !Condition.evaluate(condition, { input, output }))
      return failed === undefined ? output : yield* refuse("success", Condition.print(failed))
    })
  const retrying =
    retry === undefined
      ? undefined
      : {
          retry: ContractFields.scheduleOf(retry),
          retryWhile: (error: unknown) => !(error instanceof OperationRefused) || error.part === "success"
        }
  const one = {
    execute,
    ...(timeout === undefined ? {} : { timeout }),
    ...(breaker === undefined ? {} : { circuitBreaker: breakerOf(breaker) })
  }
  // a key that is not there is refused before the implementation is asked
  const idempotencyKey = (input: Json) => keyOf(input) ?? ""
  if (idempotency_key !== undefined)
    return retrying === undefined ? { ...one, idempotencyKey } : { ...one, idempotencyKey, ...retrying }
  // the rules of contracts let nothing else be tried again
  return idempotent && retrying !== undefined ? { ...one, idempotent, ...retrying } : one
}
