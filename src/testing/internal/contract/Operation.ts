/**
 * Any operation of a store, on few runs, modules and times, so that they meet.
 */
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { ModuleStatus } from "../../../model/ModuleStatus.js"
import type { StoreError } from "../../../model/StoreError.js"
import { RunStatus, type Transition } from "../../../model/Transition.js"
import type { DeadLetter, RunStore } from "../../../store/RunStore.js"
import { failure, newRun, runId } from "./Rows.js"
import { inOrder } from "./Snapshots.js"

const { array, boolean, constant, constantFrom, integer, jsonValue, nat, oneof, option, record, string } = FastCheck

export const modules = ["m", "n", "o'p", "orders/0/ask"]
export const keys = ["k", "a", "o'k", ""]

const anyRun = constantFrom("a", "b", "😀", "\uffee").map(runId)
const anyEpoch = constantFrom(1, 1, 1, 2, 3)
const anyTime = oneof(nat(20), FastCheck.double({ min: 0, max: 20, noNaN: true }))
// those of a run that has not ended more often
const anyRunStatus = constantFrom(...RunStatus.literals, "running" as const, "suspended" as const)
const anyModule = constantFrom(...modules)
const anySignal = constantFrom(...modules, "orders/x/ask", "orders/:/ask")
const maybeTime = option(anyTime)
const anySeq = integer({ min: 1, max: 12 })
const anyFailure = constantFrom(undefined, failure)
const anyReason = option(constantFrom("failure" as const, "stop" as const))
const anyShared = FastCheck.dictionary(constantFrom("x", "y", "o/x"), jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>) => option(arbitrary, { nil: undefined })

/** Without the fields that are undefined: they are optional. */
const defined = <A extends object>(value: A): A =>
  // the entries that stay are those of an A
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as A

const anyTransition: FastCheck.Arbitrary<Transition> = oneof(
  record({
    _tag: constant("ModuleTransition" as const),
    seq: anySeq,
    at: anyTime,
    module: anyModule,
    status: constantFrom(...ModuleStatus.literals),
    attempt: nat(2),
    failure: anyFailure,
    because: anyReason.map((reason) => reason ?? undefined),
    until: maybe(anyTime),
    items: maybe(nat(5)),
    shared: maybe(anyShared)
  }),
  record({
    _tag: constant("ItemTransition" as const),
    seq: anySeq,
    at: anyTime,
    module: anyModule,
    index: nat(3),
    status: constantFrom("completed" as const, "failed" as const),
    failure: anyFailure,
    shared: maybe(anyShared)
  }),
  record({ _tag: constant("SharedTransition" as const), seq: anySeq, at: anyTime, shared: anyShared }),
  record({
    _tag: constant("RunTransition" as const),
    seq: anySeq,
    at: anyTime,
    status: anyRunStatus,
    epoch: anyEpoch,
    until: maybe(anyTime)
  })
).map(defined)

const anyRows = {
  modules: array(
    record({
      module: anyModule,
      status: constantFrom(...ModuleStatus.literals),
      attempt: nat(2),
      scheduledAt: maybeTime,
      startedAt: maybeTime,
      finishedAt: maybeTime,
      failure: option(string()),
      because: anyReason,
      until: maybeTime,
      items: option(nat(5)),
      output: option(string())
    }),
    { maxLength: 4 }
  ),
  items: array(
    record({
      module: anyModule,
      index: nat(3),
      seq: anySeq,
      status: constantFrom("completed" as const, "failed" as const),
      output: option(string()),
      failure: option(string())
    }),
    { maxLength: 4 }
  ),
  transitions: array(anyTransition, { maxLength: 5 })
}

const anyCells = array(record({ cell: constantFrom("x", "y"), value: string() }), { maxLength: 2 })

const anyChanges = record({
  runId: anyRun,
  epoch: anyEpoch,
  ...anyRows,
  shared: anyCells,
  status: option(anyRunStatus, { nil: undefined, freq: 2 }),
  wakeAt: maybeTime,
  // of a driver there is one with each status
  last: maybe(record({ seq: anySeq, at: anyTime }))
}).map(({ last, ...changes }) => {
  const { epoch, status, transitions } = changes
  if (last === undefined || status === undefined) return changes
  return { ...changes, transitions: [...transitions, { _tag: "RunTransition" as const, ...last, status, epoch }] }
})

/** Of each field: its value, or null where it is cleared. */
const anyState = record({
  key: constantFrom(...keys),
  fields: FastCheck.dictionary(constantFrom("f", "g", "o'f"), option(string()), { maxKeys: 3 })
}).map(({ fields, key }) => ({
  key,
  set: new Map(Object.entries(fields).flatMap(([field, value]) => (value === null ? [] : [[field, value] as const]))),
  clear: new Set(Object.keys(fields).filter((field) => fields[field] === null))
}))

