/** When the time of instances is over, in one transaction with what makes it so; and the fiber that waits for it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as SortedSet from "effect/SortedSet"
import * as STM from "effect/STM"
import * as TRef from "effect/TRef"
import * as Wait from "../../model/Wait.js"

interface Timer {
  readonly key: string
  readonly due: number
}

interface Timers {
  readonly byKey: HashMap.HashMap<string, Timer>
  readonly earliest: SortedSet.SortedSet<Timer>
}

export interface InstanceTimers {
  /** In the transaction that makes it so. Null: it never is. */
  readonly set: (key: string, due: number | null) => STM.STM<void>
  /** Gives each key to `fire` when it is due, and forgets it. Never ends. */
  readonly run: (fire: (key: string) => Effect.Effect<void>) => Effect.Effect<never>
}

const order: Order.Order<Timer> = Order.combine(
  Order.mapInput(Order.number, ({ due }) => due),
  Order.mapInput(Order.string, ({ key }) => key)
)

const without = ({ byKey, earliest }: Timers, key: string): Timers =>
  Option.match(HashMap.get(byKey, key), {
    onNone: () => ({ byKey, earliest }),
    onSome: (timer) => ({ byKey: HashMap.remove(byKey, key), earliest: SortedSet.remove(earliest, timer) })
  })

const first = ({ earliest }: Timers): Timer | undefined => {
  for (const timer of earliest) return timer
  return undefined
}

export const make: Effect.Effect<InstanceTimers> = Effect.gen(function* () {
  const ref = yield* STM.commit(TRef.make<Timers>({ byKey: HashMap.empty(), earliest: SortedSet.empty(order) }))

  const earliest = STM.commit(
    STM.flatMap(TRef.get(ref), (timers) => {
      const timer = first(timers)
      return timer === undefined ? STM.retry : STM.succeed(timer)
    })
  )

  const changed = (known: Timer) =>
    STM.commit(STM.flatMap(TRef.get(ref), (timers) => STM.check(() => first(timers) !== known)))

  return {
    set: (key, due) =>
      TRef.update(ref, (timers) => {
        const known = HashMap.get(timers.byKey, key)
        if (Option.isSome(known) ? known.value.due === due : due === null) return timers
        const { byKey, earliest } = without(timers, key)
        if (due === null) return { byKey, earliest }
        const timer = { key, due }
        return { byKey: HashMap.set(byKey, key, timer), earliest: SortedSet.add(earliest, timer) }
      }),
    run: (fire) =>
      Effect.forever(
        Effect.gen(function* () {
          const timer = yield* earliest
          const now = yield* Clock.currentTimeMillis
          if (timer.due > now) {
            yield* Wait.atMost(changed(timer), timer.due - now)
            return
          }
          yield* Effect.uninterruptible(
            Effect.zipRight(
              STM.commit(TRef.update(ref, (timers) => (first(timers) === timer ? without(timers, timer.key) : timers))),
              fire(timer.key)
            )
          )
        })
      )
  }
})
