/**
 * Getting a resource, and letting go of it, whatever happens meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { LeaseTimedOut, type LeaseLost } from "../../model/LeaseError.js"
import type { StoreError } from "../../model/StoreError.js"
import type { LeaseRow, LeaseStore } from "../../store/LeaseStore.js"
import * as LeaseLine from "./LeaseLine.js"
import * as LeaseProof from "./LeaseProof.js"

/**
 * A resource that was acquired. Nobody renews it but `renew`: that is for who keeps time themselves; see `withLease`.
 *
 * - `token`: the fencing token, larger than that of every holder before
 * - `isHeld`: whether the lease is still proven held, and was not released
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  readonly resource: string
  readonly holder: string
  readonly token: number
  readonly isHeld: Effect.Effect<boolean>
  /** It lasts for `ttl` from now on. False: it was lost, and nothing has changed. */
  readonly renew: Effect.Effect<boolean, StoreError>
  /** It is free at once. False: it was lost, or released, before. */
  readonly release: Effect.Effect<boolean, StoreError>
}

export interface Holding {
  readonly held: Held
  readonly proof: LeaseProof.Proof
  readonly released: Ref.Ref<boolean>
}

/** How long who gives up waits until the store has heard of it; then it goes on in the background. */
const farewell = "1 second"

const logged = Effect.annotateLogs({ package: "heddle", module: "Lease" })

/** `name`: how the holders begin, that of no other process does. */
export const make = (
  store: typeof LeaseStore.Service,
  options: { readonly name: string; readonly margin: number; readonly poll: number; readonly place: number }
) =>
  Effect.gen(function* () {
    const line = yield* LeaseLine.make(store, options)
    const count = yield* Ref.make(0)

    const holding = (request: LeaseLine.Request, token: number, sent: LeaseProof.Moment) =>
      Effect.gen(function* () {
        const { holder, resource, ttl } = request
        const released = yield* Ref.make(false)
        const proof: LeaseProof.Proof = {
          ...request,
          token,
          margin: ttl * options.margin,
          confirmed: yield* Ref.make(sent),
          lost: yield* Ref.make(Option.none<LeaseLost>())
        }
        const release = store.release({ resource, holder, token }).pipe(
          Effect.tap(Ref.set(released, true)),
          // also when it has failed: who asks finds out
          Effect.ensuring(line.notify(resource))
        )
        const held: Held = {
          resource,
          holder,
          token,
          isHeld: Effect.zipWith(
            Ref.get(released),
            LeaseProof.verdict(proof),
            (released, lost) => !released && Option.isNone(lost)
          ),
          renew: LeaseProof.renew(store, proof),
          release
        }
        return { held, proof, released } satisfies Holding
      })

    /** What it can do while the lease may be there; then its time has run out. Never fails. */
    const letGo = ({ held, proof, released }: Holding): Effect.Effect<void> =>
      Effect.gen(function* () {
        const left = (yield* LeaseProof.remaining(proof)) + proof.margin
        if (left <= 0 || (yield* Ref.get(released))) return
        yield* Effect.timeout(Effect.interruptible(Effect.disconnect(held.release)), left)
      }).pipe(
        Effect.catchAllCause((cause) =>
          Effect.logWarning(`the lease of "${proof.resource}" could not be released: its time has to run out`, cause)
        ),
        logged
      )

    /** Leaves nothing of who has given up: neither a place in line nor the resource, which it may have by now. */
    const abandon = (request: LeaseLine.Request): Effect.Effect<void> =>
      Effect.gen(function* () {
        yield* store.dequeue({ resource: request.resource, holder: request.holder })
        const present = yield* store.get(request.resource)
        if (Option.isNone(present) || present.value.holder !== request.holder) return
        const { holder, resource, token } = present.value
        yield* store.release({ resource, holder, token })
      }).pipe(
        Effect.ensuring(line.notify(request.resource)),
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeout(farewell),
        Effect.catchAllCause((cause) =>
          Effect.logDebug(`who has given up "${request.resource}" may be in line for it for a while`, cause)
        ),
        logged
      )

    /** Runs in an uninterruptible region, of which `restore` is the way out. `waitAtMost`: milliseconds. */
    const obtain = (
      resource: string,
      ttl: number,
      waitAtMost: number,
      restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
    ): Effect.Effect<Holding, StoreError | LeaseTimedOut> =>
      Effect.gen(function* () {
        const n = yield* Ref.updateAndGet(count, (n) => n + 1)
        const request = { resource, holder: `${options.name}${n}`, ttl }
        const by = yield* Ref.make(Option.none<LeaseRow>())
        const onHeld = (lease: Option.Option<LeaseRow>) => Ref.set(by, lease)

        const asking = Effect.gen(function* () {
          const answer = yield* line.ask(request)
          if (answer._tag === "Acquired") return Option.some(answer)
          yield* onHeld(answer.lease)
          if (waitAtMost === 0) return Option.none()
          const waiting = line.wait(request, onHeld)
          if (waitAtMost === Infinity) return Option.some(yield* waiting)
          return yield* Effect.timeoutOption(Effect.interruptible(waiting), waitAtMost)
        })

        const answered = yield* Effect.exit(restore(asking))
        if (Exit.isSuccess(answered) && Option.isSome(answered.value)) {
          const { lease, sent } = answered.value.value
          return yield* holding(request, lease.token, sent)
        }
        if (waitAtMost > 0 || Exit.isFailure(answered)) yield* abandon(request)
        if (Exit.isFailure(answered)) return yield* Effect.failCause(answered.cause)
        const holder = Option.getOrUndefined(Option.map(yield* Ref.get(by), ({ holder }) => holder))
        return yield* new LeaseTimedOut({ resource, waited: waitAtMost, holder })
      })

    return { letGo, obtain }
  })
