/** A store of leases that a test takes the place of, and leases of several processes over it. */
import { Context, Effect, Layer } from "effect"
import { Lease, StoreError } from "heddle"
import { LeaseStore } from "heddle/store/LeaseStore"
import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"

type Store = typeof LeaseStore.Service

/** What the methods do instead; undefined: what the store does. */
export interface Control {
  acquire?: ((store: Store) => Store["acquire"]) | undefined
  renew?: ((store: Store) => Store["renew"]) | undefined
  release?: ((store: Store) => Store["release"]) | undefined
  enqueue?: ((store: Store) => Store["enqueue"]) | undefined
  /** What was called, in its order. */
  readonly calls: Array<string>
}

export class Controlled extends Context.Tag("test/state/Leases/Controlled")<Controlled, Control>() {}

export const broken = (reason: StoreError["reason"], operation = "renew") =>
  new StoreError({ reason, location: "test", operation, message: `test: ${reason}` })

export const layer: Layer.Layer<LeaseStore | Controlled> = Layer.effectContext(
  Effect.map(LeaseStore, (store) => {
    const control: Control = { calls: [] }
    const called = <A>(name: string, effect: Effect.Effect<A, StoreError>) =>
      Effect.suspend(() => {
        control.calls.push(name)
        return effect
      })
    return Context.make(Controlled, control).pipe(
      Context.add(LeaseStore, {
        acquire: (request) =>
          called(
            "acquire",
            Effect.suspend(() => (control.acquire?.(store) ?? store.acquire)(request))
          ),
        renew: (request) =>
          called(
            "renew",
            Effect.suspend(() => (control.renew?.(store) ?? store.renew)(request))
          ),
        release: (request) =>
          called(
            "release",
            Effect.suspend(() => (control.release?.(store) ?? store.release)(request))
          ),
        get: (resource) => called("get", store.get(resource)),
        enqueue: (request) =>
          called(
            "enqueue",
            Effect.suspend(() => (control.enqueue?.(store) ?? store.enqueue)(request))
          ),
        dequeue: (request) => called("dequeue", store.dequeue(request))
      })
    )
  })
).pipe(Layer.provide(LeaseStoreMemory.layer()))

/** The leases of a process of its own over the test's store; they end with the test. */
export const process = (owner: string, options: Partial<Lease.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(Lease.layer({ owner, ...options }))), Context.get(Lease.Lease))
