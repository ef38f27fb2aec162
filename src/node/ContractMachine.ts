/**
 * The state machines that contracts declare.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Condition from "./Condition.js"
import type { Json } from "./Json.js"
import * as Machine from "./Machine.js"
import * as Shape from "./Shape.js"
import type { Action, Fields, StateMachineContract } from "./StateMachineContract.js"
import * as Template from "./Template.js"

/**
 * Events and intents of machines that are declared by contracts: their tag, and their fields.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tagged {
  readonly _tag: string
  readonly [field: string]: Json
}

/**
 * @since 0.1.0
 * @category models
 */
export type Context = { readonly [field: string]: Json }

/**
 * A machine whose states, events and intents are known only when its contract is.
 *
 * @since 0.1.0
 * @category models
 */
export type ContractMachine = Machine.Machine<string, Tagged, Context, Tagged>

type Step = Machine.Action<Context, Tagged, Tagged>

const guard = (condition: Condition.Condition | undefined) =>
  condition === undefined
    ? {}
    : {
        guard: {
          name: Condition.print(condition),
          test: (context: Context, event: Tagged) => Condition.evaluate(condition, { context, event })
        }
      }

const action = ({ assign, emit }: Action): Step => ({
  ...(assign === undefined
    ? {}
    : {
        update: (context, event) => {
          const kept = Object.entries(context).filter(([name]) => !Object.hasOwn(assign, name))
          return { ...Object.fromEntries(kept), ...Template.fieldsOf(assign, { context, event }) }
        }
      }),
  ...(emit === undefined
    ? {}
    : { emit: (context, event) => ({ ...Template.fieldsOf(emit.fields, { context, event }), _tag: emit.intent }) })
})

const tags = (declared: { readonly [tag: string]: Fields }): Machine.Tags =>
  Object.fromEntries(
    Object.entries(declared).map(([tag, fields]) => [
      tag,
      Object.fromEntries(Object.entries(fields).map(([name, shape]) => [name, Shape.toSchema(shape)]))
    ])
  )

/**
 * The machine that a contract declares, for `Machine` and `ReducerNode`. A guard has the text of its condition as its
 * name. It throws `MachineInvalid` for a contract that is not sound, which `Contract.parse` does not give.
 *
 * @example
 * ```ts
 * import { Effect, Either } from "effect"
 * import * as Contract from "heddle/node/Contract"
 * import * as ContractMachine from "heddle/node/ContractMachine"
 * import * as Machine from "heddle/node/Machine"
 *
 * const text = `
 * kind: stateMachine
 * name: lamp
 * events: { press: {} }
 * initial: dark
 * states: { dark: {}, lit: {} }
 * transitions:
 *   - { from: dark, on: press, to: lit }
 *   - { from: lit, on: press, to: dark }
 * `
 * const state = Effect.gen(function* () {
 *   const contract = yield* Contract.ofKind(yield* Contract.parse(text), "stateMachine")
 *   const lamp = ContractMachine.make(contract)
 *   const begun = yield* Machine.start(lamp, "desk", 0)
 *   return (yield* Machine.transition(lamp, begun, { _tag: "press" }, 5)).snapshot.state
 * }) // "lit"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (contract: StateMachineContract): ContractMachine =>
  Either.getOrThrowWith(makeEither(contract), (invalid) => invalid)

/**
 * `make` for a contract that may not be sound.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeEither = (contract: StateMachineContract): Either.Either<ContractMachine, Machine.MachineInvalid> => {
  const definition: Machine.Definition<string, Json, Machine.Tags, Machine.Tags> = {
    id: contract.name,
    version: contract.version,
    context: Shape.toSchema(contract.context),
    events: tags(contract.events),
    intents: tags(contract.intents),
    initial: contract.initial,
    initialContext: contract.initial_context,
    history: contract.history,
    states: Object.fromEntries(
      Object.entries(contract.states).map(([name, { after, entry, exit, kind }]) => [
        name,
        {
          kind,
          entry: entry.map(action),
          exit: exit.map(action),
          after:
            after === undefined
              ? undefined
              : { delay: after.delay, to: after.to, ...guard(after.guard), actions: after.actions.map(action) }
        }
      ])
      // erasure: guards and actions are given what the schemas of context and events decode, which are these shapes
    ) as unknown as Machine.Definition<string, Json, Machine.Tags, Machine.Tags>["states"],
    transitions: contract.transitions.map((transition) => ({
      from: transition.from,
      on: transition.on,
      to: transition.to,
      priority: transition.priority,
      ...guard(transition.guard),
      actions: transition.actions.map(action)
      // the same
    })) as unknown as Machine.Definition<string, Json, Machine.Tags, Machine.Tags>["transitions"]
  }
  // the contract was made of data: its machine has these types, whatever its names are
  return Machine.makeEither(definition) as unknown as Either.Either<ContractMachine, Machine.MachineInvalid>
}
