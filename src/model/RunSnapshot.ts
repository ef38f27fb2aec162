/**
 * What is known of a run at one moment: an immutable value, the fold of its transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { canFollow, isFinal, type ModuleStatus } from "./ModuleStatus.js"
import type { RunId } from "./RunId.js"
import type { Failure, ModuleTransition, RunStatus, Transition } from "./Transition.js"

/**
 * One module. Times are milliseconds since the epoch and belong to the latest attempt.
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
}

/**
 * One run. `modules` holds those that have left `pending`; `total` counts all of the Dag. `seq` is the number of the
 * latest transition that is in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunSnapshot {
  readonly _tag: "RunSnapshot"
  readonly runId: RunId
  readonly dag: string
  readonly fingerprint: string
  readonly status: RunStatus
  readonly epoch: number
  readonly seq: number
  readonly total: number
  readonly startedAt: number
  readonly finishedAt?: number
  readonly modules: HashMap.HashMap<string, ModuleState>
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
  readonly total: number
  readonly startedAt: number
}): RunSnapshot => ({
  _tag: "RunSnapshot",
  ...run,
  status: "running",
  epoch: 1,
  seq: 0,
  modules: HashMap.empty()
})

/**
 * The state of one module; `pending` for a module without transitions.
 *
 * @since 0.1.0
 * @category accessors
 */
export const module = (snapshot: RunSnapshot, name: string): ModuleState =>
  Option.getOrElse(HashMap.get(snapshot.modules, name), () => pending)

/**
 * How many modules are in each status; `pending` included. The numbers add up to `total`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const counts = (snapshot: RunSnapshot): { readonly [S in ModuleStatus]: number } => {
  const counted = {
    pending: snapshot.total - HashMap.size(snapshot.modules),
    scheduled: 0,
    running: 0,
    suspended: 0,
    completed: 0,
    failed: 0,
    skipped: 0,
    cancelled: 0
  }
  for (const state of HashMap.values(snapshot.modules)) counted[state.status]++
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
  const kept = transition.attempt > previous.attempt ? pending : previous
  return {
    ...kept,
    status: transition.status,
    attempt: transition.attempt,
    ...(transition.status === "scheduled" ? { scheduledAt: transition.at } : undefined),
    ...(transition.status === "running" ? { startedAt: transition.at } : undefined),
    ...(isFinal(transition.status) ? { finishedAt: transition.at } : undefined),
    ...(transition.failure === undefined ? undefined : { failure: transition.failure })
  }
}

/**
 * The snapshot after a transition. Pure and total: a transition that the snapshot already contains (its `seq` is not
 * later) or that may not follow (`ModuleStatus.canFollow`) changes no status. Live views, replay and every viewer use
 * this one function, so they cannot disagree.
 *
 * @since 0.1.0
 * @category transitions
 */
export const evolve = (snapshot: RunSnapshot, transition: Transition): RunSnapshot => {
  if (transition.seq <= snapshot.seq) return snapshot
  if (transition._tag === "ModuleTransition") {
    const next = evolveModule(module(snapshot, transition.module), transition)
    return { ...snapshot, seq: transition.seq, modules: HashMap.set(snapshot.modules, transition.module, next) }
  }
  return {
    ...snapshot,
    seq: transition.seq,
    status: transition.status,
    epoch: transition.epoch,
    ...(transition.status === "running" ? undefined : { finishedAt: transition.at })
  }
}
