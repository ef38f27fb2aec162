/**
 * What can be wrong with a contract.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"

/**
 * Where in a contract: keys of objects and indices of lists.
 *
 * @since 0.1.0
 * @category models
 */
export type Path = ReadonlyArray<string | number>

/**
 * One thing that is wrong with a contract, where it is in the value (`path`) and where in the file. `line` and `column`
 * count from 1; they are undefined where a contract is checked without its file.
 *
 * @since 0.1.0
 * @category models
 */
export type ContractFault = Problem & {
  readonly path: Path
  readonly line: number | undefined
  readonly column: number | undefined
}

/**
 * What is wrong.
 *
 * @since 0.1.0
 * @category models
 */
export type Problem = Data.TaggedEnum<{
  /** The text is no YAML, and so no JSON. */
  Syntax: { readonly reason: string }
  /** A size is over its limit. `size` is undefined where counting stopped at the limit. */
  TooLarge: { readonly of: Limit; readonly size: number | undefined; readonly max: number }
  /** An object of the file has a key twice; the first is in line `first`. */
  DuplicateKey: { readonly key: string; readonly first: number }
  UnknownField: { readonly field: string; readonly fields: ReadonlyArray<string> }
  MissingField: { readonly field: string }
  WrongType: { readonly expected: string; readonly actual: string }
  /** A number is not within its bounds. */
  OutOfRange: { readonly value: number; readonly reason: string }
  /** A value has the right type, and is none that is allowed there. */
  InvalidValue: { readonly value: string; readonly reason: string }
  /** A text is no expression. `position` is in the expression, in characters from 0. */
  Expression: { readonly expression: string; readonly position: number; readonly reason: string }
  /** An expression has an operator that there is not. */
  UnsupportedOperator: {
    readonly expression: string
    readonly position: number
    readonly operator: string
    readonly reason: string
  }
  /** An expression asks for what is never there. */
  UnknownPath: { readonly reference: string; readonly known: ReadonlyArray<string> }
  /** Two sides of a comparison never have one type, so that it always comes out the same. */
  NeverComparable: { readonly expression: string; readonly left: string; readonly right: string }
  UnknownState: { readonly state: string; readonly states: ReadonlyArray<string> }
  UnknownEvent: { readonly event: string; readonly events: ReadonlyArray<string> }
  UnknownIntent: { readonly intent: string; readonly intents: ReadonlyArray<string> }
  /** No way leads to it from the initial state. */
  UnreachableState: { readonly state: string }
  /** There is another with the same state, event and guard, in line `first`. */
  DuplicateTransition: { readonly first: number | undefined }
  /** One without guard, in line `by`, is always taken before it. */
  ShadowedTransition: { readonly by: number | undefined }
  /** Nothing leaves a terminal state. */
  EdgeOutOfTerminal: { readonly state: string }
  /** Two things of a list have one name; the first is in line `first`. */
  DuplicateName: { readonly name: string; readonly first: number | undefined }
  /** A step depends on one that there is not. */
  MissingDependency: { readonly step: string; readonly steps: ReadonlyArray<string> }
  /** Each of the steps depends on the one before it, and the first on the last. */
  Cycle: { readonly members: Arr.NonEmptyReadonlyArray<string> }
  /** There is no such node among those that were given. */
  UnknownNode: { readonly node: string; readonly nodes: ReadonlyArray<string> }
  /** The node is of another kind than the step says. */
  OtherKind: { readonly node: string; readonly expected: string; readonly actual: string }
  /** There is no implementation of this name among those that were given. */
  UnknownImplementation: { readonly name: string; readonly names: ReadonlyArray<string> }
  /** What is given has no effect, or may not be, beside the rest. */
  Conflict: { readonly reason: string }
}>

/**
 * What has a limit.
 *
 * @since 0.1.0
 * @category models
 */
export type Limit = "bytes" | "depth" | "values" | "items"

