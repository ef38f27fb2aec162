/** Counts primes: a compute node, and a Dag that calls it for parts of a range. */
import { Effect, Layer, Schema } from "effect"
import { Dag, Module } from "heddle"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ParallelExecutor from "heddle/node/ParallelExecutor"

const Range = Schema.Struct({ from: Schema.NonNegativeInt, to: Schema.NonNegativeInt })

/** What the function of the workers throws for more than a worker should be given at once. */
export class RangeTooLarge extends Schema.TaggedError<RangeTooLarge>()("RangeTooLarge", Range.fields) {
  override get message() {
    return `${this.to - this.from} numbers are too many for one call`
  }
}

/** The node, apart from how it is computed. */
export class CountPrimes extends ComputeNode.Service<CountPrimes>()("example/CountPrimes", {
  input: Range,
  output: Schema.Int,
  error: RangeTooLarge
}) {}

/** Computed by worker threads, and remembered: both can be replaced, and the node is the same. */
export const layer = CountPrimes.layerWorker({
  url: new URL("./primes.mjs", import.meta.url),
  export: "count"
}).pipe(
  Layer.provideMerge(ComputeCache.layer({ capacity: 100, ttl: "1 hour" })),
  Layer.provide(ParallelExecutor.layerWorkers({ size: 2 }))
)

const below = Module.input("below", Schema.NonNegativeInt)
const size = Module.input("size", Schema.Int.pipe(Schema.positive()))

const parts = Module.map("parts", {
  needs: { below, size },
  over: ({ below, size }) =>
    Array.from({ length: Math.ceil(below / size) }, (_, i) => ({
      from: i * size,
      to: Math.min((i + 1) * size, below)
    })),
  output: Schema.Int,
  run: (part) => CountPrimes.call(part)
})

const total = Module.pure("total", {
  needs: { parts },
  run: ({ parts }) => parts.reduce((sum, count) => sum + count, 0)
})

export const Count = Dag.make("count-primes", { outputs: { total } })

/** What it is called with, and what the cache has done for it. */
export const counted = Effect.map(ComputeCache.stats, ({ hits, misses }) => `${misses} parts computed, ${hits} known`)
