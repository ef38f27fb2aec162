import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type { ErasedValues } from "../../dag/Definition.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { Failure, RunStatus, SharedValues } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import type { CurrentAttempt } from "./CurrentAttempt.js"
import type { Detail, ExecutionState, ModuleStates } from "./ExecutionState.js"
import type { ForkOptions, Loop, Owner } from "./Loop.js"
import type { Recalled } from "./Recall.js"
import type * as Results from "./Results.js"
import type { SharedCells } from "./SharedCells.js"

/** Why what is left of a Dag is not run. */
export type StopReason = "failed" | "cancelled" | "timedOut" | "stopped"

/** How a Dag ended. */
export type Ending = Exclude<RunStatus, "running" | "suspended">

/** A module that has begun and that can be told to end. */
export interface Activity {
  readonly stop: (reason: StopReason) => void
}

/**
 * One Dag as it is executed: that of the run, or a child of it. It decides which modules are ready, runs each of them
 * once through the loop, and settles what can't run as soon as that is known.
 */
export interface Execution extends Owner {
  readonly begin: () => void
  readonly stop: (reason: StopReason) => void
  readonly isEnded: () => boolean
  readonly ending: () => Ending
  /** For when it has completed. */
  readonly outputs: () => { readonly [key: string]: unknown }
  /** Of its modules that failed, by position. */
  readonly causes: Results.Causes
  readonly states: ModuleStates
}

/** A Dag to be executed. */
export interface Options {
  readonly plan: Plan
  readonly state: ExecutionState
  /** What the paths of its modules begin with: empty, or ending in a slash. */
  readonly path: string
  readonly recalled: Recalled
  readonly cells: SharedCells
  readonly onEnd: () => void
}

/** What is stored of a completion besides the status. */
export interface Completion {
  readonly output?: string | null
  readonly shared?: SharedValues | undefined
  readonly durability?: Durability
}

/** `encodedError`: the module's error through its schema, once it has failed. */
export interface RunOptions extends ForkOptions {
  readonly encodedError?: (() => unknown) | undefined
}

/** What the kinds of modules are given of the Dag that they belong to: modules are named by their position. */
export interface DagContext extends Pick<Options, "state" | "recalled" | "cells"> {
  readonly loop: Loop
  readonly states: ModuleStates
  readonly pathOf: (index: number) => string
  readonly needsOf: (index: number) => ErasedValues
  /** Calls a function of the module with what it needs. Throws what that throws. */
  readonly call: <A>(index: number, f: (needs: ErasedValues) => A) => A
  /** The number of the attempt that begins. */
  readonly nextAttempt: (index: number) => number
  /** The same for what goes on where it was when its run is resumed. */
  readonly sameAttempt: (index: number) => number
  /** When dependants of a module that stores what it gives may start. */
  readonly durabilityOf: (index: number) => Durability
  readonly transition: (
    index: number,
    status: ModuleStatus,
    attempt: number,
    detail?: Detail,
    output?: string | null,
    durability?: Durability,
    released?: () => void
  ) => void
  readonly complete: (index: number, attempt: number, value: unknown, completion?: Completion) => void
  readonly fail: (
    index: number,
    attempt: number,
    cause: Cause.Cause<unknown> | undefined,
    encoded?: unknown,
    stored?: Failure
  ) => void
  /** Something that was told to stop has ended. */
  readonly endStopped: (index: number, reason: StopReason) => void
  /** Runs an effect for a module: what it gives goes to `onSuccess`, every other end is the same for all kinds. */
  readonly run: <A>(
    index: number,
    effect: Effect.Effect<A, unknown, unknown>,
    onSuccess: (value: A) => void,
    options?: RunOptions
  ) => void
  /** Applies what the module wants of the shared cells, or fails it. */
  readonly commit: (index: number, current: CurrentAttempt, then: (shared: SharedValues | undefined) => void) => void
  /** A module is at work, from `begin` on and until `ended`, and hears of a stop, also of one that came before. */
  readonly begun: (index: number, activity: Activity, begin: () => void) => void
  readonly ended: (index: number) => void
  /** A module waits without a fiber until `leave`, which calls `unpark`. */
  readonly park: (index: number, unpark: () => void) => void
  readonly leave: (index: number) => void
  readonly execute: (options: Options) => Execution
}

/** What becomes of a child. */
export interface ChildEvents {
  readonly begun: (activity: Activity, begin: () => void) => void
  readonly onEnd: (execution: Execution) => void
  readonly onInvalid: (cause: Cause.Cause<unknown>) => void
}
