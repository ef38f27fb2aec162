import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Dag from "../../dag/Dag.js"
import type * as Module from "../../dag/Module.js"
import {
  AlreadyDelivered,
  DagChanged,
  RunConflict,
  RunFinished,
  RunSuspended,
  SignalClosed,
  SignalInvalid,
  UnknownLimit,
  UnknownRun,
  UnknownSignal
} from "../../model/RunError.js"
import * as Millis from "../../model/Millis.js"
import { RunId } from "../../model/RunId.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import * as SignalPaths from "../../model/SignalPaths.js"
import { isEnded, isResumable } from "../../model/Transition.js"
import * as Plan from "../../plan/Plan.js"
import { RunLease, type Held, type RunRow, type Seed } from "../../state/RunLease.js"
import { Signals } from "../../state/Signals.js"
import { StateWriter } from "../../state/StateWriter.js"
import { Timeline, type StoredRun } from "../../state/Timeline.js"
import type { Claim } from "../../state/Update.js"
import type { Options as EngineOptions } from "../EngineOptions.js"
import type { RunOptions } from "../RunOptions.js"
import * as Attempt from "./Attempt.js"
import * as Driver from "./Driver.js"
import * as Inputs from "./Inputs.js"
import * as Limits from "./Limits.js"
import type { SignalState } from "./Loop.js"
import * as Recall from "./Recall.js"
import * as Registry from "./Registry.js"
import type { Entry, Obtained, Restore } from "./Registry.js"
import * as Rerun from "./Rerun.js"
import * as Results from "./Results.js"
import * as Waker from "./Waker.js"
import * as Watch from "./Watch.js"

interface Begin {
  readonly plan: Plan.Plan
  readonly input: string
  readonly snapshot: RunSnapshot.RunSnapshot
  readonly begunAt?: number
  readonly recalled: Recall.Recalled
  readonly signals?: ReadonlyMap<string, SignalState>
  readonly policy: RunPolicy
  readonly entry: Entry
  readonly held: Held | undefined
  readonly isWatched: boolean
  readonly isCancelled?: boolean
}

/** How a stored run is driven on. */
interface TakeOver {
  readonly options: RunOptions
  /** Whether it has ended, and goes on from what is unfinished. */
  readonly reopen?: boolean
  readonly isWatched?: boolean
  readonly isCancelled?: boolean
}

/** How long the end of a driver waits for a store that does not answer. */
const patience = Duration.seconds(10)

/**
 * The engine: begins runs, finds them again, and drives them on.
 *
 * The types of a Dag's outputs, errors and requirements are erased here; `Engine` gives them back.
 */
