/**
 * Keeps leases in memory: for tests, and between the fibers of one process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { StoreError } from "../model/StoreError.js"
import * as LeaseRequest from "./internal/LeaseRequest.js"
import * as MemoryLeases from "./internal/MemoryLeases.js"
import { LeaseStore } from "./LeaseStore.js"

const location = ":memory:"

/**
 * A store that is empty when it is built and gone with its scope. Its time is the `Clock` of who calls.
 *
 * Two calls of `layer` are two stores, also in one application.
 *
 * @example
 * ```ts
 * import { LeaseStore } from "heddle/store/LeaseStore"
 * import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* LeaseStore
 *   const acquired = yield* store.acquire({ resource: "printer", holder: "worker-1", ttl: 30_000 })
 *   return acquired._tag === "Acquired" ? acquired.lease.token : undefined
 * }).pipe(Effect.provide(LeaseStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (): Layer.Layer<LeaseStore> =>
  Layer.effect(
    LeaseStore,
    Effect.map(Ref.make(MemoryLeases.empty), (ref) => {
      // The time is that of the change itself: read before it, an expired lease could still be taken for one that is held.
      const access = <A>(
        operation: string,
        request: LeaseRequest.LeaseRequest,
        f: (leases: MemoryLeases.Leases, now: number) => readonly [A, MemoryLeases.Leases]
      ): Effect.Effect<A, StoreError> =>
        Effect.zipRight(
          LeaseRequest.check(location, operation, request),
          Effect.clockWith((clock) => Ref.modify(ref, (leases) => f(leases, clock.unsafeCurrentTimeMillis())))
        )

      return LeaseStore.of({
        acquire: (request) => access("acquire", request, (leases, now) => MemoryLeases.acquire(leases, request, now)),

        renew: (request) => access("renew", request, (leases, now) => MemoryLeases.renew(leases, request, now)),

        release: (request) => access("release", request, (leases, now) => MemoryLeases.release(leases, request, now)),

        get: (resource) =>
          access("get", { resource }, (leases, now) => [MemoryLeases.get(leases, resource, now), leases]),

        enqueue: (request) => access("enqueue", request, (leases, now) => MemoryLeases.enqueue(leases, request, now)),

        dequeue: (request) =>
          access("dequeue", request, (leases, now) => [undefined, MemoryLeases.dequeue(leases, request, now)])
      })
    })
  )
