/**
 * Keeps calls away from what is failing: one breaker for each key.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Telemetry from "../model/Telemetry.js"
import { StateStore } from "../store/StateStore.js"
import type { Options } from "./BreakerOptions.js"
import type * as Breaker from "./internal/Breaker.js"
import * as BreakerPolicy from "./internal/BreakerPolicy.js"
import * as Breakers from "./internal/Breakers.js"
import * as BreakerStore from "./internal/BreakerStore.js"
import * as Window from "./internal/Window.js"

export { defaults, type Options } from "./BreakerOptions.js"

/**
 * The breaker of this operation lets no call through now: what was to be called was not. `retryAfter`: in how many
 * milliseconds to come back. Of an open breaker that is when it lets a probe through; of one whose probes are all under
 * way it is when their outcome should be known: after `resetAfter` at most. It is left out of one that was opened by
 * hand, and will be closed by hand.
 *
 * @since 0.1.0
 * @category errors
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>("heddle/CircuitOpen")("CircuitOpen", {
  operation: Schema.String,
  retryAfter: Schema.optional(Schema.Number)
}) {
  override get message() {
    const when = this.retryAfter === undefined ? "once it is closed by hand" : `in ${Math.ceil(this.retryAfter)} ms`
    return `"${this.operation}" was not called, because its circuit breaker is open: come back ${when}`
  }
}

/**
 * - `closed`: every call is let through
 * - `open`: none is
 * - `halfOpen`: so many as there may be probes
 *
 * @since 0.1.0
 * @category models
 */
export type Status = "closed" | "open" | "halfOpen"

/**
 * Why a breaker is in its status: since it began (`initial`), because it opened (`failuresInARow`, `failureRate`,
 * `slowRate`, `probeFailed`), let a probe through (`resetAfter`), closed (`probesSucceeded`), or was told to (`manual`).
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = Breaker.Reason

/**
 * The breaker of a key. `generation` goes up with each change of status. What it has counted is there while it is closed,
 * and only what a policy looks at: `failuresInARow`, and in the window `calls`, `failures` and `slow`. `until`: when an
 * open one lets a probe through, by the Clock; undefined where it was opened by hand. `probes` are those under way.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly status: Status
  readonly reason: Reason
  readonly generation: number
  readonly until: number | undefined
  readonly failuresInARow: number
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly probes: number
}

/**
 * A change of status. `elsewhere`: another process made it, and this one has read it in the store; there may have been
 * others in between, which the numbers of the generations tell.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transition {
  readonly key: string
  readonly at: number
  readonly from: Status
  readonly to: Status
  readonly reason: Reason
  readonly generation: number
  readonly elsewhere: boolean
}

/**
 * One breaker for each key, made when the key is first used. All of it is one state, changed in one step for each call
 * that asks and each that has ended: so in a half-open breaker there are never more than `halfOpenProbes` probes, no
 * outcome is lost or counted twice, and whoever asks first for a key gets the same breaker as everyone else.
 *
 * The outcome of a call that was let through before the breaker changed its status is late, and does not count.
 *
 * **Memory**: `capacity` closed keys without calls under way; when there are more, the one that was not used for the
 * longest time is forgotten, with what it had counted. The others do not take their places, and are kept, however many
 * there are: a breaker that has calls under way, was opened by hand, or is not closed. Only of the last kind, where they
 * and the closed ones are more than `capacity`, those are forgotten that nobody has asked since: an open one when it
 * could have let a probe through for another `resetAfter`, a half-open one when for so long there was no probe. When it
 * is asked again it is closed; with a store, what the store has.
 *
 * **With a `StateStore`** the store has the state, and changes by compare-and-set: what has opened is open for other
 * processes, and after a restart; all processes together have `halfOpenProbes` probes. Per call it costs nothing but a
 * read of each key that is used, every `refresh`. A failure, the success that ends a row of failures, a slow call (where
 * `slowRate` is given), a probe's begin and its end are one write each; what fails at the same time shares one. Other
 * successes go to the store with the next write, so a rate that several processes share lacks those since the last
 * failure of each. A call ends when the store has its outcome, or `storeTimeout` is over.
 *
 * When the store fails, or does not answer in time, the breaker goes on with what this process knows, says so in the log,
 * counts it, and leaves the store alone for ten times `storeTimeout`. Then what the store has counts again if somebody else
 * has changed it; if not, it is given what was counted meanwhile.
 *
 * @since 0.1.0
 * @category services
 */
