/**
 * The vertices of a Dag: a name, what it needs, how to run, what it gives.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Failed } from "../model/Failed.js"
import type { ModuleTimedOut } from "../model/ModuleTimedOut.js"
import type { DeepReadonly } from "./DeepReadonly.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/dag/Module")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * An immutable description of one vertex. Its type parameters hold for it and everything upstream of it:
 *
 * - `A`: what it gives
 * - `E`: the errors of it and of all it needs; `R`: their requirements
 * - `I`: the run inputs, a union of `Input<Name, A>` that `Dag.make` turns into one record
 * - `X`: how it is stored when it fails: its `error` type, or `Failed`
 *
 * @since 0.1.0
 * @category models
 */
export interface Module<out Name extends string, out A, out E = never, out R = never, out I = never, out X = Failed> {
  readonly [TypeId]: { readonly A: A; readonly E: E; readonly R: R; readonly I: I; readonly X: X }
  readonly name: Name
  readonly definition: Definition
}

/**
 * A run input by name: a phantom, one for each `Module.input`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Input<out Name extends string, out A> {
  readonly input: Name
  readonly type: A
}

/**
 * Every module. All parameters are covariant, so this is `unknown` throughout and a graph that is built of it never
 * leaks `any`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Any extends Module<string, unknown, unknown, unknown, unknown, unknown> {}

/**
 * A module of a graph that is built in a loop.
 *
 * @since 0.1.0
 * @category models
 */
export interface Of<A, E = never, R = never, I = never> extends Module<string, A, E, R, I, unknown> {}

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
 * What a module needs: other modules, by the name under which it wants their values.
 *
 * @since 0.1.0
 * @category models
 */
export type Needs = { readonly [key: string]: Any }

type NeedsE<N extends Needs> = N[keyof N][TypeId]["E"]
type NeedsR<N extends Needs> = N[keyof N][TypeId]["R"]
type NeedsI<N extends Needs> = N[keyof N][TypeId]["I"]

/**
 * The values of the needs, read-only at every depth.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Values<N extends Needs> = { readonly [K in keyof N]: DeepReadonly<N[K][TypeId]["A"]> }

/**
 * A schema whose types were erased; what reads it goes through `unknown` and the schema itself.
 *
 * @since 0.1.0
 * @category models
 */
export type ErasedSchema = Schema.Schema<unknown, unknown, unknown>

/**
 * @since 0.1.0
 * @category models
 */
