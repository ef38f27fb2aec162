/**
 * How long runs that have ended are kept.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Millis from "../model/Millis.js"
import type { StoreError } from "../model/StoreError.js"
import { RunStore } from "../store/RunStore.js"

/**
 * Which of the runs that have ended are kept: those that either of the two keeps. At least one of them is there.
 *
 * - `keepLast`: so many of those that ended last, a whole number; 0 keeps none
 * - `youngerThan`: those that ended no longer ago than this
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  readonly keepLast?: number | undefined
  readonly youngerThan?: Duration.DurationInput | undefined
}

/**
 * Deletes runs that have ended, with all that is stored of them: inputs, outputs, history, signals and dead letters. A run
 * that is running or suspended is never deleted. The id of a deleted run is free again.
 *
 * @since 0.1.0
 * @category services
 */
export class Retention extends Context.Tag("heddle/state/Retention")<
  Retention,
  {
    /**
     * Deletes the runs that the policy does not keep, those that ended first before the others, and gives how many. They
     * are deleted a few at a time, so that what is written meanwhile does not wait for all of them. A policy that no
     * store can have, and one that says nothing, is a defect.
     *
     * **Interruption**: what was deleted by then is gone, each run wholly.
     */
    readonly prune: (policy: Policy) => Effect.Effect<number, StoreError>
  }
>() {}

/** Runs that are deleted in one transaction at most. */
const mostAtOnce = 100

/** Milliseconds that it should take at most, since nothing else is written meanwhile: of large runs it deletes fewer. */
const patience = 20

/**
 * Policies that no store can have are a fault of the program.
 *
 * @since 0.1.0
 * @category models
 */
export const check = ({ keepLast, youngerThan }: Policy): Effect.Effect<void> => {
  const refuse = (message: string) => Effect.die(new Cause.IllegalArgumentException(message))
  if (keepLast === undefined && youngerThan === undefined) {
    return refuse("a retention policy has keepLast, youngerThan or both: without either it would keep nothing")
  }
  if (keepLast !== undefined && !(Number.isSafeInteger(keepLast) && keepLast >= 0)) {
    return refuse(`keepLast is a whole number of at least 0, not ${keepLast}`)
  }
  return youngerThan !== undefined && Millis.of(youngerThan) === undefined
    ? refuse(`youngerThan is a duration that is not negative, not ${String(youngerThan)}`)
    : Effect.void
}

/**
 * Retention in the `RunStore`.
 *
 * @example
 * ```ts
 * import { Retention } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Effect } from "effect"
 *
 * // of a file that no engine has open
 * const program = Effect.flatMap(Retention.Retention, ({ prune }) => prune({ youngerThan: "30 days" })).pipe(
 *   Effect.provide(Retention.layer),
 *   Effect.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Retention, never, RunStore> = Layer.effect(
  Retention,
  Effect.map(RunStore, (store) =>
    Retention.of({
      prune: (policy) =>
        Effect.gen(function* () {
          yield* check(policy)
          const { keepLast: keep = 0, youngerThan } = policy
          const age = youngerThan === undefined ? undefined : Millis.of(youngerThan)
          let now = yield* Clock.currentTimeMillis
          // by a clock that is ahead a run may have ended later than now
          const endedBefore = age === undefined ? Number.MAX_SAFE_INTEGER : now - age
          let limit = 1
          let deleted = 0
          for (;;) {
            const count = yield* store.prune({ keep, endedBefore, limit })
            deleted += count
            if (count < limit) return deleted
            // timers get their turn, which they do not between microtasks
            yield* Effect.sleep(0)
            const began = now
            now = yield* Clock.currentTimeMillis
            limit = now - began > patience ? Math.ceil(limit / 2) : Math.min(limit * 2, mostAtOnce)
          }
        })
    })
  )
)
