/**
 * What is stored of runs, for those who read.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { RunPolicy } from "../model/RunPolicy.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { RunStatus, Transition } from "../model/Transition.js"
import type { UnknownSequence } from "../model/UnknownSequence.js"
import {
  RunStore,
  type DeadLetter,
  type ItemRow,
  type RunCursor,
  type RunRow,
  type Storage
} from "../store/RunStore.js"
import { read as readRun } from "./internal/StoredRun.js"
import * as TimeTravel from "./internal/TimeTravel.js"

export { make as diff, type ModuleDiff, type RunDiff, type SharedDiff } from "../model/RunDiff.js"
export { UnknownSequence } from "../model/UnknownSequence.js"
export type { DeadLetter, ItemRow, Storage } from "../store/RunStore.js"

/**
 * A run and its modules as they are stored. `input` is the canonical JSON of its encoded inputs.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredRun {
  readonly snapshot: RunSnapshot
  readonly input: string
  readonly policy: RunPolicy
}

/**
 * Which runs to list: those of one status or of one Dag, newest first, at most `limit` (100), from after `before`.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunFilter {
  readonly status?: RunStatus
  readonly dag?: string
  readonly limit?: number
  readonly before?: RunCursor
}

/**
 * A run in a list. Times are milliseconds since the epoch.
 *
 * - `version`: of the flow that the Dag is, where that is known
 * - `startedAt`: when it was created or, once it had ended, resumed
 * - `wakeAt`: of a suspended run: when it is due, 0 for at once
 * - `owner`: who drives an unfinished run, empty when nobody does; `heartbeatAt`: when that was last confirmed
 * - `recoveries`: how many of its drivers have vanished, or could not drive it, since it last made progress;
 *   `quarantined`: those were too many, so it is left alone until somebody resumes it
 *
 * @since 0.1.0
 * @category models
 */
export interface RunSummary {
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly version?: string
  readonly status: RunStatus
  readonly total: number
  readonly createdAt: number
  readonly startedAt: number
  readonly finishedAt: Option.Option<number>
  readonly wakeAt: Option.Option<number>
  readonly owner: string
  readonly heartbeatAt: number
  readonly recoveries: number
  readonly quarantined: boolean
}

/**
 * A point of the history of a run: after the transition `seq`, 0 when it was created, or at a time in milliseconds since
 * the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type Point = { readonly seq: number } | { readonly at: number }

/**
 * A step of a replay: what happened, nothing at its beginning, and what the run was then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly transition: Option.Option<Transition>
  readonly snapshot: RunSnapshot
}

/**
 * Which transitions to replay, and how fast: see `Timeline.replay`.
 *
 * @since 0.1.0
 * @category options
 */
export interface ReplayOptions {
  readonly from?: number
  readonly to?: number
  readonly rate?: number
  readonly maxGap?: Duration.DurationInput
}

/**
 * Reads runs from the store: acknowledged state, nothing that is still queued.
 *
 * @since 0.1.0
 * @category services
 */
export class Timeline extends Context.Tag("heddle/state/Timeline")<
  Timeline,
  {
    readonly get: (runId: RunId) => Effect.Effect<Option.Option<StoredRun>, StoreError>

    readonly list: (filter?: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, StoreError>

    /** The items that have ended of the named maps, in no particular order. */
    readonly items: (runId: RunId, modules: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ItemRow>, StoreError>

    /** The stored outputs, as JSON texts, of those of the named modules that have one. */
    readonly outputs: (
      runId: RunId,
      modules: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, StoreError>

    /** The transitions of a run above the number `after` (0), ascending, at most `limit` (1,000). */
    readonly history: (
      runId: RunId,
      page?: { readonly after?: number; readonly limit?: number }
    ) => Effect.Effect<ReadonlyArray<Transition>, StoreError>

    /**
     * The same as a stream, read page by page as it is consumed: those that are there when its end is reached. Empty for a
     * run that does not exist.
     */
    readonly transitions: (runId: RunId, options?: { readonly after?: number }) => Stream.Stream<Transition, StoreError>

    /**
     * What a run was after its transition `seq` (0: when it was created), or at the time `at` (milliseconds since the
     * epoch): the nearest state that is kept before that, and the transitions after it folded with `RunSnapshot.evolve`.
     * So the cost grows with the distance to that, not with the length of the history (`WriterOptions.snapshotEvery`).
     *
     * None: the run does not exist, or did not at that time. `UnknownSequence`: it has no such transition, or not yet.
     *
     * A time is looked for along the numbers: from the last kept state that is not later, to the first transition that
     * is. Where a driver's clock was behind that of the driver before it, what came after it may be missing.
     */
    readonly stateAt: (
      runId: RunId,
      point: Point
    ) => Effect.Effect<Option.Option<RunSnapshot>, StoreError | UnknownSequence>

    /**
     * What a run was after the transition `from` (0), at once, then after each one up to `to` (the last that there is now),
     * in the time that it took divided by `rate` (1): 2 is twice as fast, `Infinity` does not wait. A gap counts as at
     * most `maxGap` (infinite) before it is divided. A consumer that is slower is given what it is behind with at once. A
     * rate that is not above 0 is a defect.
     *
     * **Interruption**: ends the waiting.
     */
    readonly replay: (
      runId: RunId,
      options?: ReplayOptions
    ) => Stream.Stream<Step, StoreError | UnknownRun | UnknownSequence>

    /** What could not be written, of everything or of one run or state (`key`): latest first, at most `limit` (100). */
    readonly deadLetters: (filter?: {
      readonly key?: string
      readonly limit?: number
    }) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreError>

    /** How much is stored, of everything. It is counted, which takes a large store a while. */
    readonly storage: Effect.Effect<Storage, StoreError>
  }
>() {}

const summaryOf = (row: RunRow): RunSummary => ({
  runId: row.runId,
  dag: row.dag,
  fingerprint: row.fingerprint,
  ...(row.version === null ? undefined : { version: row.version }),
  status: row.status,
  total: row.total,
  createdAt: row.createdAt,
  startedAt: row.startedAt,
  finishedAt: Option.fromNullable(row.finishedAt),
  wakeAt: Option.fromNullable(row.wakeAt),
  owner: row.owner,
  heartbeatAt: row.heartbeatAt,
  recoveries: row.recoveries,
  quarantined: row.quarantined
})

/**
 * Reads from the `RunStore`.
 *
 * @example
 * ```ts
 * import { RunId, Timeline } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(Timeline.Timeline, (timeline) => timeline.history(RunId.make("order-42"))).pipe(
 *   Effect.provide(Timeline.layer),
 *   Effect.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Timeline, never, RunStore> = Layer.effect(
  Timeline,
  Effect.map(RunStore, (store) =>
    Timeline.of({
      get: (runId) => readRun(store, runId),
      list: ({ limit = 100, ...filter } = {}) =>
        Effect.map(store.list({ ...filter, limit }), (runs) => runs.map(summaryOf)),
      items: store.items,
      outputs: store.outputs,
      history: (runId, { after = 0, limit = 1000 } = {}) => store.history(runId, { after, limit }),
      transitions: (runId, { after = 0 } = {}) => TimeTravel.transitions(store, runId, after),
      stateAt: (runId, point) => TimeTravel.stateAt(store, runId, point),
      replay: (runId, options = {}) => TimeTravel.replay(store, runId, options),
      deadLetters: ({ limit = 100, ...filter } = {}) => store.deadLetters({ ...filter, limit }),
      storage: store.storage
    })
  )
)
