/** Orchestrators of workflows that contracts declare. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Dag, Engine, Module, RunError, RunId } from "heddle"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as Contract from "heddle/node/Contract"
import { ContractInvalid } from "heddle/node/ContractFault"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"
import * as DebugGuard from "heddle/run/DebugGuard"
import { alone } from "../run/Harness.js"

class Slug extends ComputeNode.Service<Slug>()("test/Slug", { input: Schema.String, output: Schema.String }) {}
class Publish extends OrchestratorNode.Contract<Publish>()("test/Publish", { nodes: { Slug } }) {}

const SlugLive = Slug.layer({ compute: (title) => Effect.succeed(title.toLowerCase()) })

const id = RunId.make("post")

const parse = (steps: string) =>
  Effect.flatMap(Contract.parse(`kind: workflow\nname: publish\nsteps:\n${steps}\n`), (contract) =>
    Contract.ofKind(contract, "workflow")
  )

const live = (steps: string) =>
  Layer.unwrapEffect(Effect.map(parse(steps), (contract) => Publish.layer(contract))).pipe(
    Layer.provideMerge(alone()),
    Layer.provide(SlugLive)
  )

const first = "  - { name: first, kind: compute, node: Slug, input: input.title }"
const off = "  - { name: off, kind: compute, node: Slug, enabled: false, input: input.title, depends_on: [first] }"
const last = "  - { name: last, kind: compute, node: Slug, input: needs.first, depends_on: [first, off] }"

describe("a workflow contract", () => {
  it.effect(
    "is run as a service: its own steps are listed, and one that is not enabled is skipped and holds up nobody",
    () =>
      Effect.gen(function* () {
        const node = yield* Publish
        const { result } = yield* node.process({ input: { title: "Hello" } }, { runId: id })
        assert.deepStrictEqual(result, { first: "hello", last: "hello" })
        const progress = yield* node.progress(id)
        assert.deepInclude(progress, { status: "completed", completed: ["first", "last"], skipped: ["off"] })
        assert.deepInclude(progress, { pending: [], running: [], suspended: [], failed: [], cancelled: [] })
        assert.deepStrictEqual((yield* node.context(id)).values, { first: "hello", last: "hello" })
      }).pipe(Effect.provide(live(`${first}\n${off}\n${last}`)))
  )

  it.effect("is not looked at with another contract than its execution began with", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(Publish, (node) => node.process({ input: { title: "Hello" } }, { runId: id })).pipe(
        Effect.provide(Layer.provide(Layer.unwrapEffect(Effect.map(parse(first), (c) => Publish.layer(c))), SlugLive))
      )
      const changed = yield* Effect.flatMap(Publish, (node) => Effect.flip(node.progress(id))).pipe(
        Effect.provide(
          Layer.provide(Layer.unwrapEffect(Effect.map(parse(`${first}\n${off}`), (c) => Publish.layer(c))), SlugLive)
        )
      )
      assert.instanceOf(changed, RunError.DagChanged)
    }).pipe(Effect.provide(alone()))
  )

  it.effect("that names a node that there is not fails before anything runs", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(live(first.replace("Slug", "Slag"))))
      assert.instanceOf(error, ContractInvalid)
    }).pipe(Effect.scoped)
  )

  it.effect("has the values of its executions guarded", () =>
    Effect.gen(function* () {
      assert.isTrue(Object.isFrozen(yield* Publish.call({ input: { title: "Hello" } })))
    }).pipe(
      Effect.provide(live(first)),
      Effect.provide(DebugGuard.layer({ onViolation: (violation) => Effect.die(violation) }))
    )
  )

  it.effect("is a module of another Dag", () => {
    const published = Module.node("published", { node: Publish, input: () => ({ input: { title: "Hello" } }) })
    return Effect.gen(function* () {
      const outputs = yield* Engine.execute(Dag.make("site", { outputs: { published } }), {}, { runId: id })
      assert.deepStrictEqual(outputs, { published: { result: { first: "hello" } } })
    }).pipe(Effect.provide(live(first)))
  })
})
