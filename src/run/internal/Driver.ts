import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { RunLost, WriteFailed, WriterClosed } from "../../model/RunError.js"
import type { RunPolicy } from "../../model/RunPolicy.js"
import type { RunSnapshot } from "../../model/RunSnapshot.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Transition } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import type { StateWriter, WriteError } from "../../state/StateWriter.js"
import type { Claim } from "../../state/Update.js"
import type { Handle } from "../Handle.js"
import * as ChangeFeed from "./ChangeFeed.js"
import * as ExecutionState from "./ExecutionState.js"
import * as Results from "./Results.js"
import * as Scheduler from "./Scheduler.js"
import * as Spans from "./Spans.js"

/** A handle with its types erased: what the registry of live runs keeps. */
export type ErasedHandle = Handle<unknown, unknown>

export interface Drive {
  readonly plan: Plan
  /** The state from which the run goes on. */
  readonly snapshot: RunSnapshot
  /** By position: what is known before anything runs. */
  readonly values: Array<unknown>
  /** The causes of modules that had failed before, by position. */
  readonly causes: Results.Causes
  readonly policy: RunPolicy
  /** The right to write; undefined when nothing is stored. */
  readonly claim: Claim | undefined
  readonly writer: typeof StateWriter.Service
  readonly scope: Scope.Scope
  /** After the last write, before anyone learns of the end. */
  readonly onEnd: Effect.Effect<void>
}

export interface Driven {
  readonly handle: ErasedHandle
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Another driver has the run. */
  readonly lost: () => void
  readonly isCutOff: () => boolean
}

/** Forks the fiber that drives a run from its present state to its end. */
export const start = (drive: Drive): Effect.Effect<Driven, never, unknown> =>
  Effect.gen(function* () {
    const { claim, plan, policy, values, writer } = drive
    const { epoch, runId } = drive.snapshot
    const clock = yield* Effect.clock
    const state = ExecutionState.make(plan, drive.snapshot)
    const feed = ChangeFeed.make(state.current, drive.snapshot.seq)
    const done = yield* Deferred.make<unknown, unknown>()

    const write = (transition: Transition, output: string | null | undefined, durable: boolean, then: Then) => {
      if (claim === undefined) {
        feed.publish(transition)
        return (then.accepted?.(), then.settled?.(Exit.void))
      }
      writer.unsafeUpdate(
        { claim, transition, output: output ?? null, durable },
        {
          ...(then.accepted === undefined ? undefined : { accepted: then.accepted }),
          settled: (result) => {
            if (Exit.isSuccess(result)) feed.publish(transition)
            else Exit.mapError(result, scheduler.abort)
            then.settled?.(result)
          }
        }
      )
    }

    const emit: Scheduler.Emit =
      policy.durability === "committed"
        ? (transition, output, released) =>
            output === undefined
              ? write(transition, output, false, { accepted: released })
              : write(transition, output, true, { settled: (result) => void (Exit.isSuccess(result) && released?.()) })
        : (transition, output, released) => write(transition, output, false, { accepted: released })

    const scheduler: Scheduler.Scheduler<unknown> = Scheduler.make({
      runId,
      plan,
      state,
      values,
      concurrency: policy.concurrency === "unbounded" ? Infinity : policy.concurrency,
      onFailure: policy.onFailure,
      emit
    })

    const body = Effect.gen(function* () {
      write(state.run("running", epoch, clock.unsafeCurrentTimeMillis()), undefined, false, {})
      const { causes, status } = yield* scheduler.run
      const end = state.run(status, epoch, clock.unsafeCurrentTimeMillis())
      yield* Effect.async<void, WriteError>((resume) =>
        write(end, undefined, true, { settled: (result) => resume(result) })
      )
      Telemetry.runsFinished[status].unsafeUpdate(1, [])
      return yield* status === "completed"
        ? Results.outputs(plan, values)
        : Results.ended(plan, state.current(), new Map([...drive.causes, ...causes]))
    }).pipe(
      Spans.forRun(runId, plan.dag),
      Effect.interruptible,
      Effect.ensuring(Effect.ensuring(drive.onEnd, Effect.sync(feed.end))),
      Effect.exit,
      Effect.flatMap((exit) => Deferred.done(done, exit)),
      Effect.uninterruptible
    )

    Telemetry.runsStarted.unsafeUpdate(1, [])
    const fiber = yield* Effect.forkIn(body, drive.scope)
    return {
      fiber,
      isCutOff: scheduler.isCutOff,
      lost: () => scheduler.abort(new RunLost({ runId, epoch })),
      handle: {
        id: runId,
        await: Deferred.await(done),
        snapshot: state.snapshot,
        changes: feed.changes,
        cancel: Effect.zipRight(
          Effect.sync(scheduler.cancel),
          Effect.catchAll(Effect.asVoid(Deferred.await(done)), (error) =>
            isWriteError(error) ? Effect.fail(error) : Effect.void
          )
        )
      }
    }
    // a fiber forked in an interruptible region can be interrupted before its first step, and would never end the run
  }).pipe(Effect.uninterruptible)

const isWriteError = (error: unknown): error is WriteError =>
  error instanceof RunLost || error instanceof WriteFailed || error instanceof WriterClosed

/** As for `StateWriter.Listener`. */
interface Then {
  readonly accepted?: (() => void) | undefined
  readonly settled?: ((result: Exit.Exit<void, WriteError>) => void) | undefined
}
