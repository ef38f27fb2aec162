/** A computation that runs, and those that wait for it. */
import * as Context from "effect/Context"
import type * as Deferred from "effect/Deferred"
import type * as Fiber from "effect/Fiber"
import type { Text } from "./Codec.js"

/** Whose result it is, and under which key. */
export interface Place {
  readonly node: string
  readonly key: string
}

/** Changed only by who owns the Ref that it is in. */
export interface Flight extends Place {
  readonly ended: Deferred.Deferred<Text, unknown>
  fiber: Fiber.RuntimeFiber<void> | undefined
  /** At 0 nobody wants its result any more, and it is being stopped. */
  waiters: number
  /** The flights for which it waits itself, as often as it does. */
  readonly awaits: Array<Flight>
}

/** The flight inside of which an Effect runs. */
export class Within extends Context.Tag("heddle/node/internal/Flight/Within")<Within, Flight>() {}

/** The way on which one flight waits for another; undefined when it does not. */
export const path = (from: Flight, to: Flight): ReadonlyArray<Flight> | undefined => {
  const seen = new Set<Flight>()
  const search = (flight: Flight): ReadonlyArray<Flight> | undefined => {
    if (flight === to) return [flight]
    if (seen.has(flight)) return undefined
    seen.add(flight)
    for (const next of flight.awaits) {
      const rest = search(next)
      if (rest !== undefined) return [flight, ...rest]
    }
    return undefined
  }
  return search(from)
}
