/**
 * What a state machine is made of: the types of `Machine`, which its constructors and functions share.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import type { ValueSchema } from "../dag/Node.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("~heddle/node/Machine")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * Events and intents: values that say what they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tagged {
  readonly _tag: string
}

/** `Schema` is invariant, so that `unknown` would refuse every field. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyValue = any

/**
 * The fields of an event or an intent besides its tag. Their schemas have no requirements.
 *
 * @since 0.1.0
 * @category models
 */
export type Fields = {
  readonly [field: string]:
    | Schema.Schema.AnyNoContext
    | Schema.PropertySignature<
        Schema.PropertySignature.Token,
        AnyValue,
        PropertyKey,
        Schema.PropertySignature.Token,
        AnyValue,
        boolean,
        never
      >
}

/**
 * Events or intents, by their tags.
 *
 * @since 0.1.0
 * @category models
 */
export type Tags = { readonly [tag: string]: Fields }

/**
 * The union of the events, or intents, that fields describe.
 *
 * @since 0.1.0
 * @category type-level
 */
export type TaggedOf<T extends Tags> = {
  readonly [K in keyof T & string]: { readonly _tag: K } & Schema.Struct.Type<T[K]>
}[keyof T & string]

/**
 * What entry and exit actions are given where no event was sent: an instance has begun, or the time of a state was over.
 *
 * @since 0.1.0
 * @category models
 */
export type Occurrence = { readonly _tag: "@start" } | { readonly _tag: "@after" }

/**
 * Whether a transition may be taken. `test` must be pure; its name says who refused, and stands for it: a state has no
 * two transitions for an event with guards of one name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard<in C, in Ev> {
  readonly name: string
  readonly test: (context: C, event: Ev) => boolean
}

/**
 * No value has this type. It has the tag of an intent that a function without parameters gives stay a literal, which
 * TypeScript looks at before it knows the intents.
 */
interface Literally {
  readonly [TypeId]: never
  readonly _tag: "@"
}

/**
 * One step of what a transition does. It must be pure. `update` gives the next context, then `emit`, which is given that
 * one, the intents: what is to be done in the world, once the transition is stored. `name` is for errors. (TypeScript
 * takes literals in the context that an `update` without parameters gives for strings: give it one, or `as const`.)
 *
 * @since 0.1.0
 * @category models
 */
export interface Action<in out C, in Ev, out I> {
  readonly name?: string | undefined
  readonly update?: ((context: C, event: Ev) => C) | undefined
  readonly emit?: ((context: C, event: Ev) => I | Literally | ReadonlyArray<I | Literally>) | undefined
}

/**
 * A transition that is taken when a state was not left for `delay`, which is at least a millisecond and counts from the
 * entry into the state. A `guard` that is false then is not asked again until the state is entered again.
 *
 * @since 0.1.0
 * @category models
 */
export interface After<S extends string, in out C, out I> {
  readonly delay: Duration.DurationInput
  readonly to: S
  readonly guard?: Guard<C, Extract<Occurrence, { readonly _tag: "@after" }>> | undefined
  readonly actions?: ReadonlyArray<Action<C, Extract<Occurrence, { readonly _tag: "@after" }>, I>> | undefined
}

/**
 * - `kind`: `terminal`: nothing leaves it. `error`: something went wrong; only transitions that name it leave it, those
 *   from `"*"` do not
 * - `entry`, `exit`: what is done whenever it is entered and left, also by a transition from it to itself
 * - `after`: where it goes when time is over
 *
 * @since 0.1.0
 * @category models
 */
export interface State<S extends string, in out C, in Ev, out I> {
  readonly kind?: "terminal" | "error" | undefined
  readonly entry?: ReadonlyArray<Action<C, Ev | Occurrence, I>> | undefined
  readonly exit?: ReadonlyArray<Action<C, Ev | Occurrence, I>> | undefined
  readonly after?: After<S, C, I> | undefined
}

/**
 * - `from`: a state, or `"*"` for every state that is neither terminal nor an error
 * - `on`: the tag of the event
 * - `to`: the state that is entered; without one the state is not left, its exit and entry actions do not run and its
 *   time goes on
 * - `priority`: those of a higher one are asked first; 0 unless given
 *
 * @since 0.1.0
 * @category models
 */
export type Transition<S extends string, Ev extends Tagged, C, I> = {
  readonly [T in Ev["_tag"]]: {
    readonly from: S | "*"
    readonly on: T
    readonly to?: S | undefined
    readonly guard?: Guard<C, Extract<Ev, { readonly _tag: T }>> | undefined
    readonly priority?: number | undefined
    readonly actions?: ReadonlyArray<Action<C, Extract<Ev, { readonly _tag: T }>, I>> | undefined
  }
}[Ev["_tag"]]

/**
 * What `Machine.make` is given.
 *
 * - `id`: names the machine and its instances, wherever they are stored. It has no colon
 * - `version`: part of the fingerprint of modules that call it
 * - `context`: the schema of what an instance knows besides its state
 * - `events`, `intents`: their fields, by tag
 * - `history`: how many of its last transitions an instance remembers; 50 unless given
 *
 * @since 0.1.0
 * @category models
 */
