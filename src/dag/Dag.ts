/**
 * A typed graph of modules.
 *
 * @since 0.1.0
 */
import type * as Module from "./Module.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Dag")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * An immutable definition: its output modules and, through them, everything that they need. `O` is the record of the
 * outputs, `I` the record of the run inputs, `E` and `R` are the errors and requirements of all modules.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dag<out O, in I, out E = never, out R = never> {
  readonly [TypeId]: { readonly O: O; readonly I: (_: I) => void; readonly E: E; readonly R: R }
  readonly name: string
  readonly version: string | undefined
  readonly outputs: Module.Needs
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Any extends Dag<unknown, never, unknown, unknown> {}

/**
 * The union of `Module.Input` as one record. Without inputs it is the record that has no keys.
 *
 * @since 0.1.0
 * @category type-level
 */
export type InputRecord<I> = [I] extends [never]
  ? { readonly [key: string]: never }
  : { readonly [K in Extract<I, Module.Input<string, unknown>>["input"]]: Both<Extract<I, { readonly input: K }>> }

/** Two inputs with one name and different types become an intersection, which no value satisfies. */
type Both<X> = (X extends Module.Input<string, infer A> ? (_: A) => void : never) extends (_: infer A) => void
  ? A
  : never

/**
 * Describes a Dag by its outputs. Which modules belong to it, and in which order they may run, follows from what the
 * outputs need; the order in which anything is written down has no meaning.
 *
 * - `name`: says which Dag it is in listings, logs and errors
 * - `outputs`: at least one; an output cannot be a run input
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
export const make = <const N extends Module.Needs>(
  name: string,
  options: { readonly outputs: N; readonly version?: string | number }
): Dag<
  // written out here so that hovers stay flat
  { readonly [K in keyof N]: N[K][Module.TypeId]["A"] },
  InputRecord<N[keyof N][Module.TypeId]["I"]>,
  N[keyof N][Module.TypeId]["E"],
  N[keyof N][Module.TypeId]["R"]
> =>
  Object.freeze({
    // a phantom: nothing ever reads a value there
    [TypeId]: TypeId as never,
    name,
    version: options.version === undefined ? undefined : String(options.version),
    outputs: Object.freeze({ ...options.outputs })
  })

/**
 * @since 0.1.0
 * @category guards
 */
export const isDag = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value
