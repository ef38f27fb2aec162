/**
 * Runs functions that keep a processor busy where they hold nothing up.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import type { ResourceLimits } from "node:worker_threads"
import * as WorkerPool from "./internal/WorkerPool.js"
import * as WorkerThread from "./internal/WorkerThread.js"
import { WorkerFunctionMissing, WorkerFunctionThrew, type WorkerError } from "./WorkerError.js"

/**
 * A function by the absolute URL of its module (`new URL("./Work.js", import.meta.url)`) and the name under which that exports
 * it. It takes what the JSON of its input holds, and gives, or promises, what JSON can hold: finite numbers, strings,
 * booleans, null, plain objects and arrays of these, or nothing at all (`undefined`). A property that is `undefined` is left
 * out; all else fails with `WorkerFunctionThrew`, which says what it is and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerFunction {
  readonly url: string | URL
  readonly export: string
}

/**
 * - `busy`: the calls that run now; `waiting`: those that wait for a worker
 * - `idle`: the workers that wait for a call
 *
 * @since 0.1.0
 * @category models
 */
export interface Stats {
  readonly busy: number
  readonly idle: number
  readonly waiting: number
}

/**
 * Runs a function by its name. A compute node takes it for `layerWorker`.
 *
 * @since 0.1.0
 * @category services
 */
export class ParallelExecutor extends Context.Tag("heddle/node/ParallelExecutor")<
  ParallelExecutor,
  {
    /**
     * Calls the function with the value of a JSON text, and gives its result as one; null stands for `undefined`. A
     * function that is missing or throws fails with a typed error, and so does one that ends its worker; calls on other
     * workers go on. What a function leaves behind when it has ended, such as a timer that throws, ends the worker later,
     * and with it the call that runs there then: that fails with `WorkerCrashed`, which names it and not the culprit.
     * With `layerInline` there is no worker: such an end is that of the process.
     *
     * **Interruption**: with `layerWorkers` the function is stopped wherever it is, by ending its worker, and that is
     * waited for. With `layerInline` it goes on, and its result is dropped.
     */
    readonly run: (call: WorkerFunction, input: string | null) => Effect.Effect<string | null, WorkerError>

    readonly stats: Effect.Effect<Stats>
  }
>() {}

/**
 * - `size`: how many workers there are at most: as many calls run at once
 * - `queue`: how many calls may wait for a worker, in the order in which they came; one more fails with `WorkersBusy`
 * - `resourceLimits`: those of Node for each worker, such as `maxOldGenerationSizeMb` (MiB); a worker that needs more
 *   memory crashes alone
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly size: number
  readonly queue: number
  readonly resourceLimits: ResourceLimits | undefined
}

/**
 * `size`: one less than what the machine runs at once, so that the main thread has its own; at least 1. `queue`: without end, so
 * that callers wait.
 *
 * @since 0.1.0
 * @category options
 */
export const defaults: Options = {
  size: Math.max(1, os.availableParallelism() - 1),
  queue: Infinity,
  resourceLimits: undefined
}

/**
 * In the thread of the caller: for tests, and for functions that are short. Values go through JSON all the same, so that a
 * function cannot tell.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerInline: Layer.Layer<ParallelExecutor> = Layer.succeed(ParallelExecutor, {
  run: (call, input) =>
    Effect.flatMap(named(call, input), (call) =>
      Effect.flatMap(
        Effect.promise(() => WorkerThread.here(call)),
        (answer) => outputOf(call, answer)
      )
    ),
  stats: Effect.succeed({ busy: 0, idle: 0, waiting: 0 })
})

/**
 * In worker threads (`node:worker_threads`), which are started when there is something for them to do, do one call at a
 * time, keep the modules that they have loaded, and end with the scope of the layer. Calls that run then are interrupted.
 *
 * A caller waits until a worker is free: what is given to the workers is bounded by `size`. A worker that crashes, or whose call
 * is interrupted, is replaced when the next call needs one.
 *
 * A worker loads what Node itself can load: JavaScript, also where the process runs TypeScript by way of a loader.
 *
 * @example
 * ```ts
 * import * as ComputeNode from "heddle/node/ComputeNode"
 * import * as ParallelExecutor from "heddle/node/ParallelExecutor"
 * import { Layer, Schema } from "effect"
 *
 * class Primes extends ComputeNode.Service<Primes>()("app/Primes", {
 *   input: Schema.Int,
 *   output: Schema.Array(Schema.Int)
 * }) {}
 *
 * // Primes.js: export const upTo = (n) => ...
 * const PrimesLive = Primes.layerWorker({ url: new URL("./Primes.js", import.meta.url), export: "upTo" }).pipe(
 *   Layer.provide(ParallelExecutor.layerWorkers({ size: 2 }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWorkers = (options: Partial<Options> = {}): Layer.Layer<ParallelExecutor> =>
  Layer.scoped(
    ParallelExecutor,
    Effect.gen(function* () {
      const all = { ...defaults, ...options }
      if (!Number.isSafeInteger(all.size) || all.size < 1) {
        return yield* refuse(`the size of an executor is a whole number of at least 1, not ${all.size}`)
      }
      if (!(Number.isSafeInteger(all.queue) || all.queue === Infinity) || all.queue < 0) {
        return yield* refuse(`the queue of an executor is a whole number that is not negative, not ${all.queue}`)
      }
      const pool = yield* WorkerPool.make(all)
      return ParallelExecutor.of({
        run: (call, input) =>
          Effect.flatMap(named(call, input), (call) =>
            Effect.flatMap(pool.run(call), (answer) => outputOf(call, answer))
          ),
        stats: pool.stats
      })
    })
  )

const named = (call: WorkerFunction, input: string | null): Effect.Effect<WorkerThread.Call, WorkerFunctionMissing> => {
  const url = String(call.url)
  return URL.canParse(url)
    ? Effect.succeed({ url, export: call.export, input })
    : new WorkerFunctionMissing({
        ...{ url, export: call.export },
        detail: "the URL is not absolute: give new URL(path, import.meta.url)"
      })
}

const outputOf = (
  { export: name, url }: WorkerThread.Call,
  answer: WorkerThread.Answer
): Effect.Effect<string | null, WorkerFunctionMissing | WorkerFunctionThrew> => {
  switch (answer._tag) {
    case "Gave":
      return Effect.succeed(answer.output)
    case "Missing":
      return new WorkerFunctionMissing({ url, export: name, detail: answer.detail })
    case "Threw":
      return new WorkerFunctionThrew({
        ...{ url, export: name, detail: answer.detail },
        ...(answer.thrown === null ? {} : { thrown: answer.thrown }),
        ...(answer.stack === null ? {} : { stack: answer.stack })
      })
  }
}

const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
