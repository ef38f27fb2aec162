/** What the types of orchestrators say; compiled by `npm run check:types`, never run. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { Stream } from "effect"
import { Dag, Engine, Heddle, Module, RunId } from "heddle"
import type { NodeError, RunError, Timeline } from "heddle"
import * as OrchestratorNode from "heddle/node/OrchestratorNode"

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => {}

class Stock extends Context.Tag("types/Stock")<Stock, { readonly hold: Effect.Effect<number, OutOfStock> }>() {}
class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", {}) {}

const cents = Module.input("cents", Schema.Int)
const hold = Module.make("hold", {
  needs: { cents },
  output: Schema.Struct({ kept: Schema.Array(Schema.Int) }),
  error: OutOfStock,
  run: () => Effect.flatMap(Stock, ({ hold }) => Effect.map(hold, (n) => ({ kept: [n] })))
})
const maybe = Module.make("maybe", { output: Schema.String, onFailure: "skip", run: () => Effect.succeed("a") })
const FulfilDag = Dag.make("fulfil", { outputs: { hold, maybe } })

class Fulfil extends OrchestratorNode.Service<Fulfil>()("types/Fulfil", { dag: FulfilDag }) {}

interface Outputs {
  readonly hold: { readonly kept: ReadonlyArray<number> }
  readonly maybe: Option.Option<string>
}

type Failing =
  OutOfStock | OrchestratorNode.OrchestrationFailed | OrchestratorNode.OrchestratorFull | NodeError.NodeValueInvalid

// its layer requires what its Dag does, the engine, and what reads the store
const _layer = Fulfil.layer({ concurrency: 3 })
holds<Equals<Layer.Layer.Context<typeof _layer>, Stock | Engine.Engine | Timeline.Timeline>>()
holds<Equals<Layer.Layer.Error<typeof _layer>, never>>()
holds<Equals<Layer.Layer.Success<typeof _layer>, Fulfil>>()
// @ts-expect-error: `sometimes` is no way of being full
void Fulfil.layer({ whenFull: "sometimes" })

export const program = Effect.gen(function* () {
  const fulfil = yield* Fulfil
  const _outputs = fulfil.process({ cents: 1 }, { runId: RunId.make("a") })
  holds<Equals<Effect.Effect.Success<typeof _outputs>["hold"], Outputs["hold"]>>()
  holds<Equals<Effect.Effect.Success<typeof _outputs>["maybe"], Outputs["maybe"]>>()
  holds<Equals<Effect.Effect.Error<typeof _outputs>, Failing>>()
  holds<Equals<Effect.Effect.Context<typeof _outputs>, never>>()
  // @ts-expect-error: an input is missing
  void fulfil.process({})
  // @ts-expect-error: an input is no number
  void fulfil.process({ cents: "1" })
  // @ts-expect-error: a run id is not any text
  void fulfil.process({ cents: 1 }, { runId: "a" })

  const { await: ended, id } = yield* fulfil.start({ cents: 1 }, { onFailure: "continue" })
  holds<Equals<typeof id, RunId>>()
  holds<
    Equals<Effect.Effect.Error<typeof ended>, OutOfStock | Engine.RunError | OrchestratorNode.OrchestrationFailed>
  >()
  // the steps' own errors keep their type
  yield* Effect.catchTags(ended, { OutOfStock: () => Effect.void, RunCancelled: ({ runId }) => Effect.log(runId) })

  const context = yield* fulfil.context(id)
  holds<Equals<ReturnType<typeof context.get<typeof maybe>>, Option.Option<string>>>()
  const given = Option.getOrThrow(context.get(hold))
  holds<Equals<typeof given, { readonly kept: ReadonlyArray<number> }>>()
  // @ts-expect-error: what a step gave cannot be changed
  given.kept.push(1)
  // @ts-expect-error: nor what all of them did
  context.values.hold = 1

  const { completed: _completed } = yield* fulfil.progress(id)
  holds<Equals<typeof _completed, ReadonlyArray<string>>>()
  holds<Equals<Stream.Stream.Success<typeof fulfil.changes>, ReadonlyArray<OrchestratorNode.Active>>>()
  yield* Effect.catchTag(fulfil.cancel(id), "RunHeld", (error: RunError.RunHeld) => Effect.log(error.owner))
})

// a module of another Dag: the node is what it requires, and the Dag's requirements stay with the node's layer
const fulfilled = Module.node("fulfilled", { node: Fulfil, needs: { cents }, input: ({ cents }) => ({ cents }) })
holds<Equals<Module.Requirements<typeof fulfilled>, Fulfil>>()
holds<Equals<Module.Error<typeof fulfilled>, Failing>>()
const Shop = Dag.make("shop", { outputs: { fulfilled } })
// @ts-expect-error: the input of the node has `cents`
void Module.node("wrong", { node: Fulfil, needs: { cents }, input: ({ cents }) => ({ amount: cents }) })

export const shop: Effect.Effect<void, unknown, Stock> = Effect.asVoid(Engine.execute(Shop, { cents: 1 })).pipe(
  Effect.provide(Layer.provideMerge(Fulfil.layer(), Heddle.layerMemory))
)
