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
import type { ModuleState, RunSnapshot } from "../model/RunSnapshot.js"
import { StoreError } from "../model/StoreError.js"
import { Failure, type RunStatus, type Transition } from "../model/Transition.js"
import { RunStore, type ModuleRow, type RunCursor, type RunRow } from "../store/RunStore.js"

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
  readonly finishedAt: Option.Option<number>
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

const decodePolicy = Schema.decodeUnknown(Schema.parseJson(RunPolicy))

const unreadable = (runId: RunId, what: string) => (cause: ParseResult.ParseError) =>
  new StoreError({
    reason: "corrupt",
    location: `run "${runId}"`,
    operation: "get",
    message: `the stored ${what} of run "${runId}" cannot be read: ${cause.message}`,
    cause
  })

const stateOf = (runId: RunId, row: ModuleRow): Effect.Effect<ModuleState, StoreError> => {
  const state: ModuleState = {
    status: row.status,
    attempt: row.attempt,
    ...(row.scheduledAt === null ? undefined : { scheduledAt: row.scheduledAt }),
    ...(row.startedAt === null ? undefined : { startedAt: row.startedAt }),
    ...(row.finishedAt === null ? undefined : { finishedAt: row.finishedAt })
  }
  if (row.failure === null) return Effect.succeed(state)
  return Effect.mapBoth(decodeFailure(row.failure), {
    onSuccess: (failure) => ({ ...state, failure }),
    onFailure: unreadable(runId, `failure of module "${row.module}"`)
  })
}

const snapshotOf = (run: RunRow, modules: HashMap.HashMap<string, ModuleState>): RunSnapshot => ({
  _tag: "RunSnapshot",
  runId: run.runId,
  dag: run.dag,
  fingerprint: run.fingerprint,
  status: run.status,
  epoch: run.epoch,
  seq: run.seq,
  total: run.total,
  startedAt: run.createdAt,
  ...(run.finishedAt === null ? undefined : { finishedAt: run.finishedAt }),
  modules
})

/**
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
            onSome: ({ modules, run }) =>
              Effect.gen(function* () {
                const states = yield* Effect.forEach(modules, (row) =>
                  Effect.map(stateOf(runId, row), (state) => [row.module, state] as const)
                )
                const policy = yield* Effect.mapError(decodePolicy(run.policy), unreadable(runId, "policy"))
                return Option.some({
                  snapshot: snapshotOf(run, HashMap.fromIterable(states)),
                  input: run.input,
                  policy
                })
              })
          })
        ),
      list: ({ limit = 100, ...filter } = {}) =>
        Effect.map(store.list({ ...filter, limit }), (runs) =>
          runs.map(({ createdAt, dag, fingerprint, finishedAt, runId, status, total }) => ({
            runId,
            dag,
            fingerprint,
            status,
            total,
            createdAt,
            finishedAt: Option.fromNullable(finishedAt)
          }))
        ),
      outputs: store.outputs,
      history: (runId, { after = 0, limit = 1000 } = {}) => store.history(runId, { after, limit })
    })
  )
)
