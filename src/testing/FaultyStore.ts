/**
 * A store of runs that fails, is slow, hangs or dies where a test wants it to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RunStore } from "../store/RunStore.js"
import * as Faults from "./internal/Faults.js"
import * as Injection from "./internal/Injection.js"

export { delay, fail, hang, kill, lostAcknowledgement } from "./internal/Faults.js"
export type { Fault, When } from "./internal/Faults.js"
export { defaults, type Options } from "./internal/Injection.js"

/**
 * A method of the store.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = keyof typeof RunStore.Service

/**
 * Which calls: those of one method, or of all that write.
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
  open: true,
  claim: true,
  heartbeat: true,
  release: true,
  commit: true,
  migrate: true,
  bury: true,
  prune: true,
  signal: true,
  keepSnapshot: true,
  snapshot: false,
  state: false,
  deadLetters: false,
  storage: false,
  signals: false,
  due: false,
  run: false,
  get: false,
  items: false,
  outputs: false,
  history: false,
  list: false
}

/**
 * What has happened so far.
 *
 * @since 0.1.0
 * @category services
 */
export class FaultyStore extends Context.Tag("heddle/testing/FaultyStore")<
  FaultyStore,
  Injection.Happened<Operation>
>() {}

const make = (decide: Faults.Decide<Operation>, options?: Partial<Injection.Options>) =>
  Effect.gen(function* () {
    const store = yield* RunStore
    const { faulty, happened } = yield* Injection.make("FaultyStore", writes, decide, options)
    return Context.make(RunStore, {
      open: (run) => faulty("open", () => store.open(run)),
      claim: (request) => faulty("claim", () => store.claim(request)),
      heartbeat: (runs, now) => faulty("heartbeat", () => store.heartbeat(runs, now)),
      release: (run) => faulty("release", () => store.release(run)),
      commit: (batch) => faulty("commit", () => store.commit(batch)),
      migrate: (migration) => faulty("migrate", () => store.migrate(migration)),
      bury: (letter) => faulty("bury", () => store.bury(letter)),
      prune: (request) => faulty("prune", () => store.prune(request)),
      signal: (signal) => faulty("signal", () => store.signal(signal)),
      keepSnapshot: (run) => faulty("keepSnapshot", () => store.keepSnapshot(run)),
      snapshot: (runId, bound) => faulty("snapshot", () => store.snapshot(runId, bound)),
      state: (key) => faulty("state", () => store.state(key)),
      deadLetters: (filter) => faulty("deadLetters", () => store.deadLetters(filter)),
      storage: faulty("storage", () => store.storage),
      signals: (runIds) => faulty("signals", () => store.signals(runIds)),
      due: (request) => faulty("due", () => store.due(request)),
      run: (runId) => faulty("run", () => store.run(runId)),
      get: (runId) => faulty("get", () => store.get(runId)),
      items: (runId, modules) => faulty("items", () => store.items(runId, modules)),
      outputs: (runId, modules) => faulty("outputs", () => store.outputs(runId, modules)),
      history: (runId, page) => faulty("history", () => store.history(runId, page)),
      list: (filter) => faulty("list", () => store.list(filter))
    }).pipe(Context.add(FaultyStore, happened))
  })

/**
 * The store below it, with the faults of a plan. The same plan and the same order of calls give the same faults; calls
 * are counted by the layer, from when it is built.
 *
 * **Interruption**: of a call that is delayed or hangs ends it at once. What has taken effect stays.
 *
 * @example
 * ```ts
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { FaultyStore } from "heddle/testing"
 * import { Layer } from "effect"
 *
 * const Store = FaultyStore.layer([
 *   { operation: "commit", nth: 1, times: 2, fault: FaultyStore.fail("busy") },
 *   { operation: "commit", nth: 5, fault: FaultyStore.lostAcknowledgement },
 *   { operation: "any write", nth: 20, fault: FaultyStore.delay("1 second") }
 * ]).pipe(Layer.provide(RunStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  plan: Plan,
  options?: Partial<Injection.Options>
): Layer.Layer<RunStore | FaultyStore, never, RunStore> => Layer.effectContext(make(Faults.planned(plan), options))

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
 * `FaultyStore.injected` is the plan that it made.
 *
 * **Interruption**: as of `layer`.
 *
 * @example
 * ```ts
 * import * as RunStoreMemory from "heddle/store/RunStoreMemory"
 * import { FaultyStore } from "heddle/testing"
 * import { Layer } from "effect"
 *
 * const Store = FaultyStore.layerSeeded({
 *   seed: 42,
 *   rate: 0.1,
 *   faults: [FaultyStore.fail("busy"), FaultyStore.lostAcknowledgement]
 * }).pipe(Layer.provide(RunStoreMemory.layer()))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSeeded = (options: Seeded): Layer.Layer<RunStore | FaultyStore, never, RunStore> =>
  Layer.effectContext(make(Faults.seeded(options), options))