export const make = Effect.fnUntraced(function* (engine: EngineOptions<ReadonlyArray<Dag.Any>>) {
  const writer = yield* StateWriter
  const lease = yield* RunLease
  const timeline = yield* Timeline
  const signals = yield* Signals
  const owned = new Map((yield* Effect.forEach(engine.dags, Plan.make)).map((plan) => [plan.fingerprint, plan]))
  const limits = Limits.make(engine.limits)
  for (const plan of owned.values()) yield* checkLimits(plan, limits)
  // closing interrupts the runs all at once: their finalizers do not wait for each other
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.parallel)
  const registry = yield* Registry.make
  const environment = yield* Effect.context<never>()

  /** Writes what is queued, then lets go of the run: for a limited time, so that a store that hangs holds up nobody. */
  const letGo = (claim: Claim) =>
    Effect.zipRight(writer.flush, lease.release(claim)).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutOption(patience),
      Effect.flatMap(
        Option.match({
          onNone: () =>
            Effect.zipRight(
              lease.forget(claim),
              Effect.logWarning(`run "${claim.runId}" was not let go of in time: its heartbeat has to expire`)
            ).pipe(Effect.annotateLogs({ package: "heddle", module: "Engine", fiber: "driver" })),
          onSome: () => Effect.void
        })
      )
    )

  const drive = ({ entry, held, input, ...run }: Begin): Effect.Effect<Obtained, never, unknown> =>
    Effect.gen(function* () {
      const { runId } = run.snapshot
      const { plan } = run
      const removed = Effect.zipRight(registry.remove(runId, entry), waker.notify)
      const driven = yield* Driver.start({
        ...run,
        begunAt: run.begunAt,
        signals: run.signals ?? new Map(),
        isCancelled: run.isCancelled ?? false,
        claim: held?.claim,
        engine: { alwaysDecode: engine.alwaysDecode, maxItems: engine.maxItems, limits },
        writer,
        signalStore: signals,
        scope,
        onEnd: held === undefined ? removed : Effect.ensuring(letGo(held.claim), removed)
      })
      if (held !== undefined) {
        yield* lease.watch(held.claim, driven.lost)
        if (plan.signals.length > 0) yield* waker.notify
      }
      const handle = { ...driven.handle, cancel: cancelSuspendedToo(plan, driven.handle) }
      const live = { plan, input, handle, driven, isStored: held !== undefined }
      return { handle, driver: driven.fiber, live }
    })

  /** A run that was suspended has no driver any more that could cancel it. */
  const cancelSuspendedToo = (plan: Plan.Plan, { await: ended, cancel, id }: Driver.ErasedHandle) =>
    Effect.zipRight(
      cancel,
      Effect.flatMap(Effect.exit(Effect.interruptible(ended)), (exit) =>
        exit._tag === "Failure" && Option.exists(Cause.failureOption(exit.cause), isSuspension)
          ? Effect.catchAll(cancelStored(plan, id), (error) =>
              Driver.isWriteError(error) ? Effect.fail(error) : Effect.die(error)
            )
          : Effect.void
      )
      // erasure: what the modules require is what the run was started with
    ) as Driver.ErasedHandle["cancel"]

  const fresh = (
    begin: Omit<Begin, "snapshot" | "recalled">,
    runId: RunId,
    inputs: Inputs.Inputs,
    startedAt: number
  ) => {
    const { dag, fingerprint, modules } = begin.plan
    const snapshot = RunSnapshot.make({ runId, dag, fingerprint, total: modules.length, startedAt })
    return drive({ ...begin, snapshot, recalled: Recall.fresh(begin.plan, inputs.values) })
  }

  const sourceOf = (snapshot: RunSnapshot.RunSnapshot): Recall.Source => ({
    snapshot,
    outputs: (modules) => timeline.outputs(snapshot.runId, modules),
    items: (modules) => timeline.items(snapshot.runId, modules)
  })

  const recall = (plan: Plan.Plan, { input, snapshot }: StoredRun) =>
    Effect.flatMap(Inputs.decode(plan, snapshot.runId, input), (inputs) =>
      Recall.make(plan, inputs, sourceOf(snapshot))
    )

  /** Drives a stored run that this process holds. */
  const driveOn = (plan: Plan.Plan, held: Held, entry: Entry, restore: Restore, how: TakeOver) =>
    Effect.gen(function* () {
      const { runId } = held.claim
      const stored = yield* timeline.get(runId)
      if (Option.isNone(stored)) return yield* Effect.dieMessage(`run "${runId}" is held and is not stored`)
      const { input, policy, snapshot } = stored.value
      const recalled = yield* restore(recall(plan, stored.value))
      const known = yield* restore(signals.of([runId]))
      return yield* drive({
        plan,
        input,
        snapshot,
        recalled,
        signals: new Map(known.map(({ closed, module, value }) => [module, { closed, value }])),
        policy: policyOf(how.options, policy),
        entry,
        held,
        isWatched: how.isWatched ?? false,
        isCancelled: how.isCancelled ?? false,
        ...(how.reopen === true ? { begunAt: held.run.startedAt } : undefined)
      })
    }).pipe(Effect.onError(() => lease.release(held.claim)))

  /** Claims a run that nobody drives and drives it on; undefined when it has ended meanwhile. */
  const takeOver = (plan: Plan.Plan, runId: RunId, entry: Entry, restore: Restore, how: TakeOver) =>
    Effect.gen(function* () {
      const claimed = yield* lease.claim(runId, { reopen: how.reopen })
      if (claimed._tag === "Gone") return undefined
      return yield* driveOn(plan, claimed.held, entry, restore, how)
    })

  /** The handle of a run that has ended or is suspended: its result is read from the store. */
  const stored = (plan: Plan.Plan, run: StoredRun) =>
    Effect.gen(function* () {
      const { policy, snapshot } = run
      const { causes, values } =
        snapshot.status === "cancelled" || snapshot.status === "suspended"
          ? Recall.fresh(plan, new Map())
          : yield* recall(plan, run)
      return {
        handle: {
          id: snapshot.runId,
          await: Results.ended(plan, snapshot, causes, values, policy),
          snapshot: Effect.succeed(snapshot),
          changes: Stream.make(snapshot),
          cancel:
            snapshot.status === "suspended"
              ? (Effect.catchAll(
                  cancelStored(plan, snapshot.runId),
                  (error) => (Driver.isWriteError(error) ? Effect.fail(error) : Effect.die(error))
                  // erasure: as for `cancelSuspendedToo`
                ) as Driver.ErasedHandle["cancel"])
              : Effect.void
        }
      }
    })

  const get = (runId: RunId) =>
    Effect.flatMap(
      timeline.get(runId),
      Option.match({ onNone: () => new UnknownRun({ runId }), onSome: Effect.succeed })
    )

  const isDue = (run: { readonly until?: number | undefined }) =>
    Effect.map(Clock.currentTimeMillis, (now) => run.until !== undefined && run.until <= now)

  const unchanged = (plan: Plan.Plan, runId: RunId) => (run: { readonly fingerprint: string }) =>
    run.fingerprint === plan.fingerprint
      ? Effect.void
      : new DagChanged({ runId, dag: plan.dag, stored: run.fingerprint, given: plan.fingerprint })

  const start = (dag: Dag.Any, given: unknown, options: RunOptions, restore: Restore, isWatched = false) =>
    Effect.gen(function* () {
      yield* checkOptions(options)
      const plan = yield* Plan.make(dag)
      yield* checkLimits(plan, limits)
      const inputs = yield* restore(Inputs.encode(plan, given, engine.alwaysDecode))
      const runId = options.runId ?? (yield* randomId)
      const input = inputs.text
      const { dag: name, fingerprint, modules } = plan
      const conflict = (run: { readonly fingerprint: string; readonly input: string }) =>
        run.fingerprint !== fingerprint
          ? new RunConflict({ runId, differs: "dag" })
          : run.input !== input
            ? new RunConflict({ runId, differs: "input" })
            : Effect.void

      const policy = policyOf(options, {
        concurrency: "unbounded",
        onFailure: "failFast",
        durability: engine.durability
      })
      const begin = (entry: Entry) =>
        Effect.gen(function* () {
          const startedAt = yield* Clock.currentTimeMillis
          const run = { plan, input, policy, entry, isWatched }
          if (policy.durability === "memory") return yield* fresh({ ...run, held: undefined }, runId, inputs, startedAt)
          const opened = yield* lease.open({
            runId,
            dag: name,
            fingerprint,
            total: modules.length,
            input,
            policy: JSON.stringify(policy),
            signals: JSON.stringify(plan.signals)
          })
          if (opened._tag === "Created") return yield* fresh({ ...run, held: opened.held }, runId, inputs, startedAt)
          yield* conflict(opened.run)
          const waits =
            opened.run.status === "suspended" && !(opened.run.wakeAt !== null && opened.run.wakeAt <= startedAt)
          if (!isEnded(opened.run.status) && !waits) {
            const driven = yield* takeOver(plan, runId, entry, restore, { options, isWatched })
            if (driven !== undefined) return driven
          }
          return yield* restore(Effect.flatMap(Effect.orDie(get(runId)), (run) => stored(plan, run)))
        })
      return yield* registry.obtain(
        runId,
        restore,
        (live) =>
          Effect.as(conflict({ fingerprint: live.plan.fingerprint, input: live.input }), { handle: live.handle, live }),
        begin
      )
    })

  const resume = (dag: Dag.Any, runId: RunId, options: RunOptions, restore: Restore) =>
    Effect.gen(function* () {
      yield* checkOptions(options)
      const plan = yield* Plan.make(dag)
      yield* checkLimits(plan, limits)
      const check = unchanged(plan, runId)
      const begin = (entry: Entry): Effect.Effect<Obtained, ResumeFailure, unknown> =>
        Effect.gen(function* () {
          const run = yield* get(runId)
          const { status } = run.snapshot
          if (isEnded(status) && !isResumable(status)) return yield* new RunFinished({ runId, status })
          yield* check(run.snapshot)
          if (status === "suspended" && !(yield* isDue(run.snapshot))) return yield* restore(stored(plan, run))
          const driven = yield* takeOver(plan, runId, entry, restore, { options, reopen: isEnded(status) })
          // it ended or went on between the two looks at it: another look says how
          return driven ?? (yield* begin(entry))
        })
      return yield* registry.obtain(
        runId,
        restore,
        (live) => Effect.as(check(live.plan), { handle: live.handle, live }),
        begin
      )
    })

  const cancelStored = (plan: Plan.Plan, runId: RunId) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const obtained = yield* registry.obtain(
          runId,
          restore,
          (live) => Effect.as(unchanged(plan, runId)(live.plan), { handle: live.handle, live }),
          (entry) =>
            Effect.gen(function* () {
              const run = yield* get(runId)
              yield* unchanged(plan, runId)(run.snapshot)
              if (isEnded(run.snapshot.status)) return { handle: yield* doneHandle(run.snapshot) }
              const driven = yield* takeOver(plan, runId, entry, restore, { options: {}, isCancelled: true })
              return driven ?? { handle: yield* doneHandle(run.snapshot) }
            })
        )
        yield* restore(obtained.handle.cancel)
      })
    )

  const doneHandle = (snapshot: RunSnapshot.RunSnapshot): Effect.Effect<Driver.ErasedHandle> =>
    Effect.succeed({
      id: snapshot.runId,
      await: Effect.void,
      snapshot: Effect.succeed(snapshot),
      changes: Stream.make(snapshot),
      cancel: Effect.void
    })

  const rerun = (
    dag: Dag.Any,
    runId: RunId,
    { from, ...options }: RunOptions & { readonly from: ReadonlyArray<Module.Any> },
    restore: Restore
  ) =>
    Effect.gen(function* () {
      yield* checkOptions(options)
      const plan = yield* Plan.make(dag)
      yield* checkLimits(plan, limits)
      const run = yield* get(runId)
      yield* unchanged(plan, runId)(run.snapshot)
      const newId = options.runId ?? (yield* randomId)
      const at = yield* Clock.currentTimeMillis
      const names = from.map(({ name }) => name)
      const seed: Seed = yield* restore(Rerun.seed(plan, names, sourceOf(run.snapshot), at))
      const stays = { ...run.policy, durability: run.policy.durability }
      const policy = policyOf(options, stays)
      return yield* registry.obtain(
        newId,
        restore,
        () => new RunConflict({ runId: newId, differs: "input" }),
        (entry) =>
          Effect.gen(function* () {
            const opened = yield* lease.open({
              runId: newId,
              dag: plan.dag,
              fingerprint: plan.fingerprint,
              total: plan.modules.length,
              input: run.input,
              policy: JSON.stringify(policy),
              signals: JSON.stringify(plan.signals),
              seed
            })
            if (opened._tag === "Exists") return yield* new RunConflict({ runId: newId, differs: "input" })
            return yield* driveOn(plan, opened.held, entry, restore, { options })
          })
      )
    })

  const signal = (runId: RunId, { definition, name }: Module.Any, value: unknown, within: string | undefined) =>
    Effect.gen(function* () {
      const path = within === undefined ? name : `${within}/${name}`
      if (definition.kind !== "signal") return yield* new UnknownSignal({ runId, signal: path })
      const text = yield* Effect.mapError(
        Attempt.encode(definition.value, value),
        ({ faults }) => new SignalInvalid({ runId, signal: path, faults })
      )
      const state: SignalState = { closed: false, value: text }
      const live = yield* registry.live(runId)
      const refuse = (was: SignalState | undefined) =>
        was === undefined
          ? Effect.void
          : was.closed
            ? new SignalClosed({ runId, signal: path })
            : new AlreadyDelivered({ runId, signal: path })
      if (Option.isSome(live) && live.value.driven.settleHere !== undefined) {
        if (!SignalPaths.has(JSON.stringify(live.value.plan.signals), path)) {
          return yield* new UnknownSignal({ runId, signal: path })
        }
        yield* refuse(live.value.driven.settleHere(path, state))
        return live.value.driven.deliver(path, state)
      }
      const settled = yield* signals.settle({ runId, module: path, ...state })
      switch (settled._tag) {
        case "Unknown":
          return yield* new UnknownRun({ runId })
        case "UnknownSignal":
          return yield* new UnknownSignal({ runId, signal: path })
        case "Finished": {
          const { status } = settled.run
          return isEnded(status) ? yield* new RunFinished({ runId, status }) : undefined
        }
        case "Settled":
          yield* refuse(settled.was)
      }
      // the driver may have come while the signal was on its way
      const driving = yield* registry.live(runId)
      if (Option.isSome(driving)) driving.value.driven.deliver(path, state)
      else yield* waker.notify
    })

  const waker: Waker.Waker = yield* Waker.make({
    fingerprints: [...owned.keys()],
    poll: engine.poll,
    lease,
    signals,
    waiting: Effect.map(registry.all, (all) => all.filter((run) => run.isStored && run.plan.signals.length > 0)),
    drive: ({ fingerprint, runId }: RunRow) => {
      const plan = owned.get(fingerprint)
      if (plan === undefined) return Effect.void
      return Effect.uninterruptibleMask((restore) =>
        registry.obtain(
          runId,
          restore,
          (live) => Effect.succeed({ handle: live.handle, live }),
          (entry) =>
            Effect.gen(function* () {
              const driven = yield* takeOver(plan, runId, entry, restore, { options: {} })
              // somebody else ended it
              if (driven === undefined) return { handle: yield* doneHandle((yield* get(runId)).snapshot) }
              return driven
            })
        )
      ).pipe(
        Effect.asVoid,
        Effect.catchTag("RunHeld", () => Effect.void),
        // what the owned Dags require is what the layer was given
        Effect.provide(environment)
      ) as Effect.Effect<void, unknown>
    }
  })
  yield* Effect.forkIn(Effect.interruptible(waker.run), scope)

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
    resume: (dag: Dag.Any, runId: RunId, options: RunOptions = {}) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(resume(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    rerun: (dag: Dag.Any, runId: RunId, options: RunOptions & { readonly from: ReadonlyArray<Module.Any> }) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(rerun(dag, runId, options, restore), (obtained) => awaited(obtained, restore))
      ),
    cancel: (dag: Dag.Any, runId: RunId) => Effect.flatMap(Plan.make(dag), (plan) => cancelStored(plan, runId)),
    signal: (runId: RunId, module: Module.Any, value: unknown, options?: { readonly within?: string }) =>
      signal(runId, module, value, options?.within),
    stream: (dag: Dag.Any, input: unknown, options: RunOptions = {}) =>
      Watch.starter(
        Effect.uninterruptibleMask((restore) => start(dag, input, options, restore, true)),
        (runId) => Watch.events({ registry, timeline, poll: engine.poll }, runId, 1)
      ),
    watch: (runId: RunId, options?: { readonly fromSequence?: number }) =>
      Watch.events({ registry, timeline, poll: engine.poll }, runId, options?.fromSequence ?? 1),
    get: (runId: RunId) =>
      Effect.gen(function* () {
        const live = yield* registry.live(runId)
        if (Option.isSome(live)) return yield* live.value.handle.snapshot
        return (yield* get(runId)).snapshot
      }),
    list: timeline.list
  }
})

