/**
 * The port behind which state is kept by key: that of nodes, or anyone's.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
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
 * - `ttl`: how long the value is there, more than 0, by the clock of the store: the database's where it has one, else the
 *   `Clock` of who sets it; forever when it is left out
 *
 * @since 0.1.0
 * @category options
 */
export interface SetOptions {
  readonly ttl?: Duration.DurationInput | undefined
}

/**
 * What is there under a key, in a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyedEntry extends Entry {
  readonly key: string
}

/**
 * Which entries to list: those whose key begins with `prefix` (all of them, when it is empty) and comes after `after`, at
 * most `limit`: a whole number of at least 0.
 *
 * @since 0.1.0
 * @category options
 */
export interface Page {
  readonly prefix: string
  readonly after?: string | undefined
  readonly limit: number
}

/**
 * That a key was set, or deleted: `version` is none then. A value whose time has run out is not reported.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly key: string
  readonly version: Option.Option<number>
}

/**
 * Values are texts; keys are texts that are not empty, well-formed (no lone surrogates) and of at most `maxKeyBytes` bytes
 * of UTF-8. Another key, a text with a lone surrogate as value, a `ttl` that is not more than 0 and a page that is none fail
 * with a `StoreError` (`failed`) that names it, and nothing has changed. A value whose time has run out is not there, for
 * any of the methods. Each method is atomic: whoever calls it at the same time, in this process or in another, sees all of
 * it or nothing.
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

    /** What is there now under these keys, at one moment; keys under which nothing is are left out. */
    readonly getMany: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Entry>, StoreError>

    /** What is there now, at one moment, in the order of the keys' UTF-8 bytes (that of code points). */
    readonly list: (page: Page) => Effect.Effect<ReadonlyArray<KeyedEntry>, StoreError>

    /**
     * The changes, by anyone, of keys that begin with the prefix, from the moment on at which the stream has begun to
     * listen; none where the backend cannot tell. It says what to look at again, and is no log: of several changes of a
     * key in a row it may tell the last only, and after a connection was lost the stream fails.
     */
    readonly changes: Option.Option<(prefix: string) => Stream.Stream<Change, StoreError>>
  }
>() {}

/**
 * How long a key may be, in bytes of UTF-8: what fits in every backend.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxKeyBytes = 1000
