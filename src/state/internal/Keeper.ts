import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { RunStore } from "../../store/RunStore.js"
import type { RunUnit } from "./Entry.js"

/**
 * Has runs kept as they are from time to time, so that what they were at a transition can be told without all before it.
 *
 * A run is kept after `every` transitions, or four times as many as it has rows if those are more: each transition pays
 * for a part of a row. A driver, which knows nothing of the one before it, begins at the next multiple of `every`; it has read
 * the whole run once itself, so that one more time is as much.
 */
export interface Keeper {
  /** The transitions of a run up to `last`, from `first` on, were committed and acknowledged. */
  readonly committed: (unit: RunUnit, first: number, last: number) => void
  readonly close: Effect.Effect<void>
}

const transitionsPerRow = 4

export const make = (options: {
  readonly store: typeof RunStore.Service
  readonly every: number
  /** How many runs may wait to be kept; of the others it is tried later. */
  readonly capacity: number
  /** How long it may take to keep one. */
  readonly patience: Duration.DurationInput
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}): Keeper => {
  const { capacity, every, fork, patience, store } = options
  /** The runs to be kept, and the latest transition of each that is committed. */
  const due = new Map<RunUnit, number>()
  let fiber: Fiber.RuntimeFiber<void> | undefined
  let isKeeping = false

  const keep = (unit: RunUnit) =>
    Effect.suspend(() => (unit.refused === undefined ? store.keepSnapshot(unit.claim) : Effect.succeed(0))).pipe(
      Effect.disconnect,
      Effect.timeout(patience),
      Effect.catchAllCause((cause) =>
        Effect.as(Effect.logWarning(`run "${unit.key}" could not be kept as it is; it is tried again later`, cause), 0)
      )
    )

  /** One after the other, until there is none; what is acknowledged together with the first one is so before. */
  const keepAll: Effect.Effect<void> = Effect.zipRight(
    Effect.yieldNow(),
    Effect.suspend(() => {
      const [unit] = due.keys()
      if (unit === undefined) {
        isKeeping = false
        return Effect.void
      }
      return Effect.flatMap(keep(unit), (rows) => {
        unit.keepAt = (due.get(unit) ?? 0) + Math.max(every, transitionsPerRow * rows)
        due.delete(unit)
        return keepAll
      })
    })
  )

  return {
    committed: (unit, first, last) => {
      if (every === Infinity) return
      if (unit.keepAt === 0) unit.keepAt = Math.ceil(first / every) * every
      if (last < unit.keepAt) return
      if (due.size >= capacity && !due.has(unit)) {
        unit.keepAt = last + every
        return
      }
      due.set(unit, last)
      if (isKeeping) return
      isKeeping = true
      fiber = fork(Effect.interruptible(keepAll))
    },
    close: Effect.suspend(() => (fiber === undefined ? Effect.void : Effect.asVoid(Fiber.interrupt(fiber))))
  }
}
