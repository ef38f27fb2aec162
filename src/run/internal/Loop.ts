import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Runtime from "effect/Runtime"
import { CurrentModule } from "../../dag/CurrentModule.js"
import type { RunId } from "../../model/RunId.js"
import type { Durability } from "../../model/RunPolicy.js"
import type { Transition } from "../../model/Transition.js"
import type { WriteError } from "../../state/StateWriter.js"
import type { CurrentAttempt, Host } from "./CurrentAttempt.js"
import type { Limits } from "./Limits.js"
import type { RunGuard } from "./RunGuard.js"
import * as ReadyQueue from "./ReadyQueue.js"
import * as Spans from "./Spans.js"
import * as Timers from "./Timers.js"

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
 * Hands a transition on. `output` is the JSON text to be stored, null when there is none. `released` is called once, at
 * once or later, when what follows may start on it, as `durability` says. It is never called when it could not be written.
 */
export type Emit = (
  transition: Transition,
  output: string | null,
  durability: Durability,
  released?: () => void
) => void

/** What there is of a signal: its value as JSON text, or that its time ran out. */
export interface SignalState {
  readonly closed: boolean
  readonly value: string | null
}

/** What all Dags of one run have in common. */
export interface Settings {
  readonly runId: RunId
  readonly concurrency: number
  readonly onFailure: "failFast" | "continue"
  readonly durability: Durability
  readonly alwaysDecode: boolean
  readonly maxItems: number
  /** Milliseconds since the epoch. */
  readonly deadline: number | undefined
  /** Whether a run that only waits may be put aside; otherwise it waits where it is. */
  readonly canSuspend: boolean
  readonly limits: Limits
  readonly emit: Emit
  readonly host: Pick<Host, "hasRoom" | "say" | "share">
  /** Closes a signal whose time ran out, unless it was delivered before: gives what it is then. */
  readonly closeSignal: (path: string) => Effect.Effect<SignalState, WriteError>
  /** The signals that are there already, by path. */
  readonly signals: Map<string, SignalState>
  /** Whether the consumer who started the run is behind: nothing new starts until there is room. */
  readonly isBehind: () => boolean
  /** Undefined when the debug guard is off. */
  readonly guard: RunGuard | undefined
}

/** Who owns what is ready: a Dag its modules, a map its items. */
export interface Owner {
  readonly isOpen: (index: number) => boolean
  readonly start: (index: number) => void
  readonly announce: (index: number) => void
}

interface Work {
  /** Its place among all that became ready. */
  readonly order: number
  readonly owner: Owner
  readonly index: number
  readonly priority: number
  readonly limit: string | undefined
}

/** An effect that runs. */
export interface Running {
  readonly interrupt: () => void
}

export interface ForkOptions {
  /** The attempt that the effect begins with; the one that is there when the effect has ended, ends. */
  readonly slot?: { readonly current: CurrentAttempt } | undefined
  readonly limit?: string | undefined
}

/**
 * One callback-driven loop for a run: it starts what is ready, in fibers of their own for effects and inline for the
 * rest, and knows when nothing is left or when all that is left waits. Each fiber is started at once from the run's
 * runtime, so that it keeps the services, FiberRefs, clock and scheduler of the caller, can be interrupted alone, and
 * takes the fibers that it forked with it when it ends.
 */
export interface Loop {
  readonly settings: Settings
  readonly host: Host
  readonly now: () => number
  readonly emit: Emit
  /** Something that is done inline is ready. */
  readonly inline: (owner: Owner, index: number) => void
  /** Something that takes a place among those that run is ready. */
  readonly ready: (owner: Owner, index: number, priority: number, limit: string | undefined) => void
  /** Runs an effect of the module with this path; `onExit` is called inside the loop, perhaps before this returns: then there is nothing to interrupt. */
  readonly fork: (
    effect: Effect.Effect<unknown, unknown, unknown>,
    module: string,
    options: ForkOptions,
    onExit: (exit: Exit.Exit<unknown, unknown>) => void
  ) => Running | undefined
  readonly at: Timers.Timers["at"]
  /** Something waits for a signal or a time, until the returned function is called. */
  readonly waits: (path: string, delivered?: (signal: SignalState) => void) => () => void
  readonly deliver: (path: string, signal: SignalState) => void
  readonly begin: (begin: () => void, cancelled: boolean) => void
  readonly cancel: () => void
  readonly abort: (error: WriteError) => void
  readonly isCutOff: () => boolean
  readonly poke: () => void
  readonly interrupt: (then: () => void) => void
}

/** What the loop tells whoever runs it. */
export interface Events {
  readonly onStop: (reason: "cancelled" | "stopped" | "timedOut") => void
  /** Whether all is done; asked when nothing runs. */
  readonly isDone: () => boolean
  readonly done: () => void
  readonly suspended: (until: number | undefined) => void
  readonly died: (cause: Cause.Cause<never>) => void
  readonly aborted: (error: WriteError) => void
}

