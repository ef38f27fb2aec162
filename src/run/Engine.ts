/**
 * Runs Dags.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Dag from "../dag/Dag.js"
import type * as Module from "../dag/Module.js"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import type { Policy, Retention } from "../state/Retention.js"
import type { RunLease } from "../state/RunLease.js"
import type { Signals } from "../state/Signals.js"
import type { StateWriter } from "../state/StateWriter.js"
import type { Timeline } from "../state/Timeline.js"
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
import { defaults, type Options } from "./EngineOptions.js"
import { Engine } from "./EngineService.js"
import * as ErasedEngine from "./internal/ErasedEngine.js"
import type { MigrationPlan } from "./Migration.js"
import type { Recovery } from "./Recovery.js"
import type { RunEvent } from "./RunEvent.js"
import type { ForkOptions, RerunOptions, RunOptions } from "./RunOptions.js"

export type { Durability, RunPolicy } from "../model/RunPolicy.js"
export type * from "./Handle.js"
export { Engine } from "./EngineService.js"
export { defaults, type Options, type RetentionOptions } from "./EngineOptions.js"
export * from "./Inspection.js"
export type { Recovery } from "./Recovery.js"
export type * from "./RunEvent.js"
export type * from "./RunOptions.js"

/**
 * Starts a run and gives a handle to it; the run goes on in the engine's scope.
 *
 * With a `runId` that exists, the same Dag and the same inputs give that run: live in this engine, its handle; ended,
 * its stored result; suspended, it is left so (`RunSuspended`) unless it is due; cut off, it is resumed.
 *
 * Fails, and nothing has run, with
 *
 * - `PlanInvalid`: the Dag is wrong; `UnknownLimit`: a module is under a limit that the engine does not have
 * - `InputInvalid`: the inputs do not fit their schemas
 * - `FlowRefused`: the engine's `FlowAdmission` does not let it begin, and there is no run of this id; see `force`
 * - `RunConflict`: the id exists with another Dag or other inputs; `RunHeld`: another engine drives the run
 * - `StoredValueInvalid`: what is stored of the run does not decode; `StoreError`: the store failed
 *
 * **Interruption**: before the run exists, nothing is left; after that it goes on, like any run that was started.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Heddle, Module, RunId, RunSnapshot } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const program = Effect.gen(function* () {
 *   const handle = yield* Engine.start(Doubling, { n: 21 }, { runId: RunId.make("double-21") })
 *   const { running } = RunSnapshot.counts(yield* handle.snapshot)
 *   return { ...(yield* handle.await), running }
 * }).pipe(Effect.provide(Heddle.layerMemory))
 * ```
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
 * Stores a run for whichever engine owns its Dag (`dags`), in this process or another, and gives its id: this call drives
 * nothing, so it needs none of the services of the Dag. When it ends the run is committed, and is `running` with the epoch
 * 0 until an engine takes it up: one of this process at once, one of another when it looks next (its option `poll`), each
 * as long as it has room (`maxRuns`). Where no engine owns the Dag it stays as it is.
 *
 * With a `runId` that exists, the same Dag and the same inputs give that id and change nothing. To wait for the run, run
 * `watch` to its end, or ask `get`; once it has ended, `execute` with the same arguments gives its outputs.
 *
 * Fails, and nothing is stored, with
 *
 * - `PlanInvalid`: the Dag is wrong; `InputInvalid`: the inputs do not fit their schemas
 * - `FlowRefused`: the engine's `FlowAdmission` does not let it begin, and there is no run of this id; see `force`
 * - `RunConflict`: the id exists with another Dag or other inputs; `StoreError`: the store failed
 *
 * The limits that its modules name are those of the engine that drives it. A run of durability `memory` cannot be
 * submitted: that is a defect.
 *
 * **Interruption**: the run was submitted, or was not.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import { Effect, Schema, Stream } from "effect"
 *
 * const n = Module.input("n", Schema.Number)
 * const double = Module.make("double", { needs: { n }, output: Schema.Number, run: ({ n }) => Effect.succeed(n * 2) })
 * const Doubling = Dag.make("doubling", { outputs: { double } })
 *
 * const program = Effect.gen(function* () {
 *   const runId = yield* Engine.submit(Doubling, { n: 21 }, { runId: RunId.make("double-21") })
 *   // to its end, whoever drives it
 *   yield* Stream.runDrain(Engine.watch(runId))
 *   return (yield* Engine.get(runId)).status
 * })
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const submit = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  input: NoInfer<I>,
  options?: RunOptions
): Effect.Effect<RunId, SubmitError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.submit<O, I, E, R>(dag, input, options))

/**
 * Carries on a run that was cut off, is due, or has ended without its outputs: what was acknowledged as completed is not
 * run again, what was running begins its next attempt. A run that is live in this process is waited for.
 *
 * A run that failed, was cancelled or timed out goes on from what is unfinished: modules that failed or were cancelled,
 * and those that were skipped for it, run again; nothing inside of a child Dag or a map that ended for good does. One
 * that completed or was stopped is `RunFinished`. One that is suspended and not due stays so: `RunSuspended`. A resume
 * that is refused leaves the run as it is.
 *
 * **Interruption**: as for `execute`.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const send = Module.make("send", { output: Schema.Void, run: () => Effect.log("sending") })
 * const Mail = Dag.make("mail", { outputs: { send } })
 *
 * const program = Engine.resume(Mail, RunId.make("mail-7")).pipe(
 *   Effect.catchTag("RunFinished", ({ status }) => Effect.log(`it has ended: ${status}`))
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const resume = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options?: Omit<RunOptions, "runId" | "force">
): Effect.Effect<O, E | RunError | ResumeError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.resume<O, I, E, R>(dag, runId, options))

/**
 * A new run that takes over from a stored one the outputs of all modules that completed there and that neither are in
 * `from` nor depend on them; everything else runs. Shared cells begin with their first values.
 *
 * The stored run may have ended in any way, be suspended, or be driven by anybody: then what is committed of it counts.
 * It stays as it is. `RunConflict`: the id of the new run is taken, also where its Dag and inputs are the same. `FlowRefused`: it may not begin.
 *
 * **Interruption**: as for `execute`.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const amount = Module.make("amount", { output: Schema.Int, run: () => Effect.succeed(100) })
 * const converted = Module.make("converted", {
 *   needs: { amount },
 *   output: Schema.Int,
 *   run: ({ amount }) => Effect.succeed(amount * 2)
 * })
 * const Convert = Dag.make("convert", { outputs: { converted } })
 *
 * // `amount` is taken over, `converted` runs
 * const program = Engine.rerun(Convert, RunId.make("convert-1"), {
 *   from: [converted],
 *   runId: RunId.make("convert-2")
 * })
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const rerun = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options: RerunOptions
): Effect.Effect<O, E | RunError | RerunError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.rerun<O, I, E, R>(dag, runId, options))

/**
 * A new run that begins where a stored one was after its transition `at`, and drives on from there: with the same inputs,
 * the outputs of the modules and the items of maps that had completed by then, and the shared cells as they were. What
 * had not ended by then runs, from its first attempt, and so does what had failed or was cancelled by then, and what was
 * skipped for it, as when a run is resumed. That is also true of a module with `execution: "atMostOnce"`, which is made at
 * most once in each run; a signal has to be delivered to the new run, and a sleep begins anew.
 *
 * The stored run may have ended in any way, be suspended, or be driven by anybody: then what is committed of it counts.
 * It stays as it is. `UnknownSequence`: it has no such transition; `Timeline` shows which it has. `RunConflict`: the id of
 * the new run is taken. `FlowRefused`: it may not begin. `StoredValueInvalid`: what is stored of a completed module does not decode, or is missing.
 *
 * **Interruption**: as for `execute`.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const draft = Module.make("draft", { output: Schema.String, run: () => Effect.succeed("a first text") })
 * const text = Module.make("text", {
 *   needs: { draft },
 *   output: Schema.String,
 *   run: ({ draft }) => Effect.succeed(draft.toUpperCase())
 * })
 * const Writing = Dag.make("writing", { outputs: { text } })
 *
 * // as it was after its third transition
 * const program = Engine.fork(Writing, RunId.make("essay-1"), { at: 3, runId: RunId.make("essay-2") }).pipe(
 *   Effect.catchTag("UnknownSequence", ({ last }) => Effect.fail(`it has only ${last} transitions`))
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const fork = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  options: ForkOptions
): Effect.Effect<O, E | RunError | ForkError, R | Engine> =>
  Effect.flatMap(Engine, (engine) => engine.fork<O, I, E, R>(dag, runId, options))

/**
 * Moves an unfinished run that nobody drives (suspended, cut off or quarantined) to another version of its Dag, as a plan
 * says that was made for it (`Migration.plan`): what is reused stays, the rest is forgotten, and the run is one of this Dag
 * from then on, in one transaction, with a `DagTransition` in its history. Nobody drives it then: an engine that owns the
 * Dag does by itself, and `resume` and `start` with this Dag do. No `FlowAdmission` is asked, for nothing begins.
 *
 * What ran and is not reused is not undone: neither what it did elsewhere nor what it added to shared cells.
 *
 * Fails, and the run is as it was, with
 *
 * - `MigrationRefused`: the plan has conflicts left (`Migration.resolve`), or is for another run or Dag, or the run has moved
 *   on since
 * - `RunHeld`: somebody drives the run; `RunFinished`: it has ended; `UnknownRun`: there is none
 * - `PlanInvalid`: the Dag is wrong; `StoreError`: the store failed
 *
 * **Interruption**: the run was moved, or was not.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import * as Migration from "heddle/run/Migration"
 * import { Effect } from "effect"
 *
 * const make = (duration: "3 days" | "5 days", version: number) =>
 *   Dag.make("reminder", { outputs: { pause: Module.sleep("pause", { duration, version }) } })
 * const [Before, Now] = [make("3 days", 1), make("5 days", 2)]
 *
 * const program = Effect.gen(function* () {
 *   const runId = RunId.make("reminder-1")
 *   const plan = yield* Migration.plan(Now, runId, { from: Before })
 *   yield* Engine.migrate(Now, runId, plan)
 * })
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const migrate = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId,
  plan: MigrationPlan
): Effect.Effect<void, MigrateError, Engine> => Effect.flatMap(Engine, (engine) => engine.migrate(dag, runId, plan))

/**
 * `start`, then what happens in the run, in order, to its end or until it is suspended; then the stream ends, or fails
 * as `execute` would. Persisted events come after their commit. The run waits for a consumer that is 256 events behind.
 * Where the run was there already, this is `watch` from its first event.
 *
 * **Interruption**: a run that this stream began is cut off when the stream is closed before its end.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, Run } from "heddle"
 * import { Console, Effect, Schema, Stream } from "effect"
 *
 * const talk = Module.make("talk", { output: Schema.Void, run: () => Run.emit("hello") })
 * const program = Engine.stream(Dag.make("talks", { outputs: { talk } }), {}).pipe(
 *   Stream.runForEach((event) => (event._tag === "Token" ? Console.log(event.value) : Effect.void))
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const stream = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  input: NoInfer<I>,
  options?: RunOptions
): Stream.Stream<RunEvent, E | RunError | StartError, R | Engine> =>
  Stream.unwrap(Effect.map(Engine, (engine) => engine.stream<O, I, E, R>(dag, input, options)))

/**
 * Delivers a value to a signal of a run: it is committed when this ends, whether the module waits for it already or not,
 * and whoever drives the run. An engine that owns its Dag drives a suspended run on.
 *
 * `within`: the path of the child Dag that has the signal, as in `orders/3`.
 *
 * **Interruption**: the value was delivered, or was not.
 *
 * @example
 * ```ts
 * import { Engine, Module, RunId } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const approval = Module.signal("approval", { value: Schema.Literal("yes", "no") })
 *
 * const program = Engine.signal(RunId.make("order-42"), approval, "yes").pipe(
 *   Effect.catchTag("AlreadyDelivered", () => Effect.log("somebody was faster"))
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const signal = <A>(
  runId: RunId,
  signal: Module.AnySignal<A>,
  value: NoInfer<A>,
  options?: { readonly within?: string }
): Effect.Effect<void, SignalError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.signal(runId, signal, value, options))

/**
 * Cancels a run by its id and waits for its end, as `Handle.cancel` does: also one that is suspended or was cut off,
 * whose `always` modules then run here. Without effect on a run that has ended.
 *
 * **Interruption**: of the waiting; the run is cancelled all the same, unless it had yet to be claimed.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import { Effect } from "effect"
 *
 * const Reminder = Dag.make("reminder", { outputs: { pause: Module.sleep("pause", { duration: "3 days" }) } })
 *
 * const program = Engine.cancel(Reminder, RunId.make("reminder-1")).pipe(
 *   Effect.catchTag("RunHeld", ({ owner }) => Effect.log(`${owner} drives it`))
 * )
 * ```
 *
 * @since 0.1.0
 * @category running
 */
