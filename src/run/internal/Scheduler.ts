import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { Plan } from "../../plan/Plan.js"
import type { WriteError } from "../../state/StateWriter.js"
import * as DagExecution from "./DagExecution.js"
import type { Ending } from "./Execution.js"
import type { ExecutionState } from "./ExecutionState.js"
import * as Loop from "./Loop.js"
import type { Recalled } from "./Recall.js"
import type { SharedCells } from "./SharedCells.js"

export interface Task {
  readonly settings: Loop.Settings
  readonly plan: Plan
  readonly state: ExecutionState
  readonly recalled: Recalled
  readonly cells: SharedCells
}

/** How the modules of a run ended, or until when all that is left of them waits. */
export type Outcome =
  | {
      readonly status: Ending
      readonly causes: ReadonlyMap<number, Cause.Cause<unknown>>
      readonly outputs: () => { readonly [key: string]: unknown }
    }
  | { readonly status: "suspended"; readonly until: number | undefined }

export interface Scheduler<R> {
  /**
   * Runs every open module of the plan as soon as its join rule allows it, once. Fails with what `abort` was given.
   *
   * **Interruption**: running modules are interrupted and their finalizers awaited. Nothing is marked as ended: the run
   * is cut off and can be resumed.
   */
  readonly run: Effect.Effect<Outcome, WriteError, R>
  /** Ends the run as cancelled, unless all its modules have ended. */
  readonly cancel: () => void
  /** Cuts the run off, as an interruption does. */
  readonly abort: (error: WriteError) => void
  /** Whether the run is being cut off, and will end neither way. */
  readonly isCutOff: () => boolean
  /** Tells the run of a signal; harmless when it has it already. */
  readonly deliver: (path: string, signal: Loop.SignalState) => void
  /** There may be something to do again: the consumer who was behind has caught up. */
  readonly poke: () => void
}

export const make = <R>({ cells, plan, recalled, settings, state }: Task): Scheduler<R> => {
  let cancelled = false
  let aborted: WriteError | undefined
  let loop: Loop.Loop | undefined
  return {
    run: Effect.withFiberRuntime((fiber, { runtimeFlags }) =>
      Effect.async((resume) => {
        const refs = fiber.getFiberRefs()
        const runtime = Runtime.make({
          // erasure: what the modules require is among what the run was given
          context: fiber.currentContext as Context.Context<unknown>,
          fiberRefs: settings.guard === undefined ? refs : settings.guard.mark(refs, fiber.id()),
          runtimeFlags: RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption)
        })
        const made = (loop = Loop.make(settings, fiber, runtime, {
          onStop: (reason) => execution.stop(reason),
          isDone: () => execution.isEnded(),
          done: () =>
            resume(
              Exit.succeed({
                status: execution.ending(),
                causes: execution.causes,
                outputs: execution.outputs
              })
            ),
          suspended: (until) => resume(Exit.succeed({ status: "suspended", until })),
          died: (cause) => resume(Exit.failCause(cause)),
          aborted: (error) => resume(Exit.fail(error))
        }))
        const execution = DagExecution.make(made, { plan, state, path: "", recalled, cells, onEnd: () => {} })
        if (aborted === undefined) made.begin(execution.begin, cancelled)
        else made.abort(aborted)
        return Effect.async<void>((done) => made.interrupt(() => done(Effect.void)))
      })
    ),
    cancel: () => {
      cancelled = true
      loop?.cancel()
    },
    abort: (error) => {
      aborted ??= error
      loop?.abort(error)
    },
    isCutOff: () => aborted !== undefined || (loop?.isCutOff() ?? false),
    deliver: (path, signal) => {
      if (loop === undefined) {
        if (!settings.signals.has(path)) settings.signals.set(path, signal)
      } else loop.deliver(path, signal)
    },
    poke: () => loop?.poke()
  }
}
