/**
 * The port behind which leases are kept: who may use a resource now, and the number that proves it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { StoreError } from "../model/StoreError.js"

/**
 * Who holds a resource.
 *
 * - `token`: the fencing token: a positive whole number that is larger than that of every other holder the resource has
 *   had before
 * - `remaining`: how long the lease still lasts, in milliseconds by the clock of the store; more than 0
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseRow {
  readonly resource: string
  readonly holder: string
  readonly token: number
  readonly remaining: number
}

/**
 * - `Acquired`: the caller holds the resource
 * - `Held`: somebody else does, or (then `lease` is none) others have waited longer for it
 *
 * @since 0.1.0
 * @category models
 */
export type Acquired =
  | { readonly _tag: "Acquired"; readonly lease: LeaseRow }
  | { readonly _tag: "Held"; readonly lease: Option.Option<LeaseRow> }

/**
 * Resources and holders are texts as the keys of a `StateStore` are: not empty, well-formed, at most `maxKeyBytes` bytes
 * of UTF-8. Times are milliseconds: a `ttl` is more than 0 and at most `maxTtl`; a store may round it up to a whole one.
 * `token` and `above` are whole numbers of at least 0, `above` at most `maxAbove`. Any other input fails with a
 * `StoreError` (`failed`) that names it, and nothing has changed.
 *
 * The time is that of the store: of the database's clock where it has one, else of the `Clock` of who calls. A lease, or
 * a place in line, that was given for `ttl` at the time t is there before t + `ttl`, and from then on it is not, for any
 * of the methods.
 *
 * The row of a resource that was held once stays when nobody holds it any more, since its token is remembered, unless it
 * is released with `forget`.
 *
 * Each method is atomic: on every backend it is one statement, script or transaction.
 *
 * **Interruption**: a method that was interrupted has taken place or not; nothing is left in between.
 *
 * @since 0.1.0
 * @category services
 */
export class LeaseStore extends Context.Tag("heddle/store/LeaseStore")<
  LeaseStore,
  {
    /**
     * Makes `holder` the holder of a resource that nobody holds, for `ttl` from now on, with a token that is larger than
     * all that the resource has had, and than `above` (0).
     *
     * A holder that has the resource keeps its token, as does one that was the last to have it and did not release it;
     * only a token that is not larger than `above` is replaced by a new one.
     *
     * Nobody is passed over: while others wait in line before `holder`, and all who wait come before one who does not, a
     * resource that nobody holds is `Held`. Who holds it is not held up by them. Who acquires it waits no longer.
     */
    readonly acquire: (request: {
      readonly resource: string
      readonly holder: string
      readonly ttl: number
      readonly above?: number | undefined
    }) => Effect.Effect<Acquired, StoreError>

    /**
     * The lease lasts for `ttl` from now on, be that longer or shorter than before. Whether it was the caller's, who holds
     * it with this very token: else nothing has changed. One that has expired is nobody's.
     */
    readonly renew: (request: {
      readonly resource: string
      readonly holder: string
      readonly token: number
      readonly ttl: number
    }) => Effect.Effect<boolean, StoreError>

    /**
     * The resource is free at once. Whether it was the caller's, as with `renew`: else nothing has changed. With `forget`
     * the store remembers its token no longer, and counts from `above` again: for who keeps the last token elsewhere, and
     * has more resources than should leave a row each.
     */
    readonly release: (request: {
      readonly resource: string
      readonly holder: string
      readonly token: number
      readonly forget?: boolean | undefined
    }) => Effect.Effect<boolean, StoreError>

    /** Who holds the resource now. */
    readonly get: (resource: string) => Effect.Effect<Option.Option<LeaseRow>, StoreError>

    /**
     * Waits in line for `ttl` from now on. Gives a ticket, a positive whole number: the one that `holder` has when it
     * waits already, else one that is larger than those of all who do. Who has a smaller ticket comes before. Whoever
     * waits calls this again before its time is over; who does not has lost its place, and gets a new one.
     */
    readonly enqueue: (request: {
      readonly resource: string
      readonly holder: string
      readonly ttl: number
    }) => Effect.Effect<number, StoreError>

    /** Waits no longer; nothing when it does not wait. */
    readonly dequeue: (request: {
      readonly resource: string
      readonly holder: string
    }) => Effect.Effect<void, StoreError>
  }
>() {}

/**
 * The longest time to live, in milliseconds: more than 30 years, and what every backend can add to a time.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxTtl = 1_000_000_000_000

/**
 * The largest `above`: a token, which is larger, is still a number that is exact.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxAbove = Number.MAX_SAFE_INTEGER - 1
