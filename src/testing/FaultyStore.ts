/**
 * A store of runs that fails, is slow, hangs or dies where a test wants it to.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { StoreError } from "../model/StoreError.js"
import { RunStore } from "../store/RunStore.js"
import {
  type Decide,
  type Fault,
  type Operation,
  type Plan,
  planned,
  seeded,
  type Target,
  writes
} from "./internal/Faults.js"

export { delay, fail, hang, kill, lostAcknowledgement } from "./internal/Faults.js"
export type { Fault, Operation, Plan, Planned, Target, When } from "./internal/Faults.js"

/**
 * A call, with its number among the calls of its operation and, if it writes, among all that do, both from 1, and the
 * fault that was planned for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly operation: Operation
  readonly nth: number
  readonly nthWrite: number | undefined
  readonly fault: Fault | undefined
}

/**
 * What has happened so far.
 *
 * @since 0.1.0
 * @category services
 */
export class FaultyStore extends Context.Tag("heddle/testing/FaultyStore")<
  FaultyStore,
  {
    /** The calls, in the order in which they were made. One that is under way is among them. */
    readonly calls: Effect.Effect<ReadonlyArray<Call>>
    /** The faults that calls had. As the plan of another store it gives the same faults to the same calls. */
    readonly injected: Effect.Effect<Plan>
  }
>() {}

/**
 * `kill`: what `Kill` does. It sends SIGKILL to this process unless given. When it returns, the store is as that of a
 * process that is gone: the call and all later ones give no answer and have no effect.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly kill: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  kill: Effect.sync(() => {
    process.kill(process.pid, "SIGKILL")
  })
}

interface State {
  readonly calls: Chunk.Chunk<Call>
  readonly writes: number
  readonly counts: { readonly [O in Operation]?: number }
  readonly dead: boolean
}

const make = (decide: Decide, options: Partial<Options> = {}) =>
  Effect.gen(function* () {
    const store = yield* RunStore
    const state = yield* Ref.make<State>({ calls: Chunk.empty(), writes: 0, counts: {}, dead: false })
    const die = Ref.update(state, (before) => ({ ...before, dead: true })).pipe(
      Effect.zipRight(options.kill ?? defaults.kill),
      Effect.zipRight(Effect.never)
    )

    const calls = Effect.map(Ref.get(state), ({ calls }) => Chunk.toReadonlyArray(calls))

    const called = (operation: Operation) =>
      Ref.modify(state, (before): readonly [Call | undefined, State] => {
        if (before.dead) return [undefined, before]
        const nth = (before.counts[operation] ?? 0) + 1
        const nthWrite = writes[operation] ? before.writes + 1 : undefined
        const call = { operation, nth, nthWrite, fault: decide(operation, nth, nthWrite) }
        const counts = { ...before.counts, [operation]: nth }
        return [call, { ...before, calls: Chunk.append(before.calls, call), writes: nthWrite ?? before.writes, counts }]
      })

    const happen = ({ nth, operation }: Call, fault: Fault): Effect.Effect<void, StoreError> => {
      switch (fault._tag) {
        case "Fail":
          return new StoreError({
            reason: fault.reason,
            location: "FaultyStore",
            operation,
            message: `The fault that was planned ${fault.when} call ${nth} of ${operation}: ${fault.reason}`
          })
        case "Delay":
          return Effect.sleep(fault.duration)
        case "Hang":
          return Effect.never
        case "Kill":
          return die
      }
    }

    const faulty = <A>(operation: Operation, answer: () => Effect.Effect<A, StoreError>) =>
      Effect.flatMap(called(operation), (call): Effect.Effect<A, StoreError> => {
        if (call === undefined) return Effect.never
        const { fault } = call
        if (fault === undefined) return answer()
        return fault.when === "before"
          ? Effect.zipRight(happen(call, fault), Effect.suspend(answer))
          : Effect.zipLeft(answer(), happen(call, fault))
      })

    return Context.make(RunStore, {
      open: (run) => faulty("open", () => store.open(run)),
      claim: (request) => faulty("claim", () => store.claim(request)),
      heartbeat: (runs, now) => faulty("heartbeat", () => store.heartbeat(runs, now)),
      release: (run) => faulty("release", () => store.release(run)),
      commit: (batch) => faulty("commit", () => store.commit(batch)),
      bury: (letter) => faulty("bury", () => store.bury(letter)),
      prune: (request) => faulty("prune", () => store.prune(request)),
      signal: (signal) => faulty("signal", () => store.signal(signal)),
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
    }).pipe(
      Context.add(FaultyStore, {
        calls,
        injected: Effect.map(calls, (calls) =>
          calls.flatMap(({ fault, nth, operation }) => (fault === undefined ? [] : [{ operation, nth, fault }]))
        )
      })
    )
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
export const layer = (plan: Plan, options?: Partial<Options>): Layer.Layer<RunStore | FaultyStore, never, RunStore> =>
  Layer.effectContext(make(planned(plan), options))

/**
 * - `seed`: decides which calls have a fault, and which one
 * - `rate`: the probability that a call has one, from 0 to 1
 * - `faults`: those that there are; each is as likely as the others
 * - `operations`: which calls may have one: those that write unless given
 *
 * @since 0.1.0
 * @category options
 */
export interface Seeded extends Partial<Options> {
  readonly seed: number
  readonly rate: number
  readonly faults: ReadonlyArray<Fault>
  readonly operations?: ReadonlyArray<Target> | undefined
}

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
export const layerSeeded = ({
  faults,
  operations = ["any write"],
  rate,
  seed,
  ...options
}: Seeded): Layer.Layer<RunStore | FaultyStore, never, RunStore> =>
  Layer.effectContext(make(seeded(seed, rate, faults, operations), options))
