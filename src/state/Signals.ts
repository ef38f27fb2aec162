/**
 * What runs are told from outside.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "../model/RunId.js"
import type { StoreError } from "../model/StoreError.js"
import { RunStore, type Signalled, type SignalRow } from "../store/RunStore.js"

export type { SignalRow } from "../store/RunStore.js"

/**
 * The signals of runs. Each is delivered or closed once, whichever comes first, and stays so; nobody has to drive the run.
 *
 * @since 0.1.0
 * @category services
 */
export class Signals extends Context.Tag("heddle/state/Signals")<
  Signals,
  {
    /**
     * Delivers a signal, or closes it, unless either has happened before: then gives what it `was` and changes nothing.
     * A suspended run that waits for it is due at once (`RunLease.due`), in the same transaction; one that suspends
     * later finds it. A run that has ended takes none.
     *
     * **Interruption**: the signal was settled, or was not.
     */
    readonly settle: (signal: SignalRow) => Effect.Effect<Signalled, StoreError>

    /** The signals of these runs that were delivered or closed, in no particular order. */
    readonly of: (runIds: ReadonlyArray<RunId>) => Effect.Effect<ReadonlyArray<SignalRow>, StoreError>
  }
>() {}

/**
 * The signals in the `RunStore`.
 *
 * @example
 * ```ts
 * import { RunId, Signals } from "heddle"
 * import * as RunStoreSqlite from "heddle/store/RunStoreSqlite"
 * import { Effect } from "effect"
 *
 * const program = Effect.flatMap(Signals.Signals, (signals) => signals.of([RunId.make("order-42")])).pipe(
 *   Effect.provide(Signals.layer),
 *   Effect.provide(RunStoreSqlite.layer({ filename: "heddle.db" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Signals, never, RunStore> = Layer.effect(
  Signals,
  Effect.map(RunStore, (store) => Signals.of({ settle: store.signal, of: store.signals }))
)
