/** A store in memory of which a test replaces methods, and engines over it. */
import { Context, Duration, Effect, Layer } from "effect"
import { Heddle, RunStore, StoreError, type Dag } from "heddle"
import * as RunStoreMemory from "heddle/store/RunStoreMemory"

export type Store = typeof RunStore.RunStore.Service

/** A store that outlives the engines over it. */
export const memory = Effect.map(Layer.build(RunStoreMemory.layer()), (context) =>
  Context.get(context, RunStore.RunStore)
)

/** As the engines of Harness, over this store. */
export const engineOver = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  store: Store,
  { engine, ...options }: Heddle.Options<D> = {}
) =>
  Layer.fresh(
    Heddle.layer<D>({
      lease: { heartbeat: Duration.infinity, expiry: Duration.infinity },
      ...options,
      engine: { poll: Duration.infinity, ...engine }
    })
  ).pipe(Layer.provide(Layer.succeed(RunStore.RunStore, store)))

export const down = new StoreError({ reason: "failed", location: "here", operation: "test", message: "down" })
