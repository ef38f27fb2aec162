/**
 * Who may use a resource now: in this process and in all that use the same `LeaseStore`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { LeaseReentered, type LeaseLost, type LeaseTimedOut } from "../model/LeaseError.js"
import type { StoreError } from "../model/StoreError.js"
import { LeaseStore, type LeaseRow } from "../store/LeaseStore.js"
import * as LeaseHolding from "./internal/LeaseHolding.js"
import * as LeaseProof from "./internal/LeaseProof.js"

export { LeaseLost, LeaseReentered, LeaseTimedOut } from "../model/LeaseError.js"
export type { Held } from "./internal/LeaseHolding.js"

/**
 * A lease that an effect runs under.
 *
 * - `token`: the fencing token, larger than that of every holder before
 * - `isHeld`: whether it is still proven held
 * - `outer`: the lease around it
 *
 * @since 0.1.0
 * @category models
 */
export interface Current {
  readonly resource: string
  readonly holder: string
  readonly token: number
  readonly isHeld: Effect.Effect<boolean>
  readonly outer: Option.Option<Current>
}

/**
 * - `ttl`: for how long the resource stays held when nobody renews or releases it: how long others wait after a crash
 * - `waitAtMost`: how long to wait for the resource, none at all with 0; as long as it takes when it is left out
 *
 * @since 0.1.0
 * @category options
 */
export interface AcquireOptions {
  readonly ttl: Duration.DurationInput
  readonly waitAtMost?: Duration.DurationInput | undefined
}

/**
 * The lease that the present effect runs under.
 *
 * @since 0.1.0
 * @category services
 */
export class CurrentLease extends Context.Tag("heddle/state/Lease/CurrentLease")<CurrentLease, Current>() {}

/**
 * Leases. Each call has a holder of its own, so that two fibers of a process exclude each other as two processes do.
 *
 * @since 0.1.0
 * @category services
 */
