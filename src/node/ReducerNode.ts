/**
 * Nodes that are state machines: one definition, and as many instances as there are keys.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Node from "../dag/Node.js"
import { NodeStateUnavailable, NodeValueInvalid } from "../model/NodeError.js"
import * as DebugGuard from "../run/DebugGuard.js"
import * as Declaration from "./internal/Declaration.js"
import * as Reducer from "./internal/Reducer.js"
import type { Failure, Instances, IntentOptions, Send, View } from "./Instance.js"
import type { Machine, Tagged } from "./MachineDefinition.js"
import { TransitionFailed, TransitionRefused } from "./MachineError.js"

export type * from "./Instance.js"

/**
 * - `retry`: when an intent that failed is done again. When it ends, the intent stays pending: it is done again by
 *   `recover`, or when the instance is opened the next time. The next intent of the instance waits for that
 * - `capacity`: how many instances stay in memory that nobody uses, where there is a store
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly retry: Schedule.Schedule<unknown>
  readonly capacity: number
}

/**
 * Six attempts in about six seconds, with pauses that double; 1,000 instances.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  retry: Schedule.intersect(Schedule.exponential("200 millis"), Schedule.recurs(5)),
  capacity: 1000
}

/**
 * `intents`: does what an intent asks for, at least once.
 *
 * @since 0.1.0
 * @category options
 */
export interface WithIntents<in I, out R> extends Partial<Options> {
  readonly intents: (intent: I, options: IntentOptions) => Effect.Effect<unknown, unknown, R>
}

/**
 * A reducer node as it is declared: a service, and its Layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Class<
  Self,
  Id extends string,
  in out S extends string,
  in out Ev extends Tagged,
  in out C,
  in out I extends Tagged
>
  extends Context.TagClass<Self, Id, Instances<S, Ev, C, I>>, Node.Node<Self, Send<Ev>, View<S, C>, Failure> {
  readonly key: Id
  readonly machine: Machine<S, Ev, C, I>

  /**
   * The instances. They are in the `StateStore`, if there is one where the Layer is built: then those that nobody uses
   * leave the memory. Without one all stay in memory, and end with the Layer.
   *
   * A machine's id names its instances in a store: two Layers of one machine over one store, also in two processes, have
   * the same instances.
   *
   * Ids of intents are unique among the instances of one store; without a store, among those of one Layer. Where they are
   * idempotency keys of a world that outlives the Layer, a store is needed.
   *
   * Intents of an instance are done one after the other, in the order in which they were emitted, by fibers of the Layer,
   * with the services that are there when it is built. One is acknowledged, and pending no more, when its Effect has
   * succeeded and that is stored. An instance that is opened has its pending intents done, because who emitted them may be
   * gone: where two processes use one instance, both may do one. A failure, once `retry` has ended, is logged.
   *
   * Nobody who is given a context or an intent can change the one that is kept: plain data is frozen, and of what has other
   * parts (a `Date`, a `Set`, instances of classes) everybody is given a copy.
   */
  readonly layer: [I] extends [never]
    ? (options?: Partial<Options>) => Layer.Layer<Self>
    : <R = never>(options: WithIntents<I, R>) => Layer.Layer<Self, never, R>
}

/**
 * Declares a reducer node, of a machine that `Machine.make` made.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import * as Machine from "heddle/node/Machine"
 * import * as ReducerNode from "heddle/node/ReducerNode"
 *
 * const machine = Machine.make({
 *   id: "app/order",
 *   context: Schema.Struct({ cents: Schema.Int }),
 *   events: { Pay: { cents: Schema.Int }, Cancel: {} },
 *   intents: { SendReceipt: { cents: Schema.Int } },
 *   initial: "open",
 *   initialContext: { cents: 0 },
 *   states: {
 *     open: { after: { delay: "3 days", to: "cancelled" } },
 *     paid: { kind: "terminal", entry: [{ emit: ({ cents }) => ({ _tag: "SendReceipt", cents }) }] },
 *     cancelled: { kind: "terminal" }
 *   },
 *   transitions: [
 *     {
 *       from: "open",
 *       on: "Pay",
 *       to: "paid",
 *       guard: { name: "is positive", test: (_, { cents }) => cents > 0 },
 *       actions: [{ update: (_, { cents }) => ({ cents }) }]
 *     },
 *     { from: "*", on: "Cancel", to: "cancelled" }
 *   ]
 * })
 *
 * class Orders extends ReducerNode.Service<Orders>()("app/Orders", { machine }) {}
 *
 * const OrdersLive = Orders.layer({ intents: ({ cents }, { id, key }) => Effect.log(`${id}: ${key} paid ${cents}`) })
 *
 * const program = Effect.gen(function* () {
 *   const orders = yield* Orders
 *   return yield* orders.send("order-42", { _tag: "Pay", cents: 1990 }) // { state: "paid", context: { cents: 1990 }, seq: 1 }
 * }).pipe(Effect.provide(OrdersLive))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Service =
  <Self>() =>
  <const Id extends string, S extends string, Ev extends Tagged, C, I extends Tagged>(
    id: Id,
    { machine }: { readonly machine: Machine<S, Ev, C, I> }
  ): Class<Self, Id, S, Ev, C, I> => {
    const input = Schema.Struct({ key: Schema.NonEmptyString, event: machine.event })
    const node = Declaration.declare<Self, Id, Instances<S, Ev, C, I>, Send<Ev>, View<S, C>, Failure, never>(id, {
      kind: "reducer",
      input,
      output: Schema.Struct({
        // erasure: the keys of this record are the names of type `S`
        state: Schema.Literal(...(Object.keys(machine.states) as Array<S>)),
        context: machine.context,
        seq: Schema.NonNegativeInt
      }),
      error: Schema.Union(TransitionRefused, TransitionFailed, NodeStateUnavailable, NodeValueInvalid),
      version: machine.version
    })
    const layer = <R>(options: Partial<WithIntents<I, R>> = {}): Layer.Layer<Self, never, R> =>
      Layer.scoped(
        node,
        Effect.flatMap(Reducer.make(id, machine, input, { ...defaults, ...options }), (service) =>
          DebugGuard.scoped(id, service, { isShared: true })
        )
      )
    return Object.assign(node, { machine, layer })
  }
