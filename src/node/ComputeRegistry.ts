/**
 * Computations by name.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type { ErasedSchema } from "../dag/Definition.js"
import type { Node } from "../dag/Node.js"
import type { NodeValueInvalid } from "../model/NodeError.js"
import { capture } from "./internal/Captured.js"
import * as Codec from "./internal/Codec.js"
import { nearest } from "./internal/NearNames.js"

/**
 * The name is taken. `replace` puts another computation in its place.
 *
 * @since 0.1.0
 * @category errors
 */
export class ComputationExists extends Schema.TaggedError<ComputationExists>("heddle/ComputationExists")(
  "ComputationExists",
  { name: Schema.String }
) {
  override get message() {
    return `there is a computation "${this.name}" already: replace it, or take another name`
  }
}

/**
 * There is no computation of that name. `near`: names that are much like it.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownComputation extends Schema.TaggedError<UnknownComputation>("heddle/UnknownComputation")(
  "UnknownComputation",
  { name: Schema.String, near: Schema.Array(Schema.String) }
) {
  override get message() {
    const near = this.near.map((name) => `"${name}"`).join(", ")
    return `there is no computation "${this.name}"${near === "" ? "" : `: did you mean ${near}?`}`
  }
}

/**
 * A computation failed with one of its own errors. `error` is its encoding, or undefined where the schema of the
 * computation's errors does not encode it; `cause` is the error itself.
 *
 * @since 0.1.0
 * @category errors
 */
export class ComputationFailed extends Schema.TaggedError<ComputationFailed>("heddle/ComputationFailed")(
  "ComputationFailed",
  { name: Schema.String, detail: Schema.String, error: Schema.Unknown, cause: Schema.Defect }
) {
  override get message() {
    return `the computation "${this.name}" failed: ${this.detail}`
  }
}

/**
 * A computation without its name: what it takes and gives, and how. `R`: what it requires.
 *
 * @since 0.1.0
 * @category models
 */
export interface Computation<out R> {
  readonly input: ErasedSchema
  readonly output: ErasedSchema
  readonly error: ErasedSchema
  readonly version: string | undefined
  readonly compute: (input: never) => Effect.Effect<unknown, unknown, R>
}

/**
 * What is registered: a frozen value, which stays what it is whatever is registered later.
 *
 * @since 0.1.0
 * @category models
 */
export interface Registered {
  readonly name: string
  readonly input: ErasedSchema
  readonly output: ErasedSchema
  readonly error: ErasedSchema
  readonly version: string | undefined
}

/**
 * Computations that are called by a name that is known only at run time, with values that nobody has checked: by a contract, a request
 * or a tool of a model.
 *
 * @since 0.1.0
 * @category services
 */
export class ComputeRegistry extends Context.Tag("heddle/node/ComputeRegistry")<
  ComputeRegistry,
  {
    /**
     * Registers a computation under a name that is free. What it requires is taken from the caller, and it is called
     * with that.
     */
    readonly register: <R>(name: string, computation: Computation<R>) => Effect.Effect<Registered, ComputationExists, R>

    /** Puts a computation in the place of the one of that name. Calls that run go on with the old one. */
    readonly replace: <R>(name: string, computation: Computation<R>) => Effect.Effect<Registered, UnknownComputation, R>

    /** All of them, by name; none is added to the list later. */
    readonly list: Effect.Effect<ReadonlyArray<Registered>>

    readonly get: (name: string) => Effect.Effect<Registered, UnknownComputation>

    /**
     * Decodes the input, computes and encodes the output. With an input that does not fit nothing has run.
     *
     * **Interruption**: the computation is interrupted, and its finalizers are awaited.
     */
    readonly call: (
      name: string,
      input: unknown
    ) => Effect.Effect<unknown, UnknownComputation | NodeValueInvalid | ComputationFailed>
  }
>() {}

