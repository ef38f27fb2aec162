import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { RunLost, WriteFailed, WriterClosed, WriterFull } from "../../model/RunError.js"
import { isFinal } from "../../model/ModuleStatus.js"
import { atLeastCommitted, type RunPolicy } from "../../model/RunPolicy.js"
import type { RunId } from "../../model/RunId.js"
import * as RunSnapshot from "../../model/RunSnapshot.js"
import { StoreError } from "../../model/StoreError.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Transition } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import type { Signals } from "../../state/Signals.js"
import type { StateWriter, WriteError } from "../../state/StateWriter.js"
import type { Claim, Level, Pace } from "../../state/Update.js"
import type * as DebugGuard from "../DebugGuard.js"
import type { Handle } from "../Handle.js"
import * as ChangeFeed from "./ChangeFeed.js"
import * as EventFeed from "./EventFeed.js"
import * as ExecutionState from "./ExecutionState.js"
import type { Emit, Settings, SignalState } from "./Loop.js"
import type { Recalled } from "./Recall.js"
import * as Results from "./Results.js"
import { RunGuard } from "./RunGuard.js"
import * as Scheduler from "./Scheduler.js"
import * as SharedCells from "./SharedCells.js"
import * as Spans from "./Spans.js"

/** A handle with its types erased: what is kept of a live run. */
export type ErasedHandle = Handle<unknown, unknown>

export interface Drive {
  readonly plan: Plan
  /** The state from which the run goes on. */
  readonly snapshot: RunSnapshot.RunSnapshot
  /** Milliseconds since the epoch: when the run began to go on, where that was before now. */
  readonly begunAt: number | undefined
  readonly recalled: Recalled
  readonly signals: ReadonlyMap<string, SignalState>
  readonly policy: RunPolicy
  /** The right to write; undefined when nothing is stored. */
  readonly claim: Claim | undefined
  readonly engine: Pick<Settings, "alwaysDecode" | "maxItems" | "limits"> & {
    /** Undefined when it is off. */
    readonly guard: DebugGuard.Options | undefined
  }
  readonly writer: typeof StateWriter.Service
  readonly signalStore: typeof Signals.Service
  readonly scope: Scope.Scope
  /** Whether whoever starts the run looks at it, and holds it up when behind. */
  readonly isWatched: boolean
  readonly isCancelled: boolean
  /** After the last write, before anyone learns of the end. `fault`: why that was not written; empty when it was. */
  readonly onEnd: (fault: Cause.Cause<unknown>) => Effect.Effect<void>
}

export interface Driven {
  readonly handle: ErasedHandle
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Another driver has the run. */
  readonly lost: () => void
  readonly isCutOff: () => boolean
  readonly deliver: (path: string, signal: SignalState) => void
  /** Of a run that is not stored: what the signal was before, or undefined now that it is this. */
  readonly settleHere: ((path: string, signal: SignalState) => SignalState | undefined) | undefined
  readonly feed: EventFeed.EventFeed
  /** What the starter sees, when it looks. */
  readonly viewer: EventFeed.Viewer | undefined
}

