import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DagChanged, RunSuspended, UnknownRun } from "../../model/RunError.js"
import type { RunId } from "../../model/RunId.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import { isEnded } from "../../model/Transition.js"
import type * as Plan from "../../plan/Plan.js"
import type { Held, RunLease } from "../../state/RunLease.js"
import type { Signals } from "../../state/Signals.js"
import type { StateWriter } from "../../state/StateWriter.js"
import type { StoredRun, Timeline } from "../../state/Timeline.js"
import type { Claim } from "../../state/Update.js"
import type { RunOptions } from "../RunOptions.js"
import * as Driver from "./Driver.js"
import { isFault, isOfRun } from "./Faults.js"
import * as Inputs from "./Inputs.js"
import type { Entry, Obtained, LiveRuns, Restore } from "./LiveRuns.js"
import type { SignalState } from "./Loop.js"
import * as Policy from "./Policy.js"
import * as Recall from "./Recall.js"
import * as Results from "./Results.js"
import type { Outcome } from "./Waker.js"

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
  /** Whether the engine does it by itself: what it cannot drive counts then, and is quarantined in the end. */
  readonly isRecovery?: boolean
}

/** How long the end of a driver waits for a store that does not answer. */
const patience = Duration.seconds(10)

/** What runs are driven with. */
export interface Services {
  readonly writer: typeof StateWriter.Service
  readonly lease: typeof RunLease.Service
  readonly timeline: typeof Timeline.Service
  readonly signals: typeof Signals.Service
  readonly liveRuns: LiveRuns
  readonly engine: Driver.Drive["engine"]
  /** The drivers run in it. */
  readonly scope: Scope.Scope
  /** A run that takes signals has begun to be driven. */
  readonly notify: Effect.Effect<void>
  /** A run is let go of that the engine should not take up again at once. */
  readonly leaveAlone: (runId: RunId, fault: Cause.Cause<unknown>) => Effect.Effect<void>
  /** A stored run is driven no longer. */
  readonly released: (runId: RunId) => Effect.Effect<void>
}

