/** `npx tsx docs/examples/orchestrator-node/main.ts`: orders as executions of an orchestrator. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Layer, Option } from "effect"
import { Engine, Heddle, RunId } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { charge, Day, Fulfil, Payments, PaymentsLive } from "./Fulfilment.js"

const name = (id: string) => RunId.make(id)

/** Two at a time; the third waits until one has ended. */
const limited = Effect.gen(function* () {
  const fulfil = yield* Fulfil
  const callers = yield* Effect.forEach([100, 200, 300], (cents, i) =>
    Effect.fork(fulfil.process({ lines: [cents] }, { runId: name(`order-${i + 1}`) }))
  )
  yield* Effect.sleep("10 millis")
  for (const { id, status } of yield* fulfil.active) yield* Console.log(`${id}: ${status}`)
  for (const caller of callers) yield* Console.log((yield* Fiber.join(caller)).ship)
})

/** A caller that goes away cuts its execution off; whoever names it again carries it on. */
const carriedOn = Effect.gen(function* () {
  const fulfil = yield* Fulfil
  const order = name("order-4")
  const caller = yield* Effect.fork(fulfil.process({ lines: [150, 250] }, { runId: order }))
  yield* Effect.repeat(Effect.delay(Effect.option(fulfil.progress(order)), "1 millis"), {
    until: (progress) => Option.exists(progress, ({ completed }) => completed.includes("charge"))
  })
  yield* Fiber.interrupt(caller)
  const { completed } = yield* fulfil.progress(order)
  yield* Console.log(
    `order-4 was cut off after ${completed.join(", ")}: ${Option.getOrThrow((yield* fulfil.context(order)).get(charge))}`
  )
  yield* Console.log((yield* fulfil.process({ lines: [150, 250] }, { runId: order })).ship)
})

/** A step's own error keeps its type, and the steps say what became of them. */
const declined = Effect.gen(function* () {
  const fulfil = yield* Fulfil
  const order = name("order-5")
  yield* Effect.catchTag(fulfil.process({ lines: [200_000] }, { runId: order }), "CardDeclined", ({ message }) =>
    Console.log(`order-5: ${message}`)
  )
  const { completed, failed, skipped } = yield* fulfil.progress(order)
  yield* Console.log(`order-5: completed ${completed.join()}, failed ${failed.join()}, skipped ${skipped.join()}`)
})

/** Executions that are modules of another run. */
const children = Effect.gen(function* () {
  const fulfil = yield* Fulfil
  const day = name("monday")
  const { evening, morning } = yield* Engine.execute(Day, { first: [10], second: [20] }, { runId: day })
  yield* Console.log(`monday: ${morning.ship}, ${evening.ship}`)
  const { completed } = yield* fulfil.progress(OrchestratorNode.childId(Fulfil, { runId: day, path: "morning" }))
  yield* Console.log(`monday's morning: ${completed.join(", ")}`)
})

const environment = Fulfil.layer({ concurrency: 2 }).pipe(
  Layer.provideMerge(Layer.merge(PaymentsLive, Heddle.layerMemory))
)

export const program = Effect.gen(function* () {
  yield* limited
  yield* carriedOn
  yield* declined
  yield* children
  yield* Console.log(`money was taken ${yield* (yield* Payments).taken} times`)
}).pipe(Effect.provide(environment))

if (argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(program)
