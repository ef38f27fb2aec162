/** The services that a Layer was built with, for what it runs later. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { Within } from "./Flight.js"

/**
 * Takes the services that are there now. What it is given then runs with these, and with the caller's for the rest: a
 * service that the caller has of the same tag is not the one that the Layer was given. Where it runs, its span and the
 * computation that it is a part of, is the caller's.
 */
export const capture = <R>(): Effect.Effect<<A, E>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E>, never, R> =>
  Effect.map(Effect.context<R>(), (context) => {
    // these two are in no type
    const services = Context.omit(Tracer.ParentSpan, Within)(context as Context.Context<Tracer.ParentSpan | Within | R>)
    return (effect) =>
      Effect.mapInputContext(effect, (caller: Context.Context<never>) => Context.merge(caller, services) as never)
  })
