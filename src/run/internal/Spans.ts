import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { RunId } from "../../model/RunId.js"

/**
 * Whether anybody looks at spans, which is when a tracer was provided: Effect's own keeps nothing, and a span costs more
 * than a small module.
 */
const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentTracer !== Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Puts an effect in the span of its module; undefined when nobody looks. */
export const forModules = (
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  runId: RunId
): (<A, E, R>(effect: Effect.Effect<A, E, R>, module: string) => Effect.Effect<A, E, R>) | undefined =>
  isTraced(fiber)
    ? (effect, module) =>
        Effect.withSpan(effect, "heddle.module", {
          captureStackTrace: false,
          attributes: { "heddle.run_id": runId, "heddle.module": module }
        })
    : undefined

/** Puts an effect in the span of its run, when anybody looks. */
export const forRun =
  (runId: RunId, dag: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime<A, E, R>((fiber) =>
      isTraced(fiber)
        ? Effect.withSpan(effect, "heddle.run", {
            captureStackTrace: false,
            attributes: { "heddle.run_id": runId, "heddle.dag": dag }
          })
        : effect
    )