/**
 * Constructors, and `$match` and `$is`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Problem = Data.taggedEnum<Problem>()

const known = (what: string, names: ReadonlyArray<string>): string =>
  names.length === 0
    ? `there are no ${what}`
    : `the ${what} are ${names
        .slice(0, 20)
        .map((name) => JSON.stringify(name))
        .join(", ")}${names.length > 20 ? ` and ${names.length - 20} more` : ""}`

const units = {
  bytes: "bytes",
  depth: "levels of nesting",
  values: "values, those of aliases counted each time",
  items: "items"
}

const inLine = (line: number | undefined) => (line === undefined ? "" : ` in line ${line}`)

/**
 * What is wrong, and what to do about it, in one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const message: (problem: Problem) => string = Problem.$match({
  Syntax: ({ reason }) => reason,
  TooLarge: ({ max, of, size }) =>
    `it has ${size === undefined ? `more than ${max} ${units[of]}` : `${size} ${units[of]}, and at most ${max} are allowed`}: make it smaller, or raise \`limits.${of}\``,
  DuplicateKey: ({ first, key }) => `the key ${JSON.stringify(key)} is in line ${first} already: remove one`,
  UnknownField: ({ field, fields }) => `there is no field ${JSON.stringify(field)} here; ${known("fields", fields)}`,
  MissingField: ({ field }) => `the field ${JSON.stringify(field)} is missing`,
  WrongType: ({ actual, expected }) => `expected ${expected}, got ${actual}`,
  OutOfRange: ({ reason, value }) => `${value} is out of range: ${reason}`,
  InvalidValue: ({ reason, value }) => `${value}: ${reason}`,
  Expression: ({ expression, position, reason }) =>
    `at character ${position + 1} of ${JSON.stringify(expression)}: ${reason}`,
  UnsupportedOperator: ({ expression, position, reason }) =>
    `at character ${position + 1} of ${JSON.stringify(expression)}: ${reason}`,
  UnknownPath: ({ known: names, reference }) => `${reference} is never there; ${known("names there", names)}`,
  NeverComparable: ({ expression, left, right }) =>
    `${expression} always comes out the same: it compares ${left} with ${right}`,
  UnknownState: ({ state, states }) => `there is no state ${JSON.stringify(state)}; ${known("states", states)}`,
  UnknownEvent: ({ event, events }) => `there is no event ${JSON.stringify(event)}; ${known("events", events)}`,
  UnknownIntent: ({ intent, intents }) => `there is no intent ${JSON.stringify(intent)}; ${known("intents", intents)}`,
  UnreachableState: ({ state }) =>
    `nothing leads to state ${JSON.stringify(state)}: add a transition to it, or remove it`,
  DuplicateTransition: ({ first }) =>
    `the one${inLine(first)} has the same state, event and guard: remove one, or guard them differently`,
  ShadowedTransition: ({ by }) =>
    `it is never taken, because the one${inLine(by)} comes before it and has no guard: guard that one, or raise the priority of this one`,
  EdgeOutOfTerminal: ({ state }) => `state ${JSON.stringify(state)} is terminal, and nothing leaves it`,
  DuplicateName: ({ first, name }) => `there is a ${JSON.stringify(name)}${inLine(first)} already: choose another name`,
  MissingDependency: ({ step, steps }) => `there is no step ${JSON.stringify(step)}; ${known("steps", steps)}`,
  Cycle: ({ members }) => `these steps wait for each other: ${[...members, members[0]].join(" -> ")}`,
  UnknownNode: ({ node, nodes }) => `there is no node ${JSON.stringify(node)}; ${known("nodes", nodes)}`,
  OtherKind: ({ actual, expected, node }) =>
    `the node ${JSON.stringify(node)} is of the kind ${actual}, not ${expected}`,
  UnknownImplementation: ({ name, names }) =>
    `there is no implementation ${JSON.stringify(name)}; ${known("implementations", names)}`,
  Conflict: ({ reason }) => reason
})

const at = ({ column, line, path }: ContractFault): string => {
  const where = path.length === 0 ? "" : `${path.join(".")}: `
  return line === undefined ? where : `${line}:${column} ${where}`
}

/**
 * A contract that cannot be used, with everything that is wrong with it, in the order of the file. `contract` is the
 * path of the file, or what the caller called it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractInvalid extends Data.TaggedError("ContractInvalid")<{
  readonly contract: string
  readonly faults: Arr.NonEmptyReadonlyArray<ContractFault>
}> {
  override get message() {
    return `the contract "${this.contract}" cannot be used:${this.faults.map((fault) => `\n- ${at(fault)}${message(fault)}`).join("")}`
  }
}

/**
 * A contract is another than was expected: what it says has changed. Nothing has run.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractChanged extends Data.TaggedError("ContractChanged")<{
  readonly contract: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `the contract "${this.contract}" has the hash ${this.actual}, not ${this.expected}: review the change, then expect the new hash`
  }
}

/**
 * The file of a contract could not be read; `cause` is why.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractUnreadable extends Data.TaggedError("ContractUnreadable")<{
  readonly contract: string
  readonly cause: unknown
}> {
  override get message() {
    return `the contract "${this.contract}" could not be read: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}
