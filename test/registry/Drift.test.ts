import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Dag, Drift, Module, Plan } from "heddle"
import type { Flow } from "heddle/model/Flow"
import * as Frozen from "heddle/model/Frozen"
import * as ToolSchema from "heddle/plan/ToolSchema"

const n = Module.input("n", Schema.Number)
const dag = (output: Schema.Schema<any, any>, version?: string, body: () => unknown = () => 1): Dag.Any =>
  Dag.make("d", {
    outputs: {
      out: Module.make("out", {
        needs: { n },
        output,
        run: () => Effect.sync(body),
        ...(version === undefined ? {} : { version })
      })
    }
  })

const flowOf = (dag: Dag.Any) =>
  Effect.gen(function* () {
    const plan = yield* Plan.make(dag)
    const { modules, tools } = yield* ToolSchema.of(plan)
    const flow: Flow = {
      ...{ name: plan.dag, version: "1.0.0", fingerprint: plan.fingerprint, modules, tools, drift: {} },
      ...{ status: "active", lifecycle: "", governance: "", revision: 1, createdAt: 0, updatedAt: 0, updatedBy: "" }
    }
    return flow
  })

const verdicts = (before: Dag.Any, now: Dag.Any) =>
  Effect.gen(function* () {
    const report = yield* Drift.detect(yield* flowOf(before), now)
    assert.isTrue(Frozen.isDeep(report))
    const out = report.modules.find(({ name }) => name === "out")?.verdict
    return { out, whole: report.verdict, tools: Object.keys(report.tools), text: Drift.render(report) }
  })

const A = Schema.Struct({ a: Schema.String })

describe("Drift.detect", () => {
  it.effect("another body is not seen, another version is", () =>
    Effect.gen(function* () {
      const same = yield* verdicts(
        dag(A),
        dag(A, undefined, () => 2)
      )
      assert.deepStrictEqual(same, {
        out: "unchanged",
        whole: "unchanged",
        tools: [],
        text: "d 1.0.0: unchanged\n= 2 unchanged\n"
      })
      const other = yield* verdicts(dag(A), dag(A, "2"))
      assert.deepInclude(other, { out: "compatible", whole: "compatible", tools: [] })
      assert.include(other.text, "version")
    })
  )

  it.effect("an optional field is compatible, a required one is not", () =>
    Effect.gen(function* () {
      const more = yield* verdicts(dag(A), dag(Schema.Struct({ a: Schema.String, b: Schema.optional(Schema.Number) })))
      assert.deepInclude(more, { out: "compatible", whole: "compatible", tools: ["out"] })
      assert.include(more.text, "output.b: it was added, and is optional")
      const less = yield* verdicts(dag(A), dag(Schema.Struct({ a: Schema.String, b: Schema.Number })))
      assert.deepInclude(less, { out: "breaking", whole: "breaking", tools: ["out"] })
    })
  )
})
