import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, ParseResult, Schema } from "effect"
import { Dag, Engine, Heddle, Module, Node } from "heddle"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"

class NoWords extends Schema.TaggedError<NoWords>()("NoWords", { title: Schema.String }) {}

class Slug extends ComputeNode.Service<Slug>()("test/Slug", {
  input: Schema.NonEmptyString,
  output: Schema.String.pipe(Schema.maxLength(20)),
  error: NoWords,
  version: 2
}) {}

const slugOf = (title: string) => {
  const words = title.toLowerCase().match(/[a-z0-9]+/g)
  return words === null ? new NoWords({ title }) : Effect.succeed(words.join("-"))
}

/** Both modes: what holds without a cache holds with one. */
const modes = [
  ["pure mode", Layer.empty],
  ["with a cache", ComputeCache.layer()]
] as const

for (const [mode, cache] of modes) {
  describe(mode, () => {
    it.effect("gives what it computes, and its own errors", () =>
      Effect.gen(function* () {
        const slug = yield* Slug
        assert.strictEqual(yield* slug.process("Hello, World"), "hello-world")
        assert.instanceOf(yield* Effect.flip(slug.process("...")), NoWords)
      }).pipe(Effect.provide(Layer.provide(Slug.layer({ compute: slugOf }), cache)))
    )

    it.effect("fails for an input that does not fit, of which nothing has run, and for such an output", () =>
      Effect.gen(function* () {
        const input = yield* Effect.flip(Slug.call(""))
        assert.deepInclude(input, { _tag: "NodeValueInvalid", node: "test/Slug", value: "input" })
        const output = yield* Effect.flip(Slug.call("a title that is too long"))
        assert.deepInclude(output, { _tag: "NodeValueInvalid", node: "test/Slug", value: "output" })
      }).pipe(
        Effect.provide(
          Layer.provide(
            Slug.layer({ compute: (title) => (title === "" ? Effect.dieMessage("it has run") : slugOf(title)) }),
            cache
          )
        )
      )
    )

    it.effect("looks at its input when it runs, and not when it is called", () => {
      const input = Schema.Struct({ n: Schema.Positive }).pipe(
        Schema.filter(({ n }) => {
          if (n === 13) throw new Error("odd")
          return true
        })
      )
      class Twice extends ComputeNode.Service<Twice>()("test/Twice", { input, output: Schema.Number }) {}
      return Effect.gen(function* () {
        const node = yield* Twice
        const value = { n: 1 }
        const later = node.process(value)
        value.n = -5
        assert.strictEqual((yield* Effect.flip(later))._tag, "NodeValueInvalid")
        value.n = 2
        assert.strictEqual(yield* later, 4)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(node.process({ n: 13 }))))
      }).pipe(Effect.provide(Layer.provide(Twice.layerPure({ compute: ({ n }) => n * 2 }), cache)))
    })

    it.effect("fails, with the path, for values that JSON cannot hold", () => {
      const Point = Schema.Struct({ x: Schema.Number })
      class Halve extends ComputeNode.Service<Halve>()("test/Halve", { input: Point, output: Point }) {}
      return Effect.gen(function* () {
        assert.match((yield* Effect.flip(Halve.call({ x: NaN }))).message, /the input of .* at x: NaN/)
        assert.match((yield* Effect.flip(Halve.call({ x: 1 }))).message, /the output of .* at x: Infinity/)
      }).pipe(Effect.provide(Layer.provide(Halve.layerPure({ compute: ({ x }) => ({ x: x / 0 }) }), cache)))
    })

    it.effect("takes what it requires where its Layer is built; the span and the logs are the caller's", () => {
      class Greeting extends Context.Tag("test/Greeting")<Greeting, string>() {}
      class Greet extends ComputeNode.Service<Greet>()("test/Greet", {
        input: Schema.String,
        output: Schema.Struct({ text: Schema.String, span: Schema.String })
      }) {}
      const live = Greet.layer({
        compute: (name) =>
          Effect.gen(function* () {
            const span = yield* Effect.orDie(Effect.currentSpan)
            return { text: `${yield* Greeting}, ${name}`, span: span.name }
          })
      })
      return Effect.gen(function* () {
        assert.deepStrictEqual(yield* Greet.call("Ann"), { text: "Hello, Ann", span: "caller" })
      }).pipe(
        Effect.withSpan("caller"),
        Effect.provideService(Greeting, "Goodbye"),
        Effect.provide(Layer.provide(live, [cache, Layer.succeed(Greeting, "Hello")]).pipe(Layer.withSpan("builder")))
      )
    })

    it.effect("dies with what a plain function throws", () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Slug.call("a"))
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }).pipe(
        Effect.provide(
          Layer.provide(
            Slug.layerPure({
              compute: () => {
                throw new Error("no")
              }
            }),
            cache
          )
        )
      )
    )

    it.effect("has resources that end with its Layer", () => {
      const log: Array<string> = []
      const live = Slug.layerEffect(
        Effect.gen(function* () {
          yield* Effect.acquireRelease(
            Effect.sync(() => log.push("acquired")),
            () => Effect.sync(() => log.push("released"))
          )
          return { compute: slugOf }
        })
      )
      return Effect.gen(function* () {
        yield* Effect.tap(Slug.call("a"), () => log.push("called")).pipe(Effect.provide(Layer.provide(live, cache)))
        assert.deepStrictEqual(log, ["acquired", "called", "released"])
      })
    })
  })
}

