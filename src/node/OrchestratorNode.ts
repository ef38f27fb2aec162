/**
 * Runs a Dag as a service: executions that are started, seen, limited and cancelled, and that other Dags use as a module.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Attempt } from "../dag/CurrentModule.js"
import type * as Dag from "../dag/Dag.js"
import type { ErasedSchema } from "../dag/Definition.js"
import * as Node from "../dag/Node.js"
import { NodeValueInvalid } from "../model/NodeError.js"
import type { RunId } from "../model/RunId.js"
import * as DagDescription from "../run/DagDescription.js"
import type { Engine } from "../run/Engine.js"
import type { Timeline } from "../state/Timeline.js"
import * as DebugGuard from "../run/DebugGuard.js"
import * as ContractDag from "./ContractDag.js"
import type { ContractInvalid } from "./ContractFault.js"
import * as ChildRun from "./internal/ChildRun.js"
import * as Implementation from "./internal/Orchestrator.js"
import { OrchestrationFailed, OrchestratorFull } from "./OrchestratorError.js"
import { defaults, type Options, type Orchestrator } from "./OrchestratorService.js"
import { Json } from "./Json.js"
import type { WorkflowContract } from "./WorkflowContract.js"

export type { Active, Execution, Progress, StepValues } from "./Execution.js"
export { FailureReason, NotActive, OrchestrationFailed, OrchestratorFull } from "./OrchestratorError.js"
export {
  defaults,
  type LookError,
  type Options,
  type Orchestrator,
  type ReadError,
  type StartError
} from "./OrchestratorService.js"

/**
 * What `process` fails with, besides the errors `E` of the steps.
 *
 * @since 0.1.0
 * @category errors
 */
export type ProcessError<E> = E | OrchestrationFailed | OrchestratorFull | NodeValueInvalid

/**
 * An orchestrator as it is declared: the tag of its service, and a node that `Module.node` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Declaration<Self, Id extends string, O, I, E, R>
  extends Context.TagClass<Self, Id, Orchestrator<O, I, E>>, Node.Node<Self, I, O, ProcessError<E>> {
  readonly key: Id

  /** The Dag that it runs. */
  readonly dag: Dag.Dag<O, I, E, R>

  /**
   * Its executions run with the services that the Layer is given, in its scope: when that closes they are cut off, their
   * finalizers are awaited, and they can be resumed. A Dag that cannot be run, and options that no orchestrator can have,
   * are defects here. `Heddle.layer` and its like give it the engine and the `Timeline`.
   */
  readonly layer: (options?: Partial<Options>) => Layer.Layer<Self, never, Engine | Timeline | R>
}

// erasure: what a Dag encodes and decodes with it is what this node failed with
const errorOf = (steps: ReadonlyArray<ErasedSchema>) =>
  Schema.Union(...steps, OrchestrationFailed, OrchestratorFull, NodeValueInvalid)

/** A Dag that is wrong is reported by its plan: by the layer of the node, and to all who start a run of it. */
const describe = (dag: Dag.Any): Node.Description =>
  Either.match(Effect.runSync(Effect.either(DagDescription.make(dag))), {
    onLeft: () => ({
      kind: "orchestrator",
      input: Schema.Unknown,
      output: Schema.Unknown,
      error: errorOf([]),
      version: undefined
    }),
    onRight: ({ errors, fingerprint, input, output }) => ({
      kind: "orchestrator",
      input,
      output,
      error: errorOf(errors),
      version: fingerprint
    })
  })

/**
 * Declares an orchestrator: a class that is the tag of its service. It is implemented by its `layer`.
 *
 * As a module (`Module.node`) its outputs and errors are stored by the schemas of its Dag's modules: an output without a
 * schema has to be a JSON value, an error without one is kept as its message, and schemas that require services need them
 * where the module runs, too. The fingerprint of the Dag is part of that of the module.
 *
 * @example
 * ```ts
 * import { Dag, Heddle, Module, RunId } from "heddle"
 * import * as OrchestratorNode from "heddle/node/OrchestratorNode"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const cents = Module.input("cents", Schema.Int)
 * const charge = Module.make("charge", {
 *   needs: { cents },
 *   output: Schema.String,
 *   run: ({ cents }) => Effect.succeed(`receipt for ${cents}`)
 * })
 * const FulfilDag = Dag.make("fulfil", { outputs: { charge } })
 *
 * class Fulfil extends OrchestratorNode.Service<Fulfil>()("app/Fulfil", { dag: FulfilDag }) {}
 *
 * const FulfilLive = Fulfil.layer({ concurrency: 10 }).pipe(Layer.provide(Heddle.layerMemory))
 *
 * const program = Effect.gen(function* () {
 *   const fulfil = yield* Fulfil
 *   const { await: ended, id } = yield* fulfil.start({ cents: 100 }, { runId: RunId.make("order-42") })
 *   yield* ended
 *   const { completed } = yield* fulfil.progress(id)
 *   const receipt = (yield* fulfil.context(id)).get(charge)
 *   return { completed, receipt }
 * }).pipe(Effect.provide(FulfilLive))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Service =
  <Self>() =>
  <const Id extends string, O, I, E, R>(
    id: Id,
    { dag }: { readonly dag: Dag.Dag<O, I, E, R> }
  ): Declaration<Self, Id, O, I, E, R> => {
    const tag = Context.Tag(id)<Self, Orchestrator<O, I, E>>()
    const layer = (options: Partial<Options> = {}): Layer.Layer<Self, never, Engine | Timeline | R> =>
      Layer.scoped(
        tag,
        Effect.flatMap(Implementation.make(id, dag, { ...defaults, ...options }), (service) =>
          DebugGuard.scoped(id, service, { isShared: true, interruptsAtEnd: true })
        )
      )
    const call = (input: I) => Effect.flatMap(tag, (service) => service.process(input))
    // the plan of a Dag is made when somebody asks for it
    const described = Object.defineProperty(tag, "description", { get: () => describe(dag), enumerable: true })
    // the phantoms
    return Object.assign(described, { [Node.TypeId]: Node.TypeId, dag, call, layer }) as unknown as Declaration<
      Self,
      Id,
      O,
      I,
      E,
      R
    >
  }

/** What a workflow is given and gives, and what it fails with and requires. */
type Of<N extends Nodes> = ContractDag.ContractDag<N[keyof N]>[Dag.TypeId]

