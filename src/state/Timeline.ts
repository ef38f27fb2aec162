/**
 * What is stored of runs, for those who read.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { RunId } from "../model/RunId.js"
import { RunPolicy } from "../model/RunPolicy.js"
import type { ItemCounts, ModuleState, RunSnapshot } from "../model/RunSnapshot.js"
import { StoreError } from "../model/StoreError.js"
import { Failure, type RunStatus, type Transition } from "../model/Transition.js"
import {
  RunStore,
  type ItemRow,
  type ModuleRow,
  type RunCursor,
  type RunRow,
  type SharedRow,
  type Stored
} from "../store/RunStore.js"

export type { ItemRow } from "../store/RunStore.js"

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
  }
>() {}

const decodeFailure = Schema.decodeUnknown(Schema.parseJson(Failure))

const decodeJson = Schema.decodeUnknown(Schema.parseJson())

const decodePolicy = Schema.decodeUnknown(Schema.parseJson(RunPolicy))

const unreadable = (runId: RunId, what: string) => (cause: ParseResult.ParseError) =>
  new StoreError({
    reason: "corrupt",
    location: `run "${runId}"`,
    operation: "get",
    message: `the stored ${what} of run "${runId}" cannot be read: ${cause.message}`,
    cause
  })

const stateOf = (
  runId: RunId,
  row: ModuleRow,
  ended: Omit<ItemCounts, "total"> | undefined
): Effect.Effect<ModuleState, StoreError> => {
  const state: ModuleState = {
    status: row.status,
    attempt: row.attempt,
    ...(row.scheduledAt === null ? undefined : { scheduledAt: row.scheduledAt }),
    ...(row.startedAt === null ? undefined : { startedAt: row.startedAt }),
    ...(row.finishedAt === null ? undefined : { finishedAt: row.finishedAt }),
    ...(row.because === null ? undefined : { because: row.because }),
    ...(row.until === null ? undefined : { until: row.until }),
    ...(row.items === null && ended === undefined
      ? undefined
      : { items: { completed: 0, failed: 0, ...ended, total: row.items ?? 0 } })
  }
  if (row.failure === null) return Effect.succeed(state)
  return Effect.mapBoth(decodeFailure(row.failure), {
    onSuccess: (failure) => ({ ...state, failure }),
    onFailure: unreadable(runId, `failure of module "${row.module}"`)
  })
}

/** How many items of each module have ended. */
const endedOf = (items: Stored["items"]): ReadonlyMap<string, Omit<ItemCounts, "total">> => {
  const ended = new Map<string, Omit<ItemCounts, "total">>()
  for (const { count, module, status } of items) {
    ended.set(module, { completed: 0, failed: 0, ...ended.get(module), [status]: count })
  }
  return ended
}

const valueOf = (runId: RunId, { cell, value }: SharedRow): Effect.Effect<readonly [string, unknown], StoreError> =>
  Effect.mapBoth(decodeJson(value), {
    onSuccess: (json) => [cell, json] as const,
    onFailure: unreadable(runId, `value of the shared cell "${cell}"`)
  })

const snapshotOf = (
  run: RunRow,
  modules: HashMap.HashMap<string, ModuleState>,
  shared: HashMap.HashMap<string, unknown>
): RunSnapshot => ({
  _tag: "RunSnapshot",
  runId: run.runId,
  dag: run.dag,
  fingerprint: run.fingerprint,
  status: run.status,
  epoch: run.epoch,
  seq: run.seq,
  total: run.total,
  startedAt: run.startedAt,
  ...(run.finishedAt === null ? undefined : { finishedAt: run.finishedAt }),
  ...(run.wakeAt === null ? undefined : { until: run.wakeAt }),
  modules,
  shared
})

const storedRun = ({ items, modules, run, shared }: Stored): Effect.Effect<StoredRun, StoreError> =>
  Effect.gen(function* () {
    const { runId } = run
    const ended = endedOf(items)
    const states = yield* Effect.forEach(modules, (row) =>
      Effect.map(stateOf(runId, row, ended.get(row.module)), (state) => [row.module, state] as const)
    )
    const values = yield* Effect.forEach(shared, (row) => valueOf(runId, row))
    const policy = yield* Effect.mapError(decodePolicy(run.policy), unreadable(runId, "policy"))
    return {
      snapshot: snapshotOf(run, HashMap.fromIterable(states), HashMap.fromIterable(values)),
      input: run.input,
      policy
    }
  })

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
  heartbeatAt: row.heartbeatAt
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
      get: (runId) =>
        Effect.flatMap(
          store.get(runId),
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (stored) => Effect.asSome(storedRun(stored))
          })
        ),
      list: ({ limit = 100, ...filter } = {}) =>
        Effect.map(store.list({ ...filter, limit }), (runs) => runs.map(summaryOf)),
      items: store.items,
      outputs: store.outputs,
      history: (runId, { after = 0, limit = 1000 } = {}) => store.history(runId, { after, limit })
    })
  )
)