/** Forks the fiber that drives a run from its present state to its end, or until it only waits. */
export const start = (drive: Drive): Effect.Effect<Driven, never, unknown> =>
  Effect.gen(function* () {
    const { claim, engine, plan, policy, recalled, writer } = drive
    const { epoch, runId } = drive.snapshot
    const clock = yield* Effect.clock
    const state = ExecutionState.make(drive.snapshot)
    const changes = ChangeFeed.make(state.current, drive.snapshot.seq)
    const feed = EventFeed.make(drive.snapshot.seq, claim !== undefined, () => scheduler.poke())
    const viewer = drive.isWatched ? feed.view(true) : undefined
    const done = yield* Deferred.make<unknown, unknown>()

    const publish = (transition: Transition) => {
      changes.publish(transition)
      feed.publish(transition)
    }

    const pace: Pace | undefined =
      policy.batchSize === undefined && policy.interval === undefined
        ? undefined
        : { batchSize: policy.batchSize, interval: policy.interval }
    /** Nothing that follows what was not written is written, so that the store holds a prefix. */
    let broken: WriteError | undefined
    /** The first of what was not written of a run that goes on all the same. */
    let forgiven: WriteError | undefined
    /** Whether the run goes on although this was not written: nobody waits for it, or nothing follows it. */
    const isForgiven = (error: WriteError, transition: Transition, durability: Level) =>
      policy.onWriteFailure === "record" &&
      error instanceof WriteFailed &&
      (durability === "buffered" || (transition._tag === "RunTransition" && transition.status !== "suspended"))

    const write = (transition: Transition, output: string | null, durability: Level, then: Then) => {
      if (claim === undefined) {
        publish(transition)
        return (then.accepted?.(), then.settled?.(Exit.void))
      }
      if (broken !== undefined) return then.settled?.(Exit.fail(broken))
      writer.unsafeUpdate(
        { claim, transition, output, durability, pace },
        {
          ...(then.accepted === undefined ? undefined : { accepted: then.accepted }),
          settled: (result) => {
            if (Exit.isSuccess(result)) publish(transition)
            else {
              Exit.mapError(result, (error) => {
                if (isForgiven(error, transition, durability)) {
                  forgiven ??= error
                  return
                }
                broken = error
                scheduler.abort(error)
              })
            }
            then.settled?.(result)
          }
        }
      )
    }

    const emit: Emit = (transition, output, durability, released) => {
      if (durability === "memory") {
        write(transition, output, "buffered", {})
        released?.()
      } else if (durability === "buffered") {
        write(transition, output, durability, released === undefined ? {} : { accepted: released })
      } else {
        write(transition, output, durability, { settled: (result) => void (Exit.isSuccess(result) && released?.()) })
      }
    }

    const here = new Map<string, SignalState>()
    const settleHere = (path: string, signal: SignalState) => {
      const was = here.get(path) ?? (isFinal(RunSnapshot.module(state.current(), path).status) ? closed : undefined)
      if (was === undefined) here.set(path, signal)
      return was
    }

    const closeSignal = (path: string): Effect.Effect<SignalState, WriteError> =>
      claim === undefined
        ? Effect.sync(() => settleHere(path, closed) ?? closed)
        : Effect.mapBoth(drive.signalStore.settle({ runId, module: path, closed: true, value: null }), {
            onFailure: (cause) => new WriteFailed({ runId, cause }),
            onSuccess: (signalled) => (signalled._tag === "Settled" ? signalled.was : undefined) ?? closed
          }).pipe(
            // a defect of a store is a write that was not made, like any of its errors
            Effect.catchAllDefect((defect) => new WriteFailed({ runId, cause: brokenStore(defect) })),
            // the module does not fail for it: the run is cut off, and waits again when it is resumed
            Effect.tapError((error) => Effect.sync(() => scheduler.abort(error)))
          )

    // a cell that does not decode was refused before
    const cells = Either.getOrThrow(
      SharedCells.make(plan.shared, "", drive.snapshot.shared, undefined, engine.alwaysDecode)
    )

    const guard = engine.guard === undefined ? undefined : yield* guardOf(engine.guard, runId, drive.scope)

    const scheduler: Scheduler.Scheduler<unknown> = Scheduler.make({
      plan,
      state,
      recalled,
      cells,
      settings: {
        alwaysDecode: engine.alwaysDecode,
        maxItems: engine.maxItems,
        limits: engine.limits,
        runId,
        concurrency: policy.concurrency === "unbounded" ? Infinity : policy.concurrency,
        onFailure: policy.onFailure,
        durability: policy.durability,
        deadline: policy.timeout === undefined ? undefined : drive.snapshot.startedAt + policy.timeout,
        canSuspend: claim !== undefined,
        emit,
        host: {
          hasRoom: feed.hasRoom,
          say: feed.say,
          share: (values) => emit(state.shared(values, clock.unsafeCurrentTimeMillis()), null, "buffered")
        },
        closeSignal,
        signals: new Map(drive.signals),
        isBehind: feed.isBehind,
        guard
      }
    })
    if (drive.isCancelled) scheduler.cancel()

    /** That it has ended, or is suspended. */
    let isStored = false
    const faultOf = (exit: Exit.Exit<unknown, unknown>): Cause.Cause<unknown> => {
      if (isStored) return Cause.empty
      if (forgiven !== undefined) return Cause.fail(forgiven)
      return Exit.isFailure(exit) ? exit.cause : Cause.empty
    }

    const body = Effect.gen(function* () {
      const begunAt = drive.begunAt ?? clock.unsafeCurrentTimeMillis()
      write(state.run("running", epoch, begunAt), null, "buffered", {})
      const outcome = yield* scheduler.run
      guard?.finish()
      const end =
        outcome.status === "suspended"
          ? state.run("suspended", epoch, clock.unsafeCurrentTimeMillis(), outcome.until)
          : state.run(outcome.status, epoch, clock.unsafeCurrentTimeMillis())
      const last = Effect.async<void, WriteError>((resume) =>
        write(end, null, atLeastCommitted(policy.durability), {
          settled: (result) => resume(result)
        })
      )
      yield* Effect.catchTag(last, "WriteFailed", (error) =>
        isForgiven(error, end, "committed") && broken === undefined ? Effect.void : Effect.fail(error)
      )
      isStored = forgiven === undefined
      if (outcome.status === "suspended") Telemetry.runsSuspended.unsafeUpdate(1, [])
      else Telemetry.runsFinished[outcome.status].unsafeUpdate(1, [])
      if (outcome.status === "completed") return outcome.outputs()
      const causes = outcome.status === "suspended" ? recalled.causes : outcome.causes
      return yield* Results.ended(plan, state.current(), causes, recalled.values, policy)
    }).pipe(
      Spans.forRun(runId, plan.dag),
      Effect.interruptible,
      Effect.onExit((exit) =>
        Effect.ensuring(
          Effect.suspend(() => drive.onEnd(faultOf(exit))),
          Effect.sync(() => {
            changes.end()
            feed.end()
          })
        )
      ),
      Effect.exit,
      Effect.flatMap((exit) => Deferred.done(done, exit)),
      Effect.uninterruptible
    )

    Telemetry.runsStarted.unsafeUpdate(1, [])
    const fiber = yield* Effect.forkIn(body, drive.scope)
    return {
      fiber,
      feed,
      viewer,
      isCutOff: scheduler.isCutOff,
      deliver: scheduler.deliver,
      settleHere: claim === undefined ? settleHere : undefined,
      lost: () => scheduler.abort(new RunLost({ runId, epoch })),
      handle: {
        id: runId,
        await: Deferred.await(done),
        snapshot: state.snapshot,
        changes: changes.changes,
        cancel: Effect.zipRight(
          Effect.sync(scheduler.cancel),
          Effect.flatMap(Effect.exit(Deferred.await(done)), writeErrorOf)
        ),
        interrupt: Fiber.interrupt(fiber)
      }
    }
    // a fiber forked in an interruptible region can be interrupted before its first step, and would never end the run
  }).pipe(Effect.uninterruptible)

