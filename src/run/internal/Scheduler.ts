import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Module from "../../dag/Module.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import type { RunId } from "../../model/RunId.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Failure, ModuleTransition, RunStatus } from "../../model/Transition.js"
import type { Plan } from "../../plan/Plan.js"
import type { WriteError } from "../../state/StateWriter.js"
import * as Attempt from "./Attempt.js"
import type { ExecutionState } from "./ExecutionState.js"
import * as Spans from "./Spans.js"

/** Starts of modules after which the loop hands the thread back to Effect's scheduler. */
const startsBeforeYield = 1024

/**
 * Milliseconds after which timers and signals get their turn: Effect's scheduler goes on in microtasks, and a run of many
 * short modules would hold up the heartbeat that proves it alive.
 */
const millisBeforeTimers = 20

/** Starts of modules between two looks at the clock. */
const startsBeforeClock = 64

/**
 * Hands a transition on. `output` is the JSON text to be stored, null for a value that JSON does not have, undefined
 * when there is nothing to store. `released` is called once, at once or later, when dependants may start on it.
 */
export type Emit = (transition: ModuleTransition, output?: string | null, released?: () => void) => void

export interface Task {
  readonly runId: RunId
  readonly plan: Plan
  readonly state: ExecutionState
  /** By position: the values of inputs, and of completed modules that somebody needs. */
  readonly values: Array<unknown>
  readonly concurrency: number
  readonly onFailure: "failFast" | "continue"
  readonly emit: Emit
}

/** How the modules of a run ended: the run's status, and the causes of those that failed in this process, by position. */
export interface Outcome {
  readonly status: Exclude<RunStatus, "running">
  readonly causes: ReadonlyMap<number, Cause.Cause<unknown>>
}

export interface Scheduler<R> {
  /**
   * Runs every open module of the plan as soon as its needs are done, once. Fails with what `abort` was given.
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
}

export const make = <R>(task: Task): Scheduler<R> => {
  let cancelled = false
  let aborted: WriteError | undefined
  let loop: Loop | undefined
  return {
    run: Effect.withFiberRuntime((fiber, { runtimeFlags }) =>
      Effect.async((resume) => {
        const runtime = Runtime.make({
          context: fiber.currentContext as Context.Context<unknown>,
          fiberRefs: fiber.getFiberRefs(),
          runtimeFlags: RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption)
        })
        loop = makeLoop(task, fiber, runtime, (outcome) => resume(outcome))
        if (aborted === undefined) loop.begin(cancelled)
        else loop.abort(aborted)
        return loop.interrupt
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
    isCutOff: () => aborted !== undefined || (loop?.isCutOff() ?? false)
  }
}

interface Loop {
  readonly begin: (cancelled: boolean) => void
  readonly cancel: () => void
  readonly abort: (error: WriteError) => void
  readonly isCutOff: () => boolean
  readonly interrupt: Effect.Effect<void>
}

/**
 * One callback-driven loop over the plan's arrays. Pure modules run inline. Each Effect module has a fiber of its own,
 * started at once from the run's runtime, so that it keeps the services, FiberRefs, clock and scheduler of the caller,
 * can be interrupted alone, and takes the fibers that it forked with it when it ends.
 */
const makeLoop = (
  { concurrency, emit, onFailure, plan, runId, state, values }: Task,
  parent: Fiber.RuntimeFiber<unknown, unknown>,
  runtime: Runtime.Runtime<unknown>,
  done: (outcome: Exit.Exit<Outcome, WriteError>) => void
): Loop => {
  const size = plan.modules.length
  const clock = Context.get(parent.currentDefaultServices, Clock.Clock)
  const tasks = parent.getFiberRef(FiberRef.currentScheduler)
  const span = Spans.forModules(parent, runId)
  const fork = Runtime.runFork(runtime)

  const missing = Int32Array.from(plan.inDegree)
  // each module enters one of these queues once
  const pures = new Int32Array(size)
  const effects = new Int32Array(size)
  let pureHead = 0
  let pureTail = 0
  let effectHead = 0
  let effectTail = 0
  let announced = 0

  const fibers = new Map<number, Fiber.RuntimeFiber<unknown, unknown>>()
  const causes = new Map<number, Cause.Cause<unknown>>()
  let running = 0
  let failed = false
  let cancelledAny = false
  let stopping: "failed" | "cancelled" | "interrupted" | undefined
  let cancelWanted = false
  let inside = false
  let planned = false
  let resting = false
  let restedAt = clock.unsafeCurrentTimeMillis()
  let starts = 0
  let ended = false
  let onIdle: (() => void) | undefined

  const transition = (
    index: number,
    status: ModuleStatus,
    attempt: number,
    output?: string | null,
    released?: () => void,
    failure?: Failure
  ) => emit(state.module(index, status, attempt, clock.unsafeCurrentTimeMillis(), failure), output, released)

  // --- what a module needs, and who needs it

  const needsOf = (index: number) => {
    const needs: { [key: string]: unknown } = {}
    for (const need of plan.modules[index]!.needs) needs[need.key] = values[need.index]
    return needs
  }

  const ready = (index: number) => {
    if (!state.isOpen(index)) return
    if (plan.modules[index]!.definition.kind === "effect") effects[effectTail++] = index
    else pures[pureTail++] = index
  }

  const release = (index: number) => {
    for (let d = plan.dependantsFrom[index]!; d < plan.dependantsFrom[index + 1]!; d++) {
      const dependant = plan.dependants[d]!
      if (--missing[dependant]! === 0) ready(dependant)
    }
  }

  /** What depends on a module that failed or was skipped can never run: it is settled now, not when it would be ready. */
  const skipDependants = (index: number) => {
    const stack = [index]
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      for (let d = plan.dependantsFrom[top]!; d < plan.dependantsFrom[top + 1]!; d++) {
        const dependant = plan.dependants[d]!
        if (!state.isOpen(dependant)) continue
        transition(dependant, "skipped", state.attemptOf(dependant))
        Telemetry.modulesFinished.skipped.unsafeUpdate(1, [])
        stack.push(dependant)
      }
    }
  }

