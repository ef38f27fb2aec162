/**
 * The port behind which runs are kept. Everything is encoded: strings, numbers and JSON texts.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type { DagTransition, RunStatus, Transition } from "../model/Transition.js"
import type { Batch, DeadLetter, ItemRow, Kept, RunChanges, RunRow, Seed, SignalRow, Stored } from "./RunRows.js"

export type * from "./RunRows.js"

/**
 * How much is stored: numbers of rows, and bytes where the store can tell.
 *
 * - `runs`: all of them, by status; `outputs`, `outputBytes`: stored outputs of modules and items, and the length of
 *   their texts in UTF-8; `spilled`: those of them that are kept apart for their size
 * - `states`: keyed states that have a field
 * - `bytes`: what the store takes up, its log included; `freeBytes`: how much of it is to be used again. Null where that
 *   is unknown
 *
 * @since 0.1.0
 * @category models
 */
export interface Storage {
  readonly runs: { readonly [S in RunStatus]: number }
  readonly modules: number
  readonly items: number
  readonly transitions: number
  readonly outputs: number
  readonly outputBytes: number
  readonly spilled: number
  readonly states: number
  readonly deadLetters: number
  readonly bytes: number | null
  readonly freeBytes: number | null
}

/**
 * @since 0.1.0
 * @category models
 */
export type Opened = { readonly _tag: "Created" } | { readonly _tag: "Exists"; readonly run: RunRow }

/**
 * - `Claimed`: the run is the caller's; `run` is the row after the claim, with its new epoch
 * - `Held`: somebody drives it and has confirmed that since `expiredBefore`
 * - `Quarantined`: it was recovered too often without progress, and is left alone
 *
 * @since 0.1.0
 * @category models
 */
export type Claim =
  | { readonly _tag: "Claimed"; readonly run: RunRow }
  | { readonly _tag: "Held"; readonly run: RunRow }
  | { readonly _tag: "Finished"; readonly run: RunRow }
  | { readonly _tag: "Quarantined"; readonly run: RunRow }
  | { readonly _tag: "Unknown" }

/**
 * A run becomes one of another Dag. `input`, `signals`: as of a new run of that Dag; `transition` is the next one of the
 * run, and says the rest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Migration {
  readonly runId: RunId
  readonly epoch: number
  readonly input: string
  readonly signals: string
  readonly transition: DagTransition
}

/**
 * - `Settled`: this is what the signal is now; `was` is what it had been before: then nothing was changed
 * - `UnknownSignal`: the run's `signals` do not have this path
 *
 * @since 0.1.0
 * @category models
 */
export type Signalled =
  | { readonly _tag: "Settled"; readonly was: SignalRow | undefined }
  | { readonly _tag: "UnknownSignal" }
  | { readonly _tag: "Finished"; readonly run: RunRow }
  | { readonly _tag: "Unknown" }

/**
 * What there is to be driven: runs that are due, earliest first, and when the next one will be (null: not by itself).
 *
 * @since 0.1.0
 * @category models
 */
export interface Due {
  readonly runs: ReadonlyArray<RunRow>
  readonly nextAt: number | null
}

/**
 * Where a page of `list` begins: after this run.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunCursor {
  readonly createdAt: number
  readonly runId: RunId
}

/**
 * Keeps runs. Each method is atomic, and an interrupted one has taken effect wholly or not at all.
 *
 * @since 0.1.0
 * @category services
 */
