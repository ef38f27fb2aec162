/**
 * Keeps runs in memory: for tests, and for programs that resume nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type { RunId } from "../model/RunId.js"
import * as SignalPaths from "../model/SignalPaths.js"
import { isEnded } from "../model/Transition.js"
import { claim, commit, isDriven } from "./internal/Changes.js"
import * as MemoryRun from "./internal/MemoryRun.js"
import * as RunOrder from "./internal/RunOrder.js"
import { RunStore } from "./RunStore.js"
import type { Claim, DeadLetter, Opened, RunRow, Signalled, StateChange, Storage } from "./RunStore.js"

/**
 * - `finishedRuns`: how many finished runs are kept; beyond it those that finished first are forgotten
 * - `deadLetters`: how many dead letters are kept; beyond it those that were buried first are forgotten
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly finishedRuns: number
  readonly deadLetters: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { finishedRuns: 1000, deadLetters: 1000 }

// Changed in place, inside a Ref that never leaves this file: a commit costs its changes, not the size of its runs.
interface State {
  readonly runs: Map<RunId, MemoryRun.MemoryRun>
  readonly finished: Set<RunId>
  readonly states: Map<string, Map<string, string>>
  /** In the order in which they were buried. */
  letters: ReadonlyArray<DeadLetter>
}

// Suspended, so that each layer that is built has Maps of its own.
const emptyState = Effect.suspend(() =>
  Ref.make<State>({ runs: new Map(), finished: new Set(), states: new Map(), letters: [] })
)

const forget = (state: State, runId: RunId): void => {
  state.finished.delete(runId)
  state.runs.delete(runId)
  if (state.letters.some(({ key }) => key === runId)) {
    state.letters = state.letters.filter(({ key, kind }) => kind !== "run" || key !== runId)
  }
}

const writeState = (states: State["states"], { clear, key, set }: StateChange): void => {
  const fields = states.get(key) ?? new Map<string, string>()
  for (const field of clear) fields.delete(field)
  for (const [field, value] of set) fields.set(field, value)
  if (fields.size === 0) states.delete(key)
  else states.set(key, fields)
}

const storageOf = ({ letters, runs, states }: State): Storage => {
  const encoder = new TextEncoder()
  const byStatus = { running: 0, suspended: 0, completed: 0, failed: 0, cancelled: 0, timedOut: 0, stopped: 0 }
  const sizes = { modules: 0, items: 0, transitions: 0, outputs: 0, outputBytes: 0 }
  for (const run of runs.values()) {
    byStatus[run.row.status]++
    sizes.modules += run.modules.size
    for (const items of run.items.values()) sizes.items += items.size
    sizes.transitions += run.history.length
    for (const output of MemoryRun.allOutputs(run)) {
      sizes.outputs++
      sizes.outputBytes += encoder.encode(output).length
    }
  }
  return {
    ...sizes,
    runs: byStatus,
    spilled: 0,
    states: states.size,
    deadLetters: letters.length,
    bytes: null,
    freeBytes: null
  }
}

