/**
 * Typed values in a `StateStore`: each with the version of its schema, migrated when it is older, left alone when it is
 * newer, and put aside when it can't be read.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { StateStore } from "../store/StateStore.js"
import * as SchemaEntries from "./internal/SchemaEntries.js"
import type { Options, SchemaStore } from "./SchemaState.js"

export { StateContended, StateInvalid, StateNewer, StateQuarantined } from "../model/SchemaStoreError.js"
export type * from "./SchemaState.js"

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: { readonly retry: Schedule.Schedule<unknown> } = {
  retry: Schedule.exponential("1 millis", 1.5).pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(20)))
}

/**
 * Values of one schema in the `StateStore` that is there. A wrong `name` or `version` is a defect.
 *
 * @example
 * ```ts
 * import { SchemaStore } from "heddle"
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { Effect, Option, Schema } from "effect"
 *
 * const Cart = Schema.Struct({ items: Schema.Array(Schema.String), currency: Schema.String })
 *
 * const program = Effect.gen(function* () {
 *   const carts = yield* SchemaStore.make({
 *     name: "carts",
 *     schema: Cart,
 *     version: 2,
 *     // version 1 was a list of items
 *     migrate: (stored) => Effect.succeed({ items: stored, currency: "EUR" })
 *   })
 *   return yield* carts.modify("42", (cart) =>
 *     Effect.succeed({
 *       items: [...Option.match(cart, { onNone: () => [], onSome: ({ items }) => items }), "tea"],
 *       currency: "EUR"
 *     })
 *   )
 * }).pipe(Effect.provide(StateStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A, I, RS = never, E = never, RM = never>(
  options: Options<A, I, RS, E, RM>
): Effect.Effect<SchemaStore<A, E, RS | RM>, never, StateStore> =>
  SchemaEntries.make({ ...options, retry: options.retry ?? defaults.retry })
