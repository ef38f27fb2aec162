import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ComputeNode, Dag, Drift, Module, Plan } from "heddle"
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

class Rate extends ComputeNode.Service<Rate>()("test/Rate", { input: Schema.Number, output: Schema.Number }) {}
class WholeRate extends ComputeNode.Service<WholeRate>()("test/Rate", { input: Schema.Int, output: Schema.Number }) {}
class MaybeRate extends ComputeNode.Service<MaybeRate>()("test/Rate", {
  input: Schema.Number,
  output: Schema.NullOr(Schema.Number)
}) {}

const rated = (rate: Module.Any): Dag.Any => Dag.make("d", { outputs: { rate } })
const plainRate = rated(Module.node("rate", { node: Rate, needs: { n }, input: ({ n }) => n }))
const wholeRate = rated(Module.node("rate", { node: WholeRate, needs: { n }, input: ({ n }) => n }))
const maybeRate = rated(Module.node("rate", { node: MaybeRate, needs: { n }, input: ({ n }) => n }))

const one = Module.pure("one", { output: Schema.Number, run: () => 1 })
const two = Module.pure("two", { output: Schema.Number, run: () => 2 })
const m = Module.input("m", Schema.Number)
const outputs = (modules: Record<string, Module.Any>, name = "d"): Dag.Any => Dag.make(name, { outputs: modules })
const sum = (needs: Record<string, Module.Any>) => Module.pure("sum", { needs, output: Schema.Number, run: () => 0 })
const failing = (error: Schema.Schema<any, any>) =>
  outputs({ out: Module.make("out", { needs: { n }, output: Schema.Number, error, run: () => Effect.succeed(1) }) })
const parent = (output: Schema.Schema<any, any>) => {
  const out = Module.make("out", { needs: { n }, output, run: () => Effect.succeed<unknown>(1) })
  const child = Dag.make("child", { outputs: { out } })
  return outputs({ child: Module.dag("child", { dag: child, needs: { n }, input: ({ n }) => ({ n }) }) })
}

const longer = Schema.Struct({ a: Schema.String, b: Schema.Number })

/** Each with the verdict of the whole, what is said of each tool that is not unchanged, and which are reported. */
const cases: ReadonlyArray<
  readonly [
    name: string,
    before: Dag.Any,
    now: Dag.Any,
    verdict: Drift.Verdict,
    tools: Record<string, readonly [Drift.ToolDrift["verdict"], ...Array<string>]>,
    reported: ReadonlyArray<string>
  ]
> = [
  [
    "what a node takes, which no fingerprint sees",
    plainRate,
    wholeRate,
    "breaking",
    { "node:test/Rate": ["breaking", "input"] },
    ["node:test/Rate"]
  ],
  [
    "what a node gives",
    plainRate,
    maybeRate,
    "compatible",
    { rate: ["compatible", "fingerprint", "output"], "node:test/Rate": ["compatible", "output"] },
    ["node:test/Rate", "rate"]
  ],
  ["an added module", outputs({ one }), outputs({ one, two }), "compatible", { two: ["added"] }, []],
  ["a removed module", outputs({ one, two }), outputs({ one }), "breaking", { two: ["removed"] }, []],
  [
    "an added run input",
    outputs({ sum: sum({ n }) }),
    outputs({ sum: sum({ m, n }) }),
    "breaking",
    { m: ["added"], sum: ["breaking", "fingerprint", "input"] },
    ["sum"]
  ],
  [
    "only a run input was added",
    outputs({ one, n: sum({ n }) }),
    outputs({ one, n: sum({ n }), m: Module.pure("other", { needs: { m }, output: Schema.Number, run: () => 1 }) }),
    "breaking",
    { m: ["added"], other: ["added"] },
    []
  ],
  [
    "an error",
    failing(Schema.String),
    failing(Schema.Number),
    "compatible",
    { out: ["compatible", "fingerprint"] },
    []
  ],
  ["another name", outputs({ one }), outputs({ one }, "other"), "breaking", {}, []],
  [
    "what is in a child Dag",
    parent(A),
    parent(longer),
    "breaking",
    { child: ["breaking", "fingerprint", "output"], "child/out": ["breaking", "fingerprint", "output"] },
    ["child", "child/out"]
  ]
]

describe("Drift.detect tells of", () => {
  for (const [name, before, now, verdict, tools, reported] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const report = yield* Drift.detect(yield* flowOf(before), now)
        const drifts = [...report.modules, ...report.nodes].filter(({ verdict }) => verdict !== "unchanged")
        assert.deepStrictEqual<object>(
          Object.fromEntries(drifts.map(({ differs, name, verdict }) => [name, [verdict, ...differs]])),
          tools
        )
        assert.strictEqual(report.verdict, verdict)
        assert.deepStrictEqual(Object.keys(report.tools).sort(), reported)
        for (const tool of reported) {
          assert.deepStrictEqual(
            report.tools[tool],
            (yield* ToolSchema.of(yield* Plan.make(now))).tools[tool],
            "as it is now"
          )
        }
        assert.isTrue(report.nodes.every(({ name }) => name.startsWith("node:")))
        assert.isFalse(report.modules.some(({ name }) => name.startsWith("node:")))
        // whatever is not unchanged says why, or is plain
        for (const { reasons, verdict } of drifts) {
          if (verdict === "breaking" || verdict === "compatible") assert.isNotEmpty(reasons)
        }
        const text = Drift.render(report)
        for (const { name, verdict } of drifts) assert.include(text, ` ${name}: ${verdict}\n`)
        // a flow is what it was registered with
        const same = yield* Drift.detect(yield* flowOf(now), now)
        assert.strictEqual(same.verdict, "unchanged")
        assert.deepStrictEqual(same.tools, {})
      })
    )
  }

  it.effect("who reads an output with the earlier schema", () =>
    Effect.gen(function* () {
      const report = yield* Drift.detect(yield* flowOf(plainRate), maybeRate)
      const [node] = report.nodes
      assert.include(node!.reasons.map(({ message }) => message).join(), "who reads it with the earlier schema")
      const optional = yield* Drift.detect(yield* flowOf(dag(longer)), dag(A))
      assert.include(Drift.render(optional), "who reads it with the earlier schema")
    })
  )

  it.effect("a run that has to be given what it had not, and another Dag", () =>
    Effect.gen(function* () {
      const added = yield* Drift.detect(yield* flowOf(outputs({ sum: sum({ n }) })), outputs({ sum: sum({ m, n }) }))
      assert.deepStrictEqual(added.modules.find(({ name }) => name === "m")?.reasons, [
        { path: [], message: "a run has to be given it" }
      ])
      const other = yield* Drift.detect(yield* flowOf(outputs({ one })), outputs({ one }, "other"))
      assert.match(Drift.render(other), /the Dag is "other", which is another one/)
    })
  )

  it.effect("a tool of which only the hash is known", () =>
    Effect.gen(function* () {
      const flow = yield* flowOf(dag(A))
      const known = { ...flow, tools: { ...flow.tools, out: { ...flow.tools["out"]!, schema: null } } }
      assert.strictEqual((yield* Drift.detect(known, dag(A))).verdict, "unchanged")
      const unknown = { ...flow, tools: { ...flow.tools, out: { hash: "a".repeat(64), schema: null } } }
      const report = yield* Drift.detect(unknown, dag(A))
      assert.strictEqual(report.verdict, "breaking")
      assert.deepStrictEqual(Object.keys(report.tools), ["out"])
      assert.match(Drift.render(report), /only its hash is known/)
    })
  )
})