/**
 * A computation by its schemas and a function.
 *
 * @example
 * ```ts
 * import * as ComputeRegistry from "heddle/node/ComputeRegistry"
 * import { Effect, Schema } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const registry = yield* ComputeRegistry.ComputeRegistry
 *   const square = ComputeRegistry.computation({
 *     input: Schema.NumberFromString,
 *     output: Schema.Number,
 *     compute: (n) => Effect.succeed(n * n)
 *   })
 *   yield* registry.register("square", square)
 *   return yield* registry.call("square", "12") // 144
 * }).pipe(Effect.provide(ComputeRegistry.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const computation = <In, InE, InR, Out, OutE, OutR, Er = never, ErE = never, ErR = never, R = never>(options: {
  readonly input: Schema.Schema<In, InE, InR>
  readonly output: Schema.Schema<Out, OutE, OutR>
  readonly error?: Schema.Schema<Er, ErE, ErR>
  readonly version?: string | number
  readonly compute: (input: NoInfer<In>) => Effect.Effect<NoInfer<Out>, NoInfer<Er>, R>
}): Computation<R | InR | OutR | ErR> =>
  Object.freeze({
    // erasure: a schema is invariant, and is only fed what its own computation makes
    input: options.input as unknown as ErasedSchema,
    output: options.output as unknown as ErasedSchema,
    error: (options.error ?? Schema.Never) as unknown as ErasedSchema,
    version: options.version === undefined ? undefined : String(options.version),
    compute: options.compute
  })

/**
 * A node as a computation: it is called as always, with the cache and the executor of its Layer.
 *
 * @example
 * ```ts
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import * as ComputeRegistry from "heddle/node/ComputeRegistry"
 * import { Effect, Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const program = Effect.gen(function* () {
 *   const registry = yield* ComputeRegistry.ComputeRegistry
 *   yield* registry.register("slug", ComputeRegistry.fromNode(Slug))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNode = <Self, In, Out, Er, SR>(node: Node<Self, In, Out, Er, SR>): Computation<Self | SR> => {
  const { error, input, output, version } = node.description
  return Object.freeze({ input, output, error, version, compute: node.call })
}

/** A definition, and how it is called; its requirements are there already. */
interface Entry {
  readonly registered: Registered
  readonly call: (input: unknown) => Effect.Effect<unknown, NodeValueInvalid | ComputationFailed>
}

// Never changed: who holds it sees what was there then.
type Entries = ReadonlyMap<string, Entry>

/**
 * An empty registry, which is gone with its scope.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ComputeRegistry> = Layer.effect(
  ComputeRegistry,
  Effect.gen(function* () {
    const ref = yield* Ref.make<Entries>(new Map())

    const put = <R, E>(
      name: string,
      computation: Computation<R>,
      check: (entries: Entries) => E | undefined
    ): Effect.Effect<Registered, E, R> =>
      Effect.flatMap(entryOf(name, computation), (entry) =>
        Effect.flatten(
          Ref.modify(ref, (entries): [Effect.Effect<Registered, E>, Entries] => {
            const refused = check(entries)
            return refused === undefined
              ? [Effect.succeed(entry.registered), new Map(entries).set(name, entry)]
              : [Effect.fail(refused), entries]
          })
        )
      )

    const unknown = (name: string, entries: Entries) =>
      new UnknownComputation({ name, near: nearest(name, entries.keys()) })

    const find = (name: string) =>
      Effect.flatMap(Ref.get(ref), (entries): Effect.Effect<Entry, UnknownComputation> => {
        const entry = entries.get(name)
        return entry === undefined ? unknown(name, entries) : Effect.succeed(entry)
      })

    return ComputeRegistry.of({
      register: (name, computation) =>
        put(name, computation, (entries) => (entries.has(name) ? new ComputationExists({ name }) : undefined)),
      replace: (name, computation) =>
        put(name, computation, (entries) => (entries.has(name) ? undefined : unknown(name, entries))),
      list: Effect.map(Ref.get(ref), (entries) =>
        Array.from(entries.values(), ({ registered }) => registered).sort((a, b) => (a.name < b.name ? -1 : 1))
      ),
      get: (name) => Effect.map(find(name), ({ registered }) => registered),
      call: (name, input) => Effect.flatMap(find(name), ({ call }) => call(input))
    })
  })
)

const entryOf = <R>(name: string, computation: Computation<R>): Effect.Effect<Entry, never, R> =>
  Effect.map(capture<R>(), (provided) => {
    const { compute, error, input, output, version } = computation
    // erasure: the schemas require what the computation does, and `compute` takes what `input` gives
    const inputs = Codec.make<never, R>(name, "input", input)
    const outputs = Codec.make<unknown, R>(name, "output", output)
    const encodeError = ParseResult.encodeUnknown(error) as (error: unknown) => Effect.Effect<unknown, unknown, R>
    const failed = (cause: unknown) =>
      Effect.flatMap(Effect.either(encodeError(cause)), (encoded) =>
        Effect.fail(
          new ComputationFailed({
            name,
            detail: cause instanceof Error ? cause.message : String(cause),
            error: Either.getOrUndefined(encoded),
            cause
          })
        )
      )
    const call = (value: unknown) =>
      Effect.flatMap(inputs.decodeUnknown(value), (decoded) =>
        Effect.suspend(() => compute(decoded)).pipe(
          Effect.catchAll(failed),
          Effect.flatMap(outputs.encode),
          Effect.map((text): unknown => (text === null ? undefined : JSON.parse(text)))
        )
      )
    return {
      registered: Object.freeze({ name, input, output, error, version }),
      call: (value) => provided(call(value))
    }
  })
