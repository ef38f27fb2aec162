/** Whether the nodes that a workflow names are there. */
import * as Arr from "effect/Array"
import type * as Node from "../../dag/Node.js"
import type { ContractFault } from "../ContractFault.js"
import type { Context, View } from "./ContractRules.js"
import * as WorkflowRules from "./WorkflowRules.js"

type Nodes = { readonly [name: string]: Node.Any }

export const report = (contract: View, nodes: Nodes, context: Context): void => {
  const kinds = new Map(Object.entries(nodes).map(([name, { description }]) => [name, description.kind]))
  WorkflowRules.nodes(contract, kinds, context)
}

/** Of a contract without its file; undefined when all are there. */
export const check = (contract: unknown, nodes: Nodes): Arr.NonEmptyReadonlyArray<ContractFault> | undefined => {
  const faults: Array<ContractFault> = []
  report({ path: [], value: contract }, nodes, {
    report: (path, problem) => faults.push({ ...problem, path, line: undefined, column: undefined }),
    line: () => undefined
  })
  return Arr.isNonEmptyReadonlyArray(faults) ? faults : undefined
}
