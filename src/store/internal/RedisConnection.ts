/**
 * Connections to one server, made when they are needed: a connection that was lost is replaced by the next call.
 */
import { RedisClient } from "@redis/client"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../../model/StoreError.js"
import * as RedisErrors from "./RedisErrors.js"

// The class itself: `createClient` derives one for all commands, at 100 ms for each other set of options.
type Client = RedisClient<Record<never, never>, Record<never, never>, Record<never, never>, 2, Record<never, never>>

export interface RedisConnection {
  readonly client: Client
  /** Fails when the connection is lost or dropped. */
  readonly lost: Deferred.Deferred<never, StoreError>
}

export interface Address {
  readonly url: string
  /** For people: without the password. */
  readonly location: string
  readonly connectTimeout: Duration.Duration
}

// A server is given its time in real time, whatever clock a test has.
const realClock = Clock.make()

/** Fails after a time in which the server should have answered; the effect is interrupted then. */
export const within = (
  millis: Duration.Duration,
  onTimeout: () => StoreError
): (<A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | StoreError>) =>
  Duration.isFinite(millis)
    ? (effect) =>
        Effect.withClock(Effect.timeoutFail(Effect.interruptible(effect), { duration: millis, onTimeout }), realClock)
    : (effect) => effect

/** Again and again, in real time, until it is interrupted. */
export const every =
  (interval: Duration.Duration) =>
  (effect: Effect.Effect<void>): Effect.Effect<void> =>
    Duration.isFinite(interval)
      ? Effect.asVoid(Effect.withClock(Effect.repeat(effect, Schedule.spaced(interval)), realClock))
      : Effect.void

