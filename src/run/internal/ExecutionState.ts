import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Ref from "effect/Ref"
import { isFinal, type ModuleStatus } from "../../model/ModuleStatus.js"
import type * as RunSnapshot from "../../model/RunSnapshot.js"
import type { Failure, ModuleTransition, RunStatus, RunTransition } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"

const statuses: ReadonlyArray<ModuleStatus> = [
  "pending",
  "scheduled",
  "running",
  "suspended",
  "completed",
  "failed",
  "skipped",
  "cancelled"
]
// every status is in the list above
const code = Object.fromEntries(statuses.map((status, i) => [status, i])) as { readonly [S in ModuleStatus]: number }

/** Dense, by position in the plan; a time that is not known is NaN. */
interface Columns {
  readonly status: Uint8Array
  readonly attempt: Int32Array
  readonly scheduledAt: Float64Array
  readonly startedAt: Float64Array
  readonly finishedAt: Float64Array
  readonly failure: Map<number, Failure>
  seq: number
  run: Omit<RunSnapshot.RunSnapshot, "modules" | "seq">
}

/**
 * The live state of one run. The columns are changed in place, by this file alone; they live in a Ref and leave it only
 * as an immutable snapshot.
 *
 * The methods are synchronous because the scheduler is: JavaScript runs each of them whole.
 */
export interface ExecutionState {
  readonly snapshot: Effect.Effect<RunSnapshot.RunSnapshot>
  readonly current: () => RunSnapshot.RunSnapshot
  readonly statusOf: (index: number) => ModuleStatus
  readonly attemptOf: (index: number) => number
  readonly failureOf: (index: number) => Failure | undefined
  readonly isOpen: (index: number) => boolean
  /** How many modules have no final status yet. */
  readonly open: () => number
  /** Module `index` takes a status, which must be one that `ModuleStatus.canFollow`; gives the transition. */
  readonly module: (
    index: number,
    status: ModuleStatus,
    attempt: number,
    at: number,
    failure?: Failure
  ) => ModuleTransition
  readonly run: (status: RunStatus, epoch: number, at: number) => RunTransition
}

export const make = (plan: Plan, initial: RunSnapshot.RunSnapshot): ExecutionState => {
  const size = plan.modules.length
  const { modules, seq, ...run } = initial
  const ref = Ref.unsafeMake<Columns>({
    status: new Uint8Array(size),
    attempt: new Int32Array(size),
    scheduledAt: new Float64Array(size).fill(NaN),
    startedAt: new Float64Array(size).fill(NaN),
    finishedAt: new Float64Array(size).fill(NaN),
    failure: new Map(),
    seq,
    run
  })
  const columns = Effect.runSync(Ref.get(ref))
  let open = size
  for (const [name, state] of modules) {
    const index = plan.index.get(name)
    if (index === undefined) continue
    columns.status[index] = code[state.status]
    columns.attempt[index] = state.attempt
    columns.scheduledAt[index] = state.scheduledAt ?? NaN
    columns.startedAt[index] = state.startedAt ?? NaN
    columns.finishedAt[index] = state.finishedAt ?? NaN
    if (state.failure !== undefined) columns.failure.set(index, state.failure)
    if (isFinal(state.status)) open--
  }

  const stateOf = (index: number): RunSnapshot.ModuleState => {
    const scheduledAt = columns.scheduledAt[index]!
    const startedAt = columns.startedAt[index]!
    const finishedAt = columns.finishedAt[index]!
    const failure = columns.failure.get(index)
    return {
      status: statuses[columns.status[index]!]!,
      attempt: columns.attempt[index]!,
      ...(Number.isNaN(scheduledAt) ? undefined : { scheduledAt }),
      ...(Number.isNaN(startedAt) ? undefined : { startedAt }),
      ...(Number.isNaN(finishedAt) ? undefined : { finishedAt }),
      ...(failure === undefined ? undefined : { failure })
    }
  }

  const current = (): RunSnapshot.RunSnapshot => ({
    ...columns.run,
    seq: columns.seq,
    modules: HashMap.mutate(HashMap.empty<string, RunSnapshot.ModuleState>(), (map) => {
      for (let i = 0; i < size; i++) {
        if (columns.status[i] !== 0) HashMap.set(map, plan.modules[i]!.name, stateOf(i))
      }
    })
  })

  return {
    current,
    snapshot: Effect.sync(current),
    statusOf: (index) => statuses[columns.status[index]!]!,
    attemptOf: (index) => columns.attempt[index]!,
    failureOf: (index) => columns.failure.get(index),
    isOpen: (index) => columns.status[index]! < code.completed,
    open: () => open,
    module: (index, status, attempt, at, failure) => {
      if (attempt > columns.attempt[index]!) {
        columns.scheduledAt[index] = NaN
        columns.startedAt[index] = NaN
        columns.failure.delete(index)
      }
      columns.status[index] = code[status]
      columns.attempt[index] = attempt
      if (status === "scheduled") columns.scheduledAt[index] = at
      else if (status === "running") columns.startedAt[index] = at
      else if (code[status] >= code.completed) {
        columns.finishedAt[index] = at
        open--
      }
      if (failure !== undefined) columns.failure.set(index, failure)
      const seq = ++columns.seq
      const transition = {
        _tag: "ModuleTransition" as const,
        seq,
        at,
        module: plan.modules[index]!.name,
        status,
        attempt
      }
      return failure === undefined ? transition : { ...transition, failure }
    },
    run: (status, epoch, at) => {
      const seq = ++columns.seq
      columns.run = { ...columns.run, status, epoch, ...(status === "running" ? undefined : { finishedAt: at }) }
      return { _tag: "RunTransition", seq, at, status, epoch }
    }
  }
}
