/**
 * Who drives a run.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import { RunHeld } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import { RunStore, type Due, type Migration, type Opened, type RunRow, type Seed } from "../store/RunStore.js"
import { LeaseStore } from "../store/LeaseStore.js"
import * as LeasedClaims from "./internal/LeasedClaims.js"
import * as RunClaims from "./internal/RunClaims.js"
import type { Claim } from "./Update.js"

export type { Due, RunRow, Seed } from "../store/RunStore.js"

/**
 * A run that the caller drives. `run` is its row after it was opened or claimed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  readonly claim: Claim
  readonly run: RunRow
}

/**
 * What became of a claim.
 *
 * @since 0.1.0
 * @category models
 */
export type Claimed =
  | { readonly _tag: "Claimed"; readonly held: Held }
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Quarantined"; readonly run: RunRow }

/**
 * The right to drive runs. Whoever holds it confirms it by a heartbeat; when the heartbeat has expired anyone may take
 * the run over, and from then on the store refuses every write of the former driver by its epoch.
 *
 * @since 0.1.0
 * @category services
 */
export class RunLease extends Context.Tag("heddle/state/RunLease")<
  RunLease,
  {
    /**
     * Creates a run and holds it; when the id is taken, gives what is stored under it. `signals` is the JSON of the paths
     * of its signals, `version` that of the flow that the Dag is; with a `seed` it begins with what another run has done.
     *
     * **Interruption**: the run was created and let go of, so that anyone may claim it at once, or was not created.
     */
    readonly open: (run: {
      readonly runId: RunId
      readonly dag: string
      readonly fingerprint: string
      readonly version?: string | null | undefined
      readonly total: number
      readonly input: string
      readonly policy: string
      readonly signals: string
      readonly seed?: Seed | undefined
    }) => Effect.Effect<
      { readonly _tag: "Created"; readonly held: Held } | { readonly _tag: "Exists"; readonly run: RunRow },
      StoreError
    >

    /**
     * Creates a run that nobody drives, so that anyone may claim it at once; its epoch is 0. When the id is taken, gives
     * what is stored under it.
     *
     * **Interruption**: the run was created, or was not.
     */
    readonly submit: (run: {
      readonly runId: RunId
      readonly dag: string
      readonly fingerprint: string
      readonly version?: string | null | undefined
      readonly total: number
      readonly input: string
      readonly policy: string
      readonly signals: string
    }) => Effect.Effect<Opened, StoreError>

    /**
     * Takes an unfinished run over from a driver that let go of it or whose heartbeat has expired; a suspended one stays
     * so until its new driver writes otherwise. With `reopen` also one that has ended and can be resumed: it is running
     * again, and what did not complete is pending. `Gone` when it has ended (so that it cannot be resumed) or does not
     * exist.
     *
     * With `maxRecoveries` a run is `Quarantined`, and not claimed, once more of its drivers than that have vanished or
     * could not drive it since it last made progress. Without, it is claimed also then, and the quarantine ends.
     *
     * **Interruption**: the run was claimed and let go of, or was not claimed.
     */
    readonly claim: (
      runId: RunId,
      options?: { readonly reopen?: boolean | undefined; readonly maxRecoveries?: number | undefined }
    ) => Effect.Effect<Claimed, StoreError | RunHeld>

    /**
     * The runs of these Dags that should be driven, that nobody drives now and that are not quarantined: first those that
     * were cut off, then the suspended ones that are due, earliest first; at most `limit`. And when the next one is due by
     * itself: a signal or an expiring heartbeat may make one due before. Nothing is claimed: of several that ask, the
     * first to claim has it.
     */
    readonly due: (fingerprints: ReadonlyArray<string>, limit: number) => Effect.Effect<Due, StoreError>

    /**
     * `RunStore.migrate`, for the driver of the run: whether it took place.
     *
     * **Interruption**: it took place or not.
     */
    readonly migrate: (
      claim: Claim,
      migration: Omit<Migration, "runId" | "epoch">
    ) => Effect.Effect<boolean, StoreError>

    /** Calls `onLost` at each heartbeat that finds that somebody else drives the run, until it is let go of. */
    readonly watch: (claim: Claim, onLost: () => void) => Effect.Effect<void>

    /** Confirms a run no longer, without asking the store: its heartbeat expires. */
    readonly forget: (claim: Claim) => Effect.Effect<void>

    /**
     * Lets go of a run, so that anyone may claim it at once. A store that does not answer only delays that. `failed`: it
     * could not be driven, which counts as a driver that has vanished does.
     */
    readonly release: (claim: Claim, options?: { readonly failed?: boolean | undefined }) => Effect.Effect<void>
  }
