/**
 * What every store of events must do, as Effects that need no test runner.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { EventStore } from "../store/EventStore.js"
import * as Contract from "./internal/contract/Check.js"
import * as EventInput from "./internal/contract/EventInput.js"
import * as EventLog from "./internal/contract/EventLog.js"
import * as EventModel from "./internal/contract/EventModel.js"
import * as EventRaces from "./internal/contract/EventRaces.js"
import * as Events from "./internal/contract/Events.js"
import * as EventStates from "./internal/contract/EventStates.js"
import * as EventTails from "./internal/contract/EventTails.js"
import type * as Property from "./internal/contract/Property.js"

export { ContractBroken, ContractViolation } from "./internal/contract/Check.js"

/**
 * How properties are checked, and `patience`: for how long in real time a subscription may give nothing of what there is,
 * 15 seconds unless given.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Property.Options {
  readonly patience?: Duration.DurationInput | undefined
}

/**
 * One thing that every `EventStore` must do.
 *
 * @since 0.1.0
 * @category models
 */
export type Check = Contract.Check<EventStore>

/**
 * The checks of the contract. Each one needs a store that nothing has used yet; with any test runner, one check is one
 * test. What a subscription waits for, it waits for in real time, under any clock of a test: a store that polls is best
 * told to poll often.
 *
 * @example
 * ```ts
 * import * as EventStoreMemory from "heddle/store/EventStoreMemory"
 * import { EventStoreContract } from "heddle/testing"
 * import { Effect } from "effect"
 *
 * const tests = EventStoreContract.checks({ seed: 7 }).map(({ check, group, name }) => ({
 *   title: `${group}: ${name}`,
 *   run: () => Effect.runPromise(Effect.provide(check, EventStoreMemory.layer()))
 * }))
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const checks = (options: Options = {}): ReadonlyArray<Check> => {
  const all = [
    ...Events.checks,
    ...EventStates.checks,
    ...EventInput.checks,
    ...EventTails.checks,
    ...EventRaces.checks,
    ...EventModel.checks(options)
  ]
  const { patience } = options
  if (patience === undefined) return all
  const waiting = Effect.provideService(EventLog.Patience, Duration.decode(patience))
  return all.map(({ check, group, name }) => ({ group, name, check: waiting(check) }))
}

/**
 * Runs all checks one after the other, each with the layer built anew, and fails with all that did not succeed. A layer
 * that keeps its data, in a file or a database, has to begin with an empty one each time it is built.
 *
 * **Interruption**: ends the check under way and closes its store.
 *
 * @example
 * ```ts
 * import * as EventStoreMemory from "heddle/store/EventStoreMemory"
 * import { EventStoreContract } from "heddle/testing"
 *
 * const program = EventStoreContract.verify(EventStoreMemory.layer())
 * ```
 *
 * @since 0.1.0
 * @category checks
 */
export const verify = <E, R>(
  layer: Layer.Layer<EventStore, E, R>,
  options: Options = {}
): Effect.Effect<void, Contract.ContractBroken, R> => Contract.verify(checks(options), layer)
