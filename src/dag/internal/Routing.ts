/** `Module.route`. */
import type * as Effect from "effect/Effect"
import type { Failed } from "../../model/Failed.js"
import type { AnyBranch, Route } from "../Branch.js"
import { TypeId } from "../Branch.js"
import type { CurrentModule } from "../CurrentModule.js"
import type { Needs, RouteDefinition } from "../Definition.js"
import { record, vertex } from "./Construct.js"
import type { Own } from "./Inference.js"
import type { NeedsE, NeedsI, NeedsR, Raised, SkipBy, SkipThrough, Values } from "./Types.js"

/**
 * Picks one of several branches, by a plain function or an Effect, and gives the name of the branch. The modules with
 * `when: route.is(branch)` of the other branches are skipped, and so is what needs them, as its join rule says.
 *
 * - `branches`: the names; the choice is stored, so that a resumed run takes the same branch
 * - `default`: the branch for a choice that is none of them, for example of data from outside; without it such a choice
 *   fails the module with `RouteUnmatched`
 * - `when`, `version`: as in `make`; it runs when all it needs has completed
 *
 * **Interruption**: as in `make`.
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 * import { Option, Schema } from "effect"
 *
 * const cents = Module.input("cents", Schema.Number)
 * const size = Module.route("size", {
 *   needs: { cents },
 *   branches: ["small", "large"],
 *   choose: ({ cents }) => (cents < 10_000 ? "small" : "large")
 * })
 * const auto = Module.pure("auto", { when: size.is("small"), run: () => "accepted" })
 * const review = Module.pure("review", { when: size.is("large"), run: () => "to be reviewed" })
 * const verdict = Module.pure("verdict", {
 *   needs: { auto, review },
 *   join: "noneFailed",
 *   run: ({ auto, review }) => Option.getOrThrow(Option.orElse(auto, () => review))
 * })
 * const Orders = Dag.make("orders", { outputs: { verdict } })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const route = <
  const Name extends string,
  const B extends string,
  E = never,
  R = never,
  N extends Needs = {},
  W extends AnyBranch = never,
  L extends string = never
>(
  name: Name,
  options: {
    readonly needs?: N
    readonly when?: W
    readonly branches: ReadonlyArray<B>
    readonly default?: NoInfer<B>
    /** `L` only keeps a literal from being widened. */
    readonly choose: (needs: Values<N>) => NoInfer<B> | (L & NoInfer<B>) | Effect.Effect<NoInfer<B>, E, R>
    readonly version?: string | number
  }
): Route<
  Name,
  B,
  Raised<Own<E>> | NeedsE<N> | W[TypeId]["E"],
  Exclude<Own<R>, CurrentModule> | NeedsR<N> | W[TypeId]["R"],
  NeedsI<N> | W[TypeId]["I"],
  Failed | SkipThrough<N> | SkipBy<W>
> => {
  const module = {
    ...record(name, {
      kind: "route",
      ...vertex(options),
      branches: Object.freeze([...options.branches]),
      default: options.default,
      // erasure, as in `make`
      choose: options.choose as RouteDefinition["choose"]
    }),
    is: (branch: string) => Object.freeze({ [TypeId]: TypeId, route: module, branch }) as never
  }
  return Object.freeze(module) as never
}
