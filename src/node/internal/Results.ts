/** Results that are known, and those that are being computed: what a cache has in memory. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Telemetry from "../../model/Telemetry.js"
import type { Text } from "./Codec.js"
import { Within, path, type Flight, type Place } from "./Flight.js"

export interface Options {
  readonly capacity: number
  /** In milliseconds; may be infinite. */
  readonly ttl: number
}

/** A result, and the time from which it is not served any more. */
export interface Found {
  readonly text: Text
  readonly until: number
}

export interface Counts {
  readonly hits: number
  readonly joins: number
  readonly misses: number
  readonly evictions: number
  readonly size: number
  readonly running: number
}

interface Kept extends Found {
  readonly node: string
}

// Changed in place, inside a Ref that never leaves this file: a lookup costs the same whatever the capacity.
interface State {
  /** In the order in which they were used last. */
  readonly kept: Map<string, Kept>
  /** Those that a new caller may join. */
  readonly flights: Map<string, Flight>
  running: number
  hits: number
  joins: number
  misses: number
  evictions: number
}

type Entered =
  | { readonly _tag: "Hit"; readonly text: Text }
  | { readonly _tag: "Joined" | "Began" | "Stopping"; readonly flight: Flight }
  | { readonly _tag: "Circle"; readonly nodes: ReadonlyArray<string> }

export interface Results {
  /**
   * What is known under the key, or else what `find` finds: it runs once for all who ask meanwhile, in the scope, with
   * the services and FiberRefs of who asked first. Only its successes are kept.
   */
  readonly get: <E>(place: Place, find: Effect.Effect<Found, E>) => Effect.Effect<Text, E>
  /** Forgets what is known, and keeps nothing of what is being computed now. */
  readonly forget: (isMeant: (place: Place) => boolean) => Effect.Effect<void>
  readonly counts: Effect.Effect<Counts>
}

export const make = ({ capacity, ttl }: Options, scope: Scope.Scope): Effect.Effect<Results> =>
  Effect.gen(function* () {
    const ref = yield* Ref.make<State>({
      ...{ kept: new Map(), flights: new Map() },
      ...{ running: 0, hits: 0, joins: 0, misses: 0, evictions: 0 }
    })
    const access = <A>(f: (state: State) => A): Effect.Effect<A> =>
      Ref.modify(ref, (state) => [f(state), state] as const)

    /** `within`: the flight that asks. */
    const enter = ({ key, node }: Place, within: Flight | undefined, now: number) =>
      access((state): Entered => {
        const known = state.kept.get(key)
        if (known !== undefined) {
          state.kept.delete(key)
          if (now < known.until) {
            state.kept.set(key, known)
            state.hits++
            Telemetry.computeLookups.hit.unsafeUpdate(1, [])
            return { _tag: "Hit", text: known.text }
          }
        }
        const running = state.flights.get(key)
        if (running !== undefined) {
          const circle = within && path(running, within)
          if (circle !== undefined) return { _tag: "Circle", nodes: [...circle, running].map(({ node }) => node) }
          within?.awaits.push(running)
          if (running.waiters === 0) return { _tag: "Stopping", flight: running }
          running.waiters++
          state.joins++
          Telemetry.computeLookups.joined.unsafeUpdate(1, [])
          return { _tag: "Joined", flight: running }
        }
        const ended = Deferred.unsafeMake<Text, unknown>(FiberId.none)
        const flight: Flight = { node, key, ended, fiber: undefined, waiters: 1, awaits: [] }
        within?.awaits.push(flight)
        state.flights.set(key, flight)
        state.running++
        state.misses++
        Telemetry.computeLookups.missed.unsafeUpdate(1, [])
        return { _tag: "Began", flight }
      })

    const settle = (flight: Flight, exit: Exit.Exit<Found, unknown>, now: number) =>
      access((state) => {
        state.running--
        // what was forgotten meanwhile is not kept
        if (state.flights.get(flight.key) !== flight) return
        state.flights.delete(flight.key)
        if (Exit.isFailure(exit)) return
        const until = Math.min(exit.value.until, now + ttl)
        if (until <= now) return
        if (state.kept.size >= capacity) {
          const [oldest] = state.kept.keys()
          state.kept.delete(oldest!)
          state.evictions++
          Telemetry.computeEvictions.unsafeUpdate(1, [])
        }
        state.kept.set(flight.key, { node: flight.node, text: exit.value.text, until })
      })

    /** In an uninterruptible region, which the new fiber inherits: however `find` ends, who waits for it is told. */
    const begin = <E>(flight: Flight, find: Effect.Effect<Found, E>) =>
      Effect.exit(Effect.interruptible(Effect.provideService(find, Within, flight))).pipe(
        Effect.flatMap((exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            Effect.zipRight(
              settle(flight, exit, now),
              Effect.asVoid(
                Deferred.done(
                  flight.ended,
                  Exit.map(exit, ({ text }) => text)
                )
              )
            )
          )
        ),
        Effect.forkIn(scope),
        Effect.tap((fiber) => access(() => (flight.fiber = fiber)))
      )

    /** The last one to leave stops the computation, and waits for its finalizers. */
    const leave = (flight: Flight) =>
      Effect.flatMap(
        access(() => --flight.waiters === 0),
        // who began it does not leave before its fiber is there
        (isLast) => (isLast ? Fiber.interrupt(flight.fiber!) : Effect.void)
      )

    /** `effect` waits for the flight. */
    const waiting = <A, E>(effect: Effect.Effect<A, E>, flight: Flight, within: Flight | undefined) =>
      within === undefined
        ? effect
        : Effect.ensuring(
            effect,
            access(() => within.awaits.splice(within.awaits.indexOf(flight), 1))
          )

    const within = Effect.map(Effect.context<never>(), (context) =>
      Option.getOrUndefined(Context.getOption(context, Within))
    )

    const get: Results["get"] = <E>(place: Place, find: Effect.Effect<Found, E>) =>
      Effect.uninterruptibleMask((restore) => {
        const result = (flight: Flight, within: Flight | undefined) =>
          waiting(
            Effect.onInterrupt(
              // the errors of a key are those of its node
              restore(Deferred.await(flight.ended as Deferred.Deferred<Text, E>)),
              () => leave(flight)
            ),
            flight,
            within
          )
        const look = (now: number, within: Flight | undefined): Effect.Effect<Text, E> =>
          Effect.flatMap(enter(place, within, now), (entered) => {
            switch (entered._tag) {
              case "Hit":
                return Effect.succeed(entered.text)
              case "Joined":
                return result(entered.flight, within)
              case "Began":
                return Effect.zipRight(begin(entered.flight, find), result(entered.flight, within))
              case "Stopping":
                return Effect.zipRight(
                  waiting(restore(Effect.exit(Deferred.await(entered.flight.ended))), entered.flight, within),
                  again
                )
              case "Circle":
                return Effect.dieMessage(`a computation waits for its own result: ${entered.nodes.join(" -> ")}`)
            }
          })
        const again: Effect.Effect<Text, E> = Effect.flatMap(
          Effect.zip(Clock.currentTimeMillis, within),
          ([now, within]) => look(now, within)
        )
        return again
      })

    return {
      get,
      forget: (isMeant) =>
        access(({ flights, kept }) => {
          for (const [key, { node }] of kept) if (isMeant({ node, key })) kept.delete(key)
          for (const [key, flight] of flights) if (isMeant(flight)) flights.delete(key)
        }),
      counts: access(({ evictions, hits, joins, kept, misses, running }) => ({
        ...{ hits, joins, misses, evictions, running },
        size: kept.size
      }))
    }
  })
