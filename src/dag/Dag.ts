/**
 * A typed graph of modules.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type { Skipped } from "../model/Ending.js"
import type { AnyDag, AnyModule, Dag, Input, ModuleTypeId, Needs } from "./Definition.js"
import { DagTypeId as TypeId } from "./Definition.js"
import type { NeedsE, NeedsI, NeedsR } from "./internal/Types.js"
import type * as Shared from "./Shared.js"

export {
  /**
   * @since 0.1.0
   * @category type ids
   */
  DagTypeId as TypeId
} from "./Definition.js"

export type { Dag } from "./Definition.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Any extends AnyDag {}

/**
 * The union of `Module.Input` as one record. Without inputs it is the record that has no keys.
 *
 * @since 0.1.0
 * @category type-level
 */
export type InputRecord<I> = [I] extends [never]
  ? { readonly [key: string]: never }
  : { readonly [K in Extract<I, Input<string, unknown>>["input"]]: Both<Extract<I, { readonly input: K }>> }

/** Two inputs with one name and different types become an intersection, which no value satisfies. */
type Both<X> = (X extends Input<string, infer A> ? (_: A) => void : never) extends (_: infer A) => void ? A : never

/** Distributes: of a graph that is built in a loop an output may be one of several modules. */
type OutputOf<M> = M extends AnyModule
  ? Skipped extends M[ModuleTypeId]["X"]
    ? Option.Option<M[ModuleTypeId]["A"]>
    : M[ModuleTypeId]["A"]
  : never

/** Nothing to add when `S` has all the groups that `R` uses, otherwise a property that names those that it has not. */
type CheckShared<R, S extends ReadonlyArray<Shared.AnyGroup>> = [
  Exclude<Extract<R, Shared.AnyUse>, S[number][Shared.TypeId]>
] extends [never]
  ? unknown
  : {
      readonly shared: NotDeclared<Exclude<Extract<R, Shared.AnyUse>, S[number][Shared.TypeId]>[Shared.TypeId]["name"]>
    }

interface NotDeclared<Name> {
  readonly "add these groups to `shared` of the Dag": Name
}

/**
 * Describes a Dag by its outputs. Which modules belong to it, and in which order they may run, follows from what the
 * outputs need; the order in which anything is written down has no meaning.
 *
 * - `name`: says which Dag it is in listings, logs and errors
 * - `outputs`: at least one; an output cannot be a run input. One that may be skipped (it, or what it needs, belongs to
 *   a branch or has `onFailure: "skip"`) is given as an `Option`
 * - `shared`: the groups of cells that its modules use; each run has its own values
 * - `version`: part of the fingerprint, for changes that the fingerprint cannot see
 *
 * Nothing is checked here: `Plan.make`, and with it every start of a run, reports all that is wrong at once.
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const N extends Needs, const S extends ReadonlyArray<Shared.AnyGroup> = readonly []>(
  name: string,
  options: { readonly outputs: N; readonly shared?: S; readonly version?: string | number } & CheckShared<NeedsR<N>, S>
): Dag<
  // written out here so that hovers stay flat
  {
    readonly [K in keyof N]: OutputOf<N[K]>
  },
  InputRecord<NeedsI<N>>,
  NeedsE<N>,
  Exclude<NeedsR<N>, S[number][Shared.TypeId]>
> =>
  Object.freeze({
    // a phantom: nothing ever reads a value there
    [TypeId]: TypeId as never,
    name,
    version: options.version === undefined ? undefined : String(options.version),
    outputs: Object.freeze({ ...options.outputs }),
    shared: Object.freeze([...(options.shared ?? [])])
  })

/**
 * Whether a value was made by `make`.
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 *
 * const one = Module.pure("one", { run: () => 1 })
 * Dag.isDag(Dag.make("ones", { outputs: { one } })) // true
 * Dag.isDag(one) // false
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const isDag = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value
