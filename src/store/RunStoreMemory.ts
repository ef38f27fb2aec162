/**
 * Keeps runs in memory: for tests, and for programs that resume nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { canFollow } from "../model/ModuleStatus.js"
import type { RunId } from "../model/RunId.js"
import type { Transition } from "../model/Transition.js"
import { advance } from "./internal/Changes.js"
import { RunStore } from "./RunStore.js"
import type { Claim, ModuleChange, Opened, RunChanges, RunCursor, RunRow } from "./RunStore.js"

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
  if (stored.attempt !== change.attempt) return change
  return {
    ...change,
    scheduledAt: change.scheduledAt ?? stored.scheduledAt,
    startedAt: change.startedAt ?? stored.startedAt,
    finishedAt: change.finishedAt ?? stored.finishedAt,
    failure: change.failure ?? stored.failure
  }
}

const write = (stored: StoredRun, changes: RunChanges): void => {
  for (const change of changes.modules) {
    stored.modules.set(change.module, merge(stored.modules.get(change.module), change))
  }
  const { transitions, ...row } = advance(stored.row, changes)
  for (const transition of transitions) stored.history.push(transition)
  stored.row = { ...stored.row, ...row }
}

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

// Suspended, so that each layer that is built has Maps of its own.
const emptyState = Effect.suspend(() => Ref.make<State>({ runs: new Map(), finished: new Set() }))

/**
 * A store that is empty when it is built and gone with its scope. It keeps every unfinished run, and of the finished
 * ones the `finishedRuns` that finished last.
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
        open: (run) =>
          access(({ runs }): Opened => {
            const stored = runs.get(run.runId)
            if (stored !== undefined) return { _tag: "Exists", run: stored.row }
            const row: RunRow = {
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
              createdAt: run.createdAt,
              finishedAt: null
            }
            runs.set(run.runId, { row, modules: new Map(), history: [] })
            return { _tag: "Created" }
          }),

        claim: ({ expiredBefore, now, owner, runId }) =>
          access(({ runs }): Claim => {
            const stored = runs.get(runId)
            if (stored === undefined) return { _tag: "Unknown" }
            const run = stored.row
            if (run.status !== "running") return { _tag: "Finished", run }
            if (run.owner !== "" && run.heartbeatAt >= expiredBefore) return { _tag: "Held", run }
            stored.row = { ...run, owner, epoch: run.epoch + 1, heartbeatAt: now }
            return { _tag: "Claimed", run: stored.row }
          }),

        heartbeat: (driven, now) =>
          access(({ runs }) => {
            const lost: Array<RunId> = []
            for (const { epoch, runId } of driven) {
              const stored = runs.get(runId)
              if (stored === undefined || stored.row.epoch !== epoch) lost.push(runId)
              else if (stored.row.status === "running" && stored.row.owner !== "") {
                stored.row = { ...stored.row, heartbeatAt: now }
              }
            }
            return lost
          }),

        release: ({ epoch, runId }) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            if (stored === undefined || stored.row.epoch !== epoch || stored.row.status !== "running") return
            stored.row = { ...stored.row, owner: "", heartbeatAt: 0 }
          }),

        commit: (batch) =>
          access((state) => {
            const refused: Array<RunChanges> = []
            for (const changes of batch) {
              const stored = state.runs.get(changes.runId)
              if (stored === undefined || stored.row.epoch !== changes.epoch || stored.row.status !== "running") {
                refused.push(changes)
                continue
              }
              write(stored, changes)
              if (stored.row.status !== "running") state.finished.add(changes.runId)
            }
            forget(state)
            return refused
          }),

        run: (runId) => access(({ runs }) => Option.map(Option.fromNullable(runs.get(runId)), ({ row }) => row)),

        get: (runId) =>
          access(({ runs }) =>
            Option.map(Option.fromNullable(runs.get(runId)), ({ modules, row }) => ({
              run: row,
              modules: Array.from(modules.values(), ({ output: _, ...module }) => module)
            }))
          ),

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