const fromPromise = <A>(evaluate: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.async((resume) => {
    evaluate().then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
  })

/** Sends a command. Interrupted, it is not taken back. */
export const send = ({ client }: RedisConnection, command: ReadonlyArray<string>): Effect.Effect<unknown, unknown> =>
  fromPromise(() => client.sendCommand<unknown>(command))

/** Calls back at each message on a channel. Listens when it returns. */
export const subscribe = (
  { client }: RedisConnection,
  channel: string,
  onMessage: (message: string) => void
): Effect.Effect<void, unknown> => fromPromise(() => client.SUBSCRIBE(channel, onMessage))

const make = ({ connectTimeout, location, url }: Address): Effect.Effect<RedisConnection, StoreError> =>
  Effect.try({
    try: () => {
      const client: Client = new RedisClient({
        url,
        RESP: 2,
        // A command that cannot be sent now fails now, and who needs a connection makes one.
        disableOfflineQueue: true,
        // This is the client's time until a command is sent; there is one for its answer here.
        commandOptions: { timeout: 0 },
        disableClientInfo: true,
        maintNotifications: "disabled",
        socket: {
          reconnectStrategy: false,
          ...(Duration.isFinite(connectTimeout) ? { connectTimeout: Duration.toMillis(connectTimeout) } : {})
        }
      })
      const lost = Deferred.unsafeMake<never, StoreError>(FiberId.none)
      client.on("error", (error: unknown) => {
        Deferred.unsafeDone(lost, Effect.fail(RedisErrors.fromUnknown(location, "changes")(error)))
        // An answer that could not be read: those that follow cannot be either.
        if (client.isReady) client.destroy()
      })
      return { client, lost }
    },
    catch: RedisErrors.fromUnknown(location, "layer")
  })

/** Whoever waits for an answer of it is told that it is lost. */
export const drop = ({ client, lost }: RedisConnection, error: StoreError): Effect.Effect<void> =>
  Effect.zipRight(
    Deferred.fail(lost, error),
    Effect.sync(() => client.destroy())
  )

type State =
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Opening"; readonly opened: Deferred.Deferred<RedisConnection, StoreError> }
  | { readonly _tag: "Open"; readonly connection: RedisConnection }
  | { readonly _tag: "Closed" }

export interface OnDemand {
  readonly get: (operation: string) => Effect.Effect<RedisConnection, StoreError>
  readonly isClosed: Effect.Effect<boolean>
}

/**
 * Gives the connection, and makes one when there is none, once for all who ask meanwhile: it is `prepare`d before anybody
 * has it. Fails within the `connectTimeout`. The last one closes with the scope.
 */
export const onDemand = (
  address: Address,
  prepare: (connection: RedisConnection) => Effect.Effect<void, StoreError>
): Effect.Effect<OnDemand, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { connectTimeout, location } = address
    const scope = yield* Effect.scope
    const state = yield* Ref.make<State>({ _tag: "Idle" })
    const closed = (operation: string) => RedisErrors.closed(location, operation)

    yield* Effect.addFinalizer(() =>
      Effect.flatMap(Ref.getAndSet(state, { _tag: "Closed" }), (last) => {
        if (last._tag === "Open") return drop(last.connection, closed("changes"))
        return last._tag === "Opening" ? Deferred.fail(last.opened, closed("layer")) : Effect.void
      })
    )

    const settle = (
      opened: Deferred.Deferred<RedisConnection, StoreError>,
      exit: Exit.Exit<RedisConnection, StoreError>
    ) =>
      Effect.flatMap(
        Ref.modify(state, (last): readonly [boolean, State] =>
          last._tag === "Closed"
            ? [false, last]
            : [true, Exit.isSuccess(exit) ? { _tag: "Open", connection: exit.value } : { _tag: "Idle" }]
        ),
        (isWanted) => {
          if (!isWanted) return Exit.isSuccess(exit) ? drop(exit.value, closed("changes")) : Effect.void
          return Deferred.done(opened, exit)
        }
      )

    const attempt = (opened: Deferred.Deferred<RedisConnection, StoreError>) =>
      Effect.acquireUseRelease(
        make(address),
        (connection) =>
          Effect.zipRight(
            Effect.mapError(
              fromPromise(() => connection.client.connect()),
              RedisErrors.fromUnknown(location, "layer")
            ),
            prepare(connection)
          ).pipe(
            within(connectTimeout, () => RedisErrors.unanswered(location, "layer", Duration.toMillis(connectTimeout))),
            Effect.as(connection)
          ),
        (connection, exit) => (Exit.isSuccess(exit) ? settle(opened, exit) : drop(connection, closed("changes")))
      ).pipe(
        // Interrupted, it is because the scope ends.
        Effect.tapErrorCause((cause) =>
          Cause.isInterruptedOnly(cause) ? Effect.void : settle(opened, Exit.failCause(cause))
        )
      )

    const begin = (opened: Deferred.Deferred<RedisConnection, StoreError>, dead: RedisConnection | undefined) =>
      Effect.zipRight(
        Effect.sync(() => dead?.client.destroy()),
        attempt(opened).pipe(Effect.ignore, Effect.interruptible, Effect.forkIn(scope))
      )

    type Step = Effect.Effect<Effect.Effect<RedisConnection, StoreError>>
    const decide = (last: State, own: Deferred.Deferred<RedisConnection, StoreError>): readonly [Step, State] => {
      if (last._tag === "Closed") return [Effect.succeed(closed("layer")), last]
      if (last._tag === "Opening") return [Effect.succeed(Deferred.await(last.opened)), last]
      if (last._tag === "Open" && last.connection.client.isReady)
        return [Effect.succeed(Effect.succeed(last.connection)), last]
      const dead = last._tag === "Open" ? last.connection : undefined
      return [Effect.as(begin(own, dead), Deferred.await(own)), { _tag: "Opening", opened: own }]
    }

    const open = Effect.uninterruptibleMask((restore) =>
      Deferred.make<RedisConnection, StoreError>().pipe(
        Effect.flatMap((own) => Effect.flatten(Ref.modify(state, (last) => decide(last, own)))),
        Effect.flatMap(restore)
      )
    )

    return {
      get: (operation) =>
        Effect.flatMap(Ref.get(state), (now) =>
          now._tag === "Open" && now.connection.client.isReady
            ? Effect.succeed(now.connection)
            : Effect.mapError(open, RedisErrors.as(operation))
        ),
      isClosed: Effect.map(Ref.get(state), ({ _tag }) => _tag === "Closed")
    }
  })
