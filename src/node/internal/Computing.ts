/** The service of a compute node. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type { Node, Service, ValueSchema } from "../../dag/Node.js"
import type { NodeValueInvalid } from "../../model/NodeError.js"
import * as Telemetry from "../../model/Telemetry.js"
import { ComputeCache } from "../ComputeCache.js"
import { ParallelExecutor, type WorkerFunction } from "../ParallelExecutor.js"
import type { WorkerError, WorkerFunctionThrew } from "../WorkerError.js"
import { capture } from "./Captured.js"
import * as Codec from "./Codec.js"

/** With the services, and the cache, that are there now. */
export const make = <Self, In, Out, Er, SR, R>(
  node: Node<Self, In, Out, Er | NodeValueInvalid, SR>,
  compute: (input: In) => Effect.Effect<Out, Er | NodeValueInvalid, R>
): Effect.Effect<Service<In, Out, Er | NodeValueInvalid>, never, R | SR> =>
  Effect.gen(function* () {
    const provided = yield* capture<R | SR>()
    const cache = yield* Effect.serviceOption(ComputeCache)
    const { input, output } = Codec.ofNode(node)
    const computed = (value: In) => timed(Effect.suspend(() => compute(value)))

    if (Option.isNone(cache)) {
      return {
        process: (value) =>
          provided(
            Effect.zipRight(
              Effect.suspend(() => input.encode(value)),
              Effect.tap(computed(value), (result) => output.encode(result))
            )
          )
      }
    }

    /** Decoded once before it is kept, so that what is kept can be decoded. */
    const encoded = (result: Out) => Effect.tap(output.encode(result), output.decode)
    const isValid = (text: Codec.Text) => provided(Effect.isSuccess(output.decode(text)))
    const process = (value: In) =>
      Effect.gen(function* () {
        const text = yield* input.encode(value)
        const result = yield* cache.value.get({
          node: node.key,
          key: Codec.keyOf(node.key, node.description.version, text),
          isValid,
          // of the key and nothing else: what the schema does not see, and what the caller does to its value, has no part in it
          compute: provided(Effect.flatMap(Effect.flatMap(input.decode(text), computed), encoded))
        })
        return yield* output.decode(result)
      })
    return { process: (value) => provided(process(value)) }
  })

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (began) =>
    Effect.onExit(effect, () =>
      Effect.map(Clock.currentTimeMillis, (now) => Telemetry.computeDuration.unsafeUpdate(now - began, []))
    )
  )

/** By a function that the executor runs, which is there now. What it throws may be an `error` of the node. */
export const byWorker = <Self, In, Out, Er, SR>(
  node: Node<Self, In, Out, Er | NodeValueInvalid | WorkerError, SR>,
  error: ValueSchema<Er, SR>,
  call: WorkerFunction
) =>
  Effect.map(ParallelExecutor, (executor) => {
    const { input, output } = Codec.ofNode(node)
    const decodeError = ParseResult.decodeUnknown(error)
    const own = (threw: WorkerFunctionThrew): Effect.Effect<never, Er | WorkerFunctionThrew, SR> =>
      threw.thrown === undefined
        ? threw
        : Effect.matchEffect(decodeError(JSON.parse(threw.thrown)), {
            onFailure: () => threw,
            onSuccess: (error) => Effect.fail(error)
          })
    const run = (text: Codec.Text) => Effect.catchTag(executor.run(call, text), "WorkerFunctionThrew", own)
    const compute = (value: In) => Effect.flatMap(Effect.flatMap(input.encode(value), run), output.decode)
    return { compute }
  })
