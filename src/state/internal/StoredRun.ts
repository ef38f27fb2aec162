/**
 * A stored run as it is read.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { RunId } from "../../model/RunId.js"
import { RunPolicy } from "../../model/RunPolicy.js"
import type { ItemCounts, ModuleState, RunSnapshot } from "../../model/RunSnapshot.js"
import { StoreError } from "../../model/StoreError.js"
import { Failure } from "../../model/Transition.js"
import type { ModuleRow, RunRow, RunStore, SharedRow, Stored } from "../../store/RunStore.js"

/** A run and its modules as they are stored. `input` is the canonical JSON of its encoded inputs. */
export interface StoredRun {
  readonly snapshot: RunSnapshot
  readonly input: string
  readonly policy: RunPolicy
}

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
  ...(run.version === null ? undefined : { version: run.version }),
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

export const decode = ({ items, modules, run, shared }: Stored): Effect.Effect<StoredRun, StoreError> =>
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

/** A run as it is stored now. */
export const read = (
  store: typeof RunStore.Service,
  runId: RunId
): Effect.Effect<Option.Option<StoredRun>, StoreError> =>
  Effect.flatMap(store.get(runId), (stored) => Effect.transposeOption(Option.map(stored, decode)))
