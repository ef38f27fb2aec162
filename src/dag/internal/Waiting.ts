/** `Module.signal` and `Module.sleep`. */
import type * as Duration from "effect/Duration"
import type * as Schema from "effect/Schema"
import type { Failed } from "../../model/Failed.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { ErasedSchema, Module, Needs, SleepDefinition } from "../Definition.js"
import * as Signal from "../Signal.js"
import { construct, record, vertex } from "./Construct.js"
import type { AnyEncoded, Own } from "./Inference.js"
import type { NeedsE, NeedsI, NeedsR, SkipBy, SkipThrough, Values } from "./Types.js"

/**
 * Waits for a value from outside, from a person or a webhook, that `Engine.signal` delivers: it is validated by the
 * schema and committed before its sender is told so. A run that only waits is suspended and holds no fiber. A value
 * that comes before the module waits is kept for it.
 *
 * - `value`: the schema of the value, which is what the module gives
 * - `timeout`: how long it waits, from when all it needs has completed, also across restarts; without it, for ever
 * - `onTimeout`: the value to give when the time is over; without it the module fails with `ModuleTimedOut`
 * - `when`, `version`: as in `make`; it waits when all it needs has completed
 *
 * @example
 * ```ts
 * import { Engine, Module, RunId } from "heddle"
 * import { Schema } from "effect"
 *
 * const draft = Module.input("draft", Schema.String)
 * const approval = Module.signal("approval", {
 *   needs: { draft },
 *   value: Schema.Literal("yes", "no"),
 *   timeout: "3 days",
 *   onTimeout: () => "no"
 * })
 * const approve = Engine.signal(RunId.make("order-42"), approval, "yes")
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const signal = <
  const Name extends string,
  A,
  AR,
  N extends Needs = {},
  W extends AnyBranch = never,
  L extends string | number | bigint | boolean = never
>(
  name: Name,
  options: {
    readonly needs?: N
    readonly when?: W
    readonly value: Schema.Schema<A, AnyEncoded, AR>
    readonly timeout?: Duration.DurationInput
    /** `L` only keeps a literal from being widened. */
    readonly onTimeout?: () => NoInfer<A> | (L & NoInfer<A>)
    readonly version?: string | number
  }
): Signal.Signal<
  Name,
  A,
  NeedsE<N> | W[TypeId]["E"],
  Own<AR> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Failed | SkipThrough<N> | SkipBy<W>
> =>
  Object.freeze({
    ...record(name, {
      kind: "signal",
      ...vertex(options),
      // erasure, as in `input`
      value: options.value as ErasedSchema,
      timeout: options.timeout,
      onTimeout: options.onTimeout
    }),
    [Signal.TypeId]: Signal.TypeId
    // the phantoms
  }) as never

/**
 * A timer that survives restarts: it completes when its time has come, counted from when all it needs has completed. A
 * run that only waits is suspended. It gives nothing.
 *
 * - `duration`: how long, or a function of the needs that says so; one that is computed and is negative fails the
 *   module with `DurationInvalid`
 * - `when`, `version`: as in `make`
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Duration, Schema } from "effect"
 *
 * const days = Module.input("days", Schema.Number)
 * const pause = Module.sleep("pause", { needs: { days }, duration: ({ days }) => Duration.days(days) })
 * const reminder = Module.pure("reminder", { needs: { pause }, run: () => "it is time" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const sleep = <const Name extends string, N extends Needs = {}, W extends AnyBranch = never>(
  name: Name,
  options: {
    readonly needs?: N
    readonly when?: W
    readonly duration: Duration.DurationInput | ((needs: Values<N>) => Duration.DurationInput)
    readonly version?: string | number
  }
): Module<
  Name,
  void,
  NeedsE<N> | W[TypeId]["E"],
  NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Failed | SkipThrough<N> | SkipBy<W>
> =>
  construct(name, {
    kind: "sleep",
    ...vertex(options),
    // erasure: the engine calls it with the values of exactly these needs
    duration: options.duration as SleepDefinition["duration"]
  })