export class Lease extends Context.Tag("heddle/state/Lease")<
  Lease,
  {
    /**
     * The resource, if it is free and nobody waits for it; until the scope closes, or for `ttl`.
     *
     * **Interruption**: it is released, if it was acquired.
     */
    readonly tryAcquire: (
      resource: string,
      options: Pick<AcquireOptions, "ttl">
    ) => Effect.Effect<Option.Option<LeaseHolding.Held>, StoreError, Scope.Scope>

    /**
     * Waits in line for the resource; who came first has it first, across processes. It is held until the scope closes,
     * or for `ttl`.
     *
     * **Interruption**: leaves the line, and releases the resource if it was acquired.
     */
    readonly acquire: (
      resource: string,
      options: AcquireOptions
    ) => Effect.Effect<LeaseHolding.Held, StoreError | LeaseTimedOut | LeaseReentered, Scope.Scope>

    /** Runs an effect under a lease: see the function `withLease`. */
    readonly withLease: (
      resource: string,
      options: Duration.DurationInput | AcquireOptions
    ) => <A, E, R>(
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | StoreError | LeaseLost | LeaseTimedOut | LeaseReentered, Exclude<R, CurrentLease>>

    /** Who holds the resource now. By the time that it is looked at it may be somebody else. */
    readonly holder: (resource: string) => Effect.Effect<Option.Option<LeaseRow>, StoreError>
  }
>() {}

/**
 * - `owner`: how this process is called in the store: the beginning of its holders; a random name when it is undefined or
 *   empty
 * - `margin`: the part of each `ttl`, more than 0 and less than 1, before whose end what runs under a lease that could not
 *   be renewed is interrupted: time for that, and for clocks that do not run equally fast
 * - `poll`: the longest pause between two questions of who waits and is the first in line
 * - `place`: how long the place in line of who has vanished holds the others up
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly owner: string | undefined
  readonly margin: number
  readonly poll: Duration.DurationInput
  readonly place: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { owner: undefined, margin: 0.1, poll: "500 millis", place: "5 seconds" }

const randomName = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 31), Random.nextIntBetween(0, 2 ** 31)]),
  (parts) => parts.map((part) => part.toString(36)).join("")
)

const make = Effect.fnUntraced(function* (options: Options) {
  const { margin } = options
  const [poll, place] = [Duration.toMillis(options.poll), Duration.toMillis(options.place)]
  if (!(margin > 0 && margin < 1) || !(poll > 0) || !(place > 0)) {
    return yield* Effect.dieMessage(
      `Lease.layer: margin is more than 0 and less than 1, poll and place are more than 0, not ${margin}, ${poll} ms, ${place} ms`
    )
  }
  const store = yield* LeaseStore
  // an owner may come twice, as after a restart, and whoever has the same holder has the same lease
  const name = `${options.owner || "heddle"}/${yield* randomName}-`
  const { letGo, obtain } = yield* LeaseHolding.make(store, { name, margin, poll, place })

  /** The lease that the caller runs under, which is not one of this resource. */
  const outside = (resource: string) =>
    Effect.flatMap(
      Effect.serviceOption(CurrentLease),
      (current): Effect.Effect<Option.Option<Current>, LeaseReentered> => {
        for (let lease = current; Option.isSome(lease); lease = lease.value.outer) {
          const { holder, token } = lease.value
          if (lease.value.resource === resource && holder.startsWith(name)) {
            return new LeaseReentered({ resource, token })
          }
        }
        return Effect.succeed(current)
      }
    )

  const obtainScoped = (resource: string, ttl: Duration.DurationInput, waitAtMost: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const acquired = yield* obtain(resource, Duration.toMillis(ttl), waitAtMost, restore)
        yield* Effect.addFinalizer(() => letGo(acquired))
        return acquired.held
      })
    )

  const toWait = (waitAtMost: Duration.DurationInput | undefined) =>
    waitAtMost === undefined ? Infinity : Duration.toMillis(waitAtMost)

  return Lease.of({
    tryAcquire: (resource, { ttl }) =>
      obtainScoped(resource, ttl, 0).pipe(
        Effect.asSome,
        Effect.catchTag("LeaseTimedOut", () => Effect.succeedNone)
      ),

    acquire: (resource, { ttl, waitAtMost }) =>
      Effect.zipRight(outside(resource), obtainScoped(resource, ttl, toWait(waitAtMost))),

    withLease: (resource, options) => {
      const { ttl, waitAtMost } = isAcquireOptions(options) ? options : { ttl: options, waitAtMost: undefined }
      return <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const outer = yield* outside(resource)
            const acquired = yield* obtain(resource, Duration.toMillis(ttl), toWait(waitAtMost), restore)
            const { held, proof } = acquired
            const current = { resource, holder: held.holder, token: held.token, isHeld: held.isHeld, outer }
            const body = yield* effect.pipe(
              Effect.provideService(CurrentLease, current),
              Effect.interruptible,
              Effect.fork
            )
            // not a child, which would end as soon as this fiber is interrupted: the body may have long to go
            const keeping = yield* LeaseProof.keep(store, proof).pipe(
              Effect.zipRight(Fiber.interruptFork(body)),
              Effect.interruptible,
              Effect.forkDaemon
            )
            const waited = yield* Effect.exit(restore(Fiber.await(body)))
            // what runs is the caller's until it has ended, whoever has ended it
            const ended = Exit.isSuccess(waited) ? waited.value : yield* Fiber.interrupt(body)
            yield* Fiber.interrupt(keeping)
            const lost = yield* LeaseProof.verdict(proof)
            yield* letGo(acquired)
            if (Exit.isFailure(waited)) {
              return yield* Effect.failCause(
                Exit.isFailure(ended) ? Cause.sequential(waited.cause, ended.cause) : waited.cause
              )
            }
            if (Option.isSome(lost)) {
              const others = Exit.isFailure(ended) ? Cause.filter(ended.cause, isNotInterrupt) : Cause.empty
              return yield* Effect.failCause(
                Cause.isEmpty(others) ? Cause.fail(lost.value) : Cause.sequential(Cause.fail(lost.value), others)
              )
            }
            yield* Fiber.inheritAll(body)
            return yield* ended
          })
        )
    },

    holder: (resource) => store.get(resource)
  })
})

const isNotInterrupt = <E>(cause: Cause.Cause<E>): boolean => !Cause.isInterruptType(cause)

const isAcquireOptions = (options: Duration.DurationInput | AcquireOptions): options is AcquireOptions =>
  Predicate.hasProperty(options, "ttl")

