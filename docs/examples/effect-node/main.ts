/** `npx tsx docs/examples/effect-node/main.ts`: four orders, and a gateway that fails now and then. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { buy, ChargeCardLive, gateway, Gateway, HoldStockLive, type Answer } from "./Payments.js"

// the first answer is lost; a card is declined; then the gateway is away
const answers: ReadonlyArray<Answer> = ["lost", "ok", "declined"]

const layer = Layer.mergeAll(ChargeCardLive, HoldStockLive).pipe(Layer.provideMerge(gateway(answers)))

export const program = Effect.gen(function* () {
  for (const id of ["a", "b", "c", "d"]) {
    yield* buy({ id, cents: 1990 }, (hold) => Console.log(`  ${hold} is released`)).pipe(
      Effect.matchEffect({
        onFailure: ({ message }) => Console.log(`order ${id}: ${message}`),
        onSuccess: (receipt) => Console.log(`order ${id}: ${receipt}`)
      })
    )
  }
  const { charged, requests } = yield* Gateway
  yield* Console.log(`${yield* requests} requests, ${yield* charged} cards charged`)
}).pipe(Effect.provide(layer))

if (argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(program)
