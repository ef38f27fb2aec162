/** What the signatures of the constructors have in common. */
import type * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type { Cancelled, Skipped } from "../../model/Ending.js"
import type { ModuleCutOff, ModuleEnded } from "../../model/ModuleError.js"
import type { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import type { DeepReadonly } from "../DeepReadonly.js"
import type { JoinRule, ModuleTypeId, Needs } from "../Definition.js"

export type NeedsE<N extends Needs> = N[keyof N][ModuleTypeId]["E"]
export type NeedsR<N extends Needs> = N[keyof N][ModuleTypeId]["R"]
export type NeedsI<N extends Needs> = N[keyof N][ModuleTypeId]["I"]
export type NeedsX<N extends Needs> = N[keyof N][ModuleTypeId]["X"]

/**
 * The values of the needs, read-only at every depth, as the join rule gives them.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Values<N extends Needs, J extends JoinRule = "allSucceeded"> = [J] extends ["allSucceeded"]
  ? { readonly [K in keyof N]: DeepReadonly<N[K][ModuleTypeId]["A"]> }
  : [J] extends ["noneFailed" | "anySucceeded"]
    ? { readonly [K in keyof N]: Option.Option<DeepReadonly<N[K][ModuleTypeId]["A"]>> }
    : {
        readonly [K in keyof N]: Exit.Exit<
          DeepReadonly<N[K][ModuleTypeId]["A"]>,
          N[K][ModuleTypeId]["X"] | Skipped | Cancelled
        >
      }

/**
 * `Skipped` where the skipping of needs goes on to the module: through `allSucceeded`, and through `anySucceeded` when
 * every need may be skipped.
 *
 * @since 0.1.0
 * @category type-level
 */
export type SkipThrough<N extends Needs, J extends JoinRule = "allSucceeded"> = [J] extends ["allSucceeded"]
  ? Extract<NeedsX<N>, Skipped>
  : [J] extends ["anySucceeded"]
    ? {
        [K in keyof N]: Extract<N[K][ModuleTypeId]["X"], Skipped> extends never ? K : never
      }[keyof N] extends never
      ? Skipped
      : never
    : never

/** `Skipped` where the module belongs to a branch. */
export type SkipBy<W> = [W] extends [never] ? never : Skipped

/** `Skipped` where the module is skipped when it fails. */
export type SkipOn<OF> = [OF] extends ["skip"] ? Skipped : never

/** The module's own errors, of which nothing is left where it is skipped instead. */
export type Unless<OF, Lenient, E> = [OF] extends [Lenient] ? never : E

/** An error of `Run` and `Shared` that a module cannot meet before it has ended. */
export type Raised<E> = Exclude<E, ModuleEnded>

/** What a module's own failure may be to itself. */
export type OwnCause<E> = Cause.Cause<NoInfer<Raised<E>> | ModuleTimedOut | ModuleCutOff>

/**
 * Nothing to add when a schedule that takes `In` takes these errors, otherwise a property that no schedule has. (While
 * TypeScript looks at the options a first time, without those functions whose parameters it has yet to infer, the error
 * is unknown; a plain `Schedule<unknown, NoInfer<E>>` would be refused there.)
 */
export type Accepts<In, Error> = unknown extends Error
  ? unknown
  : [Error] extends [In]
    ? unknown
    : Refused<Exclude<Error, In>>

interface Refused<Error> {
  readonly "the schedule does not take these errors": Error
}

/** Nothing to add when what the schema stores comes back as the module's own error; see `Accepts` for the unknown. */
export type IsErrorOf<X, Error> = unknown extends Error
  ? unknown
  : [Error] extends [never]
    ? unknown
    : [Error, X] extends [X, Error]
      ? unknown
      : { readonly "the schema is not that of the module's error": Error }
