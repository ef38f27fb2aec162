import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Definition from "../../dag/Definition.js"
import type { ModuleStatus } from "../../model/ModuleStatus.js"
import { ModuleCutOff } from "../../model/ModuleError.js"
import type { Durability } from "../../model/RunPolicy.js"
import * as Telemetry from "../../model/Telemetry.js"
import type { Failure, SkipReason } from "../../model/Transition.js"
import * as ChildModule from "./ChildModule.js"
import * as EffectModule from "./EffectModule.js"
import type { Activity, Completion, DagContext, Execution, Options, RunOptions, StopReason } from "./Execution.js"
import type { Detail } from "./ExecutionState.js"
import * as Failures from "./Failures.js"
import * as Joins from "./Joins.js"
import type { Loop } from "./Loop.js"
import * as MapModule from "./MapModule.js"
import * as Needs from "./Needs.js"
import * as Results from "./Results.js"
import * as RouteModule from "./RouteModule.js"
import { givenNeeds } from "./RunGuard.js"
import * as Values from "./Values.js"
import * as WaitingModule from "./WaitingModule.js"

export const make = (loop: Loop, options: Options): Execution => {
  const { cells, onEnd, path, plan, recalled, state } = options
  const { settings } = loop
  const { guard } = settings
  const size = plan.modules.length
  const states = state.modules(path, plan)
  const { values } = recalled
  const causes = new Map(recalled.causes)
  const active = new Map<number, Activity>()
  const waiting = new Map<number, () => void>()
  let failed = false
  let cancelledAny = false
  let stopping: StopReason | undefined
  let ended = false
  let beginning = false

  const pathOf = (index: number) => path + plan.modules[index]!.name

  const transition = (
    index: number,
    status: ModuleStatus,
    attempt: number,
    detail?: Detail,
    output: string | null = null,
    durability: Durability = "buffered",
    released?: () => void
  ) => loop.emit(states.module(index, status, attempt, detail?.at ?? loop.now(), detail), output, durability, released)

  const durabilityOf = (index: number): Durability => {
    const { definition } = plan.modules[index]!
    return (definition.kind === "input" ? undefined : definition.durability) ?? settings.durability
  }

  // --- how a module ends

  const joins = Joins.make(plan, {
    statusOf: states.statusOf,
    becauseOf: states.becauseOf,
    values,
    isOpen: (index) => states.isOpen(index) && !active.has(index),
    ready: (index) => ready(index),
    unmet: (index, status, because) => {
      if (stopping !== undefined && stopping !== "stopped") cancelModule(index)
      else if (status === "cancelled") cancelModule(index, because)
      else skip(index, because === undefined ? undefined : { because })
    }
  })

  const settled = (index: number) => {
    joins.settled(index)
    checkEnd()
  }

  const checkEnd = () => {
    if (ended || beginning || states.open() > 0 || active.size > 0) return
    ended = true
    onEnd()
  }

  const complete = (
    index: number,
    attempt: number,
    value: unknown,
    { durability, output = null, shared }: Completion = {}
  ) => {
    values[index] = value
    if (guard !== undefined) guard.output(pathOf(index), value)
    Telemetry.modulesFinished.completed.unsafeUpdate(1, [])
    const detail = shared === undefined ? undefined : { shared }
    transition(index, "completed", attempt, detail, output, durability, () => settled(index))
    checkEnd()
  }

  const fail = (
    index: number,
    attempt: number,
    cause: Cause.Cause<unknown> | undefined,
    encoded?: unknown,
    stored?: Failure
  ) => {
    const { definition } = plan.modules[index]!
    const failure = stored ?? Failures.failureOf(cause ?? Cause.empty, encoded)
    if (cause !== undefined) causes.set(index, cause)
    if ("onFailure" in definition && definition.onFailure === "skip") return skip(index, { failure }, attempt)
    failed = true
    Telemetry.modulesFinished.failed.unsafeUpdate(1, [])
    transition(index, "failed", attempt, { failure })
    settled(index)
    if (settings.onFailure === "failFast") stop("failed")
  }

  const skip = (index: number, detail?: Detail, attempt = states.attemptOf(index)) => {
    Telemetry.modulesFinished.skipped.unsafeUpdate(1, [])
    transition(index, "skipped", attempt, detail)
    settled(index)
  }

  const cancelModule = (
    index: number,
    because: SkipReason | undefined = stopping === "failed" ? "failure" : undefined
  ) => {
    cancelledAny = true
    Telemetry.modulesFinished.cancelled.unsafeUpdate(1, [])
    transition(index, "cancelled", states.attemptOf(index), because === undefined ? undefined : { because })
    settled(index)
  }

  const isAlways = (index: number) => {
    const { definition } = plan.modules[index]!
    return definition.kind !== "input" && definition.join === "always"
  }

  const stop = (reason: StopReason) => {
    if (ended || (stopping !== undefined && (stopping !== "stopped" || reason === "stopped"))) return
    if (states.open() === 0) return
    stopping = reason
    // what stays is what runs, and what cleans up after it
    for (let index = 0; index < size; index++) {
      if (!states.isOpen(index)) continue
      if (isAlways(index)) continue
      const activity = active.get(index)
      if (activity !== undefined) activity.stop(reason)
      else if (hadBegun(index)) {
        const { definition } = plan.modules[index]!
        if (definition.kind === "dag" || definition.kind === "map") start(index)
        else if (definition.kind === "effect" && definition.execution === "atMostOnce") {
          if (reason !== "stopped") failCutOff(index)
        } else if (reason !== "stopped") cancelModule(index)
      } else {
        leave(index)
        endStopped(index, reason)
      }
    }
  }

  /** Whoever ends the run has to learn that nobody knows what became of it. */
  const failCutOff = (index: number) => {
    const attempt = states.attemptOf(index)
    fail(index, attempt, Cause.fail(new ModuleCutOff({ module: pathOf(index), attempt })))
  }

  /** Whether it ran when the run was cut off, and runs on now that it is resumed. */
  const hadBegun = (index: number) => {
    const status = states.statusOf(index)
    return status === "running" || (status === "suspended" && plan.modules[index]!.definition.kind === "effect")
  }

  const endStopped = (index: number, reason: StopReason) => {
    if (reason === "stopped") skip(index, { because: "stop" })
    else cancelModule(index)
  }

  // --- what a module needs

  const known: Needs.Known = { path, values, causes, statusOf: states.statusOf, failureOf: states.failureOf }

  const needsOf = (index: number): Definition.ErasedValues => {
    // what was recalled has not completed here
    if (guard !== undefined) {
      for (const { index: need } of plan.modules[index]!.needs) {
        if (states.statusOf(need) === "completed") guard.output(pathOf(need), values[need])
      }
    }
    return Needs.of(plan, index, known)
  }

  const call: DagContext["call"] = (index, f) => {
    const needs = needsOf(index)
    return guard === undefined ? f(needs) : guard.call(pathOf(index), givenNeeds(needs), () => f(needs))
  }

  // --- how a module starts

  const ready = (index: number) => {
    if (!states.isOpen(index)) return
    const { definition } = plan.modules[index]!
    if (definition.kind === "effect") loop.ready(execution, index, definition.priority, definition.limit)
    else if (definition.kind === "route") loop.ready(execution, index, 0, undefined)
    else loop.inline(execution, index)
  }

  const nextAttempt = (index: number) => states.attemptOf(index) + (states.statusOf(index) === "scheduled" ? 0 : 1)

  /** The attempt of what goes on where it was when its run is resumed. */
  const sameAttempt = (index: number) => {
    const status = states.statusOf(index)
    return status === "running" || status === "suspended" ? states.attemptOf(index) : nextAttempt(index)
  }

  const start = (index: number) => {
    const { child, definition } = plan.modules[index]!
    switch (definition.kind) {
      case "input":
        return complete(index, nextAttempt(index), values[index])
      case "pure":
        return startPure(index, definition)
      case "effect":
        return EffectModule.start(context, index, definition)
      case "route":
        return RouteModule.start(context, index, definition)
      case "signal":
        return WaitingModule.startSignal(context, index, definition)
      case "sleep":
        return WaitingModule.startSleep(context, index, definition)
      case "dag":
        return child === undefined ? undefined : ChildModule.start(context, index, definition, child)
      case "map":
        return MapModule.start(context, index, definition, child)
    }
  }

  /** Runs an effect for a module: what it gives goes to `onSuccess`, every other end is the same for all kinds. */
  const run = <A>(
    index: number,
    effect: Effect.Effect<A, unknown, unknown>,
    onSuccess: (value: A) => void,
    options: RunOptions = {}
  ) => {
    const began = loop.now()
    const running = loop.fork(effect, pathOf(index), options, (exit) => {
      const told = stopping !== undefined && stopping !== "stopped" && !isAlways(index)
      active.delete(index)
      if (options.slot !== undefined) Telemetry.moduleDuration.unsafeUpdate(loop.now() - began, [])
      // the effect is what this very call was given
      if (Exit.isSuccess(exit)) onSuccess(exit.value as A)
      else if (told && Cause.isInterruptedOnly(exit.cause)) cancelModule(index)
      else fail(index, states.attemptOf(index), exit.cause, options.encodedError?.())
    })
    if (running === undefined) return
    // it may have been told to stop while it was being started
    begun(index, { stop: (reason) => void (reason === "stopped" || running.interrupt()) }, () => {})
  }

  const begun: DagContext["begun"] = (index, activity, begin) => {
    active.set(index, activity)
    begin()
    if (stopping !== undefined && !isAlways(index) && active.get(index) === activity) activity.stop(stopping)
  }

  const startPure = (index: number, definition: Definition.PureDefinition) => {
    const attempt = nextAttempt(index)
    const { output } = definition
    let settling: Effect.Effect<Values.Settled, Values.Unencodable, unknown>
    try {
      const value = call(index, definition.run)
      if (output === undefined) return complete(index, attempt, value)
      settling = Values.settle(output, value, settings.alwaysDecode)
    } catch (defect) {
      return fail(index, attempt, Cause.die(defect))
    }
    if (!Values.isSettled(settling)) {
      // a schema that is not synchronous needs a fiber
      transition(index, "running", attempt)
      run(index, settling, ({ text, value }) =>
        complete(index, attempt, value, { output: text, durability: durabilityOf(index) })
      )
    } else if (Either.isRight(settling)) {
      const { text, value } = settling.right
      complete(index, attempt, value, { output: text, durability: durabilityOf(index) })
    } else fail(index, attempt, Cause.fail(settling.left))
  }

  /** Applies what the module wants of the shared cells, or fails it. */
  const commit: DagContext["commit"] = (index, current, then) => {
    const committed = current.commit()
    if (Either.isRight(committed)) then(committed.right)
    else fail(index, states.attemptOf(index), committed.left)
  }

  // --- what waits

  const leave = (index: number) => {
    waiting.get(index)?.()
    waiting.delete(index)
  }

  const context: DagContext = {
    state,
    recalled,
    cells,
    loop,
    states,
    pathOf,
    needsOf,
    call,
    nextAttempt,
    sameAttempt,
    durabilityOf,
    transition,
    complete,
    fail,
    endStopped,
    run,
    commit,
    begun,
    ended: (index) => void active.delete(index),
    park: (index, unpark) => void waiting.set(index, unpark),
    leave,
    execute: (options) => make(loop, options)
  }

  const execution: Execution = {
    isOpen: (index) => states.isOpen(index) && !active.has(index) && !waiting.has(index),
    start,
    announce: (index) => {
      const { definition } = plan.modules[index]!
      if (definition.kind !== "effect" || states.statusOf(index) !== "pending") return
      transition(index, "scheduled", nextAttempt(index))
    },
    states,
    causes,
    isEnded: () => ended,
    stop,
    outputs: () => Results.outputsOf(plan, values, states.statusOf),
    ending: () => {
      if (stopping === "cancelled" || stopping === "timedOut") return stopping
      if (failed) return "failed"
      if (cancelledAny) return "cancelled"
      // nothing but a stop leaves outputs out
      return Results.isWhole(plan, states.statusOf) ? "completed" : "stopped"
    },
    begin: () => {
      beginning = true
      // a run that is resumed may have been cut off between an end and what follows from it
      let stopped = false
      let wasCancelled = false
      for (let index = 0; index < size; index++) {
        const status = states.statusOf(index)
        failed ||= status === "failed"
        cancelledAny ||= status === "cancelled"
        stopped ||= states.becauseOf(index) === "stop"
        wasCancelled ||= status === "cancelled" && states.becauseOf(index) === undefined
      }
      joins.begin()
      if (failed && settings.onFailure === "failFast") stop("failed")
      else if (stopped) {
        stop("stopped")
        // of the run as a whole, wherever it was seen
        loop.host.stop()
      }
      if (wasCancelled) loop.cancel()
      beginning = false
      checkEnd()
    }
  }
  return execution
}
