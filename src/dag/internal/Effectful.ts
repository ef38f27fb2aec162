/** `Module.make`. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Failed } from "../../model/Failed.js"
import type { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { CurrentModule } from "../CurrentModule.js"
import type { EffectDefinition, JoinRule, Module, Needs } from "../Definition.js"
import { attempted, construct, queued, vertex } from "./Construct.js"
import type { AnyEncoded, Own } from "./Inference.js"
import type {
  Accepts,
  IsErrorOf,
  NeedsE,
  NeedsI,
  NeedsR,
  OwnCause,
  Raised,
  SkipBy,
  SkipOn,
  SkipThrough,
  Unless,
  Values
} from "./Types.js"

/**
 * An Effect. It runs in a fiber of its own as soon as its join rule lets it, with the services, FiberRefs and the
 * interruption of the run, and may use `Run` and `Shared`.
 *
 * - `output`: the schema of what it gives; the encoding is taken when the module completes, before a dependant starts.
 *   With `Schema.Void` it gives undefined, whatever `run` gave
 * - `join`: when it runs, given how its needs ended, and so what it is given; see `JoinRule`
 * - `when`: the branch of a route to which it belongs; it is skipped when the route picks another
 * - `error`: the schema of its error, so that the error itself is stored; without it `Failed` is
 * - `timeout`: of one attempt; the attempt is interrupted, its finalizers run, and the attempt fails
 * - `retry`: which failures start another attempt, and when: typed errors and `ModuleTimedOut`, never a defect
 * - `execution`: `atLeastOnce` (default): after a crash an attempt that was cut off is made again. `atMostOnce`: the
 *   start of each attempt, also of a retry, is committed before it, and one that was cut off is not repeated but fails
 *   with `ModuleCutOff`; what fails in this process is retried as `retry` says
 * - `onFailure`: what becomes of a failure that is not retried. `fail` (default): the module fails. `skip`: it is
 *   skipped, its error is kept, and `always` dependants are given it. A function: its Effect is run in the module's
 *   place, as part of its last attempt; then `error` is the schema of that Effect's error (should TypeScript compare it
 *   with the error of `run` all the same, write down the type of the function's parameter)
 * - `limit`: the name of a limit of the engine, shared between runs, of which it takes a permit from its start to its
 *   end, the delays between its attempts included
 * - `priority`: among modules that are ready, those with a higher number start first; 0 by default
 * - `version`: part of the fingerprint; change it when `run` changes in a way that a resumed run must not mix
 * - `durability`: when its dependants may start, where that is not as the run says; see `Durability`. With `memory` they
 *   do not wait for the writer at all. What it gives is stored at every level
 *
 * A completion that was acknowledged never runs again.
 *
 * **Interruption**: when the run is stopped the attempt is interrupted and its finalizers are awaited.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Effect, Schedule, Schema } from "effect"
 *
 * const url = Module.input("url", Schema.String)
 * const page = Module.make("page", {
 *   needs: { url },
 *   output: Schema.String,
 *   run: ({ url }) => Effect.tryPromise((signal) => fetch(url, { signal }).then((response) => response.text())),
 *   timeout: "10 seconds",
 *   retry: Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(3))),
 *   onFailure: () => Effect.succeed("")
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  const Name extends string,
  A,
  AR,
  E,
  R,
  N extends Needs = {},
  const J extends JoinRule = "allSucceeded",
  W extends AnyBranch = never,
  X = Failed,
  XR = never,
  RE = unknown,
  RR = never,
  const OF extends "fail" | "skip" = "fail",
  E2 = E,
  R2 = never
>(
  name: Name,
  options: {
    readonly needs?: N
    readonly join?: J
    readonly when?: W
    readonly output: Schema.Schema<A, AnyEncoded, AR>
    readonly error?: Schema.Schema<X, AnyEncoded, XR> & IsErrorOf<X, NoInfer<Raised<E2>>>
    readonly run: (needs: Values<N, J>) => Effect.Effect<NoInfer<A>, E, R>
    readonly timeout?: Duration.DurationInput
    readonly retry?: Schedule.Schedule<unknown, RE, RR> & Accepts<RE, NoInfer<Raised<E>> | ModuleTimedOut>
    readonly execution?: "atLeastOnce" | "atMostOnce"
    /** Of a function, `OF` is inferred as both, which is not "skip". */
    readonly onFailure?: OF | ((cause: OwnCause<E>) => Effect.Effect<NoInfer<A>, E2, R2>)
    readonly limit?: string
    readonly priority?: number
    readonly version?: string | number
    readonly durability?: Durability
  }
): Module<
  Name,
  A,
  Unless<OF, "skip", Raised<Own<E2>>> | NeedsE<N> | W[TypeId]["E"],
  Exclude<Own<R | R2>, CurrentModule> | Own<RR | AR | XR> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Own<X> | SkipThrough<N, J> | SkipOn<OF> | SkipBy<W>
> =>
  construct(name, {
    kind: "effect",
    node: undefined,
    ...vertex(options),
    ...attempted(options),
    ...queued(options),
    // erasure: the engine calls `run` with the values of exactly these needs, and `onFailure` with its own causes
    run: options.run as EffectDefinition["run"],
    execution: options.execution ?? "atLeastOnce",
    onFailure: (options.onFailure ?? "fail") as EffectDefinition["onFailure"]
  })
