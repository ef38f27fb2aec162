/**
 * Who may drive a run, as the `RunStore` tells it by itself: by its epoch and the time of the last heartbeat.
 */
import * as Effect from "effect/Effect"
import type { RunId } from "../../model/RunId.js"
import type { StoreError } from "../../model/StoreError.js"
import type * as RunStore from "../../store/RunStore.js"
import type { Claim } from "../Update.js"

type Store = typeof RunStore.RunStore.Service

/** `retryAfter`: milliseconds after which it may be had. */
export type Claimed =
  | Exclude<RunStore.Claim, { readonly _tag: "Held" }>
  | { readonly _tag: "Held"; readonly owner: string; readonly retryAfter: number }

export interface RunClaims {
  readonly open: (
    run: Omit<Parameters<Store["open"]>[0], "epoch">
  ) => Effect.Effect<
    { readonly _tag: "Created"; readonly epoch: number } | Extract<RunStore.Opened, { readonly _tag: "Exists" }>,
    StoreError
  >

  readonly claim: (
    request: Omit<Parameters<Store["claim"]>[0], "expiredBefore" | "token">
  ) => Effect.Effect<Claimed, StoreError>

  /** Confirms claims, and gives those that were lost. */
  readonly heartbeat: (claims: ReadonlyArray<Claim>, now: number) => Effect.Effect<ReadonlyArray<RunId>, StoreError>

  readonly release: (claim: Claim, failed: boolean) => Effect.Effect<void, StoreError>

  /** The claim is confirmed no longer. */
  readonly forget: (claim: Claim) => Effect.Effect<void>
}

export const make = (store: Store, expiry: number): RunClaims => ({
  open: (run) =>
    Effect.map(store.open(run), (opened) =>
      opened._tag === "Created" ? { _tag: "Created" as const, epoch: 1 } : opened
    ),

  claim: (request) =>
    Effect.map(store.claim({ ...request, expiredBefore: request.now - expiry }), (claimed) =>
      claimed._tag === "Held"
        ? {
            _tag: "Held",
            owner: claimed.run.owner,
            retryAfter: Math.max(0, claimed.run.heartbeatAt + expiry - request.now + 1)
          }
        : claimed
    ),

  heartbeat: (claims, now) => store.heartbeat(claims, now),
  release: ({ epoch, runId }, failed) => store.release({ runId, epoch, failed }),
  forget: () => Effect.void
})
