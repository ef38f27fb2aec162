/**
 * One thing that a store must do, as an Effect.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../../model/StoreError.js"
import type { RunStore } from "../../../store/RunStore.js"
import { Mismatch } from "./Expect.js"

/**
 * A store did not do what the contract says.
 *
 * - `check`: the group and the name of the check
 * - `expected`, `actual`: what the contract says and what the store gave; `message` shows the difference
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractViolation extends Data.TaggedError("ContractViolation")<{
  readonly check: string
  readonly message: string
  readonly expected: unknown
  readonly actual: unknown
}> {}

/**
 * One thing that every `RunStore` must do. It expects a store that nothing else has used, so whoever runs it provides a
 * new one for each check. It takes its time from its arguments only, so it runs under a `TestClock` too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Check {
  readonly group: string
  readonly name: string
  readonly check: Effect.Effect<void, ContractViolation | StoreError, RunStore>
}

/** Makes the mismatches of a check violations of the contract. */
export const violations =
  (check: string) =>
  <A, E, R>(self: Effect.Effect<A, E | Mismatch, R>): Effect.Effect<A, Exclude<E, Mismatch> | ContractViolation, R> =>
    Effect.catchIf(
      self,
      (error) => error instanceof Mismatch,
      ({ actual, expected, message }) =>
        new ContractViolation({ check, message: `${check}\n${message}`, expected, actual })
    )

/** The checks of a group, by name, in their order. */
export const group = (
  group: string,
  checks: { readonly [name: string]: Effect.Effect<void, Mismatch | StoreError, RunStore> }
): ReadonlyArray<Check> =>
  Object.entries(checks).map(([name, check]) => ({ group, name, check: violations(`${group}: ${name}`)(check) }))
