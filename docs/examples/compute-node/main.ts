/** `npx tsx docs/examples/compute-node/main.ts`: primes, counted by worker threads, each part of the range once. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Engine, Heddle } from "heddle"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { Count, counted, layer } from "./Primes.js"

/** Counts twice: the second range has most of its parts in common with the first. */
export const program = (below: number, size: number) =>
  Effect.gen(function* () {
    for (const end of [below, below + size]) {
      const { total } = yield* Engine.execute(Count, { below: end, size })
      yield* Console.log(`${total} primes below ${end}: ${yield* counted}`)
    }
  }).pipe(Effect.provide(Layer.merge(layer, Heddle.layerMemory)))

if (argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(program(1_000_000, 100_000))