interface Nodes {
  readonly [name: string]: Node.Any
}

interface Given {
  readonly input: Json
}

interface Gives {
  readonly result: Json
}

/**
 * An orchestrator of a workflow that is declared by a contract: which one is said where its Layer is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContractDeclaration<Self, Id extends string, N extends Nodes>
  extends
    Context.TagClass<Self, Id, Orchestrator<Gives, Given, Of<N>["E"]>>,
    Node.Node<Self, Given, Gives, ProcessError<Of<N>["E"]>> {
  readonly key: Id

  /**
   * As for `Service`. It fails with `ContractInvalid`, before anything runs, for every step that names a node that there
   * is not, or one of another kind.
   */
  readonly layer: (
    contract: WorkflowContract,
    options?: Partial<Options>
  ) => Layer.Layer<Self, ContractInvalid, Engine | Timeline | Of<N>["R"]>
}

/**
 * Declares an orchestrator of a workflow contract, whose steps call the named nodes. It is given and gives JSON; its steps
 * are those of the contract. A step that is not enabled is skipped, and its dependants do not wait for it.
 *
 * The contract is part of the fingerprint of each execution: one that began with another contract is `DagChanged`. It is
 * not part of that of a module (`Module.node`), since it is not known there: give the module a `version`.
 *
 * @example
 * ```ts
 * import { Heddle } from "heddle"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import * as Contract from "heddle/node/Contract"
 * import * as OrchestratorNode from "heddle/node/OrchestratorNode"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * class Publish extends OrchestratorNode.Contract<Publish>()("app/Publish", { nodes: { Slug } }) {}
 *
 * const text = `
 * kind: workflow
 * name: publish
 * steps:
 *   - { name: slug, kind: compute, node: Slug, input: input.title }
 * `
 * const PublishLive = Contract.parse(text).pipe(
 *   Effect.flatMap((contract) => Contract.ofKind(contract, "workflow")),
 *   Effect.map((contract) => Publish.layer(contract, { concurrency: 4 })),
 *   Layer.unwrapEffect,
 *   Layer.provide(Heddle.layerMemory)
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const Contract =
  <Self>() =>
  <const Id extends string, const N extends Nodes>(
    id: Id,
    { nodes }: { readonly nodes: N }
  ): ContractDeclaration<Self, Id, N> => {
    type Errors = Of<N>["E"]
    const tag = Context.Tag(id)<Self, Orchestrator<Gives, Given, Errors>>()
    const layer: ContractDeclaration<Self, Id, N>["layer"] = (contract, options) => {
      const steps = new Set(contract.steps.map(({ name }) => name))
      const made = Effect.map(
        ContractDag.make(contract, nodes),
        // the types of a Dag are those that its interface has
        (dag: Dag.Dag<Gives, Given, Errors, Of<N>["R"]>) =>
          Effect.flatMap(
            Implementation.make(id, dag, { ...defaults, ...options }, (name) => steps.has(name)),
            (service) => DebugGuard.scoped(id, service, { isShared: true, interruptsAtEnd: true })
          )
      )
      return Layer.scoped(tag, Effect.flatten(made))
    }
    const call = (input: Given) => Effect.flatMap(tag, (service) => service.process(input))
    const errors = Object.values<Node.Any>(nodes).map(({ description }) => description.error)
    const description: Node.Description = {
      kind: "orchestrator",
      // erasure: as for `describe`
      input: Schema.Struct({ input: Json }) as unknown as ErasedSchema,
      output: Schema.Struct({ result: Json }) as unknown as ErasedSchema,
      error: errorOf(errors),
      version: undefined
    }
    // the phantoms
    return Object.assign(tag, {
      [Node.TypeId]: Node.TypeId,
      description,
      call,
      layer
    }) as unknown as ContractDeclaration<Self, Id, N>
  }

/**
 * The id of the execution that `process` of this orchestrator begins inside of a module: for who looks at the children of
 * a run. `path`: of the module; `index`: of the item, when the module is a map.
 *
 * @example
 * ```ts
 * import { Dag, Engine, Module, RunId } from "heddle"
 * import * as OrchestratorNode from "heddle/node/OrchestratorNode"
 *
 * const one = Module.pure("one", { run: () => 1 })
 * class Ones extends OrchestratorNode.Service<Ones>()("app/Ones", { dag: Dag.make("ones", { outputs: { one } }) }) {}
 *
 * const child = Engine.get(OrchestratorNode.childId(Ones, { runId: RunId.make("order-42"), path: "ones" }))
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const childId = (
  node: { readonly key: string },
  module: Pick<Attempt, "runId" | "path"> & { readonly index?: number }
): RunId => ChildRun.idOf({ index: undefined, ...module }, node.key)
