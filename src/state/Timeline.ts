/**
 * What is stored of runs, for those who read.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { RunId } from "../model/RunId.js"
import type { RunPolicy } from "../model/RunPolicy.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { RunStatus, Transition } from "../model/Transition.js"
import {
  RunStore,
  type DeadLetter,
  type ItemRow,
  type RunCursor,
  type RunRow,
  type Storage
} from "../store/RunStore.js"
import { read as readRun } from "./internal/StoredRun.js"

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
      deadLetters: ({ limit = 100, ...filter } = {}) => store.deadLetters({ ...filter, limit }),
      storage: store.storage
    })
  )
)
