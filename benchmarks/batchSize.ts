/**
 * What the writer's `batchSize` costs: 300 modules with 4 `buffered` updates each, written to a SQLite file in batches of
 * 10 and of 1,000. Both take turns in one process; compare the ratio, the figures themselves depend on the machine.
 *
 * npx tsx benchmarks/batchSize.ts
 */
import { Context, Effect, Layer } from "effect"
import { RunId, RunStore, StateWriter } from "heddle"
import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const modules = 300
const statuses = ["scheduled", "running", "suspended", "completed"] as const
const sizes = [10, 1000] as const
const rounds = 30

const folder = mkdtempSync(join(tmpdir(), "heddle-bench-"))

/** Writes the updates of one run; gives the milliseconds until all are committed, and the commits that it took. */
const write = (writer: typeof StateWriter.StateWriter.Service, name: string) =>
  Effect.gen(function* () {
    const store = yield* RunStore.RunStore
    const runId = RunId.make(name)
    yield* store.open({
      runId,
      dag: "bench",
      fingerprint: "bench",
      total: modules,
      input: "{}",
      policy: "{}",
      signals: "[]",
      owner: "bench",
      createdAt: 0
    })
    const claim = { runId, epoch: 1 }
    const before = yield* writer.stats
    const began = process.hrtime.bigint()
    let seq = 0
    for (const status of statuses) {
      for (let i = 0; i < modules; i++) {
        yield* writer.update({
          claim,
          transition: { _tag: "ModuleTransition", seq: ++seq, at: seq, module: `m${i}`, status, attempt: 1 },
          output: status === "completed" ? `{"value":${i}}` : null,
          durability: "buffered"
        })
      }
    }
    yield* writer.flush
    const millis = Number(process.hrtime.bigint() - began) / 1e6
    return { millis, batches: (yield* writer.stats).batches - before.batches }
  })

const median = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const program = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const writers = yield* Effect.forEach(sizes, (batchSize) =>
    Effect.map(
      Layer.buildWithScope(Layer.fresh(StateWriter.layer({ batchSize })), scope),
      Context.get(StateWriter.StateWriter)
    )
  )
  const results = sizes.map(() => ({ millis: [] as Array<number>, batches: [] as Array<number> }))
  for (let round = -2; round < rounds; round++) {
    for (const [i, writer] of writers.entries()) {
      const { batches, millis } = yield* write(writer, `${round} ${sizes[i]}`)
      // the first rounds warm up
      if (round < 0) continue
      results[i]!.millis.push(millis)
      results[i]!.batches.push(batches)
    }
  }
  console.table(
    results.map(({ batches, millis }, i) => ({
      "batches of": sizes[i],
      commits: median(batches),
      "ms (median)": Number(median(millis).toFixed(1)),
      min: Number(Math.min(...millis).toFixed(1)),
      max: Number(Math.max(...millis).toFixed(1))
    }))
  )
  const ratios = results[0]!.millis.map((ten, i) => ten / results[1]!.millis[i]!)
  console.log(`batches of 10 take ${median(ratios).toFixed(2)} times as long (median of ${rounds} rounds)`)
})

await Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(RunStoreSqlite.layer({ filename: join(folder, "bench.db") })))
)
rmSync(folder, { recursive: true })
