/**
 * Routes and their branches.
 *
 * @since 0.1.0
 */
import type { AnyModule, Module } from "./Definition.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Branch")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A branch of a route, for the `when` of a module. It brings the errors, requirements and run inputs of the route.
 *
 * @since 0.1.0
 * @category models
 */
export interface Branch<out Name extends string, out K extends string, out E, out R, out I> {
  readonly [TypeId]: { readonly Name: Name; readonly E: E; readonly R: R; readonly I: I }
  readonly route: AnyModule
  readonly branch: K
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyBranch extends Branch<string, string, unknown, unknown, unknown> {}

/**
 * A module that picks one of several branches. It gives the name of the branch.
 *
 * - `is`: the branch of that name, for the `when` of the modules that belong to it
 *
 * @since 0.1.0
 * @category models
 */
export interface Route<Name extends string, B extends string, E, R, I, X> extends Module<Name, B, E, R, I, X> {
  readonly is: <const K extends B>(branch: K) => Branch<Name, K, E, R, I>
}
