/** `Module.node`. */
import * as Effect from "effect/Effect"
import type { Failed } from "../../model/Failed.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { EffectDefinition, JoinRule, Module, Needs } from "../Definition.js"
import type { Node } from "../Node.js"
import { attempted, construct, queued, vertex } from "./Construct.js"
import type { Own } from "./Inference.js"
import type { NeedsE, NeedsI, NeedsR, SkipBy, SkipOn, SkipThrough, Unless, Values } from "./Types.js"

/**
 * A call of a node: the node's service joins the requirements, its errors are the module's, and both its output and its
 * errors are stored by its own schemas. Retries, timeouts and circuit breakers are the node's own business, said where
 * its Layer is made.
 *
 * - `input`: what the node is given, of the values that the module needs
 * - `onFailure`: `skip`: when the call fails the module is skipped instead, as in `make`
 * - `join`, `when`, `limit`, `priority`, `version`, `durability`: as in `make`. The key of the node and its own version
 *   are part of the fingerprint, too
 *
 * **Interruption**: when the run is stopped the call is interrupted, and its finalizers are awaited.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import { Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const title = Module.input("title", Schema.String)
 * const slug = Module.node("slug", { node: Slug, needs: { title }, input: ({ title }) => title })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const node = <
  const Name extends string,
  Self,
  In,
  Out,
  Er,
  SR,
  // const: the tag of an event stays what it is
  const V extends NoInfer<In>,
  N extends Needs = {},
  const J extends JoinRule = "allSucceeded",
  W extends AnyBranch = never,
  const OF extends "fail" | "skip" = "fail"
>(
  name: Name,
  options: {
    readonly node: Node<Self, In, Out, Er, SR>
    readonly needs?: N
    readonly join?: J
    readonly when?: W
    readonly input: (needs: Values<N, J>) => V
    readonly onFailure?: OF
    readonly limit?: string
    readonly priority?: number
    readonly version?: string | number
    readonly durability?: Durability
  }
): Module<
  Name,
  Out,
  Unless<OF, "skip", Own<Er>> | NeedsE<N> | W[TypeId]["E"],
  Own<Self | SR> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Own<Er> | Failed | SkipThrough<N, J> | SkipOn<OF> | SkipBy<W>
> => {
  const { call, description, key } = options.node
  const run = (needs: Values<N, J>) => Effect.suspend(() => call(options.input(needs)))
  return construct(name, {
    kind: "effect",
    node: Object.freeze({ key, input: description.input }),
    ...vertex({ ...options, version: JSON.stringify([key, description.version, options.version]) }),
    ...attempted(description),
    ...queued(options),
    // erasure: the engine calls `run` with the values of exactly these needs
    run: run as EffectDefinition["run"],
    execution: "atLeastOnce",
    onFailure: options.onFailure ?? "fail"
  })
}
