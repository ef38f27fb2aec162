/** What an instance becomes: pure functions of a machine, a snapshot, an event and the time. */
import * as Either from "effect/Either"
import type { AnyAction, AnyGuard, Entry, Issued, Machine, Occurrence, Snapshot, Tagged } from "../MachineDefinition.js"
import { TransitionFailed, TransitionRefused } from "../MachineError.js"
import * as Plain from "./Plain.js"

/** A transition that was taken: what the instance is now, and the intents that it emitted. */
export interface Step<out S extends string, out C, out I> {
  readonly snapshot: Snapshot<S, C, I>
  readonly intents: ReadonlyArray<Issued<I>>
  readonly entry: Entry
}

export type StepError = TransitionRefused | TransitionFailed

/** What is being asked of whom, for errors. */
interface Asked {
  readonly machine: string
  readonly key: string
  readonly state: string
  readonly event: string
}

const asked = ({ key, machine, state }: Snapshot<string, unknown, unknown>, event: Tagged): Asked => ({
  ...{ machine, key, state },
  event: event._tag
})

const refuse = (asked: Asked, reason: TransitionRefused["reason"], faults = "", guards: ReadonlyArray<string> = []) =>
  Either.left(new TransitionRefused({ ...asked, reason, guards, faults }))

const failed = (asked: Asked, part: "guard" | "action", name: string, cause: unknown) =>
  new TransitionFailed({ ...asked, part, name, faults: cause instanceof Error ? cause.message : String(cause), cause })

const allows = (
  asked: Asked,
  guard: AnyGuard | undefined,
  lent: () => unknown,
  event: Tagged
): Either.Either<boolean, TransitionFailed> => {
  if (guard === undefined) return Either.right(true)
  return Either.flatMap(
    Either.try({
      // erasure: `make` has let a guard see only the events and contexts that it is given
      try: () => (guard.test as (context: unknown, event: Tagged) => unknown)(lent(), event),
      catch: (cause) => failed(asked, "guard", JSON.stringify(guard.name), cause)
    }),
    (given) =>
      // a promise, which is true in an `if`, is no answer
      typeof given === "boolean"
        ? Either.right(given)
        : Either.left(failed(asked, "guard", JSON.stringify(guard.name), new TypeError("it gave no boolean")))
  )
}

interface Acted<C, I> {
  readonly context: C
  readonly intents: ReadonlyArray<Issued<I>>
}

/** Gives the context out to guards and actions: what one of them does to it is seen by no other, and not kept. */
const lend = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  event: Tagged
): Either.Either<() => C, StepError> => {
  const lent = Plain.lend(machine.context, snapshot.context)
  return Either.isRight(lent) ? Either.right(lent.right) : refuse(asked(snapshot, event), "contextInvalid", lent.left)
}

/** Runs the actions one after the other, and looks at what they gave once they all have run. */
const act = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  lent: () => C,
  seq: number,
  event: Tagged,
  actions: ReadonlyArray<AnyAction>
): Either.Either<Acted<C, I>, StepError> => {
  const about = asked(snapshot, event)
  let context: C | undefined
  let isUpdated = false
  // what `emit` does to a context is not kept unless an `update` gave it
  const given = () => (isUpdated ? (context as C) : lent())
  const emitted: Array<I> = []
  for (const [index, { emit, name, update }] of actions.entries()) {
    try {
      // erasure, as for guards
      if (update !== undefined) {
        context = (update as (context: C, event: Tagged) => C)(given(), event)
        isUpdated = true
      }
      if (emit !== undefined) {
        const intents = (emit as (context: C, event: Tagged) => I | ReadonlyArray<I>)(given(), event)
        for (const intent of Array.isArray(intents) ? (intents as ReadonlyArray<I>) : [intents as I])
          emitted.push(intent)
      }
    } catch (cause) {
      return Either.left(failed(about, "action", name === undefined ? `${index + 1}` : JSON.stringify(name), cause))
    }
  }
  const next = isUpdated ? (context as C) : snapshot.context
  const copied = next === snapshot.context ? Either.right(next) : Plain.copy(machine.context, next)
  if (Either.isLeft(copied)) return refuse(about, "contextInvalid", copied.left)
  const intents: Array<Issued<I>> = []
  for (const [index, given] of emitted.entries()) {
    const intent = Plain.copy(machine.intent, given)
    if (Either.isLeft(intent)) return refuse(about, "intentInvalid", intent.left)
    const id = `${machine.id}:${snapshot.key}:${seq}:${index}`
    intents.push(Object.freeze({ id, intent: intent.right }))
  }
  return Either.right({ context: copied.right, intents })
}

/** When the time of a state is over that is entered now. */
const dueAt = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  state: S,
  at: number
): number | null => {
  const delay = machine.delay(state)
  return delay === undefined ? null : at + delay
}

