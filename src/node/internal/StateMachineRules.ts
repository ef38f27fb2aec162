/** What a state machine contract must say of itself. */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Condition from "../Condition.js"
import { Problem } from "../ContractFault.js"
import type { AnyDefinition, AnyState } from "../MachineDefinition.js"
import { MachineFault } from "../MachineError.js"
import { toSchema } from "../Shape.js"
import { objectOf, type Scope } from "./ContractScope.js"
import * as ContractDecoding from "./ContractDecoding.js"
import * as Rules from "./ContractRules.js"
import * as MachineCheck from "./MachineCheck.js"

/** Expressions in actions: those of `assign` see the context as it was, those of `emit` as it is then. */
const actions = (list: Rules.View, scope: Scope, contract: Rules.View, context: Rules.Context): void => {
  const known = scope["context"]
  const intents = Rules.field(contract, "intents")
  for (const action of Rules.items(list)) {
    for (const [name, value] of Rules.entries(Rules.field(action, "assign"))) {
      if (known?.type === "object" && !Object.hasOwn(known.properties, name)) {
        const problem = Problem.UnknownPath({ reference: `context.${name}`, known: Object.keys(known.properties) })
        context.report(value.path, problem)
      }
      Rules.template(value, scope, context)
    }
    const emit = Rules.field(action, "emit")
    const intent = Rules.text(Rules.field(emit, "intent"))
    const given = Rules.field(emit, "fields")
    Rules.template(given, scope, context)
    if (intent === undefined) continue
    if (!Rules.names(intents).includes(intent)) {
      const problem = Problem.UnknownIntent({ intent, intents: Rules.names(intents) })
      context.report(Rules.field(emit, "intent").path, problem)
      continue
    }
    const fields = Rules.names(Rules.field(intents, intent))
    for (const [name, value] of Rules.entries(given))
      if (!fields.includes(name)) context.report(value.path, Problem.UnknownField({ field: name, fields }))
    for (const name of fields)
      if (!Rules.names(given).includes(name)) context.report(emit.path, Problem.MissingField({ field: name }))
  }
}

/** Conditions that say the same are one, however they are written. */
const guardOf = (view: Rules.View): string | undefined => {
  const text = Rules.text(view)
  return text === undefined
    ? undefined
    : Either.match(Condition.parse(text), { onLeft: () => text, onRight: Condition.print })
}

/** As much of a definition as the checks of machines look at. */
const definitionOf = (contract: Rules.View): { readonly definition: AnyDefinition; readonly whole: boolean } => {
  let whole = true
  const name = (view: Rules.View): string => {
    const text = Rules.text(view)
    if (text === undefined) whole = false
    return text ?? ""
  }
  const never = () => false
  const states = Rules.entries(Rules.field(contract, "states")).map(([state, view]) => {
    const kind = Rules.text(Rules.field(view, "kind"))
    const after = Rules.field(view, "after")
    const known: Pick<AnyState, "kind"> = kind === "terminal" || kind === "error" ? { kind } : {}
    const timed = after.value === undefined ? {} : { after: { delay: 1, to: name(Rules.field(after, "to")) } }
    return [state, { ...known, ...timed } as const] as const
  })
  const transitions = Rules.items(Rules.field(contract, "transitions")).map((view) => {
    const guard = guardOf(Rules.field(view, "guard"))
    const priority = Rules.field(view, "priority").value
    const to = Rules.field(view, "to")
    return {
      from: name(Rules.field(view, "from")),
      on: name(Rules.field(view, "on")),
      ...(to.value === undefined ? {} : { to: name(to) }),
      ...(guard === undefined ? {} : { guard: { name: guard, test: never } }),
      priority: typeof priority === "number" ? priority : 0
    }
  })
  const definition: AnyDefinition = {
    id: "contract",
    context: Schema.Unknown,
    events: Object.fromEntries(Rules.names(Rules.field(contract, "events")).map((event) => [event, {}])),
    initial: name(Rules.field(contract, "initial")),
    initialContext: undefined,
    states: Object.fromEntries(states),
    transitions
  }
  return { definition, whole }
}

const machine = (contract: Rules.View, context: Rules.Context): void => {
  const { definition, whole } = definitionOf(contract)
  const states = Object.keys(definition.states)
  const { line, report } = context
  for (const fault of MachineCheck.check(definition)) {
    const path = [...contract.path, ...fault.path]
    MachineFault.$match(fault, {
      // the schema says it of names and options, and of what is missing; an empty name stands for it here
      InvalidName: () => undefined,
      InvalidOption: () => undefined,
      InvalidInitial: () => undefined,
      MissingInitial: () => undefined,
      NoStates: () => report(path, Problem.MissingField({ field: "a state" })),
      UnknownState: ({ state }) => (state === "" ? undefined : report(path, Problem.UnknownState({ state, states }))),
      UnknownEvent: ({ event }) =>
        event === ""
          ? undefined
          : report(path, Problem.UnknownEvent({ event, events: Object.keys(definition.events) })),
      // a transition at fault might lead there
      UnreachableState: ({ state }) => (whole ? report(path, Problem.UnreachableState({ state })) : undefined),
      DuplicateTransition: ({ first }) => report(path, Problem.DuplicateTransition({ first: line(first) })),
      ShadowedTransition: ({ by }) => report(path, Problem.ShadowedTransition({ by: line(by) })),
      EdgeOutOfTerminal: ({ state }) => report(path, Problem.EdgeOutOfTerminal({ state }))
    })
  }
}

const faultsOf = Either.match({
  onLeft: (found: ReadonlyArray<ContractDecoding.Found>) => found,
  onRight: (): ReadonlyArray<ContractDecoding.Found> => []
})

export const check = (contract: Rules.View, context: Rules.Context): void => {
  machine(contract, context)
  const declared = Rules.field(contract, "context")
  const known = declared.value === undefined ? objectOf({}) : Rules.shape(declared)
  const events = Rules.field(contract, "events")
  const type = Rules.field(declared, "type")
  if (Rules.text(type) !== undefined && type.value !== "object")
    context.report(type.path, Problem.WrongType({ expected: "the shape of an object", actual: String(type.value) }))
  Rules.shapeFaults(declared, context)
  for (const tags of [events, Rules.field(contract, "intents")])
    for (const [, fields] of Rules.entries(tags))
      for (const [, shape] of Rules.entries(fields)) Rules.shapeFaults(shape, context)
  const still: Scope = { context: known }
  const initial = Rules.field(contract, "initial_context")
  for (const { path, problem } of ContractDecoding.decode(toSchema(known), initial.value ?? {}).pipe(faultsOf))
    context.report([...initial.path, ...path], problem)
  for (const [, state] of Rules.entries(Rules.field(contract, "states"))) {
    for (const key of ["entry", "exit"]) actions(Rules.field(state, key), still, contract, context)
    const after = Rules.field(state, "after")
    Rules.condition(Rules.field(after, "guard"), still, context)
    actions(Rules.field(after, "actions"), still, contract, context)
  }
  for (const transition of Rules.items(Rules.field(contract, "transitions"))) {
    const on = Rules.text(Rules.field(transition, "on"))
    const event = on === undefined || !Rules.names(events).includes(on) ? undefined : Rules.field(events, on)
    const scope: Scope = { context: known, event: event === undefined ? { type: "any" } : Rules.fieldsShape(event) }
    Rules.condition(Rules.field(transition, "guard"), scope, context)
    actions(Rules.field(transition, "actions"), scope, contract, context)
  }
}
