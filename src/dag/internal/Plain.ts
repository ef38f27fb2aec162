/** `Module.input` and `Module.pure`. */
import type * as Schema from "effect/Schema"
import type { Failed } from "../../model/Failed.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { ErasedSchema, Input, JoinRule, Module, Needs, PureDefinition } from "../Definition.js"
import { construct, vertex } from "./Construct.js"
import type { AnyEncoded, Own } from "./Inference.js"
import type { NeedsE, NeedsI, NeedsR, SkipBy, SkipThrough, Values } from "./Types.js"

/**
 * A named input of the run. Its value is given to `Engine.execute` under this name and is validated by `schema` before
 * anything runs.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const folder = Module.input("folder", Schema.String)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const input = <const Name extends string, A, AR>(
  name: Name,
  schema: Schema.Schema<A, AnyEncoded, AR>
): Module<Name, A, never, Own<AR>, Input<Name, A>, never> =>
  construct(name, {
    kind: "input",
    // erasure: Schema is invariant, its values are only handled as unknown from here on
    schema: schema as ErasedSchema
  })

/**
 * A plain synchronous function. It runs inline, without a fiber, and does not count against the concurrency limit; what
 * it throws is a defect and fails the module.
 *
 * With an `output` schema the value is stored like that of `make`. Without one it is not stored: a resume computes it
 * again where something unfinished needs it, from what its needs are then, so it must be deterministic and cheap. With
 * `join: "anySucceeded"` a schema is required, since more may have succeeded by then; the plan refuses it otherwise.
 *
 * - `join`: when it runs, given how its needs ended, and so what it is given; see `JoinRule`
 * - `when`: the branch of a route to which it belongs; it is skipped when the route picks another
 * - `version`: part of the fingerprint; change it when `run` changes in a way that a resumed run must not mix
 * - `durability`: of a module with an `output`, as in `make`
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const price = Module.input("price", Schema.Number)
 * const total = Module.pure("total", { needs: { price }, run: ({ price }) => price * 1.19 })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const pure = <
  const Name extends string,
  A,
  AR = never,
  N extends Needs = {},
  const J extends JoinRule = "allSucceeded",
  W extends AnyBranch = never
>(
  name: Name,
  options: {
    readonly needs?: N
    readonly join?: J
    readonly when?: W
    readonly output?: Schema.Schema<A, AnyEncoded, AR>
    readonly run: (needs: Values<N, J>) => A
    readonly version?: string | number
    readonly durability?: Durability
  }
): Module<
  Name,
  A,
  NeedsE<N> | W[TypeId]["E"],
  Own<AR> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Failed | SkipThrough<N, J> | SkipBy<W>
> =>
  construct(name, {
    kind: "pure",
    ...vertex(options),
    // erasure, as in `input`; the engine calls `run` with the values of exactly these needs
    output: options.output as ErasedSchema | undefined,
    run: options.run as PureDefinition["run"]
  })
