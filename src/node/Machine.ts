/**
 * State machines: immutable definitions, and the pure functions that say what an instance becomes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { ValueSchema } from "../dag/Node.js"
import * as MachineCompile from "./internal/MachineCompile.js"
import * as MachineSnapshot from "./internal/MachineSnapshot.js"
import * as MachineStep from "./internal/MachineStep.js"
import {
  type AnyDefinition,
  type Definition,
  type Machine,
  type Snapshot,
  type Tagged,
  type TaggedOf,
  type Tags,
  TypeId
} from "./MachineDefinition.js"
import type { MachineFault, MachineInvalid } from "./MachineError.js"

export type * from "./MachineDefinition.js"
export * from "./MachineError.js"

/**
 * A transition that was taken: what the instance is now, the intents that were emitted, and what the history says of it.
 *
 * @since 0.1.0
 * @category models
 */
export type Step<S extends string, C, I> = MachineStep.Step<S, C, I>

/**
 * What an instance becomes whose time was over. A timed transition that was refused leaves it in its state, and is not
 * tried again until the state is entered again.
 *
 * @since 0.1.0
 * @category models
 */
export type Elapsed<S extends string, C, I> = MachineStep.Elapsed<S, C, I>

/**
 * Why an instance stays as it is.
 *
 * @since 0.1.0
 * @category errors
 */
export type StepError = MachineStep.StepError

/**
 * A machine, frozen. Names of states, events and intents are types: one that there is not does not compile. It throws
 * `MachineInvalid`, with everything that is wrong, for what types do not say.
 *
 * Of the transitions from a state on an event, those that name the state are asked before those from `"*"`; among each of
 * the two the higher priority first, then as they are declared. The first one whose guard is true, or that has none, is
 * taken. Its actions run in this order: exit of the state, its own, entry of the next state; each is given the context
 * that the one before it made. Then context and intents are held against their schemas.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import * as Machine from "heddle/node/Machine"
 *
 * const door = Machine.make({
 *   id: "app/door",
 *   context: Schema.Struct({ opened: Schema.Int }),
 *   events: { Open: {}, Close: {}, Lock: { code: Schema.String } },
 *   intents: { Ring: { times: Schema.Int } },
 *   initial: "closed",
 *   initialContext: { opened: 0 },
 *   states: {
 *     closed: {},
 *     open: {
 *       entry: [{ update: ({ opened }) => ({ opened: opened + 1 }) }],
 *       after: { delay: "1 minute", to: "closed" }
 *     },
 *     locked: { kind: "terminal" }
 *   },
 *   transitions: [
 *     { from: "closed", on: "Open", to: "open", actions: [{ emit: () => ({ _tag: "Ring", times: 1 }) }] },
 *     { from: "open", on: "Close", to: "closed" },
 *     { from: "*", on: "Lock", to: "locked", guard: { name: "code fits", test: (_, { code }) => code === "1234" } }
 *   ]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const S extends string, const C, const Evs extends Tags, const Ints extends Tags = {}>(
  definition: Definition<S, C, Evs, Ints>
): Machine<S, TaggedOf<Evs>, C, TaggedOf<Ints>> => Either.getOrThrowWith(makeEither(definition), (invalid) => invalid)

/**
 * `make` for definitions that are made from data: left has everything that is wrong, each with its path.
 *
 * @example
 * ```ts
 * import { Either, Schema } from "effect"
 * import * as Machine from "heddle/node/Machine"
 *
 * const states: { readonly [name: string]: {} } = { idle: {}, lost: {} }
 * const made = Machine.makeEither({
 *   id: "app/loaded",
 *   context: Schema.Null,
 *   events: { Go: {} },
 *   initial: "idle",
 *   initialContext: null,
 *   states,
 *   transitions: [{ from: "idle", on: "Go", to: "gone" }]
 * })
 * const faults = Either.match(made, { onLeft: ({ faults }) => faults.map(Machine.message), onRight: () => [] })
 * // 'states.lost: nothing leads to state "lost"…', 'transitions.0.to: there is no state "gone"'
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeEither = <const S extends string, const C, const Evs extends Tags, const Ints extends Tags = {}>(
  definition: Definition<S, C, Evs, Ints>
): Either.Either<Machine<S, TaggedOf<Evs>, C, TaggedOf<Ints>>, MachineInvalid> =>
  // erasure: the definition has these types, and what is made of it calls its functions with nothing else
  MachineCompile.compile(definition) as unknown as Either.Either<
    Machine<S, TaggedOf<Evs>, C, TaggedOf<Ints>>,
    MachineInvalid
  >

/**
 * Everything that is wrong with a definition, each with its path; nothing when it is sound.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (definition: AnyDefinition): ReadonlyArray<MachineFault> =>
  Either.match(MachineCompile.compile(definition), { onLeft: ({ faults }) => faults, onRight: () => [] })

/**
 * Whether a value is a machine.
 *
 * @since 0.1.0
 * @category guards
 */
export const isMachine = (value: unknown): value is Machine<string, Tagged, unknown, Tagged> =>
  typeof value === "object" && value !== null && TypeId in value

/**
 * What the instance of this key begins as at this time, in milliseconds since 1970. The entry actions of the initial
 * state run; those that are not pure may fail here.
 *
 * @since 0.1.0
 * @category transitions
 */
export const start: <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  key: string,
  at: number
) => Either.Either<Snapshot<S, C, I>, StepError> = MachineStep.start

/**
 * What an instance becomes by an event, at this time; left is why it stays as it is. Pure. A timed transition that is due
 * is none of its business: `elapse` comes first.
 *
 * @example
 * ```ts
 * import { Either, Schema } from "effect"
 * import * as Machine from "heddle/node/Machine"
 *
 * const lamp = Machine.make({
 *   id: "app/lamp",
 *   context: Schema.Null,
 *   events: { Press: {} },
 *   initial: "off",
 *   initialContext: null,
 *   states: { off: {}, on: {} },
 *   transitions: [
 *     { from: "off", on: "Press", to: "on" },
 *     { from: "on", on: "Press", to: "off" }
 *   ]
 * })
 * const state = Machine.start(lamp, "desk", 0).pipe(
 *   Either.flatMap((lit) => Machine.transition(lamp, lit, { _tag: "Press" }, 5)),
 *   Either.map(({ snapshot }) => snapshot.state)
 * ) // right: "on"
 * ```
 *
 * @since 0.1.0
 * @category transitions
 */
export const transition: <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  event: NoInfer<Ev>,
  at: number
) => Either.Either<Step<S, C, I>, StepError> = MachineStep.transition

/**
 * What an instance becomes whose timed transition is due at this time; undefined while none is. Pure. One that comes late
 * is taken once, and the next one counts from then.
 *
 * @since 0.1.0
 * @category transitions
 */
export const elapse: <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>,
  snapshot: Snapshot<S, C, I>,
  at: number
) => Elapsed<S, C, I> | undefined = MachineStep.elapse

/**
 * The schema of snapshots of a machine, with which they are kept and sent.
 *
 * @since 0.1.0
 * @category schemas
 */
export const snapshot: <S extends string, Ev extends Tagged, C, I extends Tagged>(
  machine: Machine<S, Ev, C, I>
) => ValueSchema<Snapshot<S, C, I>> = MachineSnapshot.schema
