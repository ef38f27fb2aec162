/**
 * The Dags that the processes take turns on, and what they have to give: built from numbers alone, so that every process
 * builds the same ones.
 */
import { Effect, Schema } from "effect"
import { Dag, Module, type Run, RunId } from "heddle"

/** One after the other; side by side; over the items of a list; with times and signals to wait for in between. */
const kinds = ["chain", "wide", "map", "wait"] as const
type Kind = (typeof kinds)[number]

/** `stages`: how many of them a `chain` has, one after the other; of the other kinds they take longer. */
export interface Size {
  readonly runs: number
  readonly stages: number
}

/** What only the engine provides. */
type Inside = Effect.Effect.Context<typeof Run.id>

/** What the modules of effects do besides: `index` is that of an item of a map. */
export type Work = (module: string, index?: number) => Effect.Effect<void, never, Inside>

const combine = (value: number, salt: number): number => (value * 31 + salt * 7 + 1) % 1_000_003
const sum = (values: ReadonlyArray<number>): number => values.reduce((a, b) => (a + b) % 1_000_003, 0)
const itemsOf = (value: number): ReadonlyArray<number> => [value, value + 1, value + 2, value + 3]
const branches = [1, 2, 3]

/** Every fourth stage of `wait` waits for a signal, which adds this. */
const isSignalled = (stage: number): boolean => stage % 4 === 3
const signalled = (stage: number): number => stage + 1000

type Value = Module.Of<number, never, never, Module.Input<"n", number>>

const n = Module.input("n", Schema.Int)

const signalOf = (stage: number, previous: Value) =>
  Module.signal(`go${stage}`, { needs: { previous }, value: Schema.Int })

const stageOf = (kind: Kind, stage: number, previous: Value, work: Work): Value => {
  const step = (name: string, salt: number): Value =>
    Module.make(name, {
      needs: { previous },
      output: Schema.Int,
      run: ({ previous }) => Effect.as(work(name), combine(previous, salt))
    })
  switch (kind) {
    case "chain":
      return step(`step${stage}`, stage)
    case "wide": {
      const [a, b, c] = branches.map((branch) => step(`branch${stage}-${branch}`, stage + branch))
      return Module.pure(`join${stage}`, {
        needs: { a: a!, b: b!, c: c! },
        output: Schema.Int,
        run: ({ a, b, c }) => sum([a, b, c])
      })
    }
    case "map": {
      const name = `items${stage}`
      const items = Module.map(name, {
        needs: { previous },
        over: ({ previous }) => itemsOf(previous),
        output: Schema.Int,
        concurrency: 2,
        run: (item, _, index) => Effect.as(work(name, index), combine(item, stage))
      })
      return Module.pure(`sum${stage}`, { needs: { items }, output: Schema.Int, run: ({ items }) => sum(items) })
    }
    case "wait": {
      const pause = Module.sleep(`pause${stage}`, { needs: { previous }, duration: 50 + ((stage * 37) % 150) })
      const name = `after${stage}`
      if (isSignalled(stage)) {
        return Module.make(name, {
          needs: { previous, go: signalOf(stage, previous), pause },
          output: Schema.Int,
          run: ({ go, previous }) => Effect.as(work(name), combine(previous, go))
        })
      }
      return Module.make(name, {
        needs: { previous, pause },
        output: Schema.Int,
        run: ({ previous }) => Effect.as(work(name), combine(previous, stage))
      })
    }
  }
}

const dagOf = (kind: Kind, stages: number, work: Work) => {
  let result: Value = n
  for (let stage = 0; stage < stages; stage++) result = stageOf(kind, stage, result, work)
  return Dag.make(kind, { outputs: { result } })
}

const valueOf = (kind: Kind, stages: number, n: number): number => {
  let value = n
  for (let stage = 0; stage < stages; stage++) {
    if (kind === "wide") value = sum(branches.map((branch) => combine(value, stage + branch)))
    else if (kind === "map") value = sum(itemsOf(value).map((item) => combine(item, stage)))
    else value = combine(value, kind === "wait" && isSignalled(stage) ? signalled(stage) : stage)
  }
  return value
}

/** What has to be completed of a run by somebody's work, as `module` or `module:index`. */
const worksOf = (kind: Kind, stages: number): ReadonlyArray<string> =>
  Array.from({ length: stages }, (_, stage) => {
    if (kind === "chain") return [`step${stage}`]
    if (kind === "wide") return branches.map((branch) => `branch${stage}-${branch}`)
    if (kind === "map") return itemsOf(0).map((_, index) => `items${stage}:${index}`)
    return [`after${stage}`]
  }).flat()

const stagesOf = (kind: Kind, { stages }: Size): number =>
  Math.ceil(stages / { chain: 1, wide: 1.5, map: 2, wait: 3 }[kind])

/** The Dags that an engine owns that drives the runs. */
export const dags = (size: Size, work: Work) => kinds.map((kind) => dagOf(kind, stagesOf(kind, size), work))

export interface ChaosRun {
  readonly runId: RunId
  readonly dag: ReturnType<typeof dagOf>
  readonly n: number
  /** The output of its last module. */
  readonly result: number
  readonly last: string
  readonly works: ReadonlyArray<string>
  readonly signals: ReadonlyArray<{ readonly signal: ReturnType<typeof signalOf>; readonly value: number }>
}

/** The runs that are submitted, and what has to become of each. */
export const runs = (size: Size): ReadonlyArray<ChaosRun> => {
  const all = dags(size, () => Effect.void)
  return Array.from({ length: size.runs }, (_, i) => {
    const kind = kinds[i % kinds.length]!
    const stages = stagesOf(kind, size)
    const n = 1000 + i
    return {
      runId: RunId.make(`${kind}-${i}`),
      dag: all[i % kinds.length]!,
      n,
      result: valueOf(kind, stages, n),
      last: { chain: "step", wide: "join", map: "sum", wait: "after" }[kind] + (stages - 1),
      works: worksOf(kind, stages),
      signals: Array.from({ length: kind === "wait" ? stages : 0 }, (_, stage) => stage)
        .filter(isSignalled)
        .map((stage) => ({ signal: signalOf(stage, Module.input("n", Schema.Int)), value: signalled(stage) }))
    }
  })
}
