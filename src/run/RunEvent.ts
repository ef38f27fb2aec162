/**
 * What there is to see of a run as it goes on.
 *
 * @since 0.1.0
 */
import type {
  DagTransition,
  ItemTransition,
  ModuleTransition,
  RunStatus,
  SharedTransition
} from "../model/Transition.js"

/**
 * A driver took the run: `epoch` 1 when it started, one more for each time it was resumed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Started {
  readonly _tag: "Started"
  readonly seq: number
  readonly at: number
  readonly epoch: number
}

/**
 * All that is left of the run waits for a signal or, at the latest, for the time `until`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Suspended {
  readonly _tag: "Suspended"
  readonly seq: number
  readonly at: number
  readonly until?: number | undefined
}

/**
 * The run ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finished {
  readonly _tag: "Finished"
  readonly seq: number
  readonly at: number
  readonly status: Exclude<RunStatus, "running" | "suspended">
}

/**
 * What is persisted: numbered by `seq` from 1 without gaps, also across resumes, and published after its commit.
 *
 * @since 0.1.0
 * @category models
 */
export type Persisted =
  Started | ModuleTransition | ItemTransition | SharedTransition | DagTransition | Suspended | Finished

/**
 * What a module emitted (`Run.emit`); `index` is that of the item, in a map. Not persisted: `seq` is the number of the
 * latest persisted event before it, and `sub` counts from 1 what came since.
 *
 * @since 0.1.0
 * @category models
 */
export interface Token {
  readonly _tag: "Token"
  readonly seq: number
  readonly sub: number
  readonly module: string
  readonly index?: number | undefined
  readonly value: unknown
}

/**
 * How far a module has come (`Run.progress`); not persisted, like `Token`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progressed {
  readonly _tag: "Progressed"
  readonly seq: number
  readonly sub: number
  readonly module: string
  readonly index?: number | undefined
  readonly done: number
  readonly total: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type RunEvent = Persisted | Token | Progressed
