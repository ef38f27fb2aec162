/** Dags of a few kinds, which are registered under any name. */
import { Effect, Either, Schema } from "effect"
import { Dag, type Flow, Module, Plan } from "heddle"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ToolSchema from "heddle/plan/ToolSchema"

class RateOfText extends ComputeNode.Service<RateOfText>()("test/Rate", {
  input: Schema.String,
  output: Schema.Number
}) {}
class RateOfRecord extends ComputeNode.Service<RateOfRecord>()("test/Rate", {
  input: Schema.Struct({ of: Schema.String }),
  output: Schema.Number
}) {}

/** `output`: which schema a module has, which the fingerprint sees; `node`: which input the node has, which it does not. */
export interface Kind {
  readonly output: 0 | 1
  readonly node: 0 | 1
}

export const kinds: ReadonlyArray<Kind> = [
  { output: 0, node: 0 },
  { output: 0, node: 1 },
  { output: 1, node: 0 }
]

const outputs: Readonly<Record<Kind["output"], Schema.Schema<number | null>>> = {
  0: Schema.NullOr(Schema.Number),
  1: Schema.NullOr(Schema.Int)
}

const dags = new Map<string, Dag.Any>()

export const dagOf = (name: string, { node, output }: Kind): Dag.Any => {
  const key = JSON.stringify([name, node, output])
  let dag = dags.get(key)
  if (dag === undefined) {
    const n = Module.input("n", Schema.String)
    const rate =
      node === 0
        ? Module.node("rate", { node: RateOfText, needs: { n }, input: ({ n }) => n })
        : Module.node("rate", { node: RateOfRecord, needs: { n }, input: ({ n }) => ({ of: n }) })
    const total = Module.make("total", {
      needs: { rate },
      output: outputs[output],
      run: ({ rate }) => Effect.succeed(rate)
    })
    dags.set(key, (dag = Dag.make(name, { outputs: { total } })))
  }
  return dag
}

export interface Defined extends ToolSchema.ToolSchema {
  readonly fingerprint: string
}

export const definitionOf = (dag: Dag.Any): Defined => {
  const plan = Effect.runSync(Plan.make(dag))
  return { fingerprint: plan.fingerprint, ...Either.getOrThrow(ToolSchema.of(plan)) }
}

export const toolNames = ["n", "rate", "total", "node:test/Rate"] as const

const unknownHash = (digit: string) => digit.repeat(64)

/** What a tool may be found to take and give. */
export const foundAs = (tool: string): ReadonlyArray<Flow.Tool> => [
  ...kinds.map((kind) => definitionOf(dagOf("any", kind)).tools[tool] ?? { hash: unknownHash("e"), schema: null }),
  { hash: unknownHash("f"), schema: null }
]