  // --- how a module ends

  const complete = (index: number, attempt: number, value: unknown, text?: string | null) => {
    values[index] = value
    Telemetry.modulesFinished.completed.unsafeUpdate(1, [])
    transition(index, "completed", attempt, text, () => {
      release(index)
      if (!inside) planPump()
    })
  }

  const fail = (index: number, attempt: number, cause: Cause.Cause<unknown>, encoded?: unknown) => {
    causes.set(index, cause)
    failed = true
    Telemetry.modulesFinished.failed.unsafeUpdate(1, [])
    transition(index, "failed", attempt, undefined, undefined, Attempt.failureOf(cause, encoded))
    skipDependants(index)
    if (onFailure === "failFast") stop("failed")
  }

  const cancelModule = (index: number) => {
    cancelledAny = true
    Telemetry.modulesFinished.cancelled.unsafeUpdate(1, [])
    transition(index, "cancelled", state.attemptOf(index))
  }

  const stop = (reason: "failed" | "cancelled") => {
    if (stopping !== undefined || state.open() === 0) return
    stopping = reason
    for (let i = 0; i < size; i++) if (state.isOpen(i) && !fibers.has(i)) cancelModule(i)
    interruptFibers()
  }

  const interruptFibers = () => {
    for (const fiber of fibers.values()) fiber.unsafeInterruptAsFork(parent.id())
  }

  // --- how a module runs

  const nextAttempt = (index: number) => state.attemptOf(index) + (state.statusOf(index) === "scheduled" ? 0 : 1)

  const runPure = (index: number) => {
    const { definition } = plan.modules[index]!
    const attempt = nextAttempt(index)
    if (definition.kind === "input") return complete(index, attempt, values[index])
    if (definition.kind === "effect") return
    let encoded: ReturnType<typeof Attempt.encode>
    let value: unknown
    try {
      value = definition.run(needsOf(index))
      if (definition.output === undefined) return complete(index, attempt, value)
      encoded = Attempt.encode(definition.output, value)
    } catch (defect) {
      return fail(index, attempt, Cause.die(defect))
    }
    if (!Attempt.isSettled(encoded)) {
      // a schema that is not synchronous needs a fiber
      transition(index, "running", attempt)
      startFiber(
        index,
        Effect.map(encoded, (text): Attempt.Settled => ({ value, text }))
      )
    } else if (Either.isRight(encoded)) complete(index, attempt, value, encoded.right)
    else fail(index, attempt, Cause.fail(encoded.left))
  }

  const runEffect = (index: number, definition: Module.EffectDefinition) => {
    const { name } = plan.modules[index]!
    const attempt = nextAttempt(index)
    transition(index, "running", attempt)
    let encoded: unknown
    const effect = Attempt.make({
      module: name,
      definition,
      needs: needsOf(index),
      first: attempt,
      onAttempt: (further) => {
        encoded = undefined
        if (stopping === undefined) transition(index, "running", further)
      },
      onError: (error) => {
        encoded = error
      }
    })
    startFiber(index, span === undefined ? effect : span(effect, name), () => encoded)
  }