export class CircuitBreaker extends Context.Tag("heddle/node/CircuitBreaker")<
  CircuitBreaker,
  {
    /**
     * The effect, if the breaker of this key lets it through; then its outcome is counted. If not, the effect is not
     * run, and it fails with `CircuitOpen` at once.
     *
     * **Interruption**: that of the effect. It counts as neither success nor failure; a probe's place is free at once.
     */
    readonly protect: (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitOpen, R>

    /** What is known of it now; with a store, what the store has now. */
    readonly state: (key: string) => Effect.Effect<State>

    /**
     * Opens it until `close`. Where the store does not take it, it is open in this process, and the log says so.
     *
     * **Interruption**: it has been opened all the same.
     */
    readonly open: (key: string) => Effect.Effect<void>

    /**
     * Closes it, however it was opened, with nothing counted: also the way to begin anew.
     *
     * **Interruption**: it has been closed all the same.
     */
    readonly close: (key: string) => Effect.Effect<void>

    /**
     * The changes of all keys from now on, in the order in which they took place, as this process sees them. A consumer
     * that is slow keeps up nobody: it is given the latest 1,024 that it has not taken, and misses those before.
     */
    readonly transitions: Stream.Stream<Transition>

    /** Of how many keys the state is in memory. */
    readonly size: Effect.Effect<number>
  }
>() {}

const maxTransitions = 1024

/**
 * Breakers with these options. They need no scope: with a store, a key has a fiber of its own only while something of it
 * is written. A `StateStore` is used when the context has one, unless `shared` is false.
 *
 * @example
 * ```ts
 * import * as CircuitBreaker from "heddle/node/CircuitBreaker"
 * import { Effect } from "effect"
 *
 * declare const fetchRates: (host: string) => Promise<string>
 *
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make({ failureRate: 0.5, minimumCalls: 20, window: { duration: "10 seconds" } })
 *   return yield* Effect.tryPromise(() => fetchRates("rates.example")).pipe(
 *     breaker.protect("rates.example"),
 *     Effect.catchTag("CircuitOpen", ({ retryAfter }) => Effect.succeed(`again in ${retryAfter} ms`))
 *   )
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Partial<Options> = {}): Effect.Effect<typeof CircuitBreaker.Service> =>
  Effect.gen(function* () {
    const { capacity, isFailure, name, policy, refresh, shared, slowAfter, storeTimeout } =
      yield* BreakerPolicy.resolve(options)
    const store = shared ? Option.getOrUndefined(yield* Effect.serviceOption(StateStore)) : undefined
    const breakers = yield* Breakers.make({
      policy,
      capacity,
      refresh,
      backOff: 10 * storeTimeout,
      store: store && BreakerStore.make(store, { name, reach: policy.reach, timeout: storeTimeout }),
      owner: yield* randomName
    })

    const ended = (key: string, ticket: Breaker.Ticket, outcome: Breaker.Outcome, slow: boolean) =>
      breakers.say(
        key,
        (at) => ({ _tag: "Ended", at, ticket, outcome, slow, count: 1 }),
        (told) => told
      )

    /** Only a policy that looks at slow calls has any. */
    const isSlow = (millis: number) => policy.slowRate <= 1 && millis > slowAfter

    const settle = <A, E>(key: string, ticket: Breaker.Ticket, exit: Exit.Exit<A, E>, millis: number) => {
      const { outcome, threw } = judge(exit, isFailure)
      Telemetry.breakerCalls[outcome].unsafeUpdate(1, [])
      const settled = ended(key, ticket, outcome, outcome !== "neither" && isSlow(millis))
      return Effect.zipRight(threw === undefined ? settled : Effect.zipRight(settled, warn(key, threw)), exit)
    }

    const warn = (key: string, threw: Cause.Cause<never>) =>
      Effect.logWarning(`isFailure of breaker "${key}" threw: the call counts as a failure`, threw).pipe(
        Effect.annotateLogs({ package: "heddle", module: "CircuitBreaker" })
      )

    const admission = (key: string, restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>) =>
      Effect.flatMap(
        breakers.say(key, (at, probe) => ({ _tag: "Asked", at, probe }), restore),
        (verdict): Effect.Effect<Breaker.Ticket, CircuitOpen> => {
          if (verdict._tag === "Admitted") return Effect.succeed(verdict.ticket)
          Telemetry.breakerCalls.refused.unsafeUpdate(1, [])
          const retryAfter = verdict._tag === "Refused" ? verdict.retryAfter : undefined
          return new CircuitOpen({ operation: key, ...(retryAfter === undefined ? {} : { retryAfter }) })
        }
      )

    const byHand = (_tag: "OpenedByHand" | "ClosedByHand") => (key: string) =>
      Effect.uninterruptible(
        Effect.asVoid(
          breakers.say(
            key,
            (at) => ({ _tag, at }),
            (told) => told
          )
        )
      )

    return CircuitBreaker.of({
      protect: (key) => (effect) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(admission(key, restore), (ticket) =>
            Effect.clockWith((clock) => {
              const began = clock.unsafeCurrentTimeNanos()
              return Effect.flatMap(Effect.exit(restore(effect)), (exit) => {
                const millis = Number(clock.unsafeCurrentTimeNanos() - began) / 1e6
                return settle(key, ticket, exit, millis)
              })
            })
          )
        ),
      state: (key) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.zipRight(
            store === undefined ? Effect.void : breakers.say(key, (at) => ({ _tag: "Looked", at }), restore),
            Effect.clockWith((clock) =>
              Effect.map(breakers.peek(key), (state) => view(state, policy, clock.unsafeCurrentTimeMillis()))
            )
          )
        ),
      open: byHand("OpenedByHand"),
      close: byHand("ClosedByHand"),
      transitions: Stream.unwrapScoped(
        Effect.map(breakers.changes(maxTransitions), (changes) =>
          Stream.map(Mailbox.toStream(changes), ({ at, elsewhere, from, key, to }) => {
            const { generation, reason } = to
            return { key, at, from: statuses[from], to: statuses[to._tag], reason, generation, elsewhere }
          })
        )
      ),
      size: breakers.size
    })
  })