export const cancel = <O, I, E, R>(
  dag: Dag.Dag<O, I, E, R>,
  runId: RunId
): Effect.Effect<void, CancelError, R | Engine> => Effect.flatMap(Engine, (engine) => engine.cancel(dag, runId))

/**
 * Looks for runs of the engine's `dags` that have no driver and should have one, and drives them on, without waiting for
 * their end: those that were cut off (let go of, or with a heartbeat that has expired) and suspended ones that are due. An
 * engine does that by itself, unless its option `recover` is false.
 *
 * A run that has lost more than `maxRecoveries` drivers without any progress is quarantined, and so is one that could not
 * be driven as often; it does not hold up the others. `resume`, and `start` with its id, end that and drive it.
 *
 * **Interruption**: of the looking; what was driven on goes on.
 *
 * @example
 * ```ts
 * import { Engine } from "heddle"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(Engine.recover, ({ failed, quarantined, recovered }) =>
 *   Effect.log(`${recovered.length} go on, ${quarantined.length} need somebody, ${failed.length} failed`)
 * )
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const recover: Effect.Effect<Recovery, StoreError, Engine> = Effect.flatMap(Engine, (engine) => engine.recover)

/**
 * Deletes runs that have ended and that the policy does not keep, with all that is stored of them, and gives how many. The
 * id of a deleted run is free: `start` with it begins anew. A policy that names nothing to keep is a defect. Nothing is
 * deleted by itself, unless the engine has the option `retention`.
 *
 * **Interruption**: what was deleted by then is gone, each run wholly.
 *
 * @example
 * ```ts
 * import { Engine } from "heddle"
 *
 * // the 1,000 runs that ended last stay, and all that ended in the last 30 days
 * const program = Engine.prune({ keepLast: 1000, youngerThan: "30 days" })
 * ```
 *
 * @since 0.1.0
 * @category operating
 */
