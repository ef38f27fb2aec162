/** From text to a contract, or everything that is wrong with it. */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import type * as Node from "../../dag/Node.js"
import { ComputeContract } from "../ComputeContract.js"
import { type ContractFault, type Path, Problem } from "../ContractFault.js"
import * as ContractMachine from "../ContractMachine.js"
import { EffectContract } from "../EffectContract.js"
import * as Machine from "../Machine.js"
import { StateMachineContract } from "../StateMachineContract.js"
import { WorkflowContract } from "../WorkflowContract.js"
import * as ContractDecoding from "./ContractDecoding.js"
import * as ContractDocument from "./ContractDocument.js"
import * as Rules from "./ContractRules.js"
import * as EffectRules from "./EffectRules.js"
import * as StateMachineRules from "./StateMachineRules.js"
import * as WorkflowNodes from "./WorkflowNodes.js"
import * as WorkflowRules from "./WorkflowRules.js"

/** As in `Contract`, which has the names for others. */
type Contract = StateMachineContract | WorkflowContract | EffectContract | ComputeContract

interface Limits extends ContractDocument.Limits {
  readonly items: number
}

type Faults = Arr.NonEmptyReadonlyArray<ContractFault>

const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) frozen(part)
    Object.freeze(value)
  }
  return value
}

/** What is said of the key of a value, not of the value. */
const ofKey: ReadonlySet<string> = new Set(["UnknownField", "UnreachableState"])

const located = (
  { path, problem }: ContractDecoding.Found,
  document: ContractDocument.ContractDocument
): ContractFault => {
  const position =
    problem._tag === "Expression" || problem._tag === "UnsupportedOperator"
      ? document.characterAt(path, problem.position)
      : ofKey.has(problem._tag)
        ? document.keyAt(path)
        : document.at(path)
  return { ...problem, path, ...position }
}

const inOrder = (faults: ReadonlyArray<ContractFault>): ReadonlyArray<ContractFault> =>
  [...faults].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))

const collections = ["steps", "states", "transitions", "events", "intents", "operations", "pipeline"]

const sizes = (root: Rules.View, max: number): ReadonlyArray<ContractDecoding.Found> =>
  collections.flatMap((key) => {
    const view = Rules.field(root, key)
    const size = Rules.entries(view).length + Rules.items(view).length
    return size > max ? [{ path: view.path, problem: Problem.TooLarge({ of: "items", size, max }) }] : []
  })

const rules = {
  stateMachine: StateMachineRules.check,
  workflow: WorkflowRules.check,
  effect: EffectRules.checkEffect,
  compute: EffectRules.checkCompute
} as const

type Kind = keyof typeof rules

const isKind = (kind: unknown): kind is Kind => typeof kind === "string" && Object.hasOwn(rules, kind)

const kindFault = (root: Rules.View): ContractDecoding.Found => {
  const { value } = root
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return {
      path: [],
      problem: Problem.WrongType({ expected: "an object", actual: value === null ? "nothing" : typeof value })
    }
  const kind = Rules.field(root, "kind")
  if (kind.value === undefined) return { path: [], problem: Problem.MissingField({ field: "kind" }) }
  const reason = `the kinds are ${Object.keys(rules).join(", ")}`
  return { path: kind.path, problem: Problem.InvalidValue({ value: String(JSON.stringify(kind.value)), reason }) }
}

const decode = (kind: Kind, value: unknown): Either.Either<Contract, ReadonlyArray<ContractDecoding.Found>> => {
  switch (kind) {
    case "stateMachine":
      return ContractDecoding.decode(StateMachineContract, value)
    case "workflow":
      return ContractDecoding.decode(WorkflowContract, value)
    case "effect":
      return ContractDecoding.decode(EffectContract, value)
    case "compute":
      return ContractDecoding.decode(ComputeContract, value)
  }
}

/** What is only found by beginning an instance: that entry into the initial state gives a context that fits. */
const beginning = (contract: StateMachineContract): ReadonlyArray<ContractDecoding.Found> =>
  Either.match(ContractMachine.makeEither(contract), {
    onLeft: ({ faults }) =>
      faults.map((fault) => ({
        path: fault.path,
        problem: Problem.InvalidValue({ value: "the entry of the initial state", reason: Machine.message(fault) })
      })),
    onRight: () => []
  })

export const check = (
  text: string,
  limits: Limits,
  nodes: { readonly [name: string]: Node.Any } | undefined
): Either.Either<Contract, Faults> => {
  const { document, faults: unreadable } = ContractDocument.read(text, limits)
  const found: Array<ContractDecoding.Found> = []
  const done = (contract?: Contract): Either.Either<Contract, Faults> => {
    // what cannot be read was said to be so, and was taken as null
    const said = new Set(unreadable.map(({ path }) => JSON.stringify(path)))
    const news = found.filter(({ path }) => !said.has(JSON.stringify(path)))
    const placed = document === undefined ? [] : news.map((fault) => located(fault, document))
    const faults = inOrder([...unreadable, ...placed])
    if (Arr.isNonEmptyReadonlyArray(faults)) return Either.left(faults)
    // without a fault it was decoded
    return Either.right(frozen(contract!))
  }
  if (document === undefined) return done()
  const root: Rules.View = { path: [], value: document.value }
  const kind = Rules.field(root, "kind").value
  if (!isKind(kind)) {
    found.push(kindFault(root))
    return done()
  }
  found.push(...sizes(root, limits.items))
  if (found.length > 0) return done()
  const decoded = decode(kind, document.value)
  if (Either.isLeft(decoded)) found.push(...decoded.left)
  const context: Rules.Context = {
    report: (path: Path, problem: Problem) => found.push({ path, problem }),
    line: (path) => document.at(path).line
  }
  rules[kind](root, context)
  if (kind === "workflow" && nodes !== undefined) WorkflowNodes.report(root, nodes, context)
  const contract = Either.getOrUndefined(decoded)
  if (found.length === 0 && contract?.kind === "stateMachine") found.push(...beginning(contract))
  return done(contract)
}
