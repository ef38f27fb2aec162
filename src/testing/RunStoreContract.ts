/**
 * What every store of runs must do, as Effects that need no test runner.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { RunStore } from "../store/RunStore.js"
import * as Answers from "./internal/contract/Answers.js"
import * as Contract from "./internal/contract/Check.js"
import * as Claim from "./internal/contract/Claim.js"
import * as Commit from "./internal/contract/Commit.js"
import * as DeadLetters from "./internal/contract/DeadLetters.js"
import * as Due from "./internal/contract/Due.js"
import * as History from "./internal/contract/History.js"
import * as Items from "./internal/contract/Items.js"
import * as List from "./internal/contract/List.js"
import * as Open from "./internal/contract/Open.js"
import * as Outputs from "./internal/contract/Outputs.js"
import type { Options } from "./internal/contract/Property.js"
import * as Recovery from "./internal/contract/Recovery.js"
import * as Reopen from "./internal/contract/Reopen.js"
import * as Retention from "./internal/contract/Retention.js"
import * as RunStatus from "./internal/contract/RunStatus.js"
import * as Signals from "./internal/contract/Signals.js"
import * as Migrations from "./internal/contract/Migrations.js"
import * as Snapshots from "./internal/contract/Snapshots.js"
import * as States from "./internal/contract/States.js"
import * as Storage from "./internal/contract/Storage.js"

export { type Check, ContractBroken, ContractViolation } from "./internal/contract/Check.js"
export type { Options } from "./internal/contract/Property.js"

/**
 * The checks of the contract. Each one needs a store that nothing has used yet; with any test runner, one check is one
 * test.
 *
 * @example
 * ```ts
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { RunStoreContract } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const tests = RunStoreContract.checks({ seed: 7 }).map(({ check, group, name }) => ({
 *   title: `${group}: ${name}`,
 *   run: () => Effect.runPromise(Effect.provide(check, RunStoreMemory.layer()))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checks = (options: Options = {}): ReadonlyArray<Contract.Check> => [
  ...Open.checks,
  ...Claim.checks,
  ...Commit.checks,
  ...Outputs.checks,
  ...Items.checks,
  ...History.checks(options),
  ...Snapshots.checks,
  ...Migrations.checks,
  ...List.checks,
  ...RunStatus.checks,
  ...Signals.checks,
  ...Due.checks,
  ...Reopen.checks,
  ...Recovery.checks,
  ...States.checks(options),
  ...DeadLetters.checks,
  ...Storage.checks,
  ...Retention.checks
]

/**
 * Runs all checks one after the other, each with the layer built anew, and fails with all that did not succeed. A layer
 * that keeps its data, in a file or a database, has to begin with an empty one each time it is built.
 *
 * **Interruption**: ends the check under way and closes its store.
 *
 * @example
 * ```ts
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { RunStoreContract } from "heddle/testing"
 *
 * const program = RunStoreContract.verify(RunStoreSqlite.layer({ filename: ":memory:" }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const verify = <E, R>(
  layer: Layer.Layer<RunStore, E, R>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractBroken, R> => Contract.verify(checks(options), layer)

/**
 * Performs random operations on two stores, and fails when they give different answers or store different things. Both
 * layers are built anew for each case. With a store that is known to be right, such as the one in memory, this finds what
 * no single check names.
 *
 * **Interruption**: ends the operation under way and closes both stores.
 *
 * @example
 * ```ts
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { RunStoreContract } from "heddle/testing"
 *
 * const program = RunStoreContract.sameAnswers(
 *   RunStoreMemory.layer(),
 *   RunStoreSqlite.layer({ filename: ":memory:" }),
 *   { cases: 1000 }
 * )
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const sameAnswers = <E1, R1, E2, R2>(
  reference: Layer.Layer<RunStore, E1, R1>,
  layer: Layer.Layer<RunStore, E2, R2>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractViolation, R1 | R2> =>
  Contract.violations("the same answers")(Answers.sameAnswers(reference, layer, options))