export class RunStore extends Context.Tag("heddle/store/RunStore")<
  RunStore,
  {
    /**
     * Creates the run with the epoch `epoch` (1), status `running`, seq 0, `startedAt` and the heartbeat `createdAt`, unless its id is
     * taken. With `seed` it begins with these modules, items, shared cells and transitions, which count from seq 1; its own `seq` is
     * that of the last of them. With an empty `owner` nobody drives it yet: it can be claimed at once, which is no
     * recovery.
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
      readonly owner: string
      readonly createdAt: number
      readonly epoch?: number | undefined
      readonly seed?: Seed | undefined
    }) => Effect.Effect<Opened, StoreError>

    /**
     * Makes `owner` the driver of an unfinished run that was let go or whose heartbeat is before `expiredBefore`, with
     * the next epoch and the heartbeat `now`: from then on whoever held an earlier epoch can write nothing. A suspended
     * run stays so until its driver writes otherwise.
     *
     * With `reopen` also a run that has ended and can be resumed (`Transition.isResumable`), whoever drove it last: it is
     * `running` again since `now`, its module rows are as `RunSnapshot.reopenModule` makes them (times, failures and
     * outputs become null), and the failed items of modules that are pending now are forgotten, as are their signals that
     * were closed. The transitions stay: that the run is `running` again is for its driver to write.
     *
     * An unfinished run that is taken over from a driver that did not let go of it has one more of its `recoveries`. Where
     * those are more than `maxRecoveries` the run is not claimed but quarantined: it has the new `recoveries`, and is
     * otherwise left as it is. A claim without `maxRecoveries` is one by hand: it claims the run all the same, and one
     * that was quarantined begins anew, with `recoveries` 0.
     *
     * With `token`, the fencing token of a lease on the run that is kept elsewhere, that lease says who may drive the run,
     * whatever the heartbeat: the token is its next epoch, if it is larger than the present one; else the run is `Held`.
     */
    readonly claim: (request: {
      readonly runId: RunId
      readonly owner: string
      readonly now: number
      readonly expiredBefore: number
      readonly reopen: boolean
      readonly maxRecoveries?: number | undefined
      readonly token?: number | undefined
    }) => Effect.Effect<Claim, StoreError>

    /**
     * Confirms that these runs are driven, and gives those that the caller has lost: their epoch is another, or they
     * are unknown. A run that is finished or was let go is left as it is, and is not lost.
     */
    readonly heartbeat: (
      runs: ReadonlyArray<{ readonly runId: RunId; readonly epoch: number }>,
      now: number
    ) => Effect.Effect<ReadonlyArray<RunId>, StoreError>

    /**
     * Lets go of an unfinished run, so that anyone can claim it at once; nothing when the epoch is another. `failed`: it
     * could not be driven, which counts as a recovery.
     */
    readonly release: (run: {
      readonly runId: RunId
      readonly epoch: number
      readonly failed?: boolean | undefined
    }) => Effect.Effect<void, StoreError>

    /**
     * Writes a batch in one transaction: the module rows, the transitions and the runs' status, `seq` and
     * `finishedAt` (both from the transitions), and the keyed states. A run that is finished, is unknown or has another
     * epoch is left as it is, and its changes given back (the same objects); the others are written. The changes that ended a
     * run may be written again by the same driver: they are left out, and not given back. A run of which a
     * module or an item completes by a new transition, or that is suspended or ends, has made progress: its `recoveries`
     * are 0, and it is not quarantined.
     *
     * A run that is `suspended` after its changes while a signal, delivered or closed, is there for one of its suspended
     * modules is due at once, whatever `wakeAt` says: no wake-up is lost.
     */
    readonly commit: (batch: Batch) => Effect.Effect<ReadonlyArray<RunChanges>, StoreError>

    /**
     * Makes an unfinished run one of another Dag, for its driver with this `epoch`, and gives whether it did: not when the
     * epoch is another, the run has ended or is unknown, or the transition is not its next one; then nothing has changed.
     *
     * Its row and inputs are as the request says, and a suspended run is due at the time of the transition. The modules that
     * the transition removes are forgotten, those that it resets are pending (with their attempt and nothing else); of
     * both, the outputs, items and signals are forgotten, and all that is inside of them; and so are the cells that it
     * names. What the run was before can still be told: the Dag that it was created as is kept with the `seq` 0.
     */
    readonly migrate: (migration: Migration) => Effect.Effect<boolean, StoreError>

    /** The fields of a keyed state as JSON texts; none when there is no such state. */
    readonly state: (key: string) => Effect.Effect<ReadonlyMap<string, string>, StoreError>

    /** Keeps a dead letter, after those that are there. */
    readonly bury: (letter: DeadLetter) => Effect.Effect<void, StoreError>

    /** The dead letters, or those of one key, the last that was buried first, at most `limit`. */
    readonly deadLetters: (filter: {
      readonly key?: string | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreError>

    /**
     * Deletes runs that have ended, with all that is stored of them, their dead letters too: those that ended first, then
     * by `createdAt` and id, at most `limit`. Kept are the `keep` that ended last and those that ended at `endedBefore` or
     * later. Gives how many were deleted.
     */
    readonly prune: (request: {
      readonly keep: number
      readonly endedBefore: number
      readonly limit: number
    }) => Effect.Effect<number, StoreError>

    /** How much is stored. It reads through all of it, so it is for people to ask and not for a loop. */
    readonly storage: Effect.Effect<Storage, StoreError>

    /**
     * Delivers a signal or closes it, whichever comes first (one whose module has ended is closed), and makes a suspended run of which that module is suspended
     * due at once, in the same transaction. A run that has ended takes none.
     */
    readonly signal: (signal: SignalRow) => Effect.Effect<Signalled, StoreError>

    /** The signals of these runs that were delivered or closed, in no particular order. */
    readonly signals: (runIds: ReadonlyArray<RunId>) => Effect.Effect<ReadonlyArray<SignalRow>, StoreError>

    /**
     * The runs of these Dags (by fingerprint) that nobody drives and that should be driven: suspended ones that are due,
     * and running ones; nobody drives a run that was let go of or whose heartbeat is before `expiredBefore`. A run that is
     * quarantined is not among them. Running ones come first, then suspended ones by `wakeAt`; then by `createdAt` and id.
     * At most `limit`. `nextAt`: the first time after `now` at which another one is due.
     */
    readonly due: (request: {
      readonly fingerprints: ReadonlyArray<string>
      readonly now: number
      readonly expiredBefore: number
      readonly limit: number
    }) => Effect.Effect<Due, StoreError>

    readonly run: (runId: RunId) => Effect.Effect<Option.Option<RunRow>, StoreError>

    /**
     * A run, its modules that have left `pending`, in no particular order and without their outputs, how many items of
     * each map have ended, and its shared cells: at one moment.
     */
    readonly get: (runId: RunId) => Effect.Effect<Option.Option<Stored>, StoreError>

    /** The items that have ended of the named modules, in no particular order. */
    readonly items: (runId: RunId, modules: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ItemRow>, StoreError>

    /** The outputs (JSON texts) of those of the named modules that have one. */
    readonly outputs: (
      runId: RunId,
      modules: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, StoreError>

    /** The transitions with a number above `after`, ascending, at most `limit`. */
    readonly history: (
      runId: RunId,
      page: { readonly after: number; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<Transition>, StoreError>

    /**
     * Keeps the run as it is stored now, for its driver with the epoch `epoch`, so that what it was at a later transition
     * can be told without those before it. When a suspended run is due is kept as its transition says it, whatever signals
     * have come since. Gives how many rows it was made of (modules, items and shared cells; at least 1), and 0 when nothing
     * was kept: the run is unknown, has another epoch, has no transitions, or was kept as of this `seq` already.
     * A driver has written a transition before it calls this: no other one tells what its claim has reopened.
     */
    readonly keepSnapshot: (run: { readonly runId: RunId; readonly epoch: number }) => Effect.Effect<number, StoreError>

    /**
     * The latest one (by `seq`) that was kept of a run, of those with at most this `seq` and of at most this time. None of
     * a run that is unknown.
     */
    readonly snapshot: (
      runId: RunId,
      bound: { readonly seq?: number | undefined; readonly at?: number | undefined }
    ) => Effect.Effect<Option.Option<Kept>, StoreError>

    /**
     * Runs, newest first (by `createdAt`, then by id in code points, both descending), at most `limit`, from after the
     * cursor `before`.
     */
    readonly list: (filter: {
      readonly status?: RunStatus | undefined
      readonly dag?: string | undefined
      readonly limit: number
      readonly before?: RunCursor | undefined
    }) => Effect.Effect<ReadonlyArray<RunRow>, StoreError>
  }
>() {}
