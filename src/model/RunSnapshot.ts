/**
 * What is known of a run at one moment: an immutable value, the fold of its transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { canFollow, isFinal, type ModuleStatus } from "./ModuleStatus.js"
import type { RunId } from "./RunId.js"
import {
  isEnded,
  type DagTransition,
  type Failure,
  type ModuleTransition,
  type RunStatus,
  type RunTransition,
  type SharedValues,
  type SkipReason,
  type Transition
} from "./Transition.js"

/**
 * How many items a map has, and how many of them have ended in either way.
 *
 * @since 0.1.0
 * @category models
 */
export interface ItemCounts {
  readonly total: number
  readonly completed: number
  readonly failed: number
}

/**
 * One module. Times are milliseconds since the epoch and belong to the latest attempt. `until`: when a module that is
 * `suspended` goes on by itself; `because`: why one was skipped or cancelled that would have run otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleState {
  readonly status: ModuleStatus
  readonly attempt: number
  readonly scheduledAt?: number
  readonly startedAt?: number
  readonly finishedAt?: number
  readonly failure?: Failure
  readonly because?: SkipReason
  readonly until?: number
  readonly items?: ItemCounts
}

/**
 * One run. `modules` holds, by path, those that have left `pending`; `total` counts all of the Dag, without those inside
 * of child Dags. `seq` is the number of the latest transition that is in it.
 *
 * - `version`: of the flow that the Dag is, where that is known
 * - `startedAt`: when it was created or, once it had ended, resumed; `until`: when a suspended run goes on by itself
 * - `shared`: the shared cells that were changed, as JSON values, by path
 *
 * @since 0.1.0
 * @category models
 */
export interface RunSnapshot {
  readonly _tag: "RunSnapshot"
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly version?: string
  readonly status: RunStatus
  readonly epoch: number
  readonly seq: number
  readonly total: number
  readonly startedAt: number
  readonly finishedAt?: number
  readonly until?: number
  readonly modules: HashMap.HashMap<string, ModuleState>
  readonly shared: HashMap.HashMap<string, unknown>
}

const pending: ModuleState = { status: "pending", attempt: 0 }

/**
 * The snapshot of a run that was just created: running, no module started.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (run: {
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly version?: string | null | undefined
  readonly total: number
  readonly startedAt: number
}): RunSnapshot => ({
  _tag: "RunSnapshot",
  runId: run.runId,
  dag: run.dag,
  fingerprint: run.fingerprint,
  ...(typeof run.version === "string" ? { version: run.version } : undefined),
  total: run.total,
  startedAt: run.startedAt,
  status: "running",
  epoch: 1,
  seq: 0,
  modules: HashMap.empty(),
  shared: HashMap.empty()
})

/**
 * The state of one module, by its path; `pending` for a module without transitions.
 *
 * @example
 * ```ts
 * import { Engine, RunId, RunSnapshot } from "heddle"
 * import { Effect } from "effect"
 *
 * const status = Effect.map(
 *   Engine.get(RunId.make("order-42")),
 *   (run) => RunSnapshot.module(run, "lines/3/charge").status
 * )
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const module = (snapshot: RunSnapshot, name: string): ModuleState =>
  Option.getOrElse(HashMap.get(snapshot.modules, name), () => pending)

/**
 * How many modules of the Dag itself are in each status; `pending` included, those inside of child Dags not. The numbers
 * add up to `total`.
 *
 * @example
 * ```ts
 * import { Engine, RunId, RunSnapshot } from "heddle"
 * import { Effect } from "effect"
 *
 * const failed = Effect.map(Engine.get(RunId.make("order-42")), (run) => RunSnapshot.counts(run).failed)
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const counts = (snapshot: RunSnapshot): { readonly [S in ModuleStatus]: number } => {
  const counted = {
    pending: snapshot.total,
    scheduled: 0,
    running: 0,
    suspended: 0,
    completed: 0,
    failed: 0,
    skipped: 0,
    cancelled: 0
  }
  for (const [path, { status }] of snapshot.modules) {
    if (path.includes("/")) continue
    counted.pending--
    counted[status]++
  }
  return counted
}

/**
 * The state of a module after a transition, or the same state where the transition may not follow it.
 *
 * @since 0.1.0
 * @category transitions
 */
export const evolveModule = (previous: ModuleState, transition: ModuleTransition): ModuleState => {
  if (!canFollow(previous, transition)) return previous
  const { at, attempt, because, failure, items: total, status, until } = transition
  // what is of an earlier attempt is forgotten, but for the items
  const {
    because: reason,
    failure: fault,
    finishedAt,
    scheduledAt,
    startedAt
  } = attempt > previous.attempt ? pending : previous
  const { items } = previous
  // not spread: this is done for each transition that is stored or looked at
  const next: { -readonly [K in keyof ModuleState]: ModuleState[K] } = { status, attempt }
  if (status === "scheduled") next.scheduledAt = at
  else if (scheduledAt !== undefined) next.scheduledAt = scheduledAt
  if (status === "running") next.startedAt = at
  else if (startedAt !== undefined) next.startedAt = startedAt
  if (isFinal(status)) next.finishedAt = at
  else if (finishedAt !== undefined) next.finishedAt = finishedAt
  if (failure !== undefined) next.failure = failure
  else if (fault !== undefined) next.failure = fault
  if (because !== undefined) next.because = because
  else if (reason !== undefined) next.because = reason
  if (until !== undefined) next.until = until
  if (total !== undefined) next.items = { completed: 0, failed: 0, ...items, total }
  else if (items !== undefined) next.items = items
  return next
}

/**
 * The state of a map after an item of it ended.
 *
 * @since 0.1.0
 * @category transitions
 */
