/**
 * Keeps the results of compute nodes.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Node } from "../dag/Node.js"
import * as Millis from "../model/Millis.js"
import type { NodeValueInvalid } from "../model/NodeError.js"
import type { StoreError } from "../model/StoreError.js"
import { StateStore } from "../store/StateStore.js"
import * as Codec from "./internal/Codec.js"
import type { Place } from "./internal/Flight.js"
import * as Results from "./internal/Results.js"
import * as StoredResults from "./internal/StoredResults.js"

/**
 * A result that is looked for.
 *
 * - `node`: the key of the node; `key`: a hash of the node, its version and the input
 * - `compute`: gives the output as canonical JSON; null for `undefined`
 * - `isValid`: whether the node still understands an output that comes from a store
 *
 * @since 0.1.0
 * @category models
 */
export interface Lookup<out E> {
  readonly node: string
  readonly key: string
  readonly compute: Effect.Effect<string | null, E>
  readonly isValid: (output: string | null) => Effect.Effect<boolean>
}

/**
 * Which results: all, those of a node, or the one under a key of a node.
 *
 * @since 0.1.0
 * @category models
 */
export interface Selection {
  readonly node?: string | undefined
  readonly key?: string | undefined
}

/**
 * Of this cache since its Layer was built.
 *
 * - `hits`: lookups that were answered from memory; `joins`: those that waited for a computation that ran already;
 *   `misses`: all others, each of which asked the store, if there is one, and then computed
 * - `evictions`: results that made room for others
 * - `size`: the results in memory now, those included whose time is over and that nobody has asked for since
 * - `running`: the computations that run now
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly hits: number
  readonly joins: number
  readonly misses: number
  readonly evictions: number
  readonly size: number
  readonly running: number
}

/**
 * Keeps results, and computes each only once for all who ask for it at the same time. A compute node takes it when there
 * is one where its Layer is built.
 *
 * @since 0.1.0
 * @category services
 */
export class ComputeCache extends Context.Tag("heddle/node/ComputeCache")<
  ComputeCache,
  {
    /**
     * The output that is kept, or else what `compute` gives: of each key at most one computation runs at any time, for
     * all callers, and none while its result is kept. Only successes are kept; a failure, a defect or an interruption is
     * given to those who wait for it, and to nobody after them.
     *
     * The computation runs in a fiber of the cache, with the services and FiberRefs of the caller that began it. What it
     * does to FiberRefs stays with it. One that asks, directly or through others, for its own result dies with a
     * message that names the circle.
     *
     * **Interruption**: the computation goes on for the others, also when its first caller is interrupted. The last one
     * that is interrupted stops it and waits for its finalizers. When the scope of the cache closes, the computation is
     * stopped and all who wait for it are interrupted.
     */
    readonly get: <E>(lookup: Lookup<E>) => Effect.Effect<string | null, E>

    /**
     * Forgets results. What is being computed is given to those who wait for it already, and is not kept; who asks
     * after this has it computed again. With a store that fails, the results in memory are forgotten and the store's
     * may be served again later.
     *
     * **Interruption**: as with a store that fails.
     */
    readonly invalidate: (selection: Selection) => Effect.Effect<void, StoreError>

    readonly stats: Effect.Effect<Stats>
  }
>() {}

/**
 * - `capacity`: how many results are kept in memory, a whole number of at least 1; the one that was used least recently
 *   makes room
 * - `ttl`: for how long a result is served from memory, by the Clock
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly capacity: number
  readonly ttl: Duration.DurationInput
}

/**
 * - `storeTtl`: for how long a result is served from the store; one that comes from there is kept in memory for no longer
 * - `prefix`: what the keys in the store begin with, at most 800 bytes of UTF-8
 * - `patience`: how long the store may take for a lookup or a write before it counts as failing
 *
 * @since 0.1.0
 * @category options
 */
export interface StoreOptions extends Options {
  readonly storeTtl: Duration.DurationInput
  readonly prefix: string
  readonly patience: Duration.DurationInput
}

