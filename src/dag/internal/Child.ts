/** `Module.dag`. */
import type { Failed } from "../../model/Failed.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { Dag, DagDefinition, Module, Needs } from "../Definition.js"
import { construct, vertex } from "./Construct.js"
import type { Own } from "./Inference.js"
import type { NeedsE, NeedsI, NeedsR, SkipBy, SkipOn, SkipThrough, Unless, Values } from "./Types.js"

/**
 * A child Dag as one module: it gives the record of the child's outputs. The child's modules belong to the run, are
 * stored and resumed like its own, and are named by their path, as in `checkout/charge`. The child's errors and
 * requirements are the module's.
 *
 * - `input`: the child's run inputs; they are validated by its schemas before anything of it runs. They are not stored:
 *   a resume asks again, so it must be deterministic
 * - `onFailure`: `skip`: when the child fails the module is skipped instead, as in `make`
 * - `when`, `version`: as in `make`; it runs when all it needs has completed
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const size = Module.input("size", Schema.Number)
 * const doubled = Module.dag("doubled", { dag: Doubling, needs: { size }, input: ({ size }) => ({ n: size }) })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const dag = <
  const Name extends string,
  O,
  E,
  R,
  I,
  N extends Needs = {},
  W extends AnyBranch = never,
  const OF extends "fail" | "skip" = "fail"
>(
  name: Name,
  options: {
    readonly dag: Dag<O, I, E, R>
    readonly needs?: N
    readonly when?: W
    readonly input: (needs: Values<N>) => NoInfer<I>
    readonly onFailure?: OF
    readonly version?: string | number
  }
): Module<
  Name,
  O,
  Unless<OF, "skip", Own<E>> | NeedsE<N> | W[TypeId]["E"],
  Own<R> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Failed | SkipThrough<N> | SkipOn<OF> | SkipBy<W>
> =>
  construct(name, {
    kind: "dag",
    ...vertex(options),
    dag: options.dag,
    // erasure: the engine calls it with the values of exactly these needs
    input: options.input as DagDefinition["input"],
    onFailure: options.onFailure ?? "fail"
  })
