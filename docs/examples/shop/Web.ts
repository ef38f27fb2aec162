/** The shop over HTTP. */
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { Effect, Schema } from "effect"
import { RunError, RunId } from "heddle"
import { CircuitOpen } from "heddle/node/CircuitBreaker"
import { OrchestrationFailed } from "heddle/node/OrchestratorNode"
import * as Shop from "./Shop.js"

const Order = Schema.Struct({ id: Schema.NonEmptyString, lines: Schema.NonEmptyArray(Shop.Line) })
const Path = Schema.Struct({ id: Schema.NonEmptyString })

const answer = (status: number, body: { readonly [key: string]: unknown }, headers = {}) =>
  HttpServerResponse.unsafeJson(body, { status, headers })

const failed = (error: { readonly _tag: string; readonly message: string }) => {
  if (error instanceof Shop.Declined) return answer(402, { error: error._tag, cents: error.cents })
  if (error instanceof Shop.UnknownSku) return answer(422, { error: error._tag, sku: error.sku })
  if (error instanceof Shop.GatewayDown) return answer(502, { error: error._tag })
  if (error instanceof CircuitOpen) {
    const seconds = Math.ceil((error.retryAfter ?? 60_000) / 1000)
    return answer(503, { error: error._tag }, { "retry-after": String(seconds) })
  }
  // another order has this id
  if (error instanceof OrchestrationFailed && error.cause instanceof RunError.RunConflict) {
    return answer(409, { error: error.cause._tag, message: error.cause.message })
  }
  const status = error._tag === "UnknownRun" ? 404 : error._tag === "ParseError" ? 400 : 500
  return answer(status, { error: error._tag, message: error.message })
}

/** The receipt, or why there is none. */
const receipt = <E extends { readonly _tag: string; readonly message: string }, R>(
  checkout: Effect.Effect<{ readonly receipt: string }, E, R>
) => Effect.match(checkout, { onSuccess: ({ receipt }) => answer(201, { receipt }), onFailure: failed })

/**
 * - `POST /orders`: checks out the lines of an order. The same order twice is the same checkout
 * - `POST /orders/:id/retry`: tries a checkout again that has failed, from where it failed
 * - `GET /orders/:id`: the order, and how far its checkout is
 */
const router = HttpRouter.empty.pipe(
  HttpRouter.post(
    "/orders",
    Effect.flatMap(HttpRouter.schemaJson(Schema.Struct({ body: Order })), ({ body }) =>
      receipt(Effect.flatMap(Shop.Checkout, (checkout) => checkout.process(body, { runId: RunId.make(body.id) })))
    )
  ),
  HttpRouter.post(
    "/orders/:id/retry",
    Effect.flatMap(HttpRouter.schemaPathParams(Path), ({ id }) =>
      receipt(
        Effect.gen(function* () {
          const checkout = yield* Shop.Checkout
          return yield* (yield* checkout.resume(RunId.make(id))).await
        })
      )
    )
  ),
  HttpRouter.get(
    "/orders/:id",
    Effect.gen(function* () {
      const { id } = yield* HttpRouter.schemaPathParams(Path)
      const { completed, failed, status } = yield* (yield* Shop.Checkout).progress(RunId.make(id))
      const { context, state } = yield* (yield* Shop.Orders).get(id)
      return answer(200, { id, state, ...context, checkout: { status, completed, failed } })
    })
  ),
  HttpRouter.catchAll((error) => Effect.succeed(failed(error)))
)

/** A Layer that serves. */
export const layer = HttpServer.serve(router)
