/**
 * Notices of the server: one connection listens to all channels for which somebody wants them.
 */
import { SqlError } from "@effect/sql/SqlError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../../model/StoreError.js"
import * as PostgresErrors from "./PostgresErrors.js"
import type { Session } from "./PostgresSession.js"
import * as PostgresTurns from "./PostgresTurns.js"

/** What is called back; `lost` at most once, and nothing after it. */
export interface Listening {
  readonly notice: (payload: string) => void
  readonly lost: (error: StoreError) => void
}

export interface Listener {
  /** Listens when it returns, until the scope has ended. */
  readonly listen: (
    channel: string,
    on: Listening
  ) => Effect.Effect<void, SqlError | typeof PostgresTurns.late, Scope.Scope>
}

interface Line {
  readonly session: Session
  readonly listening: Map<string, Set<Listening>>
  readonly watch: Fiber.RuntimeFiber<void>
}

/** `alive`: how often it is asked whether the connection, on which there may be nothing to hear, is still there. */
export const make = (
  connect: Effect.Effect<Session, SqlError>,
  {
    alive,
    location,
    patience
  }: {
    readonly location: string
    readonly patience: Duration.Duration
    readonly alive: Duration.Duration
  }
): Effect.Effect<Listener, never, Scope.Scope> =>
  Effect.gen(function* () {
    const turns = yield* PostgresTurns.make(1, patience)
    const line = yield* Ref.make<Line | undefined>(undefined)

    const hangUp = (cause: Error) =>
      Effect.flatMap(Ref.getAndSet(line, undefined), (present) =>
        present === undefined
          ? Effect.void
          : Effect.zipRight(Fiber.interruptFork(present.watch), present.session.end(cause))
      )
    yield* Effect.addFinalizer(() => hangUp(new Error("the store's scope has ended")))

    const fail = PostgresErrors.fromUnknown(location, "listen")

    const dial = Effect.gen(function* () {
      const session = yield* connect
      const listening = new Map<string, Set<Listening>>()
      yield* session.onNotice((channel, payload) => {
        for (const { notice } of Array.from(listening.get(channel) ?? [])) notice(payload)
      })
      yield* session.onLost((cause) => {
        const all = Array.from(listening.values()).flatMap((some) => Array.from(some))
        listening.clear()
        for (const { lost } of all) lost(fail(new SqlError({ cause, message: "Connection terminated" })))
      })
      // a statement that is not answered in time loses the connection
      const watch = yield* PostgresTurns.realClock
        .sleep(alive)
        .pipe(
          Effect.zipRight(Effect.uninterruptible(Effect.ignore(session.command("SELECT 1")))),
          Effect.forever,
          Effect.interruptible,
          Effect.forkDaemon
        )
      const made: Line = { session, listening, watch }
      yield* Ref.set(line, made)
      return made
    })

    const get = Effect.flatMap(Ref.get(line), (present) =>
      present === undefined
        ? dial
        : Effect.flatMap(present.session.lost, (lost) =>
            lost === undefined ? Effect.succeed(present) : Effect.zipRight(hangUp(lost), dial)
          )
    )

    const inTurn = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.zipRight(restore(turns.enter), Effect.ensuring(effect, turns.leave))
      )

    const add = (channel: string, on: Listening) =>
      Effect.flatMap(get, (present) =>
        Effect.gen(function* () {
          const there = present.listening.get(channel)
          if (there === undefined) yield* present.session.command(`LISTEN "${channel}"`)
          const some = there ?? new Set()
          some.add(on)
          present.listening.set(channel, some)
          const lost = yield* present.session.lost
          if (lost !== undefined) return yield* new SqlError({ cause: lost, message: "Connection terminated" })
          return present
        })
      )

    const forget = ({ listening, session }: Line, channel: string) =>
      Effect.gen(function* () {
        const some = listening.get(channel)
        if (some === undefined || some.size > 0) return
        listening.delete(channel)
        if (listening.size > 0) yield* Effect.ignore(session.command(`UNLISTEN "${channel}"`))
        else if ((yield* Ref.get(line))?.session === session) yield* hangUp(new Error("nobody listens any more"))
      })

    return {
      listen: (channel, on) =>
        Effect.asVoid(
          Effect.acquireRelease(inTurn(add(channel, on)), (present) =>
            Effect.suspend(() => {
              present.listening.get(channel)?.delete(on)
              return Effect.ignore(inTurn(forget(present, channel)))
            })
          )
        )
    }
  })
