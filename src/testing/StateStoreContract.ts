/**
 * What every store of state must do, as Effects that need no test runner.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { StateStore } from "../store/StateStore.js"
import * as Contract from "./internal/contract/Check.js"
import * as Entries from "./internal/contract/Entries.js"
import * as EntryChanges from "./internal/contract/EntryChanges.js"
import * as EntryExpiry from "./internal/contract/EntryExpiry.js"
import * as EntryMany from "./internal/contract/EntryMany.js"
import * as EntryModel from "./internal/contract/EntryModel.js"
import * as EntryPages from "./internal/contract/EntryPages.js"
import * as EntryRaces from "./internal/contract/EntryRaces.js"
import * as EntryTexts from "./internal/contract/EntryTexts.js"
import type { Options } from "./internal/contract/Property.js"

export { ContractBroken, ContractViolation } from "./internal/contract/Check.js"
export type { Options } from "./internal/contract/Property.js"

/**
 * One thing that every `StateStore` must do.
 *
 * @since 0.1.0
 * @category models
 */
export type Check = Contract.Check<StateStore>

/**
 * The checks of the contract. Each one needs a store that nothing has used yet; with any test runner, one check is one
 * test. The time that a store sees is that of the check: it has to take it from the `Clock` of who calls.
 *
 * @example
 * ```ts
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { StateStoreContract } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const tests = StateStoreContract.checks({ seed: 7 }).map(({ check, group, name }) => ({
 *   title: `${group}: ${name}`,
 *   run: () => Effect.runPromise(Effect.provide(check, StateStoreMemory.layer()))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checks = (options: Options = {}): ReadonlyArray<Check> => [
  ...Entries.checks,
  ...EntryTexts.checks,
  ...EntryExpiry.checks,
  ...EntryMany.checks,
  ...EntryPages.checks(options),
  ...EntryChanges.checks,
  ...EntryRaces.checks,
  ...EntryModel.checks(options)
]

/**
 * Runs all checks one after the other, each with the layer built anew, and fails with all that did not succeed. A layer
 * that keeps its data, in a file or a database, has to begin with an empty one each time it is built.
 *
 * **Interruption**: ends the check under way and closes its store.
 *
 * @example
 * ```ts
 * import * as StateStoreSqlite from "heddle/store/StateStoreSqlite"
 * import { StateStoreContract } from "heddle/testing"
 *
 * const program = StateStoreContract.verify(StateStoreSqlite.layer({ filename: ":memory:" }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const verify = <E, R>(
  layer: Layer.Layer<StateStore, E, R>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractBroken, R> => Contract.verify(checks(options), layer)
