/**
 * The Dags that workflow contracts declare.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Dag from "../dag/Dag.js"
import type * as Node from "../dag/Node.js"
import type { NodeValueInvalid } from "../model/NodeError.js"
import { ContractInvalid } from "./ContractFault.js"
import * as WorkflowDag from "./internal/WorkflowDag.js"
import * as WorkflowNodes from "./internal/WorkflowNodes.js"
import type { Json } from "./Json.js"
import type { WorkflowContract } from "./WorkflowContract.js"

/**
 * The Dag of a workflow whose steps call nodes of `N`: it is given the input of the workflow and gives its output. What the
 * nodes fail with, and what they require, is that of all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContractDag<N extends Node.Any> extends Dag.Dag<
  { readonly result: Json },
  { readonly input: Json },
  N[Node.TypeId]["Er"] | NodeValueInvalid,
  N[Node.TypeId]["Self"] | N[Node.TypeId]["SR"]
> {}

/**
 * The Dag that a contract declares, for `Engine` and `OrchestratorNode`. Each step is a module of its name, which gives
 * the output of its node as JSON; a step with `when`, or that is not enabled, has modules `when.<name>` and
 * `enabled.<name>` besides, which say whether it runs. Left is `ContractInvalid`, with each step that names a node that
 * there is not, or one of another kind.
 *
 * What a contract says is part of the fingerprint of the Dag: a run that began with another one is not resumed with it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Engine } from "heddle"
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import * as Contract from "heddle/node/Contract"
 * import * as ContractDag from "heddle/node/ContractDag"
 * import { Schema } from "effect"
 *
 * class Slug extends ComputeNode.Service<Slug>()("app/Slug", { input: Schema.String, output: Schema.String }) {}
 *
 * const text = `
 * kind: workflow
 * name: publish
 * steps:
 *   - { name: slug, kind: compute, node: Slug, input: input.title }
 * `
 * const program = Effect.gen(function* () {
 *   const contract = yield* Contract.ofKind(yield* Contract.parse(text), "workflow")
 *   const dag = yield* ContractDag.make(contract, { Slug })
 *   return (yield* Engine.execute(dag, { input: { title: "Hello" } })).result // { slug: "hello" }
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <N extends { readonly [name: string]: Node.Any }>(
  contract: WorkflowContract,
  nodes: N
): Either.Either<ContractDag<N[keyof N]>, ContractInvalid> => {
  const faults = WorkflowNodes.check(contract, nodes)
  return faults !== undefined
    ? Either.left(new ContractInvalid({ contract: contract.name, faults }))
    : // the Dag is built in a loop: its errors and requirements are those of the nodes that it may call
      Either.right(WorkflowDag.make(contract, nodes) as unknown as ContractDag<N[keyof N]>)
}