/**
 * A store that is empty when it is built and gone with its scope. It keeps every unfinished run, of the finished ones
 * the `finishedRuns` that finished last, and the latest `deadLetters` dead letters.
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
export const layer = (options?: {
  readonly finishedRuns?: number | undefined
  readonly deadLetters?: number | undefined
}): Layer.Layer<RunStore> =>
  Layer.effect(
    RunStore,
    Effect.map(emptyState, (ref) => {
      const finishedRuns = options?.finishedRuns ?? defaults.finishedRuns
      const deadLetters = options?.deadLetters ?? defaults.deadLetters
      const access = <A>(f: (state: State) => A): Effect.Effect<A> =>
        Ref.modify(ref, (state) => [f(state), state] as const)

      const forgetFinished = (state: State): void => {
        for (const runId of state.finished) {
          if (state.finished.size <= finishedRuns) return
          forget(state, runId)
        }
      }

      return RunStore.of({
        open: (run) =>
          access(({ runs }): Opened => {
            const stored = runs.get(run.runId)
            if (stored !== undefined) return { _tag: "Exists", run: stored.row }
            runs.set(run.runId, MemoryRun.make(run))
            return { _tag: "Created" }
          }),

        claim: (request) =>
          access((state): Claim => {
            const stored = state.runs.get(request.runId)
            if (stored === undefined) return { _tag: "Unknown" }
            const claimed = claim(stored.row, request)
            stored.row = claimed.run
            if (claimed._tag !== "Claimed") return claimed
            if (claimed.reopened) {
              state.finished.delete(request.runId)
              MemoryRun.reopen(stored)
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

        release: ({ epoch, failed, runId }) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            if (stored === undefined || stored.row.epoch !== epoch || isEnded(stored.row.status)) return
            const recoveries = stored.row.recoveries + (failed === true ? 1 : 0)
            stored.row = { ...stored.row, owner: "", heartbeatAt: 0, recoveries }
          }),

        commit: (batch) =>
          access((state) => {
            const { refused, suspended } = commit(batch.runs, state.runs, (stored, changes, transitions) => {
              MemoryRun.write(stored, changes, transitions)
              if (isEnded(stored.row.status)) state.finished.add(changes.runId)
            })
            for (const stored of suspended) MemoryRun.wake(stored)
            for (const change of batch.states) writeState(state.states, change)
            forgetFinished(state)
            return refused
          }),

        migrate: (migration) =>
          access(({ runs }) => {
            const stored = runs.get(migration.runId)
            return stored !== undefined && MemoryRun.migrate(stored, migration)
          }),

        state: (key) => access(({ states }) => new Map(states.get(key))),

        bury: (letter) =>
          access((state) => {
            const kept = [...state.letters, letter]
            state.letters = kept.slice(Math.max(0, kept.length - deadLetters))
          }),

        deadLetters: ({ key, limit }) =>
          access(({ letters }) =>
            letters
              .filter((letter) => key === undefined || letter.key === key)
              .reverse()
              .slice(0, Math.max(0, limit))
          ),

        prune: ({ endedBefore, keep, limit }) =>
          access((state) => {
            const ended = Array.from(state.finished)
              .flatMap((runId) => state.runs.get(runId)?.row ?? [])
              .filter(({ finishedAt }) => finishedAt !== null)
              .sort(RunOrder.endedFirst)
            const pruned = ended
              .slice(0, Math.max(0, ended.length - Math.max(0, keep)))
              .filter(({ finishedAt }) => finishedAt !== null && finishedAt < endedBefore)
              .slice(0, Math.max(0, limit))
            for (const { runId } of pruned) forget(state, runId)
            return pruned.length
          }),

        storage: access(storageOf),

        signal: (signal) =>
          access(({ runs }): Signalled => {
            const stored = runs.get(signal.runId)
            if (stored === undefined) return { _tag: "Unknown" }
            if (isEnded(stored.row.status)) return { _tag: "Finished", run: stored.row }
            if (!SignalPaths.has(stored.row.signals, signal.module)) return { _tag: "UnknownSignal" }
            return { _tag: "Settled", was: MemoryRun.settle(stored, signal) }
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
              if (!fingerprints.includes(row.fingerprint) || row.quarantined || isDriven(row, expiredBefore)) continue
              if (row.status === "running") due.push(row)
              if (row.status !== "suspended" || row.wakeAt === null) continue
              if (row.wakeAt <= now) due.push(row)
              else nextAt = Math.min(nextAt ?? Infinity, row.wakeAt)
            }
            return { runs: due.sort(RunOrder.earliestFirst).slice(0, Math.max(0, limit)), nextAt }
          }),

        run: (runId) => access(({ runs }) => Option.map(Option.fromNullable(runs.get(runId)), ({ row }) => row)),

        get: (runId) => access(({ runs }) => Option.map(Option.fromNullable(runs.get(runId)), MemoryRun.stored)),

        items: (runId, modules) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            return stored === undefined ? [] : MemoryRun.itemsOf(stored, modules)
          }),

        outputs: (runId, modules) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            return stored === undefined ? new Map<string, string>() : MemoryRun.outputsOf(stored, modules)
          }),

        history: (runId, page) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            return stored === undefined ? [] : MemoryRun.page(stored, page)
          }),

        keepSnapshot: ({ epoch, runId }) =>
          access(({ runs }) => {
            const stored = runs.get(runId)
            return stored === undefined || stored.row.epoch !== epoch ? 0 : MemoryRun.keep(stored)
          }),

        snapshot: (runId, bound) =>
          access(({ runs }) =>
            Option.flatMap(Option.fromNullable(runs.get(runId)), (stored) => MemoryRun.kept(stored, bound))
          ),

        list: ({ before, dag, limit, status }) =>
          access(({ runs }) =>
            Array.from(runs.values(), ({ row }) => row)
              .filter(
                (row) =>
                  (status === undefined || row.status === status) &&
                  (dag === undefined || row.dag === dag) &&
                  (before === undefined || RunOrder.newestFirst(before, row) < 0)
              )
              .sort(RunOrder.newestFirst)
              .slice(0, Math.max(0, limit))
          )
      })
    })
  )
