/**
 * For how long a lease is proven held, by the clock of who holds it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { LeaseLost } from "../../model/LeaseError.js"
import type { LeaseStore } from "../../store/LeaseStore.js"

/** By two clocks: one may be set, and the other may stand still while the machine sleeps. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

export const moment: Effect.Effect<Moment> = Effect.map(Effect.clock, (clock) => ({
  wall: clock.unsafeCurrentTimeMillis(),
  monotonic: Number(clock.unsafeCurrentTimeNanos()) / 1e6
}))

/** Milliseconds since then: those of the clock by which they are more. */
export const since = (then: Moment): Effect.Effect<number> =>
  Effect.map(moment, (now) => Math.max(now.wall - then.wall, now.monotonic - then.monotonic))

/**
 * - `confirmed`: when the last request was sent that the store said yes to: the lease is there for `ttl` from then on, or
 *   longer, whatever the answer took
 * - `lost`: that it is not there any more, once that is known
 */
export interface Proof {
  readonly resource: string
  readonly holder: string
  readonly token: number
  readonly ttl: number
  /** Milliseconds of `ttl` that are not used: the clocks of the store and of this process may not run equally fast. */
  readonly margin: number
  readonly confirmed: Ref.Ref<Moment>
  readonly lost: Ref.Ref<Option.Option<LeaseLost>>
}

/** Milliseconds for which the lease is still there, as far as can be proven; 0 or less when it cannot. */
export const remaining = ({ confirmed, margin, ttl }: Proof): Effect.Effect<number> =>
  Effect.map(Effect.flatMap(Ref.get(confirmed), since), (elapsed) => ttl - margin - elapsed)

const lose = ({ lost, resource, token }: Proof, reason: LeaseLost["reason"], cause?: unknown) =>
  Ref.updateAndGet(
    lost,
    Option.orElseSome(() => new LeaseLost({ resource, token, reason, ...(cause === undefined ? {} : { cause }) }))
  ).pipe(Effect.map(Option.getOrThrow))

/** That it was lost, if it was: also when nobody has noticed yet. */
export const verdict = (proof: Proof): Effect.Effect<Option.Option<LeaseLost>> =>
  Effect.flatMap(Ref.get(proof.lost), (lost) =>
    Option.isSome(lost)
      ? Effect.succeed(lost)
      : Effect.flatMap(remaining(proof), (millis) =>
          millis > 0 ? Effect.succeedNone : Effect.asSome(lose(proof, "unproven"))
        )
  )

/** Whether the store says that it is there for `ttl` from when it was asked. */
export const renew = (store: typeof LeaseStore.Service, proof: Proof) =>
  Effect.gen(function* () {
    const sent = yield* moment
    const { holder, resource, token, ttl } = proof
    const renewed = yield* store.renew({ resource, holder, token, ttl })
    if (renewed) yield* Ref.set(proof.confirmed, sent)
    else yield* lose(proof, "taken")
    return renewed
  })

/**
 * Renews the lease three times in each `ttl`, and more often while the store fails. Ends when it is lost: at once when the
 * store says so; when the store fails or does not answer, at the end of the time for which it is proven.
 */
export const keep = (store: typeof LeaseStore.Service, proof: Proof): Effect.Effect<LeaseLost> =>
  Effect.gen(function* () {
    const { ttl } = proof
    let pause = ttl / 3
    let cause: unknown
    for (;;) {
      yield* Effect.sleep(Math.min(pause, Math.max(0, yield* remaining(proof))))
      const left = yield* remaining(proof)
      if (left <= 0) return yield* lose(proof, "unproven", cause)
      // one that does not answer may be cut short only where it is by itself
      const renewed = yield* renew(store, proof).pipe(Effect.disconnect, Effect.timeout(left / 2), Effect.exit)
      if (renewed._tag === "Success") {
        if (!renewed.value) return yield* lose(proof, "taken")
        const elapsed = yield* Effect.flatMap(Ref.get(proof.confirmed), since)
        pause = Math.max(0, ttl / 3 - elapsed)
        cause = undefined
      } else {
        pause = ttl / 12
        cause = Cause.squash(renewed.cause)
      }
    }
  })
