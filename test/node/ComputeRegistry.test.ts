import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Schema } from "effect"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ComputeRegistry from "heddle/node/ComputeRegistry"

class Bad extends Schema.TaggedError<Bad>()("test/Bad", { at: Schema.DateFromString }) {}

const power = (exponent: number) =>
  ComputeRegistry.computation({
    input: Schema.NumberFromString,
    output: Schema.Struct({ result: Schema.NumberFromString }),
    version: exponent,
    compute: (n) => Effect.succeed({ result: n ** exponent })
  })

const registry = ComputeRegistry.ComputeRegistry
const at = new Date(0)

describe("a registry", () => {
  it.effect("calls by name: decodes, computes, encodes", () =>
    Effect.gen(function* () {
      const { call, register } = yield* registry
      yield* register("square", power(2))
      assert.deepStrictEqual(yield* call("square", "12"), { result: "144" })
      const invalid = yield* Effect.flip(call("square", 12))
      assert.deepInclude(invalid, { _tag: "NodeValueInvalid", node: "square", value: "input" })
      assert.match(invalid.message, /Expected string/)
      const unfit = ComputeRegistry.computation({
        input: Schema.Null,
        output: Schema.Number,
        compute: () => Effect.succeed(NaN)
      })
      yield* register("unfit", unfit)
      assert.match((yield* Effect.flip(call("unfit", null))).message, /^the output of "unfit" .*: NaN/)
    }).pipe(Effect.provide(ComputeRegistry.layer))
  )

  it.effect("refuses a name that is taken and one that is not, and names those that are near", () =>
    Effect.gen(function* () {
      const { call, get, list, register, replace } = yield* registry
      yield* register("square", power(2))
      yield* register("cube", power(3))
      const taken = yield* Effect.flip(register("cube", power(4)))
      assert.strictEqual(taken.message, `there is a computation "cube" already: replace it, or take another name`)
      const unknown = yield* Effect.flip(call("Sqare", "1"))
      assert.strictEqual(unknown.message, `there is no computation "Sqare": did you mean "square"?`)
      assert.strictEqual((yield* Effect.flip(get("tesseract"))).message, `there is no computation "tesseract"`)
      assert.deepInclude(yield* Effect.flip(replace("cubes", power(4))), { name: "cubes", near: ["cube"] })
      assert.deepStrictEqual(
        (yield* list).map(({ name }) => name),
        ["cube", "square"]
      )
    }).pipe(Effect.provide(ComputeRegistry.layer))
  )

  it.effect("changes no value that somebody holds, and no call that runs", () =>
    Effect.gen(function* () {
      const { call, get, list, register, replace } = yield* registry
      yield* register(
        "slow",
        ComputeRegistry.computation({
          input: Schema.Void,
          output: Schema.String,
          compute: () => Effect.as(Effect.repeatN(Effect.yieldNow(), 20), "old")
        })
      )
      const held = yield* list
      const running = yield* Effect.fork(call("slow", undefined))
      yield* Effect.yieldNow()
      yield* replace("slow", power(2))
      yield* register("another", power(3))
      assert.strictEqual(yield* Fiber.join(running), "old")
      assert.strictEqual(held.length, 1)
      assert.isTrue(Object.isFrozen(held[0]))
      assert.isUndefined(held[0]!.version)
      assert.strictEqual((yield* get("slow")).version, "2")
      assert.deepStrictEqual(yield* call("slow", "3"), { result: "9" })
    }).pipe(Effect.provide(ComputeRegistry.layer))
  )

  it.effect("lets one of those that register a name at the same time have it", () =>
    Effect.gen(function* () {
      const { register } = yield* registry
      const all = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) => Effect.either(register("name", power(i))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(all.filter(({ _tag }) => _tag === "Right").length, 1)
    }).pipe(Effect.provide(ComputeRegistry.layer))
  )

  it.effect("gives a computation's own error with its encoding", () =>
    Effect.gen(function* () {
      const { call, register } = yield* registry
      yield* register(
        "bad",
        ComputeRegistry.computation({
          input: Schema.Null,
          output: Schema.Null,
          error: Bad,
          compute: () => new Bad({ at })
        })
      )
      const failed = yield* Effect.flip(call("bad", null))
      assert.strictEqual(failed._tag, "ComputationFailed")
      assert.deepInclude(failed, { name: "bad", error: { _tag: "test/Bad", at: at.toISOString() } })
      assert.instanceOf(failed.cause, Bad)
    }).pipe(Effect.provide(ComputeRegistry.layer))
  )

  it.effect("calls nodes, and what requires services, with those of who registered it", () => {
    class Factor extends Context.Tag("test/Factor")<Factor, number>() {}
    class Scale extends ComputeNode.Service<Scale>()("test/Scale", { input: Schema.Int, output: Schema.Int }) {}
    const scale = (n: number) => Effect.map(Factor, (factor) => n * factor)
    return Effect.gen(function* () {
      const { call, register } = yield* registry
      yield* register("node", ComputeRegistry.fromNode(Scale)).pipe(
        Effect.provide(Scale.layer({ compute: scale })),
        Effect.provideService(Factor, 2)
      )
      yield* register(
        "function",
        ComputeRegistry.computation({ input: Schema.Int, output: Schema.Int, compute: scale })
      ).pipe(Effect.provideService(Factor, 3))
      assert.deepStrictEqual([yield* call("node", 5), yield* call("function", 5)], [10, 15])
    }).pipe(Effect.provide(ComputeRegistry.layer))
  })
})
