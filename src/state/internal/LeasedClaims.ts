/**
 * Who may drive a run, as a `LeaseStore` tells it: whoever has the lease "run/<id>". Its token is the epoch of the run, so
 * that the `RunStore` refuses what a former holder writes, wherever the lease is kept.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { RunId } from "../../model/RunId.js"
import { StoreError } from "../../model/StoreError.js"
import { isEnded, isResumable } from "../../model/Transition.js"
import type { LeaseRow, LeaseStore } from "../../store/LeaseStore.js"
import type { RunStore } from "../../store/RunStore.js"
import type { Claim } from "../Update.js"
import { moment, since, type Moment } from "./LeaseProof.js"
import type { Claimed, RunClaims } from "./RunClaims.js"

interface Lease {
  readonly resource: string
  readonly holder: string
  readonly token: number
  /** When the last request was sent that the store said yes to. */
  readonly confirmed: Moment
}

/** While somebody else begins a run, there is neither the run nor its lease. */
const pause = 50

/** The part of the expiry that is not used: clocks may not run equally fast. */
const margin = 0.1

/** Renewals at a time. */
const concurrency = 32

const resourceOf = (runId: RunId) => `run/${runId}`

/** `name`: how the holders begin, that of no other process does; `owner`: what comes before it. */
export const make = (
  store: typeof RunStore.Service,
  leases: typeof LeaseStore.Service,
  {
    expiry,
    heartbeat,
    name,
    owner
  }: { readonly owner: string; readonly name: string; readonly expiry: number; readonly heartbeat: number }
): Effect.Effect<RunClaims> =>
  Effect.gen(function* () {
    const held = yield* Ref.make(HashMap.empty<RunId, Lease>())
    const count = yield* Ref.make(0)

    /** Each claim has a holder of its own: a process does not take a run from itself. */
    const acquire = (runId: RunId, above: number) =>
      Effect.gen(function* () {
        const holder = `${owner}/${name}-${yield* Ref.updateAndGet(count, (n) => n + 1)}`
        const confirmed = yield* moment
        const resource = resourceOf(runId)
        const answer = yield* leases.acquire({ resource, holder, ttl: expiry, above })
        if (answer._tag === "Held") return answer
        const lease: Lease = { resource, holder, token: answer.lease.token, confirmed }
        return { _tag: "Acquired" as const, lease }
      })

    /** The `RunStore` remembers the token, so a run that has ended leaves no row. */
    const letGo = ({ holder, resource, token }: Lease) =>
      leases
        .release({ resource, holder, token, forget: true })
        .pipe(
          Effect.catchAllCause((cause) =>
            Effect.logWarning(`the lease "${resource}" could not be released: its time has to run out`, cause)
          )
        )

    const remember = (runId: RunId, lease: Lease) => Ref.update(held, HashMap.set(runId, lease))

    const leaseOf = ({ epoch, runId }: Claim) =>
      Effect.map(Ref.get(held), (leases) => Option.filter(HashMap.get(leases, runId), ({ token }) => token === epoch))

    const forget = (claim: Claim) =>
      Effect.tap(leaseOf(claim), (lease) =>
        Option.isSome(lease) ? Ref.update(held, HashMap.remove(claim.runId)) : Effect.void
      )

    const open = (run: Parameters<RunClaims["open"]>[0], waited = 0): ReturnType<RunClaims["open"]> =>
      Effect.gen(function* () {
        const answer = yield* acquire(run.runId, 0)
        if (answer._tag === "Held") {
          const stored = yield* store.run(run.runId)
          if (Option.isSome(stored)) return { _tag: "Exists" as const, run: stored.value }
          if (waited > 2 * expiry) {
            return yield* new StoreError({
              reason: "busy",
              location: resourceOf(run.runId),
              operation: "open",
              message: `somebody else holds the lease "${resourceOf(run.runId)}", and there is no such run: try again`
            })
          }
          return yield* Effect.zipRight(Effect.sleep(pause), open(run, waited + pause))
        }
        const { lease } = answer
        const opened = yield* Effect.onError(store.open({ ...run, epoch: lease.token }), () => letGo(lease))
        if (opened._tag === "Exists") {
          yield* letGo(lease)
          return opened
        }
        yield* remember(run.runId, lease)
        return { _tag: "Created" as const, epoch: lease.token }
      })

    const heldBy = (lease: Option.Option<LeaseRow>): Claimed =>
      Option.match(lease, {
        onNone: () => ({ _tag: "Held", owner: "", retryAfter: 0 }),
        onSome: ({ holder, remaining }) => ({
          _tag: "Held",
          owner: holder.slice(0, Math.max(0, holder.lastIndexOf("/"))),
          retryAfter: remaining + 1
        })
      })

    return {
      open: (run) => open(run),

      claim: (request) =>
        Effect.gen(function* () {
          const { runId } = request
          const stored = yield* store.run(runId)
          if (Option.isNone(stored)) return { _tag: "Unknown" as const }
          const { epoch, status } = stored.value
          if (isEnded(status) && !(request.reopen && isResumable(status))) {
            return { _tag: "Finished" as const, run: stored.value }
          }
          const answer = yield* acquire(runId, epoch)
          if (answer._tag === "Held") return heldBy(answer.lease)
          const { lease } = answer
          const { token } = lease
          const claimed = yield* Effect.onError(store.claim({ ...request, expiredBefore: -Infinity, token }), () =>
            letGo(lease)
          )
          if (claimed._tag === "Claimed") {
            yield* remember(runId, lease)
            return claimed
          }
          yield* letGo(lease)
          // somebody was faster, between the look and the lease
          return claimed._tag === "Held" ? { _tag: "Held", owner: claimed.run.owner, retryAfter: 0 } : claimed
        }),

      heartbeat: (claims, now) =>
        Effect.gen(function* () {
          const renewed = yield* Effect.forEach(
            claims,
            (claim) =>
              Effect.gen(function* () {
                const known = yield* leaseOf(claim)
                if (Option.isNone(known)) return { claim, lost: true }
                const { confirmed, holder, resource, token } = known.value
                const sent = yield* moment
                const left = Effect.map(since(confirmed), (elapsed) => expiry * (1 - margin) - elapsed)
                const answer = yield* leases.renew({ resource, holder, token, ttl: expiry }).pipe(
                  Effect.disconnect,
                  Effect.timeout(Math.max(0, (yield* left) / 2)),
                  Effect.tapErrorCause((cause) => Effect.logWarning(`the lease "${resource}" was not renewed`, cause)),
                  Effect.exit
                )
                if (answer._tag === "Failure") {
                  // what will not be proven any more by the next time is lost, before somebody else may have it
                  return { claim, lost: (yield* left) < heartbeat }
                }
                if (answer.value && Option.isSome(yield* leaseOf(claim))) {
                  yield* remember(claim.runId, { ...known.value, confirmed: sent })
                }
                return { claim, lost: !answer.value }
              }),
            { concurrency }
          )
          const lost = renewed.flatMap(({ claim, lost }) => (lost ? [claim.runId] : []))
          const others = renewed.flatMap(({ claim, lost }) => (lost ? [] : [claim]))
          const refused = yield* store
            .heartbeat(others, now)
            .pipe(
              Effect.catchAllCause((cause) =>
                Effect.as(Effect.logWarning("the heartbeat of this process's runs failed", cause), [])
              )
            )
          return [...lost, ...refused]
        }),

      release: (claim, failed) =>
        Effect.flatMap(forget(claim), (lease) =>
          store.release({ runId: claim.runId, epoch: claim.epoch, failed }).pipe(
            // after it: who acquires the lease finds a run that was let go of
            Effect.ensuring(Option.match(lease, { onNone: () => Effect.void, onSome: letGo }))
          )
        ),

      forget
    }
  })
