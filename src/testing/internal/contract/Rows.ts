/**
 * The runs, changes and transitions that checks write, and what they read of them. A run that is named here is the run
 * whose id is that name.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ModuleStatus } from "../../../model/ModuleStatus.js"
import { RunId } from "../../../model/RunId.js"
import type { StoreError } from "../../../model/StoreError.js"
import type { Failure, RunStatus, Transition } from "../../../model/Transition.js"
import {
  type Batch,
  type ItemRow,
  type ModuleChange,
  type ModuleRow,
  type RunChanges,
  type RunRow,
  RunStore,
  type SignalRow,
  type Stored
} from "../../../store/RunStore.js"
import { type Mismatch, some } from "./Expect.js"

export const runId = (name: string): RunId => RunId.make(name)

/** What `open` takes. */
export const newRun = (name: string, fields?: { readonly dag?: string; readonly createdAt?: number }) => ({
  runId: runId(name),
  dag: fields?.dag ?? "checkout",
  fingerprint: "f1",
  version: "1.2.0-β",
  total: 3,
  input: `{"cart":"${name}"}`,
  policy: `{"name":"${name}"}`,
  signals: '["ask","orders/:/ask"]',
  owner: "one",
  createdAt: fields?.createdAt ?? 1000
})

/** The row of `newRun` after `open`. */
export const openedRun = (name: string, fields?: Partial<RunRow>): RunRow => ({
  ...newRun(name),
  status: "running",
  epoch: 1,
  heartbeatAt: 1000,
  seq: 0,
  startedAt: 1000,
  finishedAt: null,
  wakeAt: null,
  recoveries: 0,
  quarantined: false,
  ...fields
})

export const failure: Failure = { kind: "error", message: "no", cause: "Error: no\n  at x", error: { code: 7 } }

export const moduleTransition = (
  seq: number,
  module: string,
  status: ModuleStatus,
  fields?: { readonly attempt?: number; readonly at?: number; readonly failure?: Failure }
): Transition => ({
  _tag: "ModuleTransition",
  seq,
  at: fields?.at ?? 1000 + seq,
  module,
  status,
  attempt: fields?.attempt ?? 1,
  ...(fields?.failure === undefined ? undefined : { failure: fields.failure })
})

export const runTransition = (seq: number, status: RunStatus, epoch = 1): Transition => ({
  _tag: "RunTransition",
  seq,
  at: 1000 + seq,
  status,
  epoch
})

export const moduleChange = (module: string, fields?: Partial<ModuleChange>): ModuleChange => ({
  module,
  status: "running",
  attempt: 1,
  scheduledAt: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  because: null,
  until: null,
  items: null,
  output: null,
  ...fields
})

/** The row that a change leaves where there was none. */
export const moduleRow = ({ output: _, ...row }: ModuleChange): ModuleRow => row

export const changesOf = (name: string, fields?: Partial<RunChanges>): RunChanges => ({
  runId: runId(name),
  epoch: 1,
  modules: [],
  items: [],
  shared: [],
  transitions: [],
  status: undefined,
  wakeAt: null,
  ...fields
})

/** One changed module with its transition. */
export const step = (
  name: string,
  seq: number,
  module: string,
  status: ModuleStatus,
  fields?: Partial<ModuleChange>
): RunChanges =>
  changesOf(name, {
    modules: [moduleChange(module, { status, ...fields })],
    transitions: [moduleTransition(seq, module, status, { attempt: fields?.attempt ?? 1 })]
  })

/** The run takes a status; `seq` numbers the transition, whose time is `1000 + seq`. */
export const become = (name: string, seq: number, status: RunStatus, fields?: Partial<RunChanges>): RunChanges =>
  changesOf(name, { status, transitions: [runTransition(seq, status, fields?.epoch ?? 1)], ...fields })

/** The module is suspended, and so is the run. */
export const suspend = (name: string, seq: number, wakeAt: number | null, module = "ask"): RunChanges =>
  become(name, seq, "suspended", { wakeAt, modules: [moduleChange(module, { status: "suspended", until: wakeAt })] })

export const item = (module: string, index: number, status: ItemRow["status"], fields?: Partial<ItemRow>): ItemRow => ({
  module,
  index,
  seq: index + 2,
  status,
  output: status === "completed" ? `${index}` : null,
  failure: status === "failed" ? JSON.stringify(failure) : null,
  ...fields
})

export const signal = (name: string, module: string, fields?: Partial<SignalRow>): SignalRow => ({
  runId: runId(name),
  module,
  closed: false,
  value: '"yes"',
  ...fields
})

/** A batch of changes of runs alone. */
export const batchOf = (...runs: ReadonlyArray<RunChanges>): Batch => ({ runs, states: [], synced: false })

/** Writes changes of runs; what was refused. */
export const commit = (
  ...runs: ReadonlyArray<RunChanges>
): Effect.Effect<ReadonlyArray<RunChanges>, StoreError, RunStore> =>
  Effect.flatMap(RunStore, (store) => store.commit(batchOf(...runs)))

/** The page of a history that is all of it. */
export const all = { after: 0, limit: Infinity }

/** What is stored of a run that there must be. */
export const stored = (name: string): Effect.Effect<Stored, Mismatch | StoreError, RunStore> =>
  RunStore.pipe(
    Effect.flatMap((store) => store.get(runId(name))),
    Effect.flatMap((found) => some(found, `run ${name}`))
  )

/** The row of a run that there must be. */
export const run = (name: string): Effect.Effect<RunRow, Mismatch | StoreError, RunStore> =>
  RunStore.pipe(
    Effect.flatMap((store) => store.run(runId(name))),
    Effect.flatMap((found) => some(found, `run ${name}`))
  )

/** The rows of the modules of a run; none when there is no such run. */
export const modulesOf = (
  store: typeof RunStore.Service,
  id: RunId
): Effect.Effect<ReadonlyArray<ModuleRow>, StoreError> =>
  Effect.map(store.get(id), Option.match({ onNone: () => [], onSome: ({ modules }) => modules }))

/** Rows that come in no particular order, in one. */
export const sorted = <A>(rows: ReadonlyArray<A>, key: (row: A) => string): ReadonlyArray<A> =>
  [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1))