export interface Definition<S extends string, C, Evs extends Tags, Ints extends Tags> {
  readonly id: string
  readonly version?: string | number | undefined
  readonly context: ValueSchema<C>
  readonly events: Evs
  readonly intents?: Ints | undefined
  readonly initial: NoInfer<S>
  readonly initialContext: NoInfer<C>
  readonly history?: number | undefined
  readonly states: { readonly [K in S]: State<NoInfer<S>, NoInfer<C>, TaggedOf<NoInfer<Evs>>, TaggedOf<NoInfer<Ints>>> }
  readonly transitions: ReadonlyArray<
    Transition<NoInfer<S>, TaggedOf<NoInfer<Evs>>, NoInfer<C>, TaggedOf<NoInfer<Ints>>>
  >
}

/**
 * A guard with its types erased, as machines keep it.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyGuard extends Guard<never, never> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyAction {
  readonly name?: string | undefined
  readonly update?: ((context: never, event: never) => unknown) | undefined
  readonly emit?: ((context: never, event: never) => unknown) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyTransition {
  readonly from: string
  readonly on: string
  readonly to?: string | undefined
  readonly guard?: AnyGuard | undefined
  readonly priority?: number | undefined
  readonly actions?: ReadonlyArray<AnyAction> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyState {
  readonly kind?: "terminal" | "error" | undefined
  readonly entry?: ReadonlyArray<AnyAction> | undefined
  readonly exit?: ReadonlyArray<AnyAction> | undefined
  readonly after?:
    | {
        readonly delay: Duration.DurationInput
        readonly to: string
        readonly guard?: AnyGuard | undefined
        readonly actions?: ReadonlyArray<AnyAction> | undefined
      }
    | undefined
}

/**
 * A definition with its types erased: what is checked, and what files of contracts become.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyDefinition {
  readonly id: string
  readonly version?: string | number | undefined
  readonly context: Schema.Schema.AnyNoContext
  readonly events: Tags
  readonly intents?: Tags | undefined
  readonly initial: string
  readonly initialContext: unknown
  readonly history?: number | undefined
  readonly states: { readonly [name: string]: AnyState }
  readonly transitions: ReadonlyArray<AnyTransition>
}

/**
 * A state machine: an immutable, frozen definition that was found to be sound.
 *
 * - `S`: the names of its states; `Ev`: its events; `C`: its context; `I`: its intents
 * - `initialContext`: what an instance begins with. Where it is not all plain data, each access gives a new copy
 * - `history`: how many transitions an instance remembers
 * - `candidates`: the transitions from a state on an event, in the order in which they are asked
 * - `delay`: how long a state has before its timed transition is due, in milliseconds
 *
 * @since 0.1.0
 * @category models
 */
export interface Machine<in out S extends string, in out Ev extends Tagged, in out C, in out I extends Tagged> {
  readonly [TypeId]: {
    readonly S: Types.Invariant<S>
    readonly Ev: Types.Invariant<Ev>
    readonly C: Types.Invariant<C>
    readonly I: Types.Invariant<I>
  }
  readonly id: string
  readonly version: string | undefined
  readonly context: ValueSchema<C>
  readonly event: ValueSchema<Ev>
  readonly intent: ValueSchema<I>
  readonly initial: S
  readonly initialContext: C
  readonly history: number
  readonly states: { readonly [K in S]: AnyState }
  readonly transitions: ReadonlyArray<AnyTransition>
  readonly candidates: (state: S, tag: string) => ReadonlyArray<AnyTransition>
  readonly delay: (state: S) => number | undefined
}

/**
 * A transition that was taken. `seq` counts those of the instance, from 1; `at` is in milliseconds since 1970; `event` is
 * the tag, or `@after`; `intents` are the ids of those that it emitted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly seq: number
  readonly at: number
  readonly event: string
  readonly from: string
  readonly to: string
  readonly intents: ReadonlyArray<string>
}

/**
 * An intent that was emitted. Its id is made of the machine's id, the key, the number of the transition and the place
 * among the intents of that one. So it is unique among the instances of one store; without a store among those of one
 * Layer, and an instance that begins again after a restart, or in another Layer, gives the same ids again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Issued<out I> {
  readonly id: string
  readonly intent: I
}

/**
 * All that an instance is, at one moment: a value that nobody changes.
 *
 * - `key`: which instance of the machine it is
 * - `seq`: how many transitions were taken
 * - `due`: when the time of its state is over, in milliseconds since 1970; null when it never is
 * - `history`: the last transitions, the oldest first
 * - `pending`: the intents that were emitted and not acknowledged yet
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot<out S extends string, out C, out I> {
  readonly machine: string
  readonly key: string
  readonly state: S
  readonly context: C
  readonly seq: number
  readonly due: number | null
  readonly history: ReadonlyArray<Entry>
  readonly pending: ReadonlyArray<Issued<I>>
}