  const startFiber = (
    index: number,
    effect: Effect.Effect<Attempt.Settled, unknown, unknown>,
    encodedError?: () => unknown
  ) => {
    running++
    const began = clock.unsafeCurrentTimeMillis()
    const onExit = (exit: Exit.Exit<Attempt.Settled, unknown>) => {
      running--
      if (stopping === "interrupted") return
      Telemetry.moduleDuration.unsafeUpdate(clock.unsafeCurrentTimeMillis() - began, [])
      const attempt = state.attemptOf(index)
      if (Exit.isSuccess(exit)) complete(index, attempt, exit.value.value, exit.value.text)
      else if (stopping !== undefined && Cause.isInterruptedOnly(exit.cause)) cancelModule(index)
      else fail(index, attempt, exit.cause, encodedError?.())
    }
    const fiber = fork(effect)
    const exit = fiber.unsafePoll()
    if (exit !== null) return onExit(exit)
    fibers.set(index, fiber)
    // a writer that is closed refuses at once: the run may have been cut off while this module was being started
    if (stopping !== undefined) fiber.unsafeInterruptAsFork(parent.id())
    fiber.addObserver((exit) =>
      enter(() => {
        fibers.delete(index)
        onExit(exit)
      })
    )
  }

  /** Interrupts what runs; `then` is called when all of it has ended. */
  const cutOff = (then: () => void) => {
    stopping = "interrupted"
    if (running === 0 && !inside) return then()
    onIdle = then
    interruptFibers()
  }

  // --- the loop

  const pump = () => {
    for (let started = 0; stopping === undefined; started++) {
      if (cancelWanted) return stop("cancelled")
      if (++starts % startsBeforeClock === 0) rest()
      if (resting) return
      if (started === startsBeforeYield) return planPump()
      if (pureHead < pureTail) {
        const index = pures[pureHead++]!
        if (state.isOpen(index)) runPure(index)
      } else if (effectHead < effectTail && running < concurrency) {
        const index = effects[effectHead++]!
        const { definition } = plan.modules[index]!
        if (definition.kind === "effect" && state.isOpen(index)) runEffect(index, definition)
      } else break
    }
    if (stopping !== undefined) return
    for (announced = Math.max(announced, effectHead); announced < effectTail; announced++) {
      const index = effects[announced]!
      if (state.isOpen(index) && state.statusOf(index) !== "scheduled")
        transition(index, "scheduled", nextAttempt(index))
    }
  }

  /** Acknowledgements come in batches, from inside the writer's fiber: the loop goes on once, in a task of its own. */
  const planPump = () => {
    if (planned) return
    planned = true
    tasks.scheduleTask(() => {
      planned = false
      enter(() => {})
    }, 0)
  }

  const rest = () => {
    if (resting || clock.unsafeCurrentTimeMillis() - restedAt < millisBeforeTimers) return
    resting = true
    fork(clock.sleep(Duration.zero)).addObserver(() => {
      resting = false
      restedAt = clock.unsafeCurrentTimeMillis()
      enter(() => {})
    })
  }

  /** Every way into the loop; what happens while it runs is seen by the loop itself. */
  const enter = (event: () => void) => {
    if (inside) return event()
    inside = true
    try {
      event()
      pump()
    } catch (defect) {
      // not a module's doing, whose defects are its failures: a fault of the scheduler must not hang the run
      stopping = "interrupted"
      onIdle = () => {
        ended = true
        done(Exit.die(defect))
      }
      interruptFibers()
    } finally {
      inside = false
    }
    if (running > 0) return
    if (stopping === "interrupted") {
      const then = onIdle
      onIdle = undefined
      return then?.()
    }
    if (ended || state.open() > 0) return
    ended = true
    done(Exit.succeed({ status: outcome(), causes }))
  }

  /** From the modules themselves: a run whose last transitions were lost may be resumed with nothing left to do. */
  const outcome = () => {
    if (stopping === "cancelled" || (cancelledAny && !(failed && onFailure === "failFast"))) return "cancelled"
    return failed ? "failed" : "completed"
  }

  return {
    begin: (cancelled) =>
      enter(() => {
        // a run that is resumed may have been cut off between a failure or a cancellation and what follows from it
        cancelWanted = cancelled
        for (let i = 0; i < size; i++) {
          const status = state.statusOf(i)
          if (status === "completed") release(i)
          else if (status === "failed" || status === "skipped") skipDependants(i)
          failed ||= status === "failed"
          cancelledAny ||= status === "cancelled"
        }
        for (let i = 0; i < size; i++) if (plan.inDegree[i] === 0) ready(i)
        if (failed && onFailure === "failFast") stop("failed")
        else cancelWanted ||= cancelledAny
      }),
    cancel: () => {
      // a module may ask for it while it is being started: the loop sees it before the next one
      cancelWanted = true
      if (!inside) enter(() => {})
    },
    abort: (error) => {
      if (ended || stopping === "interrupted") return
      cutOff(() => {
        ended = true
        done(Exit.fail(error))
      })
    },
    isCutOff: () => stopping === "interrupted",
    // an interruption is answered always, also of a run that has just ended or is being aborted
    interrupt: Effect.async((resume) => cutOff(() => resume(Effect.void)))
  }
}