/** Violations are reported as they are found, in fibers of the engine. */
const guardOf = ({ onViolation }: DebugGuard.Options, runId: RunId, scope: Scope.Scope) =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const fork = Runtime.runFork(runtime)
    return new RunGuard(runId, (violation) => void fork(onViolation(violation), { scope }))
  })

const isWriteError = (error: unknown): error is WriteError =>
  error instanceof RunLost ||
  error instanceof WriteFailed ||
  error instanceof WriterClosed ||
  error instanceof WriterFull

/** A run that was cancelled may have ended in any way; only that its end could not be written is an error. */
const writeErrorOf = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void, WriteError> => {
  if (Exit.isSuccess(exit)) return Effect.void
  if (Cause.isInterruptedOnly(exit.cause)) return Effect.interrupt
  const error = Chunk.findFirst(Cause.failures(exit.cause), isWriteError)
  return Option.isSome(error) ? Effect.fail(error.value) : Effect.void
}

const brokenStore = (defect: unknown) =>
  new StoreError({
    reason: "failed",
    location: "the run store",
    operation: "signal",
    message: String(defect),
    cause: defect
  })

const closed: SignalState = { closed: true, value: null }

interface Then {
  readonly accepted?: (() => void) | undefined
  readonly settled?: ((result: Exit.Exit<void, WriteError>) => void) | undefined
}