>() {}

/**
 * - `owner`: how this process is called in the store and in `RunHeld`; a random name when it is undefined or empty
 * - `heartbeat`: how often the runs that are driven are confirmed
 * - `expiry`: how long after its last heartbeat a run can be taken over: the longest that a crash delays a resume. It
 *   should be several heartbeats; a process that was merely slow is fenced off and not harmed
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly owner: string | undefined
  readonly heartbeat: Duration.DurationInput
  readonly expiry: Duration.DurationInput
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { owner: undefined, heartbeat: "1 second", expiry: "5 seconds" }

/**
 * The lease over the `RunStore`. Its heartbeat fiber lives in the layer's scope and sleeps while no run is held.
 *
 * @example
 * ```ts
 * import { RunLease } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Layer } from "effect"
 *
 * const LeaseLive = RunLease.layer({ owner: "worker-1", expiry: "10 seconds" }).pipe(
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<RunLease, never, RunStore> =>
  Layer.scoped(
    RunLease,
    Effect.flatMap(RunStore, (store) =>
      make({ ...defaults, ...options }, ({ expiry }) => Effect.succeed(RunClaims.make(store, expiry)))
    )
  )

/**
 * The right to drive runs as leases in a `LeaseStore`, wherever that keeps them: whoever has the lease `run/<id>` drives
 * the run, whatever its heartbeat in the `RunStore` says. `expiry` is the `ttl` of these leases, and each heartbeat renews
 * them and confirms the runs in the `RunStore`, by which the engines of other processes know what is cut off.
 *
 * The token of a lease becomes the epoch of its run: from the claim on the `RunStore` refuses, in the transaction of the
 * write, all that carries a lower one. A driver that cannot renew its lease has lost the run before the lease ends.
 *
 * All processes that drive runs of one `RunStore` use either this, with the same `LeaseStore`, or `layer`.
 *
 * @example
 * ```ts
 * import { RunLease } from "heddle"
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Layer } from "effect"
 *
 * const LeaseLive = RunLease.layerLeased({ owner: "worker-1" }).pipe(
 *   Layer.provide(LeaseStoreSqlite.layer({ filename: "leases.db" })),
 *   Layer.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerLeased = (options: Partial<Options> = {}): Layer.Layer<RunLease, never, RunStore | LeaseStore> =>
  Layer.scoped(
    RunLease,
    Effect.gen(function* () {
      const store = yield* RunStore
      const leases = yield* LeaseStore
      const name = yield* randomName
      const given = { ...defaults, ...options }
      const heartbeat = Duration.toMillis(given.heartbeat)
      return yield* make(given, (known) => LeasedClaims.make(store, leases, { ...known, name, heartbeat }))
    })
  )

/** What this process drives, and whom it tells when it has lost it. */
interface Hold {
  readonly claim: Claim
  readonly onLost: () => void
}