const anyBatch = record({
  runs: array(anyChanges, { maxLength: 4 }),
  states: FastCheck.uniqueArray(anyState, { maxLength: 2, selector: ({ key }) => key }),
  synced: boolean()
})

const anyLetter: FastCheck.Arbitrary<DeadLetter> = record({
  at: anyTime,
  kind: constantFrom("run" as const, "state" as const),
  // also one that is the id of a run
  key: constantFrom(...keys),
  epoch: option(anyEpoch),
  reason: constantFrom("lost" as const, "failed" as const),
  message: string(),
  count: nat(3),
  updates: string()
})

const weighted = <A>(weight: number, arbitrary: FastCheck.Arbitrary<A>) => ({ weight, arbitrary })

export const anyOperation = oneof(
  weighted(
    3,
    record({
      _tag: constant("open" as const),
      runId: anyRun,
      dag: anyModule,
      createdAt: nat(3),
      seed: maybe(record({ ...anyRows, shared: anyCells }))
    })
  ),
  weighted(
    3,
    record({
      _tag: constant("claim" as const),
      runId: anyRun,
      now: anyTime,
      expiredBefore: anyTime,
      reopen: boolean(),
      maxRecoveries: maybe(nat(2))
    })
  ),
  weighted(
    1,
    record({
      _tag: constant("heartbeat" as const),
      runs: array(record({ runId: anyRun, epoch: anyEpoch }), { maxLength: 3 }),
      now: anyTime
    })
  ),
  weighted(1, record({ _tag: constant("release" as const), runId: anyRun, epoch: anyEpoch, failed: maybe(boolean()) })),
  weighted(8, record({ _tag: constant("commit" as const), batch: anyBatch })),
  weighted(1, record({ _tag: constant("bury" as const), letter: anyLetter })),
  weighted(1, record({ _tag: constant("deadLetters" as const), key: maybe(constantFrom(...keys)), limit: nat(3) })),
  weighted(
    1,
    record({
      _tag: constant("prune" as const),
      keep: constantFrom(0, 0, 1),
      endedBefore: oneof(anyTime, constant(Infinity)),
      limit: nat(2)
    })
  ),
  weighted(
    3,
    record({
      _tag: constant("signal" as const),
      runId: anyRun,
      module: anySignal,
      closed: boolean(),
      value: option(string())
    })
  ),
  weighted(
    2,
    record({
      _tag: constant("due" as const),
      fingerprints: constantFrom(["f1"], ["f1"], ["f2", "f1", "f1"], ["f2"], []),
      now: anyTime,
      expiredBefore: anyTime,
      limit: nat(3)
    })
  ),
  weighted(
    2,
    record({
      _tag: constant("list" as const),
      status: maybe(anyRunStatus),
      dag: maybe(anyModule),
      limit: nat(4),
      before: maybe(record({ createdAt: nat(3), runId: anyRun }))
    })
  ),
  weighted(2, record({ _tag: constant("history" as const), runId: anyRun, after: nat(12), limit: nat(5) })),
  weighted(3, record({ _tag: constant("keepSnapshot" as const), runId: anyRun, epoch: anyEpoch })),
  weighted(2, record({ _tag: constant("snapshot" as const), runId: anyRun, seq: maybe(nat(12)), at: maybe(anyTime) }))
)

export type Operation = typeof anyOperation extends FastCheck.Arbitrary<infer A> ? A : never

export const perform = (store: typeof RunStore.Service, operation: Operation): Effect.Effect<unknown, StoreError> => {
  switch (operation._tag) {
    case "open":
      return store.open({ ...newRun(operation.runId), signals: JSON.stringify(["m", "orders/:/ask"]), ...operation })
    case "claim":
      return store.claim({ ...operation, owner: "two" })
    case "heartbeat":
      return store.heartbeat(operation.runs, operation.now)
    case "release":
      return store.release(operation)
    case "commit":
      return store.commit(operation.batch)
    case "bury":
      return store.bury(operation.letter)
    case "deadLetters":
      return store.deadLetters(operation)
    case "prune":
      return store.prune(operation)
    case "signal": {
      const { _tag, ...signal } = operation
      return store.signal(signal)
    }
    case "due":
      return store.due(operation)
    case "list":
      return store.list(operation)
    case "history":
      return store.history(operation.runId, operation)
    case "keepSnapshot":
      return store.keepSnapshot(operation)
    case "snapshot":
      return Effect.map(
        store.snapshot(operation.runId, operation),
        Option.map((kept) => ({ ...kept, stored: inOrder(kept.stored) }))
      )
  }
}