/**
 * `make` as a layer. Layers are shared by reference: keep it in a const to have one service in all that use it.
 *
 * @example
 * ```ts
 * import * as CircuitBreaker from "heddle/node/CircuitBreaker"
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { Layer } from "effect"
 *
 * // five failures in a row open the breaker of a key for 30 seconds
 * const InMemory = CircuitBreaker.layer()
 * // the same, in a store
 * const Shared = CircuitBreaker.layer({ name: "gateway" }).pipe(Layer.provide(StateStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Partial<Options> = {}): Layer.Layer<CircuitBreaker> =>
  Layer.effect(CircuitBreaker, make(options))

/** How a call counts; what `isFailure` threw, if it did. */
interface Judged {
  readonly outcome: Breaker.Outcome
  readonly threw?: Cause.Cause<never>
}

const judge = (exit: Exit.Exit<unknown, unknown>, isFailure: Options["isFailure"]): Judged => {
  if (Exit.isSuccess(exit)) return { outcome: "success" }
  if (Cause.isInterruptedOnly(exit.cause)) return { outcome: "neither" }
  try {
    return { outcome: isFailure(exit.cause) ? "failure" : "success" }
  } catch (thrown) {
    return { outcome: "failure", threw: Cause.die(thrown) }
  }
}

const statuses = { Closed: "closed", Open: "open", HalfOpen: "halfOpen" } as const

const view = (state: Breaker.State, { reach }: Breaker.Policy, now: number): State => {
  const isClosed = state._tag === "Closed"
  return {
    status: statuses[state._tag],
    reason: state.reason,
    generation: state.generation,
    until: state._tag === "Open" ? (state.until ?? undefined) : undefined,
    failuresInARow: isClosed ? state.failuresInARow : 0,
    ...Window.counts(isClosed ? state.window : Window.empty, reach, now),
    probes: state._tag === "HalfOpen" ? state.probes.length : 0
  }
}

const randomName = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 31), Random.nextIntBetween(0, 2 ** 31)]),
  (parts) => parts.map((part) => part.toString(36)).join("")
)
