/**
 * Modules that wait for a value from outside.
 *
 * @since 0.1.0
 */
import type * as Types from "effect/Types"
import type { Module } from "./Definition.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Signal")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A module that waits for a value of type `A`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signal<Name extends string, in out A, E, R, I, X> extends Module<Name, A, E, R, I, X> {
  readonly [TypeId]: Types.Invariant<A>
}

/**
 * What takes a value of type `A`, whatever else it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnySignal<in out A> extends Signal<string, A, unknown, unknown, unknown, unknown> {}
