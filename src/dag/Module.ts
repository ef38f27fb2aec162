/**
 * The vertices of a Dag: a name, what it needs, how to run, what it gives.
 *
 * @since 0.1.0
 */
import type { Failed } from "../model/Failed.js"
import { ModuleTypeId as TypeId } from "./Definition.js"
import type { Module } from "./Definition.js"

export {
  /**
   * @since 0.1.0
   * @category type ids
   */
  ModuleTypeId as TypeId
} from "./Definition.js"

export type {
  DagDefinition,
  Definition,
  EffectDefinition,
  ErasedSchema,
  ErasedValues,
  Input,
  InputDefinition,
  JoinRule,
  MapDefinition,
  Module,
  Needs,
  PureDefinition,
  RouteDefinition,
  SignalDefinition,
  SleepDefinition
} from "./Definition.js"
export type { AnyBranch, Branch, Route } from "./Branch.js"
export type { AnySignal, Signal } from "./Signal.js"
export type { SkipThrough, Values } from "./internal/Types.js"

export { dag } from "./internal/Child.js"
export { make } from "./internal/Effectful.js"
export { map } from "./internal/FanOut.js"
export { node } from "./internal/NodeCall.js"
export { input, pure } from "./internal/Plain.js"
export { route } from "./internal/Routing.js"
export { signal, sleep } from "./internal/Waiting.js"

/**
 * Every module. All parameters are `unknown`, so a graph that is built of it never leaks `any`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any extends Module<string, unknown, unknown, unknown, unknown, unknown> {}

/**
 * A module of a graph that is built in a loop. One that declares an `error` or may be skipped fits where `X` says so:
 * `Module.Of<number, never, never, never, Failed | Skipped>`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Of<A, E = never, R = never, I = never, X = Failed> extends Module<string, A, E, R, I, X> {}

/**
 * @since 0.1.0
 * @category type-level
 */
export type Output<M extends Any> = M[TypeId]["A"]

/**
 * @since 0.1.0
 * @category type-level
 */
export type Error<M extends Any> = M[TypeId]["E"]

/**
 * @since 0.1.0
 * @category type-level
 */
export type Requirements<M extends Any> = M[TypeId]["R"]

/**
 * @since 0.1.0
 * @category type-level
 */
export type Inputs<M extends Any> = M[TypeId]["I"]

/**
 * @since 0.1.0
 * @category type-level
 */
export type Ending<M extends Any> = M[TypeId]["X"]

/**
 * Whether a value is a module, of whatever kind.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 *
 * Module.isModule(Module.pure("one", { run: () => 1 })) // true
 * Module.isModule("one") // false
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const isModule = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value
