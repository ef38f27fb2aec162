import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Ref from "effect/Ref"
import { isFinal, ModuleStatus } from "../../model/ModuleStatus.js"
import type * as RunSnapshot from "../../model/RunSnapshot.js"
import {
  isEnded,
  type Failure,
  type ItemTransition,
  type ModuleTransition,
  type RunStatus,
  type RunTransition,
  type SharedTransition,
  type SharedValues,
  type SkipReason
} from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"

const statuses = ModuleStatus.literals
// every status is in the list above
const code = Object.fromEntries(statuses.map((status, i) => [status, i])) as { readonly [S in ModuleStatus]: number }

/** The modules of one Dag, dense, by position in its plan; a time that is not known is NaN. */
interface Columns {
  readonly path: string
  readonly plan: Plan
  readonly status: Uint8Array
  readonly attempt: Int32Array
  readonly scheduledAt: Float64Array
  readonly startedAt: Float64Array
  readonly finishedAt: Float64Array
  readonly failure: Map<number, Failure>
  readonly because: Map<number, SkipReason>
  readonly until: Map<number, number>
  readonly items: Map<number, RunSnapshot.ItemCounts>
}

interface RunState {
  readonly scopes: Array<Columns>
  /** What was known before this driver, also of child Dags that it has not begun. */
  readonly before: RunSnapshot.RunSnapshot["modules"]
  shared: RunSnapshot.RunSnapshot["shared"]
  seq: number
  run: Omit<RunSnapshot.RunSnapshot, "modules" | "seq" | "shared">
}

/** What a module's transition may say besides its status. */
export interface Detail {
  readonly failure?: Failure | undefined
  readonly because?: SkipReason | undefined
  readonly until?: number | undefined
  readonly items?: number | undefined
  readonly shared?: SharedValues | undefined
}

/** The modules of one Dag of a run: its own, or a child's. */
export interface ModuleStates {
  /** What the paths of these modules begin with: empty, or ending in a slash. */
  readonly path: string
  readonly statusOf: (index: number) => ModuleStatus
  readonly attemptOf: (index: number) => number
  readonly failureOf: (index: number) => Failure | undefined
  readonly becauseOf: (index: number) => SkipReason | undefined
  readonly untilOf: (index: number) => number | undefined
  readonly itemsOf: (index: number) => RunSnapshot.ItemCounts | undefined
  readonly isOpen: (index: number) => boolean
  /** How many modules have no final status yet. */
  readonly open: () => number
  /** Module `index` takes a status, which must be one that `ModuleStatus.canFollow`; gives the transition. */
  readonly module: (
    index: number,
    status: ModuleStatus,
    attempt: number,
    at: number,
    detail?: Detail
  ) => ModuleTransition
  readonly item: (
    index: number,
    item: number,
    status: "completed" | "failed",
    at: number,
    detail?: Pick<Detail, "failure" | "shared">
  ) => ItemTransition
}

/**
 * The live state of one run. The columns are changed in place, by this file alone; they live in a Ref and leave it only
 * as an immutable snapshot.
 *
 * The methods are synchronous because the scheduler is: JavaScript runs each of them whole.
 */
export interface ExecutionState {
  readonly current: () => RunSnapshot.RunSnapshot
  readonly snapshot: Effect.Effect<RunSnapshot.RunSnapshot>
  readonly modules: (path: string, plan: Plan) => ModuleStates
  readonly shared: (values: SharedValues, at: number) => SharedTransition
  /** The shared cells that have another value than their first, as JSON values. */
  readonly cells: () => RunSnapshot.RunSnapshot["shared"]
  readonly run: (status: RunStatus, epoch: number, at: number, until?: number) => RunTransition
}

export const make = (initial: RunSnapshot.RunSnapshot): ExecutionState => {
  const { modules, seq, shared, ...run } = initial
  const state = Effect.runSync(Ref.get(Ref.unsafeMake<RunState>({ scopes: [], before: modules, shared, seq, run })))

  const share = (values: SharedValues) => {
    for (const cell of Object.keys(values)) state.shared = HashMap.set(state.shared, cell, values[cell])
  }

  const current = (): RunSnapshot.RunSnapshot => ({
    ...state.run,
    seq: state.seq,
    shared: state.shared,
    modules: HashMap.mutate(state.before, (map) => {
      for (const columns of state.scopes) {
        for (let i = 0; i < columns.status.length; i++) {
          if (columns.status[i] !== 0)
            HashMap.set(map, columns.path + columns.plan.modules[i]!.name, stateOf(columns, i))
        }
      }
    })
  })

  return {
    current,
    cells: () => state.shared,
    snapshot: Effect.sync(current),
    modules: (path, plan) => {
      const columns = makeColumns(path, plan, state.before)
      state.scopes.push(columns)
      return modulesOf(columns, () => ++state.seq, share)
    },
    shared: (values, at) => {
      share(values)
      return { _tag: "SharedTransition", seq: ++state.seq, at, shared: values }
    },
    run: (status, epoch, at, until) => {
      const { finishedAt: _, until: __, ...kept } = state.run
      const moment = until === undefined ? undefined : { until }
      state.run = { ...kept, status, epoch, ...(isEnded(status) ? { finishedAt: at } : undefined), ...moment }
      return { _tag: "RunTransition", seq: ++state.seq, at, status, epoch, ...moment }
    }
  }
}

