/**
 * What differs between two snapshots of runs: of one run at two moments, or of a run and its fork.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as JsonDiff from "./JsonDiff.js"
import * as RunSnapshot from "./RunSnapshot.js"
import type { RunStatus } from "./Transition.js"

/**
 * A module that differs, by its path. One that had not left `pending` is so in `before` or `after`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModuleDiff {
  readonly module: string
  readonly before: RunSnapshot.ModuleState
  readonly after: RunSnapshot.ModuleState
}

/**
 * A shared cell that differs, by its path, as JSON values. None: it has its first value.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedDiff {
  readonly cell: string
  readonly before: Option.Option<unknown>
  readonly after: Option.Option<unknown>
}

/**
 * What differs. `status`: of the runs, none where it is the same. `modules` and `shared` are in the order of their paths.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunDiff {
  readonly status: Option.Option<{ readonly before: RunStatus; readonly after: RunStatus }>
  readonly modules: ReadonlyArray<ModuleDiff>
  readonly shared: ReadonlyArray<SharedDiff>
}

const inOrder = (...maps: ReadonlyArray<HashMap.HashMap<string, unknown>>): ReadonlyArray<string> =>
  [...new Set(maps.flatMap((map) => [...HashMap.keys(map)]))].sort()

/** Without the times at which it took its statuses. */
const comparable = ({ attempt, because, failure, items, status, until }: RunSnapshot.ModuleState) => ({
  status,
  attempt,
  because,
  failure,
  items,
  until
})

const isSame = (before: unknown, after: unknown) => JsonDiff.make(before, after).length === 0

/**
 * What differs between two snapshots. Of a module that is its status, attempt, failure and what it waits for, and how many
 * items have ended; the times at which it took its statuses, and the numbers of the transitions, alone make no
 * difference.
 *
 * @example
 * ```ts
 * import { RunId, Timeline } from "heddle"
 * import { Effect, Option } from "effect"
 *
 * const whatChanged = Effect.gen(function* () {
 *   const timeline = yield* Timeline.Timeline
 *   const before = Option.getOrThrow(yield* timeline.stateAt(RunId.make("order-42"), { seq: 10 }))
 *   const after = Option.getOrThrow(yield* timeline.stateAt(RunId.make("order-42"), { seq: 20 }))
 *   return Timeline.diff(before, after).modules.map(({ after, module }) => `${module} is ${after.status}`)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (before: RunSnapshot.RunSnapshot, after: RunSnapshot.RunSnapshot): RunDiff => ({
  status: before.status === after.status ? Option.none() : Option.some({ before: before.status, after: after.status }),
  modules: inOrder(before.modules, after.modules).flatMap((module) => {
    const [left, right] = [RunSnapshot.module(before, module), RunSnapshot.module(after, module)]
    return left === right || isSame(comparable(left), comparable(right)) ? [] : [{ module, before: left, after: right }]
  }),
  shared: inOrder(before.shared, after.shared).flatMap((cell) => {
    const [left, right] = [HashMap.get(before.shared, cell), HashMap.get(after.shared, cell)]
    const isEqual = Option.isSome(left) && Option.isSome(right) && isSame(left.value, right.value)
    return isEqual ? [] : [{ cell, before: left, after: right }]
  })
})