const make = Effect.fnUntraced(function* (
  options: Options,
  claimsOf: (known: { readonly owner: string; readonly expiry: number }) => Effect.Effect<RunClaims.RunClaims>
) {
  const store = yield* RunStore
  const owner = options.owner || (yield* randomName)
  const expiry = Duration.toMillis(options.expiry)
  const claims = yield* claimsOf({ owner, expiry })
  const holds = yield* Ref.make(HashMap.empty<RunId, Hold>())
  const anyHeld = yield* Effect.makeLatch(false)

  const beat = Effect.gen(function* () {
    yield* anyHeld.await
    yield* Effect.sleep(options.heartbeat)
    // closed before the look: a run that is held from now on opens it again
    yield* anyHeld.close
    const held = Array.from(HashMap.values(yield* Ref.get(holds)))
    if (held.length === 0) return
    yield* anyHeld.open
    const driven = held.map(({ claim }) => claim)
    const lost = new Set(yield* claims.heartbeat(driven, yield* Clock.currentTimeMillis))
    for (const { claim, onLost } of held) if (lost.has(claim.runId)) onLost()
  }).pipe(Effect.catchAllCause((cause) => Effect.logWarning("the heartbeat of this process's runs failed", cause)))

  yield* Effect.forever(beat).pipe(
    Effect.annotateLogs({ package: "heddle", module: "RunLease", fiber: "heartbeat" }),
    Effect.interruptible,
    Effect.forkScoped
  )

  const drop = (claim: Claim) =>
    Ref.update(holds, (map) => (isHeld(map, claim) ? HashMap.remove(map, claim.runId) : map))

  const release = (claim: Claim, { failed = false }: { readonly failed?: boolean | undefined } = {}) =>
    Effect.zipRight(
      drop(claim),
      Effect.suspend(() => claims.release(claim, failed))
    ).pipe(
      Effect.catchAllCause((cause) =>
        Effect.logWarning(`run "${claim.runId}" could not be let go of: its heartbeat has to expire`, cause)
      )
    )

  /** Holds a run from here on, unless the caller was interrupted meanwhile: nobody would let go of it. */
  const hold = (run: RunRow, restore: <A>(effect: Effect.Effect<A>) => Effect.Effect<A>): Effect.Effect<Held> =>
    Effect.gen(function* () {
      const claim: Claim = { runId: run.runId, epoch: run.epoch }
      const before = yield* Ref.getAndUpdate(holds, HashMap.set(claim.runId, { claim, onLost: () => {} }))
      yield* anyHeld.open
      // this process has taken over from itself: the store has the former epoch no more
      for (const { onLost } of Option.toArray(HashMap.get(before, claim.runId))) onLost()
      yield* Effect.onInterrupt(restore(Effect.void), () => release(claim))
      return { claim, run }
    })

  return RunLease.of({
    open: ({ seed, ...run }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const createdAt = yield* Clock.currentTimeMillis
          const opened = yield* claims.open({ ...run, seed, owner, createdAt })
          if (opened._tag === "Exists") return opened
          const row: RunRow = {
            ...run,
            version: run.version ?? null,
            owner,
            createdAt,
            status: "running",
            epoch: opened.epoch,
            heartbeatAt: createdAt,
            seq: seed?.transitions.at(-1)?.seq ?? 0,
            startedAt: createdAt,
            finishedAt: null,
            wakeAt: null,
            recoveries: 0,
            quarantined: false
          }
          return { _tag: "Created" as const, held: yield* hold(row, restore) }
        })
      ),
    submit: (run) =>
      Effect.flatMap(Clock.currentTimeMillis, (createdAt) => store.open({ ...run, owner: "", epoch: 0, createdAt })),
    claim: (runId, { maxRecoveries, reopen = false } = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const claim = yield* claims.claim({ runId, owner, now, reopen, maxRecoveries })
          switch (claim._tag) {
            case "Claimed":
              return { _tag: "Claimed" as const, held: yield* hold(claim.run, restore) }
            case "Held":
              return yield* new RunHeld({ runId, owner: claim.owner, retryAfter: claim.retryAfter })
            case "Quarantined":
              return claim
            case "Finished":
            case "Unknown":
              return { _tag: "Gone" as const }
          }
        })
      ),
    due: (fingerprints, limit) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.due({ fingerprints, now, expiredBefore: now - expiry, limit })
      ),
    migrate: ({ epoch, runId }, migration) => store.migrate({ ...migration, runId, epoch }),
    watch: (claim, onLost) =>
      Ref.update(holds, (map) => (isHeld(map, claim) ? HashMap.set(map, claim.runId, { claim, onLost }) : map)),
    forget: (claim) => Effect.zipRight(drop(claim), claims.forget(claim)),
    release
  })
})

const isHeld = (holds: HashMap.HashMap<RunId, Hold>, { epoch, runId }: Claim) =>
  Option.exists(HashMap.get(holds, runId), ({ claim }) => claim.epoch === epoch)

const randomName = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 31), Random.nextIntBetween(0, 2 ** 31)]),
  (parts) => `heddle-${parts.map((part) => part.toString(36)).join("")}`
)
