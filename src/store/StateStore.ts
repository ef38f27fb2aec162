/**
 * The port behind which state is kept by key: that of nodes, or anyone's.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { StoreError } from "../model/StoreError.js"

/**
 * What is kept under a key. `version` is a positive whole number that no other value of the store has or will have: what
 * has the same version is the same value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly value: string
  readonly version: number
}

/**
 * - `ttl`: how long the value is there, by the Clock of who sets it; forever when it is left out
 *
 * @since 0.1.0
 * @category options
 */
export interface SetOptions {
  readonly ttl?: Duration.DurationInput | undefined
}

/**
 * Values are texts; keys are texts that are not empty, well-formed (no lone surrogates) and of at most `maxKeyBytes` bytes
 * of UTF-8. Another key, or a text with a lone surrogate as value, fails with a `StoreError` (`failed`) that names it, and nothing has changed. A value
 * whose time has run out is not there, for any of the methods. Each method is atomic: whoever calls it at the same time, in
 * this process or in another, sees all of it or nothing.
 *
 * **Interruption**: a method that was interrupted has taken place or not; nothing is left in between.
 *
 * @since 0.1.0
 * @category services
 */
export class StateStore extends Context.Tag("heddle/store/StateStore")<
  StateStore,
  {
    /** What is there now. */
    readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, StoreError>

    /** Puts the value in the place of whatever is there, and gives its version. */
    readonly set: (key: string, value: string, options?: SetOptions) => Effect.Effect<number, StoreError>

    /** Whether there was a value, which is gone now. */
    readonly delete: (key: string) => Effect.Effect<boolean, StoreError>

    /**
     * Puts the value there if what is there has the version `expected` (0: nothing is there), and gives its version. None:
     * something else is there, and nothing has changed.
     */
    readonly compareAndSet: (
      key: string,
      expected: number,
      value: string,
      options?: SetOptions
    ) => Effect.Effect<Option.Option<number>, StoreError>
  }
>() {}

/**
 * How long a key may be, in bytes of UTF-8: what fits in every backend.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxKeyBytes = 1000