/** What an instance begins as. */
export const start = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  key: string,
  at: number
): Either.Either<Snapshot<S, C, I>, StepError> => {
  const empty: Snapshot<S, C, I> = {
    ...{ machine: machine.id, key, state: machine.initial, context: machine.initialContext },
    ...{ seq: 0, due: dueAt(machine, machine.initial, at), history: Object.freeze([]), pending: [] }
  }
  const event: Occurrence = { _tag: "@start" }
  return Either.map(
    act(machine, empty, () => machine.initialContext, 0, event, machine.states[machine.initial].entry ?? []),
    ({ context, intents }) => Object.freeze({ ...empty, context, pending: Object.freeze(intents) })
  )
}

/** Takes a transition that was selected. Without `to` the state is not left. */
const take = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  lent: () => C,
  event: Tagged,
  at: number,
  { actions = [], to }: { readonly actions?: ReadonlyArray<AnyAction> | undefined; readonly to?: string | undefined }
): Either.Either<Step<S, C, I>, StepError> => {
  // a sound machine names only states that it has
  const state = (to ?? snapshot.state) as S
  const seq = snapshot.seq + 1
  const all =
    to === undefined
      ? actions
      : [...(machine.states[snapshot.state].exit ?? []), ...actions, ...(machine.states[state].entry ?? [])]
  return Either.map(act(machine, snapshot, lent, seq, event, all), ({ context, intents }) => {
    const ids = Object.freeze(intents.map(({ id }) => id))
    const entry: Entry = Object.freeze({ seq, at, event: event._tag, from: snapshot.state, to: state, intents: ids })
    const remembered = [...snapshot.history, entry]
    const next: Snapshot<S, C, I> = Object.freeze({
      ...snapshot,
      ...{ state, context, seq },
      due: to === undefined ? snapshot.due : dueAt(machine, state, at),
      history: Object.freeze(remembered.slice(Math.max(0, remembered.length - machine.history))),
      pending: intents.length === 0 ? snapshot.pending : Object.freeze([...snapshot.pending, ...intents])
    })
    return { snapshot: next, intents, entry }
  })
}

/** What the instance becomes by an event. */
export const transition = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  event: Ev,
  at: number
): Either.Either<Step<S, C, I>, StepError> => {
  const about = asked(snapshot, event)
  if (machine.states[snapshot.state].kind === "terminal") return refuse(about, "terminal")
  const lent = lend(machine, snapshot, event)
  if (Either.isLeft(lent)) return Either.left(lent.left)
  const refused: Array<string> = []
  for (const candidate of machine.candidates(snapshot.state, event._tag)) {
    const allowed = allows(about, candidate.guard, lent.right, event)
    if (Either.isLeft(allowed)) return Either.left(allowed.left)
    if (allowed.right) return take(machine, snapshot, lent.right, event, at, candidate)
    refused.push(candidate.guard!.name)
  }
  return refused.length === 0 ? refuse(about, "noTransition") : refuse(about, "guards", "", refused)
}

/** What an instance becomes whose time was over: a step, or why the timed transition was not taken. */
export interface Elapsed<S extends string, C, I> {
  readonly snapshot: Snapshot<S, C, I>
  readonly step: Either.Either<Step<S, C, I>, StepError>
}

/** Undefined while the time of the state is not over. */
export const elapse = <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  at: number
): Elapsed<S, C, I> | undefined => {
  if (snapshot.due === null || at < snapshot.due) return undefined
  const event: Occurrence = { _tag: "@after" }
  const about = asked(snapshot, event)
  const { after } = machine.states[snapshot.state]
  const step: Either.Either<Step<S, C, I>, StepError> = after === undefined
    ? refuse(about, "noTransition")
    : Either.flatMap(lend(machine, snapshot, event), (lent) =>
        Either.flatMap(allows(about, after.guard, lent, event), (allowed) =>
          allowed ? take(machine, snapshot, lent, event, at, after) : refuse(about, "guards", "", [after.guard!.name])
        )
      )
  // what was refused is not asked again
  const stays = () => Object.freeze({ ...snapshot, due: null })
  return { step, snapshot: Either.match(step, { onLeft: stays, onRight: (taken) => taken.snapshot }) }
}

/** Without the intents that are done; the same value where none of them is pending. */
export const acknowledge = <S extends string, C, I>(
  snapshot: Snapshot<S, C, I>,
  ids: ReadonlySet<string>
): Snapshot<S, C, I> => {
  const pending = snapshot.pending.filter(({ id }) => !ids.has(id))
  return pending.length === snapshot.pending.length
    ? snapshot
    : Object.freeze({ ...snapshot, pending: Object.freeze(pending) })
}
