import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Supervisor from "effect/Supervisor"
import { PCGRandom } from "effect/Utils"

/**
 * After so many tasks in a row the timers and sockets of the process get their turn, so that a program which turns in
 * circles can be given up on. Before that nothing from outside of the program takes part in the order of its steps.
 */
const tasksBeforeTimers = 10_000

/** The tasks of one fiber, or one that is of no fiber, first come first served. */
interface Lane {
  readonly fiber: object | undefined
  readonly tasks: Array<Scheduler.Task>
}

/**
 * Operations that carry a result to where it is used, and do nothing themselves. A fiber is not preempted before them: it
 * could be interrupted between an operation and the arrival of its result, and then the `Semaphore` of Effect 3 has
 * counted a permit that nobody will release. `TestClock.sleep` takes such a permit each time.
 */
const carriers: ReadonlySet<string> = new Set([
  "Success",
  "Failure",
  "OnSuccess",
  "OnFailure",
  "OnSuccessAndFailure",
  "Left",
  "Right",
  "Some",
  "None"
])

/** Sees which operation is next, which a scheduler is not told. */
class Operations extends Supervisor.AbstractSupervisor<void> {
  readonly value = Effect.void
  private fiber: object | undefined
  private next = ""

  override onEffect<A, E>(fiber: Fiber.RuntimeFiber<A, E>, effect: Effect.Effect<unknown, unknown, unknown>) {
    this.fiber = fiber
    // what Effect's run loop itself looks at, of which its types say nothing
    this.next = (effect as unknown as { readonly _op: string })._op
  }

  /** Whether the next operation of the fiber is known to be one. */
  isCarrier(fiber: object) {
    return this.fiber === fiber && carriers.has(this.next)
  }
}

export interface Interleaving {
  readonly scheduler: Scheduler.Scheduler
  readonly supervisor: Supervisor.Supervisor<void>
}

export const make = (seed: number, preempt: number): Interleaving => {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed is a whole number, not ${seed}`)
  if (!(preempt >= 0 && preempt <= 1)) throw new RangeError(`a probability is between 0 and 1, not ${preempt}`)
  const random = new PCGRandom(seed)
  const timers = Scheduler.timer(0)
  const operations = new Operations()
  /** Fibers that were preempted and have not gone on. */
  const preempted = new WeakSet<object>()
  /** Those with tasks, in no order. */
  const ready: Array<Lane> = []
  const lanes = new Map<object, Lane>()
  let running = false
  let tasksInARow = 0

  const next = (): Scheduler.Task => {
    const index = ready.length === 1 ? 0 : random.integer(ready.length)
    const { fiber, tasks } = ready[index]!
    const task = tasks.shift()!
    if (tasks.length === 0) {
      if (fiber !== undefined) lanes.delete(fiber)
      const last = ready.pop()!
      if (index < ready.length) ready[index] = last
    }
    return task
  }

  const step = () => {
    const task = next()
    try {
      task()
    } finally {
      if (ready.length > 0) goOn()
      else {
        running = false
        tasksInARow = 0
      }
    }
  }

  /** One task at a time: promises that are settled by now have their turn between any two. */
  const goOn = () => {
    if (++tasksInARow % tasksBeforeTimers === 0) timers.scheduleTask(step, 0)
    else void Promise.resolve().then(step)
  }

  return {
    supervisor: operations,
    scheduler: {
      shouldYield: (fiber) => {
        // a fiber that goes on is asked again for the end of its rest, and then for the operation that it rested before
        const count = fiber.currentOpCount
        if (count <= 2 && preempted.has(fiber)) {
          if (count === 2) preempted.delete(fiber)
          return false
        }
        const goesOn = operations.isCarrier(fiber) || random.number() >= preempt
        if (goesOn && Scheduler.defaultShouldYield(fiber) === false) return false
        preempted.add(fiber)
        // A number is set as a priority around the yield, in some ten further operations: each of them may be preempted
        // in its turn, and above a probability of 0.08 no fiber ever comes to its own. What is undefined yields bare.
        return undefined as unknown as number
      },

      // Why lanes keep to Effect's semantics. What a fiber has to do is in its inbox, in order; its own task only says
      // "drain the inbox", and does nothing when that is empty. So it may come at any time and more than once (a fiber
      // that yields in the course of `start` is not marked as running, and is scheduled again by who tells it something),
      // though never inside of another task: here each returns before the next begins. The other tasks that come with a
      // fiber have an order: `forEach` starts a fiber before it interrupts it, and a latch that a fiber opens, and closes
      // after a yield, wakes who waited before that. Effect's own scheduler orders the tasks of one fiber and no others,
      // and so do lanes. Priorities, which it follows within a fiber, are left out: they would change the order of none of
      // these. A task without a fiber (of STM, a mailbox, the loop of a run) looks at what there is to do when it runs.
      scheduleTask: (task, _priority, fiber) => {
        const lane = fiber && lanes.get(fiber)
        if (lane !== undefined) lane.tasks.push(task)
        else {
          const opened: Lane = { fiber, tasks: [task] }
          ready.push(opened)
          if (fiber !== undefined) lanes.set(fiber, opened)
        }
        if (running) return
        running = true
        goOn()
      }
    }
  }
}
