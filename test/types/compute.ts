// of most values here only the type is looked at
/* eslint-disable @typescript-eslint/no-unused-vars */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
/** What the types of compute nodes promise, checked by `npm run check:types`. Nothing here runs. */
import { Context, Effect, Schema } from "effect"
import type { Layer } from "effect"
import { Dag, Module } from "heddle"
import type { NodeError } from "heddle"
import type { StoreError } from "heddle/model/StoreError"
import * as ComputeCache from "heddle/node/ComputeCache"
import * as ComputeNode from "heddle/node/ComputeNode"
import * as ComputeRegistry from "heddle/node/ComputeRegistry"
import type * as ParallelExecutor from "heddle/node/ParallelExecutor"
import type { StateStore } from "heddle/store/StateStore"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(...ok: Equal<A, B> extends true ? [] : [never]): void

class NoWords extends Schema.TaggedError<NoWords>()("NoWords", {}) {}
class Words extends Context.Tag("app/Words")<
  Words,
  { readonly split: (text: string) => Effect.Effect<string, NoWords> }
>() {}
class Key extends Context.Tag("app/Key")<Key, string>() {}
declare const Encrypted: Schema.Schema<string, string, Key>

class Slug extends ComputeNode.Service<Slug>()("app/Slug", {
  input: Schema.String,
  output: Schema.NonEmptyString,
  error: NoWords
}) {}
class Sealed extends ComputeNode.Service<Sealed>()("app/Sealed", { input: Encrypted, output: Schema.Date }) {}

// --- as a service

const direct = Effect.flatMap(Slug, ({ process }) => process("a title"))
same<typeof direct, Effect.Effect<string, NoWords | ComputeNode.Failure, Slug>>()
const called = Slug.call("a title")
same<typeof called, Effect.Effect<string, NoWords | ComputeNode.Failure, Slug>>()
same<typeof Slug.key, "app/Slug">()
// @ts-expect-error the input is a string
void Slug.call(1)

// --- layers: what the implementation and the schemas require; cache and executor are found when they are there

const live = Slug.layer({ compute: (title) => Effect.flatMap(Words, (words) => words.split(title)) })
same<typeof live, Layer.Layer<Slug, never, Words>>()
const pure = Slug.layerPure({ compute: (title) => title })
same<typeof pure, Layer.Layer<Slug>>()
const sealed = Sealed.layerPure({ compute: (text) => new Date(text) })
same<typeof sealed, Layer.Layer<Sealed, never, Key>>()
const made = Slug.layerEffect(
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.void)
    const words = yield* Words
    yield* Effect.when(Effect.fail("not made" as const), () => false)
    return { compute: (title: string) => words.split(title) }
  })
)
same<typeof made, Layer.Layer<Slug, "not made", Words>>()
const worker = Slug.layerWorker({ url: new URL("file:///slug.js"), export: "slug" })
same<typeof worker, Layer.Layer<Slug, never, ParallelExecutor.ParallelExecutor>>()

// @ts-expect-error wrong output of the implementation
Slug.layer({ compute: () => Effect.succeed(1) })
// @ts-expect-error an error that the node does not declare
Slug.layer({ compute: () => Effect.fail("other") })
// @ts-expect-error wrong input of the implementation
Slug.layerPure({ compute: (title: number) => String(title) })

// --- as a vertex

const title = Module.input("title", Schema.String)
const slug = Module.node("slug", { node: Slug, needs: { title }, input: ({ title }) => title })
same<Module.Output<typeof slug>, string>()
same<Module.Error<typeof slug>, NoWords | ComputeNode.Failure>()
same<Module.Requirements<typeof slug>, Slug>()
same<Module.Requirements<ReturnType<typeof sealedModule>>, Sealed | Key>()
const sealedModule = () => Module.node("sealed", { node: Sealed, needs: { title }, input: ({ title }) => title })
// @ts-expect-error wrong input of the node
Module.node("length", { node: Slug, needs: { title }, input: ({ title }) => title.length })
void Dag.make("slugs", { outputs: { slug } })

// --- the cache

const forgotten = ComputeCache.invalidate(Sealed, "a")
same<typeof forgotten, Effect.Effect<void, NodeError.NodeValueInvalid | StoreError, ComputeCache.ComputeCache | Key>>()
// @ts-expect-error not an input of the node
void ComputeCache.invalidate(Slug, 1)
const stored = ComputeCache.layerStore({ ttl: "1 minute" })
same<typeof stored, Layer.Layer<ComputeCache.ComputeCache, never, StateStore>>()

// --- the registry

const registry = Effect.flatMap(ComputeRegistry.ComputeRegistry, ({ register }) =>
  register("slug", ComputeRegistry.fromNode(Slug))
)
same<
  typeof registry,
  Effect.Effect<ComputeRegistry.Registered, ComputeRegistry.ComputationExists, ComputeRegistry.ComputeRegistry | Slug>
>()
const computation = ComputeRegistry.computation({
  input: Encrypted,
  output: Schema.String,
  error: NoWords,
  compute: (text) => Effect.flatMap(Words, (words) => words.split(text))
})
same<typeof computation, ComputeRegistry.Computation<Words | Key>>()
ComputeRegistry.computation({
  input: Schema.String,
  output: Schema.Number,
  // @ts-expect-error wrong output
  compute: (text) => Effect.succeed(text)
})
