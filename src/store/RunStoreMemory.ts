/**
 * Keeps runs in memory: for tests, and for programs that resume nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { canFollow, isFinal } from "../model/ModuleStatus.js"
import type { RunId } from "../model/RunId.js"
import * as RunSnapshot from "../model/RunSnapshot.js"
import * as SignalPaths from "../model/SignalPaths.js"
import { isEnded, type Transition } from "../model/Transition.js"
import { advance, claim, isDriven } from "./internal/Changes.js"
import { RunStore } from "./RunStore.js"
import type {
  Claim,
  ItemRow,
  ModuleChange,
  Opened,
  RunChanges,
  RunCursor,
  RunRow,
  SharedRow,
  Signalled,
  SignalRow,
  Stored
} from "./RunStore.js"

/**
 * `finishedRuns`: how many finished runs are kept; beyond it those that finished first are forgotten.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: { readonly finishedRuns: number } = { finishedRuns: 1000 }

interface StoredRun {
  row: RunRow
  readonly modules: Map<string, ModuleChange>
  /** By module, then by index. */
  readonly items: Map<string, Map<number, ItemRow>>
  readonly shared: Map<string, SharedRow>
  readonly signals: Map<string, SignalRow>
  readonly history: Array<Transition>
}

// Changed in place, inside a Ref that never leaves this file: a commit costs its changes, not the size of its runs.
interface State {
  readonly runs: Map<RunId, StoredRun>
  readonly finished: Set<RunId>
}