const makeColumns = (path: string, plan: Plan, before: RunSnapshot.RunSnapshot["modules"]): Columns => {
  const size = plan.modules.length
  const columns: Columns = {
    path,
    plan,
    status: new Uint8Array(size),
    attempt: new Int32Array(size),
    scheduledAt: new Float64Array(size).fill(NaN),
    startedAt: new Float64Array(size).fill(NaN),
    finishedAt: new Float64Array(size).fill(NaN),
    failure: new Map(),
    because: new Map(),
    until: new Map(),
    items: new Map()
  }
  if (HashMap.isEmpty(before)) return columns
  for (let i = 0; i < size; i++) {
    const known = HashMap.get(before, path + plan.modules[i]!.name)
    if (known._tag === "None") continue
    const module = known.value
    columns.status[i] = code[module.status]
    columns.attempt[i] = module.attempt
    columns.scheduledAt[i] = module.scheduledAt ?? NaN
    columns.startedAt[i] = module.startedAt ?? NaN
    columns.finishedAt[i] = module.finishedAt ?? NaN
    if (module.failure !== undefined) columns.failure.set(i, module.failure)
    if (module.because !== undefined) columns.because.set(i, module.because)
    if (module.until !== undefined) columns.until.set(i, module.until)
    if (module.items !== undefined) columns.items.set(i, module.items)
  }
  return columns
}

const stateOf = (columns: Columns, index: number): RunSnapshot.ModuleState => {
  const scheduledAt = columns.scheduledAt[index]!
  const startedAt = columns.startedAt[index]!
  const finishedAt = columns.finishedAt[index]!
  const failure = columns.failure.get(index)
  const because = columns.because.get(index)
  const until = columns.until.get(index)
  const items = columns.items.get(index)
  return {
    status: statuses[columns.status[index]!]!,
    attempt: columns.attempt[index]!,
    ...(Number.isNaN(scheduledAt) ? undefined : { scheduledAt }),
    ...(Number.isNaN(startedAt) ? undefined : { startedAt }),
    ...(Number.isNaN(finishedAt) ? undefined : { finishedAt }),
    ...(failure === undefined ? undefined : { failure }),
    ...(because === undefined ? undefined : { because }),
    ...(until === undefined ? undefined : { until }),
    ...(items === undefined ? undefined : { items })
  }
}

const modulesOf = (columns: Columns, next: () => number, share: (values: SharedValues) => void): ModuleStates => {
  const { path, plan } = columns
  let open = 0
  for (const status of columns.status) if (!isFinal(statuses[status]!)) open++
  return {
    path,
    statusOf: (index) => statuses[columns.status[index]!]!,
    attemptOf: (index) => columns.attempt[index]!,
    failureOf: (index) => columns.failure.get(index),
    becauseOf: (index) => columns.because.get(index),
    untilOf: (index) => columns.until.get(index),
    itemsOf: (index) => columns.items.get(index),
    isOpen: (index) => columns.status[index]! < code.completed,
    open: () => open,
    module: (index, status, attempt, at, detail) => {
      if (attempt > columns.attempt[index]!) {
        columns.scheduledAt[index] = NaN
        columns.startedAt[index] = NaN
        columns.failure.delete(index)
      }
      columns.until.delete(index)
      columns.status[index] = code[status]
      columns.attempt[index] = attempt
      if (status === "scheduled") columns.scheduledAt[index] = at
      else if (status === "running") columns.startedAt[index] = at
      else if (code[status] >= code.completed) {
        columns.finishedAt[index] = at
        open--
      }
      const transition = {
        _tag: "ModuleTransition" as const,
        seq: next(),
        at,
        module: path + plan.modules[index]!.name,
        status,
        attempt
      }
      if (detail === undefined) return transition
      const { because, failure, items, shared, until } = detail
      if (failure !== undefined) columns.failure.set(index, failure)
      if (because !== undefined) columns.because.set(index, because)
      if (until !== undefined) columns.until.set(index, until)
      if (items !== undefined) {
        columns.items.set(index, { completed: 0, failed: 0, ...columns.items.get(index), total: items })
      }
      if (shared !== undefined) share(shared)
      return {
        ...transition,
        ...(failure === undefined ? undefined : { failure }),
        ...(because === undefined ? undefined : { because }),
        ...(until === undefined ? undefined : { until }),
        ...(items === undefined ? undefined : { items }),
        ...(shared === undefined ? undefined : { shared })
      }
    },
    item: (index, item, status, at, { failure, shared } = {}) => {
      const counts = columns.items.get(index) ?? { total: 0, completed: 0, failed: 0 }
      columns.items.set(index, { ...counts, [status]: counts[status] + 1 })
      if (shared !== undefined) share(shared)
      return {
        _tag: "ItemTransition",
        seq: next(),
        at,
        module: path + plan.modules[index]!.name,
        index: item,
        status,
        ...(failure === undefined ? undefined : { failure }),
        ...(shared === undefined ? undefined : { shared })
      }
    }
  }
}
