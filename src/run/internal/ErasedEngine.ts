import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type * as Dag from "../../dag/Dag.js"
import type * as Module from "../../dag/Module.js"
import { RunConflict, RunFinished, UnknownRun, type DagChanged } from "../../model/RunError.js"
import { RunId } from "../../model/RunId.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import type { StoreError } from "../../model/StoreError.js"
import { isEnded, isResumable } from "../../model/Transition.js"
import * as Plan from "../../plan/Plan.js"
import { Retention, type Policy as RetentionPolicy } from "../../state/Retention.js"
import { RunLease, type RunRow, type Seed } from "../../state/RunLease.js"
import { Signals } from "../../state/Signals.js"
import { StateWriter } from "../../state/StateWriter.js"
import { Timeline, type StoredRun } from "../../state/Timeline.js"
import * as DebugGuard from "../DebugGuard.js"
import * as Admission from "./Admission.js"
import type { Options as EngineOptions } from "../EngineOptions.js"
import type { RunOptions } from "../RunOptions.js"
import * as Fork from "./Fork.js"
import * as Inputs from "./Inputs.js"
import * as Launch from "./Launch.js"
import * as Limits from "./Limits.js"
import type { MigrationPlan } from "../Migration.js"
import * as Moving from "./Moving.js"
import * as LiveRuns from "./LiveRuns.js"
import type { Entry, Obtained, Restore } from "./LiveRuns.js"
import * as Policy from "./Policy.js"
import * as Pruning from "./Pruning.js"
import type * as Recall from "./Recall.js"
import * as Rerun from "./Rerun.js"
import * as SignalDelivery from "./SignalDelivery.js"
import * as Waker from "./Waker.js"
import * as Watch from "./Watch.js"

/**
 * The engine: begins runs, finds them again, and drives them on.
 *
 * The types of a Dag's outputs, errors and requirements are erased here; `Engine` gives them back.
 */
