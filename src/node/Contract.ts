/**
 * Nodes declared as data: JSON or YAML files that are checked as a whole when they are loaded.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type * as Node from "../dag/Node.js"
import * as CanonicalJson from "../model/CanonicalJson.js"
import { ComputeContract } from "./ComputeContract.js"
import { ContractChanged, type ContractFault, ContractInvalid, ContractUnreadable, Problem } from "./ContractFault.js"
import { EffectContract } from "./EffectContract.js"
import * as Checking from "./internal/ContractChecking.js"
import { StateMachineContract } from "./StateMachineContract.js"
import { WorkflowContract } from "./WorkflowContract.js"

export * from "./ContractFault.js"

/**
 * A contract that was found to be sound, deeply frozen. Which fields each kind has, is in the file of that kind.
 *
 * @since 0.1.0
 * @category models
 */
export type Contract = StateMachineContract | WorkflowContract | EffectContract | ComputeContract

/**
 * The schemas of the kinds: what the JSON Schema files are made of. A value that one of them decodes was not held against
 * what only `parse` checks, such as states that cannot be reached.
 *
 * @since 0.1.0
 * @category schemas
 */
export const schemas = {
  stateMachine: StateMachineContract,
  workflow: WorkflowContract,
  effect: EffectContract,
  compute: ComputeContract
} as const

/**
 * @since 0.1.0
 * @category models
 */
export type Kind = Contract["kind"]

/**
 * How large a contract may be.
 *
 * - `bytes`: of the file, in UTF-8
 * - `depth`: of objects and lists nested in each other
 * - `values`: objects, lists, texts, numbers and so on; what an alias of YAML stands for is counted each time
 * - `items`: of each list of steps, transitions or transformations, and of states, events, intents or operations
 *
 * @since 0.1.0
 * @category options
 */
export interface Limits {
  readonly bytes: number
  readonly depth: number
  readonly values: number
  readonly items: number
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Limits = Object.freeze({ bytes: 262_144, depth: 32, values: 20_000, items: 1000 })

/**
 * - `name`: what errors call the contract; the path of the file for `load`
 * - `limits`: those that are left out are as in `defaults`
 * - `expectedHash`: the hash that it must have
 * - `nodes`: those that a workflow may name; each step must name one of these, of the kind that it says
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly name?: string
  readonly limits?: Partial<Limits>
  readonly expectedHash?: string
  readonly nodes?: { readonly [name: string]: Node.Any }
}

/**
 * The SHA-256 of what a contract says, as 64 hexadecimal digits: the same whatever the order of its keys, its comments,
 * its white space and the fields that say what they are by default, and whether it is YAML or JSON.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hash = (contract: Contract): string =>
  // what the schemas of contracts decode is JSON
  CanonicalJson.hash(Either.getOrThrow(CanonicalJson.stringify(contract)))

const checked = (text: string, options: Options): Effect.Effect<Contract, ContractInvalid | ContractChanged> =>
  Effect.suspend((): Effect.Effect<Contract, ContractInvalid | ContractChanged> => {
    const name = options.name ?? "contract"
    const contract = Checking.check(text, { ...defaults, ...options.limits }, options.nodes)
    if (Either.isLeft(contract)) return new ContractInvalid({ contract: name, faults: contract.left })
    const { expectedHash: expected } = options
    const actual = expected === undefined ? undefined : hash(contract.right)
    return expected === undefined || actual === undefined || actual === expected.toLowerCase()
      ? Effect.succeed(contract.right)
      : new ContractChanged({ contract: name, expected, actual })
  })

/**
 * The contract of a text, YAML or JSON. It fails with `ContractInvalid`, which has everything that is wrong with it, each
 * with its path, line and column; and with `ContractChanged` when it has not the hash that is expected.
 *
 * Parsing is synchronous: of the largest file that the default limits allow it takes about half a second.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import * as Contract from "heddle/node/Contract"
 *
 * const text = `
 * kind: stateMachine
 * name: door
 * events: { open: {}, close: {} }
 * initial: closed
 * states: { closed: {}, opened: {} }
 * transitions:
 *   - { from: closed, on: open, to: opned }
 *   - { from: opened, on: close, to: closed }
 * `
 * const faults = Contract.parse(text).pipe(
 *   Effect.flip,
 *   Effect.map(({ message }) => message)
 * )
 * // 6:23 states.opened: nothing leads to state "opened" …
 * // 8:35 transitions.0.to: there is no state "opned" …
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (
  text: string,
  options: Options = {}
): Effect.Effect<Contract, ContractInvalid | ContractChanged> => checked(text, options)

/**
 * The contract of a file; as `parse`. No more of the file is read than the limit of bytes allows. It fails with
 * `ContractUnreadable` when there is no such file, or it cannot be read.
 *
 * **Interruption**: the file is closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  path: string,
  options: Options = {}
): Effect.Effect<Contract, ContractInvalid | ContractChanged | ContractUnreadable, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { name = path } = options
    const max = options.limits?.bytes ?? defaults.bytes
    const fs = yield* FileSystem.FileSystem
    const chunks = yield* fs.stream(path, { bytesToRead: max + 1 }).pipe(
      Stream.runCollect,
      Effect.mapError((cause) => new ContractUnreadable({ contract: name, cause }))
    )
    const bytes = Buffer.concat(Chunk.toReadonlyArray(chunks))
    const refuse = (problem: Problem) =>
      new ContractInvalid({ contract: name, faults: [{ ...problem, path: [], line: 1, column: 1 }] })
    if (bytes.length > max) return yield* refuse(Problem.TooLarge({ of: "bytes", size: undefined, max }))
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => refuse(Problem.Syntax({ reason: "it is not UTF-8: save it as UTF-8" }))
    })
    return yield* checked(text, { ...options, name })
  })

/**
 * A contract that must be of this kind: `ContractInvalid` when it is of another.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import * as Contract from "heddle/node/Contract"
 *
 * declare const contract: Contract.Contract
 * const steps = Effect.map(Contract.ofKind(contract, "workflow"), ({ steps }) => steps.length)
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const ofKind = <K extends Kind>(
  contract: Contract,
  kind: K
): Effect.Effect<Extract<Contract, { readonly kind: K }>, ContractInvalid> =>
  isKind(contract, kind)
    ? Effect.succeed(contract)
    : new ContractInvalid({ contract: contract.name, faults: Arr.of(otherKind(contract.kind, kind)) })

const isKind = <K extends Kind>(contract: Contract, kind: K): contract is Extract<Contract, { readonly kind: K }> =>
  contract.kind === kind

const otherKind = (actual: Kind, expected: Kind): ContractFault => ({
  ...Problem.InvalidValue({ value: actual, reason: `a contract of the kind ${expected} is needed here` }),
  path: ["kind"],
  line: undefined,
  column: undefined
})
