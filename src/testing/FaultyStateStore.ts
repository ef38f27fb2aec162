/**
 * A store of state that fails, is slow, hangs or dies where a test wants it to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StateStore } from "../store/StateStore.js"
import * as Faults from "./internal/Faults.js"
import * as Injection from "./internal/Injection.js"

export { delay, fail, hang, kill, lostAcknowledgement } from "./internal/Faults.js"
export type { Fault, When } from "./internal/Faults.js"
export { defaults, type Options } from "./internal/Injection.js"

/**
 * A method of the store. `changes` has no faults of its own: it tells what the store below it does.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = Exclude<keyof typeof StateStore.Service, "changes">

/**
 * Which calls: those of one method, or of all that write, which are `set`, `delete` and `compareAndSet`.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = Faults.Target<Operation>

/**
 * A fault, and the calls that have it.
 *
 * @since 0.1.0
 * @category models
 */
export type Planned = Faults.Planned<Operation>

/**
 * Where more than one fault is planned for a call, the first of the list counts.
 *
 * @since 0.1.0
 * @category models
 */
export type Plan = Faults.Plan<Operation>

/**
 * A call, with its numbers and the fault that was planned for it.
 *
 * @since 0.1.0
 * @category models
 */
export type Call = Injection.Call<Operation>

const writes: Faults.Writes<Operation> = {
  get: false,
  set: true,
  delete: true,
  compareAndSet: true,
  getMany: false,
  list: false
}

/**
 * What has happened so far.
 *
 * @since 0.1.0
 * @category services
 */
export class FaultyStateStore extends Context.Tag("heddle/testing/FaultyStateStore")<
  FaultyStateStore,
  Injection.Happened<Operation>
>() {}

const make = (decide: Faults.Decide<Operation>, options?: Partial<Injection.Options>) =>
  Effect.gen(function* () {
    const store = yield* StateStore
    const { faulty, happened } = yield* Injection.make("FaultyStateStore", writes, decide, options)
    return Context.make(StateStore, {
      get: (key) => faulty("get", () => store.get(key)),
      set: (key, value, options) => faulty("set", () => store.set(key, value, options)),
      delete: (key) => faulty("delete", () => store.delete(key)),
      compareAndSet: (key, expected, value, options) =>
        faulty("compareAndSet", () => store.compareAndSet(key, expected, value, options)),
      getMany: (keys) => faulty("getMany", () => store.getMany(keys)),
      list: (page) => faulty("list", () => store.list(page)),
      changes: store.changes
    }).pipe(Context.add(FaultyStateStore, happened))
  })

/**
 * The store below it, with the faults of a plan. The same plan and the same order of calls give the same faults; calls
 * are counted by the layer, from when it is built.
 *
 * **Interruption**: of a call that is delayed or hangs ends it at once. What has taken effect stays.
 *
 * @example
 * ```ts
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { FaultyStateStore } from "heddle/testing"
 * import { Layer } from "effect"
 *
 * const Store = FaultyStateStore.layer([
 *   { operation: "get", nth: 1, fault: FaultyStateStore.fail("busy") },
 *   { operation: "compareAndSet", nth: 3, fault: FaultyStateStore.lostAcknowledgement },
 *   { operation: "any write", nth: 20, times: Infinity, fault: FaultyStateStore.hang() }
 * ]).pipe(Layer.provide(StateStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  plan: Plan,
  options?: Partial<Injection.Options>
): Layer.Layer<StateStore | FaultyStateStore, never, StateStore> =>
  Layer.effectContext(make(Faults.planned(plan), options))

/**
 * Which faults there are, of which calls, and how likely they are.
 *
 * @since 0.1.0
 * @category options
 */
export interface Seeded extends Faults.Chances<Operation>, Partial<Injection.Options> {}

/**
 * The store below it, with faults from a seed. Whether a call has a fault, and which, depends on the seed, its operation
 * and its number among the calls of that operation alone: not on time, and not on calls of other operations.
 * `FaultyStateStore.injected` is the plan that it made.
 *
 * **Interruption**: as of `layer`.
 *
 * @example
 * ```ts
 * import * as StateStoreMemory from "heddle/store/StateStoreMemory"
 * import { FaultyStateStore } from "heddle/testing"
 * import { Layer } from "effect"
 *
 * const Store = FaultyStateStore.layerSeeded({
 *   seed: 42,
 *   rate: 0.1,
 *   faults: [FaultyStateStore.fail("unavailable"), FaultyStateStore.lostAcknowledgement]
 * }).pipe(Layer.provide(StateStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSeeded = (options: Seeded): Layer.Layer<StateStore | FaultyStateStore, never, StateStore> =>
  Layer.effectContext(make(Faults.seeded(options), options))