/**
 * A pure computation gives the same for the same input, so that nothing grows old by itself.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: StoreOptions = {
  capacity: 1000,
  ttl: Duration.infinity,
  storeTtl: Duration.infinity,
  prefix: "heddle/compute",
  patience: "1 second"
}

/**
 * A cache in memory.
 *
 * What is kept of a result is its encoding, as text: nobody can change it, and each caller is given a value of its own.
 *
 * @example
 * ```ts
 * import * as ComputeCache from "heddle/node/ComputeCache"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const SlugLive = Slug.layerPure({ compute: (title) => title.toLowerCase().replaceAll(" ", "-") }).pipe(
 *   Layer.provide(ComputeCache.layer({ capacity: 10_000, ttl: "1 hour" }))
 * )
 * const program = Slug.call("Hello World").pipe(Effect.provide(SlugLive))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<ComputeCache> =>
  Layer.scoped(
    ComputeCache,
    Effect.gen(function* () {
      const results = yield* inMemory({ ...defaults, ...options })
      return ComputeCache.of({
        get: ({ compute, key, node }) =>
          results.get(
            { node, key },
            Effect.map(compute, (text) => ({ text, until: Infinity }))
          ),
        invalidate: (selection) => results.forget(matches(selection)),
        stats: results.counts
      })
    })
  )

/**
 * A cache in memory before the `StateStore`, which other processes and later ones share. What memory does not have is
 * read from the store; what the store does not have is computed and written to it before it is given to who waits, so
 * that no more is ever to be written than there are callers.
 *
 * A store that fails or takes too long is a miss: that is logged and counted, and no failure. A stored value that does not
 * decode is a miss and is replaced. A process that invalidates results does so in the store for all others, but not in
 * their memory: `ttl` says for how long they may serve them.
 *
 * @example
 * ```ts
 * import * as ComputeCache from "heddle/node/ComputeCache"
 *
 * const CacheLive = ComputeCache.layerStore({ ttl: "1 minute", storeTtl: "1 day", prefix: "app/results" })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStore = (options: Partial<StoreOptions> = {}): Layer.Layer<ComputeCache, never, StateStore> =>
  Layer.scoped(
    ComputeCache,
    Effect.gen(function* () {
      const { patience, prefix, storeTtl, ...rest } = { ...defaults, ...options }
      const results = yield* inMemory(rest)
      const bytes = new TextEncoder().encode(prefix).length
      if (bytes > maxPrefixBytes) {
        return yield* refuse(`the prefix of a compute cache has at most ${maxPrefixBytes} bytes, not ${bytes}`)
      }
      const stored = StoredResults.make(yield* StateStore, {
        prefix,
        ttl: yield* millisOf("storeTtl", storeTtl),
        patience: yield* millisOf("patience", patience)
      })
      const forget = ({ key, node }: Selection) =>
        node === undefined
          ? stored.forgetAll
          : key === undefined
            ? stored.forgetNode(node)
            : stored.forget({ node, key })
      return ComputeCache.of({
        get: ({ compute, isValid, key, node }) =>
          results.get({ node, key }, stored.readThrough({ node, key }, isValid, compute)),
        // memory last: what it reads until then may be what the store is to forget
        invalidate: (selection) => Effect.ensuring(forget(selection), results.forget(matches(selection))),
        stats: results.counts
      })
    })
  )

/**
 * Forgets the result of a node for one input.
 *
 * @example
 * ```ts
 * import * as ComputeCache from "heddle/node/ComputeCache"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import { Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const program = ComputeCache.invalidate(Slug, "Hello World")
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const invalidate = <Self, In, Out, Er, SR>(
  node: Node<Self, In, Out, Er, SR>,
  input: NoInfer<In>
): Effect.Effect<void, NodeValueInvalid | StoreError, ComputeCache | SR> =>
  Effect.flatMap(Codec.ofNode(node).input.encode(input), (text) =>
    select({ node: node.key, key: Codec.keyOf(node.key, node.description.version, text) })
  )

/**
 * Forgets all results of a node, of whatever version.
 *
 * @since 0.1.0
 * @category combinators
 */
export const invalidateNode = <Self, In, Out, Er, SR>(
  node: Node<Self, In, Out, Er, SR>
): Effect.Effect<void, StoreError, ComputeCache> => select({ node: node.key })

/**
 * Forgets all results.
 *
 * @since 0.1.0
 * @category combinators
 */
export const invalidateAll: Effect.Effect<void, StoreError, ComputeCache> = Effect.suspend(() => select({}))

/**
 * What the cache has done so far.
 *
 * @since 0.1.0
 * @category accessors
 */
export const stats: Effect.Effect<Stats, never, ComputeCache> = Effect.flatMap(ComputeCache, (cache) => cache.stats)

const select = (selection: Selection) => Effect.flatMap(ComputeCache, (cache) => cache.invalidate(selection))

const matches =
  (selection: Selection) =>
  ({ key, node }: Place): boolean =>
    (selection.node === undefined || selection.node === node) && (selection.key === undefined || selection.key === key)

/** What a `StateStore` takes, less the rest of a key. */
const maxPrefixBytes = 800

const inMemory = (options: Options) =>
  Effect.gen(function* () {
    const { capacity } = options
    if (!Number.isSafeInteger(capacity) || capacity < 1) {
      return yield* refuse(`the capacity of a compute cache is a whole number of at least 1, not ${capacity}`)
    }
    return yield* Results.make({ capacity, ttl: yield* millisOf("ttl", options.ttl) }, yield* Effect.scope)
  })

const millisOf = (name: string, given: Duration.DurationInput) => {
  const millis = Millis.of(given)
  return millis === undefined
    ? refuse(`the ${name} of a compute cache is a duration that is not negative, not ${String(given)}`)
    : Effect.succeed(millis)
}

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
