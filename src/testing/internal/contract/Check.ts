/**
 * One thing that a store must do, as an Effect.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
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
 * One thing that every `Store`, such as every `RunStore`, must do. It expects a store that nothing else has used, so
 * whoever runs it provides a new one for each check. It runs under a `TestClock` too, which need not be moved.
 *
 * @since 0.1.0
 * @category models
 */
export interface Check<Store = RunStore> {
  readonly group: string
  readonly name: string
  readonly check: Effect.Effect<void, ContractViolation | StoreError, Store>
}

/**
 * Checks that did not succeed, each with why: a `ContractViolation`, an error of the store or of its layer, or a defect.
 * `message` tells all of them.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractBroken extends Data.TaggedError("ContractBroken")<{
  readonly failures: ReadonlyArray<{
    readonly check: Pick<Check, "group" | "name">
    readonly cause: Cause.Cause<unknown>
  }>
  readonly message: string
}> {}

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
export const group = <Store>(
  group: string,
  checks: { readonly [name: string]: Effect.Effect<void, Mismatch | StoreError, Store> }
): ReadonlyArray<Check<Store>> =>
  Object.entries(checks).map(([name, check]) => ({ group, name, check: violations(`${group}: ${name}`)(check) }))

/** Runs the checks one after the other, each with the layer built anew, and fails with all that did not succeed. */
export const verify = <Store, E, R>(
  checks: ReadonlyArray<Check<Store>>,
  layer: Layer.Layer<Store, E, R>
): Effect.Effect<void, ContractBroken, R> =>
  Effect.forEach(checks, ({ check, group, name }) =>
    Effect.map(Effect.exit(Effect.provide(check, layer)), (exit) =>
      Exit.isSuccess(exit) ? [] : [{ check: { group, name }, cause: exit.cause }]
    )
  ).pipe(
    Effect.flatMap((failures) => {
      const failed = failures.flat()
      if (failed.length === 0) return Effect.void
      const told = failed.map(({ cause, check }) => `${check.group}: ${check.name}\n${Cause.pretty(cause)}`)
      return new ContractBroken({ failures: failed, message: told.join("\n\n") })
    })
  )
