/**
 * The port behind which flows are kept. Everything is encoded: strings, numbers and JSON texts.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { FlowStatus } from "../model/Flow.js"
import type { StoreError } from "../model/StoreError.js"

/**
 * A version of a flow as it is kept. `text` is its JSON, null once it was removed: the row stays, and its revisions go on.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlowRow {
  readonly name: string
  readonly version: string
  readonly fingerprint: string
  readonly status: FlowStatus
  readonly revision: number
  readonly text: string | null
}

/**
 * A change of one flow: what it is from then on, and who changed it, why and how. `at` is in milliseconds since the epoch;
 * `reason` is empty where none was given.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlowChange extends FlowRow {
  readonly at: number
  readonly actor: string
  readonly reason: string
  readonly action: string
}

/**
 * A change that was written. `position` is a positive whole number, larger than that of every change that took place
 * before: whoever has seen one has seen, or can read, all that have a lower one.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlowEntry extends FlowChange {
  readonly position: number
}

/**
 * - `Written`: `position` is that of the last change
 * - `Conflict`: a flow has another revision (`actual`) than the one before that of its change: the first such change
 *
 * @since 0.1.0
 * @category models
 */
export type Written =
  | { readonly _tag: "Written"; readonly position: number }
  | { readonly _tag: "Conflict"; readonly name: string; readonly version: string; readonly actual: number }

/**
 * Which rows to list: all of their fields are as here, and name and version come after `after`, whose texts may be empty;
 * at most `limit`, a whole number of at least 0.
 *
 * @since 0.1.0
 * @category options
 */
export interface FlowFilter {
  readonly name?: string | undefined
  readonly fingerprint?: string | undefined
  readonly status?: FlowStatus | undefined
  readonly after?: { readonly name: string; readonly version: string } | undefined
  readonly limit: number
}

/**
 * Which entries to read: those of this name and of this version, where they are given, with positions above `after`; at
 * most `limit`. Both are whole numbers of at least 0.
 *
 * @since 0.1.0
 * @category options
 */
export interface LogFilter {
  readonly name?: string | undefined
  readonly version?: string | undefined
  readonly after: number
  readonly limit: number
}

/**
 * Keeps flows, and the log of all their changes. Names and versions are texts that are not empty, well-formed and of at
 * most `StateStore.maxKeyBytes` bytes of UTF-8; other texts are well-formed, of any length, and come back as they were: a
 * store does not look into them. Revisions are whole numbers of at least 1, times are finite. Any other input, and two
 * changes of one flow in one write, fail with a `StoreError` (`failed`) that names it, and nothing has changed. Each method
 * is atomic: whoever calls it at the same time, in this process or in another, sees all of it or nothing.
 *
 * **Interruption**: a method that was interrupted has taken place or not; nothing is left in between.
 *
 * @since 0.1.0
 * @category services
 */
export class FlowStore extends Context.Tag("heddle/store/FlowStore")<
  FlowStore,
  {
    /**
     * Writes these changes, each of another flow, with their entries in the log, or none of them: each needs what is there
     * to have the revision before its own (0: there never was such a flow). One that fails as `unavailable` may have taken
     * place: `get` says so.
     */
    readonly write: (changes: Arr.NonEmptyReadonlyArray<FlowChange>) => Effect.Effect<Written, StoreError>

    /** What is there now, also of a flow that was removed. */
    readonly get: (name: string, version: string) => Effect.Effect<Option.Option<FlowRow>, StoreError>

    /**
     * What is there now, at one moment, without what was removed, in the order of the names' UTF-8 bytes, then that of
     * the versions'.
     */
    readonly list: (filter: FlowFilter) => Effect.Effect<ReadonlyArray<FlowRow>, StoreError>

    /** The changes in the order in which they took place, those of one write in the order in which they were given. */
    readonly log: (filter: LogFilter) => Effect.Effect<ReadonlyArray<FlowEntry>, StoreError>

    /** The position of the last change that took place, 0 when there was none. */
    readonly position: Effect.Effect<number, StoreError>
  }
>() {}
