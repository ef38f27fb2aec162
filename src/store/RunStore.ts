/**
 * The port behind which runs are kept. Everything is encoded: strings, numbers and JSON texts.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ModuleStatus } from "../model/ModuleStatus.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type { RunStatus, Transition } from "../model/Transition.js"

/**
 * A run as it is kept. Times are milliseconds since the epoch.
 *
 * - `input`: canonical JSON of the encoded inputs, by name; `policy`: the JSON of a `RunPolicy`
 * - `epoch`: counts the drivers of the run; only the present one may write
 * - `owner`: who drives it, empty when it was let go; `heartbeatAt`: when that was last confirmed, 0 when it was let go
 * - `seq`: the number of the latest transition
 * - `total`: how many modules the Dag has
 *
 * @since 0.1.0
 * @category models
 */
export interface RunRow {
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly total: number
  readonly input: string
  readonly policy: string
  readonly status: RunStatus
  readonly epoch: number
  readonly owner: string
  readonly heartbeatAt: number
  readonly seq: number
  readonly createdAt: number
  readonly finishedAt: number | null
}

/**
 * The latest state of one module; `failure` is the JSON of a `Failure`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleRow {
  readonly module: string
  readonly status: ModuleStatus
  readonly attempt: number
  readonly scheduledAt: number | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly failure: string | null
}

/**
 * The change of one module in a batch: its transitions there, folded into one row. A time or failure that is null is
 * kept from the stored row when that row is of the same attempt, and becomes null when it is of an
 * earlier one; `output` is the JSON text of a completed module's output, null when there is none. A change that may not
 * follow the stored row (`ModuleStatus.canFollow`) leaves it as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleChange extends ModuleRow {
  readonly output: string | null
}

/**
 * What one batch holds of one run: its module rows, all its transitions in order, and, where the run itself changed
 * its status, that status. Several changes of one run in a batch count in their order. Transitions whose number the run
 * already has are left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunChanges {
  readonly runId: RunId
  readonly epoch: number
  readonly modules: ReadonlyArray<ModuleChange>
  readonly transitions: ReadonlyArray<Transition>
  readonly status: RunStatus | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Opened = { readonly _tag: "Created" } | { readonly _tag: "Exists"; readonly run: RunRow }

/**
 * - `Claimed`: the run is the caller's; `run` is the row after the claim, with its new epoch
 * - `Held`: somebody drives it and has confirmed that since `expiredBefore`
 *
 * @since 0.1.0
 * @category models
 */
export type Claim =
  | { readonly _tag: "Claimed"; readonly run: RunRow }
  | { readonly _tag: "Held"; readonly run: RunRow }
  | { readonly _tag: "Finished"; readonly run: RunRow }
  | { readonly _tag: "Unknown" }

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
    /** Creates the run with epoch 1, status `running`, seq 0 and the heartbeat `createdAt`, unless its id is taken. */
    readonly open: (run: {
      readonly runId: RunId
      readonly dag: string
      readonly fingerprint: string
      readonly total: number
      readonly input: string
      readonly policy: string
      readonly owner: string
      readonly createdAt: number
    }) => Effect.Effect<Opened, StoreError>

    /**
     * Makes `owner` the driver of an unfinished run that was let go or whose heartbeat is before `expiredBefore`, with
     * the next epoch and the heartbeat `now`: from then on whoever held an earlier epoch can write nothing.
     */
    readonly claim: (request: {
      readonly runId: RunId
      readonly owner: string
      readonly now: number
      readonly expiredBefore: number
    }) => Effect.Effect<Claim, StoreError>

    /**
     * Confirms that these runs are driven, and gives those that the caller has lost: their epoch is another, or they
     * are unknown. A run that is finished or was let go is left as it is, and is not lost.
     */
    readonly heartbeat: (
      runs: ReadonlyArray<{ readonly runId: RunId; readonly epoch: number }>,
      now: number
    ) => Effect.Effect<ReadonlyArray<RunId>, StoreError>

    /** Lets go of an unfinished run, so that anyone can claim it at once; nothing when the epoch is another. */
    readonly release: (run: { readonly runId: RunId; readonly epoch: number }) => Effect.Effect<void, StoreError>

    /**
     * Writes a batch in one transaction: the module rows, the transitions and the runs' status, `seq` and
     * `finishedAt` (both from the transitions). A run that is finished, is unknown or has another epoch is left as it
     * is, and its changes given back (the same objects); the others are written.
     */
    readonly commit: (batch: ReadonlyArray<RunChanges>) => Effect.Effect<ReadonlyArray<RunChanges>, StoreError>

    readonly run: (runId: RunId) => Effect.Effect<Option.Option<RunRow>, StoreError>

    /** A run and its modules that have left `pending`, in no particular order, without their outputs: at one moment. */
    readonly get: (
      runId: RunId
    ) => Effect.Effect<Option.Option<{ readonly run: RunRow; readonly modules: ReadonlyArray<ModuleRow> }>, StoreError>

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
