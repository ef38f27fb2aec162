/**
 * Runs Dags.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Dag from "../dag/Dag.js"
import type { UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { Durability } from "../model/RunPolicy.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { RunLease } from "../state/RunLease.js"
import type { StateWriter } from "../state/StateWriter.js"
import type { RunFilter, RunSummary, Timeline } from "../state/Timeline.js"
import type { Handle, ResumeError, RunError, StartError } from "./Handle.js"
import * as LiveRuns from "./internal/LiveRuns.js"
import type { RunOptions } from "./RunOptions.js"

export type { Durability, RunPolicy } from "../model/RunPolicy.js"
export type { Handle, ResumeError, RunError, StartError } from "./Handle.js"
export type { RunOptions } from "./RunOptions.js"

/**
 * Drives runs. Runs belong to the engine's scope: when it closes they are cut off, and can be resumed.
 *
 * @since 0.1.0
 * @category services
 */
export class Engine extends Context.Tag("heddle/run/Engine")<
  Engine,
  {
    readonly start: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      input: NoInfer<I>,
      options?: RunOptions
    ) => Effect.Effect<Handle<O, E>, StartError, R>
    readonly execute: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      input: NoInfer<I>,
      options?: RunOptions
    ) => Effect.Effect<O, E | RunError | StartError, R>
    readonly resume: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      runId: RunId,
      options?: Omit<RunOptions, "runId">
    ) => Effect.Effect<O, E | RunError | ResumeError, R>
    readonly get: (runId: RunId) => Effect.Effect<RunSnapshot, UnknownRun | StoreError>
    readonly list: (filter?: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, StoreError>
  }
>() {}

/**
 * - `durability`: of runs that do not say otherwise
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly durability: Durability
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = { durability: "committed" }

/**
 * Starts a run and gives a handle to it; the run goes on in the engine's scope.
 *
 * With a `runId` that exists, the same Dag and the same inputs give that run: live in this process, its handle; ended,
 * its stored result; cut off, it is resumed. Another Dag or other inputs are a `RunConflict`, a run that another process
 * drives is `RunHeld`.
 *
 * **Interruption**: before the run exists, nothing is left; after that it goes on, like any run that was started.
 *
 * @since 0.1.0
 * @category running
 */
export const start = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  input: NoInfer<I>,
  options?: RunOptions
): Effect.Effect<Handle<O, E>, StartError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.start<O, I, E, R>(dag, input, options))

/**
 * `start`, then the outputs.
 *
 * **Interruption**: a run that this call began is cut off: what is running is interrupted, its finalizers are awaited,
 * what has completed is kept, and the run can be resumed at once. A run that was there already goes on.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Heddle, Module } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const program = Engine.execute(Doubling, { n: 21 }).pipe(Effect.provide(Heddle.layerMemory))
 * // { double: 42 }
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const execute = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  input: NoInfer<I>,
  options?: RunOptions
): Effect.Effect<O, E | RunError | StartError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.execute<O, I, E, R>(dag, input, options))

/**
 * Carries on a run that was cut off: what was acknowledged as completed is not run again, what was running begins its
 * next attempt. A run that is live in this process is waited for.
 *
 * **Interruption**: as for `execute`.
 *
 * @since 0.1.0
 * @category running
 */
export const resume = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options?: Omit<RunOptions, "runId">
): Effect.Effect<O, E | RunError | ResumeError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.resume<O, I, E, R>(dag, runId, options))

/**
 * The state of a run: live when this process drives it, otherwise as it is stored.
 *
 * @since 0.1.0
 * @category reading
 */
export const get = (runId: RunId): Effect.Effect<RunSnapshot, UnknownRun | StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.get(runId))

/**
 * The stored runs, newest first, a page at a time. Runs of durability `memory` are not among them.
 *
 * @since 0.1.0
 * @category reading
 */
export const list = (filter?: RunFilter): Effect.Effect<ReadonlyArray<RunSummary>, StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.list(filter))

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<Engine, never, StateWriter | RunLease | Timeline> =>
  Layer.scoped(
    Engine,
    // the outputs, errors and requirements of a Dag are in its type alone
    Effect.map(LiveRuns.make({ ...defaults, ...options }), (runs) => runs as unknown as typeof Engine.Service)
  )
