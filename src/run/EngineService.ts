/**
 * What an engine does: the service behind `Engine`, which says what each of these means.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Dag from "../dag/Dag.js"
import type * as Module from "../dag/Module.js"
import type { UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { Policy } from "../state/Retention.js"
import type { DeadLetter, RunFilter, RunSummary, Storage } from "../state/Timeline.js"
import type {
  CancelError,
  ForkError,
  Handle,
  MigrateError,
  RerunError,
  ResumeError,
  RunError,
  SignalError,
  StartError,
  SubmitError
} from "./Handle.js"
import type { MigrationPlan } from "./Migration.js"
import type { Recovery } from "./Recovery.js"
import type { RunEvent } from "./RunEvent.js"
import type { ForkOptions, RerunOptions, RunOptions } from "./RunOptions.js"

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
    readonly submit: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      input: NoInfer<I>,
      options?: RunOptions
    ) => Effect.Effect<RunId, SubmitError>
    readonly resume: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      runId: RunId,
      options?: Omit<RunOptions, "runId" | "force">
    ) => Effect.Effect<O, E | RunError | ResumeError, R>
    readonly rerun: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      runId: RunId,
      options: RerunOptions
    ) => Effect.Effect<O, E | RunError | RerunError, R>
    readonly fork: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      runId: RunId,
      options: ForkOptions
    ) => Effect.Effect<O, E | RunError | ForkError, R>
    readonly migrate: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      runId: RunId,
      plan: MigrationPlan
    ) => Effect.Effect<void, MigrateError>
    readonly stream: <O, I, E, R>(
      dag: Dag.Dag<O, I, E, R>,
      input: NoInfer<I>,
      options?: RunOptions
    ) => Stream.Stream<RunEvent, E | RunError | StartError, R>
    readonly watch: (
      runId: RunId,
      options?: { readonly fromSequence?: number }
    ) => Stream.Stream<RunEvent, UnknownRun | StoreError>
    readonly signal: <A>(
      runId: RunId,
      signal: Module.AnySignal<A>,
      value: NoInfer<A>,
      options?: { readonly within?: string }
    ) => Effect.Effect<void, SignalError>
    readonly cancel: <O, I, E, R>(dag: Dag.Dag<O, I, E, R>, runId: RunId) => Effect.Effect<void, CancelError, R>
    readonly get: (runId: RunId) => Effect.Effect<RunSnapshot, UnknownRun | StoreError>
    readonly list: (filter?: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, StoreError>
    readonly deadLetters: (filter?: {
      readonly key?: string
      readonly limit?: number
    }) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreError>
    readonly storage: Effect.Effect<Storage, StoreError>
    readonly recover: Effect.Effect<Recovery, StoreError>
    readonly prune: (policy: Policy) => Effect.Effect<number, StoreError>
  }
>() {}
