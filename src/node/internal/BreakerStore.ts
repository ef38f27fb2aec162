/** The state of a breaker in a `StateStore`. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as CanonicalJson from "../../model/CanonicalJson.js"
import { NodeStateUnavailable } from "../../model/NodeError.js"
import type { StateStore } from "../../store/StateStore.js"
import * as Breaker from "./Breaker.js"
import type * as Window from "./Window.js"

const Stored = Schema.parseJson(Schema.Struct({ format: Schema.Literal(1), state: Breaker.State }))
const decode = Schema.decodeEither(Stored)

const day = 24 * 60 * 60 * 1000

/** `version` is 0 where nothing is stored. */
export interface Seen {
  readonly state: Breaker.State | undefined
  readonly version: number
}

export interface BreakerStore {
  readonly read: (key: string) => Effect.Effect<Seen, NodeStateUnavailable>
  /** The version that it has now, or undefined when another is there than `expected`. */
  readonly write: (
    key: string,
    expected: number,
    state: Breaker.State,
    at: number
  ) => Effect.Effect<number | undefined, NodeStateUnavailable>
}

/**
 * No method takes longer than `timeout` milliseconds, even where the store cannot be interrupted. A closed breaker is
 * kept for a day after its last failure, an open one for a day after it could have been tried; or for twice the window.
 */
export const make = (
  store: typeof StateStore.Service,
  { name, reach, timeout }: { readonly name: string; readonly reach: Window.Reach; readonly timeout: number }
): BreakerStore => {
  const keepFor = "millis" in reach ? Math.max(day, 2 * reach.millis) : day
  const unavailable = (key: string, faults: string, cause?: unknown) =>
    new NodeStateUnavailable({ node: name, key, faults, cause })
  const inTime = <A, E extends { readonly message: string }>(key: string, effect: Effect.Effect<A, E>) =>
    Effect.timeoutFail(
      Effect.mapError(Effect.interruptible(Effect.disconnect(effect)), (cause) =>
        unavailable(key, cause.message, cause)
      ),
      { duration: timeout, onTimeout: () => unavailable(key, `the store has not answered for ${timeout} ms`) }
    )

  return {
    read: (key) =>
      Effect.flatMap(inTime(key, store.get(keyOf(name, key))), (entry) =>
        Option.match(entry, {
          onNone: () => Effect.succeed<Seen>({ state: undefined, version: 0 }),
          onSome: ({ value, version }) =>
            Either.match(decode(value), {
              onLeft: (error) => Effect.fail(unavailable(key, ParseResult.TreeFormatter.formatErrorSync(error), error)),
              onRight: ({ state }) => Effect.succeed<Seen>({ state, version })
            })
        })
      ),
    write: (key, expected, state, at) =>
      Effect.suspend(() => {
        // a state is made of numbers, well-formed reasons and names that are made here
        const text = Either.getOrThrow(CanonicalJson.stringify({ format: 1, state }))
        const ttl = keepFor + ("until" in state ? Number(state.until) - at : 0)
        // a store takes none that is over already, as after the clock was set forward
        const options = isByHand(state) ? {} : { ttl: Math.max(ttl, 1) }
        return Effect.map(
          inTime(key, store.compareAndSet(keyOf(name, key), expected, text, options)),
          Option.getOrUndefined
        )
      })
  }
}

/** What was opened by hand stays. */
const isByHand = (state: Breaker.State) => state._tag === "Open" && state.until === null

const keyOf = (name: string, key: string) => `breaker/${JSON.stringify([name, key])}`
