/**
 * The hot paths beside what they could be: 50 layered modules, run by Heddle, by hand-written promises, and by Effect with
 * a fiber and a Deferred for each module; and durable runs on SQLite. All subjects take turns in one process; compare the
 * ratios, the figures themselves depend on the machine.
 *
 * npm run bench
 */
import { Deferred, Effect, ManagedRuntime, Schema } from "effect"
import { Dag, Engine, Heddle, Module } from "heddle"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Bench } from "tinybench"

const layers = 5
const width = 10
const rounds = 5

/** Every module of a layer needs two of the layer before, and adds one to their sum modulo a prime. */
const needsOf = (layer: number, i: number): ReadonlyArray<number> => (layer === 0 ? [] : [i, (i + 3) % width])
const step = (values: Iterable<number>) => {
  let sum = 1
  for (const value of values) sum = (sum + value) % 1_000_003
  return sum
}

const dagOf = (
  name: string,
  make: (name: string, needs: { readonly [key: string]: Module.Of<number> }) => Module.Of<number>
) => {
  let previous: Array<Module.Of<number>> = []
  for (let layer = 0; layer < layers; layer++) {
    const from = previous
    previous = Array.from({ length: width }, (_, i) =>
      make(`m${layer}-${i}`, Object.fromEntries(needsOf(layer, i).map((need) => [`n${need}`, from[need]!])))
    )
  }
  return Dag.make(name, {
    outputs: Object.fromEntries(previous.map((module): [string, Module.Of<number>] => [module.name, module]))
  })
}

const pure = dagOf("pure50", (name, needs) =>
  Module.pure(name, { needs, run: (values) => step(Object.values(values)) })
)
const effect = dagOf("effect50", (name, needs) =>
  Module.make(name, { needs, output: Schema.Number, run: (values) => Effect.sync(() => step(Object.values(values))) })
)

/** A promise for each module, which awaits those of its needs. */
const promises = async () => {
  let previous: Array<Promise<number>> = []
  for (let layer = 0; layer < layers; layer++) {
    const from = previous
    previous = Array.from({ length: width }, async (_, i) =>
      step(await Promise.all(needsOf(layer, i).map((need) => from[need]!)))
    )
  }
  return Promise.all(previous)
}

/** A fiber and a Deferred for each module. */
const naive = Effect.gen(function* () {
  let previous: Array<Deferred.Deferred<number>> = []
  for (let layer = 0; layer < layers; layer++) {
    const from = previous
    previous = yield* Effect.all(Array.from({ length: width }, () => Deferred.make<number>()))
    for (const [i, done] of previous.entries()) {
      yield* Effect.fork(
        Effect.flatMap(
          Effect.forEach(needsOf(layer, i), (need) => Deferred.await(from[need]!)),
          (values) => Deferred.succeed(done, step(values))
        )
      )
    }
  }
  return yield* Effect.forEach(previous, Deferred.await)
})

const sum = (values: Iterable<number>) => Array.from(values).reduce((a, b) => a + b, 0)
const folder = mkdtempSync(join(tmpdir(), "heddle-bench-"))
const memory = ManagedRuntime.make(Heddle.layerMemory)
const sqlite = ManagedRuntime.make(Heddle.layerSqlite({ filename: join(folder, "bench.db") }))
const run = (runtime: typeof memory | typeof sqlite, dag: typeof pure, durability: Engine.Durability) => () =>
  runtime.runPromise(Engine.execute(dag, {}, { durability }))

const subjects: ReadonlyArray<readonly [name: string, run: () => Promise<unknown>]> = [
  ["hand-written promises", promises],
  ["naive Effect", () => Effect.runPromise(naive)],
  ["heddle pure50, memory", run(memory, pure, "memory")],
  ["heddle effect50, memory", run(memory, effect, "memory")],
  ["heddle effect50, buffered, store in memory", run(memory, effect, "buffered")],
  ["heddle effect50, buffered, SQLite", run(sqlite, effect, "buffered")],
  ["heddle effect50, committed, SQLite", run(sqlite, effect, "committed")]
]

// every subject does the same work
const expected = sum(await promises())
for (const [name, subject] of subjects) {
  const result = await subject()
  const found = sum(Object.values(result as { readonly [key: string]: number }))
  if (found !== expected) throw new Error(`${name} gives ${found} in place of ${expected}`)
}

const medians = new Map(subjects.map(([name]) => [name, [] as Array<number>]))
for (let round = 0; round < rounds; round++) {
  const bench = new Bench({ time: 300, warmupTime: 100 })
  for (const [name, subject] of subjects) bench.add(name, async () => void (await subject()))
  await bench.run()
  for (const { name, result } of bench.tasks) medians.get(name)!.push(result!.latency.p50! * 1000)
  console.error(`round ${round + 1} of ${rounds}`)
}
const median = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
const modules = layers * width
const base = median(medians.get("hand-written promises")!)
console.table(
  subjects.map(([name]) => {
    const values = medians.get(name)!
    return {
      subject: name,
      "µs a run (median)": Number(median(values).toFixed(1)),
      min: Number(Math.min(...values).toFixed(1)),
      max: Number(Math.max(...values).toFixed(1)),
      "ns a module": Math.round((median(values) * 1000) / modules),
      "/ promises": Number((median(values) / base).toFixed(2))
    }
  })
)
await memory.dispose()
await sqlite.dispose()
rmSync(folder, { recursive: true })
