/**
 * What every store of leases must do, as Effects that need no test runner.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { LeaseStore } from "../store/LeaseStore.js"
import * as Contract from "./internal/contract/Check.js"
import * as LeaseLine from "./internal/contract/LeaseLine.js"
import * as LeaseModel from "./internal/contract/LeaseModel.js"
import * as LeaseRaces from "./internal/contract/LeaseRaces.js"
import * as LeaseRequests from "./internal/contract/LeaseRequests.js"
import * as Leases from "./internal/contract/Leases.js"
import type { Options } from "./internal/contract/Property.js"

export { ContractBroken, ContractViolation } from "./internal/contract/Check.js"
export type { Options } from "./internal/contract/Property.js"

/**
 * One thing that every `LeaseStore` must do.
 *
 * @since 0.1.0
 * @category models
 */
export type Check = Contract.Check<LeaseStore>

/**
 * The checks of the contract. Each one needs a store that nothing has used yet; with any test runner, one check is one
 * test. The time that a store sees is that of the check: a store that has a clock of its own, as a database does, has to
 * be told to take it from the `Clock` of who calls.
 *
 * @example
 * ```ts
 * import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
 * import { LeaseStoreContract } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const tests = LeaseStoreContract.checks({ seed: 7 }).map(({ check, group, name }) => ({
 *   title: `${group}: ${name}`,
 *   run: () => Effect.runPromise(Effect.provide(check, LeaseStoreMemory.layer()))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checks = (options: Options = {}): ReadonlyArray<Check> => [
  ...Leases.checks,
  ...LeaseLine.checks,
  ...LeaseRequests.checks,
  ...LeaseRaces.checks,
  ...LeaseModel.checks(options)
]

/**
 * Runs all checks one after the other, each with the layer built anew, and fails with all that did not succeed. A layer
 * that keeps its data, in a file or a database, has to begin with an empty one each time it is built.
 *
 * **Interruption**: ends the check under way and closes its store.
 *
 * @example
 * ```ts
 * import * as LeaseStoreSqlite from "heddle/store/LeaseStoreSqlite"
 * import { LeaseStoreContract } from "heddle/testing"
 *
 * const program = LeaseStoreContract.verify(LeaseStoreSqlite.layer({ filename: ":memory:" }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const verify = <E, R>(
  layer: Layer.Layer<LeaseStore, E, R>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractBroken, R> => Contract.verify(checks(options), layer)
