/**
 * The calls of a store, and the faults that they have.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { StoreError } from "../../model/StoreError.js"
import type { Decide, Fault, Plan, Writes } from "./Faults.js"

/**
 * A call, with its number among the calls of its operation and, if it writes, among all that do, both from 1, and the
 * fault that was planned for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call<Operation extends string> {
  readonly operation: Operation
  readonly nth: number
  readonly nthWrite: number | undefined
  readonly fault: Fault | undefined
}

/**
 * What has happened so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Happened<Operation extends string> {
  /** The calls, in the order in which they were made. One that is under way is among them. */
  readonly calls: Effect.Effect<ReadonlyArray<Call<Operation>>>
  /** The faults that calls had. As the plan of another store it gives the same faults to the same calls. */
  readonly injected: Effect.Effect<Plan<Operation>>
}

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

interface State<Operation extends string> {
  readonly calls: Chunk.Chunk<Call<Operation>>
  readonly writes: number
  readonly counts: { readonly [O in Operation]?: number }
  readonly dead: boolean
}

interface Injection<Operation extends string> {
  readonly happened: Happened<Operation>
  /** The call of a method, with the fault that is decided for it. */
  readonly faulty: <A>(operation: Operation, answer: () => Effect.Effect<A, StoreError>) => Effect.Effect<A, StoreError>
}

/** `location` is that of the errors. */
export const make = <Operation extends string>(
  location: string,
  writes: Writes<Operation>,
  decide: Decide<Operation>,
  { kill = defaults.kill }: Partial<Options> = {}
): Effect.Effect<Injection<Operation>> =>
  Effect.gen(function* () {
    const state = yield* Ref.make<State<Operation>>({ calls: Chunk.empty(), writes: 0, counts: {}, dead: false })
    const die = Ref.update(state, (before) => ({ ...before, dead: true })).pipe(
      Effect.zipRight(kill),
      Effect.zipRight(Effect.never)
    )

    const calls = Effect.map(Ref.get(state), ({ calls }) => Chunk.toReadonlyArray(calls))

    const called = (operation: Operation) =>
      Ref.modify(state, (before): readonly [Call<Operation> | undefined, State<Operation>] => {
        if (before.dead) return [undefined, before]
        const nth = (before.counts[operation] ?? 0) + 1
        const nthWrite = writes[operation] ? before.writes + 1 : undefined
        const call = { operation, nth, nthWrite, fault: decide(operation, nth, nthWrite) }
        const counts = { ...before.counts, [operation]: nth }
        return [call, { ...before, calls: Chunk.append(before.calls, call), writes: nthWrite ?? before.writes, counts }]
      })

    const happen = ({ nth, operation }: Call<Operation>, fault: Fault): Effect.Effect<void, StoreError> => {
      switch (fault._tag) {
        case "Fail":
          return new StoreError({
            reason: fault.reason,
            location,
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

    return {
      happened: {
        calls,
        injected: Effect.map(calls, (calls) =>
          calls.flatMap(({ fault, nth, operation }) => (fault === undefined ? [] : [{ operation, nth, fault }]))
        )
      },
      faulty: <A>(operation: Operation, answer: () => Effect.Effect<A, StoreError>) =>
        Effect.flatMap(called(operation), (call): Effect.Effect<A, StoreError> => {
          if (call === undefined) return Effect.never
          const { fault } = call
          if (fault === undefined) return answer()
          return fault.when === "before"
            ? Effect.zipRight(happen(call, fault), Effect.suspend(answer))
            : Effect.zipLeft(answer(), happen(call, fault))
        })
    }
  })
