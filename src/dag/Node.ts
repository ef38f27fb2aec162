/**
 * What a Dag knows of a node: a service in a Layer that does work and keeps state. The four kinds are in `node`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { ErasedSchema } from "./Definition.js"
import type { AnyEncoded } from "./internal/Inference.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Node")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The schema of what a node takes, gives or fails with, whatever it is encoded as.
 *
 * @since 0.1.0
 * @category models
 */
export type ValueSchema<A, R = never> = Schema.Schema<A, AnyEncoded, R>

/**
 * What every node does, whatever its kind: it is given an input and gives an output.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service<in In, out Out, out Er> {
  readonly process: (input: In) => Effect.Effect<Out, Er>
}

/**
 * What a node says of itself, with types erased: for the modules that call it. `error` is the schema of all errors that
 * it may fail with; a `version` is part of the fingerprint of such a module.
 *
 * @since 0.1.0
 * @category models
 */
export interface Description {
  readonly kind: "compute" | "effect" | "reducer" | "orchestrator"
  readonly input: ErasedSchema
  readonly output: ErasedSchema
  readonly error: ErasedSchema
  readonly version: string | undefined
}

/**
 * A node as it is declared, apart from its implementation: the class that its kind's `Service` makes.
 *
 * - `In`, `Out`, `Er`: what it takes, what it gives, and the errors of both implementation and kind
 * - `Self`: the service, which a Layer provides; `SR`: what its schemas require
 * - `call`: `process` of the service that the context has
 *
 * @since 0.1.0
 * @category models
 */
export interface Node<out Self, in In, out Out, out Er, out SR = never> {
  readonly [TypeId]: {
    readonly Self: Self
    readonly In: (_: In) => void
    readonly Out: Out
    readonly Er: Er
    readonly SR: SR
  }
  readonly key: string
  readonly description: Description
  readonly call: (input: In) => Effect.Effect<Out, Er, Self>
}

/**
 * Every node.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any extends Node<unknown, never, unknown, unknown, unknown> {}

/**
 * Whether a value is a node, of whatever kind.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNode = (value: unknown): value is Any =>
  (typeof value === "object" || typeof value === "function") && value !== null && TypeId in value
