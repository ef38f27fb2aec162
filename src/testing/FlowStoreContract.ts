/**
 * What every store of flows must do, as Effects that need no test runner.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { FlowStore } from "../store/FlowStore.js"
import * as Contract from "./internal/contract/Check.js"
import * as FlowInput from "./internal/contract/FlowInput.js"
import * as FlowModel from "./internal/contract/FlowModel.js"
import * as FlowRaces from "./internal/contract/FlowRaces.js"
import * as Flows from "./internal/contract/Flows.js"
import type { Options } from "./internal/contract/Property.js"

export { ContractBroken, ContractViolation } from "./internal/contract/Check.js"
export type { Options } from "./internal/contract/Property.js"

/**
 * One thing that every `FlowStore` must do.
 *
 * @since 0.1.0
 * @category models
 */
export type Check = Contract.Check<FlowStore>

/**
 * The checks of the contract. Each one needs a store that nothing has used yet; with any test runner, one check is one
 * test.
 *
 * @example
 * ```ts
 * import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
 * import { FlowStoreContract } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const tests = FlowStoreContract.checks({ seed: 7 }).map(({ check, group, name }) => ({
 *   title: `${group}: ${name}`,
 *   run: () => Effect.runPromise(Effect.provide(check, FlowStoreMemory.layer()))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checks = (options: Options = {}): ReadonlyArray<Check> => [
  ...Flows.checks,
  ...FlowInput.checks,
  ...FlowRaces.checks,
  ...FlowModel.checks(options)
]

/**
 * Runs all checks one after the other, each with the layer built anew, and fails with all that did not succeed. A layer
 * that keeps its data, in a file or a database, has to begin with an empty one each time it is built.
 *
 * **Interruption**: ends the check under way and closes its store.
 *
 * @example
 * ```ts
 * import * as FlowStoreSqlite from "heddle/store/FlowStoreSqlite"
 * import { FlowStoreContract } from "heddle/testing"
 *
 * const program = FlowStoreContract.verify(FlowStoreSqlite.layer({ filename: ":memory:" }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const verify = <E, R>(
  layer: Layer.Layer<FlowStore, E, R>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractBroken, R> => Contract.verify(checks(options), layer)