/**
 * Leases over a `LeaseStore`: whoever shares that excludes one another.
 *
 * @example
 * ```ts
 * import { Lease } from "heddle"
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import { Layer } from "effect"
 *
 * const LeaseLive = Lease.layer({ owner: "worker-1" }).pipe(
 *   Layer.provide(LeaseStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<Lease, never, LeaseStore> =>
  Layer.effect(Lease, make({ ...defaults, ...options }))

/**
 * Runs an effect while it holds the resource. It waits in line for it, renews it three times in each `ttl`, and releases
 * it when the effect has ended, whatever way. A release that fails is only logged: then the `ttl` frees it.
 *
 * The effect is interrupted as soon as the lease can no longer be proven held: at once when the store says that it is not,
 * and before the `ttl` is over, counted from when the last request was sent that the store said yes to, when the store
 * fails or does not answer. Then this fails with `LeaseLost`, once the effect has ended, finalizers included; what else the
 * effect has failed with follows in the cause. An effect that cannot be interrupted, or that ends after the lease was lost
 * and before anybody has noticed, comes to its end, and this fails with `LeaseLost` all the same: nobody can say that it
 * was alone.
 *
 * A process that stands still (a debugger, a paused virtual machine) notices only when it goes on: until its next
 * asynchronous step it may act on what is not its own any more. No lease can prevent that. What can is the fencing token
 * (`token`): give it with each write, and let what is written refuse a token that is lower than one it has seen.
 *
 * Inside of the effect the same resource is refused with `LeaseReentered`: it would wait for itself. The effect is
 * interruptible for this also where the caller is not.
 *
 * **Interruption**: interrupts the effect, waits until it has ended, and releases the resource; while it still waits for
 * the resource, it leaves the line.
 *
 * @example
 * ```ts
 * import { Lease } from "heddle"
 * import { Effect } from "effect"
 *
 * declare const writeReport: (token: number) => Effect.Effect<void>
 *
 * // of all processes, one at a time
 * const report = Effect.flatMap(Lease.token, writeReport).pipe(Lease.withLease("report", "30 seconds"))
 *
 * // or not at all, when somebody else is at it
 * const ifNobodyElse = report.pipe(Effect.catchTag("LeaseTimedOut", () => Effect.void))
 * const once = Effect.log("at it").pipe(Lease.withLease("report", { ttl: "30 seconds", waitAtMost: 0 }))
 * ```
 *
 * @since 0.1.0
 * @category leases
 */
export const withLease =
  (resource: string, options: Duration.DurationInput | AcquireOptions) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StoreError | LeaseLost | LeaseTimedOut | LeaseReentered, Exclude<R, CurrentLease> | Lease> =>
    Effect.flatMap(Lease, (lease) => lease.withLease(resource, options)(effect))

/**
 * `Lease.tryAcquire` of the service: the resource, if it is free and nobody waits for it, until the scope closes or for
 * `ttl`.
 *
 * **Interruption**: it is released, if it was acquired.
 *
 * @since 0.1.0
 * @category leases
 */
export const tryAcquire = (
  resource: string,
  options: Pick<AcquireOptions, "ttl">
): Effect.Effect<Option.Option<LeaseHolding.Held>, StoreError, Lease | Scope.Scope> =>
  Effect.flatMap(Lease, (lease) => lease.tryAcquire(resource, options))

/**
 * `Lease.acquire` of the service: waits in line for the resource, which is held until the scope closes or for `ttl`.
 *
 * **Interruption**: leaves the line, and releases the resource if it was acquired.
 *
 * @since 0.1.0
 * @category leases
 */
export const acquire = (
  resource: string,
  options: AcquireOptions
): Effect.Effect<LeaseHolding.Held, StoreError | LeaseTimedOut | LeaseReentered, Lease | Scope.Scope> =>
  Effect.flatMap(Lease, (lease) => lease.acquire(resource, options))

/**
 * Who holds the resource now, for people and logs: by the time that it is looked at it may be somebody else.
 *
 * @since 0.1.0
 * @category leases
 */
export const holder = (resource: string): Effect.Effect<Option.Option<LeaseRow>, StoreError, Lease> =>
  Effect.flatMap(Lease, (lease) => lease.holder(resource))

/**
 * The fencing token of the lease that this runs under: larger than that of every holder before.
 *
 * @since 0.1.0
 * @category leases
 */
export const token: Effect.Effect<number, never, CurrentLease> = Effect.map(CurrentLease, ({ token }) => token)

/**
 * Whether the lease that this runs under is still proven held: for effects that cannot be interrupted, and that should
 * end when it was lost.
 *
 * @since 0.1.0
 * @category leases
 */
export const isHeld: Effect.Effect<boolean, never, CurrentLease> = Effect.flatMap(CurrentLease, ({ isHeld }) => isHeld)
