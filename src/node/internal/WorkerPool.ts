/** Worker threads, of which each does one call at a time. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { ResourceLimits } from "node:worker_threads"
import * as Telemetry from "../../model/Telemetry.js"
import { WorkerCrashed, WorkersBusy } from "../WorkerError.js"
import * as Slots from "./Slots.js"
import * as WorkerThread from "./WorkerThread.js"

export interface Options {
  readonly size: number
  readonly queue: number
  readonly resourceLimits: ResourceLimits | undefined
}

interface State {
  readonly isClosed: boolean
  readonly busy: ReadonlySet<WorkerThread.Thread>
  readonly idle: ReadonlyArray<WorkerThread.Thread>
}

export interface Stats {
  readonly busy: number
  readonly idle: number
  readonly waiting: number
}

export interface WorkerPool {
  readonly run: (call: WorkerThread.Call) => Effect.Effect<WorkerThread.Answer, WorkerCrashed | WorkersBusy>
  readonly stats: Effect.Effect<Stats>
}

/** Threads are started when there is something for them to do, and end with the scope. */
export const make = ({ queue, resourceLimits, size }: Options): Effect.Effect<WorkerPool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const slots = yield* Slots.make(size, queue)
    const ref = yield* Effect.acquireRelease(
      Ref.make<State>({ isClosed: false, busy: new Set(), idle: [] }),
      Effect.fnUntraced(function* (ref) {
        const { busy, idle } = yield* Ref.getAndUpdate(ref, (state) => ({ ...state, isClosed: true, idle: [] }))
        yield* Effect.forEach([...busy, ...idle], end, { discard: true })
      })
    )

    const crashed = (call: WorkerThread.Call, { cause, detail }: WorkerThread.Ended) =>
      new WorkerCrashed({ url: call.url, export: call.export, detail, ...(cause === undefined ? {} : { cause }) })

    /** One that is idle and alive, or else a new one; within a slot there are fewer than `size`. */
    const take = (call: WorkerThread.Call): Effect.Effect<WorkerThread.Thread, WorkerCrashed> =>
      Effect.flatten(
        Ref.modify(ref, (state): [Effect.Effect<WorkerThread.Thread, WorkerCrashed>, State] => {
          if (state.isClosed) return [Effect.interrupt, state]
          const alive = state.idle.filter(({ isAlive }) => isAlive())
          Telemetry.workersLost.unsafeUpdate(state.idle.length - alive.length, [])
          const thread = alive.at(-1)
          return thread === undefined
            ? [started(call), { ...state, idle: alive }]
            : [Effect.succeed(thread), { ...state, idle: alive.slice(0, -1), busy: new Set(state.busy).add(thread) }]
        })
      )

    const started = (call: WorkerThread.Call) =>
      Effect.tap(
        Effect.try({
          try: () => WorkerThread.start(resourceLimits),
          catch: (cause) => crashed(call, { detail: `it could not be started: ${String(cause)}`, cause })
        }),
        (thread) => Ref.update(ref, (state) => ({ ...state, busy: new Set(state.busy).add(thread) }))
      )

    const ask = (thread: WorkerThread.Thread, call: WorkerThread.Call) =>
      Effect.async<WorkerThread.Answer, WorkerThread.Ended>((resume) =>
        thread.ask(
          call,
          (answer) => resume(Effect.succeed(answer)),
          (ended) => resume(Effect.fail(ended))
        )
      ).pipe(
        Effect.catchAll((ended) =>
          Effect.flatMap(Ref.get(ref), ({ isClosed }) => (isClosed ? Effect.interrupt : crashed(call, ended)))
        )
      )

    /** A thread that has not answered is in the middle of something: only its end stops that. */
    const putBack = (thread: WorkerThread.Thread, isDone: boolean) =>
      Effect.flatMap(
        Ref.modify(ref, (state) => {
          const busy = new Set(state.busy)
          busy.delete(thread)
          const isIntact = isDone && thread.isAlive()
          if (!isIntact) Telemetry.workersLost.unsafeUpdate(1, [])
          const isKept = isIntact && !state.isClosed
          return [isKept, { ...state, busy, idle: isKept ? [...state.idle, thread] : state.idle }]
        }),
        (isKept) => (isKept ? Effect.void : end(thread))
      )

    return {
      run: (call) =>
        slots.within(
          Effect.acquireUseRelease(
            take(call),
            (thread) => ask(thread, call),
            (thread, exit) => putBack(thread, Exit.isSuccess(exit))
          ),
          (waiting) => new WorkersBusy({ url: call.url, export: call.export, waiting })
        ),
      stats: Effect.zipWith(Ref.get(ref), slots.waiting, ({ busy, idle }, waiting) => ({
        busy: busy.size,
        idle: idle.filter(({ isAlive }) => isAlive()).length,
        waiting
      }))
    }
  })

const end = (thread: WorkerThread.Thread) => Effect.promise(() => thread.end())