/** How runs come to be driven: from their beginning, from what is stored of them, and to their cancellation. */
export const make = (services: Services) => {
  const { engine, lease, liveRuns, notify, released, scope, signals, timeline, writer } = services

  /** Writes what is queued, then lets go of the run: for a limited time, so that a store that hangs holds up nobody. */
  const letGo = (claim: Claim, fault: Cause.Cause<unknown>) =>
    Effect.zipRight(writer.release(claim), lease.release(claim, { failed: isOfRun(fault) })).pipe(
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutOption(patience),
      // an interruption of the driver goes to its children too, however uninterruptible it is itself
      Effect.forkDaemon,
      Effect.flatMap(Fiber.join),
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

  const drive = (run: Begin): Effect.Effect<Obtained, never, unknown> =>
    Effect.gen(function* () {
      const { entry, held, input, plan } = run
      const { runId } = run.snapshot
      const removed = liveRuns.remove(runId, entry)
      const onEnd = (fault: Cause.Cause<unknown>) => {
        if (held === undefined) return removed
        const leave = isFault(fault) ? services.leaveAlone(runId, fault) : Effect.void
        return Effect.zipRight(leave, letGo(held.claim, fault)).pipe(
          // what was suspended may be due, and what was cut off is
          Effect.ensuring(Effect.zipRight(removed, released(runId)))
        )
      }
      const driven = yield* Driver.start({
        plan,
        snapshot: run.snapshot,
        begunAt: run.begunAt,
        recalled: run.recalled,
        policy: run.policy,
        isWatched: run.isWatched,
        signals: run.signals ?? new Map(),
        isCancelled: run.isCancelled ?? false,
        claim: held?.claim,
        engine,
        writer,
        signalStore: signals,
        scope,
        onEnd
      })
      if (held !== undefined) {
        yield* lease.watch(held.claim, driven.lost)
        if (plan.signals.length > 0) yield* notify
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
          ? cancelStored(plan, id)
          : Effect.void
      )
      // erasure: what the modules require is what the run was started with
    ) as Driver.ErasedHandle["cancel"]

  const fresh = (
    begin: Omit<Begin, "snapshot" | "recalled">,
    runId: RunId,
    version: string | undefined,
    inputs: Inputs.Inputs,
    startedAt: number
  ) => {
    const { dag, fingerprint, modules } = begin.plan
    const snapshot = RunSnapshot.make({ runId, dag, fingerprint, version, total: modules.length, startedAt })
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
      const stored = yield* restore(timeline.get(runId))
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
        policy: Policy.of(how.options, policy),
        entry,
        held,
        isWatched: how.isWatched ?? false,
        isCancelled: how.isCancelled ?? false,
        ...(how.reopen === true ? { begunAt: held.run.startedAt } : undefined)
      })
    }).pipe(Effect.onError((cause) => lease.release(held.claim, { failed: how.isRecovery === true && isOfRun(cause) })))

  /** Claims a run that nobody drives and drives it on, quarantined or not; undefined when it has ended meanwhile. */
  const takeOver = (plan: Plan.Plan, runId: RunId, entry: Entry, restore: Restore, how: TakeOver) =>
    Effect.gen(function* () {
      const claimed = yield* lease.claim(runId, { reopen: how.reopen })
      if (claimed._tag !== "Claimed") return undefined
      return yield* driveOn(plan, claimed.held, entry, restore, how)
    })

  /** The same, asked for by nobody: a run that has lost too many drivers is left alone. */
  const recover = (plan: Plan.Plan, runId: RunId, maxRecoveries: number) =>
    Effect.uninterruptibleMask((restore) =>
      liveRuns.obtain(
        runId,
        restore,
        () => new NotTaken({ outcome: elsewhere }),
        (entry) =>
          Effect.gen(function* () {
            const claimed = yield* lease.claim(runId, { maxRecoveries })
            if (claimed._tag === "Gone") return yield* new NotTaken({ outcome: elsewhere })
            if (claimed._tag === "Quarantined") return yield* new NotTaken({ outcome: claimed })
            return yield* driveOn(plan, claimed.held, entry, restore, { options: {}, isRecovery: true })
          })
      )
    ).pipe(
      Effect.as<Outcome>({ _tag: "Driven" }),
      Effect.catchTags({
        NotTaken: ({ outcome }) => Effect.succeed(outcome),
        RunHeld: () => Effect.succeed(elsewhere)
      })
    )

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
              ? // erasure: as for `cancelSuspendedToo`
                (cancelStored(plan, snapshot.runId) as Driver.ErasedHandle["cancel"])
              : Effect.void,
          interrupt: Effect.void
        }
      }
    })

  const get = (runId: RunId) =>
    Effect.flatMap(
      timeline.get(runId),
      Option.match({ onNone: () => new UnknownRun({ runId }), onSome: Effect.succeed })
    )

  const unchanged = (plan: Plan.Plan, runId: RunId) => (run: { readonly fingerprint: string }) =>
    run.fingerprint === plan.fingerprint
      ? Effect.void
      : new DagChanged({ runId, dag: plan.dag, stored: run.fingerprint, given: plan.fingerprint })

  const cancelStored = (plan: Plan.Plan, runId: RunId) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const obtained = yield* liveRuns.obtain(
          runId,
          restore,
          (live) => Effect.as(unchanged(plan, runId)(live.plan), { handle: live.handle, live }),
          (entry) =>
            Effect.gen(function* () {
              const run = yield* restore(get(runId))
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
      cancel: Effect.void,
      interrupt: Effect.void
    })

  return { cancelStored, driveOn, fresh, get, recall, recover, sourceOf, stored, takeOver, unchanged }
}

const elsewhere: Outcome = { _tag: "Elsewhere" }

class NotTaken extends Data.TaggedError("NotTaken")<{ readonly outcome: Outcome }> {}

/** A run that has ended as it is once it is resumed. */
export const reopened = ({ snapshot, ...run }: StoredRun): StoredRun => {
  const { epoch, finishedAt = 0, seq } = snapshot
  const status = "running" as const
  return {
    ...run,
    snapshot: RunSnapshot.evolve(snapshot, { _tag: "RunTransition", seq: seq + 1, at: finishedAt, status, epoch })
  }
}

const isSuspension = (error: unknown) => error instanceof RunSuspended
