/**
 * One run in memory, with all that is stored of it.
 */
import * as Arrays from "effect/Array"
import type * as Option from "effect/Option"
import { canFollow, isFinal } from "../../model/ModuleStatus.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import type { Transition } from "../../model/Transition.js"
import type {
  ItemRow,
  Kept,
  Migration,
  ModuleChange,
  RunRow,
  RunStore,
  Seed,
  SharedRow,
  SignalRow,
  Stored
} from "../RunStore.js"
import { begin } from "./Changes.js"
import * as KeptText from "./KeptText.js"
import * as Migrated from "./Migrated.js"

/** Changed in place: a commit costs its changes, not the size of its runs. */
export interface MemoryRun {
  row: RunRow
  readonly modules: Map<string, ModuleChange>
  /** By module, then by index. */
  readonly items: Map<string, Map<number, ItemRow>>
  readonly shared: Map<string, SharedRow>
  readonly signals: Map<string, SignalRow>
  readonly history: Array<Transition>
  /** By `seq`, ascending. */
  readonly kept: Array<Kept>
}

export const make = (run: Parameters<RunStore["Type"]["open"]>[0]): MemoryRun => {
  const { seed, seq, transitions } = begin(run.seed)
  const made: MemoryRun = {
    row: {
      runId: run.runId,
      dag: run.dag,
      fingerprint: run.fingerprint,
      version: run.version ?? null,
      total: run.total,
      input: run.input,
      policy: run.policy,
      status: "running",
      epoch: run.epoch ?? 1,
      owner: run.owner,
      heartbeatAt: run.createdAt,
      seq,
      signals: run.signals,
      createdAt: run.createdAt,
      startedAt: run.createdAt,
      finishedAt: null,
      wakeAt: null,
      recoveries: 0,
      quarantined: false
    },
    modules: new Map(),
    items: new Map(),
    shared: new Map(),
    signals: new Map(),
    history: [],
    kept: []
  }
  write(made, seed, transitions)
  return made
}

const merge = (stored: ModuleChange | undefined, change: ModuleChange): ModuleChange => {
  if (stored === undefined) return change
  if (!canFollow(stored, change)) return stored
  const items = change.items ?? stored.items
  if (stored.attempt !== change.attempt) return { ...change, items }
  return {
    ...change,
    items,
    scheduledAt: change.scheduledAt ?? stored.scheduledAt,
    startedAt: change.startedAt ?? stored.startedAt,
    finishedAt: change.finishedAt ?? stored.finishedAt,
    failure: change.failure ?? stored.failure
  }
}

/** `transitions`: those of the changes that the run does not have yet. */
export const write = (
  run: MemoryRun,
  changes: Omit<Seed, "transitions">,
  transitions: ReadonlyArray<Transition>
): void => {
  for (const change of changes.modules) {
    run.modules.set(change.module, merge(run.modules.get(change.module), change))
  }
  for (const item of changes.items) {
    const items = run.items.get(item.module) ?? new Map<number, ItemRow>()
    run.items.set(item.module, items)
    if (items.get(item.index)?.status !== "completed") items.set(item.index, item)
  }
  for (const row of changes.shared) run.shared.set(row.cell, row)
  for (const transition of transitions) run.history.push(transition)
}

/** Makes a suspended run due when one of these signals, or of all that it has, is there for a suspended module of it. */
export const wake = (run: MemoryRun, signals: Iterable<string> = run.signals.keys()): void => {
  if (run.row.status !== "suspended") return
  for (const module of signals) {
    if (run.modules.get(module)?.status === "suspended") run.row = { ...run.row, wakeAt: 0 }
  }
}

/** What the signal has been before; where it has been nothing, it is this now. */
export const settle = (run: MemoryRun, signal: SignalRow): SignalRow | undefined => {
  const { module, runId } = signal
  const was = run.signals.get(module)
  if (was !== undefined) return was
  if (isFinal(run.modules.get(module)?.status ?? "pending")) return { runId, module, closed: true, value: null }
  run.signals.set(module, signal)
  wake(run, [module])
  return undefined
}

const none = {
  scheduledAt: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  because: null,
  until: null,
  output: null
}

