/** A fixed number of places, which are given in the order in which they were asked for. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

// Changed in place, inside a Ref that never leaves this file: however many wait, each step costs the same.
interface State {
  free: number
  readonly waiting: Set<Deferred.Deferred<void>>
}

type Taken = { readonly _tag: "Free" } | { readonly _tag: "Full"; readonly waiting: number } | Waiting

interface Waiting {
  readonly _tag: "Waiting"
  readonly turn: Deferred.Deferred<void>
}

export interface Slots {
  /** Runs the effect in a place. `refuse`: when more than `queue` would have to wait. */
  readonly within: <A, E, R, E2>(
    effect: Effect.Effect<A, E, R>,
    refuse: (waiting: number) => E2
  ) => Effect.Effect<A, E | E2, R>
  readonly waiting: Effect.Effect<number>
}

export const make = (size: number, queue: number): Effect.Effect<Slots> =>
  Effect.gen(function* () {
    const ref = yield* Ref.make<State>({ free: size, waiting: new Set() })
    const access = <A>(f: (state: State) => A): Effect.Effect<A> =>
      Ref.modify(ref, (state) => [f(state), state] as const)

    const take = Effect.flatMap(Deferred.make<void>(), (turn) =>
      access((state): Taken => {
        if (state.free > 0) {
          state.free--
          return { _tag: "Free" }
        }
        if (state.waiting.size >= queue) return { _tag: "Full", waiting: state.waiting.size }
        state.waiting.add(turn)
        return { _tag: "Waiting", turn }
      })
    )

    const give: Effect.Effect<void> = Effect.flatMap(
      access((state) => {
        const [first] = state.waiting
        if (first === undefined) state.free++
        else state.waiting.delete(first)
        return first
      }),
      (first) => (first === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(first, undefined)))
    )

    /** A place that was given to who does not want it any more goes to the next. */
    const withdraw = ({ turn }: Waiting) =>
      Effect.flatMap(
        access(({ waiting }) => waiting.delete(turn)),
        (hadNone) => (hadNone ? Effect.void : give)
      )

    return {
      within: <A, E, R, E2>(effect: Effect.Effect<A, E, R>, refuse: (waiting: number) => E2) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(take, (taken): Effect.Effect<A, E | E2, R> => {
            switch (taken._tag) {
              case "Full":
                return Effect.fail(refuse(taken.waiting))
              case "Free":
                return Effect.ensuring(restore(effect), give)
              case "Waiting":
                return Effect.zipRight(
                  Effect.onInterrupt(restore(Deferred.await(taken.turn)), () => withdraw(taken)),
                  Effect.ensuring(restore(effect), give)
                )
            }
          })
        ),
      waiting: access(({ waiting }) => waiting.size)
    }
  })
