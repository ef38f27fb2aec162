/**
 * What a `RunStore` keeps, and the changes of it. Everything is encoded: strings, numbers and JSON texts.
 *
 * @since 0.1.0
 */
import type { ModuleStatus } from "../model/ModuleStatus.js"
import type { RunId } from "../model/RunId.js"
import type { RunStatus, SkipReason, Transition } from "../model/Transition.js"

/**
 * A run as it is kept. Times are milliseconds since the epoch.
 *
 * - `input`: canonical JSON of the encoded inputs, by name; `policy`: the JSON of a `RunPolicy`
 * - `epoch`: counts the drivers of the run; only the present one may write
 * - `owner`: who drives it, empty when it was let go; `heartbeatAt`: when that was last confirmed, 0 when it was let go.
 *   Of a run that has ended: who drove it last
 * - `seq`: the number of the latest transition
 * - `total`: how many modules the Dag has; `version`: which version of its flow it is, null where that is not known
 * - `signals`: JSON of the list of paths at which the Dag has signals; the index of an item is written `:`, as in
 *   `orders/:/approval`
 * - `startedAt`: `createdAt` or, once it had ended, when it was resumed
 * - `wakeAt`: of a suspended run: when it is due, 0 for at once, null when only a signal makes it due
 * - `recoveries`: how many of its drivers have vanished, or could not drive it, since it last made progress;
 *   `quarantined`: those were too many, so it is not `due` until it is claimed by hand or makes progress after all
 *
 * @since 0.1.0
 * @category models
 */
export interface RunRow {
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly version: string | null
  readonly total: number
  readonly input: string
  readonly policy: string
  readonly status: RunStatus
  readonly epoch: number
  readonly owner: string
  readonly heartbeatAt: number
  readonly seq: number
  readonly signals: string
  readonly createdAt: number
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly wakeAt: number | null
  readonly recoveries: number
  readonly quarantined: boolean
}

/**
 * The latest state of one module, by its path; `failure` is the JSON of a `Failure`. `until`: when it goes on by itself,
 * while it is suspended. `items`: of a map that has begun: how many it has.
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
  readonly because: SkipReason | null
  readonly until: number | null
  readonly items: number | null
}

/**
 * An item of a map that has ended. `output` is the JSON text of what it gave, null when there is none; `failure` is the
 * JSON of a `Failure`. A stored one that completed stays; one that failed gives way to a later one.
 *
 * @since 0.1.0
 * @category models
 */
export interface ItemRow {
  readonly module: string
  readonly index: number
  /** The number of the transition that ended it. */
  readonly seq: number
  readonly status: "completed" | "failed"
  readonly output: string | null
  readonly failure: string | null
}

/**
 * The value of a shared cell, as a JSON text, by the path of the cell.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedRow {
  readonly cell: string
  readonly value: string
}

/**
 * What became of a signal: delivered, with the JSON text of its value (null for what JSON does not have), or closed,
 * since the module's time ran out.
 *
 * @since 0.1.0
 * @category models
 */
export interface SignalRow {
  readonly runId: RunId
  readonly module: string
  readonly closed: boolean
  readonly value: string | null
}

/**
 * The change of one module in a batch: its transitions there, folded into one row. A time or failure that is null is
 * kept from the stored row when that row is of the same attempt, and becomes null when it is of an earlier one; `items`
 * that is null is kept in both cases, and `until` in none. `output` is the JSON text of a completed module's output, null
 * when there is none. A change that may not follow the stored row (`ModuleStatus.canFollow`) leaves it as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleChange extends ModuleRow {
  readonly output: string | null
}

/**
 * What one batch holds of one run: its module rows, the items that ended, the latest value of each shared cell that
 * changed, all its transitions in order, and, where the run itself changed its status, that status. `wakeAt` counts only
 * with the status `suspended`: when the run is due, null when only a signal makes it due. Several changes of one run in a
 * batch count in their order. Transitions whose number the run already has are left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunChanges {
  readonly runId: RunId
  readonly epoch: number
  readonly modules: ReadonlyArray<ModuleChange>
  readonly items: ReadonlyArray<ItemRow>
  readonly shared: ReadonlyArray<SharedRow>
  readonly transitions: ReadonlyArray<Transition>
  readonly status: RunStatus | undefined
  readonly wakeAt: number | null
}

/**
 * The change of one keyed state: the fields that are set, as JSON texts, and those that are cleared. No field is in both.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateChange {
  readonly key: string
  readonly set: ReadonlyMap<string, string>
  readonly clear: ReadonlySet<string>
}

/**
 * What is written in one transaction: changes of runs, and of keyed state that belongs to no run (each key once).
 * `synced`: also after a loss of power it is there, and everything that was committed before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Batch {
  readonly runs: ReadonlyArray<RunChanges>
  readonly states: ReadonlyArray<StateChange>
  readonly synced: boolean
}

/**
 * What was accepted and could not be written.
 *
 * - `key`: the id of the run, or the key of the state; `epoch`: that of the run's driver, null for keyed state
 * - `reason`: `lost` (another driver has the run) or `failed` (a permanent error of the store)
 * - `count`: how many updates; `updates`: JSON of the list of them, in their order; `message`: the error, for people
 *
 * @since 0.1.0
 * @category models
 */
export interface DeadLetter {
  readonly at: number
  readonly kind: "run" | "state"
  readonly key: string
  readonly epoch: number | null
  readonly reason: "lost" | "failed"
  readonly message: string
  readonly count: number
  readonly updates: string
}

/**
 * What a new run takes over from another one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Seed {
  readonly modules: ReadonlyArray<ModuleChange>
  readonly items: ReadonlyArray<ItemRow>
  readonly shared: ReadonlyArray<SharedRow>
  readonly transitions: ReadonlyArray<Transition>
}

/**
 * A run as it is stored at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly run: RunRow
  readonly modules: ReadonlyArray<ModuleRow>
  readonly items: ReadonlyArray<{
    readonly module: string
    readonly status: "completed" | "failed"
    readonly count: number
  }>
  readonly shared: ReadonlyArray<SharedRow>
}

/**
 * A run as it was stored after its transition `seq`, of which `at` is the time. Who drove it, and until when that was
 * confirmed, is as it was then too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kept {
  readonly seq: number
  readonly at: number
  readonly stored: Stored
}
