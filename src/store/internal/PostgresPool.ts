/**
 * Sessions that are kept from one operation to the next, each for one at a time.
 */
import type { SqlError } from "@effect/sql/SqlError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { isSilence, type Session } from "./PostgresSession.js"
import * as PostgresTurns from "./PostgresTurns.js"

type Work<A, E> = (session: Session) => Effect.Effect<A, E>

export interface Pool {
  /**
   * Waits for a session, which can be interrupted, and then for the work, which cannot. When a session that was kept is
   * lost, and `mayRepeat`, the work is done again with a new one.
   */
  readonly use: <A, E>(
    work: Work<A, E>,
    mayRepeat: Effect.Effect<boolean>
  ) => Effect.Effect<A, E | SqlError | typeof PostgresTurns.late>

  /** For work that only reads: whoever is interrupted does not wait for its end either. */
  readonly useApart: <A, E>(work: Work<A, E>) => Effect.Effect<A, E | SqlError | typeof PostgresTurns.late>

  /** Waits for all work, and lets no other begin. */
  readonly drain: Effect.Effect<void>
}

/** At most `size` sessions, which end with the scope. Who waits for one does so for at most `patience`. */
export const make = (
  connect: Effect.Effect<Session, SqlError>,
  { patience, size }: { readonly size: number; readonly patience: Duration.Duration }
): Effect.Effect<Pool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const turns = yield* PostgresTurns.make(size, patience)
    const kept = yield* Effect.acquireRelease(Ref.make<ReadonlyArray<Session>>([]), (kept) =>
      Effect.flatMap(
        Ref.get(kept),
        Effect.forEach((session) => session.end(), { discard: true })
      )
    )

    /** The session that was used last, if it is still good: the others may rest. */
    const take: Effect.Effect<Session | undefined> = Effect.flatMap(
      Ref.modify(kept, (sessions): readonly [Session | undefined, ReadonlyArray<Session>] => [
        sessions.at(-1),
        sessions.slice(0, -1)
      ]),
      (session) =>
        session === undefined
          ? Effect.succeed(undefined)
          : Effect.flatMap(session.lost, (lost) =>
              lost === undefined ? Effect.succeed(session) : Effect.zipRight(session.end(lost), take)
            )
    )

    const attempt = <A, E>(session: Session, work: Work<A, E>) =>
      Effect.onExit(work(session), (exit) =>
        Effect.flatMap(session.lost, (lost) => {
          if (lost !== undefined) return session.end(lost)
          // nobody knows what a defect has left behind
          return Exit.isFailure(exit) && exit.cause._tag !== "Fail"
            ? session.end(new Error("the operation has died"))
            : Ref.update(kept, (sessions) => [...sessions, session])
        })
      )

    const run = <A, E>(work: Work<A, E>, mayRepeat: Effect.Effect<boolean>): Effect.Effect<A, E | SqlError> =>
      Effect.flatMap(take, (session) => {
        const fresh = Effect.flatMap(connect, (session) => attempt(session, work))
        if (session === undefined) return fresh
        return Effect.catchAll(attempt(session, work), (error) =>
          Effect.flatMap(Effect.all([session.lost, mayRepeat]), ([lost, may]) =>
            lost !== undefined && may && !isSilence(lost) ? fresh : Effect.fail(error)
          )
        )
      })

    return {
      use: (work, mayRepeat) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.zipRight(restore(turns.enter), Effect.ensuring(run(work, mayRepeat), turns.leave))
        ),
      useApart: (work) =>
        Effect.uninterruptibleMask((restore) =>
          restore(turns.enter).pipe(
            Effect.zipRight(Effect.forkDaemon(Effect.ensuring(run(work, Effect.succeed(true)), turns.leave))),
            Effect.flatMap((fiber) => restore(Fiber.join(fiber)))
          )
        ),
      drain: turns.drain
    }
  })
