/**
 * Turns for a few connections: first come, first served, and nobody waits for ever.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"

/** The time of servers is real, whatever the clock of the caller says. */
export const realClock: Clock.Clock = Clock.make()

/** That no turn came in time. */
export const late = "late"

export interface Turns {
  /** Waits for a turn, which `leave` gives back. Whoever was interrupted, or came too `late`, has none. */
  readonly enter: Effect.Effect<void, typeof late>
  readonly leave: Effect.Effect<void>
  /** Waits until all turns have been given back, and takes them. */
  readonly drain: Effect.Effect<void>
}

type Turn = Deferred.Deferred<void, typeof late>

interface State {
  readonly free: number
  readonly waiting: ReadonlyArray<Turn>
}

/** `size` at a time; who has waited for `patience` is late. */
export const make = (size: number, patience: Duration.Duration): Effect.Effect<Turns> =>
  Effect.gen(function* () {
    const state = yield* Ref.make<State>({ free: size, waiting: [] })

    const leave = Effect.flatten(
      Ref.modify(state, ({ free, waiting }): readonly [Effect.Effect<unknown>, State] => {
        const [next, ...rest] = waiting
        return next === undefined
          ? [Effect.void, { free: free + 1, waiting }]
          : [Deferred.succeed(next, undefined), { free, waiting: rest }]
      })
    ).pipe(Effect.asVoid)

    /** True: it was still waiting, and is no more. */
    const withdraw = (turn: Turn) =>
      Ref.modify(state, (present): readonly [boolean, State] => [
        present.waiting.includes(turn),
        { ...present, waiting: present.waiting.filter((other) => other !== turn) }
      ])

    const wait = (turn: Turn) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const timer = yield* Effect.forkDaemon(
            Effect.interruptible(realClock.sleep(patience)).pipe(
              Effect.zipRight(Effect.whenEffect(Deferred.fail(turn, late), withdraw(turn)))
            )
          )
          yield* restore(Deferred.await(turn)).pipe(
            Effect.onInterrupt(() => Effect.flatMap(withdraw(turn), (waited) => (waited ? Effect.void : leave))),
            Effect.ensuring(Fiber.interruptFork(timer))
          )
        })
      )

    const enterWithin = (wait: (turn: Turn) => Effect.Effect<void, typeof late>) =>
      Effect.flatMap(Deferred.make<void, typeof late>(), (turn) =>
        Effect.flatten(
          Ref.modify(state, ({ free, waiting }): readonly [Effect.Effect<void, typeof late>, State] =>
            free > 0 ? [Effect.void, { free: free - 1, waiting }] : [wait(turn), { free, waiting: [...waiting, turn] }]
          )
        )
      )

    return {
      enter: Effect.uninterruptibleMask((restore) => enterWithin((turn) => restore(wait(turn)))),
      leave,
      drain: Effect.uninterruptible(
        Effect.forEach(Array.from({ length: size }), () => Effect.ignore(enterWithin(Deferred.await)), {
          discard: true
        })
      )
    }
  })
