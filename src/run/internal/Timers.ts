import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as FiberId from "effect/FiberId"

/** Milliseconds: a timer of JavaScript that is to take longer than 24.8 days fires at once, or never. */
export const longestSleep = 24 * 60 * 60 * 1000

export interface Timer {
  readonly cancel: () => void
}

/** The times that a run waits for, with one fiber that sleeps until the first of them. */
export interface Timers {
  readonly at: (time: number, fire: () => void) => Timer
  /** Fires what is due, and tells whether anything was. */
  readonly fire: () => boolean
  /** The first time, in milliseconds since the epoch; Infinity when there is none. */
  readonly next: () => number
  readonly stop: () => void
}

/** `due` is called when there may be something to fire. */
export const make = (
  clock: Clock.Clock,
  fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<unknown, unknown>,
  owner: FiberId.FiberId,
  due: () => void
): Timers => {
  const timers = new Set<{ readonly at: number; readonly fire: () => void }>()
  /** No timer is earlier: what was cancelled may have been. */
  let first = Infinity
  let armed: { readonly at: number; readonly fiber: Fiber.RuntimeFiber<unknown, unknown> } | undefined

  const now = () => clock.unsafeCurrentTimeMillis()

  const look = () => {
    first = Infinity
    for (const timer of timers) if (timer.at < first) first = timer.at
    return first
  }

  const disarm = () => {
    const fiber = armed?.fiber
    armed = undefined
    fiber?.unsafeInterruptAsFork(owner)
  }

  const arm = () => {
    if (armed !== undefined && armed.at <= first) return
    disarm()
    if (first === Infinity) return
    const fiber = fork(clock.sleep(Duration.millis(Math.min(longestSleep, Math.max(0, Math.ceil(first - now()))))))
    const mine = { at: first, fiber }
    armed = mine
    fiber.addObserver((exit) => {
      if (armed !== mine) return
      armed = undefined
      if (!Exit.isSuccess(exit)) return
      due()
      // a long sleep is made in parts
      arm()
    })
  }

  return {
    next: look,
    at: (time, fire) => {
      const timer = { at: time, fire }
      timers.add(timer)
      first = Math.min(first, time)
      arm()
      return { cancel: () => void timers.delete(timer) }
    },
    fire: () => {
      const time = now()
      if (first > time) return false
      let fired = false
      for (const timer of timers) {
        if (timer.at > time) continue
        timers.delete(timer)
        timer.fire()
        fired = true
      }
      look()
      arm()
      return fired
    },
    stop: () => {
      timers.clear()
      first = Infinity
      disarm()
    }
  }
}
