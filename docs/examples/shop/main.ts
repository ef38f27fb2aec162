/** `npx tsx docs/examples/shop/main.ts`: the shop as a server on port 3000, until Ctrl-C. */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { createServer } from "node:http"
import * as Shop from "./Shop.js"
import * as Web from "./Web.js"

const Parcels = Layer.succeed(Shop.Parcels, {
  send: (receipt, key) => Effect.log(`a parcel for ${receipt} leaves (${key})`)
})

const program = HttpServer.withLogAddress(Web.layer).pipe(
  Layer.provide(Shop.layer("shop.db")),
  Layer.provide([Shop.gatewayUpTo(100_000), Parcels]),
  Layer.provide(NodeHttpServer.layer(createServer, { port: 3000, host: "127.0.0.1" }))
)

NodeRuntime.runMain(Layer.launch(program))
