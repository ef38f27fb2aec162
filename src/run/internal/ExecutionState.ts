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

/** What few modules have. */
interface Rare {
  failure?: Failure | undefined
  because?: SkipReason | undefined
  until?: number | undefined
  items?: RunSnapshot.ItemCounts | undefined
}

/**
 * The modules of one Dag, dense, by position in its plan. Few objects: a run keeps one of these for each child Dag.
 * `times` has three for each module, NaN where it is not known: when it was scheduled, was started and ended.
 */
interface Columns {
  readonly path: string
  readonly plan: Plan
  readonly status: Uint8Array
  readonly attempt: Int32Array
  readonly times: Float64Array
  rare: Map<number, Rare> | undefined
}

const [scheduledAt, startedAt, finishedAt] = [0, 1, 2]

const rareOf = (columns: Columns, index: number): Rare => {
  const known = columns.rare?.get(index)
  if (known !== undefined) return known
  const made: Rare = {}
  columns.rare ??= new Map()
  columns.rare.set(index, made)
  return made
}

interface RunState {
  readonly scopes: Array<Columns>
  /** What was known before this driver, also of child Dags that it has not begun. */
  readonly before: RunSnapshot.RunSnapshot["modules"]
  shared: RunSnapshot.RunSnapshot["shared"]
  seq: number
  run: Omit<RunSnapshot.RunSnapshot, "modules" | "seq" | "shared">
}

/** What a module's transition may say besides its status; `at` where the time was looked at before. */
export interface Detail {
  readonly at?: number
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
 * The live state of one run. The columns are changed in place, by this file alone, and leave it only as an immutable
 * snapshot.
 *
 * The methods are synchronous because the scheduler is: JavaScript runs each of them whole.
 */
export interface ExecutionState {
  readonly current: () => RunSnapshot.RunSnapshot
  readonly snapshot: Effect.Effect<RunSnapshot.RunSnapshot>
  readonly modules: (path: string, plan: Plan) => ModuleStates
  readonly shared: (values: SharedValues, at: number) => SharedTransition
  /** The shared cells that were changed, as JSON values. */
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
    times: new Float64Array(3 * size).fill(NaN),
    rare: undefined
  }
  if (HashMap.isEmpty(before)) return columns
  for (let i = 0; i < size; i++) {
    const known = HashMap.get(before, path + plan.modules[i]!.name)
    if (known._tag === "None") continue
    const { because, failure, items, until, ...module } = known.value
    columns.status[i] = code[module.status]
    columns.attempt[i] = module.attempt
    columns.times.set([module.scheduledAt ?? NaN, module.startedAt ?? NaN, module.finishedAt ?? NaN], 3 * i)
    if ((because ?? failure ?? items ?? until) !== undefined) {
      Object.assign(rareOf(columns, i), { because, failure, items, until })
    }
  }
  return columns
}

const stateOf = ({ attempt, rare, status, times }: Columns, index: number): RunSnapshot.ModuleState => {
  const scheduled = times[3 * index + scheduledAt]!
  const started = times[3 * index + startedAt]!
  const finished = times[3 * index + finishedAt]!
  const { because, failure, items, until } = rare?.get(index) ?? none
  return {
    status: statuses[status[index]!]!,
    attempt: attempt[index]!,
    ...(Number.isNaN(scheduled) ? undefined : { scheduledAt: scheduled }),
    ...(Number.isNaN(started) ? undefined : { startedAt: started }),
    ...(Number.isNaN(finished) ? undefined : { finishedAt: finished }),
    ...(failure === undefined ? undefined : { failure }),
    ...(because === undefined ? undefined : { because }),
    ...(until === undefined ? undefined : { until }),
    ...(items === undefined ? undefined : { items })
  }
}

const none: Rare = {}

const modulesOf = (columns: Columns, next: () => number, share: (values: SharedValues) => void): ModuleStates => {
  const { path, plan } = columns
  let open = 0
  for (const status of columns.status) if (!isFinal(statuses[status]!)) open++
  return {
    path,
    statusOf: (index) => statuses[columns.status[index]!]!,
    attemptOf: (index) => columns.attempt[index]!,
    failureOf: (index) => columns.rare?.get(index)?.failure,
    becauseOf: (index) => columns.rare?.get(index)?.because,
    untilOf: (index) => columns.rare?.get(index)?.until,
    itemsOf: (index) => columns.rare?.get(index)?.items,
    isOpen: (index) => columns.status[index]! < code.completed,
    open: () => open,
    module: (index, status, attempt, at, detail) => {
      const known = columns.rare?.get(index)
      if (attempt > columns.attempt[index]!) {
        columns.times[3 * index + scheduledAt] = NaN
        columns.times[3 * index + startedAt] = NaN
        if (known !== undefined) known.failure = undefined
      }
      if (known !== undefined) known.until = undefined
      columns.status[index] = code[status]
      columns.attempt[index] = attempt
      if (status === "scheduled") columns.times[3 * index + scheduledAt] = at
      else if (status === "running") columns.times[3 * index + startedAt] = at
      else if (code[status] >= code.completed) {
        columns.times[3 * index + finishedAt] = at
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
      if ((failure ?? because ?? until ?? items) !== undefined) {
        const rare = rareOf(columns, index)
        rare.failure = failure ?? rare.failure
        rare.because = because ?? rare.because
        rare.until = until
        if (items !== undefined) rare.items = { completed: 0, failed: 0, ...rare.items, total: items }
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
      const rare = rareOf(columns, index)
      const { completed, failed, total } = rare.items ?? { total: 0, completed: 0, failed: 0 }
      rare.items =
        status === "completed" ? { total, completed: completed + 1, failed } : { total, completed, failed: failed + 1 }
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
