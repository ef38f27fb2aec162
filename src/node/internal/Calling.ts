/** What an effect node does when it is called. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type * as Schedule from "effect/Schedule"
import type * as Node from "../../dag/Node.js"
import * as Millis from "../../model/Millis.js"
import { NodeTimedOut, type NodeValueInvalid } from "../../model/NodeError.js"
import * as Telemetry from "../../model/Telemetry.js"
import * as CircuitBreaker from "../CircuitBreaker.js"
import type { Options as BreakerOptions } from "../BreakerOptions.js"
import { capture } from "./Captured.js"
import * as Codec from "./Codec.js"

/**
 * What every effect node may fail with besides its own errors.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = CircuitBreaker.CircuitOpen | NodeTimedOut | NodeValueInvalid

/**
 * What an implementation is told of an attempt. `attempt` is 1 for the first. `idempotencyKey` is what its function of
 * that name gave, the same for every attempt of one call; undefined where there is no such function.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly attempt: number
  readonly idempotencyKey: string | undefined
}

/**
 * How a node does what it does.
 *
 * - `execute`: one attempt
 * - `timeout`: how long one attempt may take. Then it is interrupted, its finalizers are awaited, and it has failed with
 *   `NodeTimedOut`
 * - `circuitBreaker`: the options of a breaker of its own, which has the name of the node; or a `CircuitBreaker` that
 *   is there, to share it with others
 * - `operation`: the key of its breaker; the key of the node when it is left out
 *
 * The timeout is within the retries, and they are within the breaker. So each attempt has the whole time; a breaker that is
 * open is not asked again and again by retries, nor has a call wait for it; and a call counts once, by how it ended: a
 * failure that a retry made good is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Implementation<in In, out Out, out Er, out R> {
  readonly execute: (input: In, call: Call) => Effect.Effect<Out, Er, R>
  readonly timeout?: Duration.DurationInput
  readonly circuitBreaker?: Partial<BreakerOptions> | typeof CircuitBreaker.CircuitBreaker.Service
  readonly operation?: (input: In) => string
}

/**
 * Only what may be done twice is tried again: with a `retry` there is an `idempotencyKey`, which the other side knows the
 * call by, or the operation is `idempotent` as it is.
 *
 * - `retry`: when to try again after an attempt that failed, or was timed out; defects and interruptions end the call
 * - `retryWhile`: which errors it is tried again for; all of them when it is left out
 *
 * @since 0.1.0
 * @category models
 */
export type Retry<In, Er, RR> =
  | {
      readonly retry?: never
      readonly retryWhile?: never
      readonly idempotencyKey?: (input: In) => string
      readonly idempotent?: true
    }
  | (Retrying<Er, RR> & { readonly idempotencyKey: (input: In) => string; readonly idempotent?: true })
  | (Retrying<Er, RR> & { readonly idempotencyKey?: (input: In) => string; readonly idempotent: true })

/**
 * @since 0.1.0
 * @category models
 */
export interface Retrying<Er, RR> {
  readonly retry: Schedule.Schedule<unknown, Er | NodeTimedOut, RR>
  readonly retryWhile?: (error: Er | NodeTimedOut) => boolean
}

type Process<In, Out, Er> = Node.Service<In, Out, Er | Failure>

export const make = <Self, In, Out, Er, SR, R, RR>(
  node: Node.Node<Self, In, Out, Er | Failure, SR>,
  implementation: Implementation<In, Out, Er, R> & Retry<In, Er, RR>
): Effect.Effect<Process<In, Out, Er>, never, R | RR | SR> =>
  Effect.gen(function* () {
    const { execute, idempotencyKey, operation = () => node.key, retry, retryWhile } = implementation
    const timeout = yield* timeoutOf(node.key, implementation.timeout)
    const breaker = yield* breakerOf(node.key, implementation.circuitBreaker)
    const provide = yield* capture<R | RR | SR>()
    const codec = Codec.ofNode(node)

    // the attempt may be interrupted by its time even where the caller may not be
    const attempt = (input: In, call: Call): Effect.Effect<Out, Er | NodeTimedOut, R> => {
      const once = Effect.suspend(() => execute(input, call))
      return timeout === undefined
        ? once
        : Effect.timeoutFail(Effect.interruptible(once), {
            duration: timeout,
            onTimeout: () => {
              Telemetry.effectTimeouts.unsafeUpdate(1, [])
              return new NodeTimedOut({ node: node.key, timeout })
            }
          })
    }

    const attempts = (input: In): Effect.Effect<Out, Er | NodeTimedOut, R | RR> => {
      const key = idempotencyKey?.(input)
      if (retry === undefined) return attempt(input, { attempt: 1, idempotencyKey: key })
      return Effect.flatMap(Ref.make(0), (made) =>
        Effect.retry(
          Effect.flatMap(
            Ref.updateAndGet(made, (n) => n + 1),
            (number) => {
              if (number > 1) Telemetry.effectRetries.unsafeUpdate(1, [])
              return attempt(input, { attempt: number, idempotencyKey: key })
            }
          ),
          { schedule: retry, while: retryWhile ?? (() => true) }
        )
      )
    }

    const call = (input: In) =>
      Effect.tap(
        Effect.suspend(() => attempts(input)),
        (output) => codec.output.encode(output)
      )

    return {
      process: (input) =>
        provide(
          Effect.zipRight(
            Effect.suspend(() => codec.input.encode(input)),
            breaker === undefined ? call(input) : Effect.suspend(() => breaker.protect(operation(input))(call(input)))
          )
        )
    }
  })

const timeoutOf = (node: string, timeout: Duration.DurationInput | undefined): Effect.Effect<number | undefined> => {
  if (timeout === undefined) return Effect.succeed(undefined)
  const millis = Millis.of(timeout)
  return millis !== undefined && millis > 0
    ? Effect.succeed(millis)
    : Effect.die(
        new Cause.IllegalArgumentException(`the timeout of "${node}" is a duration above zero, not ${String(timeout)}`)
      )
}

const breakerOf = (
  node: string,
  given: Implementation<never, unknown, unknown, unknown>["circuitBreaker"]
): Effect.Effect<typeof CircuitBreaker.CircuitBreaker.Service | undefined> => {
  if (given === undefined) return Effect.succeed(undefined)
  return "protect" in given ? Effect.succeed(given) : CircuitBreaker.make({ name: node, ...given })
}