export const make = Effect.fnUntraced(function* (engine: EngineOptions<ReadonlyArray<Dag.Any>>) {
  yield* Policy.checkEngine(engine)
  const writer = yield* StateWriter
  const lease = yield* RunLease
  const timeline = yield* Timeline
  const signals = yield* Signals
  const retention = yield* Retention
  const pruning = engine.retention === undefined ? undefined : yield* Pruning.make(retention, engine.retention)
  const owned = new Map((yield* Effect.forEach(engine.dags, Plan.make)).map((plan) => [plan.fingerprint, plan]))
  const limits = Limits.make(engine.limits)
  const guard = Option.getOrUndefined(yield* DebugGuard.active)
  const { admit } = yield* Admission.make
  for (const plan of owned.values()) yield* Policy.checkLimits(plan, limits)
  // closing interrupts the runs all at once: their finalizers do not wait for each other
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.parallel)
  const liveRuns = yield* LiveRuns.make
  const environment = yield* Effect.context<never>()
  const notify = Effect.suspend(() => waker.notify)
  const { cancelStored, driveOn, fresh, get, recall, recover, sourceOf, stored, takeOver, unchanged } = Launch.make({
    writer,
    lease,
    timeline,
    signals,
    liveRuns,
    engine: { alwaysDecode: engine.alwaysDecode, maxItems: engine.maxItems, limits, guard },
    scope,
    notify,
    leaveAlone: (runId, fault) => Effect.suspend(() => waker.leaveAlone(runId, fault)),
    released: (runId) => (owned.size === 0 ? Effect.void : Effect.suspend(() => waker.released(runId)))
  })
  const signal = SignalDelivery.make({ liveRuns, signals, notify })

  /** The plan of a Dag that this engine can run with these options. */
  const planOf = (dag: Dag.Any, options: RunOptions = {}) =>
    Effect.zipRight(
      Policy.check(options),
      Effect.tap(Plan.make(dag), (plan) => Policy.checkLimits(plan, limits))
    )

  /** What is stored of a run when it is opened. */
  const rowOf = (
    { dag, fingerprint, modules, signals }: Plan.Plan,
    runId: RunId,
    version: string | undefined,
    input: string,
    policy: RunPolicy
  ) => ({
    runId,
    dag,
    fingerprint,
    version,
    total: modules.length,
    input,
    policy: JSON.stringify(policy),
    signals: JSON.stringify(signals)
  })

  const isDue = (run: { readonly until?: number | undefined }) =>
    Effect.map(Clock.currentTimeMillis, (now) => run.until !== undefined && run.until <= now)

  const policyOf = (options: RunOptions) =>
    Policy.of(options, { concurrency: "unbounded", onFailure: "failFast", durability: engine.durability })

  /** The run that an id has, as far as a call for it must know. */
  const existing = (runId: RunId): Effect.Effect<Option.Option<Existing>, StoreError> =>
    Effect.map(
      timeline.get(runId),
      Option.map(({ input, snapshot: { fingerprint, status, until = null } }) => ({
        fingerprint,
        input,
        status,
        wakeAt: until
      }))
    )

  /** The run that an id has is the one that was asked for. */
  const conflict =
    ({ fingerprint }: Plan.Plan, runId: RunId, input: string) =>
    (run: { readonly fingerprint: string; readonly input: string }) =>
      run.fingerprint !== fingerprint
        ? new RunConflict({ runId, differs: "dag" })
        : run.input !== input
          ? new RunConflict({ runId, differs: "input" })
          : Effect.void

  const start = (dag: Dag.Any, given: unknown, options: RunOptions, restore: Restore, isWatched = false) =>
    Effect.gen(function* () {
      const plan = yield* planOf(dag, options)
      const inputs = yield* restore(Inputs.encode(plan, given, engine.alwaysDecode))
      const runId = options.runId ?? (yield* randomId)
      const input = inputs.text
      const unlessConflict = conflict(plan, runId, input)
      const policy = policyOf(options)
      const begin = (entry: Entry) =>
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const run = { plan, input, policy, entry, isWatched }
          const isStored = policy.durability !== "memory"
          const admitted = yield* restore(
            admit(plan, options.force, isStored && options.runId !== undefined ? existing(runId) : Effect.succeedNone)
          )
          let there: Existing
          if (admitted._tag === "Exists") there = admitted.found
          else {
            const { version } = admitted
            if (!isStored) return yield* fresh({ ...run, held: undefined }, runId, version, inputs, startedAt)
            const opened = yield* lease.open(rowOf(plan, runId, version, input, policy))
            if (opened._tag === "Created") {
              return yield* fresh({ ...run, held: opened.held }, runId, version, inputs, startedAt)
            }
            there = opened.run
          }
          yield* unlessConflict(there)
          const waits = there.status === "suspended" && !(there.wakeAt !== null && there.wakeAt <= startedAt)
          if (!isEnded(there.status) && !waits) {
            const driven = yield* takeOver(plan, runId, entry, restore, { options, isWatched })
            if (driven !== undefined) return driven
          }
          const found = yield* restore(timeline.get(runId))
          if (Option.isNone(found)) return yield* Effect.dieMessage(`run "${runId}" is gone since it was opened`)
          return yield* restore(stored(plan, found.value))
        })
      return yield* liveRuns.obtain(
        runId,
        restore,
        (live) =>
          Effect.as(unlessConflict({ fingerprint: live.plan.fingerprint, input: live.input }), {
            handle: live.handle,
            live
          }),
        begin
      )
    })

  const submit = (dag: Dag.Any, given: unknown, options: RunOptions) =>
    Effect.gen(function* () {
      yield* Policy.check(options)
      // not its limits: those are of the engine that will drive it
      const plan = yield* Plan.make(dag)
      const policy = policyOf(options)
      yield* Policy.checkSubmitted(policy)
      const { text } = yield* Inputs.encode(plan, given, engine.alwaysDecode)
      const runId = options.runId ?? (yield* randomId)
      const unlessConflict = conflict(plan, runId, text)
      const exists = options.runId === undefined ? Effect.succeedNone : existing(runId)
      const admitted = yield* admit(plan, options.force, exists)
      if (admitted._tag === "Exists") return yield* Effect.as(unlessConflict(admitted.found), runId)
      const opened = yield* lease.submit(rowOf(plan, runId, admitted.version, text, policy))
      if (opened._tag === "Exists") yield* unlessConflict(opened.run)
      else if (owned.has(plan.fingerprint)) yield* notify
      return runId
    })

  const resume = (dag: Dag.Any, runId: RunId, options: RunOptions, restore: Restore) =>
    Effect.gen(function* () {
      const plan = yield* planOf(dag, options)
      const check = unchanged(plan, runId)
      const begin = (entry: Entry): Effect.Effect<Obtained, ResumeFailure, unknown> =>
        Effect.gen(function* () {
          const run = yield* restore(get(runId))
          const { status } = run.snapshot
          if (isEnded(status) && !isResumable(status)) return yield* new RunFinished({ runId, status })
          yield* check(run.snapshot)
          if (status === "suspended" && !(yield* isDue(run.snapshot))) return yield* restore(stored(plan, run))
          // what does not decode is refused while the run has its end: a claim takes that away
          if (isEnded(status)) yield* restore(recall(plan, Launch.reopened(run)))
          const driven = yield* takeOver(plan, runId, entry, restore, { options, reopen: isEnded(status) })
          // it ended or went on between the two looks at it: another look says how
          return driven ?? (yield* begin(entry))
        })
      return yield* liveRuns.obtain(
        runId,
        restore,
        (live) => Effect.as(check(live.plan), { handle: live.handle, live }),
        begin
      )
    })

  /** A new run that begins with what is taken over of a stored one. */
  const seeded = <E>(
    dag: Dag.Any,
    runId: RunId,
    options: RunOptions,
    restore: Restore,
    seedOf: (plan: Plan.Plan, run: StoredRun, at: number) => Effect.Effect<Seed, E>
  ) =>
    Effect.gen(function* () {
      const plan = yield* planOf(dag, options)
      const run = yield* restore(get(runId))
      yield* unchanged(plan, runId)(run.snapshot)
      const newId = options.runId ?? (yield* randomId)
      const at = yield* Clock.currentTimeMillis
      const seed = yield* restore(seedOf(plan, run, at))
      const policy = Policy.of(options, run.policy)
      return yield* liveRuns.obtain(
        newId,
        restore,
        () => new RunConflict({ runId: newId, differs: "origin" }),
        (entry) =>
          Effect.gen(function* () {
            const admitted = yield* restore(admit(plan, options.force, existing(newId)))
            if (admitted._tag === "Exists") return yield* new RunConflict({ runId: newId, differs: "origin" })
            const opened = yield* lease.open({ ...rowOf(plan, newId, admitted.version, run.input, policy), seed })
            if (opened._tag === "Exists") return yield* new RunConflict({ runId: newId, differs: "origin" })
            return yield* driveOn(plan, opened.held, entry, restore, { options })
          })
      )
    })

  const rerun = (
    dag: Dag.Any,
    runId: RunId,
    { from, ...options }: RunOptions & { readonly from: ReadonlyArray<Module.Any> },
    restore: Restore
  ) => {
    const names = from.map(({ name }) => name)
    return seeded(dag, runId, options, restore, (plan, { snapshot }, at) =>
      Rerun.seed(plan, names, sourceOf(snapshot), at)
    )
  }

  const fork = (
    dag: Dag.Any,
    runId: RunId,
    { at: seq, ...options }: RunOptions & { readonly at: number },
    restore: Restore
  ) =>
    seeded(dag, runId, options, restore, (_, __, at) =>
      Effect.gen(function* () {
        const snapshot = yield* timeline.stateAt(runId, { seq })
        if (Option.isNone(snapshot)) return yield* new UnknownRun({ runId })
        return yield* Fork.seed(sourceOf(snapshot.value), at)
      })
    )

  const migrate = Moving.make({
    admit,
    lease,
    timeline,
    signals,
    moved: (fingerprint) => (owned.has(fingerprint) ? notify : Effect.void)
  })

  const waker: Waker.Waker = yield* Waker.make({
    fingerprints: [...owned.keys()],
    recover: engine.recover,
    maxRuns: engine.maxRuns,
    poll: engine.poll,
    lease,
    signals,
    waiting: Effect.map(liveRuns.all, (all) => all.filter((run) => run.isStored && run.plan.signals.length > 0)),
    drive: ({ fingerprint, runId }) => {
      // only runs of these fingerprints are asked for
      const plan = owned.get(fingerprint)!
      return Effect.provide(
        recover(plan, runId, engine.maxRecoveries),
        // what the owned Dags require is what the layer was given
        environment as Context.Context<unknown>
      )
    }
  })
  yield* Effect.forkIn(Effect.interruptible(waker.run), scope)
  if (pruning !== undefined) yield* Effect.forkIn(Effect.interruptible(pruning), scope)

  /** Waits for a run; when this is interrupted, so is the driver that this call began. */
  const awaited = ({ driver, handle }: Obtained, restore: Restore) =>
    Effect.onInterrupt(restore(handle.await), () => (driver === undefined ? Effect.void : Fiber.interrupt(driver)))

  return {
    start: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) => Effect.map(start(dag, input, options, restore), ({ handle }) => handle)),
    execute: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(start(dag, input, options, restore), (obtained) => awaited(obtained, restore))
      ),
    submit: (dag: Dag.Any, input: unknown, options: RunOptions = {}) => submit(dag, input, options),
    resume: (dag: Dag.Any, runId: RunId, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(resume(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    rerun: (dag: Dag.Any, runId: RunId, options: RunOptions & { readonly from: ReadonlyArray<Module.Any> }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(rerun(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    fork: (dag: Dag.Any, runId: RunId, options: RunOptions & { readonly at: number }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(fork(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    migrate: (dag: Dag.Any, runId: RunId, plan: MigrationPlan) => migrate(dag, runId, plan),
    cancel: (dag: Dag.Any, runId: RunId) => Effect.flatMap(planOf(dag), (plan) => cancelStored(plan, runId)),
    signal: (runId: RunId, module: Module.Any, value: unknown, options?: { readonly within?: string }) =>
      signal(runId, module, value, options?.within),
    stream: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Watch.starter(
        Effect.uninterruptibleMask((restore) => start(dag, input, options, restore, true)),
        (runId) => Watch.events({ liveRuns, timeline, poll: engine.poll }, runId, 1)
      ),
    watch: (runId: RunId, options?: { readonly fromSequence?: number }) =>
      Watch.events({ liveRuns, timeline, poll: engine.poll }, runId, options?.fromSequence ?? 1),
    get: (runId: RunId) =>
      Effect.gen(function* () {
        const live = yield* liveRuns.find(runId)
        if (Option.isSome(live)) return yield* live.value.handle.snapshot
        return (yield* get(runId)).snapshot
      }),
    list: timeline.list,
    recover: waker.recover,
    prune: (policy: RetentionPolicy) => retention.prune(policy),
    storage: timeline.storage,
    deadLetters: timeline.deadLetters
  }
})

type Existing = Pick<RunRow, "fingerprint" | "input" | "status" | "wakeAt">

type ResumeFailure =
  Effect.Effect.Error<ReturnType<RunLease["Type"]["claim"]>> | UnknownRun | RunFinished | DagChanged | RecallFailure

type RecallFailure = Effect.Effect.Error<ReturnType<typeof Recall.make>>

const randomId = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (parts) =>
  RunId.make(parts.map((part) => part.toString(16).padStart(8, "0")).join(""))
)