export const prune = (policy: Policy): Effect.Effect<number, StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.prune(policy))

/**
 * The requirements of Dags.
 *
 * @since 0.1.0
 * @category type-level
 */
export type Requirements<D extends ReadonlyArray<Dag.Any>> = D[number][Dag.TypeId]["R"]

/**
 * The engine. It drives the runs of its `dags` by itself once it is built, with the services that they require. Dags that
 * cannot be run, limits that it does not have, and options that no engine can have, such as a `maxItems` that is no whole
 * number of at least 1, are defects here. `Heddle.layer` gives it all that it needs but a store.
 *
 * @example
 * ```ts
 * import { Engine, Retention, RunLease, Signals, StateWriter, Timeline } from "heddle"
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { Layer } from "effect"
 *
 * const EngineLive = Engine.layer({ durability: "buffered", limits: { stripe: 5 } }).pipe(
 *   Layer.provide([StateWriter.layer(), RunLease.layer(), Timeline.layer, Signals.layer, Retention.layer]),
 *   Layer.provide(RunStoreMemory.layer())
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <const D extends ReadonlyArray<Dag.Any> = readonly []>(
  options: Partial<Options<D>> = {}
): Layer.Layer<Engine, never, StateWriter | RunLease | Timeline | Signals | Retention | Requirements<D>> =>
  Layer.scoped(
    Engine,
    // the outputs, errors and requirements of a Dag are in its type alone
    Effect.map(
      Effect.orDie(ErasedEngine.make({ ...defaults, ...options })),
      (runs) => runs as unknown as typeof Engine.Service
    )
  )