export const make = (
  settings: Settings,
  parent: Fiber.RuntimeFiber<unknown, unknown>,
  runtime: Runtime.Runtime<unknown>,
  events: Events
): Loop => {
  const { concurrency, limits, runId } = settings
  const clock = Context.get(parent.currentDefaultServices, Clock.Clock)
  const tasks = parent.getFiberRef(FiberRef.currentScheduler)
  const span = Spans.forModules(parent, runId)
  const forkPlain = Runtime.runFork(runtime)

  /** What is ready to be done inline; the two go together. */
  const inline: Array<number> = []
  const inlineOwners: Array<Owner> = []
  let inlineHead = 0
  const effects = ReadyQueue.make<Work>()
  /** They became ready since what waits was announced last. */
  const unannounced: Array<Work> = []
  /** They hold a permit of their limit. */
  const granted: Array<Work> = []
  /** They wait for a permit. */
  const blocked = new Set<Work>()
  let order = 0
  let unreleased = 0
  let running = 0

  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  const waiting = new Map<string, ((signal: SignalState) => void) | undefined>()
  const timers = Timers.make(clock, forkPlain, parent.id(), () => enter(() => void timers.fire()))

  let interrupted = false
  let ended = false
  let ending = false
  let cancelWanted = false
  let stopWanted = false
  let inside = false
  let planned = false
  let resting = false
  let restedAt = clock.unsafeCurrentTimeMillis()
  let starts = 0
  let onIdle: (() => void) | undefined

  const now = () => clock.unsafeCurrentTimeMillis()

  // --- what runs

  const interruptFibers = () => {
    for (const fiber of fibers) fiber.unsafeInterruptAsFork(parent.id())
  }

  const fork: Loop["fork"] = (effect, module, { limit, slot }, onExit) => {
    running++
    const leave = () => {
      running--
      slot?.current.end()
      if (limit !== undefined) limits.release(limit)
    }
    // what is acknowledged after the run was cut off begins nothing any more
    if (interrupted) return void leave()
    const traced = span === undefined ? effect : span(effect, module)
    const fiber =
      slot === undefined
        ? forkPlain(traced)
        : Runtime.runFork(
            Runtime.make({
              context: Context.add(runtime.context, CurrentModule, slot.current),
              fiberRefs: runtime.fiberRefs,
              runtimeFlags: runtime.runtimeFlags
            })
          )(traced)
    const exit = fiber.unsafePoll()
    if (exit !== null) {
      leave()
      if (!interrupted) onExit(exit)
      return undefined
    }
    fibers.add(fiber)
    // a writer that is closed refuses at once: the run may have been cut off while this was being started
    if (interrupted) fiber.unsafeInterruptAsFork(parent.id())
    fiber.addObserver((exit) =>
      enter(() => {
        fibers.delete(fiber)
        leave()
        if (!interrupted) onExit(exit)
      })
    )
    return { interrupt: () => fiber.unsafeInterruptAsFork(parent.id()) }
  }

  // --- the loop

  const startNext = (): boolean => {
    if (inlineHead < inline.length) {
      const owner = inlineOwners[inlineHead]!
      const index = inline[inlineHead++]!
      if (inlineHead === inline.length) {
        inline.length = 0
        inlineOwners.length = 0
        inlineHead = 0
      }
      if (owner.isOpen(index)) owner.start(index)
      return true
    }
    if (running >= concurrency) return false
    const permitted = granted.shift()
    const work = permitted ?? effects.take()
    if (work === undefined) return false
    const { index, limit, owner, priority } = work
    if (!owner.isOpen(index)) {
      if (permitted !== undefined && limit !== undefined) limits.release(limit)
    } else if (limit === undefined || permitted !== undefined) owner.start(index)
    else {
      blocked.add(work)
      limits.take(limit, settings, priority, () => {
        blocked.delete(work)
        if (ended || interrupted) return limits.release(limit)
        granted.push(work)
        if (!inside) planPump()
      })
      if (blocked.has(work)) owner.announce(index)
    }
    return true
  }

  /** What cleans up waits for no consumer. */
  const stop = (reason: "cancelled" | "timedOut" | "stopped") => {
    ending ||= reason !== "stopped"
    events.onStop(reason)
  }

  const pump = () => {
    for (let started = 0; !interrupted; started++) {
      if (cancelWanted) {
        cancelWanted = false
        stop("cancelled")
      }
      if (stopWanted) {
        stopWanted = false
        stop("stopped")
      }
      if (++starts % startsBeforeClock === 0) rest()
      if (resting) return
      if (!ending && settings.isBehind()) break
      if (started === startsBeforeYield) return planPump()
      if (!startNext() && !timers.fire()) break
    }
    if (interrupted) return
    // a permit is not held by what has no place to run
    while (granted.length > 0) {
      const work = granted.pop()!
      effects.putBack(work, work.priority, ({ order }) => work.order < order)
      limits.release(work.limit!)
    }
    // those that run by now are not open
    for (const { index, owner } of unannounced) if (owner.isOpen(index)) owner.announce(index)
    unannounced.length = 0
  }

  /** Acknowledgements come in batches, from inside the writer's fiber: the loop goes on once, in a task of its own. */
  const planPump = () => {
    if (planned || ended) return
    planned = true
    tasks.scheduleTask(() => {
      planned = false
      enter(() => {})
    }, 0)
  }

  const rest = () => {
    if (resting || now() - restedAt < millisBeforeTimers) return
    resting = true
    forkPlain(clock.sleep(Duration.zero)).addObserver(() => {
      resting = false
      restedAt = now()
      enter(() => {})
    })
  }

  /** What was settled meanwhile waits no more, and gives its permit back when it comes. */
  const hasBlocked = () => {
    for (const { index, owner } of blocked) {
      if (owner.isOpen(index)) return true
    }
    return false
  }

  const isIdle = () =>
    unreleased === 0 &&
    !hasBlocked() &&
    !planned &&
    !resting &&
    granted.length === 0 &&
    inlineHead === inline.length &&
    effects.isEmpty()

  const finish = (report: () => void) => {
    ended = true
    timers.stop()
    limits.withdraw(settings)
    for (const { limit } of granted) if (limit !== undefined) limits.release(limit)
    granted.length = 0
    report()
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
      die(Cause.die(defect))
    } finally {
      inside = false
    }
    if (running > 0 || ended) return
    if (interrupted) {
      const then = onIdle
      onIdle = undefined
      return then?.()
    }
    if (events.isDone()) return finish(events.done)
    if (!isIdle()) return
    if (waiting.size === 0) {
      die(Cause.die(new Error("the scheduler has nothing to do and is not done: please report this")))
      return enter(() => {})
    }
    if (settings.canSuspend) {
      const until = timers.next()
      finish(() => events.suspended(until === Infinity ? undefined : until))
    }
  }

  const die = (cause: Cause.Cause<never>) => {
    interrupted = true
    timers.stop()
    onIdle = () => finish(() => events.died(cause))
    interruptFibers()
  }

  /** Interrupts what runs; `then` is called when all of it has ended. */
  const cutOff = (then: () => void) => {
    interrupted = true
    timers.stop()
    if (running === 0 && !inside) return then()
    onIdle = then
    interruptFibers()
  }

  const emit: Emit = (transition, output, durability, released) => {
    if (released === undefined) return settings.emit(transition, output, durability)
    unreleased++
    settings.emit(transition, output, durability, () => {
      unreleased--
      released()
      if (!inside) planPump()
    })
  }

  return {
    settings,
    host: {
      runId,
      guard: settings.guard,
      ...settings.host,
      stop: () => {
        // seen before anything else starts: the module that asks for it may itself be just being started
        stopWanted = true
        if (!inside) enter(() => {})
      },
      isCutOff: () => interrupted
    },
    now,
    emit,
    inline: (owner, index) => {
      inline.push(index)
      inlineOwners.push(owner)
    },
    ready: (owner, index, priority, limit) => {
      const work: Work = { order: order++, owner, index, priority, limit }
      effects.offer(work, priority)
      unannounced.push(work)
    },
    fork,
    at: timers.at,
    waits: (path, delivered) => {
      waiting.set(path, delivered)
      return () => void waiting.delete(path)
    },
    deliver: (path, signal) => {
      if (ended || interrupted || settings.signals.has(path)) return
      settings.signals.set(path, signal)
      const waiter = waiting.get(path)
      if (waiter !== undefined) enter(() => waiter(signal))
    },
    begin: (begin, cancelled) =>
      enter(() => {
        cancelWanted = cancelled
        begin()
        const { deadline } = settings
        if (deadline === undefined || ended) return
        if (deadline > now()) timers.at(deadline, () => stop("timedOut"))
        else stop("timedOut")
      }),
    cancel: () => {
      cancelWanted = true
      if (!inside && !ended) enter(() => {})
    },
    abort: (error) => {
      if (ended || interrupted) return
      cutOff(() => finish(() => events.aborted(error)))
    },
    isCutOff: () => interrupted,
    poke: () => {
      if (!ended) enter(() => {})
    },
    interrupt: (then) =>
      cutOff(() => {
        if (!ended) finish(() => {})
        then()
      })
  }
}
