/** Changes flows that others change, too, as soon as it is told to, and says what it was told. */
// not by its package: undici, which comes with that, would take longer to load than all the rest
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, FastCheck as fc, Layer, Random, Schema, Stream } from "effect"
import { FlowRegistry } from "heddle"
import { FlowStore } from "heddle/store/FlowStore"
import * as FlowClient from "../FlowClient.js"
import type { Call } from "../FlowOrder.js"
import { layerOf, said, Settings, start } from "./Settings.js"

const { clients, each, flows, name, seed } = Schema.decodeSync(Schema.parseJson(Settings))(process.argv[2]!)

const program = Effect.gen(function* () {
  const client = { registry: yield* FlowRegistry.FlowRegistry, store: yield* FlowStore }
  const calls: Array<Call> = []
  const pause = Effect.flatMap(Random.nextIntBetween(0, 3), (millis) => Effect.sleep(millis))
  yield* Console.log(said.ready)
  yield* client.registry.changes.pipe(
    Stream.takeUntil((change) => change._tag === "Present" && change.flow.name === start),
    Stream.runDrain
  )
  yield* Effect.forEach(
    Array.from({ length: clients }, (_, i) => i),
    (i) =>
      Effect.forEach(fc.sample(FlowClient.decisions, { seed: seed + i, numRuns: each }), (command, j) =>
        Effect.zipRight(pause, FlowClient.call(client, calls, command, `${name} ${i} ${j}`))
      ),
    { concurrency: "unbounded" }
  )
  yield* Console.log(`${said.calls}${JSON.stringify(calls)}`)
}).pipe(Effect.provide(FlowRegistry.layer({ poll: "5 millis" }).pipe(Layer.provideMerge(layerOf(flows)))))

NodeRuntime.runMain(program)