type ResumeFailure =
  Effect.Effect.Error<ReturnType<RunLease["Type"]["claim"]>> | UnknownRun | RunFinished | DagChanged | RecallFailure

type RecallFailure = Effect.Effect.Error<ReturnType<typeof Recall.make>>

const isSuspension = (error: unknown) => error instanceof RunSuspended

const checkLimits = ({ dag, limits: wanted }: Plan.Plan, limits: Limits.Limits) =>
  Effect.suspend(() => {
    const missing = wanted.find(({ limit }) => !limits.has(limit))
    return missing === undefined ? Effect.void : new UnknownLimit({ dag, ...missing })
  })

const policyOf = (options: RunOptions, base: RunPolicy): RunPolicy => {
  const timeout = options.timeout === undefined ? base.timeout : Millis.of(options.timeout)
  return {
    concurrency: options.concurrency ?? base.concurrency,
    onFailure: options.onFailure ?? base.onFailure,
    durability: options.durability ?? base.durability,
    ...(timeout === undefined || timeout === Infinity ? undefined : { timeout })
  }
}

const checkOptions = ({ concurrency = 1, timeout = 0 }: RunOptions) =>
  Effect.suspend(() => {
    if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency >= 1)) {
      return refuse(`concurrency is a whole number of at least 1, not ${concurrency}`)
    }
    return Millis.of(timeout) === undefined
      ? refuse(`timeout is a duration that is not negative, not ${String(timeout)}`)
      : Effect.void
  })

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))

const randomId = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 4), (parts) =>
  RunId.make(parts.map((part) => part.toString(16).padStart(8, "0")).join(""))
)
