/**
 * The faults that a store may have, and which calls have them.
 */
import type * as Duration from "effect/Duration"
import * as Hash from "effect/Hash"
import { PCGRandom } from "effect/Utils"
import type { StoreError } from "../../model/StoreError.js"

/** Of each method of a store, whether it changes something. */
export type Writes<Operation extends string> = { readonly [O in Operation]: boolean }

/**
 * Which calls: those of one method, or of all that write.
 *
 * @since 0.1.0
 * @category models
 */
export type Target<Operation extends string> = Operation | "any write"

/**
 * Before the store does what it is asked, or after it did: then it has taken effect, and only the answer is lost or late.
 *
 * @since 0.1.0
 * @category models
 */
export type When = "before" | "after"

/**
 * - `Fail`: the call fails with a `StoreError` of this reason
 * - `Delay`: it takes so much longer
 * - `Hang`: it gives no answer
 * - `Kill`: the process is killed
 *
 * A store that fails by itself gives its own error, and no fault follows.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | { readonly _tag: "Fail"; readonly reason: StoreError["reason"]; readonly when: When }
  | { readonly _tag: "Delay"; readonly duration: Duration.DurationInput; readonly when: When }
  | { readonly _tag: "Hang"; readonly when: When }
  | { readonly _tag: "Kill"; readonly when: When }

/**
 * A failure: `busy` and `unavailable` are transient, the other reasons are permanent.
 *
 * @since 0.1.0
 * @category faults
 */
export const fail = (reason: StoreError["reason"], when: When = "before"): Fault => ({ _tag: "Fail", reason, when })

/**
 * The connection breaks after the call has taken effect: the caller gets `unavailable`, and cannot know.
 *
 * @since 0.1.0
 * @category faults
 */
export const lostAcknowledgement: Fault = fail("unavailable", "after")

/**
 * @since 0.1.0
 * @category faults
 */
export const delay = (duration: Duration.DurationInput, when: When = "before"): Fault => ({
  _tag: "Delay",
  duration,
  when
})

/**
 * @since 0.1.0
 * @category faults
 */
export const hang = (when: When = "before"): Fault => ({ _tag: "Hang", when })

/**
 * @since 0.1.0
 * @category faults
 */
export const kill = (when: When = "before"): Fault => ({ _tag: "Kill", when })

/**
 * A fault, and the calls that have it: the `nth` (from 1) of its `operation`, and those that follow it, `times` in all. 1
 * unless given, and `Infinity` for the store that stays broken.
 *
 * @since 0.1.0
 * @category models
 */
export interface Planned<Operation extends string> {
  readonly operation: Target<Operation>
  readonly nth: number
  readonly times?: number | undefined
  readonly fault: Fault
}

/**
 * Where more than one fault is planned for a call, the first of the list counts.
 *
 * @since 0.1.0
 * @category models
 */
export type Plan<Operation extends string> = ReadonlyArray<Planned<Operation>>

/** The fault of the `nth` call of an operation, which is the `nthWrite` of all that write. */
export type Decide<Operation extends string> = (
  operation: Operation,
  nth: number,
  nthWrite: number | undefined
) => Fault | undefined

export const planned =
  <Operation extends string>(plan: Plan<Operation>): Decide<Operation> =>
  (operation, nth, nthWrite) =>
    plan.find((one) => {
      const number = one.operation === "any write" ? nthWrite : one.operation === operation ? nth : undefined
      return number !== undefined && number >= one.nth && number < one.nth + (one.times ?? 1)
    })?.fault

/**
 * - `seed`: decides which calls have a fault, and which one
 * - `rate`: the probability that a call has one, from 0 to 1
 * - `faults`: those that there are; each is as likely as the others
 * - `operations`: which calls may have one: those that write unless given
 *
 * @since 0.1.0
 * @category options
 */
export interface Chances<Operation extends string> {
  readonly seed: number
  readonly rate: number
  readonly faults: ReadonlyArray<Fault>
  readonly operations?: ReadonlyArray<Target<Operation>> | undefined
}

/** A generator of its own for each call: so no call of another operation has a part in it. */
export const seeded =
  <Operation extends string>({
    faults,
    operations = ["any write"],
    rate,
    seed
  }: Chances<Operation>): Decide<Operation> =>
  (operation, nth, nthWrite) => {
    if (!operations.some((one) => one === operation || (one === "any write" && nthWrite !== undefined)))
      return undefined
    const random = new PCGRandom(Hash.string(`${seed} ${operation} ${nth}`))
    return random.number() < rate ? faults[random.integer(faults.length)] : undefined
  }
