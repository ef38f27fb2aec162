/**
 * What a `SchemaStore` takes and gives.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { StateContended, StateInvalid, StateNewer, StateQuarantined } from "../model/SchemaStoreError.js"
import type { StoreError } from "../model/StoreError.js"
import type { Change, Page, SetOptions } from "../store/StateStore.js"

/**
 * A value and the version under which the `StateStore` keeps it, which is that of `compareAndSet`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry<out A> {
  readonly value: A
  readonly version: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface KeyedEntry<out A> extends Entry<A> {
  readonly key: string
}

/**
 * Why a value could not be read: it is quarantined, it is newer, or its migration has failed with `E`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unreadable<out E = never> {
  readonly key: string
  readonly error: StateQuarantined | StateNewer | E
}

/**
 * - `entries`: those that could be read, and `unreadable`: the others, both in the order of their keys; together they are
 *   at most as many as the limit
 * - `next`: the `after` of the next page; none when this is the last
 *
 * @since 0.1.0
 * @category models
 */
export interface Listed<out A, out E = never> {
  readonly entries: ReadonlyArray<KeyedEntry<A>>
  readonly unreadable: ReadonlyArray<Unreadable<E>>
  readonly next: Option.Option<string>
}

/**
 * What was put aside: `text` is what the `StateStore` had under the key, as it was.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quarantined {
  readonly text: string
  readonly version: number | null
  readonly reason: string
  readonly at: number
}

/**
 * What reading may fail with: that a value is quarantined or newer, `E` of the migration, or the store.
 *
 * @since 0.1.0
 * @category models
 */
export type ReadError<E = never> = StateQuarantined | StateNewer | StoreError | E

/**
 * Values of one schema. `E` and `R` are those of the migration, and of the schema.
 *
 * A value is read as a whole or not at all. One of an older version is migrated each time that it is read; what is stored
 * stays as it is until it is written, so processes of the release before can still read it. One of a newer version fails
 * with `StateNewer` and is left as it is. One that does not decode is put aside in one `compareAndSet`, so that what
 * somebody else wrote meanwhile is never lost, and fails with `StateQuarantined` from then on.
 *
 * **Interruption**: as of the methods of `StateStore`; `modify` has taken place or not.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaStore<in out A, out E = never, out R = never> {
  readonly get: (key: string) => Effect.Effect<Option.Option<Entry<A>>, ReadError<E>, R>

  /** Puts the value in the place of whatever is there, also of one that is quarantined or newer; gives its version. */
  readonly set: (key: string, value: A, options?: SetOptions) => Effect.Effect<number, StateInvalid | StoreError, R>

  /** Whether something was there, readable or not, which is gone now. */
  readonly delete: (key: string) => Effect.Effect<boolean, StoreError>

  /** As that of `StateStore`; 0 expects that nothing is there. */
  readonly compareAndSet: (
    key: string,
    expected: number,
    value: A,
    options?: SetOptions
  ) => Effect.Effect<Option.Option<number>, StateInvalid | StoreError, R>

  /**
   * Replaces the value by what `f` makes of it. `f` runs again with what is there then, as often as the schedule says, when
   * somebody else was faster. Without a `ttl` the new value has none. After a `StoreError` nobody knows whether it took
   * place, so it is not tried again.
   */
  readonly modify: <E2, R2>(
    key: string,
    f: (value: Option.Option<A>) => Effect.Effect<A, E2, R2>,
    options?: SetOptions
  ) => Effect.Effect<Entry<A>, ReadError<E> | StateInvalid | StateContended | E2, R | R2>

  /** What is there now under these keys, at one moment and in their order: what could be read, and what not. */
  readonly getMany: (
    keys: ReadonlyArray<string>
  ) => Effect.Effect<Pick<Listed<A, E>, "entries" | "unreadable">, StoreError, R>

  /** What is there now, at one moment, in the order of the keys' UTF-8 bytes. Fails for no single value. */
  readonly list: (page: Page) => Effect.Effect<Listed<A, E>, StoreError, R>

  /** As that of `StateStore`: none where its backend cannot tell. Putting a value aside is a change too. */
  readonly changes: Option.Option<(prefix: string) => Stream.Stream<Change, StoreError>>

  /** What was put aside under the key; none when that is nothing. */
  readonly quarantined: (key: string) => Effect.Effect<Option.Option<Quarantined>, StoreError>

  /**
   * Puts the text that was put aside back where it was, if it can be read now, with what is left of its time; fails with
   * `StateQuarantined` if it can't, and it stays aside. Gives what is there then, as `get` does.
   */
  readonly restore: (key: string) => Effect.Effect<Option.Option<Entry<A>>, ReadError<E>, R>

  /** Throws away what was put aside, and nothing else: whether there was something. */
  readonly discard: (key: string) => Effect.Effect<boolean, StoreError>
}

/**
 * - `name`: what the keys of its values begin with, before a `/`; no other store of values has it. Not empty, without `/`
 * - `schema`: that of the values; `version`: its number, a positive whole one that grows when the encoded form changes
 * - `migrate`: makes the encoded form of this version of one of an older version `from`. It is run by reads, also by
 *   several at once. When it fails, the read fails with its error and the value stays; when what it gives does not fit the
 *   schema, the value is quarantined. Without it, older values are decoded as they are
 * - `retry`: how often, and when, `modify` is tried again
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<A, I, RS = never, E = never, RM = never> {
  readonly name: string
  readonly schema: Schema.Schema<A, I, RS>
  readonly version: number
  readonly migrate?: ((stored: unknown, from: number) => Effect.Effect<unknown, E, RM>) | undefined
  readonly retry?: Schedule.Schedule<unknown> | undefined
}