describe("a cache", () => {
  const Tags = Schema.mutable(Schema.Array(Schema.String))
  class Sort extends ComputeNode.Service<Sort>()("test/Sort", { input: Tags, output: Tags }) {}

  it.effect("is not changed by who changes what it was given or what it gave", () => {
    const kept: Array<Array<string>> = []
    const live = Sort.layerPure({
      compute: (tags) => {
        kept.push(tags)
        return tags.sort()
      }
    })
    return Effect.gen(function* () {
      const input = ["b", "a"]
      const first = yield* Sort.call(input)
      assert.deepStrictEqual(input, ["b", "a"], "what the computation does to its input")
      first.push("c")
      input.push("d")
      kept[0]!.push("e")
      assert.deepStrictEqual(yield* Sort.call(["b", "a"]), ["a", "b"])
      assert.strictEqual(kept.length, 1)
    }).pipe(Effect.provide(Layer.provide(live, ComputeCache.layer())))
  })

  it.effect("keeps undefined and null, and tells versions and nodes apart", () => {
    const counted = <const V extends number>(version: V) => {
      class Count extends ComputeNode.Service<Count>()("test/Count", {
        input: Schema.UndefinedOr(Schema.Int),
        output: Schema.Union(Schema.Undefined, Schema.Null, Schema.Int),
        version
      }) {}
      let calls = 0
      const live = Count.layerPure({ compute: (n) => (calls++, n === undefined ? undefined : n === 0 ? null : n) })
      return { Count, live, calls: () => calls }
    }
    const one = counted(1)
    const two = counted(2)
    return Effect.gen(function* () {
      for (const { Count, calls, live } of [one, two]) {
        yield* Effect.gen(function* () {
          for (const n of [undefined, 0, 1, undefined, 0, 1]) {
            assert.strictEqual(yield* Count.call(n), n === 0 ? null : n)
          }
        }).pipe(Effect.provide(live))
        assert.strictEqual(calls(), 3)
      }
    }).pipe(Effect.provide(ComputeCache.layer()))
  })

  it.effect("computes by what the schema sees of an input", () => {
    const Pair = Schema.Struct({ a: Schema.Int, b: Schema.optional(Schema.Int) })
    class Keys extends ComputeNode.Service<Keys>()("test/Keys", { input: Pair, output: Schema.Array(Schema.String) }) {}
    return Effect.gen(function* () {
      const more = { a: 1, c: 3, b: undefined }
      assert.deepStrictEqual(yield* Keys.call(more), ["a"])
      assert.deepStrictEqual(yield* Keys.call({ a: 1 }), ["a"])
      assert.strictEqual((yield* ComputeCache.stats).hits, 1)
    }).pipe(Effect.provide(Keys.layerPure({ compute: Object.keys })), Effect.provide(ComputeCache.layer()))
  })

  it.effect("does not keep an output that its schema encodes and does not decode", () => {
    const OneWay = Schema.transformOrFail(Schema.String, Schema.String, {
      strict: true,
      decode: (text, _, ast) => ParseResult.fail(new ParseResult.Type(ast, text, "it cannot be read")),
      encode: ParseResult.succeed
    })
    class Write extends ComputeNode.Service<Write>()("test/Write", { input: Schema.Int, output: OneWay }) {}
    return Effect.gen(function* () {
      for (const misses of [1, 2]) {
        assert.match((yield* Effect.flip(Write.call(1))).message, /the output of .* it cannot be read/)
        assert.deepInclude(yield* ComputeCache.stats, { misses, hits: 0, size: 0 })
      }
    }).pipe(Effect.provide(Write.layerPure({ compute: String })), Effect.provide(ComputeCache.layer()))
  })
})

describe("a module", () => {
  it.effect("is a call of the node; its output and its errors are stored", () => {
    const title = Module.input("title", Schema.String)
    const slug = Module.node("slug", { node: Slug, needs: { title }, input: ({ title }) => title })
    const length = Module.pure("length", { needs: { slug }, run: ({ slug }) => slug.length })
    const dag = Dag.make("slugs", { outputs: { slug, length } })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Engine.execute(dag, { title: "Hello World" }), { slug: "hello-world", length: 11 })
      assert.instanceOf(yield* Effect.flip(Engine.execute(dag, { title: "!" })), NoWords)
      const invalid = yield* Effect.flip(Engine.execute(dag, { title: "" }))
      assert.strictEqual(invalid._tag, "NodeValueInvalid")
    }).pipe(Effect.provide([Slug.layer({ compute: slugOf }), Heddle.layerMemory]))
  })

  it("knows a node", () => {
    assert.isTrue(Node.isNode(Slug))
    assert.deepInclude(Slug.description, { kind: "compute", version: "2" })
    assert.strictEqual(Slug.key, "test/Slug")
  })
})