// The order of UTF-8 bytes, which databases use: that of code points. Code units differ from it above U+D800.
const codeUnit = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = codeUnit(a.charCodeAt(i)) - codeUnit(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

const newestFirst = (a: RunCursor, b: RunCursor): number => b.createdAt - a.createdAt || compareText(b.runId, a.runId)

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

const write = (stored: StoredRun, changes: Omit<RunChanges, "runId" | "epoch">): void => {
  for (const change of changes.modules) {
    stored.modules.set(change.module, merge(stored.modules.get(change.module), change))
  }
  for (const item of changes.items) {
    const items = stored.items.get(item.module) ?? new Map<number, ItemRow>()
    stored.items.set(item.module, items)
    if (items.get(item.index)?.status !== "completed") items.set(item.index, item)
  }
  for (const row of changes.shared) stored.shared.set(row.cell, row)
  const { transitions, ...row } = advance(stored.row, changes)
  for (const transition of transitions) stored.history.push(transition)
  stored.row = { ...stored.row, ...row }
}

const isSuspended = (stored: StoredRun, module: string): boolean => stored.modules.get(module)?.status === "suspended"

/** Makes a suspended run due when one of these signals is there for a suspended module of it. */
const wake = (stored: StoredRun, signals: Iterable<string>): void => {
  if (stored.row.status !== "suspended") return
  for (const module of signals) if (isSuspended(stored, module)) stored.row = { ...stored.row, wakeAt: 0 }
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

const reopen = (stored: StoredRun): void => {
  const reopened = [...stored.modules.values()].filter((module) =>
    RunSnapshot.isReopened(module.module, module, (outer) => stored.modules.get(outer))
  )
  for (const module of reopened) stored.modules.set(module.module, { ...module, ...none, status: "pending" })
  const isPending = (module: string) => (stored.modules.get(module)?.status ?? "pending") === "pending"
  for (const [module, items] of stored.items) {
    if (!isPending(module)) continue
    for (const { index, status } of items.values()) if (status === "failed") items.delete(index)
  }
  for (const { closed, module } of stored.signals.values()) {
    if (closed && isPending(module)) stored.signals.delete(module)
  }
}

const itemCounts = (stored: StoredRun): Stored["items"] =>
  Array.from(stored.items).flatMap(([module, items]) => {
    const rows = Array.from(items.values())
    return (["completed", "failed"] as const).flatMap((status) => {
      const count = rows.filter((row) => row.status === status).length
      return count === 0 ? [] : [{ module, status, count }]
    })
  })

/** Those that run first, then those that are suspended, by the time at which they are due. */
const earliestFirst = (a: RunRow, b: RunRow): number =>
  (a.wakeAt ?? -Infinity) - (b.wakeAt ?? -Infinity) || a.createdAt - b.createdAt || compareText(a.runId, b.runId)

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

const newRun = (run: Omit<Parameters<RunStore["Type"]["open"]>[0], "seed">): StoredRun => ({
  row: {
    runId: run.runId,
    dag: run.dag,
    fingerprint: run.fingerprint,
    total: run.total,
    input: run.input,
    policy: run.policy,
    status: "running",
    epoch: 1,
    owner: run.owner,
    heartbeatAt: run.createdAt,
    seq: 0,
    signals: run.signals,
    createdAt: run.createdAt,
    startedAt: run.createdAt,
    finishedAt: null,
    wakeAt: null
  },
  modules: new Map(),
  items: new Map(),
  shared: new Map(),
  signals: new Map(),
  history: []
})

// Suspended, so that each layer that is built has Maps of its own.
const emptyState = Effect.suspend(() => Ref.make<State>({ runs: new Map(), finished: new Set() }))

/**
 * A store that is empty when it is built and gone with its scope. It keeps every unfinished run, and of the finished
 * ones the `finishedRuns` that finished last.
 *
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { Layer } from "effect"
 *
 * const HeddleTest = Heddle.layer({ engine: { alwaysDecode: true } }).pipe(Layer.provide(RunStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: { readonly finishedRuns?: number | undefined }): Layer.Layer<RunStore> =>
  Layer.effect(
    RunStore,
    Effect.map(emptyState, (ref) => {
      const finishedRuns = options?.finishedRuns ?? defaults.finishedRuns
      const access = <A>(f: (state: State) => A): Effect.Effect<A> =>
        Ref.modify(ref, (state) => [f(state), state] as const)

      const forget = (state: State): void => {
        for (const runId of state.finished) {
          if (state.finished.size <= finishedRuns) return
          state.finished.delete(runId)
          state.runs.delete(runId)
        }
      }

      return RunStore.of({
        open: ({ seed, ...run }) =>
          access(({ runs }): Opened => {
            const stored = runs.get(run.runId)
            if (stored !== undefined) return { _tag: "Exists", run: stored.row }
            const created = newRun(run)
            if (seed !== undefined) write(created, { ...seed, shared: [], status: undefined, wakeAt: null })
            runs.set(run.runId, created)
            return { _tag: "Created" }
          }),

        claim: (request) =>
          access((state): Claim => {
            const stored = state.runs.get(request.runId)
            if (stored === undefined) return { _tag: "Unknown" }
            const claimed = claim(stored.row, request)
            if (claimed._tag !== "Claimed") return claimed
            stored.row = claimed.run
            if (claimed.reopened) {
              state.finished.delete(request.runId)
              reopen(stored)
            }
            return { _tag: "Claimed", run: stored.row }
          }),

        heartbeat: (driven, now) =>
          access(({ runs }) => {
            const lost: Array<RunId> = []
            for (const { epoch, runId } of driven) {
              const stored = runs.get(runId)
              if (stored === undefined || stored.row.epoch !== epoch) lost.push(runId)
              else if (!isEnded(stored.row.status) && stored.row.owner !== "") {
                stored.row = { ...stored.row, heartbeatAt: now }
              }
            }
            return lost
          }),

        release: ({ epoch, runId }) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            if (stored === undefined || stored.row.epoch !== epoch || isEnded(stored.row.status)) return
            stored.row = { ...stored.row, owner: "", heartbeatAt: 0 }
          }),

        commit: (batch) =>
          access((state) => {
            const refused: Array<RunChanges> = []
            const written = new Set<StoredRun>()
            for (const changes of batch) {
              const stored = state.runs.get(changes.runId)
              if (stored === undefined || stored.row.epoch !== changes.epoch || isEnded(stored.row.status)) {
                refused.push(changes)
                continue
              }
              write(stored, changes)
              written.add(stored)
              if (isEnded(stored.row.status)) state.finished.add(changes.runId)
            }
            for (const stored of written) wake(stored, stored.signals.keys())
            forget(state)
            return refused
          }),

        signal: (signal) =>
          access(({ runs }): Signalled => {
            const stored = runs.get(signal.runId)
            if (stored === undefined) return { _tag: "Unknown" }
            if (isEnded(stored.row.status)) return { _tag: "Finished", run: stored.row }
            if (!SignalPaths.has(stored.row.signals, signal.module)) return { _tag: "UnknownSignal" }
            const { module, runId } = signal
            const ended = isFinal(stored.modules.get(module)?.status ?? "pending")
            const was = stored.signals.get(module) ?? (ended ? { runId, module, closed: true, value: null } : undefined)
            if (was === undefined) {
              stored.signals.set(signal.module, signal)
              wake(stored, [signal.module])
            }
            return { _tag: "Settled", was }
          }),

        signals: (runIds) =>
          access(({ runs }) =>
            Array.from(new Set(runIds)).flatMap((runId) => Array.from(runs.get(runId)?.signals.values() ?? []))
          ),

        due: ({ expiredBefore, fingerprints, limit, now }) =>
          access(({ runs }) => {
            const due: Array<RunRow> = []
            let nextAt: number | null = null
            for (const { row } of runs.values()) {
              if (!fingerprints.includes(row.fingerprint) || isDriven(row, expiredBefore)) continue
              if (row.status === "running") due.push(row)
              if (row.status !== "suspended" || row.wakeAt === null) continue
              if (row.wakeAt <= now) due.push(row)
              else nextAt = Math.min(nextAt ?? Infinity, row.wakeAt)
            }
            return { runs: due.sort(earliestFirst).slice(0, Math.max(0, limit)), nextAt }
          }),

        run: (runId) => access(({ runs }) => Option.map(Option.fromNullable(runs.get(runId)), ({ row }) => row)),

        get: (runId) =>
          access(({ runs }) =>
            Option.map(Option.fromNullable(runs.get(runId)), (stored) => ({
              run: stored.row,
              modules: Array.from(stored.modules.values(), ({ output: _, ...module }) => module),
              items: itemCounts(stored),
              shared: Array.from(stored.shared.values())
            }))
          ),

        items: (runId, modules) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            return Array.from(new Set(modules)).flatMap((module) =>
              Array.from(stored?.items.get(module)?.values() ?? [])
            )
          }),

        outputs: (runId, modules) =>
          access(({ runs }) => {
            const stored = runs.get(runId)?.modules
            const outputs = new Map<string, string>()
            for (const module of modules) {
              const output = stored?.get(module)?.output
              if (typeof output === "string") outputs.set(module, output)
            }
            return outputs
          }),

        history: (runId, { after, limit }) =>
          access(({ runs }) => {
            const history = runs.get(runId)?.history ?? []
            const from = firstAfter(history, after)
            return history.slice(from, from + Math.max(0, limit))
          }),

        list: ({ before, dag, limit, status }) =>
          access(({ runs }) =>
            Array.from(runs.values(), ({ row }) => row)
              .filter(
                (row) =>
                  (status === undefined || row.status === status) &&
                  (dag === undefined || row.dag === dag) &&
                  (before === undefined || newestFirst(before, row) < 0)
              )
              .sort(newestFirst)
              .slice(0, Math.max(0, limit))
          )
      })
    })
  )