export const evolveItem = (previous: ModuleState, status: "completed" | "failed"): ModuleState => {
  const items = previous.items ?? { total: 0, completed: 0, failed: 0 }
  return { ...previous, items: { ...items, [status]: items[status] + 1 } }
}

/**
 * Whether a module is `pending` again when its run, which had ended, is resumed: it failed or was cancelled, or was
 * skipped for a failure or a stop, and nothing that it is inside of ended for good. `stateOf` gives the states of others
 * by path.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isReopened = (path: string, state: Ended, stateOf: (path: string) => Ended | undefined): boolean => {
  if (!isLeftOver(state)) return false
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    const outer = stateOf(path.slice(0, at))
    if (outer !== undefined && isFinal(outer.status) && !isLeftOver(outer)) return false
  }
  return true
}

/** A reason is null in rows of stores. */
type Ended = Pick<ModuleState, "status"> & { readonly because?: SkipReason | null }

const isLeftOver = ({ because, status }: Ended): boolean =>
  status === "failed" || status === "cancelled" || (status === "skipped" && because !== undefined && because !== null)

/**
 * The state of a module that is `pending` again: the number of its attempts goes on, failed items of a map are forgotten.
 *
 * @since 0.1.0
 * @category transitions
 */
export const reopenModule = ({ attempt, items }: ModuleState): ModuleState => ({
  status: "pending",
  attempt,
  ...(items === undefined ? undefined : { items: { ...items, failed: 0 } })
})

/**
 * The snapshot after a transition. Pure and total: a transition that the snapshot already contains (its `seq` is not
 * later) or that may not follow (`ModuleStatus.canFollow`) changes no status. Live views, replay and every viewer use
 * this one function, so they cannot disagree.
 *
 * @example
 * ```ts
 * import type { Engine } from "heddle"
 * import { RunSnapshot } from "heddle"
 * import { Effect, Stream } from "effect"
 *
 * // every state that a run takes, from now on
 * const states = (handle: Engine.Handle<unknown, unknown>) =>
 *   Stream.unwrap(
 *     Effect.map(handle.snapshot, (first) =>
 *       Stream.scan(handle.changes, first, (state, change) =>
 *         change._tag === "RunSnapshot" ? change : RunSnapshot.evolve(state, change)
 *       )
 *     )
 *   )
 * ```
 *
 * @since 0.1.0
 * @category transitions
 */
export const evolve = (snapshot: RunSnapshot, transition: Transition): RunSnapshot => {
  if (transition.seq <= snapshot.seq) return snapshot
  const { seq } = transition
  switch (transition._tag) {
    case "ModuleTransition": {
      const next = evolveModule(module(snapshot, transition.module), transition)
      return {
        ...withShared(snapshot, transition.shared),
        seq,
        modules: HashMap.set(snapshot.modules, transition.module, next)
      }
    }
    case "ItemTransition": {
      const next = evolveItem(module(snapshot, transition.module), transition.status)
      return {
        ...withShared(snapshot, transition.shared),
        seq,
        modules: HashMap.set(snapshot.modules, transition.module, next)
      }
    }
    case "SharedTransition":
      return { ...withShared(snapshot, transition.shared), seq }
    case "RunTransition":
      return evolveRun(snapshot, transition)
    case "DagTransition":
      return evolveDag(snapshot, transition)
  }
}

const withShared = (snapshot: RunSnapshot, values: SharedValues | undefined): RunSnapshot => {
  if (values === undefined) return snapshot
  return {
    ...snapshot,
    shared: Object.entries(values).reduce((map, [cell, value]) => HashMap.set(map, cell, value), snapshot.shared)
  }
}

const evolveRun = (snapshot: RunSnapshot, { at, epoch, seq, status, until }: RunTransition): RunSnapshot => {
  const { finishedAt: _, until: __, ...kept } = snapshot
  const reopened = isEnded(snapshot.status) && !isEnded(status)
  return {
    ...kept,
    seq,
    status,
    epoch,
    ...(reopened ? { startedAt: at, modules: reopenAll(snapshot.modules) } : undefined),
    ...(isEnded(status) ? { finishedAt: at } : undefined),
    ...(until === undefined ? undefined : { until })
  }
}

const reopenAll = (modules: RunSnapshot["modules"]): RunSnapshot["modules"] =>
  HashMap.map(modules, (state, path) =>
    isReopened(path, state, (outer) => Option.getOrUndefined(HashMap.get(modules, outer))) ? reopenModule(state) : state
  )

/**
 * The module of the Dag itself that a path is of, or is inside of.
 *
 * @since 0.1.0
 * @category accessors
 */
export const outermost = (path: string): string => {
  const end = path.indexOf("/")
  return end < 0 ? path : path.slice(0, end)
}

const evolveDag = (snapshot: RunSnapshot, transition: DagTransition): RunSnapshot => {
  const { at, cells, epoch, fingerprint, seq, total, version } = transition
  const { until: _, version: __, ...kept } = snapshot
  const gone = new Set([...transition.removed, ...transition.reset])
  const reset = new Set(transition.reset)
  const forgotten = new Set(cells)
  const modules = HashMap.filterMap(snapshot.modules, (state, path) => {
    if (!gone.has(outermost(path))) return Option.some(state)
    return reset.has(path) ? Option.some<ModuleState>({ status: "pending", attempt: state.attempt }) : Option.none()
  })
  return {
    ...kept,
    seq,
    epoch,
    fingerprint,
    total,
    ...(version === undefined ? undefined : { version }),
    ...(snapshot.status === "suspended" ? { until: at } : undefined),
    modules,
    shared: HashMap.filter(snapshot.shared, (_, cell) => !forgotten.has(cell))
  }
}
