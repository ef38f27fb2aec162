/**
 * The instances of a machine, as a `ReducerNode` keeps them: what can be asked of them, and what they say.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Node from "../dag/Node.js"
import type { NodeStateUnavailable, NodeValueInvalid } from "../model/NodeError.js"
import type { Entry, Snapshot, Tagged } from "./MachineDefinition.js"
import type { SnapshotRefused, TransitionFailed, TransitionRefused } from "./MachineError.js"

/**
 * What an instance is, for who uses it. `seq` is how many transitions it has taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface View<out S extends string, out C> {
  readonly state: S
  readonly context: C
  readonly seq: number
}

/**
 * An event, and the instance that it is for: the input of the node.
 *
 * @since 0.1.0
 * @category models
 */
export interface Send<out Ev> {
  readonly key: string
  readonly event: Ev
}

/**
 * Why an event did not lead to a transition. Nothing has changed.
 *
 * @since 0.1.0
 * @category errors
 */
export type Failure = TransitionRefused | TransitionFailed | NodeStateUnavailable | NodeValueInvalid

/**
 * Instances of a machine, by key. An instance begins with the first event that it accepts, or with `start`.
 *
 * Events of one instance are applied one after the other, in the order in which they arrive; those of others do not wait.
 * Each leads to one transition, with guards, state, context and history, or to none: an event that fails has changed
 * nothing. With a store, a transition is seen, and its intents are done, only after it is stored; when somebody else has
 * written the instance meanwhile, the event is applied to what is there now. So the history is the same as if all events,
 * of whatever process, had come one after the other.
 *
 * @since 0.1.0
 * @category services
 */
export interface Instances<
  in out S extends string,
  in out Ev extends Tagged,
  in out C,
  in out I extends Tagged
> extends Node.Service<Send<Ev>, View<S, C>, Failure> {
  /**
   * `process`: the event takes effect, or fails.
   *
   * **Interruption**: of an event that still waits for others, it does not take effect. One that is being applied does,
   * as a whole.
   */
  readonly send: (key: string, event: Ev) => Effect.Effect<View<S, C>, Failure>

  /** Begins the instance unless it has: the time of its initial state begins, and the intents of its entry are done. */
  readonly start: (key: string) => Effect.Effect<View<S, C>, Failure>

  /** What the instance is, after all that was asked of it before; what it would begin as, when it has not begun. */
  readonly get: (key: string) => Effect.Effect<View<S, C>, Failure>

  /** Whether it would accept the event now. */
  readonly can: (key: string, event: Ev) => Effect.Effect<boolean, NodeStateUnavailable | NodeValueInvalid>

  /** Its last transitions, the oldest first: as many as the machine remembers. */
  readonly history: (key: string) => Effect.Effect<ReadonlyArray<Entry>, NodeStateUnavailable | NodeValueInvalid>

  /** All that it is; none when it has not begun. `Machine.snapshot` is the schema with which to keep it. */
  readonly snapshot: (
    key: string
  ) => Effect.Effect<Option.Option<Snapshot<S, C, I>>, NodeStateUnavailable | NodeValueInvalid>

  /**
   * Puts a snapshot in the place of what is there, when all of it is as the machine says: its state is one of the
   * machine's, its context fits the schema, its history leads to `seq` and its state, its pending intents are its own.
   * One that has taken no more transitions than what is there is refused, unless it is the same: ids of intents would be
   * given twice. Its pending intents are done.
   */
  readonly restore: (
    snapshot: Snapshot<S, C, I>
  ) => Effect.Effect<View<S, C>, SnapshotRefused | NodeStateUnavailable | NodeValueInvalid>

  /**
   * Takes instances up that a process has left: timed transitions that are due are taken, and those that will be are
   * waited for; intents that are pending are done. It ends when the intents were begun. Every key is tried: when some could
   * not be taken up, it fails with the first failure, after all others were. Without keys it takes up all instances that the
   * store has, or that are in memory where there is none.
   */
  readonly recover: (keys?: Iterable<string>) => Effect.Effect<void, NodeStateUnavailable | NodeValueInvalid>

  /**
   * What the instance is, and then is, each time that it has taken transitions: the latest, for a consumer that is slow.
   * What other processes did is seen when this one has to do with the instance. It ends with the Layer's scope.
   */
  readonly changes: (key: string) => Stream.Stream<View<S, C>, NodeStateUnavailable | NodeValueInvalid>
}

/**
 * What an intent is given along. `id` is the same whenever the intent is done again, and no other intent of the instances
 * of one store has it: the idempotency key of what it does. Without a store that holds for the instances of one Layer
 * only: after a restart, and in another Layer, instances with the same keys give the same ids to other intents.
 *
 * @since 0.1.0
 * @category models
 */
export interface IntentOptions {
  readonly id: string
  readonly key: string
}
