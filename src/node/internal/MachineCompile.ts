/** A definition that becomes a machine. */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Millis from "../../model/Millis.js"
import {
  type AnyDefinition,
  type AnyState,
  type AnyTransition,
  type Machine,
  type Tagged,
  type Tags,
  TypeId
} from "../MachineDefinition.js"
import { MachineFault, MachineInvalid } from "../MachineError.js"
import * as MachineCheck from "./MachineCheck.js"
import * as MachineStep from "./MachineStep.js"
import * as Plain from "./Plain.js"

const defaultHistory = 50

const unionOf = (tags: Tags): Schema.Schema<Tagged> =>
  // erasure: `TaggedOf` is the type of this union
  Schema.Union(
    ...Object.entries(tags).map(([tag, fields]) => Schema.TaggedStruct(tag, fields as Schema.Struct.Fields))
  ) as unknown as Schema.Schema<Tagged>

const frozenList = <A extends object>(list: ReadonlyArray<A>): ReadonlyArray<A> =>
  Object.freeze(list.map((item) => Object.freeze({ ...item })))

const frozenTransition = <T extends Pick<AnyTransition, "actions" | "guard">>(transition: T): T =>
  Object.freeze({
    ...transition,
    ...(transition.guard === undefined ? {} : { guard: Object.freeze({ ...transition.guard }) }),
    ...(transition.actions === undefined ? {} : { actions: frozenList(transition.actions) })
  })

const frozenState = (state: AnyState): AnyState =>
  Object.freeze({
    ...state,
    ...(state.entry === undefined ? {} : { entry: frozenList(state.entry) }),
    ...(state.exit === undefined ? {} : { exit: frozenList(state.exit) }),
    ...(state.after === undefined ? {} : { after: frozenTransition(state.after) })
  })

/** An exact source comes before the wildcard, whatever their priorities. */
const ordered = (
  states: { readonly [name: string]: AnyState },
  transitions: ReadonlyArray<AnyTransition>
): ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<AnyTransition>>> =>
  new Map(
    Object.entries(states).map(([name, { kind }]) => {
      const byEvent = new Map<string, Array<AnyTransition>>()
      const add = (from: string) => {
        for (const transition of MachineCheck.inOrder(transitions.filter((transition) => transition.from === from))) {
          byEvent.set(transition.on, [...(byEvent.get(transition.on) ?? []), transition])
        }
      }
      if (kind !== "terminal") add(name)
      if (kind === undefined) add("*")
      for (const list of byEvent.values()) Object.freeze(list)
      return [name, byEvent]
    })
  )

type Any = Machine<string, Tagged, unknown, Tagged>

const none: ReadonlyArray<AnyTransition> = Object.freeze([])

const build = (definition: AnyDefinition, initialContext: () => unknown): Any => {
  const states = Object.freeze(
    Object.fromEntries(Object.entries(definition.states).map(([name, state]) => [name, frozenState(state)]))
  )
  const transitions = Object.freeze(definition.transitions.map(frozenTransition))
  const candidates = ordered(states, transitions)
  const delays = new Map(
    Object.entries(states).flatMap(([name, { after }]) =>
      // a due time is a whole number of milliseconds
      after === undefined ? [] : [[name, Math.ceil(Millis.of(after.delay) ?? 0)] as const]
    )
  )
  return Object.freeze<Any>({
    // the phantoms
    [TypeId]: TypeId as unknown as Any[TypeId],
    id: definition.id,
    version: definition.version === undefined ? undefined : String(definition.version),
    context: definition.context,
    event: unionOf(definition.events),
    intent: unionOf(definition.intents ?? {}),
    initial: definition.initial,
    get initialContext() {
      return initialContext()
    },
    history: definition.history ?? defaultHistory,
    states,
    transitions,
    candidates: (state, tag) => candidates.get(state)?.get(tag) ?? none,
    delay: (state) => delays.get(state)
  })
}

export const compile = (definition: AnyDefinition): Either.Either<Any, MachineInvalid> => {
  const faults = [...MachineCheck.check(definition)]
  const initial = Either.flatMap(Plain.copy(definition.context, definition.initialContext), (context) =>
    Plain.lend(definition.context, context)
  )
  if (Either.isLeft(initial)) {
    faults.push(MachineFault.InvalidInitial({ path: ["initialContext"], message: initial.left }))
  }
  const machine = build(
    definition,
    Either.getOrElse(initial, () => () => undefined)
  )
  if (Either.isRight(initial) && Object.hasOwn(machine.states, machine.initial)) {
    const begun = MachineStep.start(machine, "", 0)
    if (Either.isLeft(begun)) {
      const path = ["states", machine.initial, "entry"]
      faults.push(MachineFault.InvalidInitial({ path, message: begun.left.message }))
    }
  }
  return Arr.isNonEmptyReadonlyArray(faults)
    ? Either.left(new MachineInvalid({ machine: definition.id, faults }))
    : Either.right(machine)
}