export interface InputDefinition {
  readonly kind: "input"
  readonly schema: ErasedSchema
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PureDefinition {
  readonly kind: "pure"
  readonly needs: Needs
  readonly output: ErasedSchema | undefined
  readonly run: (needs: { readonly [key: string]: unknown }) => unknown
  readonly version: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface EffectDefinition {
  readonly kind: "effect"
  readonly needs: Needs
  readonly output: ErasedSchema
  readonly error: ErasedSchema | undefined
  readonly run: (needs: { readonly [key: string]: unknown }) => Effect.Effect<unknown, unknown, unknown>
  readonly timeout: Duration.Duration | undefined
  readonly retry: Schedule.Schedule<unknown, unknown, unknown> | undefined
  readonly version: string | undefined
}

/**
 * What the constructors recorded, with types erased: the plan and the engine read it.
 *
 * @since 0.1.0
 * @category models
 */
export type Definition = InputDefinition | PureDefinition | EffectDefinition

/**
 * Blocks inference from the contextual return type: without it a module that is written inline
 * (`outputs: { a: Module.pure(...) }`) takes `unknown` for every parameter that no option fills. Unlike `NoInfer` it
 * disappears from the inferred type.
 */
// `any` only asks whether the conditional distributes; it reaches no signature
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Own<A> = [A][A extends any ? 0 : never]

/** Any encoded side: `Schema` is invariant in it, so that `unknown` would refuse every schema. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyEncoded = any

/**
 * Nothing to add when a schedule that takes `In` takes these errors, otherwise a property that no schedule has. (While
 * TypeScript looks at the options a first time, without those functions whose parameters it has yet to infer, the error
 * is unknown; a plain `Schedule<unknown, NoInfer<E>>` would be refused there.)
 */
type Accepts<In, Error> = unknown extends Error ? unknown : [Error] extends [In] ? unknown : Refused<Exclude<Error, In>>

/** Nothing to add when what the schema stores comes back as the module's own error; see `Accepts` for the unknown. */
type IsErrorOf<X, Error> = unknown extends Error
  ? unknown
  : [Error] extends [never]
    ? unknown
    : [Error, X] extends [X, Error]
      ? unknown
      : { readonly "the schema is not that of the module's error": Error }

interface Refused<Error> {
  readonly "the schedule does not take these errors": Error
}

const construct = <Name extends string, A, E, R, I, X>(
  name: Name,
  definition: Definition
): Module<Name, A, E, R, I, X> => {
  const module = { [TypeId]: TypeId, name, definition: Object.freeze(definition) }
  // the types under TypeId are phantoms: nothing ever reads a value there
  return Object.freeze(module) as unknown as Module<Name, A, E, R, I, X>
}

const versionText = (version: string | number | undefined) => (version === undefined ? undefined : String(version))

/**
 * A named input of the run. Its value is given to `Engine.execute` under this name and is validated by `schema` before
 * anything runs.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const folder = Module.input("folder", Schema.String)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const input = <const Name extends string, A, AR>(
  name: Name,
  schema: Schema.Schema<A, AnyEncoded, AR>
): Module<Name, A, never, Own<AR>, Input<Name, A>, never> =>
  construct(name, {
    kind: "input",
    // erasure: Schema is invariant, its values are only handled as unknown from here on
    schema: schema as ErasedSchema
  })

/**
 * A plain synchronous function. It runs inline, without a fiber, and does not count against the concurrency limit; what
 * it throws is a defect and fails the module.
 *
 * With an `output` schema the value is stored like that of `make`. Without one it is not stored: a resume computes it
 * again where something unfinished needs it, so it must be deterministic and cheap.
 *
 * - `version`: part of the fingerprint; change it when `run` changes in a way that a resumed run must not mix
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Schema } from "effect"
 *
 * const price = Module.input("price", Schema.Number)
 * const total = Module.pure("total", { needs: { price }, run: ({ price }) => price * 1.19 })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const pure = <const Name extends string, A, AR = never, N extends Needs = {}>(
  name: Name,
  options: {
    readonly needs?: N
    readonly output?: Schema.Schema<A, AnyEncoded, AR>
    readonly run: (needs: Values<N>) => A
    readonly version?: string | number
  }
): Module<Name, A, NeedsE<N>, Own<AR> | NeedsR<N>, NeedsI<N>, Failed> =>
  construct(name, {
    kind: "pure",
    needs: Object.freeze({ ...options.needs }),
    // erasure, as in `input`; the engine calls `run` with the values of exactly these needs
    output: options.output as ErasedSchema | undefined,
    run: options.run as (needs: { readonly [key: string]: unknown }) => unknown,
    version: versionText(options.version)
  })

/**
 * An Effect. It runs in a fiber of its own as soon as all its needs are done, with the services, FiberRefs and the
 * interruption of the run.
 *
 * - `output`: the schema of what it gives; the encoding is taken when the module completes, before a dependant starts
 * - `error`: the schema of its error, so that the error itself is stored; without it `Failed` is
 * - `timeout`: of one attempt; the attempt is interrupted, its finalizers run, and the attempt fails
 * - `retry`: which failures start another attempt, and when: typed errors and `ModuleTimedOut`, never a defect
 * - `version`: part of the fingerprint; change it when `run` changes in a way that a resumed run must not mix
 *
 * A module runs at least once: after a crash an attempt that was cut off is made again, a completion that was
 * acknowledged never.
 *
 * **Interruption**: when the run is stopped the attempt is interrupted and its finalizers are awaited.
 *
 * @example
 * ```ts
 * import { Module } from "heddle"
 * import { Effect, Schedule, Schema } from "effect"
 *
 * const url = Module.input("url", Schema.String)
 * const page = Module.make("page", {
 *   needs: { url },
 *   output: Schema.String,
 *   run: ({ url }) => Effect.tryPromise((signal) => fetch(url, { signal }).then((response) => response.text())),
 *   timeout: "10 seconds",
 *   retry: Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(3)))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <
  const Name extends string,
  A,
  AR,
  E,
  R,
  N extends Needs = {},
  X = Failed,
  XR = never,
  RE = unknown,
  RR = never
>(
  name: Name,
  options: {
    readonly needs?: N
    readonly output: Schema.Schema<A, AnyEncoded, AR>
    readonly error?: Schema.Schema<X, AnyEncoded, XR> & IsErrorOf<X, NoInfer<E>>
    readonly run: (needs: Values<N>) => Effect.Effect<NoInfer<A>, E, R>
    readonly timeout?: Duration.DurationInput
    readonly retry?: Schedule.Schedule<unknown, RE, RR> & Accepts<RE, NoInfer<E> | ModuleTimedOut>
    readonly version?: string | number
  }
): Module<Name, A, Own<E> | NeedsE<N>, Own<R> | Own<RR | AR | XR> | NeedsR<N>, NeedsI<N>, Own<X>> =>
  construct(name, {
    kind: "effect",
    needs: Object.freeze({ ...options.needs }),
    // erasure, as in `input` and `pure`; the schedule is only ever fed this module's own errors
    output: options.output as ErasedSchema,
    error: options.error as ErasedSchema | undefined,
    run: options.run as (needs: { readonly [key: string]: unknown }) => Effect.Effect<unknown, unknown, unknown>,
    timeout: options.timeout === undefined ? undefined : Duration.decode(options.timeout),
    retry: options.retry as Schedule.Schedule<unknown, unknown, unknown> | undefined,
    version: versionText(options.version)
  })

/**
 * @since 0.1.0
 * @category guards
 */
export const isModule = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value
