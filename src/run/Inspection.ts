/**
 * What is known of runs: as they happen, and as they are stored. All of it is part of `Engine`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { UnknownRun } from "../model/RunError.js"
import type { RunId } from "../model/RunId.js"
import type { RunSnapshot } from "../model/RunSnapshot.js"
import type { StoreError } from "../model/StoreError.js"
import type { DeadLetter, RunFilter, RunSummary, Storage } from "../state/Timeline.js"
import { Engine } from "./EngineService.js"
import type { RunEvent } from "./RunEvent.js"

/**
 * What happens in a run, from the event with the number `fromSequence` (1) on until the run ends, whoever drives it and
 * however often it is suspended meanwhile. What was before comes from the store, what is live as it happens. A viewer
 * never holds up a run: one that falls behind goes on from what is stored, and misses tokens and progress.
 *
 * **Interruption**: of the viewing only.
 *
 * @example
 * ```ts
 * import { Engine, RunId } from "heddle"
 * import { Console, Stream } from "effect"
 *
 * // a client that has seen the events up to 17
 * const program = Engine.watch(RunId.make("order-42"), { fromSequence: 18 }).pipe(
 *   Stream.runForEach((event) => Console.log(event._tag, event.seq))
 * )
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const watch = (
  runId: RunId,
  options?: { readonly fromSequence?: number }
): Stream.Stream<RunEvent, UnknownRun | StoreError, Engine> =>
  Stream.unwrap(Effect.map(Engine, (engine) => engine.watch(runId, options)))

/**
 * The state of a run: live when this engine drives it, otherwise as it is stored.
 *
 * @example
 * ```ts
 * import { Engine, RunId, RunSnapshot } from "heddle"
 * import { Effect } from "effect"
 *
 * const status = Effect.map(Engine.get(RunId.make("order-42")), (run) => RunSnapshot.module(run, "charge").status)
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const get = (runId: RunId): Effect.Effect<RunSnapshot, UnknownRun | StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.get(runId))

/**
 * The stored runs, newest first, a page at a time: at most `limit`, 100 when it is left out, from after `before`. Runs of
 * durability `memory` are not among them.
 *
 * @example
 * ```ts
 * import { Engine } from "heddle"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const newest = yield* Engine.list({ status: "failed", limit: 20 })
 *   const last = newest.at(-1)
 *   const older = last === undefined ? [] : yield* Engine.list({ status: "failed", limit: 20, before: last })
 *   return [...newest, ...older].map(({ runId }) => runId)
 * })
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const list = (filter?: RunFilter): Effect.Effect<ReadonlyArray<RunSummary>, StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.list(filter))

/**
 * What was accepted and could not be written, latest first: of everything or of one run or state (`key`), at most `limit`
 * (100).
 *
 * @example
 * ```ts
 * import { Engine } from "heddle"
 * import { Effect } from "effect"
 *
 * const why = Effect.map(Engine.deadLetters({ key: "order-42" }), (letters) => letters.map(({ message }) => message))
 * ```
 *
 * @since 0.1.0
 * @category reading
 */
export const deadLetters = (filter?: {
  readonly key?: string
  readonly limit?: number
}): Effect.Effect<ReadonlyArray<DeadLetter>, StoreError, Engine> =>
  Effect.flatMap(Engine, (engine) => engine.deadLetters(filter))

/**
 * How much is stored, of all runs and states. It is counted, which takes a large store a while.
 *
 * @since 0.1.0
 * @category reading
 */
export const storage: Effect.Effect<Storage, StoreError, Engine> = Effect.flatMap(Engine, (engine) => engine.storage)
