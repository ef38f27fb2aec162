/**
 * Operations on the world outside, as data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Condition from "./Condition.js"
import { Delay, Name, optional, Retry, Timeout, Version, withDefault } from "./internal/ContractFields.js"
import { Shape } from "./Shape.js"

const Rate = Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(1))
const Count = Schema.Int.pipe(Schema.between(1, 10_000))

/**
 * When the circuit breaker of an operation opens and closes: fields are those of the options of `CircuitBreaker`, and so
 * are the defaults. `window` is a number of calls, or a duration.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Breaker = Schema.Struct({
  failure_threshold: optional(Count),
  failure_rate: optional(Rate),
  slow_rate: optional(Rate),
  slow_after: optional(Timeout),
  window: optional(
    Schema.Union(Schema.Struct({ calls: Count }), Schema.Struct({ duration: Timeout })).annotations({
      description: "{ calls: a number } or { duration: a duration }"
    })
  ),
  minimum_calls: optional(Count),
  reset_after: optional(Delay),
  half_open_probes: optional(Count),
  close_after: optional(Count)
})

/**
 * - `use`: the name of the implementation
 * - `input`, `output`: what it is given and gives; any JSON where they are left out
 * - `timeout`: of one attempt
 * - `idempotent`: it may be done twice; `idempotency_key`: a text, made of `input`, under which the other side does it once
 * - `retry`: attempts after the first; only with one of these two
 * - `breaker`: its circuit breaker; none where it is left out
 * - `success`: conditions on `input` and `output`; when one is false the attempt has failed
 *
 * @since 0.1.0
 * @category schemas
 */
export const Operation = Schema.Struct({
  use: Schema.NonEmptyString,
  input: withDefault(Shape, { type: "any" }),
  output: withDefault(Shape, { type: "any" }),
  timeout: optional(Timeout),
  idempotent: withDefault(Schema.Boolean, false),
  idempotency_key: optional(Condition.OperandFromText),
  retry: optional(Retry),
  breaker: optional(Breaker),
  success: withDefault(Schema.Array(Condition.FromText), [])
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Operation extends Schema.Schema.Type<typeof Operation> {}

/**
 * The schema of contracts that declare operations.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EffectContract = Schema.Struct({
  kind: Schema.Literal("effect"),
  name: Name,
  version: optional(Version),
  operations: Schema.Record({ key: Name, value: Operation })
}).annotations({ identifier: "EffectContract" })

/**
 * @since 0.1.0
 * @category models
 */
export interface EffectContract extends Schema.Schema.Type<typeof EffectContract> {}
