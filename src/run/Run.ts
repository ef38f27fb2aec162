/**
 * What a module may call while it runs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { CurrentModule } from "../dag/CurrentModule.js"
import type { ModuleEnded } from "../model/ModuleError.js"
import type { RunId } from "../model/RunId.js"

/**
 * Streams a value, such as a token of a model, to those who watch the run. It is not stored: a viewer that comes later
 * does not see it, and an attempt that is made again streams it again. It carries the path of the module.
 *
 * It fails with `ModuleEnded` when the module's attempt has ended, in a fiber that outlives it; nothing is streamed
 * then. The constructors of modules take that error out, because what a module itself does cannot meet it.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const answer = Module.make("answer", {
 *   output: Schema.String,
 *   run: () => Effect.as(Effect.forEach(["to", "kens"], Run.emit, { discard: true }), "tokens")
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const emit = (value: unknown): Effect.Effect<void, ModuleEnded, CurrentModule> =>
  Effect.flatMap(CurrentModule, (module) => module.emit(value))

/**
 * Reports that `done` of `total` is done, in whatever unit, to those who watch the run. It is not stored.
 *
 * It fails with `ModuleEnded` as `emit` does.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const pages = ["a", "b", "c"]
 * const read = Module.make("read", {
 *   output: Schema.Int,
 *   run: () =>
 *     Effect.as(
 *       Effect.forEach(pages, (_, i) => Run.progress(i + 1, pages.length)),
 *       pages.length
 *     )
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const progress = (done: number, total: number): Effect.Effect<void, ModuleEnded, CurrentModule> =>
  Effect.flatMap(CurrentModule, (module) => module.progress(done, total))

/**
 * Ends the run early: nothing new starts, what runs finishes, and the rest is skipped. The module that calls it goes on
 * and completes as usual. A run that was stopped ends with its outputs, if all of them are there; if not, with
 * `RunStopped`, which has those that are.
 *
 * It fails with `ModuleEnded` as `emit` does.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const budget = Module.input("budget", Schema.Number)
 * const search = Module.make("search", {
 *   needs: { budget },
 *   output: Schema.String,
 *   run: ({ budget }) => Effect.as(Effect.when(Run.stop, () => budget <= 0), "found")
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const stop: Effect.Effect<void, ModuleEnded, CurrentModule> = Effect.flatMap(
  CurrentModule,
  (module) => module.stop
)

/**
 * The id of the run.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Schema } from "effect"
 *
 * const name = Module.make("name", { output: Schema.String, run: () => Run.id })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const id: Effect.Effect<RunId, never, CurrentModule> = Effect.map(CurrentModule, ({ runId }) => runId)

/**
 * The number of the attempt: 1 for the first; a retry and a resume make the next one. Of an item of a map it counts from
 * 1 in each process: the start of an item is not stored.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * const patient = Module.make("patient", {
 *   output: Schema.Boolean,
 *   run: () => Effect.map(Run.attempt, (attempt) => attempt > 1)
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const attempt: Effect.Effect<number, never, CurrentModule> = Effect.map(CurrentModule, ({ attempt }) => attempt)

/**
 * A text that names this module of this run, in a map this item of it: the same for every attempt, also after a crash,
 * and different from that of every other. Give it to a service that does a thing once for each key.
 *
 * @example
 * ```ts
 * import { Module, Run } from "heddle"
 * import { Effect, Schema } from "effect"
 *
 * declare const pay: (options: { readonly cents: number; readonly idempotencyKey: string }) => Promise<string>
 *
 * const cents = Module.input("cents", Schema.Int)
 * const payment = Module.make("payment", {
 *   needs: { cents },
 *   output: Schema.String,
 *   run: ({ cents }) =>
 *     Effect.flatMap(Run.idempotencyKey, (idempotencyKey) => Effect.promise(() => pay({ cents, idempotencyKey })))
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const idempotencyKey: Effect.Effect<string, never, CurrentModule> = Effect.map(
  CurrentModule,
  ({ index, path, runId }) => JSON.stringify(index === undefined ? [runId, path] : [runId, path, index])
)