export const reopen = (run: MemoryRun): void => {
  const reopened = [...run.modules.values()].filter((module) =>
    RunSnapshot.isReopened(module.module, module, (outer) => run.modules.get(outer))
  )
  for (const module of reopened) run.modules.set(module.module, { ...module, ...none, status: "pending" })
  const isPending = (module: string) => (run.modules.get(module)?.status ?? "pending") === "pending"
  for (const [module, items] of run.items) {
    if (!isPending(module)) continue
    for (const { index, status } of items.values()) if (status === "failed") items.delete(index)
  }
  for (const { closed, module } of run.signals.values()) {
    if (closed && isPending(module)) run.signals.delete(module)
  }
}

/** `RunStore.migrate`. */
export const migrate = (run: MemoryRun, migration: Migration): boolean => {
  const { transition } = migration
  const row = Migrated.row(run.row, migration)
  if (row === undefined) return false
  if (run.kept[0]?.seq !== 0) run.kept.unshift({ seq: 0, at: run.row.createdAt, stored: Migrated.begun(run.row) })
  const reset = new Set(transition.reset)
  const gone = new Set([...transition.removed, ...reset])
  for (const [path, module] of run.modules) {
    if (!gone.has(RunSnapshot.outermost(path))) continue
    if (reset.has(path)) run.modules.set(path, { ...module, ...none, items: null, status: "pending" })
    else run.modules.delete(path)
  }
  for (const paths of [run.items, run.signals]) {
    for (const path of paths.keys()) if (gone.has(RunSnapshot.outermost(path))) paths.delete(path)
  }
  for (const cell of transition.cells) run.shared.delete(cell)
  run.history.push(transition)
  run.row = row
  return true
}

const itemCounts = (run: MemoryRun): Stored["items"] =>
  Array.from(run.items).flatMap(([module, items]) => {
    const rows = Array.from(items.values())
    return (["completed", "failed"] as const).flatMap((status) => {
      const count = rows.filter((row) => row.status === status).length
      return count === 0 ? [] : [{ module, status, count }]
    })
  })

export const stored = (run: MemoryRun): Stored => ({
  run: run.row,
  modules: Array.from(run.modules.values(), ({ output: _, ...module }) => module),
  items: itemCounts(run),
  shared: Array.from(run.shared.values())
})

/** `RunStore.keepSnapshot`, of a run with its epoch. */
export const keep = (run: MemoryRun): number => {
  const last = run.history.at(-1)
  if (last === undefined || run.kept.at(-1)?.seq === last.seq) return 0
  const now = stored(run)
  run.kept.push({ seq: last.seq, at: last.at, stored: { ...now, run: { ...now.run, wakeAt: wakeAtOf(run) } } })
  return KeptText.sizeOf(now)
}

/** When it is due as its transition says it. */
const wakeAtOf = ({ history, row }: MemoryRun): number | null => {
  if (row.status !== "suspended") return null
  for (let i = history.length - 1; i >= 0; i--) {
    const transition = history[i]!
    if (transition._tag === "DagTransition") return transition.at
    if (transition._tag === "RunTransition") return transition.until ?? null
  }
  return null
}

export const kept = (
  run: MemoryRun,
  { at = Infinity, seq = Infinity }: { readonly seq?: number | undefined; readonly at?: number | undefined }
): Option.Option<Kept> => Arrays.findLast(run.kept, (kept) => kept.seq <= seq && kept.at <= at)

export const itemsOf = (run: MemoryRun, modules: ReadonlyArray<string>): ReadonlyArray<ItemRow> =>
  Array.from(new Set(modules)).flatMap((module) => Array.from(run.items.get(module)?.values() ?? []))

export const outputsOf = (run: MemoryRun, modules: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const outputs = new Map<string, string>()
  for (const module of modules) {
    const output = run.modules.get(module)?.output
    if (typeof output === "string") outputs.set(module, output)
  }
  return outputs
}

/** All outputs that are kept, of modules and of items. */
export const allOutputs = (run: MemoryRun): ReadonlyArray<string> =>
  [...run.modules.values(), ...itemsOf(run, [...run.items.keys()])].flatMap(({ output }) => output ?? [])

/** The index of the first transition with a number above `after`. */
const firstAfter = (history: ReadonlyArray<Transition>, after: number): number => {
  let low = 0
  let high = history.length
  while (low < high) {
    const middle = (low + high) >>> 1
    // `middle` is below the length
    if (history[middle]!.seq > after) high = middle
    else low = middle + 1
  }
  return low
}

export const page = (
  { history }: MemoryRun,
  { after, limit }: { readonly after: number; readonly limit: number }
): ReadonlyArray<Transition> => {
  const from = firstAfter(history, after)
  return history.slice(from, from + Math.max(0, limit))
}
