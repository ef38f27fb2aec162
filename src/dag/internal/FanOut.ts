/** `Module.map`. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { Failed } from "../../model/Failed.js"
import type { ModuleTimedOut } from "../../model/ModuleTimedOut.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { AnyBranch, TypeId } from "../Branch.js"
import type { CurrentModule } from "../CurrentModule.js"
import type { DeepReadonly } from "../DeepReadonly.js"
import type { AnyDag, Dag, MapDefinition, Module, Needs } from "../Definition.js"
import { attempted, construct, queued, vertex } from "./Construct.js"
import type { AnyEncoded, Own } from "./Inference.js"
import type {
  Accepts,
  IsErrorOf,
  NeedsE,
  NeedsI,
  NeedsR,
  Raised,
  SkipBy,
  SkipOn,
  SkipThrough,
  Unless,
  Values
} from "./Types.js"

interface Common<N extends Needs, W, T, C, OF> {
  readonly needs?: N
  readonly when?: W
  readonly over: (needs: Values<N>) => Iterable<T>
  readonly concurrency?: number | "unbounded"
  readonly onItemFailure?: C
  readonly onFailure?: OF
  readonly version?: string | number
  readonly durability?: Durability
}

interface Effects<N extends Needs, T, A, AR, E, R, X, XR, RE, RR> {
  readonly output: Schema.Schema<A, AnyEncoded, AR>
  readonly error?: Schema.Schema<X, AnyEncoded, XR> & IsErrorOf<X, NoInfer<Raised<E>>>
  readonly run: (item: DeepReadonly<NoInfer<T>>, needs: Values<N>, index: number) => Effect.Effect<NoInfer<A>, E, R>
  readonly timeout?: Duration.DurationInput
  readonly retry?: Schedule.Schedule<unknown, RE, RR> & Accepts<RE, NoInfer<Raised<E>> | ModuleTimedOut>
  readonly limit?: string
  readonly priority?: number
}

interface Children<N extends Needs, T, O, I, E, R> {
  readonly dag: Dag<O, I, E, R>
  readonly input: (item: DeepReadonly<NoInfer<T>>, needs: Values<N>, index: number) => NoInfer<I>
}

type Collected<C, A, X> = ReadonlyArray<[C] extends ["collect"] ? Exit.Exit<A, X> : A>

/** With types erased; the public ones are in the signatures of `map`. */
interface Options extends Common<Needs, AnyBranch, unknown, "fail" | "collect", "fail" | "skip"> {
  readonly output?: unknown
  readonly error?: unknown
  readonly run?: unknown
  readonly timeout?: Duration.DurationInput
  readonly retry?: unknown
  readonly limit?: string
  readonly priority?: number
  readonly dag?: AnyDag
  readonly input?: unknown
}

/**
 * Dynamic fan-out: what `run` or `dag` says is done with each item of the list that `over` computes from the needs, and
 * the module gives the results in the order of the items. An item that completed is stored by its index and does not
 * run again; when the run is resumed `over` is asked again, and has to give the same list for the same needs.
 *
 * With `run` an item is an Effect in a fiber of its own, and `output`, `error`, `timeout`, `retry`, `limit` and
 * `priority` are those of an item, as in `make`. With `dag` an item is a child Dag with the inputs that `input` gives;
 * there is no `limit` and no `priority` then, since its modules have their own. They are named by their path,
 * `orders/3/approval`, and may wait for signals and times.
 *
 * - `over`: must be deterministic; more items than the engine's `maxItems` fail the module, before any has run
 * - `concurrency`: how many items are under way at once; `unbounded` by default, always within the limit of the run
 * - `onItemFailure`: `fail` (default): the first item that fails interrupts the others and fails the module. `collect`:
 *   every item runs, and the module gives an `Exit` for each, with the item's error as it is stored
 * - `onFailure`: `skip`: instead of failing, the module is skipped, as in `make`
 * - `when`, `version`, `durability`: as in `make`; it runs when all it needs has completed
 *
 * **Interruption**: when the run is stopped, or an item fails, the items that run are interrupted and their finalizers
 * are awaited.
 *
 * @example
 * ```ts
 * import { Dag, Module } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const urls = Module.input("urls", Schema.Array(Schema.String))
 * const statuses = Module.map("statuses", {
 *   needs: { urls },
 *   over: ({ urls }) => urls,
 *   output: Schema.Number,
 *   concurrency: 4,
 *   run: (url) => Effect.tryPromise((signal) => fetch(url, { signal }).then((response) => response.status))
 * })
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.pure("double", { needs: { n }, run: ({ n }) => n * 2 })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 * const doubled = Module.map("doubled", {
 *   needs: { statuses },
 *   over: ({ statuses }) => statuses,
 *   dag: Doubling,
 *   input: (n) => ({ n }),
 *   onItemFailure: "collect"
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const map: {
  <
    const Name extends string,
    A,
    AR,
    E,
    R,
    // never until `over` has been looked at, so that a `run` with a typed item is not refused before
    T = never,
    N extends Needs = {},
    W extends AnyBranch = never,
    X = Failed,
    XR = never,
    RE = unknown,
    RR = never,
    const C extends "fail" | "collect" = "fail",
    const OF extends "fail" | "skip" = "fail"
  >(
    name: Name,
    options: Common<N, W, T, C, OF> & Effects<N, T, A, AR, E, R, X, XR, RE, RR>
  ): Module<
    Name,
    Collected<C, A, Own<X>>,
    Unless<C, "collect", Unless<OF, "skip", Raised<Own<E>>>> | NeedsE<N> | W[TypeId]["E"],
    Exclude<Own<R>, CurrentModule> | Own<RR | AR | XR> | NeedsR<N> | W[TypeId]["R"],
    NeedsI<N> | W[TypeId]["I"],
    Own<X> | SkipThrough<N> | SkipOn<OF> | SkipBy<W>
  >
  <
    const Name extends string,
    O,
    I,
    E,
    R,
    T = never,
    N extends Needs = {},
    W extends AnyBranch = never,
    const C extends "fail" | "collect" = "fail",
    const OF extends "fail" | "skip" = "fail"
  >(
    name: Name,
    options: Common<N, W, T, C, OF> & Children<N, T, O, I, E, R>
  ): Module<
    Name,
    Collected<C, O, Failed>,
    Unless<C, "collect", Unless<OF, "skip", Own<E>>> | NeedsE<N> | W[TypeId]["E"],
    Own<R> | NeedsR<N> | W[TypeId]["R"],
    NeedsI<N> | W[TypeId]["I"],
    Failed | SkipThrough<N> | SkipOn<OF> | SkipBy<W>
  >
} = (name: string, options: Options) => {
  const { dag, output } = options
  const each =
    dag === undefined
      ? { kind: "effect", ...attempted({ ...options, output }), run: options.run }
      : { kind: "dag", dag, input: options.input }
  // the phantoms
  return construct(name, {
    kind: "map",
    ...vertex(options),
    ...queued(options),
    // erasure: the engine calls these with the values of exactly these needs, and with the items of `over`
    over: options.over as MapDefinition["over"],
    each: Object.freeze(each) as MapDefinition["each"],
    concurrency:
      options.concurrency === undefined || options.concurrency === "unbounded" ? Infinity : options.concurrency,
    onItemFailure: options.onItemFailure ?? "fail",
    onFailure: options.onFailure ?? "fail"
  }) as never
}
